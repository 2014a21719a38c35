"""What a store holds in outline: a line for each run and result, with a stamp that changes when it does.

What is drawn once for each run asks here what has to be drawn again. 10,000 runs take a fraction of a second.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbmlops.store import leases
from nbmlops.store.driver import Connection, parts
from nbmlops.store.runs import reading

if TYPE_CHECKING:
    from nbmlops.store.database import Store

__all__ = ["Outline", "ResultLine", "RunLine", "outline", "results_by_id", "stamp", "store_id"]

SHOWN = ("run_id", "experiment", "name", "kind", "status", "started_at", "parent", "previous")
REST = ("cause", "ended_at", "duration_s", "author", "notebook", "order", "error", "git", "environment")
LONG = ("params", "tags")
# What belongs to a run, each as few numbers that change when a row is added, replaced or taken away.
BELONGINGS = (
    "SELECT r.run_id, count(*), sum(s.count), max(s.at) FROM series s JOIN runs r ON r.no = s.run GROUP BY r.run_id",
    "SELECT run_id, count(*), max(id) FROM datasets GROUP BY run_id",
    "SELECT run_id, count(*), max(id) FROM models GROUP BY run_id",
)
FILES = "SELECT run_id, name, digest FROM artifacts ORDER BY run_id, name"


@dataclass(frozen=True)
class RunLine:
    """A run in one line; ``whole`` where it stands for itself, ``part_of_search`` for a fold or trial."""

    run_id: str
    experiment: str
    name: str | None
    kind: str | None
    status: str | None
    started_at: str
    parent: str | None
    previous: str | None
    stamp: str

    @property
    def whole(self) -> bool:
        """Whether lists show it by itself: a cell counts wherever it ran."""
        return self.parent is None or self.kind == "cell"

    @property
    def part_of_search(self) -> bool:
        """Whether it is asked for only by what it is part of."""
        return self.kind in ("fold", "trial")


@dataclass(frozen=True)
class ResultLine:
    """A result (evaluation, drift, check, gate) without what it says."""

    result_id: str
    run_id: str | None
    kind: str
    subject: str
    at: str


@dataclass(frozen=True)
class Outline:
    """All runs that are not deleted, oldest first, and the results of them or of no run."""

    runs: tuple[RunLine, ...]
    results: tuple[ResultLine, ...]
    parts: Mapping[str, tuple[RunLine, ...]] = field(default_factory=dict)  # of a run, by its id


def outline(store: Store) -> Outline:
    """Return a store in outline, as one state of the database.

    Parameters
    ----------
    store : Store
    """
    with reading(store) as connection:
        results = _results(connection)
        runs = _runs(connection, _belongings(connection, results))
    found: dict[str, list[RunLine]] = defaultdict(list)
    for run in runs:
        if run.parent:
            found[run.parent].append(run)
    there = {run.run_id for run in runs}
    kept = tuple(r for r in results if r.run_id is None or r.run_id in there)
    return Outline(runs, kept, {parent: tuple(lines) for parent, lines in found.items()})


def store_id(store: Store) -> str:
    """Return what tells a store from all others, however often it moved."""
    with reading(store) as connection:
        return str(connection.scalar("SELECT value FROM meta WHERE key = 'chain_id'"))


def stamp(*known: Any) -> str:
    """Return sixteen characters that differ where what is known differs.

    >>> stamp("a", 1) == stamp("a", 1), stamp("a", 1) == stamp("a", 2)
    (True, False)
    """
    text = "\x1f".join(value if type(value) is str else repr(value) for value in known)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def results_by_id(store: Store, ids: list[str]) -> list[dict[str, Any]]:
    """Return results whole, by their ids, oldest first."""
    import json

    names = ("result_id", "run_id", "kind", "subject", "at", "data")
    rows = []
    with reading(store) as connection:
        for part, marks in parts(ids):
            query = f"SELECT {', '.join(names)} FROM results WHERE result_id IN ({marks})"
            rows += [dict(zip(names, row, strict=True)) for row in connection.execute(query, part).fetchall()]
    return [{**r, "data": json.loads(r["data"])} for r in sorted(rows, key=lambda r: (r["at"], r["result_id"]))]


def _results(connection: Connection) -> list[ResultLine]:
    query = "SELECT result_id, run_id, kind, subject, at FROM results ORDER BY at, result_id"
    return [ResultLine(*row) for row in connection.execute(query).fetchall()]


def _belongings(connection: Connection, results: list[ResultLine]) -> Mapping[str, list[Any]]:
    """Return what belongs to each run, by its id, as values that change with it."""
    found: dict[str, list[Any]] = defaultdict(list)
    for place, query in enumerate(BELONGINGS):
        for run_id, *numbers in connection.execute(query).fetchall():
            found[run_id].append((place, [float(n or 0) for n in numbers]))
    for run_id, name, digest in connection.execute(FILES).fetchall():
        found[run_id].append((name, digest))
    for result in results:
        if result.run_id:
            found[result.run_id].append(result.result_id)
    return found


def _runs(connection: Connection, belongings: Mapping[str, list[Any]]) -> tuple[RunLine, ...]:
    names = ", ".join(f'"{name}"' for name in ("no", *SHOWN, *REST, *LONG))
    there = "deleted_at IS NULL AND experiment IS NOT NULL"
    gone = leases.abandoned(connection)
    rows = connection.execute(f"SELECT {names} FROM runs WHERE {there} ORDER BY started_at, run_id").fetchall()
    return tuple(_line(row, gone, belongings.get(row[1], [])) for row in rows)


def _line(row: tuple[Any, ...], gone: Mapping[int, str], belongings: list[Any]) -> RunLine:
    number, *values = row
    shown = dict(zip(SHOWN, values, strict=False))
    if number in gone and shown["status"] == "running":
        shown["status"] = "abandoned"
    return RunLine(**shown, stamp=stamp(*values, gone.get(number), belongings))
