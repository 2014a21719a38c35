"""What follows a finished run of a job: gate, challenger or rejection, advice, report, and telling people."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import Invalid, NbmlopsError, NotAllowed, unknown
from nbmlops.records import Finding, ModelVersion, Outcome, now, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.store.works import Work
    from nbmlops.tracking.runs import Run

__all__ = ["Failed", "asked", "follow"]

SPACE = uuid.UUID("8f5b9a52-6f54-4a0e-9a4e-0d3c6a8f1f62")  # an alert's id follows from its run: told twice is once
Options = Mapping[str, Any]
DEEP = 3  # a notebook, its cells, and what these are made of


class Failed(NbmlopsError):
    """A step that follows a run could not be done; what was done is kept with the run."""

    exit_code = 1


@dataclass(frozen=True)
class Story:
    """A finished run of a job, and what followed so far."""

    work: Work
    run: Run
    done: list[Finding] = field(default_factory=list)

    @cached_property
    def runs(self) -> list[str]:
        """The run and the runs it is made of."""
        from nbmlops.store.runs import newest

        found, level = [self.run.run_id], [self.run.run_id]
        for _ in range(DEEP):
            level = [child for run_id in level for child in newest(session.store(), parent=run_id)]
            found += level
        return found

    @cached_property
    def version(self) -> ModelVersion | None:
        """The newest version the run registered."""
        from nbmlops.registry.models import model_version
        from nbmlops.store.models import of_runs

        refs = of_runs(session.store(), self.runs)
        return model_version(refs[-1]) if refs else None

    @cached_property
    def champion(self) -> ModelVersion | None:
        """The champion of that version's name, or who it was until it was taken out of use; when it is another file."""
        from nbmlops.registry import past
        from nbmlops.store.models import find

        name = self.version.name if self.version else ""
        found = find(session.store(), name, "champion") or past.stood(name, "champion") if name else None
        return found if found and self.version and found.digest != self.version.digest else None

    @property
    def gate(self) -> Mapping[str, Any] | None:
        """The newest gate of exactly this pair that was made by the run or after it."""
        from nbmlops.store.runs import results_of

        if self.version is None or self.champion is None:
            return None
        pair = (self.version.digest, self.champion.digest)
        made = results_of(session.store(), self.runs, kind="gate")
        found = [r for r in made if (r["data"]["challenger_digest"], r["data"]["champion_digest"]) == pair]
        return found[-1] if found else None


def follow(work: Work, run: Run, project: Project | None = None) -> list[Finding]:
    """Do what the job says shall follow a finished run; each step is a finding, kept with the run.

    A *no* of the gate is no failure: the challenger is rejected, with the reason in the log.

    Parameters
    ----------
    work : Work
        Whose spec has ``then``: names of steps, or ``{gate: {on: flights-eval@2, margin: 0.01}}``.
    run : Run
    project : Project, optional
        Where the report goes; the run's when absent.

    Returns
    -------
    list of Finding
        ``passed`` (done), ``warning`` (the answer was no), ``not_applicable`` (there was nothing to do).

    Raises
    ------
    Failed
        A step could not be done; the steps behind it were not tried.

    Examples
    --------
    >>> [f.code for f in follow(work, run)]  # doctest: +SKIP
    ['gate', 'challenger', 'advice', 'report']
    """
    story = Story(work, run)
    steps = asked(work.spec.get("then") or ())
    for name, options in steps:
        story.done.append(_tried(name, options, story, project or session.project()))
        if story.done[-1].outcome == "issue":
            break
    story.done.extend(_not_tried(name, story) for name, _ in steps[len(story.done) :])
    _keep(story)
    if failed := next((f for f in story.done if f.outcome == "issue"), None):
        raise Failed(f"{failed.code}, which follows the run, failed: {failed.message}", str(failed.detail["hint"]))
    return story.done


def asked(then: Iterable[Any]) -> list[tuple[str, Options]]:
    """Return the steps of a job by name, with their options.

    Raises
    ------
    Invalid
        A step or an option that there is not.

    Examples
    --------
    >>> asked(["gate", {"advice": {"model": "late-flights"}}])
    [('gate', {}), ('advice', {'model': 'late-flights'})]
    """
    pairs = [next(iter(step.items())) if isinstance(step, Mapping) and len(step) == 1 else (step, {}) for step in then]
    return [(_known(name), _options(name, options or {})) for name, options in pairs]


def _known(name: Any) -> str:
    if not isinstance(name, str) or name not in STEPS:
        raise Invalid(f"then has {str(name)!r}, which is no step.", f"Allowed: {', '.join(STEPS)}.")
    return name


def _options(name: str, options: Any) -> Options:
    _, allowed = STEPS[name]
    if not isinstance(options, Mapping):
        raise Invalid(f"then.{name} is {options!r}.", f"Write keys: {', '.join(allowed) or 'none'}.")
    if strange := [key for key in options if key not in allowed]:
        raise Invalid(f"then.{name} has {str(strange[0])!r}.", f"Allowed: {', '.join(allowed) or 'nothing'}.")
    return options


def _tried(name: str, options: Options, story: Story, project: Project) -> Finding:
    """Do one step; what it raises is an issue with its reason."""
    step, _ = STEPS[name]
    try:
        found = step(story, options, project)
    except Exception as error:  # whatever a step raises is why the work failed
        ours = isinstance(error, NbmlopsError)
        message = error.message if ours else f"{type(error).__name__}: {error}"  # type: ignore[attr-defined]
        hint = error.hint if ours else f"Look at the run: nbmlops runs show {story.run.run_id}"  # type: ignore[attr-defined]
        return Finding(name, "issue", redact(message), detail={"hint": redact(hint)})
    return replace(found, code=name)


def _not_tried(name: str, story: Story) -> Finding:
    failed = next(f.code for f in story.done if f.outcome == "issue")
    return Finding(name, "skipped", f"not tried, for {failed} failed")


def _keep(story: Story) -> None:
    """Keep the findings with the run, and what came out as tags, which lists show."""
    about = {"work": story.work.key, "findings": [f.to_dict() for f in story.done]}
    session.keep("afterwards", story.work.job or story.run.name, about, story.run.run_id)
    for found in story.done:
        if said := found.detail.get("tag"):
            tag = {"t": "tag", "run_id": story.run.run_id, "name": found.code, "value": str(said)}
            session.write(tag)


def _done(outcome: Outcome, message: str, tag: str = "", **detail: Any) -> Finding:
    return Finding("", outcome, message, detail={**({"tag": tag} if tag else {}), **detail})


def _gate(story: Story, options: Options, project: Project) -> Finding:
    """Compare the version the run registered with the champion."""
    if story.version is None:
        return _done("not_applicable", "the run registered no version")
    if story.champion is None:
        return _done("not_applicable", f"{story.version.ref} is compared with nothing: no champion is another file")
    data = _compared(story, story.version, story.champion, options)
    says = f"{data['challenger']} is {data['verdict']} against {data['champion']}: {data['metric']} better by"
    says += f" {data['difference']:+.4f} [{data['low']:+.4f}, {data['high']:+.4f}] on {data['rows']:,} rows, "
    says += "ready" if data["ready"] else f"not ready because {'; and '.join(data['because'])}"
    return _done("passed" if data["ready"] else "warning", says, data["verdict"], ready=data["ready"])


def _compared(story: Story, new: ModelVersion, old: ModelVersion, options: Options) -> Mapping[str, Any]:
    """Return a gate on the rows that are named, else the one the run made itself."""
    from nbmlops.governance.charter import charter
    from nbmlops.governance.gate import held
    from nbmlops.governance.terms import agreed

    on = options.get("on") or getattr(charter(), "rows", None)
    if on:
        asked = {k: options.get(k) for k in ("margin", "metrics", "by", "groups")}
        terms = agreed(**asked, model=new.name)
        return plain(held(new.ref, old.ref, str(on), None, terms, story.run.run_id))  # type: ignore[no-any-return]
    if made := story.gate:
        return made["data"]  # type: ignore[no-any-return]
    raise Invalid(
        f"Nobody said on which rows {new.ref} and {old.ref} are compared.",
        "Write {gate: {on: flights-eval@2}} into the job, or rows: flights-eval@2 into charter.yaml.",
    )


def _challenger(story: Story, options: Options, project: Project) -> Finding:
    """Let the alias challenger point to the new version where the gate says it may go, else write down why not."""
    from nbmlops.governance import promotion

    new, old = story.version, story.champion
    if new is None:
        return _done("not_applicable", "the run registered no version")
    made = story.gate
    if old is not None and made is None:
        raise Invalid(f"{new.ref} was compared with nothing.", "Write gate before challenger.")
    data = made["data"] if made else None
    refused = "; and ".join(data["because"]) if data and not data["ready"] else ""
    why = f"{data['verdict']} than {data['champion']}" if data else "no other champion"
    try:
        if not refused:
            promotion.promote(new.name, new.version, "challenger", f"{why} ({story.work.key})")
            return _done("passed", f"{new.ref} is challenger: {why}", new.ref)
    except NotAllowed as error:  # the charter says no
        refused = error.message
    evidence = {"gate": made and made["result_id"], "work": story.work.key, "run": story.run.run_id}
    promotion.reject(new, refused, evidence)
    return _done("warning", f"{new.ref} is rejected: {refused}", f"rejected {new.ref}")


def _advice(story: Story, options: Options, project: Project) -> Finding:
    """Say what to do about the model, kept with the run."""
    from nbmlops.governance.advise import advised, serving

    found = advised(serving(_model(story, options)), now(), story.run.run_id)
    known = found.advice not in ("insufficient data",)
    outcome: Outcome = "passed" if found.advice == "keep" else "warning" if known else "skipped"
    return _done(outcome, f"{found.ref}: {found.advice}. {found.because}", found.advice, do=list(found.do))


def _model(story: Story, options: Options) -> str:
    """Return the model a job is about: as it says, as the run registered, as its parameter says, or the only one."""
    from nbmlops.store.models import names

    said = options.get("model") or (story.version.name if story.version else story.run.params.get("model_name"))
    known = names(session.store())
    if said is None and len(known) == 1:
        return next(iter(known))
    if said is None:
        raise Invalid("Nobody said which model the advice is about.", "Write {advice: {model: late-flights}}.")
    if said not in known:
        raise unknown("model", str(said), known)
    return str(said)


def _report(story: Story, options: Options, project: Project) -> Finding:
    """Write the report of the run beside its output."""
    from nbmlops.report.page import written
    from nbmlops.store.journal import prepare

    prepare(project.home)
    folder = project.home / "outputs" / (story.work.job or Path(story.work.notebook).stem)
    folder.mkdir(parents=True, exist_ok=True)
    found = written(story.run, folder / f"{story.run.run_id}.html")
    if found.stale:  # the notebook wrote one of itself, before its end
        found = written(story.run, found.path, refresh=True)
    path = project.relative(Path(found.path))
    return _done("passed", f"{path}: {found.answer}, {found.because}", path)


def _notify(story: Story, options: Options, project: Project) -> Finding:
    """Tell people what followed, through the channels of alerts; what could not be sent is sent later."""
    from nbmlops.monitoring import alerts
    from nbmlops.store import episodes

    channels = [c.name for c in alerts.channels(project)]
    with session.store().atomic() as change:
        episodes.add_alert(change, _message(story, options), channels or [""])
    failed = alerts.deliver()
    if not channels:
        return _done("not_applicable", "kept, and sent to nobody: nbmlops.toml has no [alerts]")
    return _done("warning" if failed else "passed", "; ".join(failed) or f"told through {', '.join(channels)}")


def _message(story: Story, options: Options) -> dict[str, Any]:
    about = story.version or story.champion
    lines = [f"{f.code}: {f.message}" for f in story.done]
    lines += [f"To: {', '.join(_people(options))}"] if options.get("to") else []
    title = next((f"advice: {f.detail['tag']}" for f in story.done if f.code == "advice"), "finished")
    return {
        "alert_id": str(uuid.uuid5(SPACE, story.run.run_id)),
        "at": now(),
        "model": about.name if about else f"job {story.work.job or story.run.name}",
        "version": about.version if about else 0,
        "owner": about.owner if about else "",
        "title": redact(f"{story.work.job or story.run.name}: {title}"),
        "text": redact("\n".join(lines or ["The run finished."])),
        "run_id": story.run.run_id,
        "episodes": [],
        "do": [line for f in story.done for line in f.detail.get("do", ())],
    }


def _people(options: Options) -> Sequence[str]:
    """Return the roles a message goes to, with the people of the charter."""
    from nbmlops.governance.charter import charter

    roles = [options["to"]] if isinstance(options["to"], str) else list(options["to"])
    agreed = charter()
    named = {role: ", ".join(agreed.roles.get(role, ())) if agreed else "" for role in roles}
    return [f"{role} ({people})" if people else role for role, people in named.items()]


Step = Callable[[Story, Options, "Project"], Finding]
STEPS: Mapping[str, tuple[Step, tuple[str, ...]]] = {
    "gate": (_gate, ("on", "margin", "metrics", "by", "groups")),
    "challenger": (_challenger, ()),
    "advice": (_advice, ("model",)),
    "report": (_report, ()),
    "notify": (_notify, ("to",)),
}
