"""``%%track``: a pure check of the header line, then two events around the cell. Never a nested ``run_cell``.

The transformer raises where the header is wrong, so that the cell does not run; it may be called more than once
and opens nothing. ``pre_run_cell`` opens the run and never raises, ``post_run_cell`` closes it. So ``await``, line
numbers, displayed values, interrupts and a failing cell behave as untracked.
"""

from __future__ import annotations

import argparse
import functools
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.capture.cell import analyse
from nbmlops.capture.environment import notebook_path
from nbmlops.capture.order import History
from nbmlops.config import disabled
from nbmlops.errors import Invalid
from nbmlops.magics import front, screen
from nbmlops.magics.base import Magic, Parser, typed
from nbmlops.tracking.cell import Header, TrackedCell
from nbmlops.tracking.machine import warn_once

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

__all__ = ["MAGICS", "Tracker", "parse", "parser"]

RUNS_BODY = re.compile(r"\s*%%(?:time|capture|prun)\b")  # magics whose body binds the user's own names
INJECTED = "# Parameters"  # how the cell papermill puts in begins

MODES = {
    "replace": "delete the repeat before: this run stands for it",
    "append": "go on in the run of the repeat before",
    "nested": "make it part of the run of the tracked cell before",
}
LINE = re.compile(r"%%track(?![\w?])(?P<rest>.*)")


@functools.cache
def parser() -> Parser:
    """Return the parser of what stands behind ``%%track``."""
    parser = Parser(
        "%%track",
        "Track this cell as a run of an experiment: params, models, metrics, data, figures, how it ended.",
        "%%track forest --tag data=january --metric roc_auc\n  forest.fit(january[columns], january.late)",
    )
    parser.add_argument("experiment", metavar="NAME", help="the experiment")
    parser.add_argument("--name", help="the run's own name")
    parser.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="a label; may be repeated")
    parser.add_argument("--metric", help="the experiment's primary metric, such as roc_auc")
    parser.add_argument("--no-model", action="store_true", help="do not save the fitted model")
    repeat = parser.add_mutually_exclusive_group()
    for mode, text in MODES.items():
        repeat.add_argument(f"--{mode}", action="store_const", const=mode, dest="mode", default="new", help=text)
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
    return Header(args.experiment, args.name, tuple(pairs), args.mode, args.metric, not args.no_model)


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
    lines = _without_reload(lines)
    found = header_line(lines)
    if found is None:
        return lines
    index, rest = found
    if "--help" in rest.split():
        return ["%%track?\n"]  # as behind every other magic; nothing of the cell runs
    parse(rest)
    before, after = lines[:index], lines[index + 1 :]
    body = next((i for i, line in enumerate(after) if line.strip()), None)
    if body is not None and after[body].lstrip().startswith("%%"):
        return after[body:]
    return [*before, "\n", *after]


def _without_reload(lines: list[str]) -> list[str]:
    """Blank ``%load_ext nbmlops`` among the magics and comments a cell opens with; later it may stand in a string."""
    kept = list(lines)
    for index, line in enumerate(lines):
        text = line.strip()
        if text == "%load_ext nbmlops":
            kept[index] = "\n"
        elif text and not text.startswith("#") and not re.match(r"%(?!%)", text):
            break
    return kept


class _Stop:
    """Keeps one cell from running: an interrupt came while its tracking began."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        shell.ast_transformers.append(self)

    def visit(self, node: Any) -> Any:
        """Refuse the cell, once."""
        from IPython.core.error import InputRejected

        self.shell.ast_transformers.remove(self)
        raise InputRejected("interrupted before the cell ran")


class Tracker:
    """The hooks of one shell. A cell may run another one, so what is open is a stack, and each thread has its own.

    A subshell is a thread whose cells overlap those of the others: the first to begin may be the first to end.
    ``auto`` names the experiment of ``%track on``; empty is off.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.auto = ""
        self.injected: dict[str, Any] = {}
        self.history = History(self._python)
        self._last: tuple[str, str] | None = None  # a cell is asked for by its run and by the history
        self.numbers: dict[int, int] = {}  # of running cells, in the history
        self._running: dict[int, list[tuple[ExecutionInfo, TrackedCell | None]]] = {}

    @property
    def running(self) -> list[tuple[ExecutionInfo, TrackedCell | None]]:
        """What is open in this thread."""
        return self._running.setdefault(threading.get_ident(), [])

    def install(self) -> None:
        """Add the transformer and the two events; what ran before, and the cell that loads us, are history too."""
        ran = getattr(self.shell.history_manager, "input_hist_raw", None) or []
        for count, source in enumerate(ran[1:], 1):
            self.history.begin(source, None, count)
        self.shell.input_transformers_cleanup.append(transform)
        self.shell.events.register("pre_run_cell", self.before)
        self.shell.events.register("post_run_cell", self.after)

    def remove(self) -> None:
        """Take every hook away again."""
        self.shell.input_transformers_cleanup.remove(transform)
        self.shell.events.unregister("pre_run_cell", self.before)
        self.shell.events.unregister("post_run_cell", self.after)
        typed.pop(threading.get_ident(), None)

    def before(self, info: ExecutionInfo) -> None:
        """Open a run when the cell asks for one; never raises."""
        self.running.append((info, None))
        typed[threading.get_ident()] = info.raw_cell
        try:
            if disabled():
                return
            cell_id = _cell_id(info, self.shell)
            self.numbers[id(info)] = self.history.begin(info.raw_cell, cell_id, self.shell.execution_count)
            header = self._header(info.raw_cell)
            if header is not None:
                self.running[-1] = (info, self._opened(header, info))
            elif info.raw_cell.startswith(INJECTED):
                self.injected |= analyse(info.raw_cell).literals or {}
        except KeyboardInterrupt:
            _Stop(self.shell)
        except Exception as error:
            warn_once(error)

    def after(self, result: ExecutionResult | None) -> None:
        """Close the run and show its card; never raises. A cancelled cell has no result."""
        if result is not None:
            # A newer IPython counts on before its events, an older one after them: the result has what is shown.
            self.history.end(self.numbers.pop(id(result.info), 0), result.success, shown=result.execution_count)
        active = self._ended(result)
        if active is None:
            return
        try:
            error = KeyboardInterrupt() if result is None else result.error_in_exec or result.error_before_exec
            run = active.close(error)
            if run is not None:
                screen.show(active, run)
        except Exception as error:
            active.abandon()
            warn_once(error)

    def _ended(self, result: ExecutionResult | None) -> TrackedCell | None:
        """Take the cell that ended off the stack; those above it never said that they did."""
        infos = [info for info, _ in self.running]
        if result is not None and not any(info is result.info for info in infos):
            return None
        active = None
        while self.running:
            if active is not None:
                active.abandon()
            info, active = self.running.pop()
            if result is None or info is result.info:
                break
        if self.running:
            typed[threading.get_ident()] = self.running[-1][0].raw_cell
        else:
            typed.pop(threading.get_ident(), None)
            del self._running[threading.get_ident()]  # a subshell's thread ends
        return active

    def _header(self, raw_cell: str) -> Header | None:
        found = header_line(raw_cell.splitlines(keepends=True))
        if found is None:
            return Header(self.auto, auto=True) if self.auto else None
        try:
            header = parse(found[1])
        except Invalid:
            return None  # the transformer raised already
        if not "".join(raw_cell.splitlines(keepends=True)[found[0] + 1 :]).strip():
            print(f"%%track {header.experiment}: the cell is empty. Write the code to track below this line.")  # noqa: T201
            return None
        return header

    def _opened(self, header: Header, info: ExecutionInfo) -> TrackedCell:
        python, number = self._python(info.raw_cell), self.numbers[id(info)]
        place = (_cell_id(info, self.shell), self.injected, (self.history, number))
        cell = TrackedCell(header, info.raw_cell, python, self.shell.user_ns, *place)
        try:
            cell.open()
            screen.watch_outputs(self.shell)
            screen.go_live(self.shell, cell)
        except BaseException:
            cell.abandon()
            raise
        return cell

    def _python(self, typed_cell: str) -> str:
        """Return a cell as Python; of a magic that runs its body here, the body. A wrong header has none."""
        if self._last is None or self._last[0] != typed_cell:
            self._last = (typed_cell, self._translated(typed_cell))
        return self._last[1]

    def _translated(self, typed_cell: str) -> str:
        try:
            lines = transform(typed_cell.splitlines(keepends=True))
        except Invalid:
            return ""
        while lines and RUNS_BODY.match(lines[0]):
            lines = lines[1:]
        return str(self.shell.transform_cell("".join(lines)))


def _cell_id(info: ExecutionInfo, shell: InteractiveShell) -> str | None:
    """Return the id of a cell: what a front end says, else what a job says of exactly this code."""
    found: str | None = getattr(info, "cell_id", None)  # IPython before 8.16 has none
    return found or front.cell_of(shell, info.raw_cell)


EXAMPLES = "%track on\n  %track off"


def _auto_parser() -> Parser:
    parser = Parser("%track", "Track every cell that fits or scores something, from the next one on.", EXAMPLES)
    parser.add_argument("switch", choices=("on", "off"), help="from the next cell on, or no more")
    parser.add_argument("experiment", nargs="?", metavar="NAME", help="the experiment; the notebook's name when absent")
    return parser


def _auto(shell: InteractiveShell, args: argparse.Namespace) -> None:
    from nbmlops.magics import tracker

    name = args.experiment or Path(notebook_path(shell.user_ns) or "notebook").stem
    tracker(shell).auto = name if args.switch == "on" else ""
    said = f"Cells that fit or score something are tracked as {name!r}." if args.switch == "on" else "Only %%track."
    print(f"{said} %track {'off' if args.switch == 'on' else 'on'} changes that.")  # noqa: T201


MAGICS = (Magic("track", _auto_parser, _auto, form=True),)
