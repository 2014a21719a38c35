"""Papermill's engine ``nbmlops``: each execution is a run, and what the notebook says of itself is true.

Papermill loads every installed engine when it is imported, so nothing is imported here before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.config import disabled, find_project
from nbmlops.errors import NbmlopsError
from nbmlops.records import new_id

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.jobs.checkpoint import Keeper
    from nbmlops.jobs.client import Client
    from nbmlops.jobs.ending import Ending
    from nbmlops.jobs.injected import Settled
    from nbmlops.jobs.manager import Manager
    from nbmlops.jobs.options import Asked
    from nbmlops.jobs.outbox import Posted
    from nbmlops.jobs.resume import Plan, Resume
    from nbmlops.jobs.warm.provisioner import WarmProvisioner
    from nbmlops.tracking.session import OpenRun

__all__ = ["NbmlopsEngine"]

NOTEBOOK_TYPE = "application/x-ipynb+json"
NATIVE = "python3"
SOURCE_LINES, OUTPUT_LINES = 3, 10  # of the cell that failed, for the message
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # unpinned fits share cores badly


class NbmlopsEngine:
    """The engine papermill calls; it is registered as ``nbmlops`` and needs no base class.

    Examples
    --------
    >>> import papermill  # doctest: +SKIP
    >>> papermill.execute_notebook("train.ipynb", "out.ipynb", engine_name="nbmlops")  # doctest: +SKIP
    """

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | Mapping[str, Any] = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        input_path: str | NotebookNode | None = None,
        **options: Any,
    ) -> NotebookNode:
        """Execute a parameterized notebook as a run of kind ``notebook``.

        Parameters
        ----------
        nb : NotebookNode
            As papermill prepared it.
        kernel_name : str
        output_path : str, optional
        progress_bar, log_output, autosave_cell_every
            As papermill has them.
        input_path : str, optional
        **options
            Fields of :class:`nbmlops.jobs.options.Asked`, such as ``memory`` and ``cpu``; ``execution_timeout``
            (seconds per cell), ``start_timeout``, ``stdout_file``, ``stderr_file``, and traits of nbclient's client.

        Returns
        -------
        NotebookNode
            Executed; an error, a dead kernel or a lapsed limit is an error output of its cell.
        """
        from nbmlops.jobs import files, injected, outbox
        from nbmlops.jobs.client import Client
        from nbmlops.jobs.options import Asked
        from nbmlops.jobs.resume import planned

        files.make_atomic()
        asked = Asked.of(options)
        source = _source(nb, input_path, asked)
        name = source.name if source else "notebook"
        run_id, about = asked.run_id or new_id(), asked.of_the_run()
        settled = injected.settle(nb, name, kernel_name, cls.nb_language(nb))
        plan = _plan(asked.resume, nb, source) if asked.resume else None
        posted = _posted(output_path, source, run_id, asked.job or Path(name).stem)
        manager = _manager(nb, str(posted.file) if posted else output_path, name, settled, asked, bool(progress_bar))
        manager.log_output, manager.autosave_cell_every = log_output, autosave_cell_every
        manager.carried = plan.show if plan else None
        tracked = _tracked(manager, source, run_id, settled.values, asked.job, about)
        with outbox.posting(posted), planned(plan), tracked as opened:
            client = Client(
                manager,
                secret_code=settled.secret_code,
                limit_s=asked.limit_s,
                limits=asked.limits,
                keeper=_keeper(opened, nb, plan),
                plan=plan,
                **_traits(kernel_name, log_output, dict(asked.rest)),
            )
            _run_cells(client, run_id, opened, source, asked)
        return manager.nb

    @classmethod
    def nb_kernel_name(cls, nb: NotebookNode, name: str | None = None) -> str:
        """Return the kernel to start: the notebook's own, or this Python's where a Python one is not installed."""
        from jupyter_client.kernelspec import KernelSpecManager

        spec = nb.metadata.get("kernelspec", {})
        wanted = name or spec.get("name") or NATIVE
        known = KernelSpecManager().find_kernel_specs()
        foreign = cls.nb_language(nb) != "python"
        return wanted if name or foreign or wanted in known else NATIVE

    @classmethod
    def nb_language(cls, nb: NotebookNode, language: str | None = None) -> str:
        """Return the notebook's language; Python when it does not say."""
        about = nb.metadata
        named = about.get("language_info", {}).get("name") or about.get("kernelspec", {}).get("language")
        return language or named or "python"


def _source(nb: NotebookNode, input_path: str | NotebookNode | None, asked: Asked) -> Path | None:
    """Return the notebook's file, and let what is executed name it where that is a copy."""
    from nbmlops.jobs import files

    if asked.notebook_path:
        nb.metadata.papermill["input_path"] = asked.notebook_path
        return Path(asked.notebook_path)
    return files.resolve(input_path) if isinstance(input_path, str) else None


def _manager(
    nb: NotebookNode, output_path: str | None, name: str, settled: Settled, asked: Asked, bar: bool
) -> Manager:
    """Return what keeps the notebook: it shows progress as asked for, and no secret."""
    from nbmlops.jobs.hidden import hidden_texts
    from nbmlops.jobs.manager import Manager
    from nbmlops.jobs.progress import usual

    return Manager(
        nb,
        output_path,
        notebook=name,
        progress=asked.progress or (usual() if bar else None),
        hidden=hidden_texts(settled.secrets, [cell.source for cell in nb.cells]),
        echo=asked.echo,
    )


def _run_cells(client: Client, run_id: str, opened: OpenRun | None, source: Path | None, asked: Asked) -> None:
    """Run the cells; whatever stops that, the notebook says how it ended."""
    from nbmlops.jobs.stopping import raised_by, stoppable

    manager: Manager = client.nb_man
    env = _environment(opened, source) | asked.limits.variables()
    with stoppable(client, run_id):
        try:
            manager.notebook_start()
            client.execute(env=env, **({"cwd": asked.kernel_cwd} if asked.kernel_cwd else {}))
            if client.stopping:
                raise raised_by(client.stopping)
        except BaseException as error:
            _note(manager, error)
            raise
        finally:
            _tell_kernel(opened, client.provisioner)
            manager.notebook_complete()


def _plan(resume: Resume, nb: NotebookNode, source: Path | None) -> Plan:
    """Return how a notebook goes on; refused before there is a run."""
    from nbmlops.tracking import session

    return resume.plan(nb, nb.metadata.papermill.get("parameters") or {}, session.project(source).home)


def _keeper(opened: OpenRun | None, nb: NotebookNode, plan: Plan | None) -> Keeper | None:
    """Return what takes checkpoints of this run, which has that of the run before already."""
    from nbmlops.jobs.checkpoint import Keeper, wanted
    from nbmlops.tracking import session

    if opened is None or not any(wanted(c) for c in nb.cells):
        return None
    previous = plan.inherit(opened.run_id) if plan else None
    shown = nb.metadata.papermill.get("parameters") or {}
    return Keeper(opened.run_id, session.project().home, shown, previous)


@contextmanager
def _tracked(
    manager: Manager,
    source: Path | None,
    run_id: str,
    parameters: Mapping[str, Any],
    job: str | None,
    about: Mapping[str, Any],
) -> Iterator[OpenRun | None]:
    """Keep the run around an execution: written before the kernel starts, closed however it ends."""
    if disabled():
        yield None
        return
    from nbmlops.jobs import outbox, outputs
    from nbmlops.jobs.progress import Noted
    from nbmlops.tracking import machine, session

    project = session.project(source)
    more = dict(about)
    output = {"output": project.relative(manager.output_path)} if manager.output_path else {}
    output |= outbox.tags(project, run_id)
    opened = session.start(
        job or Path(manager.notebook).stem,
        kind="notebook",
        run_id=run_id,
        params=parameters,
        origin="papermill",
        tags={**output, **more.pop("tags", {})},
        notebook=project.relative(source) if source else None,
        **more,
    )
    noting = machine.note(opened.run_id, source or Path.cwd())
    session.drain()  # the notebook may ask for the run it is part of
    journal = outputs.OutputJournal(outputs.place(project.home, opened.run_id))
    manager.keep_in(journal, opened.run_id)
    manager.noted = Noted(opened.run_id)
    try:
        with outbox.retrying(project):
            yield opened
    finally:
        if noting is not None:
            noting.join()
        kept = _keep_notebook(opened.run_id, manager)
        how = manager.ending
        session.finish(opened, how.status, how.cause, _error(manager, how))
        journal.discard() if kept else journal.close()


def _tell_kernel(opened: OpenRun | None, provisioner: WarmProvisioner | None) -> None:
    """Keep with the run whether its kernel was forked warm, and if not, why."""
    if opened is None or provisioner is None or not provisioner.kernel:
        return
    from nbmlops.tracking import session

    for name, value in (("kernel", provisioner.kernel), ("kernel_why", provisioner.why)):
        if value:
            session.write({"t": "tag", "run_id": opened.run_id, "name": name, "value": value})


def _posted(output_path: str | None, source: Path | None, run_id: str, name: str) -> Posted | None:
    """Return what takes an output that goes to an address; with tracking off it is papermill's own affair."""
    from nbmlops.jobs import outbox
    from nbmlops.tracking import session

    if disabled() or not outbox.is_address(output_path):
        return None
    return outbox.post(session.project(source), run_id, name, str(output_path))


def _error(manager: Manager, how: Ending) -> dict[str, Any] | None:
    """Return why a run did not finish: name, message, and which cell (counted from 1) it was."""
    if how.status == "finished":
        return None
    error: dict[str, Any] = {"name": how.name, "message": _clean(manager, how.message)[:2000]}
    error["traceback"] = _clean(manager, "\n".join(how.traceback))[-8000:]
    if manager.stopped_at is not None:
        cell = manager.nb.cells[manager.stopped_at]
        error |= {"cell": manager.stopped_at + 1, "cells": len(manager.nb.cells), "count": cell.get("execution_count")}
        error["source"] = _clean(manager, "\n".join(cell.source.splitlines()[:SOURCE_LINES]))[:1000]
    error["output"] = [_clean(manager, line) for line in manager.tail.lines(OUTPUT_LINES)]
    return error


def _clean(manager: Manager, text: str) -> str:
    """Return text without colours, credentials, or a secret parameter's value."""
    from papermill.exceptions import strip_color

    for old, new in manager.hidden.items():
        text = text.replace(old, new)
    return redact(strip_color(text))


def _keep_notebook(run_id: str, manager: Manager) -> bool:
    """Keep the executed notebook with the run, and tell whether it is; a full disk is one warning, no failure."""
    from nbmlops.tracking import session
    from nbmlops.tracking.machine import warn_once

    try:
        session.log_artifact("notebook.ipynb", manager.content(), NOTEBOOK_TYPE, run_id)
    except (OSError, NbmlopsError) as error:
        warn_once(error)
        return False
    return True


def _note(manager: Manager, error: BaseException) -> None:
    """Keep why an execution ended before a cell could say so: no such kernel, none that starts, Ctrl-C between."""
    from nbmlops.jobs import ending
    from nbmlops.tracking.statuses import Preempted

    if manager.ending.status != "finished":
        return
    if isinstance(error, KeyboardInterrupt):
        manager.ending = ending.PREEMPTED if isinstance(error, Preempted) else ending.CANCELLED
    else:
        cause = "kernel_died(unknown)" if "Kernel died" in str(error) else "error"
        manager.ending = replace(ending.failure(type(error).__name__, str(error)), cause=cause)


def _traits(kernel_name: str, log_output: bool, options: dict[str, Any]) -> dict[str, Any]:
    """Return the client's traits from papermill's options."""
    limits = [options.pop(name, None) for name in ("execution_timeout", "timeout")]
    from papermill.log import logger

    return {
        "kernel_name": kernel_name,
        "log": logger,
        "log_output": log_output,
        "timeout": next((s for s in limits if s), None),
        "startup_timeout": options.pop("start_timeout", 60),
        **options,
    }


def _environment(opened: OpenRun | None, source: Path | None) -> dict[str, str]:
    """Return the kernel's environment: this process's, and whose run it is part of."""
    env = {k: v for k, v in os.environ.items() if k not in ("JPY_SESSION_NAME", "NBMLOPS_NOTEBOOK", "NBMLOPS_RUN_ID")}
    env["NBMLOPS_JOB"] = "1"
    for name in THREADS:
        env.setdefault(name, "1")
    if source:
        env["NBMLOPS_NOTEBOOK"] = str(source)
    if opened:
        from nbmlops.tracking import session

        project = session.project()
        env |= {"NBMLOPS_RUN_ID": opened.run_id, "NBMLOPS_HOME": str(project.home.absolute())}
        if find_project(source).root != project.root:  # the kernel would look for a store beside the notebook
            env |= {"NBMLOPS_STORE": project.store_url, "NBMLOPS_ARTIFACTS": project.artifacts_url}
    return env
