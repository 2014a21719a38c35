"""What a tracked cell shows: kept as it goes by, and one card, which is redrawn in place while metrics are logged."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nbmlops.capture import watch
from nbmlops.tracking import session
from nbmlops.tracking.machine import warn_once
from nbmlops.tracking.runs import Run

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbmlops.tracking.cell import TrackedCell

__all__ = ["go_live", "show", "watch_outputs"]

EVERY_S = 0.25  # at most four times a second
FIRST_S = 1.0  # a loop that is over before needs no live card


def watch_outputs(shell: InteractiveShell) -> None:
    """Let what is printed and displayed go by the sink of its cell, until the last tracked cell has ended."""
    _hook(shell.display_pub, "publish", _published)
    if hasattr(shell, "kernel"):  # a terminal prints its results, and what is printed is seen anyway
        _hook(shell.displayhook, "write_format_data", _published)
    for name in ("stdout", "stderr"):
        _hook(getattr(sys, name), "write", functools.partial(_written, name))


def go_live(shell: InteractiveShell, cell: TrackedCell) -> None:
    """Show a card that grows while the cell logs, where a front end can redraw it."""
    if hasattr(shell, "kernel") and cell.run is not None:
        cell.run.listener = _Live(cell).logged


def show(cell: TrackedCell, run: Run) -> None:
    """Show the card of a run that ended, in the place of the live one."""
    from IPython.display import display

    live = getattr(getattr(cell.run, "listener", None), "__self__", None)
    if live is not None and live.handle is not None:
        live.handle.update(run)
    else:
        display(run)


class _Live:
    """One card, redrawn in place."""

    def __init__(self, cell: TrackedCell) -> None:
        self.cell = cell
        self.handle: Any = None
        self.thread = threading.get_ident()
        self.next_at = time.monotonic() + FIRST_S

    def logged(self) -> None:
        """Redraw, when it is time; only from the cell's own thread."""
        now = time.monotonic()
        if now < self.next_at or threading.get_ident() != self.thread or self.cell.run is None:
            return
        self.next_at = now + EVERY_S
        try:
            self._draw(Run(session.as_run(self.cell.run) | {"findings": []}))
        except Exception as error:
            warn_once(error)

    def _draw(self, run: Run) -> None:
        from IPython.display import display

        if self.handle is None:
            self.handle = display(run, display_id=True)
        else:
            self.handle.update(run)


def _hook(target: Any, name: str, make: Callable[..., Any]) -> None:
    def once(original: Any) -> Any:
        if getattr(original, "watched_by_nbmlops", False):
            return None
        replacement = make(getattr(target, name))
        replacement.watched_by_nbmlops = True
        return replacement

    try:
        watch.hook(target, name, once)
    except (AttributeError, TypeError):  # a stream that takes no attribute is not watched
        return


def _published(original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def published(data: Any, *args: Any, **kwargs: Any) -> Any:
        _tell("shown", data)
        return original(data, *args, **kwargs)

    return published


def _written(stream: str, original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def write(text: Any, *args: Any, **kwargs: Any) -> Any:
        _tell("printed", stream, text)
        return original(text, *args, **kwargs)

    return write


def _tell(what: str, *about: Any) -> None:
    sink = watch.sink()
    if sink is None or not isinstance(about[-1], (str, dict)):
        return
    try:
        getattr(sink, what)(*about)
    except Exception as error:
        sink.error(error)
