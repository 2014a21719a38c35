"""What a kernel may use: memory, cores, time. Run as a program it sets them and becomes the command behind them.

In a kernel specification, for JupyterLab and everything else that starts kernels::

    "argv": ["python", "-m", "nbmlops.jobs.limits", "--memory", "4G", "--cpu", "2",
             "python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbmlops.errors import Invalid, tell
from nbmlops.jobs.ending import Ending

__all__ = ["VARIABLES", "Limits", "apply", "apply_to", "size", "time_s", "written"]

VARIABLES = ("NBMLOPS_MEMORY", "NBMLOPS_CPU")  # of the runner: limits of every kernel it starts
THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_MAX_THREADS"),
    *("POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT"),
)
SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?:i?B)?", re.I)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
LEAST = 128 * 2**20  # a kernel that has imported nothing maps about 100 MB


@dataclass(frozen=True)
class Limits:
    """Limits of one kernel.

    Attributes
    ----------
    memory_bytes : int, optional
        Address space of the kernel's process, and of each process it starts: all that is mapped, libraries and
        reserved memory too, not what is in use.
    cpu : float, optional
        Cores. Whole numbers choose that many cores where the system can (Linux); threads of BLAS and OpenMP follow,
        rounded up.
    """

    memory_bytes: int | None = None
    cpu: float | None = None

    @classmethod
    def of(cls, memory: str | float | None = None, cpu: str | float | None = None) -> Limits:
        """Return limits as people write them; what is not given is read from ``NBMLOPS_MEMORY`` and ``NBMLOPS_CPU``.

        >>> Limits.of("4G", 2)
        Limits(memory_bytes=4294967296, cpu=2.0)
        """
        memory, cpu = (
            os.environ.get(name) if given is None else given
            for given, name in zip((memory, cpu), VARIABLES, strict=True)
        )
        found = cls(None if memory in (None, "") else size(memory), None if cpu in (None, "") else _cores(cpu))
        if found.memory_bytes and not hasattr(_resource(), "prlimit"):
            raise Invalid("This system cannot limit a kernel's memory; Linux can.", "Leave --memory out.")
        if found.cpu and not hasattr(os, "sched_setaffinity"):
            tell("This system cannot choose a kernel's cores; only the threads of its libraries are limited.")
        return found

    def tags(self, timeout_s: float | None = None) -> dict[str, str]:
        """Return them as tags of a run, with that of the whole notebook's time."""
        found = {"limit_memory_bytes": self.memory_bytes, "limit_cpu": self.cpu, "limit_timeout_s": timeout_s}
        return {name: f"{value:.15g}" for name, value in found.items() if value is not None}

    def variables(self) -> dict[str, str]:
        """Return the variables that libraries read their number of threads from."""
        if self.cpu is None:
            return {}
        return dict.fromkeys(THREADS, str(max(1, min(math.ceil(self.cpu), os.cpu_count() or 1))))

    def explain(self, how: Ending) -> Ending:
        """Return an ending that names the memory limit, where memory may be why."""
        died = how.cell == "kernel_died" and how.cause != "kernel_died(SIGKILL)"
        if self.memory_bytes is None or not (how.cause == "out_of_memory" or died):
            return how
        limit = f"The kernel's limit was {written(self.memory_bytes)} of address space (--memory)"
        more = f"{limit}, and libraries that get no memory may end the process." if died else f"{limit}."
        return replace(how, message=f"{how.message.rstrip()} {more}".strip())


def size(text: str | float) -> int:
    """Return a size such as ``4G`` or ``512M`` in bytes; units are powers of 1024.

    >>> size("1.5G")
    1610612736

    Raises
    ------
    Invalid
        It is none, or a kernel cannot start with it.
    """
    found = SIZE.fullmatch(str(text).strip())
    if not found:
        raise Invalid(f"{str(text)!r} is no size.", "Write 512M or 4G.")
    count = int(float(found["number"]) * UNITS[found["unit"].upper()])
    if count < LEAST:
        raise Invalid(f"A kernel does not start with {text}.", f"Give it {written(LEAST)} at least; 4G is usual.")
    return count


def time_s(value: str | float) -> float:
    """Return a limit of time in seconds.

    >>> time_s("2h"), time_s("90"), time_s(0.5)
    (7200.0, 90.0, 0.5)

    Raises
    ------
    Invalid
        It is no duration, or none at all.
    """
    from nbmlops.jobs.schedule.times import seconds

    found = seconds(float(value) if re.fullmatch(r"\d+(\.\d+)?", str(value)) else value)
    if not found:
        raise Invalid(f"A time limit of {value!r} leaves no time.", "Write 90s, 15m, 2h or 1d, or leave it out.")
    return found


def written(count: int) -> str:
    """Return bytes as people write them.

    >>> written(4 * 2**30), written(1536 * 2**20)
    ('4G', '1.5G')
    """
    unit = next((u for u in "TGM" if count >= UNITS[u]), "K")
    return f"{count / UNITS[unit]:.4g}{unit}"


def apply(limits: Limits) -> None:
    """Limit this process: what a kernel does before it imports anything."""
    os.environ.update(limits.variables())
    apply_to(0, limits)


def apply_to(pid: int, limits: Limits) -> None:
    """Limit a process of this user that has just begun; 0 is this one.

    Parameters
    ----------
    pid : int
    limits : Limits
        Cores are chosen by the process's id, so that kernels beside each other use different ones.
    """
    with contextlib.suppress(ProcessLookupError):  # it has ended already, which others see
        _apply(pid, limits)


def _apply(pid: int, limits: Limits) -> None:
    if limits.memory_bytes is not None:
        _limit_memory(pid, limits.memory_bytes)
    if limits.cpu is None or limits.cpu % 1 or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(pid))
    first = (pid or os.getpid()) % len(cores)
    os.sched_setaffinity(pid, set((cores * 2)[first : first + min(int(limits.cpu), len(cores))]))


def _limit_memory(pid: int, count: int) -> None:
    resource = _resource()
    _, most = resource.prlimit(pid, resource.RLIMIT_AS)
    bound = count if most == resource.RLIM_INFINITY else min(count, most)
    resource.prlimit(pid, resource.RLIMIT_AS, (bound, bound))  # the hard one too: what runs in it cannot lift it


def _resource() -> Any:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource


def _cores(value: str | float) -> float:
    try:
        cores = float(value)
    except ValueError:
        cores = math.nan
    if not 0 < cores < math.inf:
        raise Invalid(f"{value!r} is no number of cores.", "Write 1, 2 or 0.5.")
    return cores


def main(words: list[str], environment: Mapping[str, str] = os.environ) -> None:
    """Set limits and become the command: ``--memory 4G --cpu 2 COMMAND ...``."""
    parser = argparse.ArgumentParser(prog="python -m nbmlops.jobs.limits", description=__doc__.splitlines()[0])
    parser.add_argument("--memory", help="address space, such as 4G")
    parser.add_argument("--cpu", help="cores")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what runs with them")
    found = parser.parse_args(words)
    if not found.command:
        parser.error("name a command")
    try:
        apply(Limits.of(found.memory, found.cpu))
    except Invalid as error:
        parser.error(str(error))
    os.execvp(found.command[0], found.command)


if __name__ == "__main__":
    main(sys.argv[1:])
