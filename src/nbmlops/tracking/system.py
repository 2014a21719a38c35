"""What a run uses of the machine: memory and CPU of its process, sampled while it is open."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

__all__ = ["EVERY_S", "Sampler"]

EVERY_S = 10.0


class Sampler:
    """Measures this process, each time since the time before.

    Parameters
    ----------
    every_s : float
        How often it is asked, in seconds; a run that is open for less is not sampled.
    clock, cpu : callable
        Seconds of wall time, and of CPU time of all threads.

    Examples
    --------
    >>> sorted(Sampler().sample())
    ['system.cpu_share', 'system.memory_bytes']
    """

    def __init__(
        self,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self.every_s, self._clock, self._cpu = every_s, clock, cpu
        self._before = clock(), cpu()

    def sample(self) -> dict[str, float]:
        """Return memory in bytes, and the share of all cores used since the last sample, in [0, 1]."""
        import psutil

        now, used = self._clock(), self._cpu()
        wall_s, cpu_s = now - self._before[0], used - self._before[1]
        self._before = now, used
        share = cpu_s / wall_s / (os.cpu_count() or 1) if wall_s > 0 else 0.0
        return {
            "system.memory_bytes": float(psutil.Process().memory_info().rss),
            "system.cpu_share": min(1.0, max(0.0, share)),
        }
