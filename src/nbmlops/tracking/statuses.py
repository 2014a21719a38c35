"""The status a run ends with, from what was raised: an interrupt is no failure, and leaving early is none either."""

from __future__ import annotations

from collections.abc import Collection

from nbmlops.records import RunStatus

__all__ = ["Preempted", "ending", "ending_of"]

End = tuple[RunStatus, str | None]

FINISHED: End = ("finished", None)
CANCELLED: End = ("interrupted", "cancelled")
PREEMPTED: End = ("interrupted", "preempted")
# asyncio, concurrent.futures and trio by name: none of them is loaded for this.
CANCELS = frozenset(("KeyboardInterrupt", "GeneratorExit", "CancelledError", "Cancelled"))
# 128 and the signal: how a program says that SIGINT or SIGTERM ended it.
EXITS = {"": FINISHED, "None": FINISHED, "0": FINISHED, "False": FINISHED, "130": CANCELLED, "143": PREEMPTED}


class Preempted(KeyboardInterrupt):
    """The process was told to end by its system, not by a person."""


def ending(error: BaseException | None) -> End:
    """Return the status and the cause of a run from what was raised in it.

    Parameters
    ----------
    error : BaseException or None

    Examples
    --------
    >>> ending(KeyboardInterrupt()), ending(SystemExit(0))
    (('interrupted', 'cancelled'), ('finished', None))
    >>> ending(ZeroDivisionError())
    ('failed', 'error')
    """
    if error is None:
        return FINISHED
    return ending_of({kind.__name__ for kind in type(error).__mro__}, getattr(error, "code", ""))


def ending_of(names: Collection[str], code: object = "") -> End:
    """Return the same from the names of an exception's types, where the exception itself is in another process.

    Parameters
    ----------
    names : collection of str
    code : object
        What ``sys.exit`` was given.

    Examples
    --------
    >>> ending_of(["SystemExit"], "143")
    ('interrupted', 'preempted')
    """
    if "SystemExit" in names:
        return EXITS.get(str(code), ("failed", "error"))
    if "Preempted" in names:
        return PREEMPTED
    if CANCELS.intersection(names):
        return CANCELLED
    return "failed", "out_of_memory" if "MemoryError" in names else "error"
