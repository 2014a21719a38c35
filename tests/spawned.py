"""Processes for the tests that share nothing with this one."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[1])


def spawning():
    """Return a context whose processes begin anew, also where a shell of another test took __main__'s place.

    They import the test's module by its name from the root, which is on the path of ``python -m pytest`` alone.
    """
    main = sys.modules["__main__"]
    if not hasattr(main, "__spec__"):
        main.__spec__ = None
    if ROOT not in sys.path:
        sys.path.append(ROOT)
    return multiprocessing.get_context("spawn")
