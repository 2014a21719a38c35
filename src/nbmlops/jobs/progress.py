"""Say where an execution is: a bar in a terminal, two lines anywhere else."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

__all__ = ["Bar", "Cells", "Lines", "Noted", "Progress", "Tail", "describe", "usual"]

WIDTH = 40
MOST_TEXT = 4000
LONGEST_LINE = 200
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Progress(Protocol):
    """Called as each cell starts, and once at the end with ``cell_index == cells`` and the run's status."""

    def __call__(self, notebook: str, cell_index: int, cells: int, description: str) -> None:
        """Show that a cell starts."""


class Bar:
    """One bar that names notebook and cell."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.bar: Any = None

    def __call__(self, notebook: str, cell_index: int, cells: int, description: str) -> None:
        """Move the bar; the last call closes it."""
        if self.bar is None:
            from tqdm import tqdm

            form = "{desc} |{bar:20}| {n_fmt}/{total_fmt} {elapsed}"
            self.bar = tqdm(total=cells, file=self.stream, bar_format=form, dynamic_ncols=True)
        self.bar.n = cell_index
        self.bar.set_description_str(f"{notebook}: {description:<{WIDTH}}")
        if cell_index == cells:
            self.bar.close()


class Lines:
    """A line as the notebook starts and one as it ends: for logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.began = 0.0

    def __call__(self, notebook: str, cell_index: int, cells: int, description: str) -> None:
        """Write at the start and at the end; cells between are silent."""
        if not self.began:
            self.began = time.perf_counter()
            self._line(f"{notebook}: {cells} cells")
        if cell_index == cells:
            self._line(f"{notebook}: {description} after {time.perf_counter() - self.began:.1f} s")

    def _line(self, text: str) -> None:
        self.stream.write(f"{text}\n")
        self.stream.flush()


class Tail:
    r"""The last of what was printed.

    >>> tail = Tail()
    >>> tail.take("loss 0.3\n\x1b[1m10 %\r20 %\x1b[0m")
    >>> tail.lines()
    ['loss 0.3', '20 %']
    """

    def __init__(self) -> None:
        self._text = ""

    def take(self, text: str) -> None:
        """Add text that was printed."""
        self._text = (self._text + text[-MOST_TEXT:])[-MOST_TEXT:]

    def lines(self, most: int = 5) -> list[str]:
        """Return the last lines as a terminal shows them, without colours."""
        shown = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in COLOUR.sub("", self._text).split("\n"))
        return [line[:LONGEST_LINE] for line in shown if line][-most:]


class Noted:
    """Keeps with a run where its execution is, and what was printed last.

    Parameters
    ----------
    run_id : str
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._known: dict[str, str] = {}

    def __call__(self, where: str, lines: list[str]) -> None:
        """Write what changed."""
        from nbmlops.capture.secrets import redact
        from nbmlops.tracking import session

        for name, text in (("progress", where), ("last_lines", "\n".join(lines))):
            if text and text != self._known.get(name):
                self._known[name] = text
                session.write({"t": "tag", "run_id": self.run_id, "name": name, "value": redact(text)})


class Cells(Lines):
    """A line for each cell as it starts: beside what the cells print."""

    def __call__(self, notebook: str, cell_index: int, cells: int, description: str) -> None:
        """Write which cell starts."""
        super().__call__(notebook, cell_index, cells, description)
        if cell_index < cells:
            self._line(f"[{cell_index + 1}/{cells}] {description}")


def usual(stream: TextIO | None = None) -> Progress:
    """Return what fits the stream: a bar for a terminal, lines for a log."""
    stream = stream or sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream)


def describe(cell: Mapping[str, Any]) -> str:
    r"""Return a cell in a few words: its ``papermill_description``, else its first heading or line.

    >>> describe({"cell_type": "code", "source": "# fit the forest\nmodel.fit(X, y)"})
    'fit the forest'
    """
    source = str(cell["source"])
    if "papermill_description=" in source:
        return source.split("papermill_description=")[1].split()[0]
    lines = [line for raw in source.splitlines() if (line := raw.strip(" #\t"))]
    first = lines[0] if lines else "(empty)"
    return first if len(first) <= WIDTH else f"{first[: WIDTH - 3]}..."
