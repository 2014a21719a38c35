"""What the output notebook says about its own execution: true, secret-free, saved at linear cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from papermill.engines import NotebookExecutionManager
from papermill.log import logger

from nbmlops.capture.secrets import redact_value
from nbmlops.jobs import ending
from nbmlops.jobs.ending import Ending
from nbmlops.jobs.progress import Progress, describe

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["Manager", "hidden_texts"]

EVERY_S = 2.0
COST_SHARE = 10  # a save may take a tenth of the time, so that many large outputs stay linear


class Manager(NotebookExecutionManager):  # type: ignore[misc]
    """Keeps the statuses of a notebook's cells and saves it: at the start, at the end, now and then between.

    Papermill's own manager calls a cell that never ran *completed* and rewrites the file twice per cell.

    Parameters
    ----------
    nb : NotebookNode
        Carries no secret parameter any more.
    output_path : str or None
    notebook : str
        The name progress goes by.
    progress : Progress, optional
    hidden : mapping
        Secret texts and what stands in their place, should a cell print one.
    """

    def __init__(
        self,
        nb: NotebookNode,
        output_path: str | None,
        *,
        notebook: str,
        progress: Progress | None = None,
        hidden: Mapping[str, str] | None = None,
        log_output: bool = False,
        autosave_cell_every: int = 30,
    ) -> None:
        super().__init__(nb, output_path, log_output, progress_bar=False, autosave_cell_every=autosave_cell_every)
        self.notebook = notebook
        self.progress = progress
        self.hidden = dict(hidden or {})
        self.ending = ending.COMPLETED
        self.stopped_at: int | None = None
        self._running: NotebookNode | None = None
        self._saved = self._cost = 0.0

    def cell_start(self, cell: NotebookNode, cell_index: int = 0, **_: Any) -> None:
        """Mark a cell as running."""
        cell.metadata.papermill |= {"start_time": self.now().isoformat(), "status": ending.RUNNING, "exception": False}
        self._running = cell
        self._report(cell_index, describe(cell))
        self.checkpoint()

    def cell_ended(self, cell: NotebookNode, cell_index: int, how: Ending) -> None:
        """Write how a cell ended; what stops the notebook is kept, and shown as an error where the cell shows none."""
        about, end = cell.metadata.papermill, self.now()
        started = about["start_time"]
        about |= {"status": how.cell, "exception": how.status == "failed", "end_time": end.isoformat()}
        about["duration"] = (end - type(end).fromisoformat(started)).total_seconds()
        if how.stops:
            self.ending, self.stopped_at = how, cell_index
            self.nb.metadata.papermill["exception"] = how.status == "failed"
        if how.name and cell.cell_type == "code" and not any(o.output_type == "error" for o in cell.outputs):
            cell.outputs.append(_error_output(how))
        self._hide(cell)
        self._running = None
        self.checkpoint()

    def notebook_complete(self, **_: Any) -> None:
        """Write the end: what never ran is ``not_run``; the last save's fault is papermill's to report."""
        self.end_time = self.now()
        about = self.nb.metadata.papermill
        about |= {"end_time": self.end_time.isoformat(), "duration": (self.end_time - self.start_time).total_seconds()}
        if about["exception"] is None:
            about["exception"] = self.ending.status == "failed"
        for cell in self.nb.cells:
            if cell.metadata.papermill["status"] == ending.PENDING:
                cell.metadata.papermill["status"] = ending.NOT_RUN
        self._try_save()
        self._report(len(self.nb.cells), self.ending.status)

    def save(self, **_: Any) -> None:
        """Save now, without a secret the running cell may have printed."""
        began = time.monotonic()
        if self._running is not None:
            self._hide(self._running)
        super().save()
        self._saved = time.monotonic()
        self._cost = self._saved - began

    def checkpoint(self) -> None:
        """Save when it is due; a place that cannot be written now does not stop the notebook."""
        if time.monotonic() - self._saved >= max(EVERY_S, COST_SHARE * self._cost):
            self._try_save()

    def autosave_cell(self) -> None:
        """Save in the middle of a long cell; 0 switches it off, as papermill has it."""
        if self.autosave_cell_every:
            self.checkpoint()

    def _try_save(self) -> None:
        try:
            self.save()
        except Exception as error:
            self._saved = time.monotonic()
            logger.warning(f"The notebook could not be saved to {self.output_path} ({error}); execution goes on.")

    def _report(self, cell_index: int, description: str) -> None:
        if self.progress:
            self.progress(self.notebook, cell_index, len(self.nb.cells), description)

    def _hide(self, cell: NotebookNode) -> None:
        if self.hidden and cell.cell_type == "code":
            cell.outputs = [_without(output, self.hidden) for output in cell.outputs]


def hidden_texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return every text in the parameters that must not be shown, with what is shown instead.

    >>> hidden_texts({"db_password": "hunter2", "trees": 100})
    {'hunter2': '[secret]'}
    """
    return {
        old: new
        for name, value in parameters.items()
        for old, new in _changed(value, redact_value(name, value))
        if len(old) > 3
    }


def _changed(value: Any, shown: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and isinstance(shown, Mapping):
        for key in value:
            yield from _changed(value[key], shown[key])
    elif isinstance(value, (list, tuple, Mapping)):
        masked = shown if isinstance(shown, (list, tuple)) else [shown] * len(value)
        for item, other in zip(value.values() if isinstance(value, Mapping) else value, masked, strict=True):
            yield from _changed(item, other)
    elif value != shown:
        yield str(value), str(shown)


def _without(value: Any, hidden: Mapping[str, str]) -> Any:
    """Return an output with secret texts replaced, at any depth."""
    if isinstance(value, str):
        for old, new in hidden.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, dict):
        return type(value)({key: _without(item, hidden) for key, item in value.items()})
    return [_without(item, hidden) for item in value] if isinstance(value, list) else value


def _error_output(how: Ending) -> NotebookNode:
    from nbformat.v4 import new_output

    return new_output("error", ename=how.name, evalue=how.message, traceback=how.shown_traceback)
