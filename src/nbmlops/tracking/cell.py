"""One tracked cell: opened before it runs, closed after, never in its way.

Nothing here raises into the user's cell: a fault of ours is one warning, and the cell goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.capture import data, environment, estimators, secrets, watch
from nbmlops.capture.cell import CellSource, analyse
from nbmlops.capture.order import History, Label, label, saved_notebook
from nbmlops.records import new_id, plain
from nbmlops.tracking import (
    beside,
    executions,
    findings,
    guesses,
    keeping,
    machine,
    planned,
    repeats,
    session,
    statuses,
)
from nbmlops.tracking.keeping import Kept
from nbmlops.tracking.log import log_dataset
from nbmlops.tracking.machine import warn_once
from nbmlops.tracking.opened import OpenRun
from nbmlops.tracking.outputs import Outputs
from nbmlops.tracking.runs import Run
from nbmlops.tracking.seen import Seen

__all__ = ["Header", "TrackedCell"]

SCALARS = (bool, int, float, str)


@dataclass(frozen=True)
class Header:
    """What stands behind ``%%track``.

    Attributes
    ----------
    mode : {"new", "replace", "append", "nested"}
        What becomes of the repeat before: kept beside, deleted, gone on with; or the run of the cell before is gone
        on into.
    metric : str, optional
        The primary metric of the experiment.
    model : bool
        Whether the fitted model is saved.
    auto : bool
        Whether the cell is tracked only once it fits or scores something (``%track on``).
    """

    experiment: str
    name: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    mode: str = "new"
    metric: str | None = None
    model: bool = True
    auto: bool = False


class TrackedCell:
    """Watches one execution of one cell.

    Parameters
    ----------
    header : Header
    source : str
        The cell as typed.
    python : str
        The cell as Python, magics already translated.
    namespace : dict
        The user's variables; read, never changed.
    cell_id : str, optional
    injected : mapping
        Names papermill gave a value.
    history : tuple of History and int, optional
        What ran in the kernel, and this cell's number in it.
    """

    def __init__(
        self,
        header: Header,
        source: str,
        python: str,
        namespace: dict[str, Any],
        cell_id: str | None = None,
        injected: Mapping[str, Any] | None = None,
        history: tuple[History, int] | None = None,
    ) -> None:
        self.header, self.source, self.python = header, source, python
        self.namespace, self.cell_id = namespace, cell_id
        self.injected = injected or {}
        self.cell: CellSource = analyse(python)
        self.run_id = new_id()
        self.run: OpenRun | None = None
        self.seen: Seen
        self.began = time.perf_counter()
        self.history = history
        self.order: Label | None = None
        self._before: dict[str, str] = {}
        self._hooks = ExitStack()

    def open(self) -> None:
        """Start the run and watch; a cell of ``%track on`` starts its run when it fits or scores something."""
        if not self.header.auto:
            self.begin()
        self._import()
        self._hooks.enter_context(watch.watching(_First(self) if self.run is None else self.seen))
        self.began = time.perf_counter()  # the user's time begins here
        if self.run is not None:
            self.run.began = self.began

    def begin(self) -> Seen:
        """Start the run: what the cell reads is described now, before it can change it."""
        if self.run is not None:
            return self.seen
        notebook = environment.notebook_name(self.namespace)
        project = session.project()
        place = repeats.Place(project.relative(notebook) if notebook else None, self.cell_id, self.header.experiment)
        self.run = repeats.start(place, self.run_id, self.header, self._masked())
        self.run_id = self.run.run_id
        wanted = bool(project.setting("capture", "outputs", True))
        self.seen = Seen(self.run, warn_once, Outputs(self.run_id) if wanted else None)
        self._params()
        self._describe(self.cell.reads, "read")
        machine.note(self.run_id, Path(notebook or project.root))
        beside.ask(self.header.experiment)
        planned.ask(self.header.experiment)
        return self.seen

    def abandon(self) -> None:
        """Take every hook away and forget the run, when opening it broke."""
        self._hooks.close()
        if self.run is not None:
            session.abandon(self.run)

    def on_close(self, undo: Callable[[], Any]) -> None:
        """Undo something when the cell ends, however it ends."""
        self._hooks.callback(undo)

    def close(self, error: BaseException | None = None) -> Run | None:
        """End the run and return it; hooks go first, whatever else fails. None when there was nothing to track."""
        ended = time.perf_counter()
        self._hooks.close()
        if self.run is None:
            return None
        status, cause = statuses.ending(error)
        about: dict[str, Any] = {"duration_s": ended - self.began, "defaults": {}}
        found: list[Any] = []
        try:
            about["defaults"] = self.seen.models(self.names(), self.cell.calls)
            self._written()
            self.order = self._order(error is None)
            found = findings.of_cell(self)
        except Exception as fault:
            warn_once(fault)
        about |= {"order": self.order.word} if self.order is not None else {}
        session.finish(self.run, status, cause, session.describe(error) if error and cause else None, **about)
        told = {"tracking_s": time.perf_counter() - ended, "findings": [f.to_dict() for f in found]}
        kept = self._keep(status)
        run = Run(session.as_run(self.run) | told | {"kept": plain(kept)})
        return Run(run.data | {"beside": beside.answer(run), "planned": planned.answer(run)})

    def _import(self) -> None:
        if "sklearn" in self.cell.imports:  # the cell is about to, and its metrics are hooked where they are defined
            import sklearn.base
            import sklearn.metrics
            import sklearn.model_selection  # noqa: F401

    def _masked(self) -> str:
        """Return the source without the values of names that say they are secret."""
        values = [v for n, v in (self.cell.literals or {}).items() if isinstance(v, str) and secrets.is_secret_name(n)]
        values += [value for name, value in self.header.tags if secrets.is_secret_name(name)]
        source = self.source
        for value in filter(None, values):
            if len(value) >= secrets.SHORTEST:
                secrets.remember(value)
                source = source.replace(value, secrets.MASK)
        return source

    def _params(self) -> None:
        """Write what the cell assigns as literals, and the plain values of earlier cells it reads."""
        assert self.run is not None
        read = {n: self.namespace.get(n) for n in self.cell.reads if not n.startswith("_")}
        read = {n: v for n, v in read.items() if isinstance(v, SCALARS)}
        given = {n: v for n, v in read.items() if n in self.injected}
        session.log_params(self.run_id, {n: v for n, v in read.items() if n not in given}, "assigned")
        session.log_params(self.run_id, given, "papermill")
        session.log_params(self.run_id, self.cell.literals or {}, "assigned")

    def _written(self) -> None:
        """Write what the cell made: data, files, what looks like a metric, what it showed."""
        self._describe((*self.cell.writes, *self.cell.mutates), "written")
        self.seen.write_files()
        self.seen.write_peak()
        for name, value in guesses.metrics(self.cell, self.namespace, self.seen.values):
            self.seen.metric(name, value, guesses.INFERRED)
        if self.seen.outputs is not None:
            self.seen.outputs.keep()

    def _order(self, succeeded: bool) -> Label | None:
        """Return whether the cell saw what it would see from the top; keep what ran in the kernel so far."""
        if self.history is None:
            return None
        history, number = self.history
        history.end(number, succeeded, self.run_id)
        known = history.known()
        path = environment.notebook_path(self.namespace)
        found = label(known, next(e for e in known if e.number == number), saved_notebook(path) if path else None)
        executions.write_pending(history, session.project().relative(path) if path else None)
        return found

    def _keep(self, status: str) -> Kept:
        """Keep the fitted model, after everything else is safe; return what became of it."""
        if not self.seen.fits or status != "finished":
            return Kept()
        first = self.seen.fits[0].estimator
        wanted = self.header.model and bool(session.project().setting("capture", "models", True))
        try:
            kept = keeping.keep_model(self.run_id, first, self.names().get(id(first), "model")) if wanted else Kept()
        except Exception as fault:
            warn_once(fault)
            kept = Kept()
        estimators.remember(self.run_id, self.seen.fits, findings.scored(self), keep=bool(kept.why_not))
        return kept

    def names(self) -> dict[int, str]:
        """Return the variable of each object, by its id; the oldest of several."""
        return {id(v): n for n, v in reversed(self.namespace.items()) if not n.startswith("_")}

    def _describe(self, names: tuple[str, ...], role: str) -> None:
        """Write the data behind some names; what was read and not changed is not written again."""
        for name in dict.fromkeys(names):
            value = self.namespace.get(name)
            if name == "_" or not data.is_data(value):  # what is thrown away
                continue
            try:
                dataset = data.describe(name, value, role, data.MOST_S)
            except Exception as fault:  # one odd frame costs its fingerprint, not the run
                warn_once(fault)
                continue
            if self._before.get(name) != dataset.fingerprint:
                self._before[name] = dataset.fingerprint
                log_dataset(self.run_id, dataset)


class _First(watch.Sink):
    """Starts a cell's run at the first fit or score, and hands on to it."""

    def __init__(self, cell: TrackedCell) -> None:
        self.cell, self.run_id = cell, cell.run_id

    def metric(self, name: str, value: float, context: Mapping[str, str]) -> None:
        """Take a metric."""
        self.cell.begin().metric(name, value, context)

    def fit(self, fit: Any) -> None:
        """Take a fit."""
        self.cell.begin().fit(fit)

    def scored(self, scored: Any) -> None:
        """Take a cross-validation."""
        self.cell.begin().scored(scored)

    def file(self, path: str, role: str, value: Any) -> None:
        """Take a file, once there is a run."""
        if self.cell.run is not None:
            self.cell.seen.file(path, role, value)

    def shown(self, data: Mapping[str, Any]) -> None:
        """Take what is displayed, once there is a run."""
        if self.cell.run is not None:
            self.cell.seen.shown(data)

    def printed(self, stream: str, text: str) -> None:
        """Take what is printed, once there is a run."""
        if self.cell.run is not None:
            self.cell.seen.printed(stream, text)

    def error(self, error: Exception) -> None:
        """Say once that something could not be tracked."""
        warn_once(error)
