"""In which order the cells of a kernel ran, and whether a run would come out the same from the top of its notebook.

The answer is an approximation: names are read from the source, and what a function changes when it is called is not
followed. So it warns and never forces.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from nbmlops.capture.cell import CellSource, analyse
from nbmlops.capture.secrets import SHORTEST, is_secret_name, redact, remember
from nbmlops.records import Finding, new_id, now

__all__ = ["Execution", "History", "Label", "Notebook", "label", "saved_notebook"]

Word = Literal["clean", "reordered", "edited since", "orphaned", "unknown"]
GIVEN = frozenset(("get_ipython", "display", "In", "Out", "_", "__", "___", "exit", "quit", "__name__"))
MOST = 10_000  # executions of a kernel that are remembered


@dataclass(frozen=True)
class Execution:
    """One cell that ran: what it read, bound and changed.

    ``number`` counts all of them, ``shown`` is what people see; ``digest`` is the SHA-256 of the source, masked.
    """

    number: int
    shown: int
    cell: str
    digest: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    mutates: tuple[str, ...]
    opaque: bool = False
    succeeded: bool = True
    at: str = ""
    run_id: str | None = None


@dataclass(frozen=True)
class Notebook:
    """The notebook as it was last saved: the digest of each cell's source, in order, and when."""

    digests: Mapping[str, str]
    saved_at: str


@dataclass(frozen=True)
class Label:
    """Whether a run matches its notebook run from the top; else the cell to blame, by its number."""

    word: Word
    message: str = ""
    cell: int | None = None

    def finding(self) -> Finding:
        """Return the label as a finding: a warning with the reason, or what is not known."""
        outcome = {"clean": "passed", "unknown": "skipped"}.get(self.word, "warning")
        return Finding("order", outcome, self.message or "The cells ran in order.", detail={"order": self.word})  # type: ignore[arg-type]


class History:
    """The executions of one kernel.

    Parameters
    ----------
    translate : callable
        Makes Python of a cell as typed (IPython's own).

    Examples
    --------
    >>> history = History()
    >>> for text in ("x = 1", "y = x + 1"):
    ...     history.end(history.begin(text))
    >>> label(history.executions, history.executions[-1]).word
    'clean'
    """

    def __init__(self, translate: Callable[[str], str] = str) -> None:
        self.kernel = new_id()
        self.translate = translate
        self.executions: list[Execution] = []
        self.sources: dict[str, str] = {}
        self._typed: dict[int, tuple[str, str | None]] = {}
        self._number = self._written = 0

    def begin(self, typed: str, cell_id: str | None = None, shown: int | None = None) -> int:
        """Note that a cell begins; return its number. Nothing is parsed: most kernels never track."""
        self._number += 1
        self._typed[self._number] = (typed, cell_id)
        self.executions.append(Execution(self._number, shown or self._number, cell_id or "", "", (), (), (), at=now()))
        if len(self.executions) > MOST:
            self._typed.pop(self.executions.pop(0).number, None)
            self._written = max(0, self._written - 1)
        return self._number

    def end(self, number: int, succeeded: bool = True, run_id: str | None = None, shown: int | None = None) -> None:
        """Note how a cell ended, which run it was, and its number as people see it where that is known by now."""
        place = self._place(number)
        if place is not None:
            one = self.executions[place]
            self.executions[place] = replace(one, succeeded=succeeded, run_id=run_id, shown=shown or one.shown)

    def known(self) -> list[Execution]:
        """Return the executions so far, parsed."""
        for place, one in enumerate(self.executions):
            if not one.digest:
                self.executions[place] = self._parsed(one)
        return list(self.executions)

    def pending(self) -> list[Execution]:
        """Return the executions that ended and were not asked for yet."""
        found = self.known()[self._written :]
        self._written += len(found)
        return found

    def _place(self, number: int) -> int | None:
        first = self.executions[0].number if self.executions else 0
        return number - first if first <= number < first + len(self.executions) else None

    def _parsed(self, one: Execution) -> Execution:
        typed, cell_id = self._typed.pop(one.number)
        cell = _analysed(self.translate(typed))
        for name, value in (cell.literals or {}).items():
            if isinstance(value, str) and len(value) >= SHORTEST and is_secret_name(name):
                remember(value)  # it is masked wherever it stands, not only behind its name
        source = redact(typed).rstrip()
        digest = digest_of(source)
        self.sources.setdefault(digest, source)
        parts: dict[str, Any] = {
            "reads": cell.reads,
            "writes": cell.writes,
            "mutates": cell.mutates,
            "opaque": cell.opaque,
        }
        return replace(one, cell=cell_id or digest, digest=digest, **parts)


def digest_of(source: str) -> str:
    """Return the SHA-256 of a cell's source; white space at its end says nothing."""
    return hashlib.sha256(source.rstrip().encode("utf-8", "replace")).hexdigest()


def label(executions: Sequence[Execution], one: Execution, notebook: Notebook | None = None) -> Label:
    """Tell whether an execution saw what it would see in its notebook run from the top.

    Parameters
    ----------
    executions : sequence of Execution
        All of the kernel, oldest first.
    one : Execution
        The one to be judged.
    notebook : Notebook, optional
        As it was last saved. Without it cells stand in the order in which they first ran.

    Returns
    -------
    Label
    """
    before = [e for e in executions if e.number < one.number]
    slice_, unknown = _slice(before, one)
    if unknown:
        return Label("unknown", unknown)
    own = next((e for e in slice_ if _same(e, one)), None)
    if own is not None:  # what it rested on when it ran before is not to blame for what it rests on now
        earlier, (slice_, _) = slice_[own], _slice([e for e in before if not _same(e, one)], one)
    for source, name in slice_.items():
        if blamed := _orphaned(source, name, [*before, one], notebook) or _stale(source, name, before):
            return blamed
    if notebook is not None:
        for source, name in slice_.items():
            saved = notebook.digests.get(source.cell)
            if saved is not None and saved != source.digest and notebook.saved_at > source.at:
                return _blame("edited since", source, name, "has been edited since")
    if own is not None:
        return _blame("reordered", one, earlier, "ran more than once on its own result")
    return _reordered([*slice_, one], slice_, before, notebook) or Label("clean")


def _same(one: Execution, other: Execution) -> bool:
    return (one.cell, one.digest) == (other.cell, other.digest)


def saved_notebook(path: str | Path) -> Notebook | None:
    """Return a notebook's cells as they were last saved; None where the file cannot be read as one."""
    try:
        state = Path(path).stat()
        return _read(str(path), state.st_mtime_ns, state.st_size)
    except (OSError, ValueError, KeyError, TypeError):
        return None


@functools.lru_cache(8)
def _read(path: str, changed_ns: int, size_bytes: int) -> Notebook:
    from nbmlops.records import iso

    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and "id" in c]
    texts = {c["id"]: c["source"] if isinstance(c["source"], str) else "".join(c["source"]) for c in code}
    return Notebook({name: digest_of(redact(text)) for name, text in texts.items()}, iso(changed_ns / 1e9))


@functools.lru_cache(1024)
def _analysed(python: str) -> CellSource:
    return analyse(python)


def _slice(before: Sequence[Execution], one: Execution) -> tuple[dict[Execution, str], str]:
    """Return the executions one rests on, each with the name it gave, and why that cannot be told."""
    made: dict[str, list[Execution]] = {}
    for execution in before:
        for name in {*execution.writes, *execution.mutates}:
            made.setdefault(name, []).append(execution)
    hidden = next((e for e in before if e.opaque), None)
    found: dict[Execution, str] = {}
    wanted = [(name, one.number) for name in one.reads]
    asked = set(wanted)
    while wanted:
        name, until = wanted.pop()
        worked = [e for e in made.get(name, ()) if e.succeeded]
        # What a function reads it reads when it is called, so it may be bound further down.
        sources = worked[: bisect_left(worked, until, key=attrgetter("number"))] or worked
        if not sources:
            if name in GIVEN or hasattr(builtins, name):
                continue
            return found, _why_unknown(name, hidden, bool(made.get(name)))
        for source in _since_bound(sources, name):
            if source not in found:
                found[source] = name
                kept = (*(n for n in source.reads), *(n for n in source.mutates if n not in source.writes))
                fresh = {(n, source.number) for n in kept} - asked
                asked |= fresh
                wanted += sorted(fresh)
    return dict(sorted(found.items(), key=lambda item: item[0].number)), ""


def _why_unknown(name: str, hidden: Execution | None, failed: bool) -> str:
    if hidden is not None:
        return f"Where {name!r} comes from cannot be told: cell [{hidden.shown}] binds names unseen."
    return f"{name!r} was bound by a cell that failed." if failed else f"No cell that ran binds {name!r}."


def _since_bound(sources: Sequence[Execution], name: str) -> list[Execution]:
    """Return the execution that bound a name last, and those that changed its content since."""
    bound = max((i for i, e in enumerate(sources) if name in e.writes and name not in e.mutates), default=0)
    return list(sources[bound:])


def _orphaned(source: Execution, name: str, before: Iterable[Execution], notebook: Notebook | None) -> Label | None:
    later = [e for e in before if e.cell == source.cell and e.number > source.number and e.digest != source.digest]
    if later and name not in (*later[-1].writes, *later[-1].mutates):
        return _blame("orphaned", source, name, "no longer says so")
    gone = notebook is not None and source.cell not in notebook.digests and notebook.saved_at > source.at
    if gone and notebook is not None and any(e.cell in notebook.digests for e in before):
        return _blame("orphaned", source, name, "is no longer in the notebook")
    return None


def _stale(source: Execution, name: str, before: Iterable[Execution]) -> Label | None:
    """Return a label when a cell was edited and ran again, and what is used is of the time before."""
    later = [e for e in before if e.cell == source.cell and e.number > source.number and e.digest != source.digest]
    return _blame("edited since", source, name, "was edited and ran again since") if later else None


def _reordered(
    chain: Sequence[Execution], names: Mapping[Execution, str], before: Sequence[Execution], notebook: Notebook | None
) -> Label | None:
    """Return a label when cells did not run in the order they stand in, or one ran twice on its own result."""
    places = _places([*before, chain[-1]], notebook)
    for place, source in enumerate(chain):
        again = next((e for e in chain[:place] if e.cell == source.cell), None)
        if again is not None:  # the last of the chain is the cell itself, which rests on what it did before
            name = names.get(source) or names[again]
            return _blame("reordered", source, name, "ran more than once on its own result")
        above = next((e for e in chain[:place] if places[e.cell] > places[source.cell]), None)
        if above is not None:
            return _blame("reordered", above, names[above], "stands further down")
    return None


def _places(executions: Iterable[Execution], notebook: Notebook | None) -> dict[str, float]:
    """Return where each cell stands: in the notebook, else in the order in which it first ran."""
    first = {cell: float(i) for i, cell in enumerate(dict.fromkeys(e.cell for e in executions))}
    if notebook is None or not set(first) <= set(notebook.digests):
        return first
    return {cell: float(i) for i, cell in enumerate(notebook.digests)}


def _blame(word: Word, source: Execution, name: str, what: str) -> Label:
    return Label(word, f"{name!r} comes from cell [{source.shown}], which {what}.", source.shown)
