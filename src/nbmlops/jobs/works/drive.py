"""Bring works to their end through an executor: claim what there is room for, hand it over, watch, repair."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Unavailable
from nbmlops.jobs.works.retry import due_again, reconcile
from nbmlops.process import identity
from nbmlops.records import now
from nbmlops.store import ledger
from nbmlops.tracking.statuses import Preempted

if TYPE_CHECKING:
    from nbmlops.jobs.works.executors import Executor, Handle
    from nbmlops.store.database import Store, Transaction

__all__ = ["HOLD_S", "Tell", "cancel", "drive", "hold", "settle"]

LOOK_S = 2.0  # between two looks at the ledger while nothing ends
HOLD_S = ledger.LEASE_S / 3
STOP_S = 10.0  # for what is stopped to write so
PATIENCE_S = 60.0  # how long an executor may be away
Tell = Callable[[dict[str, int]], None]  # told how many works there are in each state


@dataclass
class _Air:
    """What was handed over and is not done, and when it was looked after last."""

    handles: list[Handle] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    looked: float = 0.0
    held: float = field(default_factory=time.monotonic)
    away_since: float | None = None


def drive(
    store: Store,
    executor: Executor,
    *,
    key: str | None = None,
    parent: str | None = None,
    tell: Tell | None = None,
) -> dict[str, str]:
    """Drive a work, or all of a fan-out, until each has ended; other processes may do some of them.

    Parameters
    ----------
    store : Store
    executor : Executor
    key, parent : str, optional
        The work, or the fan-out.
    tell : callable, optional
        Told how many works there are in each state, whenever that may have changed.

    Returns
    -------
    dict
        Keys of works that did not finish and have an attempt that could not begin, and why.

    Raises
    ------
    Unavailable
        The executor does not answer for a minute. Nothing is lost: what is due stays due.
    KeyboardInterrupt
        Ctrl-C, after which what had not ended is cancelled, or SIGTERM, after which it stays due.
    """
    air = _Air()
    try:
        with _preemptible():
            while _unended(store, key, parent, tell):
                _step(store, executor, air, key, parent)
    except KeyboardInterrupt as stop:
        if not isinstance(stop, Preempted):  # a preempted one goes on elsewhere: what is due stays due
            cancel(store, "stopped", key=key, parent=parent)
            _stop(executor, air)
        raise
    return {k: said for k, said in air.errors.items() if not _finished(store, k)}


def _finished(store: Store, key: str) -> bool:
    found = ledger.get(store, key)
    return found is not None and found.state == "finished"


def _unended(store: Store, key: str | None, parent: str | None, tell: Tell | None) -> bool:
    states = _states(store, key, parent)
    if tell:
        tell(states)
    return any(states.get(state) for state in ("due", "started"))


def _step(store: Store, executor: Executor, air: _Air, key: str | None, parent: str | None) -> None:
    """Repair what was lost, hand over what there is room for, and wait until something ends."""
    if time.monotonic() - air.looked > LOOK_S:
        _repair(store, air)
    try:
        _hand_over(store, executor, air, key, parent)
        air.away_since = None
    except Unavailable as error:
        air.away_since = air.away_since or time.monotonic()
        if time.monotonic() - air.away_since > PATIENCE_S:
            raise error
    if air.handles:
        air.errors |= settle(store, executor.wait(air.handles, LOOK_S))
        air.handles = [h for h in air.handles if not h.done]
    else:  # somebody else does the rest, or a retry is not due yet
        time.sleep(LOOK_S / 4)


def cancel(store: Store, reason: str, *, key: str | None = None, parent: str | None = None) -> int:
    """Cancel the works that have not ended; return how many. Who does one learns so at its next renewal."""
    with ledger.changing(store) as change:
        keys = [key] if key else [w.key for w in _open(change, parent)]
        return sum(ledger.cancel(change, k, reason, now()) for k in keys)


def _open(change: Transaction, parent: str | None) -> Sequence[ledger.Work]:
    return ledger.list(change, parent=parent, state=("due", "started"), limit=None)


def _states(store: Store, key: str | None, parent: str | None) -> dict[str, int]:
    if parent is not None:
        return ledger.counts(store, parent=parent)
    found = ledger.get(store, key or "")
    return {found.state: 1} if found else {}


def _hand_over(store: Store, executor: Executor, air: _Air, key: str | None, parent: str | None) -> None:
    """Claim as much as the executor has room for: a lease begins with the claim."""
    room = executor.free()
    if room < 1:
        return
    slots = store.project.settings.get("slots", {})
    with ledger.changing(store) as change:
        claims = ledger.claim(change, now(), _owner(), key=key, parent=parent, slots=slots, most=room)
    air.handles += [executor.submit(claim) for claim in claims]


def _repair(store: Store, air: _Air) -> None:
    """Let works whose attempt nobody does be due again, and hold the leases of those that still wait for a worker."""
    air.looked = time.monotonic()
    reconcile(store, now())
    if air.looked - air.held > HOLD_S:
        air.held = air.looked
        hold(store, air.handles)


def hold(store: Store, handles: Sequence[Handle]) -> None:
    """Renew the leases of attempts that were handed over and still wait for a worker."""
    with ledger.changing(store) as change:
        for handle in handles:
            if _unbegun(change, handle):
                ledger.renew(change, handle.claim, now())


def _unbegun(change: Transaction, handle: Handle) -> bool:
    """Tell whether nobody has begun the attempt of a claim that still holds."""
    tries = ledger.attempts_of(change, handle.claim.key)
    return any(a.token == handle.claim.token and a.process is None and a.ended_at is None for a in tries)


def settle(store: Store, done: Sequence[Handle]) -> dict[str, str]:
    """End the attempts that never began; return why, by key. Whoever began one has ended it, or its lease lapses."""
    wrong = [h for h in done if h.error or h.gone]
    if not wrong:
        return {}
    at = now()
    with ledger.changing(store) as change:
        for handle in wrong:
            held = ledger.get(change, handle.claim.key)
            if held is None or not _unbegun(change, handle):
                continue
            cause = "process_gone" if handle.gone else "error"
            ledger.close(change, handle.claim, "abandoned", cause, at, due_again(held, "abandoned", cause, at))
    return {h.claim.key: h.error for h in wrong if h.error}


def _stop(executor: Executor, air: _Air) -> None:
    """Stop what runs, and give it the time to write that down."""
    for handle in air.handles:
        executor.cancel(handle)
    end = time.monotonic() + STOP_S
    while (left := [h for h in air.handles if not h.done]) and time.monotonic() < end:
        executor.wait(left, max(0.0, end - time.monotonic()))


@contextmanager
def _preemptible() -> Iterator[None]:
    """Turn a SIGTERM that would end this process at once into an interrupt."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _preempt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _preempt(_signal: int, _frame: Any) -> None:
    raise Preempted


def _owner() -> str:
    me = identity()
    return f"{me['host']}:{me['pid']}"
