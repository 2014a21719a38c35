"""An index of runs by column, so that a query over all runs reads only the columns it names.

Each row of the table ``columns`` holds one column over 512 runs: numbers as (place, float64) pairs, texts as (place,
code) pairs beside the distinct texts. It follows from the other tables: whatever changes a run puts its number into
``stale``, and the next query indexes those runs again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from nbmlops.store.driver import Connection
from nbmlops.store.summary import COLUMNS, flat

__all__ = ["DATES", "LISTED", "Column", "Table", "refresh"]

CHUNK = 512
BATCH = 2048  # runs indexed in one transaction
LISTED = ""  # the column every visible run has: 1 when it stands for itself, 0 when it is part of another
DATES = ("started_at",)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Column:
    """The values of one column over all runs: a number, a text or neither at each place."""

    numbers: np.ndarray[Any, np.dtype[np.float64]]
    codes: np.ndarray[Any, np.dtype[np.int32]]
    texts: tuple[Any, ...] = ()

    @cached_property
    def numeric(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Where there is a number."""
        return np.asarray(~np.isnan(self.numbers))

    @cached_property
    def missing(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Where there is neither number nor text."""
        return np.asarray(~self.numeric & (self.codes < 0))

    @cached_property
    def places(self) -> dict[str, int] | None:
        """Code of each text; None where there is none, a boolean is among them, or a text has two codes."""
        found = {text: code for code, text in enumerate(self.texts) if isinstance(text, str)}
        return found if found and len(found) == len(self.texts) else None


class Table:
    """Columns of all runs, read when they are asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.size = int(connection.scalar("SELECT max(no) FROM runs") or 0) + 1
        self.names = {row[0] for row in connection.execute("SELECT DISTINCT name FROM columns").fetchall()} - {LISTED}
        self.names |= set(COLUMNS)
        self._read: dict[str, Column] = {}

    def column(self, name: str) -> Column:
        """Return one column; its place is the run's number."""
        if name not in self._read:
            self._read[name] = self._run_ids() if name == "run_id" else self._load(name)
        return self._read[name]

    def replace(self, name: str, text: str, places: Sequence[int]) -> None:
        """Put a text at some places of a column: what is true now and was not when it was indexed."""
        old = self.column(name)
        codes = old.codes.copy()
        codes[list(places)] = len(old.texts)
        self._read[name] = Column(old.numbers, codes, (*old.texts, text))

    def _load(self, name: str) -> Column:
        numbers = np.full(self.size + CHUNK, np.nan)
        codes = np.full(self.size + CHUNK, -1, np.int32)
        index: dict[Any, int] = {}
        query = "SELECT chunk, numbers, codes, texts FROM columns WHERE name = ?"
        for chunk, number_blob, code_blob, texts in self.connection.execute(query, (name,)).fetchall():
            start = chunk * CHUNK
            if start >= self.size:
                continue
            if number_blob:
                places, values = _unpack(number_blob, "<f8")
                numbers[places + start] = values
            if code_blob:
                places, own = _unpack(code_blob, "<u2")
                lookup = np.array([index.setdefault(_key(t), len(index)) for t in json.loads(texts)], np.int32)
                codes[places + start] = lookup[own]
        return Column(numbers[: self.size], codes[: self.size], tuple(t for _, t in index))

    def _run_ids(self) -> Column:
        rows = self.connection.execute("SELECT no, run_id FROM runs").fetchall()
        codes = np.full(self.size, -1, np.int32)
        codes[[no for no, _ in rows]] = np.arange(len(rows))
        return Column(np.full(self.size, np.nan), codes, tuple(run_id for _, run_id in rows))


def refresh(connection: Connection) -> int:
    """Index the runs that changed since the last time; return how many.

    Parameters
    ----------
    connection : Connection
    """
    from nbmlops.store.runs import rows_of

    done = 0
    while connection.scalar("SELECT run FROM stale LIMIT 1") is not None:
        with connection.writing():
            found = connection.execute("SELECT run FROM stale ORDER BY run LIMIT ?", (BATCH,)).fetchall()
            numbers = [no for (no,) in found]
            rows = {no: _indexed(run) for no, run in rows_of(connection, numbers).items()}
            for chunk in sorted({no // CHUNK for no in numbers}):
                mine = [no for no in numbers if no // CHUNK == chunk]
                _rewrite(connection, chunk, {no % CHUNK: rows.get(no, {}) for no in mine})
            connection.executemany("DELETE FROM stale WHERE run = ?", found)
        done += len(numbers)
    return done


def _indexed(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a run is indexed: its flat row but the id, and whether it stands for itself."""
    if run["deleted_at"] or run["experiment"] is None:
        return {}
    row = {name: value for name, value in flat(run).items() if value is not None and name != "run_id"}
    row |= {name: seconds(row[name]) for name in DATES if name in row}
    return row | {LISTED: float(run["parent"] is None or run["kind"] == "cell")}


def seconds(text: str) -> float:
    """Return an ISO time as seconds since 1970."""
    return (datetime.fromisoformat(text) - EPOCH).total_seconds()


def _rewrite(connection: Connection, chunk: int, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Put some runs' values into the chunk's columns, in place of what stood there."""
    query = "SELECT name, numbers, codes, texts FROM columns WHERE chunk = ?"
    before = {name: rest for name, *rest in connection.execute(query, (chunk,)).fetchall()}
    fresh: defaultdict[str, dict[int, Any]] = defaultdict(dict)
    for place, row in rows.items():
        for name, value in row.items():
            fresh[name][place] = value
    places = np.array(list(rows), np.int64)
    changed, gone = [], []
    for name in before.keys() | fresh.keys():
        packed = _merged(before.get(name, (None, None, None)), places, fresh.get(name, {}))
        if packed[:2] == (None, None):
            gone.append((name, chunk))
        elif packed != tuple(before.get(name, ())):
            changed.append((name, chunk, *packed))
    connection.executemany("DELETE FROM columns WHERE name = ? AND chunk = ?", gone)
    connection.executemany(
        "INSERT INTO columns (name, chunk, numbers, codes, texts) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name, chunk) "
        "DO UPDATE SET numbers = excluded.numbers, codes = excluded.codes, texts = excluded.texts",
        changed,
    )


def _merged(
    stored: Sequence[Any], gone: np.ndarray[Any, Any], fresh: Mapping[int, Any]
) -> tuple[bytes | None, bytes | None, str | None]:
    """Return a column as it is stored, with the values at some places taken out and fresh ones put in."""
    number_blob, code_blob, text = stored
    texts = json.loads(text) if text else []
    index = {_key(t): code for code, t in enumerate(texts)}
    numbers = {p: float(v) for p, v in fresh.items() if _is_number(v)}
    codes = {p: index.setdefault(_key(_text(v)), len(index)) for p, v in fresh.items() if not _is_number(v)}
    return _pack(number_blob, "<f8", gone, numbers), *_used(_pack(code_blob, "<u2", gone, codes), [t for _, t in index])


def _used(blob: bytes | None, texts: Sequence[Any]) -> tuple[bytes | None, str | None]:
    """Return codes and texts without the texts no place has any more."""
    if blob is None:
        return None, None
    places, codes = _unpack(blob, "<u2")
    used, codes = np.unique(codes, return_inverse=True)
    kept = json.dumps([texts[i] for i in used], ensure_ascii=False, separators=(",", ":"))
    return places.astype("<u2").tobytes() + codes.astype("<u2").tobytes(), kept


def _pack(blob: bytes | None, kind: str, gone: np.ndarray[Any, Any], fresh: Mapping[int, Any]) -> bytes | None:
    """Return (places, values) as bytes: those of a blob but the gone ones, and the fresh ones."""
    places, values = np.array(list(fresh), "<u2"), np.array(list(fresh.values()), kind)
    if blob:
        old_places, old = _unpack(blob, kind)
        kept = ~np.isin(old_places, gone)
        places, values = np.append(old_places[kept].astype("<u2"), places), np.append(old[kept], values)
    return places.tobytes() + values.tobytes() if len(places) else None


def _unpack(blob: bytes, kind: str) -> tuple[Any, Any]:
    count = len(blob) // (2 + np.dtype(kind).itemsize)
    return np.frombuffer(blob, "<u2", count).astype(np.int64), np.frombuffer(blob, kind, count, 2 * count)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 2**1023 if isinstance(value, int) else True


def _text(value: Any) -> Any:
    """Return what a cell holds that is no number: a text or a boolean as it is, a container as JSON."""
    return value if isinstance(value, (str, bool)) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _key(text: Any) -> tuple[type, Any]:
    return type(text), text  # True is not "1"


def shown(texts: Iterable[Any]) -> list[str]:
    """Return texts as they are compared: a boolean is the word for it."""
    return [str(t).lower() if isinstance(t, bool) else str(t) for t in texts]
