"""Journal events become rows: a batch is merged in memory, then written with its watermark in one transaction."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from nbmlops.config import Project
from nbmlops.store import journal, leases
from nbmlops.store.driver import Connection, connect, is_away, parts

__all__ = ["pending", "replay", "sync", "write"]

Event = Mapping[str, Any]

BATCH = 5_000  # events in one transaction: what a governed change may have to wait for
LONGEST = 400  # characters of a name: what PostgreSQL's index takes holds four bytes of each, and more
RUN_TEXT = (
    *("experiment", "name", "kind", "status", "cause", "started_at", "ended_at", "author", "parent", "previous"),
    *("notebook", "cell_id", "order", "source", "environment", "lease"),
)
RUN_JSON = ("error", "git", "process", "defaults")
RUN_FIELDS = frozenset((*RUN_TEXT, *RUN_JSON, "duration_s"))
SPECIAL = {"NaN": None, "Infinity": math.inf, "-Infinity": -math.inf}

# Rows that are written as they come: table, key (None: rows only add up), columns; those in capitals hold JSON.
ROWS: Mapping[str, tuple[str, str | None, tuple[str, ...]]] = {
    "dataset": ("datasets", None, ("run_id", "role", "name", "fingerprint", "strength", "rows", "COLUMNS")),
    "artifact": ("artifacts", "run_id, name", ("run_id", "name", "digest", "size_bytes", "media_type")),
    "model": ("models", None, ("run_id", "name", "estimator", "PARAMS", "FITTED_ON")),
    "result": ("results", "result_id", ("result_id", "run_id", "kind", "subject", "at", "DATA")),
    "prediction": (
        "predictions",
        "prediction_id",
        (
            *("prediction_id", "last_id", "model", "version", "run_id", "at", "batch", "rows", "caller"),
            *("latency_s", "inputs", "DATA", "digest"),
        ),
    ),
    "execution": (
        "executions",
        "kernel, number",
        (
            *("kernel", "number", "run_id", "cell_id", "notebook", "digest"),
            *("READS", "WRITES", "MUTATES", "status", "at"),
        ),
    ),
    "feedback": (
        "feedback",
        None,
        (
            *("prediction_id", "OUTCOME", "source", "at", "kind", "verdict", "reason", "actor", "model"),
            *("key", "key_at"),
        ),
    ),
}

JSON_NAMES = {c: c.lower() for *_, columns in ROWS.values() for c in columns if c.isupper()}
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # json.dumps makes one for each value
DEFAULTS: Mapping[str, Event] = {"feedback": {"kind": "outcome"}}  # what journals of schema 6 do not say


def sync(project: Project, timeout_s: float = 20) -> int:
    """Bring the journals of a project into its database; return how many events were new.

    A journal another process is writing is left to its owner; one that is in the database for good is deleted.
    Replaying is idempotent: the watermark of each journal commits with its batch.

    Parameters
    ----------
    project : Project
    timeout_s : float
        How long to wait for the database's lock, in seconds.
    """
    new = 0
    with ExitStack() as stack:
        connection = None
        for path in journal.journals(project.home / "journal"):
            with journal.claim(path) as mine:
                if not mine:
                    continue
                connection = connection or stack.enter_context(connect(project, timeout_s))
                count, offset = replay(connection, path)
                new += count
                journal.discard(path, offset)
        if connection is not None:
            leases.seal(connection)
        if connection is not None and new:
            from nbmlops.store import sharing

            sharing.sign(project, connection)
    return new


def pending(connection: Connection, path: Path) -> int:
    """Return how many whole events a journal holds beyond its watermark."""
    return sum(1 for _ in journal.read(path, _watermark(connection, path)))


def replay(connection: Connection, path: Path) -> tuple[int, int]:
    """Apply the events of a journal after its watermark; return how many, and the new watermark."""
    done, after = 0, _watermark(connection, path)
    while path.stat().st_size > after:  # where nothing is new, no write lock is asked for
        with connection.writing():
            before = _watermark(connection, path)  # again in here: another process may have been faster
            count, after = _apply(connection, path, before, BATCH)
            if count:
                connection.execute(
                    'INSERT INTO journals (journal_id, "offset") VALUES (?, ?) '
                    'ON CONFLICT (journal_id) DO UPDATE SET "offset" = excluded."offset"',
                    (path.stem, after),
                )
        if not count:  # half a record, being written
            break
        done += count
    return done, after


def _watermark(connection: Connection, path: Path) -> int:
    return int(connection.scalar('SELECT "offset" FROM journals WHERE journal_id = ?', (path.stem,)) or 0)


def _apply(connection: Connection, path: Path, before: int, most: int) -> tuple[int, int]:
    """Write a batch at once; where one of it cannot be stored, by halves, until that one stands alone and is set aside.

    Returns how many events were read, and where the last one ends.
    """
    batch = _Counted(path, before, most)
    try:
        with _Savepoint(connection):
            write(connection, batch)
    except Exception as fault:
        if is_away(fault) or not batch.count:
            raise
        if batch.count > 1:
            first, middle = _apply(connection, path, before, batch.count // 2)
            second, after = _apply(connection, path, middle, batch.count - first)
            return first + second, after
        _set_aside(connection, path, batch, fault)
    return batch.count, batch.after


class _Counted:
    """The next events of a journal, read as they are used: a dict that dies young costs no collection."""

    def __init__(self, path: Path, before: int, most: int) -> None:
        self.path, self.after, self.most = path, before, most
        self.count = 0
        self.last: Event = {}

    def __iter__(self) -> Iterator[Event]:
        for self.after, self.last in islice(journal.read(self.path, self.after), self.most):  # noqa: B020
            self.count += 1
            yield self.last


def _set_aside(connection: Connection, path: Path, batch: _Counted, fault: Exception) -> None:
    reason = f"{type(fault).__name__}: {(str(fault).splitlines() or [''])[0][:200]}"
    row = (path.stem, batch.after, _clean(str(batch.last.get("t"))[:40]), _clean(reason), json.dumps(batch.last))
    connection.execute("INSERT INTO set_aside (journal_id, after, kind, reason, event) VALUES (?, ?, ?, ?, ?)", row)


class _Savepoint:
    """A part of a transaction that can be undone alone."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.execute("SAVEPOINT part")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if error is not None:
            if is_away(error):
                return
            self.connection.execute("ROLLBACK TO SAVEPOINT part")
        self.connection.execute("RELEASE SAVEPOINT part")


def write(connection: Connection, events: Iterable[Event]) -> None:
    """Write events as rows inside the caller's transaction.

    Parameters
    ----------
    connection : Connection
        Holding the write lock (see :meth:`Connection.writing`), for numbers are given out here.
    events : iterable of mapping
        Journal events, oldest first.
    """
    batch = _Batch()
    for event in events:
        HANDLERS[event["t"]](batch, event)
    batch.flush(connection)


class _Batch:
    """Events of many runs, merged so that each run is written once."""

    def __init__(self) -> None:
        self.runs: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.params: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.tags: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.points: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
        self.rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)

    def flush(self, connection: Connection) -> None:
        """Write everything: runs first, for the rest needs their numbers."""
        for table, rows in self.rows.items():
            connection.executemany(INSERTS[table], rows)
        touched = list(dict.fromkeys((*self.runs, *self.params, *self.tags, *(k[0] for k in self.points))))
        if not touched:
            return
        known = _known(connection, touched)
        numbers = self._write_runs(connection, touched, known)
        self._write_points(connection, numbers, {known[i][0] for i in known})
        connection.executemany(
            "INSERT INTO stale (run) VALUES (?) ON CONFLICT DO NOTHING", [(n,) for n in numbers.values()]
        )

    def _write_runs(
        self, connection: Connection, touched: Sequence[str], known: Mapping[str, tuple[int, str, str]]
    ) -> dict[str, int]:
        """Insert new runs, update known ones; return run id to number."""
        next_no = int(connection.scalar("SELECT max(no) FROM runs") or 0) + 1
        numbers: dict[str, int] = {}
        fresh: list[tuple[Any, ...]] = []
        changes: defaultdict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for run_id in touched:
            number, params, tags = known.get(run_id, (None, None, None))
            values = dict(self.runs.get(run_id, {}))
            if mine := self.params.get(run_id):
                values["params"] = _json({**json.loads(params or "{}"), **mine})
            if mine := self.tags.get(run_id):
                values["tags"] = _json({**json.loads(tags or "{}"), **mine})
            if number is None:
                number, next_no = next_no, next_no + 1
                fresh.append((number, run_id, *(values.get(name) for name in RUN_COLUMNS)))
            elif values:
                changes[tuple(values)].append((*values.values(), number))
            numbers[run_id] = number
        connection.executemany(INSERT_RUN, fresh)
        for names, rows in changes.items():
            assigned = ", ".join(f'"{name}" = ?' for name in names)
            connection.executemany(f"UPDATE runs SET {assigned} WHERE no = ?", rows)
        return numbers

    def _write_points(self, connection: Connection, numbers: Mapping[str, int], before: set[int]) -> None:
        """Append points to their series, and keep the newest of each."""
        if not self.points:
            return
        of_runs = [n for n in dict.fromkeys(numbers[key[0]] for key in self.points) if n in before]
        found = _series(connection, of_runs)
        next_id = int(connection.scalar("SELECT max(id) FROM series") or 0) + 1
        fresh, grown, starts = [], [], []
        for (run_id, name, context), new in self.points.items():
            key = (numbers[run_id], name, context)
            series, count = found.get(key, (0, 0))
            newest = new[-1]
            if series:
                grown.append((count + len(new), *newest, series))
            else:
                series, next_id = next_id, next_id + 1
                fresh.append((series, *key, len(new), *newest))
            starts.append((series, count, new))
        connection.executemany(INSERT_SERIES, fresh)
        connection.executemany("UPDATE series SET count = ?, value = ?, step = ?, at = ? WHERE id = ?", grown)
        rows = ((series, place, *point) for series, count, new in starts for place, point in enumerate(new, count))
        connection.executemany("INSERT INTO points (series, place, value, step, at) VALUES (?, ?, ?, ?, ?)", rows)


def _known(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[int, str, str]]:
    found = {}
    for part, marks in parts(run_ids):
        query = f"SELECT run_id, no, params, tags FROM runs WHERE run_id IN ({marks})"
        found.update({row[0]: tuple(row[1:]) for row in connection.execute(query, part).fetchall()})
    return found


def _series(connection: Connection, runs: Sequence[int]) -> dict[tuple[int, str, str], tuple[int, int]]:
    found = {}
    for part, marks in parts(runs):
        query = f"SELECT run, name, context, id, count FROM series WHERE run IN ({marks})"
        found.update({(r, n, c): (i, k) for r, n, c, i, k in connection.execute(query, part).fetchall()})
    return found


def _json(value: Any) -> str:
    return ENCODER.encode(value)


def _clean(value: Any) -> Any:
    """Return a value a text column of every database takes: PostgreSQL knows no NUL."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) and "\0" in value else value


def _run(batch: _Batch, event: Event) -> None:
    values = batch.runs[event["run_id"]]
    for name, value in event.items():
        if name in RUN_FIELDS:
            values[name] = None if value is None else _json(value) if name in RUN_JSON else _clean(value)


def _param(batch: _Batch, event: Event) -> None:
    batch.params[event["run_id"]][_named(event)] = [event["value"], event["origin"]]


def _tag(batch: _Batch, event: Event) -> None:
    batch.tags[event["run_id"]][_named(event)] = str(event["value"])


def _metric(batch: _Batch, event: Event) -> None:
    value, step, context = event["value"], event["step"], event.get("context")
    if type(value) is not float:  # the path of every point: checks that cost something stand behind cheap ones
        value = SPECIAL[value] if isinstance(value, str) else None if value is None else float(value)
    if value is not None and math.isnan(value):
        value = None
    if step is not None and not (type(step) is int and -(2**63) <= step < 2**63):
        raise ValueError("a step is a whole number of 64 bits")
    key = (event["run_id"], event["name"], _context(context) if context else "{}")
    points = batch.points.get(key)
    if points is None:
        points = batch.points[key[0], _named(event), key[2]] = []
    at = event["at"]
    points.append((value, step, at if type(at) is float else _seconds(at)))


def _seconds(at: Any) -> float:
    """Return a time in seconds; version 0.1 of the journal wrote ISO text."""
    return datetime.fromisoformat(at).timestamp() if isinstance(at, str) else float(at)


def _context(context: Mapping[str, str]) -> str:
    text = json.dumps(context, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if len(text) <= 2 * LONGEST:
        return text
    return json.dumps({"context": _short(text)}, ensure_ascii=False, separators=(",", ":"))


def _damaged(_: _Batch, event: Event) -> None:
    raise ValueError(f"{event['bytes']} bytes of the journal before this place are damaged")


def _named(event: Event) -> str:
    name = event["name"]
    if not isinstance(name, str) or not name:
        raise ValueError("a name is text")
    return str(_clean(_short(name)))


def _short(text: str) -> str:
    """Return a text that fits into an index of every database; a long one keeps its beginning and a hash of all."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}~{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _rows(kind: str) -> Callable[[_Batch, Event], None]:
    """Return a handler of one row, or of the many that share the event's other fields."""
    table, _, columns = ROWS[kind]

    def handle(batch: _Batch, event: Event) -> None:
        many = event["rows"] if isinstance(event.get("rows"), list) else [{}]
        batch.rows[table] += [_row({**DEFAULTS.get(kind, {}), **event, **one}, columns) for one in many]

    return handle


def _predictions(batch: _Batch, event: Event) -> None:
    """Write one block, or those of one call; of journals of schema 6 each prediction is a block of its own."""
    table, _, columns = ROWS["prediction"]
    many = map(_alone, event["rows"]) if isinstance(event.get("rows"), list) else event.get("blocks", [{}])
    batch.rows[table] += [_row({**event, **one}, columns) for one in many]


def _alone(one: Event) -> Event:
    data = {"value": [one["value"]], "probability": [one["probability"]]}
    return {
        "prediction_id": one["prediction_id"],
        "last_id": one["prediction_id"],
        "rows": 1,
        "inputs": 0,
        "data": data,
    }


def _row(event: Event, columns: Sequence[str]) -> tuple[Any, ...]:
    return tuple([_json(event[JSON_NAMES[c]]) if c in JSON_NAMES else _clean(event.get(c)) for c in columns])


def _insert(table: str, key: str | None, columns: Sequence[str]) -> str:
    names = [c.lower() for c in columns]
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    if key is None:
        return sql
    changed = ", ".join(f"{n} = excluded.{n}" for n in names if n not in key.split(", "))
    return f"{sql} ON CONFLICT ({key}) DO UPDATE SET {changed}"


RUN_COLUMNS = (*sorted(RUN_FIELDS), "params", "tags")
INSERT_RUN = (
    "INSERT INTO runs (no, run_id, "
    + ", ".join(f'"{c}"' for c in RUN_COLUMNS)
    + f") VALUES ({', '.join('?' * (len(RUN_COLUMNS) + 2))})"
)
INSERT_SERIES = "INSERT INTO series (id, run, name, context, count, value, step, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
INSERTS = {table: _insert(table, key, columns) for table, key, columns in ROWS.values()}
HANDLERS: Mapping[str, Callable[[_Batch, Event], None]] = {
    "run": _run,
    "update": _run,
    "param": _param,
    "tag": _tag,
    "metric": _metric,
    "damaged": _damaged,
    **{kind: _rows(kind) for kind in ROWS},
    "prediction": _predictions,
}
