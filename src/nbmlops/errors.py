"""The exceptions nbmlops raises: what was wrong, what is allowed, what to type next."""

from __future__ import annotations

import difflib
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = [
    "Conflict",
    "Invalid",
    "MissingPackage",
    "NbmlopsError",
    "NotAllowed",
    "NotFound",
    "Unavailable",
    "Uncertain",
    "UntrustedContent",
    "silently",
    "tell",
    "unknown",
]

_thread = threading.local()


class NbmlopsError(Exception):
    """Any error nbmlops raises on purpose; ``hint`` says what to type next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def _render_traceback_(self) -> list[str]:
        """One readable line in a notebook; papermill still sees a real error."""
        return [f"{type(self).__name__}: {self}"]


class NotFound(NbmlopsError, LookupError):
    """A name that is not in the store, the project or the notebook."""


class Invalid(NbmlopsError, ValueError):
    """A value of the wrong kind or outside what is allowed; ``problems`` lists rows and columns where that is known."""

    problems: tuple[Any, ...] = ()


class NotAllowed(NbmlopsError, PermissionError):
    """A policy, a gate or a missing right says no."""


class Conflict(NbmlopsError):
    """Somebody else changed the same thing, or two things do not go together."""


class MissingPackage(NbmlopsError, ImportError):
    """An optional package is needed; the hint names the extra to install."""


class Unavailable(NbmlopsError, ConnectionError):
    """The database is away, locked, full, read-only or damaged; what is tracked waits in the journal."""


class Uncertain(Unavailable):
    """A change was made, or perhaps was, and the database went away: look before you repeat it."""


class UntrustedContent(NbmlopsError):
    """A file holds something that could run code and nobody has reviewed it."""


@contextmanager
def silently() -> Iterator[None]:
    """Let this thread tell nothing meanwhile: it works for somebody who only types.

    >>> with silently():
    ...     tell("nobody reads this")
    """
    _thread.silent = True
    try:
        yield
    finally:
        _thread.silent = False


def tell(message: str) -> None:
    """Warn, whatever the user's warning filters are: where they turn warnings into errors it is printed instead."""
    if getattr(_thread, "silent", False):
        return
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        print(f"nbmlops: {message}", file=sys.stderr)  # noqa: T201


def unknown(what: str, name: str, known: Iterable[str], hint: str = "", where: str = "in this project") -> NotFound:
    """Return the error for a name that does not exist, with the near ones.

    >>> print(unknown("model", "churn", ["churn_v2", "price"]))
    No model 'churn' in this project. Known: churn_v2, price. Did you mean 'churn_v2'?
    """
    names = sorted(known)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    shown = ", ".join(names[:8]) + more if names else "none yet"
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = hint or (f"Did you mean {near[0]!r}?" if near else "")
    return NotFound(f"No {what} {name!r} {where}. Known: {shown}.", hint)
