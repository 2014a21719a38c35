"""Work that is done behind the caller's back, in order, with little of it waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["Behind"]

WAITING = 2  # more would only take memory


class Behind:
    """One thread that does one thing after the other, while the caller prepares the next.

    Parameters
    ----------
    name : str
        The thread's.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"nbmlops-{name}")
        self._underway: deque[Future[Any]] = deque()
        self._done: list[Any] = []

    def do(self, work: Callable[..., Any], *what: Any) -> None:
        """Hand work over; waits while two wait already.

        Raises
        ------
        Exception
            What work handed over before has raised.
        """
        if len(self._underway) >= WAITING:
            self._settle()
        self._underway.append(self._thread.submit(work, *what))

    def results(self) -> list[Any]:
        """Wait for everything, and return what each work returned, in order.

        Raises
        ------
        Exception
            What one of them has raised.
        """
        while self._underway:
            self._settle()
        return self._done

    def close(self) -> None:
        """End the thread; what has not begun is not done."""
        self._thread.shutdown(cancel_futures=True)

    def _settle(self) -> None:
        self._done.append(self._underway.popleft().result())
