"""How a cell, and with it the run, ended: one record for every way there is."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from nbmlops.records import RunStatus
from nbmlops.tracking.statuses import ending_of

__all__ = [
    "CANCELLED",
    "COMPLETED",
    "GONE",
    "NOT_RUN",
    "PENDING",
    "PREEMPTED",
    "RUNNING",
    "Ending",
    "death",
    "failure",
    "late",
]

PENDING, RUNNING, NOT_RUN = "pending", "running", "not_run"


@dataclass(frozen=True)
class Ending:
    """What became of a cell, what that makes of the run, and the reason as the notebook shows it."""

    cell: str
    status: RunStatus = "failed"
    cause: str | None = None
    name: str = ""
    message: str = ""
    traceback: tuple[str, ...] = ()
    stops: bool = True

    @property
    def shown_traceback(self) -> list[str]:
        """The lines papermill repeats in its own message."""
        return list(self.traceback) or [f"{self.name}: {self.message}"]


COMPLETED = Ending("completed", "finished", stops=False)
LEFT_EARLY = Ending("completed", "finished")
CANCELLED = Ending("interrupted", "interrupted", "cancelled", "KeyboardInterrupt", "The notebook was cancelled.")
PREEMPTED = Ending(
    "interrupted", "interrupted", "preempted", "KeyboardInterrupt", "The runner was told to end (SIGTERM)."
)


GONE = Ending(
    "interrupted",
    "abandoned",
    "process_gone",
    "RunnerGone",
    "The runner ended without a word while this cell ran: it was killed, or the machine went down.",
)


def failure(name: str, message: str, traceback: str = "") -> Ending:
    """Return the ending of a cell that raised; ``sys.exit(0)`` is a way to leave early, no failure."""
    names = [name, "MemoryError"] if name.endswith("MemoryError") else [name]  # NumPy and Arrow have their own
    status, cause = ending_of(names, message)
    if status == "finished":
        return LEFT_EARLY
    cell = "interrupted" if status == "interrupted" else "failed"
    return Ending(cell, status, cause, name, message, tuple(traceback.splitlines()))


def death(returncode: int | None, no_memory: bool = False, said: Sequence[str] = ()) -> Ending:
    """Return the ending of a cell during which the kernel died, from the exit code of its process.

    Parameters
    ----------
    returncode : int or None
    no_memory : bool
        The system says that it killed for want of memory meanwhile.
    said : sequence of str
        What the process printed last past its protocol: a crash says there where it happened.

    >>> death(-9).cause, death(-9, no_memory=True).cause
    ('kernel_died(SIGKILL)', 'out_of_memory')
    """
    reason = _reason(returncode)
    message = f"The kernel died ({reason}) while this cell ran."
    if reason != "SIGKILL":
        lines = (*said, f"DeadKernelError: {message}") if said else ()
        return Ending("kernel_died", "failed", f"kernel_died({reason})", "DeadKernelError", message, lines)
    if no_memory:
        says = f"{message} The system killed it because memory ran out."
        return Ending("kernel_died", "failed", "out_of_memory", "DeadKernelError", says)
    says = f"{message} Most likely the memory ran out."
    return Ending("kernel_died", "failed", "kernel_died(SIGKILL)", "DeadKernelError", says)


def late(limit_s: float, whole: bool) -> Ending:
    """Return the ending of a cell that ran out of time: its own, or that of the whole notebook."""
    what = "The notebook" if whole else "This cell"
    return Ending(
        "timed_out", "failed", "timed_out", "CellTimeoutError", f"{what} was stopped after its limit of {limit_s:g} s."
    )


def _reason(returncode: int | None) -> str:
    if returncode is None:
        return "unknown"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"exit code {returncode}"
