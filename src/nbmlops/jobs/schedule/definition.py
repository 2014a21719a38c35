"""A job as its file says it: ``jobs/<job>.yaml``, read strictly, one broken file never stopping the others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from nbmlops.config import Project
from nbmlops.errors import Invalid, NbmlopsError, unknown
from nbmlops.governance.charter import ROLES
from nbmlops.hooks import Shown
from nbmlops.jobs.kinds import SECRET
from nbmlops.jobs.schedule import expressions, times
from nbmlops.jobs.schedule.afterwards import STEPS, asked
from nbmlops.jobs.schedule.policy import Keep, Policy, mapping, near, one_of, only, policy, words
from nbmlops.jobs.works.keys import kept
from nbmlops.records import Finding, plain

__all__ = ["FOLDER", "Job", "Keep", "Policy", "When", "find", "load", "read"]

FOLDER = "jobs"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
EVENTS = ("failed", "missed", "recovered", "finished")
KINDS = ("cron", "drift", "target", "dataset", "after")
LEVELS = ("notice", "alert")
EXAMPLE = datetime(2026, 3, 1, 2, tzinfo=UTC)  # a time to try expressions with


@dataclass(frozen=True)
class When:
    """What makes a job fire: a clock, or one kind of cause."""

    kind: Literal["cron", "drift", "target", "dataset", "after"]
    value: str
    zone: str = "UTC"
    level: str = "alert"

    @property
    def text(self) -> str:
        """It in words."""
        more = {"cron": f" {self.zone}", "drift": f" at {self.level}"}
        return f"{self.kind} {self.value}{more.get(self.kind, '')}"


@dataclass(frozen=True, repr=False)
class Job(Shown):
    """A notebook, when it runs, with what, and what follows."""

    shows: ClassVar[str] = "job"

    name: str
    path: str
    digest: str
    notebook: str
    when: When | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kernel: str | None = None
    lock: str | None = None
    policy: Policy = field(default_factory=Policy)
    then: tuple[str | Mapping[str, Any], ...] = ()
    notify: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owner: str = ""

    @property
    def zone(self) -> str:
        """The zone of its times."""
        return self.when.zone if self.when else "UTC"

    def values(self, scheduled_for: datetime) -> dict[str, Any]:
        """Return the parameters of one fire.

        Parameters
        ----------
        scheduled_for : datetime
            When it was due; expressions see it in the job's zone.
        """
        local = scheduled_for.astimezone(times.zone_of(self.zone))
        return {name: expressions.render(value, local, self.name) for name, value in self.parameters.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "when_text": self.when.text if self.when else "by hand"}


def load(project: Project) -> tuple[list[Job], tuple[Finding, ...]]:
    """Return the jobs of a project in the order of their names, and one finding for each file that is broken.

    Parameters
    ----------
    project : Project

    Returns
    -------
    tuple of list of Job and tuple of Finding

    Examples
    --------
    >>> load(Project(Path("/nowhere"), ""))
    ([], ())
    """
    jobs: list[Job] = []
    broken: list[Finding] = []
    for path in sorted(_files(project)):
        try:
            if jobs and path.stem == jobs[-1].name:
                raise Invalid(f"{path.name}: there is {path.stem}.yaml too.", "Keep one of them.")
            jobs.append(read(path, project))
        except NbmlopsError as error:
            broken.append(Finding("job", "issue", str(error), path.stem, detail={"path": f"{FOLDER}/{path.name}"}))
    return jobs, (*broken, *_unmet(jobs))


def find(name: str, project: Project) -> Job:
    """Return one job by its name.

    Raises
    ------
    NotFound
        There is no such file.
    Invalid
        There is, and it is broken.
    """
    files = {p.stem: p for p in _files(project)}
    if name not in files:
        raise unknown("job", name, files, "" if files else f"Write {FOLDER}/{name or 'NAME'}.yaml.")
    return read(files[name], project)


def read(path: Path, project: Project) -> Job:
    """Return the job of a file.

    Raises
    ------
    Invalid
        The file is no YAML, or holds a key or value that no job has; the message names the near key.
    """
    text = _text(path)
    if not NAME.fullmatch(path.stem):
        raise Invalid(f"{path.name}: no name of a job.", "Use letters, digits, -, _ and ., such as retrain.yaml.")
    try:
        return _parsed(path.stem, path.relative_to(project.root).as_posix(), text)
    except Invalid as error:
        raise Invalid(f"{path.name}: {error.message}", error.hint) from None


@lru_cache(4096)
def _parsed(name: str, path: str, text: str) -> Job:
    """Return the job of a text; a scheduler that looks again and again reads only what has changed."""
    return _job(name, _content(text), path, hashlib.sha256(text.encode()).hexdigest())


def _files(project: Project) -> list[Path]:
    folder = project.root / FOLDER
    return [p for p in folder.iterdir() if p.suffix in (".yaml", ".yml") and p.is_file()] if folder.is_dir() else []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path.name} cannot be read ({type(error).__name__}).", f"Mend {path.name}.") from None


def _content(text: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid(f"no valid YAML: {' '.join(str(error).split())}.", "Text with braces stands in quotes.") from None
    if not isinstance(found, dict):
        raise Invalid("it holds no keys.", "It needs at least notebook: NAME.ipynb.")
    return found


def _job(name: str, content: Mapping[str, Any], path: str, digest: str) -> Job:
    known = ("notebook", "when", "parameters", "environment", "policy", "then", "notify", "owner")
    only("", content, known)
    if "notebook" not in content:
        raise Invalid("notebook is missing.", "Write notebook: retrain.ipynb, seen from the project.")
    about = mapping("environment", content.get("environment"), ("kernel", "lock"))
    job = Job(
        name,
        path,
        digest,
        words("notebook", content["notebook"]),
        _when(content.get("when")),
        _parameters(content.get("parameters")),
        words("environment.kernel", about["kernel"]) if about.get("kernel") else None,
        words("environment.lock", about["lock"]) if about.get("lock") else None,
        policy(content.get("policy")),
        _then(content.get("then")),
        _notify(content.get("notify")),
        words("owner", content["owner"]) if content.get("owner") else "",
    )
    job.values(EXAMPLE)  # what is wrong with an expression is said now, not at two in the morning
    return job


def _when(content: Any) -> When | None:
    if content is None:
        return None
    found = mapping("when", content, (*KINDS, "zone", "level"))
    kinds = [kind for kind in KINDS if kind in found]
    if len(kinds) != 1:
        raise Invalid(f"when names {' and '.join(kinds) or 'no kind of fire'}.", f"Write one of {', '.join(KINDS)}.")
    kind, value = kinds[0], words(f"when.{kinds[0]}", found[kinds[0]])
    if "level" in found and kind != "drift":
        raise Invalid("when.level belongs to drift.", "Write {drift: MODEL, level: alert}.")
    if kind == "target" and not all(value.rpartition(".")[::2]):
        raise Invalid(f"when.target is {value!r}.", "Write MODEL.METRIC, such as late-flights.roc_auc.")
    zone = words("when.zone", found.get("zone", "UTC"))
    times.check(value if kind == "cron" else "0 0 * * *", zone)
    return When(kind, value, zone, one_of("when.level", LEVELS)(found.get("level", "alert")))  # type: ignore[arg-type]


def _parameters(content: Any) -> dict[str, Any]:
    found = {} if content is None else content
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Invalid(f"parameters is {found!r}.", "Write names with values: {months: 3}.")
    return kept({name: _value(value) for name, value in found.items()})


def _value(value: Any) -> Any:
    """Return a value as plain JSON; a reference to a secret as the ledger keeps it."""
    named = SECRET.fullmatch(value.strip()) if isinstance(value, str) else None
    return {"$secret": named["name"]} if named else plain(value)


def _then(content: Any) -> tuple[str | Mapping[str, Any], ...]:
    steps = [content] if isinstance(content, (str, dict)) else content or []
    if not isinstance(steps, list):
        raise Invalid(f"then is {content!r}.", f"Write a list of {', '.join(STEPS)}.")
    found = tuple(_step(step) for step in steps)
    asked(found)  # options that a step does not have are refused, too
    return found


def _step(step: Any) -> str | Mapping[str, Any]:
    named = step if isinstance(step, dict) else {str(step): None}
    name, about = next(iter(named.items()), ("", None))
    if len(named) != 1 or name not in STEPS:
        raise Invalid(f"then has {str(step)!r}.{near(str(name), STEPS)}", f"Allowed: {', '.join(STEPS)}.")
    if about is None:
        return str(name)
    if not isinstance(about, dict):
        raise Invalid(f"then.{name} is {about!r}.", f"Write {{{name}: {{on: flights-eval@2}}}}.")
    return {
        str(name): {"on" if key is True else str(key): plain(v) for key, v in about.items()}
    }  # YAML reads on as true


def _notify(content: Any) -> dict[str, tuple[str, ...]]:
    found = mapping("notify", content, EVENTS)
    return {event: tuple(_roles(event, roles)) for event, roles in found.items()}


def _roles(event: str, roles: Any) -> list[str]:
    listed = [roles] if isinstance(roles, str) else roles
    if not isinstance(listed, list) or not listed:
        raise Invalid(f"notify.{event} is {roles!r}.", "Write roles: [manager].")
    return [one_of(f"notify.{event}", ROLES)(role) for role in listed]


def _unmet(jobs: list[Job]) -> list[Finding]:
    """Return a finding for each job that follows one that is not there, or itself."""
    names = {job.name for job in jobs}
    wanted = [(j, j.when.value) for j in jobs if j.when and j.when.kind == "after"]
    says = "{}: it runs after {!r}, {}. Known: {}."
    return [
        Finding("job", "issue", says.format(j.path, a, "itself" if a == j.name else "no job", ", ".join(names)), j.name)
        for j, a in wanted
        if a not in names or a == j.name
    ]
