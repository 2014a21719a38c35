"""Whether a job can run here: its notebook, parameters, kernel, and the packages it is said to need."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nbmlops.errors import NbmlopsError, NotFound
from nbmlops.jobs.schedule.definition import EXAMPLE, Job
from nbmlops.jobs.schedule.fires import slots_of
from nbmlops.records import Finding

if TYPE_CHECKING:
    from nbmlops.config import Project

__all__ = ["check"]

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;#\\]+)")
MOST_NAMED = 3


def check(job: Job, project: Project) -> list[Finding]:
    """Return what is wrong with a job, or one finding that nothing is.

    Parameters
    ----------
    job : Job
    project : Project

    Returns
    -------
    list of Finding
        An *issue* keeps it from running; a *warning* is an environment that differs.
    """
    found = [*_notebook(job, project), *_slot(job, project), *_environment(job, project)]
    return found or [Finding("job", "passed", f"{job.notebook} takes these parameters", job.name)]


def _notebook(job: Job, project: Project) -> Iterator[Finding]:
    """Yield what keeps the notebook from starting with these values."""
    from nbmlops.jobs.parameters import parameters

    try:
        parameters(project.root / job.notebook).check(job.values(EXAMPLE))
    except NbmlopsError as error:
        yield Finding("notebook", "issue", str(error), job.name)
    if job.kernel is not None:
        yield from _kernel(job)


def _kernel(job: Job) -> Iterator[Finding]:
    from jupyter_client.kernelspec import KernelSpecManager

    known = sorted(KernelSpecManager().find_kernel_specs())
    if job.kernel not in known:
        yield Finding("kernel", "issue", f"kernel {job.kernel!r} is not installed; known: {', '.join(known)}", job.name)


def _slot(job: Job, project: Project) -> Iterator[Finding]:
    slot, known = job.policy.slot, project.settings.get("slots", {})
    if slot is not None and slot not in known:
        yield Finding("slot", "warning", f"slot {slot!r} is not under [slots] in nbmlops.toml: it holds one", job.name)
    elif slot is not None and slots_of(project)[slot] != known[slot]:
        yield Finding(
            "slot", "warning", f"slot {slot!r} is {known[slot]!r}, which is no number: it holds one", job.name
        )


def _environment(job: Job, project: Project) -> Iterator[Finding]:
    """Yield how what is installed here differs from the job's lock, and from what the model was made with."""
    if job.lock is not None:
        path = project.root / job.lock
        if not path.is_file():
            yield Finding("lock", "issue", f"there is no {job.lock}", job.name)
            return
        yield from _differing(job, _pins(path.read_text(encoding="utf-8")), job.lock)
    if model := _model(job):
        yield from _differing(job, _pins(_lock_of(model)), model)


def _model(job: Job) -> str:
    """Return the model a job is about, when its trigger says so."""
    if job.when is None or job.when.kind not in ("drift", "target"):
        return ""
    return job.when.value.rpartition(".")[0] if job.when.kind == "target" else job.when.value.partition("@")[0]


def _lock_of(model: str) -> str:
    from nbmlops.registry import models

    for ref in (f"{model}@champion", model):
        try:
            return models.lock(ref)
        except NotFound:
            continue
    return ""


def _pins(text: str) -> dict[str, str]:
    found = (PIN.match(line.strip()) for line in text.splitlines())
    return {re.sub(r"[-_.]+", "-", m[1]).lower(): m[2] for m in found if m}


def _differing(job: Job, pins: dict[str, str], of: str) -> Iterator[Finding]:
    installed = {
        re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version
        for d in importlib.metadata.distributions()
        if d.metadata["Name"]
    }
    other = [f"{n} {installed.get(n, 'missing')} (there {v})" for n, v in sorted(pins.items()) if installed.get(n) != v]
    if other:
        more = f" and {len(other) - MOST_NAMED} more" if other[MOST_NAMED:] else ""
        says = f"installed here is not what {of} says: {', '.join(other[:MOST_NAMED])}{more}"
        yield Finding("environment", "warning", says, job.name, detail={"packages": len(other)})
