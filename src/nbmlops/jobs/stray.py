"""What a kernel's process prints past its protocol: it must not mix with the runner's own output, nor tell secrets."""

from __future__ import annotations

import os
import threading
from typing import Self

from nbmlops.jobs.progress import Tail

__all__ = ["Stray"]

BLOCK_BYTES = 1 << 16


class Stray:
    """Takes what comes through a pipe and keeps the end of it: a crash says there where it happened.

    Examples
    --------
    >>> with Stray() as stray:
    ...     _ = os.write(stray.fd, b"Fatal Python error: Segmentation fault")
    >>> stray.tail.lines()
    ['Fatal Python error: Segmentation fault']
    """

    def __init__(self) -> None:
        self.tail = Tail()

    def __enter__(self) -> Self:
        self._read, self.fd = os.pipe()
        self._thread = threading.Thread(target=self._take, name="nbmlops-stray", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        self._thread.join(0.2)  # a process the kernel left behind may hold the pipe for long

    def shut(self) -> None:
        """Close our end for writing: the kernel has its own."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def settled(self) -> list[str]:
        """Return the last lines of a process that ended."""
        self.shut()
        self._thread.join(0.2)
        return self.tail.lines(20)

    def _take(self) -> None:
        with open(self._read, "rb", buffering=0) as file:  # noqa: PTH123  # a number
            while block := file.read(BLOCK_BYTES):
                self.tail.take(block.decode("utf-8", "replace"))
