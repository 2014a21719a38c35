"""What the output notebook says about its own execution: true, secret-free, saved at linear cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

import nbformat
from papermill.engines import NotebookExecutionManager
from papermill.iorw import papermill_io
from papermill.log import logger

from nbmlops.jobs import ending, files, outputs
from nbmlops.jobs.ending import Ending
from nbmlops.jobs.hidden import without
from nbmlops.jobs.outputs import OutputJournal
from nbmlops.jobs.progress import Progress, Tail, describe

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["Manager", "settle", "show"]

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
    echo : file, optional
        Where what the cells print goes as it comes.
    """

    def __init__(
        self,
        nb: NotebookNode,
        output_path: str | None,
        *,
        notebook: str,
        progress: Progress | None = None,
        hidden: Mapping[str, str] | None = None,
        echo: TextIO | None = None,
        log_output: bool = False,
        autosave_cell_every: int = 30,
    ) -> None:
        super().__init__(nb, output_path, log_output, progress_bar=False, autosave_cell_every=autosave_cell_every)
        self.notebook = notebook
        self.progress = progress
        self.hidden = dict(hidden or {})
        self.echo = echo
        self.ending = ending.COMPLETED
        self.stopped_at: int | None = None
        self.journal: OutputJournal | None = None
        self.noted: Callable[[str, list[str]], None] | None = None
        self.tail = Tail()
        self._content: bytes | None = None
        self.carried: Callable[[NotebookNode], None] | None = None  # puts back what an earlier run showed
        self._running: NotebookNode | None = None
        self._where = ""
        self._changed = False
        self._saved = self._cost = self._noted = 0.0

    def keep_in(self, journal: OutputJournal, run_id: str) -> None:
        """Write what happens from now on to a journal first; it begins with the notebook as it is."""
        self.journal, self._run_id = journal, run_id

    def notebook_start(self, **more: Any) -> None:
        """Begin: no cell has run, nothing has been said; only a folder that is not there is a reason not to."""
        try:
            super().notebook_start(**more)
        except FileNotFoundError:
            raise
        except OSError as error:
            logger.warning(f"The notebook could not be saved to {self.output_path} ({error}); execution goes on.")
        if self.carried:
            self.carried(self.nb)
        self._write(self._whole)
        self._sync()

    def message(self, message: dict[str, Any], cell_index: int) -> dict[str, Any]:
        """Take what the kernel says and return it without secrets; the journal has it first."""
        if message["msg_type"] not in outputs.KEPT:
            return message
        if self.hidden:
            message = {**message, "content": without(message["content"], self.hidden)}
        self._changed = True
        self._write(lambda: outputs.of_message(message, cell_index))
        if text := _printed(message):
            self.tail.take(text)
            self._echo(text)
        return message

    def look(self) -> None:
        """Do what is due while a cell runs: save what is new, close a gap of the journal, say where it is."""
        self.autosave_cell()
        if self.noted and self._where and time.monotonic() - self._noted >= EVERY_S:
            self._noted = time.monotonic()
            self.noted(self._where, self.tail.lines())

    def cell_start(self, cell: NotebookNode, cell_index: int = 0, **_: Any) -> None:
        """Mark a cell as running."""
        cell.metadata.papermill |= {"start_time": self.now().isoformat(), "status": ending.RUNNING, "exception": False}
        self._running, self._changed = cell, True
        self._write(lambda: {"t": "start", "cell": cell_index, "at": cell.metadata.papermill["start_time"]})
        self._where = f"cell {cell_index + 1} of {len(self.nb.cells)}: {describe(cell)}"
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
        show(cell, how)
        self._hide(cell)
        self._running, self._changed = None, True
        self._write(lambda: _end_of(cell, cell_index, how))
        if cell.cell_type == "code":
            self._sync()
        self.checkpoint()

    def notebook_complete(self, **_: Any) -> None:
        """Write the end: what never ran is ``not_run``; the last save's fault is papermill's to report."""
        self.end_time = self.now()
        about = self.nb.metadata.papermill
        about |= {"end_time": self.end_time.isoformat(), "duration": (self.end_time - self.start_time).total_seconds()}
        if about["exception"] is None:
            about["exception"] = self.ending.status == "failed"
        self._content = None
        settle(self.nb, self.ending)
        self._write(lambda: {"t": "end", "about": about})
        self._sync()
        self._try_save()
        if self.noted and self._where:
            self.noted(self._where, self.tail.lines())
        self._report(len(self.nb.cells), self.ending.status)

    def save(self, **_: Any) -> None:
        """Save now, without a secret the running cell may have printed."""
        began = time.monotonic()
        if self._running is not None:
            self._hide(self._running)
        if self.output_path:
            self._save(self.content(), self.end_time is not None)
        self._changed = False
        self._saved = time.monotonic()
        self._cost = self._saved - began

    def content(self) -> bytes:
        """Return the notebook as its file has it; one that ended is written out once."""
        if self._content is None or self.end_time is None:
            text = nbformat.versions[self.nb.nbformat].writes_json(self.nb)  # papermill validates what it writes last
            self._content = text.encode("utf-8", "replace")
        return self._content

    def _save(self, content: bytes, last: bool) -> None:
        path = files.resolve(self.output_path)
        if path is None:
            papermill_io.write(content.decode(), self.output_path)
        elif last:
            files.finish(path, content)
        else:
            files.replace(path, content)

    def checkpoint(self) -> None:
        """Save when it is due; a place that cannot be written now does not stop the notebook."""
        if time.monotonic() - self._saved >= max(EVERY_S, COST_SHARE * self._cost):
            self._try_save()
            if self.journal and self.journal.gap:
                self.journal.append(self._whole())

    def autosave_cell(self) -> None:
        """Save in the middle of a long cell; 0 switches it off, as papermill has it."""
        if self.autosave_cell_every and self._changed:
            self.checkpoint()

    def _try_save(self) -> None:
        try:
            self.save()
        except Exception as error:
            self._saved = time.monotonic()
            logger.warning(f"The notebook could not be saved to {self.output_path} ({error}); execution goes on.")

    def _echo(self, text: str) -> None:
        if self.echo is None:
            return
        try:
            self.echo.write(text)
            self.echo.flush()
        except OSError:  # nobody reads any more: `nbmlops run NB --log | head`
            self.echo = None

    def _write(self, event: Callable[[], Mapping[str, Any]]) -> None:
        if self.journal:
            self.journal.append(event())

    def _whole(self) -> dict[str, Any]:
        place = files.resolve(self.output_path) if self.output_path else None
        return outputs.of_notebook(self.nb, self._run_id, str(place) if place else None)

    def _sync(self) -> None:
        if self.journal:
            self.journal.sync()

    def _report(self, cell_index: int, description: str) -> None:
        if self.progress:
            self.progress(self.notebook, cell_index, len(self.nb.cells), description)

    def _hide(self, cell: NotebookNode) -> None:
        if self.hidden and cell.cell_type == "code":
            cell.outputs = [without(output, self.hidden) for output in cell.outputs]


def settle(nb: NotebookNode, how: Ending) -> None:
    """Give every cell the status it ends with: what was running ended with the run, what never ran is ``not_run``."""
    for cell in nb.cells:
        about = cell.metadata.papermill
        if about["status"] == ending.PENDING:
            about["status"] = ending.NOT_RUN
        elif about["status"] == ending.RUNNING:
            about |= {"status": how.cell, "exception": how.status == "failed"}
            show(cell, how)


def show(cell: NotebookNode, how: Ending) -> None:
    """Let a cell show why it ended, where it does not by itself; our interrupt's traceback says where it was then."""
    if not how.name or cell.cell_type != "code":
        return
    shown = next((o for o in reversed(cell.outputs) if o.output_type == "error"), None)
    if shown is None:
        cell.outputs.append(_error_output(how))
    elif not how.traceback and shown.ename == "KeyboardInterrupt":
        shown.ename, shown.evalue = how.name, how.message
        shown.traceback = [*shown.traceback[:-1], *how.shown_traceback]


def _printed(message: Mapping[str, Any]) -> str:
    """Return what a message looks like in a terminal; nothing of what a cell only shows as a picture."""
    kind, content = message["msg_type"], message["content"]
    if kind == "stream":
        return str(content["text"])
    data = content.get("data") or {}
    if "text/plain" in data and (kind == "execute_result" or len(data) == 1):
        return f"{data['text/plain']}\n"
    return "\n".join([*content["traceback"], ""]) if kind == "error" else ""


def _end_of(cell: NotebookNode, cell_index: int, how: Ending) -> dict[str, Any]:
    shown = [o for o in cell.get("outputs", []) if o.output_type == "error"][-1:] if how.stops else []
    return {"t": "ended", "cell": cell_index, "about": cell.metadata.papermill, "shown": shown}


def _error_output(how: Ending) -> NotebookNode:
    from nbformat.v4 import new_output

    return new_output("error", ename=how.name, evalue=how.message, traceback=how.shown_traceback)
