"""The ledger: which works there are, who tries each of them, and what became of it.

Changes are made one at a time (``Store.atomic``), so claims and slots are exact with any number of processes. An
attempt has a token; once the attempt has ended, by its owner or because its lease lapsed, the token is stale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from nbmlops.records import RunStatus, new_id
from nbmlops.store.database import Store, Transaction, as_json
from nbmlops.store.tables import DUE, IN_SLOT, LIMITED, UNENDED, attempts, work
from nbmlops.store.works import LEASE_S, Attempt, Claim, State, Work, as_attempt, as_work, later, stored, utc

__all__ = [
    "LEASE_S",
    "Attempt",
    "Claim",
    "Work",
    "add",
    "attempts_of",
    "cancel",
    "changing",
    "claim",
    "close",
    "conclude",
    "counts",
    "forget",
    "get",
    "holds",
    "key_of",
    "list",
    "prune",
    "reading",
    "renew",
    "reopen",
]

PREEMPTED = "preempted"
MANY = 500  # keys in one statement
LATE = "it could not start before its deadline"
INSERT: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
ENDED: Mapping[tuple[str, str | None], State] = {("interrupted", "cancelled"): "cancelled"}


@contextmanager
def changing(store: Store, wait_s: float = 20, *, alone: bool = True) -> Iterator[Transaction]:
    """Yield a transaction for changes of the ledger: as exact as ``atomic``, without reading journals first.

    Renewals need not be made alone: there are many of them, and a token is checked in the statement itself.
    """
    with store.atomic(wait_s, sync=False, alone=alone) as change:
        yield change


def add(change: Transaction, rows: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """Add works; return the keys that are new. An existing key, or fire of a job, is left as it is.

    Parameters
    ----------
    change : Transaction
    rows : iterable of mapping
        Fields of :class:`Work`; ``key`` and ``notebook`` are needed. A row in another state than ``due`` is a fire that
        will not be done, with the ``reason``.
    """
    prepared = [stored(row) for row in rows]
    if not prepared:
        return []
    new = INSERT[change.connection.dialect.name](work).on_conflict_do_nothing().returning(work.c.key)
    return [*change.connection.scalars(new, prepared)]


def get(source: Store | Transaction, key: str) -> Work | None:
    """Return a work by its key."""
    with reading(source) as connection:
        row = connection.execute(sa.select(work).where(work.c.key == key)).mappings().first()
    return as_work(row) if row else None


def attempts_of(source: Store | Transaction, key: str) -> Sequence[Attempt]:
    """Return the attempts at a work, the first one first."""
    query = sa.select(attempts).where(attempts.c.key == key).order_by(attempts.c.attempt)
    with reading(source) as connection:
        return [as_attempt(row) for row in connection.execute(query).mappings()]


def key_of(source: Store | Transaction, run_id: str) -> str | None:
    """Return the key of the work a run is, or was, an attempt at; None where it is none."""
    with reading(source) as connection:
        return connection.scalar(sa.select(attempts.c.key).where(attempts.c.run_id == run_id))


def counts(source: Store | Transaction, *, job: str | None = None, parent: str | None = None) -> dict[str, int]:
    """Return how many works there are in each state."""
    query = _narrowed(sa.select(work.c.state, sa.func.count()).group_by(work.c.state), job, (), parent)
    with reading(source) as connection:
        return {str(state): int(number) for state, number in connection.execute(query)}


def claim(
    change: Transaction,
    at: str,
    owner: str,
    lease_s: float = LEASE_S,
    key: str | Sequence[str] | None = None,
    slots: Mapping[str, int] | None = None,
    most: int = 1,
    parent: str | None = None,
) -> Sequence[Claim]:
    """Begin attempts at due works, the one due for longest first.

    Parameters
    ----------
    change : Transaction
    at : str
        The present time. A work whose first start is past its deadline becomes *missed*.
    owner : str
        Who asks: a host and process, or a worker's name.
    lease_s : float
        How long the attempt counts as alive without a renewal.
    key : str or sequence of str, optional
        Only this work, or one of these.
    slots : mapping, optional
        How many may run at once in each slot; one where it is not said. A work whose slot is full stays due.
    most : int
        How many at most.
    parent : str, optional
        Only works of this fan-out.
    """
    at = utc(at)
    _miss(change, at)
    capacity, running = slots or {}, _running(change)
    claims: Sequence[Claim] = []
    while len(claims) < most:
        full = [slot for slot in {*running, *capacity} if running[slot] >= capacity.get(slot, 1)]
        found = _next(change, at, key, parent, full, most - len(claims))
        if not found:
            break
        fitting = [row for row in found if _fits(row.slot, capacity, running)]
        claims = [*claims, *_start(change, fitting, at, owner, lease_s)]
    return claims


def renew(
    change: Transaction, claim: Claim, at: str, lease_s: float | None = None, process: Mapping[str, Any] | None = None
) -> bool:
    """Say that an attempt is alive; False when its token is stale.

    Parameters
    ----------
    process : mapping, optional
        The identity of the process that does it: once that is proven gone, nobody waits for the lease.
    """
    values: dict[str, Any] = {"lease_until": later(utc(at), lease_s or claim.lease_s)}
    if process is not None:
        values["process"] = as_json(process)
    return bool(change.connection.execute(attempts.update().where(*_of(claim)).values(values)).rowcount)


def holds(source: Store | Transaction, claim: Claim) -> bool:
    """Tell whether an attempt still counts."""
    with reading(source) as connection:
        return connection.scalar(sa.select(attempts.c.attempt).where(*_of(claim))) is not None


def close(
    change: Transaction,
    claim: Claim,
    status: RunStatus,
    cause: str | None,
    at: str,
    retry_at: str | None = None,
    reason: str | None = None,
) -> bool:
    """End an attempt and settle its work; False when its token is stale: nothing is changed then.

    Closing it the same way once more is True: the first answer may have been lost.

    Parameters
    ----------
    status, cause
        How its run ended.
    retry_at : str, optional
        The work is due again, from then on. An attempt that was preempted is not counted against those allowed.
    reason : str, optional
        Why the work did not finish, in more words than the cause.
    """
    at = utc(at)
    ended = attempts.update().where(*_of(claim)).values(ended_at=at, status=status, cause=cause)
    if not change.connection.execute(ended).rowcount:
        c = attempts.c
        same = sa.select(c.key).where(c.token == claim.token, c.status == status, c.cause.is_not_distinct_from(cause))
        return change.connection.scalar(same) is not None
    _settle(change, claim.key, status, cause, at, retry_at, reason)
    return True


def cancel(change: Transaction, key: str, reason: str, at: str) -> bool:
    """Cancel a work that is due or started; False when it has ended. Who does it learns so at the next renewal."""
    unended = work.c.state.in_(("due", "started"))
    values = {"state": "cancelled", "reason": reason, "ended_at": utc(at)}
    if not change.connection.execute(work.update().where(work.c.key == key, unended).values(values)).rowcount:
        return False
    ended = {"ended_at": utc(at), "status": "interrupted", "cause": "cancelled"}
    change.connection.execute(attempts.update().where(attempts.c.key == key, UNENDED).values(ended))
    return True


def reopen(change: Transaction, key: str, at: str, more: int = 1, spec: Mapping[str, Any] | None = None) -> bool:
    """Make a work that has ended without success due again, with that many more attempts; one that waits, at once.

    Parameters
    ----------
    spec : mapping, optional
        Its policy from now on; as it was when absent.
    """
    values: dict[str, Any] = {} if spec is None else {"spec": as_json(spec)}
    values |= {"state": "due", "reason": None, "ended_at": None, "deadline": None, "not_before": utc(at)}
    lost = work.c.state.in_(("failed", "cancelled", "missed", "skipped"))
    chosen = work.update().where(work.c.key == key)
    if change.connection.execute(chosen.where(DUE).values(values)).rowcount:
        return True
    return bool(change.connection.execute(chosen.where(lost).values(**values, most=work.c.attempt + more)).rowcount)


def conclude(change: Transaction, key: str, state: State, at: str, reason: str | None = None) -> bool:
    """Say what became of a work without attempts of its own: the parent of a fan-out, *started* while it is done."""
    values = {"state": state, "reason": reason, "ended_at": None if state == "started" else utc(at)}
    chosen = work.update().where(work.c.key == key, work.c.attempt == 0, work.c.state != "due")
    return bool(change.connection.execute(chosen.values(values)).rowcount)


def prune(change: Transaction, job: str, keep: int) -> Sequence[str]:
    """Forget all works of a job that have ended but the newest; return the runs of their attempts.

    Parameters
    ----------
    keep : int
        How many of those that ended stay.
    """
    ended = sa.select(work.c.key).where(work.c.job == job, work.c.state.not_in(("due", "started")))
    return forget(change, change.connection.scalars(ended.order_by(work.c.id.desc()).offset(keep)))


def forget(change: Transaction, keys: Iterable[str]) -> Sequence[str]:
    """Drop works and their attempts; return the runs of these, which stay."""
    old = [*keys]
    gone: Sequence[str] = []
    for start in range(0, len(old), MANY):
        some = old[start : start + MANY]
        dropped = attempts.delete().where(attempts.c.key.in_(some)).returning(attempts.c.run_id)
        gone = [*gone, *change.connection.scalars(dropped)]
        change.connection.execute(work.delete().where(work.c.key.in_(some)))
    return gone


@contextmanager
def reading(source: Store | Transaction) -> Iterator[sa.Connection]:
    """Yield the connection of a transaction, or one that only reads the store."""
    if isinstance(source, Transaction):
        yield source.connection
        return
    with source.reading(sync=False) as connection:
        yield connection


def _miss(change: Transaction, at: str) -> None:
    late = work.update().where(LIMITED, work.c.deadline < at, work.c.attempt == 0)
    change.connection.execute(late.values(state="missed", reason=LATE, ended_at=at))


def _running(change: Transaction) -> Counter[str]:
    """Return how many works run in each slot."""
    query = sa.select(work.c.slot, sa.func.count()).where(IN_SLOT).group_by(work.c.slot)
    return Counter({str(slot): int(number) for slot, number in change.connection.execute(query)})


def _fits(slot: str | None, capacity: Mapping[str, int], running: Counter[str]) -> bool:
    """Tell whether one more may start in a slot, and count it then."""
    if slot is None:
        return True
    running[slot] += 1
    return running[slot] <= capacity.get(slot, 1)


def _next(
    change: Transaction,
    at: str,
    key: str | Sequence[str] | None,
    parent: str | None,
    full: Collection[str],
    most: int,
) -> Sequence[Any]:
    """Return works that may start, the one due for longest first."""
    c = work.c
    query = sa.select(c.key, c.attempt, c.slot, c.not_before, c.id).where(c.not_before <= at)
    if parent is not None:
        query = query.where(c.parent == parent)
    if full:
        query = query.where(sa.or_(c.slot.is_(None), c.slot.not_in(sorted(full))))
    if key is None:
        return change.connection.execute(query.where(DUE).order_by(c.not_before, c.id).limit(most)).all()
    # Without coalesce, or with an order, SQLite would walk through all that is due rather than look for a few keys.
    is_due = sa.func.coalesce(c.state, "") == "due"
    named = query.where(is_due, c.key.in_([key] if isinstance(key, str) else [*key]))
    return sorted(change.connection.execute(named).all(), key=lambda row: (row.not_before, row.id))[:most]


def _start(change: Transaction, rows: Sequence[Any], at: str, owner: str, lease_s: float) -> Sequence[Claim]:
    """Begin an attempt at each of these works."""
    claims = [Claim(row.key, row.attempt + 1, new_id(), new_id(), lease_s) for row in rows]
    if not claims:
        return []
    about = {"owner": owner, "started_at": at, "lease_until": later(at, lease_s)}
    begun = [{k: v for k, v in c.to_dict().items() if k != "lease_s"} | about for c in claims]
    change.connection.execute(attempts.insert(), begun)
    started = work.update().where(work.c.key == sa.bindparam("of")).values(state="started", reason=None)
    started = started.values(attempt=sa.bindparam("number"), run_id=sa.bindparam("run"))
    change.connection.execute(started, [{"of": c.key, "number": c.attempt, "run": c.run_id} for c in claims])
    return claims


def _of(claim: Claim) -> tuple[Any, ...]:
    """Return what finds the attempt of a claim while its token holds."""
    c = attempts.c
    return c.key == claim.key, c.attempt == claim.attempt, c.token == claim.token, c.ended_at.is_(None)


def _settle(
    change: Transaction, key: str, status: str, cause: str | None, at: str, retry_at: str | None, reason: str | None
) -> None:
    """Write what the end of an attempt makes of its work."""
    if status == "finished":
        values: dict[str, Any] = {"state": "finished", "ended_at": at}
    elif retry_at is None:
        state = ENDED.get((status, cause), "failed")
        values = {"state": state, "reason": reason or cause, "ended_at": at}
    else:
        more = work.c.most + 1 if cause == PREEMPTED else work.c.most
        values = {"state": "due", "not_before": utc(retry_at), "most": more}
    change.connection.execute(work.update().where(work.c.key == key).values(values))


def _narrowed(query: sa.Select[Any], job: str | None, states: Sequence[str], parent: str | None) -> sa.Select[Any]:
    c = work.c
    for column, value in ((c.job, job), (c.parent, parent)):
        query = query if value is None else query.where(column == value)
    return query.where(c.state.in_(states)) if states else query


def list(
    source: Store | Transaction,
    *,
    job: str | None = None,
    state: str | Sequence[str] = (),
    parent: str | None = None,
    limit: int | None = 100,
) -> Sequence[Work]:
    """Return works, the one added last first.

    Parameters
    ----------
    job, parent : str, optional
        Only those of a job, or of a fan-out.
    state : str or sequence of str
        Only those in this state, or one of these.
    limit : int, optional
        None for all.
    """
    states = (state,) if isinstance(state, str) else state
    query = _narrowed(sa.select(work), job, states, parent).order_by(work.c.id.desc()).limit(limit)
    with reading(source) as connection:
        return [as_work(row) for row in connection.execute(query).mappings()]
