"""JupyterLab's *Notebook Jobs* over our ledger: its forms, lists and addresses, our files, works and execution.

A job that is run now is a work of the ledger, a job definition is ``jobs/<name>.yaml``. Set in
``jupyter_server_config.py``, where jupyter-scheduler is installed::

    c.SchedulerApp.scheduler_class = "nbmlops.bridges.notebook_jobs.LedgerScheduler"
    c.SchedulerApp.environment_manager_class = "nbmlops.bridges.notebook_jobs.Kernels"
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Mapping
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import yaml
from jupyter_scheduler import models as form
from jupyter_scheduler.exceptions import IdempotencyTokenError, InputUriError, SchedulerError
from jupyter_scheduler.executors import ExecutionManager
from jupyter_scheduler.scheduler import BaseScheduler
from traitlets import Type, Unicode

from nbmlops.bridges.notebook_forms import (
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
    page,
    status,
)
from nbmlops.config import Project, find_project
from nbmlops.errors import NbmlopsError, NotFound
from nbmlops.jobs.files import replace
from nbmlops.jobs.schedule import byhand, definition, manage
from nbmlops.jobs.schedule.definition import Job
from nbmlops.records import new_id, now, plain
from nbmlops.store import ledger, schedules
from nbmlops.store.database import Store, open_store
from nbmlops.store.works import Work

__all__ = ["Kernels", "LedgerScheduler"]

PARENT = "notebook-jobs"  # of the works the form made: the server's own thread does them, no ticker
AGAIN_S = 60.0
MADE = "# Made in Notebook Jobs.\n"


def _threaded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the server's event loop free, and say our errors in the form's own words."""

    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await asyncio.to_thread(method, *args, **kwargs)
        except NbmlopsError as error:
            raise SchedulerError(str(error)) from error

    return call


class LedgerScheduler(BaseScheduler):  # type: ignore[misc]
    """Serves *Notebook Jobs* from the project the Jupyter server was started in."""

    db_url = Unicode(help="Not used: the project's own store is.")
    execution_manager_class = Type(klass=ExecutionManager, default_value=Features)

    def __init__(self, *args: Any, **traits: Any) -> None:
        super().__init__(*args, **traits)
        self._wanted = threading.Event()
        self._pump = threading.Thread(target=self._work_off, daemon=True, name="nbmlops notebook jobs")

    @property
    def task_runner(self) -> LedgerScheduler:
        """What the server starts once it runs: us."""
        return self

    @_threaded
    def start(self) -> None:
        """Go on with what an earlier server left undone."""
        store = manage.made_store(self.project)
        if store and ledger.list(store, parent=PARENT, state=("due", "started"), limit=1):
            self._begin()

    @cached_property
    def project(self) -> Project:
        """The project of the server's folder."""
        return find_project(Path(self.root_dir).expanduser())

    @property
    def store(self) -> Store:
        """Its store; looking makes none where there is none."""
        return open_store(self.project)

    # -- jobs: works of the ledger

    @_threaded
    def create_job(self, model: form.CreateJob) -> str:
        """Add a work and have it done as soon as there is room; return its id."""
        notebook = self._notebook(model.input_uri)
        _checked(notebook, model.parameters or {})
        key = model.idempotency_token or new_id()
        about = {"name": model.name, "formats": model.output_formats or [], "tags": model.tags or []}
        row = {
            "key": key,
            "notebook": self.project.relative(notebook),
            "parameters": model.parameters or {},
            "parent": PARENT,
            "spec": {"typed": True, "kernel": kernel(model.runtime_environment_name), "form": about},
        }
        with ledger.changing(self.store) as change:
            if not ledger.add(change, [row]):
                raise IdempotencyTokenError(key)
        self._begin()
        return id_of(key)

    @_threaded
    def create_job_from_definition(self, job_definition_id: str, model: form.CreateJobFromDefinition) -> str:
        """Fire a job now, by hand, with other parameters where they are given."""
        job = definition.find(name_of(job_definition_id), self.project)
        row = byhand.fire_row(job, model.parameters or {}, True, self.project) | {"parent": PARENT}
        with ledger.changing(self.store) as change:
            ledger.add(change, [row])
        self._begin()
        return id_of(row["key"])

    @_threaded
    def list_jobs(self, query: form.ListJobsQuery) -> form.ListJobsResponse:
        """Return works, the newest first, fires of clocks and causes among them."""
        found = [self._described(work) for work in ledger.list(self.store, limit=None) if asked(work, query)]
        shown, following = page(found, query)
        for model in shown:
            self.add_job_files(model)
        return form.ListJobsResponse(jobs=shown, total_count=len(found), next_token=following)

    @_threaded
    def count_jobs(self, query: form.CountJobsQuery) -> int:
        """Return how many works are in a state."""
        counted = ledger.counts(self.store)
        return sum(n for state, n in counted.items() if status(state) == query.status)

    @_threaded
    def get_job(self, job_id: str, job_files: bool | None = True) -> form.DescribeJob:
        """Return one work."""
        model = self._described(self._work(job_id))
        if job_files:
            self.add_job_files(model)
        return model

    @_threaded
    def update_job(self, job_id: str, model: form.UpdateJob) -> None:
        """Refuse: a work is what it was when it was made."""
        raise SchedulerError("A job that was started cannot be changed. Stop it and create another.")

    @_threaded
    def stop_job(self, job_id: str) -> None:
        """Cancel a work; its kernel is told so within seconds."""
        with ledger.changing(self.store) as change:
            ledger.cancel(change, self._work(job_id).key, "stopped in Notebook Jobs", now())

    @_threaded
    def delete_job(self, job_id: str) -> None:
        """Cancel a work if need be and take it out of the list; the runs of its attempts stay."""
        key = self._work(job_id).key
        with ledger.changing(self.store) as change:
            ledger.cancel(change, key, "deleted in Notebook Jobs", now())
            ledger.forget(change, [key])

    @_threaded
    def get_staging_paths(self, model: form.DescribeJob | form.DescribeJobDefinition) -> dict[str, str]:
        """Return where the files of a job lie; HTML is made when it is asked for."""
        if isinstance(model, form.DescribeJobDefinition):
            job = definition.find(name_of(model.job_definition_id), self.project)
            return {"input": str(self.project.root / job.notebook)}
        work = self._work(model.job_id)
        executed = self._executed(work)
        made = {"ipynb": str(executed), "html": str(executed.with_suffix(".html"))}
        if "html" in model.output_formats and executed.is_file():
            _as_html(executed)
        return {**{name: made[name] for name in model.output_formats}, "input": str(self.project.root / work.notebook)}

    # -- job definitions: files under jobs/

    @_threaded
    def create_job_definition(self, model: form.CreateJobDefinition) -> str:
        """Write ``jobs/<name>.yaml``; the clock begins at the next tick."""
        notebook = self._notebook(model.input_uri)
        values = _checked(notebook, model.parameters or {})
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", model.name).strip("-.") or "job"
        if (path := self._file(name)).exists():
            raise SchedulerError(f"{self.project.relative(path)} is there already. Choose another name.")
        path.parent.mkdir(exist_ok=True)
        self._write(path, self._content(model, notebook, values))
        return definition_id(name)

    @_threaded
    def update_job_definition(self, job_definition_id: str, model: form.UpdateJobDefinition) -> None:
        """Pause, resume, or write the file again."""
        name = name_of(job_definition_id)
        if model.active is not None and model.active != self._active(name):
            (manage.resume if model.active else manage.pause)(name, self.project, reason="in Notebook Jobs")
        changed: dict[str, Any] = {}
        if model.schedule or model.timezone:
            held = definition.find(name, self.project).when
            cron, zone = (held.value, held.zone) if held and held.kind == "cron" else ("", "UTC")
            changed["when"] = {"cron": model.schedule or cron, "zone": model.timezone or zone}
        if model.input_uri:
            changed["notebook"] = self.project.relative(self._notebook(model.input_uri))
        if model.parameters is not None:
            notebook = changed.get("notebook") or definition.find(name, self.project).notebook
            changed["parameters"] = _checked(self.project.root / notebook, model.parameters)
        if changed:
            self._write(self._made(name), yaml.safe_load(self._made(name).read_text(encoding="utf-8")) | changed)

    @_threaded
    def delete_job_definition(self, job_definition_id: str) -> None:
        """Remove the file; what it fired stays in the ledger."""
        self._made(name_of(job_definition_id)).unlink()

    @_threaded
    def get_job_definition(self, job_definition_id: str) -> form.DescribeJobDefinition:
        """Return one job of the folder."""
        return self._defined(definition.find(name_of(job_definition_id), self.project))

    @_threaded
    def list_job_definitions(self, query: form.ListJobDefinitionsQuery) -> form.ListJobDefinitionsResponse:
        """Return the jobs of the folder; broken files are left out here and told by every tick."""
        jobs, _ = definition.load(self.project)
        found = [self._defined(job) for job in jobs if job.name.startswith(query.name or "")]
        shown, following = page(found, query)
        return form.ListJobDefinitionsResponse(job_definitions=shown, total_count=len(found), next_token=following)

    # -- within

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
        root = Path(self.root_dir).expanduser().resolve()
        path = (root / uri).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise InputUriError(uri)
        other = find_project(path).root.resolve()
        if other != self.project.root.resolve():
            raise SchedulerError(f"{uri} belongs to another project. Start the server in {other.name}.")
        return path

    def _work(self, job_id: str) -> Work:
        work = ledger.get(self.store, key_of(job_id))
        if work is None:
            raise NotFound(f"No job {job_id!r}.", "It may have been deleted, or pruned by the job's keep.")
        return work

    def _executed(self, work: Work) -> Path:
        from nbmlops.store import runs

        usual = self.project.home / "outputs" / (work.job or Path(work.notebook).stem) / f"{work.run_id}.ipynb"
        run = runs.load(self.store, work.run_id) if work.run_id else None
        return self.project.root / str((run or {}).get("tags", {}).get("output", usual))

    def _described(self, work: Work) -> form.DescribeJob:
        return described(work, ledger.attempts_of(self.store, work.key) if work.attempt else [])

    def _defined(self, job: Job) -> form.DescribeJobDefinition:
        stamp = int((self.project.root / job.path).stat().st_mtime * 1000)
        return defined(job, stamp, self._active(job.name))

    def _active(self, name: str) -> bool:
        row = schedules.known(self.store, [name]).get(name, {})
        return not (row.get("paused_at") or row.get("stopped_reason"))

    def _file(self, name: str) -> Path:
        return self.project.root / definition.FOLDER / f"{name}.yaml"

    def _made(self, name: str) -> Path:
        """Return the file of a job the form made; those that people keep under git are theirs to edit."""
        path = self.project.root / definition.find(name, self.project).path
        if not path.read_text(encoding="utf-8").startswith(MADE):
            raise SchedulerError(f"{self.project.relative(path)} was written by hand: edit or remove it there.")
        return path

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write a job's file; one that would be broken is not kept."""
        before = path.read_bytes() if path.exists() else None
        replace(path, (MADE + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)).encode())
        try:
            definition.read(path, self.project)
        except NbmlopsError:
            replace(path, before) if before is not None else path.unlink()
            raise

    def _content(self, model: form.CreateJobDefinition, notebook: Path, values: Mapping[str, Any]) -> dict[str, Any]:
        clock = {"when": {"cron": model.schedule, "zone": model.timezone or "UTC"}} if model.schedule else {}
        return {
            "notebook": self.project.relative(notebook),
            **clock,
            **({"parameters": dict(values)} if values else {}),
            "environment": {"kernel": model.runtime_environment_name},
        }


def _checked(notebook: Path, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the form's texts as what the notebook takes; refuse others before anything is kept."""
    from nbmlops.jobs.execution import opened
    from nbmlops.jobs.parameters import declared, given

    _, nb, kernel, language = opened(notebook)
    found = given(notebook.name, values, declared(nb, kernel, language), typed=True)
    return {name: plain(value) for name, value in found.items()}


def _as_html(executed: Path) -> None:
    """Write an executed notebook as a page beside it, once."""
    from nbmlops.report.exporter import NbmlopsExporter

    page = executed.with_suffix(".html")
    if not page.is_file() or page.stat().st_mtime < executed.stat().st_mtime:
        text, _ = NbmlopsExporter().from_filename(str(executed))
        replace(page, text.encode())
