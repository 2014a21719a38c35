"""Attempts that nobody does any more, found and settled (see ledger.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache

import sqlalchemy as sa

from nbmlops.process import alive
from nbmlops.records import RunStatus
from nbmlops.store.database import Store, Transaction
from nbmlops.store.ledger import close, get, reading
from nbmlops.store.tables import UNENDED, attempts, runs
from nbmlops.store.works import Claim, Work, utc

__all__ = ["lapse", "run_ending", "unowned"]

Again = Callable[[Work, str, str | None], str | None]  # work, status and cause of its attempt: when it is due again
GONE, LAPSED = "process_gone", "lease_lapsed"


def lapse(change: Transaction, at: str, again: Again | None = None) -> Sequence[Claim]:
    """End the attempts nobody does any more: their lease is over, or their process is proven gone on this host.

    An attempt whose run had ended already is settled as that run says; the others are *abandoned*.

    Parameters
    ----------
    again : callable, optional
        Says of a work and how its attempt ended (status, cause) when it is due again; at once while attempts are left
        when absent, None means never.
    """
    at, decide = utc(at), again or _while_left(utc(at))
    found = unowned(change, at)
    for claim, lost in found:
        status, cause = run_ending(change, claim.run_id) or ("abandoned", lost)
        held = get(change, claim.key)
        retry_at = decide(held, status, cause) if held and status != "finished" else None
        close(change, claim, status, cause, at, retry_at)
    return [claim for claim, _ in found]


def unowned(source: Store | Transaction, at: str) -> Sequence[tuple[Claim, str]]:
    """Return the attempts that nobody does any more, and why."""
    at, lives = utc(at), cache(lambda process: alive(json.loads(process)))
    with reading(source) as connection:
        opened = connection.execute(sa.select(attempts).where(UNENDED)).mappings().all()
    gone = {row["token"] for row in opened if row["process"] is not None and lives(row["process"]) is False}
    lost = [row for row in opened if row["token"] in gone or row["lease_until"] < at]
    return [(Claim.from_dict(row), GONE if row["token"] in gone else LAPSED) for row in lost]


def run_ending(change: Transaction, run_id: str) -> tuple[RunStatus, str | None] | None:
    """Return how a run ended by its own record: None while that calls it running, or lost."""
    row = change.connection.execute(sa.select(runs.c.status, runs.c.cause).where(runs.c.run_id == run_id)).first()
    return None if row is None or row.status in (None, "running", "abandoned") else (row.status, row.cause)


def _while_left(at: str) -> Again:
    return lambda held, status, _cause: at if status == "abandoned" and held.attempt < held.most else None
