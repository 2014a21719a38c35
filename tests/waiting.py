"""Waiting for what other processes and threads do: until it is so, and never for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

POLL_S = 0.01


def until(true: Callable[[], Any], seconds: float = 60.0, process: Any = None) -> Any:
    """Return what a question answers as soon as that is anything; fail when it takes too long or the process ended."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert process is None or process.poll() is None, f"the process ended: {process.communicate()}"
        assert time.monotonic() < end, f"not so after {seconds:g} s"
        time.sleep(POLL_S)
    return found
