"""What the hooks saw during one run, and how it is written: metrics as they come, the rest when the run ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbmlops.capture import estimators, files, secrets, settings, validation, watch
from nbmlops.capture.environment import peak_memory_bytes
from nbmlops.capture.estimators import Fit
from nbmlops.capture.validation import Folds
from nbmlops.records import plain
from nbmlops.tracking import children
from nbmlops.tracking.log import log_dataset, log_params, point
from nbmlops.tracking.opened import OpenRun, write
from nbmlops.tracking.outputs import Outputs

__all__ = ["Seen"]

MOST_FILES = 100
MOST_FITS = 20


class Seen(watch.Sink):
    """Takes what is fitted, measured, read and written while a run is open.

    Parameters
    ----------
    run : OpenRun
    on_error : callable
        Told of a fault of the tracker.
    outputs : Outputs, optional
        Where what is shown is kept.
    """

    def __init__(self, run: OpenRun, on_error: Callable[[Exception], None], outputs: Outputs | None = None) -> None:
        self.run, self.run_id = run, run.run_id
        self.on_error = on_error
        self.fits: list[Fit] = []
        self.every_fit: list[Fit] = []
        self.values: set[float] = set()
        self.files: dict[tuple[str, str], Any] = {}
        self.outputs = outputs
        self.peak = peak_memory_bytes()

    def metric(self, name: str, value: float, context: Mapping[str, str]) -> None:
        """Write a metric the user computed."""
        if self.run.open:
            self.values.add(value)
            point(self.run, name, value, None, context or None)

    def fit(self, fit: Fit) -> None:
        """Keep the last fit of each estimator, and of all of them the rows while the run is open."""
        if len(self.every_fit) < MOST_FITS:
            self.every_fit.append(fit)
        self.fits = [*(f for f in self.fits if f.estimator is not fit.estimator), fit]

    def scored(self, scored: Folds) -> None:
        """Write the folds of a cross-validation, and what its estimator was set to."""
        for name, value, context in children.write_folds(self.run, scored):
            self.metric(name, value, context)
        log_params(self.run_id, settings.chosen_of(scored.estimator), "set")

    def file(self, path: str, role: str, value: Any) -> None:
        """Keep a file for the end of the run: hashing it now would make the call slower."""
        if len(self.files) < MOST_FILES:
            self.files[path, role] = value

    def shown(self, data: Mapping[str, Any]) -> None:
        """Take what was displayed."""
        if self.outputs is not None:
            self.outputs.show(data)

    def printed(self, stream: str, text: str) -> None:
        """Take what was printed."""
        if self.outputs is not None:
            self.outputs.write(stream, text)

    def error(self, error: Exception) -> None:
        """Say once that something could not be tracked."""
        self.on_error(error)

    def models(self, names: Mapping[int, str], written: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Write the estimators that were fitted, those the user can name first; return their defaults.

        Parameters
        ----------
        names : mapping
            The variable under which an object is known, by its id.
        written : mapping
            Class name to the keywords the cell wrote in a call of that name.
        """
        self.fits.sort(key=lambda f: id(f.estimator) not in names)
        defaults: dict[str, Any] = {}
        for fit in self.fits:
            chosen, said, usual = settings.settings(fit.estimator, written)
            log_params(self.run_id, said, "argument")
            log_params(self.run_id, chosen, "set")
            defaults |= usual
            masked = {k: secrets.redact_value(k, v) for k, v in (chosen | said).items()}
            described = estimators.describe(fit, names, masked)
            described["fitted_on"] = _masked(described["fitted_on"])
            write({"t": "model", "run_id": self.run_id, **described})
            if hasattr(fit.estimator, "cv_results_"):
                self._search(fit.estimator, described["name"])
        return defaults

    def write_files(self) -> None:
        """Write what was read from and written to files, hashed now that the cell has ended."""
        for (path, role), value in self.files.items():
            try:
                log_dataset(self.run_id, files.describe_file(path, role, value))
            except OSError:  # it is gone again: a temporary file
                continue

    def write_peak(self) -> None:
        """Write the most memory the process had, where that was while the run was open."""
        if (peak := peak_memory_bytes()) > self.peak:
            self.metric("system.peak_memory_bytes", float(peak), {})

    def _search(self, search: Any, name: str) -> None:
        found = validation.trials(search)
        for metric, value, context in children.write_trials(self.run, found, name):
            self.metric(metric, value, context)
        best = next((t for t in found if t.best), None)
        if best is not None:
            log_params(self.run_id, plain(best.params), "set")


def _masked(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model was fitted on, names that are secrets masked."""
    columns = {secrets.redact(name): fingerprint for name, fingerprint in data["columns"].items()}
    return {**data, "columns": columns, "target": secrets.redact(data["target"])}
