"""One tracked cell: opened before it runs, closed after, never in its way.

Nothing here raises into the user's cell: a fault of ours is one warning, and the cell goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.capture import data, environment, estimators, secrets
from nbmlops.capture.cell import CellSource, analyse
from nbmlops.capture.estimators import Fit, watch_fits
from nbmlops.capture.metrics import watch_metrics
from nbmlops.records import plain
from nbmlops.tracking import machine, session, statuses
from nbmlops.tracking.machine import warn_once
from nbmlops.tracking.runs import Run

__all__ = ["Header", "TrackedCell"]

_previous: dict[tuple[str | None, str], str] = {}


@dataclass(frozen=True)
class Header:
    """What stands behind ``%%track``."""

    experiment: str
    name: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


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
    """

    def __init__(
        self, header: Header, source: str, python: str, namespace: dict[str, Any], cell_id: str | None = None
    ) -> None:
        self.header = header
        self.source = source
        self.namespace = namespace
        self.cell_id = cell_id
        self.cell: CellSource = analyse(python)
        self.images = 0
        self.fits: list[Fit] = []
        self._before: dict[str, str] = {}
        self._hooks = ExitStack()

    def open(self) -> None:
        """Start the run: what the cell reads is described now, before it can change it."""
        notebook = environment.notebook_path(self.namespace)
        project = session.project()
        relative = project.relative(notebook) if notebook else None
        key = (relative, self.cell_id or self.header.experiment)
        self.run = session.start(
            self.header.experiment,
            kind="cell",
            name=self.header.name,
            tags=dict(self.header.tags),
            notebook=relative,
            cell_id=self.cell_id,
            source=self._masked(),
            previous=_previous.get(key),
        )
        _previous[key] = self.run.run_id
        session.log_params(self.run.run_id, self.cell.literals or {}, "assigned")
        self._describe(self.cell.reads, "read")
        machine.note(self.run.run_id, Path(notebook or project.root))
        self._watch()

    def _masked(self) -> str:
        """Return the source without the values of names that say they are secret."""
        values = [v for n, v in (self.cell.literals or {}).items() if isinstance(v, str) and secrets.is_secret_name(n)]
        values += [value for name, value in self.header.tags if secrets.is_secret_name(name)]
        source = self.source
        for value in filter(None, values):
            source = source.replace(value, secrets.MASK)
        return source

    def _watch(self) -> None:
        if "sklearn" in self.cell.imports:  # the cell is about to; the hooks need it a moment earlier
            import sklearn.base
            import sklearn.metrics  # noqa: F401
        self.fits = self._hooks.enter_context(watch_fits(self.run.run_id, warn_once))
        self._hooks.enter_context(watch_metrics(self._metric, warn_once))

    def abandon(self) -> None:
        """Take every hook away and forget the run, when opening it broke."""
        self._hooks.close()
        if hasattr(self, "run"):
            session.abandon(self.run)

    def on_close(self, undo: Callable[[], Any]) -> None:
        """Undo something when the cell ends, however it ends."""
        self._hooks.callback(undo)

    def figure(self, png: bytes) -> None:
        """Keep a picture the cell showed."""
        self.images += 1
        session.log_artifact(f"figure-{self.images}.png", png, "image/png", run_id=self.run.run_id)

    def close(self, error: BaseException | None = None) -> Run:
        """End the run and return it; hooks go first, whatever else fails."""
        self._hooks.close()
        status, cause = statuses.ending(error)
        defaults: dict[str, Any] = {}
        try:
            defaults = self._models()
            self._describe(self.cell.writes, "written")
        except Exception as fault:
            warn_once(fault)
        session.finish(self.run, status, cause, session.describe(error) if error and cause else None, defaults=defaults)
        return Run(session.as_run(self.run))

    def _metric(self, name: str, value: float, context: Mapping[str, str]) -> None:
        session.log({name: value}, context=context, run_id=self.run.run_id)

    def _models(self) -> dict[str, Any]:
        """Write the estimators that were fitted, those the user can name first; return their defaults."""
        visible = {id(v) for v in self.namespace.values()}
        fits = sorted(self.fits, key=lambda f: id(f.estimator) not in visible)
        defaults: dict[str, Any] = {}
        for fit in fits:
            chosen, usual = estimators.settings(fit.estimator)
            session.log_params(self.run.run_id, chosen, "set")
            defaults |= usual
            described = estimators.describe(fit, self.namespace)
            masked = {k: secrets.redact_value(k, v) for k, v in described["params"].items()}
            session.write({"t": "model", "run_id": self.run.run_id, **described, "params": masked})
        if fits:
            estimators.remember(self.run.run_id, fits)
        return defaults

    def _describe(self, names: tuple[str, ...], role: str) -> None:
        """Write the data behind some names; what was read and not changed is not written again."""
        for name in names:
            value = self.namespace.get(name)
            if not data.is_data(value):
                continue
            try:
                dataset = data.describe(name, value, role)
            except Exception as fault:  # one odd frame costs its fingerprint, not the run
                warn_once(fault)
                continue
            if self._before.get(name) != dataset.fingerprint:
                self._before[name] = dataset.fingerprint
                session.write({"t": "dataset", "run_id": self.run.run_id, **plain(dataset)})
