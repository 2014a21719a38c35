"""Runs never lie: which runs called running have nobody who runs them any more.

The process decides where it can be asked: on the same host, since the same boot. Elsewhere its lease does: a process
with runs open renews it, and one that was not renewed for a minute shows as abandoned. That is written only when the
process is proven gone, or when a person asks for it (:func:`reap`); an owner that comes back takes its runs back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from nbmlops.config import Project
from nbmlops.process import alive, earlier_boot
from nbmlops.records import iso
from nbmlops.store.driver import Connection, connect, parts

__all__ = ["LAPSE_S", "RENEW_S", "Abandoned", "abandoned", "reap", "release", "renew", "seal"]

RENEW_S = 20.0
LAPSE_S = 3 * RENEW_S
GONE = "process_gone"
LAPSED = "lease_lapsed"
RUNNING = """
SELECT r.no, r.run_id, r.experiment, r.started_at, r.process, r.lease, l.renewed_at
FROM runs r LEFT JOIN leases l ON l.lease = r.lease WHERE r.status = 'running' ORDER BY r.no
"""


@dataclass(frozen=True)
class Abandoned:
    """A run called running that nobody runs: ``cause`` is process_gone (proven) or lease_lapsed."""

    no: int
    run_id: str
    experiment: str | None
    cause: str
    host: str | None
    started_at: str | None
    renewed_at: str | None
    lease: str | None


def renew(
    connection: Connection,
    lease: str,
    process: Mapping[str, Any],
    open_runs: Sequence[str] = (),
    *,
    now: float | None = None,
) -> None:
    """Say that a process lives, and take back the runs it still has open where they were written abandoned.

    Parameters
    ----------
    connection : Connection
        Outside any transaction.
    lease : str
        One per process; the runs carry it.
    process : mapping
        What :func:`nbmlops.process.identity` returns in that process.
    open_runs : sequence of str
        Ids of the runs it has open. Those of another lease (a parent's, before a fork) are left alone.
    now : float, optional
        Seconds since 1970; the database's clock when absent.

    Examples
    --------
    >>> renew(connection, lease, identity(), ["0198c0de-..."])  # doctest: +SKIP
    """
    row = (lease, json.dumps(dict(process)), _clock(connection) if now is None else now)
    connection.execute(
        "INSERT INTO leases (lease, process, renewed_at) VALUES (?, ?, ?) "
        "ON CONFLICT (lease) DO UPDATE SET process = excluded.process, renewed_at = excluded.renewed_at",
        row,
    )
    taken = _taken(connection, lease, open_runs)
    if taken:
        with connection.writing():
            back = "UPDATE runs SET status = 'running', cause = NULL, ended_at = NULL, duration_s = NULL"
            connection.executemany(f"{back} WHERE no = ? AND status = 'abandoned'", [(no,) for no in taken])
            _mark(connection, taken)


def release(connection: Connection, lease: str) -> None:
    """Forget the lease of a process that ends with no run open; without one, its runs show as they were written."""
    connection.execute(
        "DELETE FROM leases WHERE lease = ? AND NOT EXISTS "
        "(SELECT 1 FROM runs WHERE status = 'running' AND runs.lease = leases.lease)",
        (lease,),
    )


def abandoned(connection: Connection, *, now: float | None = None) -> dict[int, str]:
    """Return the runs that show as abandoned, whatever their row says: number to cause.

    Parameters
    ----------
    connection : Connection
    now : float, optional
        Seconds since 1970; the database's clock when absent.

    Returns
    -------
    dict
        ``runs.no`` to ``process_gone`` or ``lease_lapsed``; one indexed query, whatever the number of runs.
    """
    return {run.no: run.cause for run in _found(connection, now)}


def seal(connection: Connection, *, now: float | None = None) -> int:
    """Write *abandoned* for the runs whose process is proven gone; return how many.

    Parameters
    ----------
    connection : Connection
        Outside any transaction; no write lock is asked for unless there is something to write.
    now : float, optional
        Seconds since 1970; the database's clock when absent.
    """
    if GONE not in abandoned(connection, now=now).values():
        return 0
    return len(_write(connection, now, {GONE}))


def reap(project: Project, *, dry_run: bool = False, now: float | None = None) -> list[Abandoned]:
    """Write *abandoned* for every run that shows so, also where only its lease says it.

    Parameters
    ----------
    project : Project
    dry_run : bool
        Only tell.
    now : float, optional
        Seconds since 1970; the database's clock when absent.

    Returns
    -------
    list of Abandoned
        What was written, or would be; the oldest first. A run whose process is proven gone was written by whoever
        read its journal, and is not among them.

    Examples
    --------
    >>> reap(find_project(), dry_run=True)  # doctest: +SKIP
    []
    """
    from nbmlops.store import ingest

    ingest.sync(project)  # how a run ended may still wait in a journal
    with connect(project) as connection:
        return _found(connection, now) if dry_run else _write(connection, now, {GONE, LAPSED})


def _found(connection: Connection, now: float | None) -> list[Abandoned]:
    rows = connection.execute(RUNNING).fetchall()
    if not rows:
        return []
    clock = _clock(connection) if now is None else now
    judged = cache(_judge)  # many runs of one process are asked about once
    found = []
    for no, run_id, experiment, started_at, process, lease, renewed_at in rows:
        seen = _seconds(started_at) if renewed_at is None else float(renewed_at)
        cause = judged(process, seen is None or abs(clock - seen) > LAPSE_S)
        if cause:
            host, renewed = _decoded(process).get("host"), None if renewed_at is None else iso(renewed_at)
            found.append(Abandoned(no, run_id, experiment, cause, host, started_at, renewed, lease))
    return found


def _judge(process: str | None, lapsed: bool) -> str | None:
    """Return why a run of some process counts as abandoned, or None.

    A lease from the future lapsed too: the clock was set back, and whoever lives renews it at once.
    """
    owner = _decoded(process)
    lives = alive(owner)
    if lives is not None:
        return None if lives else GONE
    # Two machines may share a host name: only silence makes another boot a proof.
    return (GONE if earlier_boot(owner) else LAPSED) if lapsed else None


def _write(connection: Connection, now: float | None, causes: set[str]) -> list[Abandoned]:
    with connection.writing():
        found = [run for run in _found(connection, now) if run.cause in causes]  # again: an owner may have been faster
        ends = _ends(connection, found, _clock(connection) if now is None else now)
        connection.executemany(
            "UPDATE runs SET status = 'abandoned', cause = ?, ended_at = ?, duration_s = ? WHERE no = ?",
            [(run.cause, *ends[run.no], run.no) for run in found],
        )
        _mark(connection, [run.no for run in found])
    for lease in {run.lease for run in found if run.lease}:
        release(connection, lease)
    return found


def _ends(connection: Connection, found: Sequence[Abandoned], now: float) -> dict[int, tuple[str, float]]:
    """Return when each run was last heard of, and its seconds until then."""
    logged = _newest(
        connection, "SELECT run, max(at) FROM series WHERE run IN ({}) GROUP BY run", [r.no for r in found]
    )
    kept = _newest(
        connection,
        "SELECT run_id, max(at) FROM results WHERE run_id IN ({}) GROUP BY run_id",
        [r.run_id for r in found],
    )
    ends = {}
    for run in found:
        began = _seconds(run.started_at)
        began = now if began is None else began
        heard = (logged.get(run.no), _seconds(kept.get(run.run_id)), _seconds(run.renewed_at))
        ended = max(began, min(max((at for at in heard if at is not None), default=began), now))
        ends[run.no] = (iso(ended), ended - began)
    return ends


def _newest(connection: Connection, query: str, keys: Sequence[Any]) -> dict[Any, Any]:
    return {
        key: at for part, marks in parts(keys) for key, at in connection.execute(query.format(marks), part).fetchall()
    }


def _taken(connection: Connection, lease: str, open_runs: Sequence[str]) -> list[int]:
    """Return the numbers of a process's open runs that somebody wrote off."""
    query = "SELECT no FROM runs WHERE run_id IN ({}) AND lease = ? AND status = 'abandoned'"
    return [
        no
        for part, marks in parts(open_runs)
        for (no,) in connection.execute(query.format(marks), (*part, lease)).fetchall()
    ]


def _mark(connection: Connection, numbers: Iterable[int]) -> None:
    """Have the columns of some runs indexed again."""
    connection.executemany("INSERT INTO stale (run) VALUES (?) ON CONFLICT DO NOTHING", [(no,) for no in numbers])


def _clock(connection: Connection) -> float:
    """Return the database's clock; that of a file is this machine's."""
    return (
        time.time() if connection.sqlite else float(connection.scalar("SELECT extract(epoch FROM clock_timestamp())"))
    )


def _decoded(process: str | None) -> dict[str, Any]:
    try:
        found = json.loads(process or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
