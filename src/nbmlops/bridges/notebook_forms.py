"""Works and jobs as the models of jupyter-scheduler: what its forms, lists and addresses send and show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_scheduler import models as form
from jupyter_scheduler.environments import EnvironmentManager
from jupyter_scheduler.executors import ExecutionManager

from nbmlops.errors import NotAllowed, NotFound
from nbmlops.jobs.execution import kernels
from nbmlops.jobs.schedule.definition import Job
from nbmlops.store.works import Attempt, Work

__all__ = [
    "FORMATS",
    "Features",
    "Kernels",
    "asked",
    "defined",
    "definition_id",
    "described",
    "id_of",
    "kernel",
    "key_of",
    "name_of",
    "page",
    "status",
]

FORMATS = {"ipynb": "Notebook", "html": "HTML"}
STATUS = {
    "due": form.Status.QUEUED,
    "started": form.Status.IN_PROGRESS,
    "finished": form.Status.COMPLETED,
    "failed": form.Status.FAILED,
}  # the others never came to an end of their own
FIRE, DEFINED = "fire-", "job-"


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


def described(work: Work, tries: Sequence[Attempt]) -> form.DescribeJob:
    """Return a work, with the attempts at it, as a job."""
    about: Mapping[str, Any] = work.spec.get("form", {})
    return form.DescribeJob(
        job_id=id_of(work.key),
        name=_shown(work),
        input_filename=Path(work.notebook).name,
        runtime_environment_name=work.spec.get("kernel") or "",
        runtime_environment_parameters=None,
        output_formats=about.get("formats", ["ipynb"]),
        parameters={name: str(value) for name, value in work.parameters.items()},
        tags=about.get("tags", []),
        job_definition_id=definition_id(work.job) if work.job else None,
        url=f"/jobs/{id_of(work.key)}",
        create_time=_ms(work.created_at),
        update_time=_ms(work.ended_at or (tries[-1].started_at if tries else work.created_at)),
        start_time=_ms(tries[0].started_at) if tries else None,
        end_time=_ms(work.ended_at) if work.ended_at else None,
        status=status(work.state),
        status_message=work.reason,
    )


def defined(job: Job, stamp: int, active: bool) -> form.DescribeJobDefinition:
    """Return a job as a definition; ``stamp`` is when its file was written, in ms."""
    clock = job.when if job.when and job.when.kind == "cron" else None
    return form.DescribeJobDefinition(
        job_definition_id=definition_id(job.name),
        name=job.name,
        input_filename=Path(job.notebook).name,
        runtime_environment_name=job.kernel or "",
        runtime_environment_parameters=None,
        output_formats=["ipynb"],
        parameters={name: str(value) for name, value in job.parameters.items()},
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
    """Return the kernel a form chose; another scheduler's environments are none of ours."""
    return name if name in kernels() else None


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
    return bytes.fromhex(job_id.removeprefix(FIRE)).decode() if job_id.startswith(FIRE) else job_id


def asked(work: Work, query: form.ListJobsQuery) -> bool:
    """Tell whether a list that was asked for holds a work."""
    return (
        query.status in (None, status(work.state))
        and _shown(work).startswith(query.name or "")
        and (query.job_definition_id is None or work.job == name_of(query.job_definition_id))
        and {*(query.tags or [])} <= {*work.spec.get("form", {}).get("tags", [])}
        and (query.start_time is None or _ms(work.created_at) >= query.start_time)
    )


def _shown(work: Work) -> str:
    return str(work.spec.get("form", {}).get("name") or work.job or work.key)


def _sorted(found: Sequence[Any], fields: Sequence[form.SortField]) -> list[Any]:
    """Return models in the order asked for; what a field lacks comes first, as in a database."""
    ordered = [*found]
    for asked in reversed(fields):
        by = partial(_value, name=asked.name)
        ordered.sort(key=by, reverse=asked.direction == form.SortDirection.desc)
    return ordered


def _value(model: Any, name: str) -> tuple[bool, Any]:
    value = getattr(model, name, None)
    return value is not None, value if value is not None else 0


def page(found: Sequence[Any], query: Any) -> tuple[list[Any], str | None]:
    """Return the models of one page in the order asked for, and where the next page begins."""
    start = int(query.next_token or 0)
    end = start + int(query.max_items or form.DEFAULT_MAX_ITEMS)
    return _sorted(found, query.sort_by)[start:end], str(end) if end < len(found) else None


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
