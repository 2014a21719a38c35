"""Say where an execution is: a bar in a terminal, two lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

__all__ = ["Bar", "Lines", "Progress", "describe", "usual"]

WIDTH = 40


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
