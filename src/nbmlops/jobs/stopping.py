"""End an execution from outside, in order: a signal to the runner, or a word from another thread of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from nbmlops.jobs.ending import CANCELLED, PREEMPTED, Ending
from nbmlops.tracking.statuses import Preempted

if TYPE_CHECKING:
    from nbmlops.jobs.client import Client

__all__ = ["raised_by", "stop", "stoppable"]

SIGNALS = (
    (signal.SIGTERM, signal.SIG_DFL, PREEMPTED),
    (signal.SIGINT, signal.default_int_handler, CANCELLED),
)

_running: dict[str, Client] = {}


def stop(run_id: str, how: Ending = PREEMPTED) -> bool:
    """End a notebook this process executes, from another thread; return whether there was one to end.

    Parameters
    ----------
    run_id : str
    how : Ending
        What its running cell and its run shall be called.

    Examples
    --------
    >>> stop("0198c0de-0000-7000-8000-000000000000")
    False
    """
    client = _running.get(run_id)
    if client is not None:
        client.stop(how)
    return client is not None


@contextmanager
def stoppable(client: Client, run_id: str | None) -> Iterator[None]:
    """Let the client be stopped while it executes; signals that somebody else handles stay theirs.

    A first SIGTERM or Ctrl-C asks for the end, which takes a second or two; others meanwhile change nothing, so that
    what was printed is kept and no kernel is left.
    """
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for signum, usual, how in SIGNALS:
                if signal.getsignal(signum) is usual:
                    signal.signal(signum, _asking(client, how))
                    stack.callback(signal.signal, signum, usual)
        if run_id:
            _running[run_id] = client
            stack.callback(_running.pop, run_id, None)
        yield


def raised_by(how: Ending) -> KeyboardInterrupt:
    """Return what an execution that was stopped raises."""
    return Preempted(how.message) if how.cause == "preempted" else KeyboardInterrupt(how.message)


def _asking(client: Client, how: Ending) -> Any:
    def handle(_signal: int, _frame: Any) -> None:
        client.stop(how)
        if client.starting:  # no cell runs that could end in order
            raise raised_by(how)

    return handle
