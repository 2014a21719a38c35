"""Which attempts are tried again, and when; and those that nobody does any more, found and settled."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from nbmlops.errors import tell
from nbmlops.store import lapses, ledger
from nbmlops.store.database import Store
from nbmlops.store.ledger import Claim, Work
from nbmlops.store.works import later

if TYPE_CHECKING:
    from nbmlops.tracking.runs import Run

__all__ = ["CAUSES", "delay_s", "due_again", "follow", "kind_of", "reconcile"]

# Out of memory would happen again, and what the notebook raised is its author's: both only where the policy says so.
CAUSES = ("kernel_died", "timed_out", "lease_lapsed", "process_gone", "storage")
ALWAYS = "preempted"
FIRST_S, MOST_S = 30.0, 3600.0


def kind_of(cause: str | None) -> str:
    """Return a cause without what it says in brackets.

    >>> kind_of("kernel_died(SIGKILL)")
    'kernel_died'
    """
    return (cause or "").partition("(")[0]


def due_again(work: Work, status: str, cause: str | None, at: str) -> str | None:
    """Return when a work is due again after an attempt that ended so; None when it is not.

    Parameters
    ----------
    work : Work
        Its ``spec`` may say ``retry_on`` (causes, in place of the usual ones) and ``backoff`` (seconds before the
        second attempt, doubled before each further one).
    status, cause : str
        How the attempt ended.
    at : str
        When.

    Examples
    --------
    >>> work = Work("k", "a.ipynb", attempt=1, most=3)
    >>> due_again(work, "failed", "error", "2026-03-01T00:00:00+00:00") is None
    True
    >>> due_again(work, "failed", "timed_out", "2026-03-01T00:00:00+00:00")
    '2026-03-01T00:00:16.849304+00:00'
    """
    kind = kind_of(cause)
    if kind == ALWAYS:  # whoever runs it was told to end: that is no try, and nothing to wait for
        return at
    listed = work.spec.get("retry_on")
    if status == "finished" or kind not in (CAUSES if listed is None else listed) or work.attempt >= work.most:
        return None
    return later(at, delay_s(work))


def delay_s(work: Work) -> float:
    """Return the seconds before the next attempt: doubled each time, at most an hour, and spread.

    What failed together does not come back together. The spread is drawn from the work's key and attempt, so it is
    the same for whoever asks.
    """
    first = float(work.spec.get("backoff") or FIRST_S)
    spread = random.Random(f"{work.key} {work.attempt}").uniform(0.5, 1.0)
    return min(first * 2.0 ** min(work.attempt - 1, 30), max(MOST_S, first)) * spread


def reconcile(store: Store, at: str) -> Sequence[Claim]:
    """Settle the attempts whose lease is over or whose process has gone; what is left to be tried is due again.

    Parameters
    ----------
    store : Store
    at : str
        The present time.

    Returns
    -------
    sequence of Claim
        Those that were settled. Nothing is locked while there are none.
    """
    if not lapses.unowned(store, at):
        return []
    with store.atomic() as change:  # how a run ended may still wait in a journal
        settled = lapses.lapse(change, at, partial(due_again, at=at))
    for claim in settled:
        _follow(store, claim)
    return settled


def _follow(store: Store, claim: Claim) -> None:
    """Do what comes after a run that had finished though nobody was left to say so."""
    from nbmlops.tracking.runs import get_run

    held = ledger.get(store, claim.key)
    if held is None or held.state != "finished" or not held.spec.get("then"):
        return
    try:
        follow(held, get_run(claim.run_id))
    except Exception as error:
        tell(f"What follows {claim.key} could not be done ({type(error).__name__}: {error}).")


def follow(work: Work, run: Run) -> None:
    """Do what a job's ``then`` says of a finished run."""
    if work.spec.get("then"):
        from nbmlops.jobs.schedule import afterwards

        afterwards.follow(work, run)
