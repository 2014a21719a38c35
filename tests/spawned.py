"""Processes for the tests that share nothing with this one."""

from __future__ import annotations

import multiprocessing
import sys


def spawning():
    """Return a context whose processes begin anew, also where a shell of another test took __main__'s place."""
    main = sys.modules["__main__"]
    if not hasattr(main, "__spec__"):
        main.__spec__ = None
    return multiprocessing.get_context("spawn")
