"""JupyterLab's *Notebook Jobs* over our ledger: its forms, lists and addresses, our files, works and execution.

A job that is run now is a work of the ledger, a job definition is ``jobs/<name>.yaml``. Set in
``jupyter_server_config.py``, where jupyter-scheduler is installed::

    c.SchedulerApp.scheduler_class = "nbmlops.server.scheduler.LedgerScheduler"
    c.SchedulerApp.environment_manager_class = "nbmlops.server.scheduler.Kernels"
    c.SchedulerApp.db_url = "sqlite://"
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

from jupyter_scheduler import models as form
from jupyter_scheduler.exceptions import IdempotencyTokenError, InputUriError, SchedulerError
from jupyter_scheduler.executors import ExecutionManager
from jupyter_scheduler.scheduler import BaseScheduler
from jupyter_server import CallContext
from jupyter_server.utils import ensure_async
from traitlets import Type, Unicode

from nbmlops.capture.visit import Visit, visiting
from nbmlops.config import Project, find_project
from nbmlops.errors import Conflict, NbmlopsError, NotAllowed, NotFound
from nbmlops.jobs.schedule import byhand, definition, manage
from nbmlops.jobs.schedule.definition import Job
from nbmlops.jobs.works import apart, listed
from nbmlops.records import new_id
from nbmlops.server import scheduler_definitions as made
from nbmlops.server import scheduler_files as files
from nbmlops.server.asking import refusal
from nbmlops.server.base import NO_RIGHT, Handler, visitor
from nbmlops.server.masks import Masks
from nbmlops.server.notebooks import located
from nbmlops.server.scheduler_forms import (
    FORMATS,
    Features,
    Kernels,
    asked,
    defined,
    definition_id,
    described,
    id_of,
    kernel,
    key_of,
    name_of,
    of_work,
    page,
    refuse,
    status,
    unmasked,
)
from nbmlops.store import ledger, schedules
from nbmlops.store.database import Store, open_store
from nbmlops.store.works import Work

__all__ = ["Kernels", "LedgerScheduler"]

PARENT = "notebook-jobs"  # of the works the form made: the server's own thread does them, no ticker
MOST = 2000  # works in a list
AGAIN_S = 60.0
HERE = "in Notebook Jobs"


def _asked(action: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Do a method off the server's loop, in the name of who asks, if they may; refuse in the form's words."""

    def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        async def call(self: LedgerScheduler, *args: Any, **kwargs: Any) -> Any:
            handler = CallContext.get(CallContext.JUPYTER_HANDLER)
            await _permitted(handler, action)
            try:
                return await asyncio.to_thread(self._visited, handler, method, *args, **kwargs)
            except NbmlopsError as error:
                _, said = refusal(error, self.root) or (0, {})
                raise SchedulerError(" ".join(filter(None, said.values()))) from error

        return call

    return wrapped


async def _permitted(handler: Any, action: str) -> None:
    """Refuse who has no such right to what is ours; jupyter-scheduler asks for a login alone."""
    if handler is None:
        return
    asked = handler.authorizer.is_authorized(handler, handler.current_user, action, Handler.auth_resource)
    if not await ensure_async(asked):
        raise SchedulerError(f"You have no right to {action} jobs here. {NO_RIGHT}")


class LedgerScheduler(BaseScheduler):  # type: ignore[misc]
    """Serves *Notebook Jobs* from the project the Jupyter server was started in."""

    db_url = Unicode(help="Not used: the project's own store is.")
    execution_manager_class = Type(klass=ExecutionManager, default_value=Features)
    output_directory = Unicode("notebook-jobs", config=True, help="Where downloaded files go, in the server's folder.")

    def __init__(self, *args: Any, **traits: Any) -> None:
        super().__init__(*args, **traits)
        self._wanted = threading.Event()
        self._pump = threading.Thread(target=self._work_off, daemon=True, name="nbmlops notebook jobs")

    @property
    def task_runner(self) -> LedgerScheduler:
        """What the server starts once it runs: us."""
        return self

    async def start(self) -> None:
        """Go on with what an earlier server left undone."""
        try:
            if await asyncio.to_thread(self._left):
                self._begin()
        except NbmlopsError as error:
            self.log.warning("nbmlops: what was left of notebook jobs waits: %s", error)

    @cached_property
    def project(self) -> Project:
        """The project of the server's folder."""
        return find_project(self.root)

    @property
    def root(self) -> Path:
        """The server's folder."""
        return Path(self.root_dir).expanduser()

    @property
    def store(self) -> Store:
        """The store of the project."""
        return open_store(self.project)

    # -- jobs: works of the ledger

    @_asked("write")
    def create_job(self, model: form.CreateJob) -> str:
        """Add a work and have it done as soon as there is room; return its id."""
        refuse(model, "runtime_environment_parameters", "compute_type", "package_input_folder")
        refuse(model, "output_filename_template", "job_definition_id", "output_formats")
        about = {"name": model.name, "formats": model.output_formats or [*FORMATS], "tags": model.tags or []}
        named = kernel(model.runtime_environment_name)
        row = apart.row_of(self._notebook(model.input_uri), unmasked(model.parameters or {}), named)
        key = model.idempotency_token or new_id()
        row |= {"key": key, "parent": PARENT, "spec": {**row["spec"], "kernel": named, "form": about}}
        with ledger.changing(self.store) as change:
            if not ledger.add(change, [row]):
                raise IdempotencyTokenError(key)
        self._begin()
        return id_of(key)

    @_asked("write")
    def create_job_from_definition(self, job_definition_id: str, model: form.CreateJobFromDefinition) -> str:
        """Fire a job now, by hand, with other parameters where they are given."""
        job = definition.find(name_of(job_definition_id), self.project)
        row = byhand.fire_row(job, unmasked(model.parameters or {}), True, self.project) | {"parent": PARENT}
        with ledger.changing(self.store) as change:
            if running := ledger.list(change, job=job.name, state="started") or self._waiting(change, job.name):
                said = f"{job.name} runs already: {running[0].key}."
                raise Conflict(said, "A job does one work at a time: wait for it, or stop it.")
            ledger.add(change, [{**row, "spec": {**row["spec"], **apart.by()}}])
        self._begin()
        return id_of(row["key"])

    @_asked("read")
    def list_jobs(self, query: form.ListJobsQuery) -> form.ListJobsResponse:
        """Return works, the newest first: those of the form, of clocks and causes, of commands and of the panel."""
        found = [work for work in self._works(query) if asked(work, query)]
        some, following = page(found, query, of_work)
        shown = self._described(some)
        for model in shown:
            self.add_job_files(model)
        return form.ListJobsResponse(jobs=shown, total_count=len(found), next_token=following)

    @_asked("read")
    def count_jobs(self, query: form.CountJobsQuery) -> int:
        """Return how many works of the list are in a state."""
        return sum(status(work.state) == query.status for work in self._works())

    @_asked("read")
    def get_job(self, job_id: str, job_files: bool | None = True) -> form.DescribeJob:
        """Return one work."""
        (model,) = self._described([self._work(job_id)])
        if job_files:
            self.add_job_files(model)
        return model

    @_asked("write")
    def update_job(self, job_id: str, model: form.UpdateJob) -> None:
        """Refuse: a work is what it was when it was made."""
        raise NotAllowed("A job that was started cannot be changed.", "Stop it and create another.")

    @_asked("write")
    def stop_job(self, job_id: str) -> None:
        """Cancel a work, with the event that says who did it; its kernel is told so within seconds."""
        manage.cancel(self._of_ledger(job_id).key, self.project, reason=HERE)

    @_asked("write")
    def delete_job(self, job_id: str) -> None:
        """Take a work the form made out of the ledger, cancelled if need be; the runs of its attempts stay."""
        work = self._of_ledger(job_id)
        if work.parent != PARENT:
            said = f"{work.key} was not begun in Notebook Jobs, so the ledger keeps what became of it."
            raise NotAllowed(said, "For fewer, write policy: {keep: 50 runs} into the job's file.")
        if work.state in manage.OPEN:
            manage.cancel(work.key, self.project, reason=f"deleted {HERE}")
        with ledger.changing(self.store) as change:
            ledger.forget(change, [work.key])

    # -- job definitions: files under jobs/

    @_asked("write")
    def create_job_definition(self, model: form.CreateJobDefinition) -> str:
        """Write ``jobs/<name>.yaml``; the clock begins at the next tick."""
        refuse(model, "runtime_environment_parameters", "compute_type", "package_input_folder")
        refuse(model, "output_filename_template", "tags", "output_formats")
        notebook = self._notebook(model.input_uri)
        values, named = made.values(notebook, model.parameters or {}), kernel(model.runtime_environment_name)
        content = {
            "notebook": self.project.relative(notebook),
            **({"when": {"cron": model.schedule, "zone": model.timezone or "UTC"}} if model.schedule else {}),
            **({"parameters": values} if values else {}),
            **({"environment": {"kernel": named}} if named else {}),
        }
        return definition_id(made.new(model.name, content, self.project))

    @_asked("write")
    def update_job_definition(self, job_definition_id: str, model: form.UpdateJobDefinition) -> None:
        """Write the file again, pause, or resume."""
        refuse(model, "runtime_environment_parameters", "compute_type", "url", "output_filename_template")
        refuse(model, "tags", "output_formats", "name")
        name = name_of(job_definition_id)
        if changed := self._changed(definition.find(name, self.project), model):
            made.change(name, changed, self.project)
        if model.active is not None and model.active != self._active(name):
            (manage.resume if model.active else manage.pause)(name, self.project, reason=HERE)

    @_asked("write")
    def delete_job_definition(self, job_definition_id: str) -> None:
        """Remove the file; what it fired stays in the ledger."""
        made.file_of(name_of(job_definition_id), self.project).unlink()

    @_asked("read")
    def get_job_definition(self, job_definition_id: str) -> form.DescribeJobDefinition:
        """Return one job of the folder."""
        return self._defined(definition.find(name_of(job_definition_id), self.project))

    @_asked("read")
    def list_job_definitions(self, query: form.ListJobDefinitionsQuery) -> form.ListJobDefinitionsResponse:
        """Return the jobs of the folder; broken files are left out here and told by every tick."""
        jobs, _ = definition.load(self.project)
        found = [self._defined(job) for job in jobs if job.name.startswith(query.name or "") and not query.tags]
        found = [model for model in found if query.create_time is None or model.create_time >= query.create_time]
        shown, following = page(found, query)
        return form.ListJobDefinitionsResponse(job_definitions=shown, total_count=len(found), next_token=following)

    # -- files

    @_asked("write")
    def get_staging_paths(self, model: form.DescribeJob | form.DescribeJobDefinition) -> dict[str, str]:
        """Return where the files of a job lie; HTML is made when it is asked for."""
        if isinstance(model, form.DescribeJobDefinition):
            job = definition.find(name_of(model.job_definition_id), self.project)
            return {"input": str(self.project.root / job.notebook)}
        (row,) = listed.rows(self.store, [self._work(model.job_id)])
        executed = files.executed(row, self.project)
        makes = {"ipynb": lambda: executed, "html": lambda: files.as_html(executed, Masks.now().any)}
        paths = {name: makes[name]() for name in model.output_formats or ()}
        paths["input"] = files.as_it_was(executed, self.project.root / row["notebook"])
        return {name: str(path) for name, path in paths.items()}

    def get_local_output_path(self, model: form.DescribeJob, root_dir_relative: bool | None = False) -> str:
        """Return the folder downloads go to, whatever folder the server was started in."""
        return str(self.root / super().get_local_output_path(model, root_dir_relative=True))

    def add_job_files(self, model: form.DescribeJob) -> None:
        """Say which files of a job were downloaded, and where to."""
        folder, names = Path(self.get_local_output_path(model)), self.get_job_filenames(model)
        model.job_files = [
            form.JobFile(display_name=label, file_format=name, file_path=self._seen(folder / names[name]))
            for name, label in {**FORMATS, "input": "Input"}.items()
            if name in (*model.output_formats, "input")
        ]
        model.downloaded = all(file.file_path for file in model.job_files)

    # -- within

    def _visited(self, handler: Any, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        who = visitor(handler.identity_provider, handler.current_user) if handler is not None else None
        with visiting(Visit(self.project, None, who)):
            return method(self, *args, **kwargs)

    def _left(self) -> bool:
        store = manage.made_store(self.project)
        return bool(store and ledger.list(store, parent=PARENT, state=manage.OPEN, limit=1))

    def _begin(self) -> None:
        self._wanted.set()
        if not self._pump.is_alive():
            self._pump.start()

    def _work_off(self) -> None:
        """Do what the form made, for as long as the server lives."""
        from nbmlops.jobs.works.drive import drive
        from nbmlops.jobs.works.executors import executor

        where = executor(project=self.project)
        while self._wanted.wait():
            self._wanted.clear()
            try:
                drive(self.store, where, parent=PARENT)
            except Exception:
                self.log.exception("nbmlops: notebook jobs wait; they are tried again in a minute")
                self._wanted.wait(AGAIN_S)
                self._wanted.set()

    def _notebook(self, uri: str) -> Path:
        """Return the file behind a path of the browser, which must belong to the project."""
        handler = CallContext.get(CallContext.JUPYTER_HANDLER)
        try:
            path = located(self.root, uri, bool(handler and handler.contents_manager.allow_hidden))
        except NotFound:
            raise InputUriError(uri) from None
        other = find_project(path).root.resolve()
        if other != self.project.root.resolve():
            raise NotAllowed(f"{uri} belongs to another project.", f"Start the server in {other.name}.")
        return path

    def _works(self, query: form.ListJobsQuery | None = None) -> list[Work]:
        """Return what a list may hold; looking makes no store where there is none."""
        store = manage.made_store(self.project)
        if store is None:
            return []
        if query is not None and query.job_definition_id:
            return [*ledger.list(store, job=name_of(query.job_definition_id), limit=MOST)]
        return listed.newest(store, MOST)

    def _waiting(self, change: Any, job: str) -> list[Work]:
        return [*ledger.list(change, job=job, state="due", parent=PARENT, limit=1)]

    def _work(self, job_id: str) -> Work:
        if manage.made_store(self.project) is None:
            raise NotFound(f"No job {job_id[:80]!r}.", "Look at the list again.")
        return listed.held(key_of(job_id))

    def _of_ledger(self, job_id: str) -> Work:
        return listed.work_of(self._work(job_id).key or key_of(job_id))

    def _described(self, works: list[Work]) -> list[form.DescribeJob]:
        rows, masks = listed.rows(self.store, works) if works else [], Masks.now()
        return [described(work, row, masks) for work, row in zip(works, rows, strict=True)]

    def _defined(self, job: Job) -> form.DescribeJobDefinition:
        stamp = int((self.project.root / job.path).stat().st_mtime * 1000)
        return defined(job, stamp, self._active(job.name))

    def _active(self, name: str) -> bool:
        store = manage.made_store(self.project)
        row = schedules.known(store, [name]).get(name, {}) if store else {}
        return not (row.get("paused_at") or row.get("stopped_reason"))

    def _seen(self, path: Path) -> str | None:
        """Return a file as the contents service knows it, where it is there."""
        return path.relative_to(self.root).as_posix() if path.is_file() else None

    def _changed(self, job: Job, model: form.UpdateJobDefinition) -> dict[str, Any]:
        """Return the keys of a job's file that become others."""
        changed: dict[str, Any] = {}
        if model.schedule or model.timezone:
            cron, zone = (job.when.value, job.when.zone) if job.when and job.when.kind == "cron" else ("", "UTC")
            changed["when"] = {"cron": model.schedule or cron, "zone": model.timezone or zone}
        if model.input_uri and model.input_uri != Path(job.notebook).name:  # the form sends a name for what stays
            changed["notebook"] = self.project.relative(self._notebook(model.input_uri))
        if model.parameters is not None:
            notebook = self.project.root / str(changed.get("notebook") or job.notebook)
            changed["parameters"] = made.values(notebook, model.parameters)
        if named := kernel(model.runtime_environment_name or ""):
            changed["environment"] = {"kernel": named}
        return changed
