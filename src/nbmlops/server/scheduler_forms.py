"""Works and jobs as the models of jupyter-scheduler: what its forms, lists and addresses send and show."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_scheduler import models as form
from jupyter_scheduler.environments import EnvironmentManager
from jupyter_scheduler.executors import ExecutionManager

from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.jobs.execution import kernels
from nbmlops.jobs.schedule.definition import Job
from nbmlops.report.gathered.masked import SHOWN
from nbmlops.server.masks import Masks
from nbmlops.store.works import Work

__all__ = [
    "FORMATS",
    "Features",
    "Kernels",
    "as_typed",
    "asked",
    "defined",
    "definition_id",
    "described",
    "id_of",
    "kernel",
    "key_of",
    "name_of",
    "of_work",
    "page",
    "refuse",
    "status",
    "unmasked",
]

FORMATS = {"ipynb": "Notebook", "html": "HTML"}
STATUS = {
    "due": form.Status.QUEUED,
    "started": form.Status.IN_PROGRESS,
    "finished": form.Status.COMPLETED,
    "failed": form.Status.FAILED,
}  # the others never came to an end of their own
Value = Callable[[Any, str], Any]
FIRE, DEFINED = "fire-", "job-"
WELL = ("due", "started", "finished")  # the form shows any message in red
NO_WORD = {  # what a form or script may ask, and the ledger cannot do: refused, for an order ignored is a lie
    "compute_type": "a job runs where the project's executor is",
    "job_definition_id": "a job of a definition is begun at the definition's own address",
    "name": "a job is called as its file",
    "output_filename_template": "an output is called as its run",
    "output_formats": f"an output can be had as {' and '.join(FORMATS)}",
    "package_input_folder": "a job runs in the folder of its notebook, with all files there, and copies none",
    "runtime_environment_parameters": "an environment is a kernel, which takes none",
    "tags": "a job's file has none",
    "url": "a job's address follows from its name",
}
LABELS = {"package_input_folder": "Run job with input folder"}  # as people read them


class Features(ExecutionManager):  # type: ignore[misc]
    """Tells the form what it may offer; executing is the ledger's business."""

    def execute(self) -> None:
        """Refuse: a work is carried out by an executor of the ledger, once, whoever asks."""
        raise NotAllowed("Works of the ledger are carried out by its executors.", "Start one: nbmlops scheduler run")

    def validate(self, input_path: str) -> bool:
        """Take any notebook: what its kernel or cells lack is said when it is created."""
        return True

    def supported_features(cls) -> dict[str, bool]:  # noqa: N805  the scheduler hands the class over as an argument
        """Return which fields the form shows."""
        have = ("job_name", "parameters", "output_formats", "job_definition", "idempotency_token", "tags", "stop_job")
        return {feature.value: feature.value in (*have, "delete_job") for feature in form.JobFeature}


class Kernels(EnvironmentManager):  # type: ignore[misc]
    """Offers the kernels of this machine as environments, the notebook's own first."""

    def list_environments(self) -> list[form.RuntimeEnvironment]:
        """Return one environment a kernel."""
        return [_environment(name, label) for name, label in kernels().items()]

    def manage_environments_command(self) -> str:
        """Return nothing: kernels are installed from a terminal."""
        return ""

    def output_formats_mapping(self) -> dict[str, str]:
        """Return the formats a finished job can be had in."""
        return FORMATS


def status(state: str) -> form.Status:
    """Return the form's word for the state of a work."""
    return STATUS.get(state, form.Status.STOPPED)


def refuse(model: Any, *names: str) -> None:
    """Refuse fields of a form the ledger has no word for, where they say anything.

    Raises
    ------
    Invalid
        The first of them, with what is so instead.
    """
    for name in names:
        value, usual = getattr(model, name), type(model).__fields__[name].default
        fits = name == "output_formats" and {*(value or ())} <= {*FORMATS}
        if value and value != usual and not fits:
            said = f"{LABELS.get(name, name)} is {str(value)[:80]!r}, but {NO_WORD[name]}."
            raise Invalid(said, "Leave it out.")


def unmasked(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Return a form's parameters; one that comes back as we masked it is no value."""
    lost = [name for name, text in parameters.items() if text == SHOWN]
    if lost and Masks.now().any:
        raise Invalid(f"{lost[0]} is {SHOWN!r}: what it was is not shown here.", "Type its value.")
    return parameters


def as_typed(value: Any) -> Any:
    """Return a kept parameter as somebody types it.

    >>> as_typed({"$secret": "DB"}), as_typed(3)
    ('Secret("DB")', 3)
    """
    return f'Secret("{value["$secret"]}")' if isinstance(value, Mapping) and {*value} == {"$secret"} else value


def described(work: Work, row: Mapping[str, Any], masks: Masks) -> form.DescribeJob:
    """Return a work as a job; ``row`` is it with its run, as lists of works show it."""
    about: Mapping[str, Any] = work.spec.get("form", {})
    begun, ended = row["started_at"], row["ended_at"]
    return form.DescribeJob(
        job_id=id_of(work.key or str(work.run_id)),
        name=_shown(work),
        input_filename=_filename(work),
        runtime_environment_name=work.spec.get("kernel") or "",
        runtime_environment_parameters=None,
        output_formats=about.get("formats", [*FORMATS]),
        output_filename_template=None,
        parameters=_texts(work.parameters, masks),
        tags=about.get("tags", []),
        job_definition_id=definition_id(work.job) if work.job and work.key else None,
        url=f"/jobs/{id_of(work.key or str(work.run_id))}",
        create_time=_ms(work.created_at),
        update_time=_ms(ended or begun or work.created_at),
        start_time=_ms(begun) if begun else None,
        end_time=_ms(ended) if ended else None,
        status=status(work.state),
        status_message=None if work.state in WELL else _said(work, row, masks.any),
    )


def _said(work: Work, row: Mapping[str, Any], hide: bool) -> str:
    """Return what became of a work in its own words; where columns are private no text that may quote a value."""
    state = work.state if status(work.state) == form.Status.STOPPED else ""
    tries = f"attempt {work.attempt} of {work.most}" if work.attempt and work.most > 1 else ""
    words = [text.partition(":")[0] if hide and text else text for text in (row["reason"], row["error"])]
    return ": ".join(filter(None, (state, tries, *words)))


def _texts(parameters: Mapping[str, Any], masks: Masks) -> dict[str, str]:
    return {name: str(masks.value(name, as_typed(value))) for name, value in parameters.items()}


def defined(job: Job, stamp: int, active: bool) -> form.DescribeJobDefinition:
    """Return a job as a definition; ``stamp`` is when its file was written, in ms."""
    clock = job.when if job.when and job.when.kind == "cron" else None
    return form.DescribeJobDefinition(
        job_definition_id=definition_id(job.name),
        name=job.name,
        input_filename=Path(job.notebook).name,
        runtime_environment_name=job.kernel or "",
        runtime_environment_parameters=None,
        output_formats=[*FORMATS],
        output_filename_template=None,
        parameters=_texts(job.parameters, Masks.now()),
        schedule=clock.value if clock else None,
        timezone=job.zone if clock else None,
        create_time=stamp,
        update_time=stamp,
        active=active,
    )


def definition_id(name: str) -> str:
    """Return a job's name as an id the addresses take.

    >>> definition_id("a.b"), name_of("job-612e62")
    ('job-612e62', 'a.b')
    """
    return f"{DEFINED}{name.encode().hex()}"


def name_of(definition_id: str) -> str:
    """Return the job's name behind an id."""
    try:
        return bytes.fromhex(definition_id.removeprefix(DEFINED)).decode()
    except ValueError:
        raise NotFound(f"No job definition {definition_id!r}.", "Look at the list again.") from None


def kernel(name: str) -> str | None:
    """Return the kernel a form chose, None for the notebook's own.

    Raises
    ------
    Invalid
        There is no such kernel here.
    """
    if name and name not in (known := kernels()):
        raise Invalid(f"No kernel {name[:80]!r} here. Known: {', '.join(known)}.", "Choose one of them.")
    return name or None


def _environment(name: str, label: str) -> form.RuntimeEnvironment:
    return form.RuntimeEnvironment(
        name=name,
        label=label,
        description=f"The kernel {label}",
        file_extensions=["ipynb"],
        output_formats=[*FORMATS],
        metadata=None,
        compute_types=None,
        default_compute_type=None,
        utc_only=False,
    )


def id_of(key: str) -> str:
    """Return a key as an id the addresses take: letters, digits and a hyphen.

    >>> id_of("0192f0c1-5a3c-7000-8000-000000000000"), id_of("a@b")
    ('0192f0c1-5a3c-7000-8000-000000000000', 'fire-614062')
    """
    return key if re.fullmatch(r"\w+(?:-\w+)+", key) and not key.startswith(FIRE) else f"{FIRE}{key.encode().hex()}"


def key_of(job_id: str) -> str:
    """Return the key behind an id.

    >>> key_of("fire-614062")
    'a@b'
    """
    try:
        return bytes.fromhex(job_id.removeprefix(FIRE)).decode() if job_id.startswith(FIRE) else job_id
    except ValueError:
        raise NotFound(f"No job {job_id[:80]!r}.", "Look at the list again.") from None


def asked(work: Work, query: form.ListJobsQuery) -> bool:
    """Tell whether a list that was asked for holds a work."""
    return (
        query.status in (None, status(work.state))
        and _shown(work).startswith(query.name or "")
        and (query.job_definition_id is None or (bool(work.key) and work.job == name_of(query.job_definition_id)))
        and {*(query.tags or [])} <= {*work.spec.get("form", {}).get("tags", [])}
        and (query.start_time is None or _ms(work.created_at) >= query.start_time)
    )


def _shown(work: Work) -> str:
    return str(work.spec.get("form", {}).get("name") or work.job or work.key or Path(work.notebook).stem)


def page(found: Sequence[Any], query: Any, value: Value = getattr) -> tuple[list[Any], str | None]:
    """Return what is on one page in the order asked for, and where the next page begins.

    Parameters
    ----------
    found : sequence
    query : ListJobsQuery or ListJobDefinitionsQuery
    value : callable
        Takes one of them and the name of a field, and returns what to sort by.
    """
    start = int(query.next_token or 0)
    end = start + int(query.max_items or form.DEFAULT_MAX_ITEMS)
    ordered = [*found]
    for asked in reversed(query.sort_by):
        by = partial(_key, value=value, name=asked.name)
        ordered.sort(key=by, reverse=asked.direction == form.SortDirection.desc)
    return ordered[start:end], str(end) if end < len(found) else None


def of_work(work: Work, name: str) -> Any:
    """Return a work's value of a field by which a list can be sorted.

    Raises
    ------
    Invalid
        It cannot.
    """
    if name not in FIELDS:
        raise Invalid(f"Jobs cannot be sorted by {name[:80]!r}.", f"Choose {', '.join(FIELDS)}.")
    return FIELDS[name](work)


def _key(one: Any, value: Value, name: str) -> tuple[bool, Any]:
    """Return what to sort by: what lacks the field comes first, as in a database."""
    found = value(one, name)
    return found is not None, found if found is not None else 0


def _filename(work: Work) -> str:
    return Path(work.notebook).name or f"{_shown(work)}.ipynb"


FIELDS: Mapping[str, Callable[[Work], Any]] = {
    "create_time": lambda work: work.created_at,
    "end_time": lambda work: work.ended_at,
    "input_filename": _filename,
    "name": _shown,
    "status": lambda work: status(work.state).value,
}


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
