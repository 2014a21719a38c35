"""Carry out one attempt: its notebook runs while its lease is renewed, and the ledger is told how it ended.

``python -m nbmlops.jobs.works.attempt`` reads a claim as JSON from its input and ends with the exit code of
``nbmlops run``.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from nbmlops.capture.secrets import redact
from nbmlops.config import Project, disabled, find_project
from nbmlops.errors import Conflict, NbmlopsError, NotFound, Unavailable, tell
from nbmlops.hooks import service
from nbmlops.jobs.ending import CANCELLED, PREEMPTED, Ending
from nbmlops.jobs.stopping import stop
from nbmlops.jobs.works.retry import due_again, follow
from nbmlops.process import identity
from nbmlops.records import RunStatus, now
from nbmlops.store import lapses, ledger
from nbmlops.store.database import Store, open_store
from nbmlops.store.ledger import Claim, Work
from nbmlops.tracking import session
from nbmlops.tracking.statuses import Preempted, ending

if TYPE_CHECKING:
    from nbmlops.jobs.progress import Progress
    from nbmlops.tracking.runs import Run

__all__ = ["Stale", "attempted", "carry_out", "main"]

T = TypeVar("T")
OPTIONS = ("output", "cwd", "timeout", "memory", "cpu", "kernel")  # what a policy says of the execution itself
LOOK_S = 5.0  # how soon a cancelled attempt learns so
STOP_S = 0.2
STORAGE = "storage"
CLOSE_S = 120.0  # how long a store may be away when an attempt ends
SUPERSEDED = Ending(
    "interrupted",
    "interrupted",
    "lease_lapsed",
    "Superseded",
    "Its lease lapsed and another attempt has the work: the result of this one does not count.",
)


class Stale(Conflict):
    """Another attempt has the work, or it was cancelled: this one is not done, and its result does not count."""


def carry_out(claim: Claim, *, progress: Progress | None = None, project: Project | None = None) -> Run:
    """Do the attempt that was claimed, and write into the ledger how it ended.

    Parameters
    ----------
    claim : Claim
    progress : callable, optional
        As :func:`nbmlops.run_notebook` has it.
    project : Project, optional
        Whose ledger it is; that of the working directory when absent.

    Returns
    -------
    Run
        Its ``status`` and ``cause`` say how it ended, also when it was interrupted.

    Raises
    ------
    Stale
        The claim does not hold any more. Nothing was executed, or it does not count.
    NbmlopsError
        The notebook could not be started; the attempt is closed as failed.

    Examples
    --------
    >>> with ledger.changing(store) as change:  # doctest: +SKIP
    ...     (claim,) = ledger.claim(change, now(), "here")
    >>> carry_out(claim).status  # doctest: +SKIP
    'finished'
    """
    return attempted(claim, progress=progress, project=project)[0]


def attempted(
    claim: Claim, *, progress: Progress | None = None, project: Project | None = None, log: bool = False
) -> tuple[Run, BaseException | None]:
    """Do the same, and return also what the execution raised."""
    project = project or find_project()
    store = open_store(project)
    work = _patiently(lambda: _begun(store, claim))
    with _in_order(claim) as closing:
        judge = _ending
        try:
            with _renewed(store, claim) as lease:
                run, raised = _executed(work, claim, store, progress=progress, log=log)
                judge = ending  # how the notebook ended is known: a fault of what follows is no doubt about that
                if run.status == "finished" and work.spec.get("then") and _patiently(lease.holds):
                    follow(work, run)
        except BaseException as error:
            closing.set()
            _close(store, claim, work, *judge(error), reason=_said(error))
            raise
        closing.set()
        _close(store, claim, work, run.status, run.cause)
    return run, raised


def main() -> None:
    """Carry out the claim on the input; answer with one line of JSON."""
    claim = Claim.from_dict(json.load(sys.stdin))
    try:
        run = carry_out(claim, progress=_silent)
    except KeyboardInterrupt:
        sys.exit(service("cli.output", "CANCELLED"))
    except NbmlopsError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        failed = isinstance(error, service("jobs.schedule.afterwards", "Failed"))
        sys.exit(service("cli.output", "FAILED") if failed else service("cli.output", "of_error")(error))
    answer = {"key": claim.key, "attempt": claim.attempt, "run_id": run.run_id}
    print(json.dumps({**answer, "status": run.status, "cause": run.cause}))  # noqa: T201
    sys.exit(service("cli.jobs", "code_of")(run))


@dataclass
class _Lease:
    """Renews the lease of an attempt in a thread, and stops the attempt when its token is stale."""

    store: Store
    claim: Claim
    over: threading.Event = field(default_factory=threading.Event)
    stale: bool = False

    def holds(self) -> bool:
        """Tell whether the attempt still counts."""
        return not self.stale and self._renew()

    def beat(self) -> None:
        """Renew until it is over."""
        every_s = min(LOOK_S, self.claim.lease_s / 3)
        renewed = time.monotonic()
        while not self.over.wait(every_s) and not self.stale:
            due = time.monotonic() - renewed >= self.claim.lease_s / 3
            try:
                self.stale = not (self._renew() if due else ledger.holds(self.store, self.claim))
            except Unavailable:  # it may be back before the lease is over; if not, the ledger decides
                continue
            renewed = time.monotonic() if due else renewed
        if self.stale and not self.over.is_set():
            self._stop()

    def _renew(self) -> bool:
        with ledger.changing(self.store, alone=False) as change:
            return ledger.renew(change, self.claim, now())

    def _stop(self) -> None:
        """End the notebook; it may just be starting."""
        how = _why(self.store, self.claim)
        while not stop(self.claim.run_id, how) and not self.over.wait(STOP_S):
            pass


@contextmanager
def _in_order(claim: Claim) -> Iterator[threading.Event]:
    """Turn a SIGTERM that would end this process at once into an end in order; once the event is set it is ignored."""
    closing = threading.Event()
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield closing
        return

    def end(_signal: int, _frame: Any) -> None:
        if not closing.is_set() and not stop(claim.run_id, PREEMPTED):
            raise Preempted

    signal.signal(signal.SIGTERM, end)
    try:
        yield closing
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _renewed(store: Store, claim: Claim) -> Iterator[_Lease]:
    lease = _Lease(store, claim)
    beating = threading.Thread(target=lease.beat, name="nbmlops lease", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        lease.over.set()
        beating.join()


def _begun(store: Store, claim: Claim) -> Work:
    """Return the work of a claim that holds, and say which process does it."""
    with ledger.changing(store) as change:
        work = ledger.get(change, claim.key)
        if work is None:
            raise NotFound(f"The ledger has no work {claim.key!r}.", "Is this the store it was claimed in?")
        if not ledger.renew(change, claim, now(), process=identity()):
            raise Stale(
                f"Attempt {claim.attempt} of {claim.key} does not count any more: the work is {work.state}.",
                "Ask the ledger for a new attempt.",
            )
    return work


def _executed(work: Work, claim: Claim, store: Store, **shown: Any) -> tuple[Run, BaseException | None]:
    from nbmlops.jobs.execution import execute

    return execute(
        store.project.root / work.notebook,
        work.parameters,
        typed=bool(work.spec.get("typed")),
        run_id=claim.run_id,
        job=work.job,
        about=_about(store, work, claim),
        **{name: work.spec[name] for name in OPTIONS if work.spec.get(name) is not None},
        **shown,
    )


def _about(store: Store, work: Work, claim: Claim) -> dict[str, Any]:
    """Return what the run says of the work it is part of."""
    tags = {"key": work.key, "attempt": str(claim.attempt), **({"job": work.job} if work.job else {})}
    before = [a.run_id for a in ledger.attempts_of(store, work.key) if a.attempt < claim.attempt]
    parent = ledger.get(store, work.parent) if work.parent else None
    above = {"parent": parent.run_id} if parent and parent.run_id else {}
    above |= {"author": work.spec["by"]} if work.spec.get("by") else {}
    return {"tags": {**work.spec.get("tags", {}), **tags}, **above, **({"previous": before[-1]} if before else {})}


def _ending(error: BaseException) -> tuple[RunStatus, str | None]:
    """Return how an attempt ended that did not come to a run's end."""
    if isinstance(error, (Unavailable, OSError)) and not isinstance(error, NotFound):
        return "failed", STORAGE
    return ending(error)


def _said(error: BaseException) -> str | None:
    return redact(f"{type(error).__name__}: {error}")[:500] if isinstance(error, Exception) else None


def _close(
    store: Store, claim: Claim, work: Work, status: RunStatus, cause: str | None, reason: str | None = None
) -> None:
    """Tell the ledger how the attempt ended, even when the store is away for a while."""
    at = now()
    if not _patiently(lambda: _closed(store, claim, work, status, cause, at, reason)):
        tell(f"{SUPERSEDED.message} ({claim.key}, attempt {claim.attempt})")
        if reason is None and not disabled():  # with a reason there is no run to mark
            session.write({"t": "tag", "run_id": claim.run_id, "name": "counted", "value": "no"})


def _patiently(ask: Callable[[], T]) -> T:
    """Ask the ledger, also when its store is away for a while: once the lease is over it looks how the run ended."""
    wait_s, until = 0.5, time.monotonic() + CLOSE_S
    while True:
        try:
            return ask()
        except Unavailable:
            if time.monotonic() > until:
                raise
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, 10.0)


def _closed(
    store: Store, claim: Claim, work: Work, status: RunStatus, cause: str | None, at: str, reason: str | None
) -> bool:
    doubtful = cause == STORAGE  # the store was away: the notebook itself may have come to its end
    with store.atomic(sync=doubtful) as change:
        if doubtful:
            status, cause = lapses.run_ending(change, claim.run_id) or (status, cause)
        return ledger.close(change, claim, status, cause, at, due_again(work, status, cause, at), reason)


def _why(store: Store, claim: Claim) -> Ending:
    """Return what a stale attempt shall be called."""
    try:
        work = ledger.get(store, claim.key)
    except Unavailable:
        return SUPERSEDED
    return CANCELLED if work is not None and work.state == "cancelled" else SUPERSEDED


def _silent(notebook: str, cell_index: int, cells: int, description: str) -> None:
    """Show nothing: who started this process shows how far it is."""


if __name__ == "__main__":
    main()
