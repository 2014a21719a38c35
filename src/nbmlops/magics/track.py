"""``%%track``: a pure check of the header line, then two events around the cell. Never a nested ``run_cell``.

The transformer raises where the header is wrong, so that the cell does not run; it may be called more than once
and opens nothing. ``pre_run_cell`` opens the run and never raises, ``post_run_cell`` closes it. So ``await``, line
numbers, displayed values, interrupts and a failing cell behave as untracked.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nbmlops.config import disabled
from nbmlops.errors import Invalid
from nbmlops.magics.base import Parser, typed
from nbmlops.tracking.cell import Header, TrackedCell
from nbmlops.tracking.machine import warn_once

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

__all__ = ["Tracker", "parse", "parser"]

LINE = re.compile(r"%%track(?![\w?])(?P<rest>.*)")


def parser() -> Parser:
    """Return the parser of what stands behind ``%%track``."""
    parser = Parser(
        "%%track",
        "Track this cell as a run of an experiment: params, models, metrics, data, figures, how it ended.",
        "%%track forest --tag data=january",
    )
    parser.add_argument("experiment", metavar="NAME", help="the experiment")
    parser.add_argument("--name", help="the run's own name")
    parser.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="a label; may be repeated")
    return parser


def parse(rest: str) -> Header:
    """Parse what stands behind ``%%track``.

    Raises
    ------
    Invalid
        The name is missing, a flag is unknown, or a tag is not KEY=VALUE.
    """
    args = parser().parse_line(rest)
    pairs = []
    for tag in args.tag:
        key, equals, value = tag.partition("=")
        if not (key and equals):
            raise Invalid(f"%%track: --tag {tag!r} has no value.", "Write --tag KEY=VALUE.")
        pairs.append((key, value))
    return Header(args.experiment, args.name, tuple(pairs))


def header_line(lines: list[str]) -> tuple[int, str] | None:
    """Return (index, text behind it) of a ``%%track`` line that opens a cell, after blank lines and comments."""
    for index, line in enumerate(lines):
        text = line.strip()
        if found := LINE.fullmatch(text):
            return index, found["rest"]
        if text and not text.startswith("#"):
            return None
    return None


def transform(lines: list[str]) -> list[str]:
    """Take the header line out of a cell: pure, and it raises when the header is wrong.

    The line stays as an empty one, so that line numbers hold; it goes when another ``%%magic`` follows, which
    must come first in its cell. Loading the extension again says nothing: this transformer is there, so it is.
    """
    lines = ["\n" if line.strip() == "%load_ext nbmlops" else line for line in lines]
    found = header_line(lines)
    if found is None:
        return lines
    index, rest = found
    parse(rest)
    before, after = lines[:index], lines[index + 1 :]
    body = next((i for i, line in enumerate(after) if line.strip()), None)
    if body is not None and after[body].lstrip().startswith("%%"):
        return after[body:]
    return [*before, "\n", *after]


class Tracker:
    """The hooks of one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.active: TrackedCell | None = None

    def install(self) -> None:
        """Add the transformer and the two events."""
        self.shell.input_transformers_cleanup.append(transform)
        self.shell.events.register("pre_run_cell", self.before)
        self.shell.events.register("post_run_cell", self.after)

    def remove(self) -> None:
        """Take every hook away again."""
        self.shell.input_transformers_cleanup.remove(transform)
        self.shell.events.unregister("pre_run_cell", self.before)
        self.shell.events.unregister("post_run_cell", self.after)

    def before(self, info: ExecutionInfo) -> None:
        """Open a run when the cell asks for one; never raises."""
        try:
            typed[id(self.shell)] = info.raw_cell
            header = self._header(info.raw_cell)
            if header is not None and not disabled():
                self._open(header, info)
        except Exception as error:
            warn_once(error)

    def after(self, result: ExecutionResult | None) -> None:
        """Close the run and show its card; never raises. A cancelled cell has no result."""
        typed.pop(id(self.shell), None)
        active, self.active = self.active, None
        if active is None:
            return
        try:
            self._stop_watching_display()
            error = KeyboardInterrupt() if result is None else result.error_in_exec or result.error_before_exec
            run = active.close(error)
            self._show(run)
        except Exception as error:
            warn_once(error)

    def _header(self, raw_cell: str) -> Header | None:
        found = header_line(raw_cell.splitlines(keepends=True))
        if found is None:
            return None
        try:
            header = parse(found[1])
        except Invalid:
            return None  # the transformer raised already
        if not "".join(raw_cell.splitlines(keepends=True)[found[0] + 1 :]).strip():
            print(f"%%track {header.experiment}: the cell is empty. Write the code to track below this line.")  # noqa: T201
            return None
        return header

    def _open(self, header: Header, info: ExecutionInfo) -> None:
        python = self.shell.transform_cell(info.raw_cell)
        cell = TrackedCell(header, info.raw_cell, python, self.shell.user_ns, getattr(info, "cell_id", None))
        cell.open()
        self.active = cell
        self._watch_display(cell)

    def _watch_display(self, cell: TrackedCell) -> None:
        """Keep the pictures the cell displays: one attribute of this shell's publisher, gone after the cell."""
        publisher = self.shell.display_pub
        publish: Callable[..., Any] = publisher.publish

        def watched(data: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            png = data.get("image/png") if isinstance(data, dict) else None
            if png is not None:
                try:
                    cell.figure(base64.b64decode(png) if isinstance(png, str) else png)
                except Exception as error:
                    warn_once(error)
            return publish(data, *args, **kwargs)

        publisher.__dict__["publish"] = watched

    def _stop_watching_display(self) -> None:
        self.shell.display_pub.__dict__.pop("publish", None)

    def _show(self, run: Any) -> None:
        from IPython.display import display

        display(run)
