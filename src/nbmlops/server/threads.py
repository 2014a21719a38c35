"""The threads that answer: one reads stores, one changes them; where one is held up another takes its place.

They are daemons: a server that is told to stop stops, whatever a database or a disk elsewhere makes them wait for.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from nbmlops.errors import Unavailable

__all__ = ["CHANGES", "READS", "Line", "asks"]

MOST_HELD = 16  # threads that wait for what does not answer, beside the one that works
SOON, LONG = 0.25, 0.9  # of the patience: another goes on; nobody else asks for the same
LAST_S = 5.0  # what is being changed has so long to end when the server stops


@dataclass(eq=False)
class _Hand:
    """A thread, what store it asks, and since when."""

    line: Line
    store: str = ""
    since: float | None = None
    idle: threading.Event = field(default_factory=threading.Event)


_own = threading.local()


class Line:
    """What is asked, one after the other on a lasting thread.

    Parameters
    ----------
    name : str
        Of the thread.
    patience_s : float
        A thread that is busy with one thing for a quarter of it is left with it, and another goes on with the rest.
    refuses : bool
        Whether a store that holds up a thread for longer is away until that has its answer: it never holds up many.
    """

    def __init__(self, name: str, patience_s: float, refuses: bool = False) -> None:
        self.name, self.patience_s, self.refuses = name, patience_s, refuses
        self._asked: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._hand: _Hand | None = None
        self._left: set[_Hand] = set()

    def submit(self, ask: Callable[[], Any]) -> Future[Any]:
        """Have something done when its turn comes."""
        answer: Future[Any] = Future()
        self._asked.put((answer, ask))
        self.look()
        return answer

    def look(self) -> None:
        """Let another thread go on where the one there is has been held up for too long."""
        with self._lock:
            busy = self._hand
            if busy is not None and (self._busy(busy) < SOON or len(self._left) >= MOST_HELD):
                return
            self._left |= {busy} if busy else set()
            self._hand = _Hand(self)
            threading.Thread(target=self._serve, args=(self._hand,), name=self.name, daemon=True).start()

    def holds(self, store: str) -> bool:
        """Tell whether a thread waits for a store for longer than anybody would."""
        with self._lock:
            return self.refuses and any(hand.store == store and self._busy(hand) >= LONG for hand in self._left)

    def finish(self, seconds: float) -> None:
        """Wait for what is being done, but no longer than that."""
        with self._lock:
            busy = self._hand
        if busy is not None and busy.since is not None:
            busy.idle.wait(seconds)

    def _busy(self, hand: _Hand) -> float:
        """Return for how long a thread has been busy with one thing, as a share of the patience."""
        return (time.monotonic() - hand.since) / self.patience_s if hand.since is not None else 0.0

    def _serve(self, hand: _Hand) -> None:
        _own.hand = hand
        while hand is self._hand:
            answer, ask = self._asked.get()
            if not answer.set_running_or_notify_cancel():  # nobody waits for it any more
                continue
            hand.idle.clear()
            hand.since = time.monotonic()
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)
            with self._lock:
                hand.since, hand.store = None, ""
                self._left.discard(hand)
            hand.idle.set()


READS = Line("nbmlops", 10.0, refuses=True)
CHANGES = Line("nbmlops changes", 60.0)
atexit.register(CHANGES.finish, LAST_S)


def asks(store: str) -> None:
    """Say which store this thread asks from here on.

    Raises
    ------
    Unavailable
        Another thread was left waiting for that store.
    """
    hand: _Hand | None = getattr(_own, "hand", None)
    if hand is None:
        return
    if hand.line.holds(store):
        raise Unavailable("The project's store does not answer.", "Type: nbmlops doctor")
    hand.store = store
