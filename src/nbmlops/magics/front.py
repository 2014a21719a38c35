"""Whether somebody looks at this kernel, and how they are shown something after their cell has ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.process import JOB_CELL

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Below", "cell_of", "hint", "is_live"]

HINT = "nbmlops: begin a cell with %%track NAME to keep it as a run; %nbmlops lists the rest. (Said once.)"


def is_live(shell: InteractiveShell) -> bool:
    """Tell whether a front end with widgets runs this cell: what executes notebooks names no cell."""
    if not hasattr(shell, "kernel") or os.environ.get("NBMLOPS_RUN_ID"):
        return False
    request: Any = shell.get_parent()  # type: ignore[attr-defined]
    return "cellId" in (request.get("metadata") or {}) or "google.colab" in sys.modules


def cell_of(shell: InteractiveShell, code: str) -> str | None:
    """Return the id of the cell a job executes, where this is its code; a front end's is IPython's to know."""
    request: Any = getattr(shell, "get_parent", dict)() or {}
    if request.get("content", {}).get("code") != code:  # what a cell runs in turn is no cell
        return None
    return request.get("metadata", {}).get(JOB_CELL) or None


def hint(shell: InteractiveShell) -> None:
    """Say how to begin, once for each user of this machine, and only where somebody looks."""
    if not is_live(shell):
        return
    told = Path(shell.ipython_dir) / "nbmlops_hint"
    with suppress(OSError):  # where it cannot be kept that it was said, nothing is
        told.touch(exist_ok=False)
        print(HINT)  # noqa: T201


class Below:
    """The place below a cell that has ended: what is printed and displayed there is kept in the notebook."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell: Any = shell
        self.request = shell.get_parent()  # type: ignore[attr-defined]
        self.handles: list[Any] = []

    @contextmanager
    def here(self) -> Iterator[None]:
        """Send what is printed and displayed below the cell, for a while."""
        before = self.shell.get_parent()
        self.shell.set_parent(self.request)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            self.shell.set_parent(before)

    def show(self, *shown: Any) -> None:
        """Show some things, in the place of those that were shown before."""
        from IPython.display import display

        with self.here():
            if len(self.handles) == len(shown):
                for handle, one in zip(self.handles, shown, strict=True):
                    handle.update(one)
            else:
                self.handles = [display(one, display_id=True) for one in shown]
