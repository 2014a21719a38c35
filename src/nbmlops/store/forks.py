"""Connections to SQLite, and what becomes of them when the process forks.

SQLite keeps the locks of a file once per process. A child that was forked while a thread had the file open would
believe that it holds the locks of its parent, or wait for ever for a mutex that no thread of its own will let go.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

__all__ = ["Connection", "close_idle"]

WAIT_S = 2.0  # how long a fork waits for other threads to leave the store

close_idle: list[Callable[[], None]] = []  # what closes the connections that wait in pools, before a fork

_gate = threading.Condition(threading.RLock())
_forking: int | None = None  # the thread that forks right now
_connections: WeakSet[sqlite3.Connection] = WeakSet()  # open now
_inherited: list[sqlite3.Connection] = []


class Connection(sqlite3.Connection):
    """A connection that is counted while it is open, so that a fork can wait for it."""

    @classmethod
    def opened(cls, address: str, timeout_s: float) -> sqlite3.Connection:
        """Open a file: a path, or an address that begins with ``file:``."""
        with _gate:
            _gate.wait_for(lambda: _forking in (None, threading.get_ident()))
            connection = sqlite3.connect(
                address,
                timeout=timeout_s,
                isolation_level=None,
                check_same_thread=False,
                uri=address.startswith("file:"),
                factory=cls,
            )
            _connections.add(connection)
        return connection

    def close(self) -> None:
        """Close it, but never at the same time as a fork."""
        with _gate:
            super().close()
            _connections.discard(self)
            _gate.notify_all()


def _before() -> None:
    """Wait until no thread has a store open."""
    global _forking
    _gate.acquire()
    _forking = threading.get_ident()
    until = time.monotonic() + WAIT_S
    while True:
        for close in close_idle:
            close()
        if not _connections or time.monotonic() > until:
            return
        _gate.wait(0.01)  # a connection that goes back to its pool does not tell


def _after_in_parent() -> None:
    global _forking
    _forking = None
    _gate.notify_all()
    _gate.release()


def _after_in_child() -> None:
    """Forget the parent's connections; they are neither used nor closed here."""
    global _gate, _forking
    _gate, _forking = threading.Condition(threading.RLock()), None
    _inherited.extend(_connections)
    _connections.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
