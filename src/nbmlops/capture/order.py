"""The order record: which cells a kernel ran, and whether what a run rests on would come about again from the top.

Warn, do not force. Names are followed by what the sources say (see names.py), so the answer is an approximation: what
a failed cell changed before it failed, and what a function changes when it is called, is not seen.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal
from weakref import WeakValueDictionary

from nbmlops.capture.cell import CellSource, analyse, masked
from nbmlops.capture.saved import SavedNotebook, notebook_cells
from nbmlops.capture.slices import ANYTHING, Execution, Slice, backward
from nbmlops.records import Finding, Outcome, new_id, now

__all__ = ["Begun", "Execution", "History", "Label", "label", "notebook_cells"]

Word = Literal["clean", "reordered", "edited since", "orphaned", "unknown"]

MOST = 10_000  # executions a kernel remembers
OUTCOMES: Mapping[Word, Outcome] = {"clean": "passed", "unknown": "skipped"}


@dataclass(frozen=True)
class Label:
    """How far the order of cells can be trusted, in one word and one sentence, and the number of the cell to blame."""

    word: Word
    message: str
    cell: int | None = None

    def finding(self) -> Finding:
        """Return it as a finding: passed, a warning, or skipped when it is unknown.

        Examples
        --------
        >>> Label("reordered", "x comes from cell [3].", 3).finding().outcome
        'warning'
        """
        return Finding(
            "order", OUTCOMES.get(self.word, "warning"), self.message, detail={"order": self.word, "cell": self.cell}
        )


class _Source:
    """One text of a cell, kept once however often it runs, and analysed when somebody asks."""

    def __init__(self, text: str, python: str | Callable[[str], str]) -> None:
        self.text, self.kept = text, False
        self._python = python

    @cached_property
    def names(self) -> CellSource:
        found = analyse(self.text)
        if found.literals is not None:  # it is Python as it stands, as most cells are
            return found
        try:
            return analyse(self._python if isinstance(self._python, str) else self._python(self.text))
        except Exception:  # IPython refuses the cell when it is translated: then it did not run either
            return found

    @cached_property
    def data(self) -> bytes:
        return masked(self.text, self.names).encode("utf-8", "replace")

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(eq=False)
class Begun:
    """An execution as a history holds it: its names are looked at when somebody asks."""

    number: int
    cell_id: str | None
    notebook: str | None
    source: _Source
    at: str = field(default_factory=now)
    succeeded: bool | None = None  # None while it runs
    run_id: str | None = None
    written: bool = False
    names: tuple[tuple[str, ...], ...] = ()  # read, written, mutated

    @property
    def execution(self) -> Execution:
        """What is recorded of it."""
        reads, writes, mutates = self.names
        of = (self.number, self.cell_id, self.source.digest)
        return Execution(*of, reads, writes, mutates, bool(self.succeeded), self.at, self.notebook)


class History:
    """What one shell ran, in memory until a run needs it.

    A cell costs microseconds: its text is kept once and analysed when a run asks. The oldest of more than ten thousand
    executions are forgotten.

    Examples
    --------
    >>> history = History()
    >>> begun = history.begin("x = 1", "x = 1", "cell-a")
    >>> history.end(begun, succeeded=True)
    >>> history.execution(begun).writes
    ('x',)
    """

    def __init__(self) -> None:
        self.kernel = new_id()
        self._lock = threading.RLock()
        self._begun: dict[int, Begun] = {}  # by number, the oldest first
        self._sources: WeakValueDictionary[str, _Source] = WeakValueDictionary()
        self._last = self._named = 0  # the newest number, and the newest whose names are known
        self._cells: dict[str, set[str]] = {}  # the first two cells that bound a name
        self._modules: set[str] = set()  # names that stand for a module now

    def begin(
        self,
        raw_cell: str,
        python: str | Callable[[str], str],
        cell_id: str | None = None,
        *,
        number: int | None = None,
        notebook: str | None = None,
    ) -> Begun:
        """Note that a cell begins.

        Parameters
        ----------
        raw_cell : str
            The cell as typed.
        python : str or callable
            The cell as Python, or what makes it of the text when it is asked: a shell's ``transform_cell``.
        cell_id : str, optional
        number : int, optional
            The shell's execution count; one that was there before is raised.
        notebook : str, optional
        """
        with self._lock:
            source = self._sources.get(raw_cell) or _Source(raw_cell, python)
            self._sources[raw_cell] = source
            self._last = max(number or 0, self._last + 1)
            begun = Begun(self._last, cell_id, notebook, source)
            self._begun[begun.number] = begun
            if len(self._begun) > MOST:
                del self._begun[next(iter(self._begun))]
            return begun

    def end(self, begun: Begun, succeeded: bool, run_id: str | None = None) -> None:
        """Note that a cell ended, and which run it was, if any."""
        begun.run_id, begun.succeeded = run_id, succeeded

    def execution(self, begun: Begun) -> Execution:
        """Return what is recorded of a cell."""
        self._name(begun.number)
        return begun.execution

    def before(self, number: int) -> list[Execution]:
        """Return the executions with a lower number that ended, oldest first."""
        self._name(number)
        with self._lock:
            return [b.execution for b in self._begun.values() if b.number < number and b.succeeded is not None]

    def text(self, execution: Execution) -> str | None:
        """Return the source of an execution as it was typed; None when it is forgotten."""
        begun = self._begun.get(execution.number)
        return begun.source.text if begun else None

    def pending(self) -> list[Execution]:
        """Return the executions that ended and were not written, oldest first."""
        return [self.execution(b) for b in self._unwritten()]

    def flush(self, write: Callable[[dict[str, Any]], Any], keep: Callable[[bytes], Any]) -> int:
        """Write every execution that was not written; return how many.

        Parameters
        ----------
        write : callable
            Takes a journal event.
        keep : callable
            Takes a source, to be kept as an artifact under its SHA-256; before the first event that names it.
        """
        done = 0
        for begun in self._unwritten():
            self._name(begun.number)
            with self._lock:  # of two threads that flush, one writes an execution
                if begun.written:
                    continue
                begun.written = True
            try:
                self._write(begun, write, keep)
            except BaseException:
                begun.written = False
                raise
            done += 1
        return done

    def _write(self, begun: Begun, write: Callable[[dict[str, Any]], Any], keep: Callable[[bytes], Any]) -> None:
        if not begun.source.kept:
            keep(begun.source.data)
            begun.source.kept = True
        reads, writes, mutates = (list(names) for names in begun.names)
        about = {"cell_id": begun.cell_id, "notebook": begun.notebook, "digest": begun.source.digest, "at": begun.at}
        status = "finished" if begun.succeeded else "failed"
        key = {"t": "execution", "kernel": self.kernel, "number": begun.number, "run_id": begun.run_id}
        write({**key, **about, "reads": reads, "writes": writes, "mutates": mutates, "status": status})

    def _unwritten(self) -> list[Begun]:
        with self._lock:
            return [b for b in self._begun.values() if not b.written and b.succeeded is not None]

    def _name(self, number: int) -> None:
        """Find out the names of every execution up to a number, oldest first: each needs to know those before it."""
        with self._lock:
            if number <= self._named:
                return
            for begun in self._begun.values():
                if self._named < begun.number <= number:
                    self._named, begun.names = begun.number, self._names_of(begun)

    def _names_of(self, begun: Begun) -> tuple[tuple[str, ...], ...]:
        said, cell = begun.source.names, begun.cell_id or begun.source.digest
        # A builtin, or a name bound here on some paths only, is read when another cell bound it.
        asked = tuple(n for n in said.optional if self._cells.get(n, set()) - {cell})
        mutates = tuple(n for n in said.mutates if n not in self._modules)  # plt.plot() changes no module
        for name in said.writes:
            if len(cells := self._cells.setdefault(name, set())) < 2:
                cells.add(cell)
        self._modules = self._modules.difference(said.writes).union(said.modules)
        return (*said.reads, *asked), (*said.writes, *((ANYTHING,) if said.star else ())), mutates


def label(
    history: History,
    execution: Execution,
    saved: SavedNotebook | None = None,
    present: Collection[str] | None = None,
) -> Label:
    """Say whether what an execution rests on would come about again if the notebook ran from the top.

    Parameters
    ----------
    history : History
    execution : Execution
        One of that history (:meth:`History.execution`).
    saved : SavedNotebook, optional
        The notebook's file (:func:`notebook_cells`); without it, cells stand in the order they first ran.
    present : collection of str, optional
        The names that exist; one that does not was not read.

    Returns
    -------
    Label
        ``unknown``, ``orphaned``, ``edited since``, ``reordered`` or ``clean``: the first that fits.

    Examples
    --------
    >>> history = History()
    >>> for source in ("x = 1", "x += 1", "y = x"):
    ...     begun = history.begin(source, source, number=None)
    ...     history.end(begun, succeeded=True)
    >>> label(history, history.execution(begun)).word
    'clean'
    """
    case = _Case(history, execution, saved)
    found = _unknown(case, present) or _orphaned(case) or _edited(case) or _repeated(case) or _reordered(case)
    return found or Label("clean", "What this cell rests on ran in the order it stands in.")


class _Case:
    """One execution with its slice, the executions before it, and where their cells stand."""

    def __init__(self, history: History, execution: Execution, saved: SavedNotebook | None) -> None:
        self.history, self.execution = history, execution
        self.all = [*history.before(execution.number), execution]
        self.slice: Slice = backward(execution, self.all[:-1])
        self.saved = saved
        self.has_ids = saved is not None and any(e.cell_id in saved.sources for e in self.all)
        self.of_cell: defaultdict[str, list[Execution]] = defaultdict(list)
        for one in self.all:
            self.of_cell[one.cell].append(one)

    def newest_first(self) -> list[tuple[Execution, tuple[str, ...]]]:
        return list(self.slice.sources.items())[::-1]

    def last(self, source: Execution, ended: bool = False) -> Execution:
        """Return the last execution of the same cell, this run's own among them; of those that ended well, if asked."""
        own = self.of_cell[source.cell]
        return next(e for e in reversed(own) if not ended or e.succeeded or e is self.execution)

    def saved_after(self, source: Execution) -> SavedNotebook | None:
        """Return the notebook as it was saved after an execution of a cell it can tell apart."""
        here = source.cell_id is not None and source.notebook == self.execution.notebook
        return self.saved if self.saved and self.has_ids and here and self.saved.saved_at > source.at else None

    def positions(self) -> dict[int, int]:
        """Return where the cells of the slice stand, by the number of their execution, as far as it is known."""
        wanted = [*self.slice.sources, self.execution]
        known = _places(self.saved, wanted, self.history) if self.saved else {}
        return known or _first_runs(self.all, wanted)


def _places(saved: SavedNotebook, wanted: Sequence[Execution], history: History) -> dict[int, int]:
    """Return places in the file: by cell id, else by text where that stands there once."""
    texts: dict[str, list[str]] = {}
    for cell_id, text in saved.sources.items():
        texts.setdefault(_plain(text), []).append(cell_id)
    found: dict[int, int] = {}
    for execution in wanted:
        same = (
            [execution.cell_id] if execution.cell_id in saved.positions else texts.get(_plain(history.text(execution)))
        )
        if same and len(same) == 1 and same[0] is not None:
            found[execution.number] = saved.positions[same[0]]
    return found


def _first_runs(executions: Sequence[Execution], wanted: Sequence[Execution]) -> dict[int, int]:
    first: dict[str, int] = {}
    for execution in executions:
        first.setdefault(execution.cell, execution.number)
    return {e.number: first[e.cell] for e in wanted}


def _plain(text: str | None) -> str:
    """Return a text without what an editor may change by itself."""
    return "\n".join(line.rstrip() for line in (text or "").strip().splitlines())


def _unknown(case: _Case, present: Collection[str] | None) -> Label | None:
    missing = [name for name in case.slice.missing if present is None or name in present]
    if missing:
        return Label("unknown", f"No cell that was seen makes {missing[0]}, so the order is not known.")
    for execution in (*case.slice.sources, case.execution):
        if ANYTHING in execution.writes:
            why = (
                f"Cell [{execution.number}] may make any name (a star import, exec or %run), so the order is not known."
            )
            return Label("unknown", why, execution.number)
    return None


def _orphaned(case: _Case) -> Label | None:
    for source, names in case.newest_first():
        again = case.last(source, ended=True)
        lost = [name for name in names if not again.makes(name)]
        if lost and again.digest != source.digest:
            return _blame("orphaned", lost[0], source, f"which as [{again.number}] no longer makes it")
        saved = case.saved_after(source)
        if saved and source.cell_id not in saved.sources:
            return _blame("orphaned", names[0], source, "which is no longer in the notebook")
    return None


def _edited(case: _Case) -> Label | None:
    for source, names in case.newest_first():
        last = case.last(source)
        said = [(last.at, last.digest != source.digest)]
        saved = case.saved_after(source)
        if saved and (text := saved.sources.get(source.cell_id or "")) is not None:
            said.append((saved.saved_at, _plain(text) != _plain(case.history.text(source))))
        if max(said)[1]:  # the newest of what is known
            return _blame("edited since", names[0], source, "which now says something else")
    return None


def _repeated(case: _Case) -> Label | None:
    """Look for a cell that counts twice: it ran again and changed what it had made itself."""
    seen: dict[str, Execution] = {}
    for execution in (*case.slice.sources, case.execution):
        before = seen.setdefault(execution.cell, execution)
        if before is not execution:
            why = f"the same cell as [{execution.number}]: it ran more than once"
            return _blame("reordered", case.slice.sources[before][0], before, why)
    return None


def _reordered(case: _Case) -> Label | None:
    positions = case.positions()
    known = [e for e in (*case.slice.sources, case.execution) if e.number in positions]
    for first, second in pairwise(known):
        if positions[first.number] > positions[second.number]:
            why = f"which ran before cell [{second.number}] and stands below it"
            return _blame("reordered", case.slice.sources[first][0], first, why)
    return None


def _blame(word: Word, name: str, source: Execution, why: str) -> Label:
    return Label(word, f"{name} comes from cell [{source.number}], {why}.", source.number)
