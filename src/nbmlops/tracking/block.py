"""What a ``with nb.run`` block or a tracked function fits and measures: the same as in a tracked cell."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

from nbmlops.capture import estimators, watch
from nbmlops.capture.settings import outline
from nbmlops.tracking import keeping
from nbmlops.tracking.machine import note, warn_once
from nbmlops.tracking.opened import OpenRun, project
from nbmlops.tracking.seen import Seen

__all__ = ["Block"]

LIBRARIES = ("nbmlops.", "contextlib")


class Block:
    """Watches the block of one run.

    Parameters
    ----------
    run : OpenRun
    """

    def __init__(self, run: OpenRun) -> None:
        self.run, self.seen = run, Seen(run, warn_once)

    def watching(self) -> AbstractContextManager[None]:
        """Report what the block does to its run."""
        return watch.watching(self.seen)

    def about(self) -> dict[str, Any]:
        """Write what was seen; return what the run's end says of it. A fault is one warning."""
        defaults: dict[str, Any] = {}
        try:
            if self.seen.fits:
                note(self.run.run_id, project().root)
                defaults = self.seen.models(self._names(), {})
                self.seen.write_peak()
            self.seen.write_files()
        except Exception as error:
            warn_once(error)
        return {"defaults": defaults} if defaults else {}

    def keep(self) -> None:
        """Save the model, after everything else is safe."""
        if not self.seen.fits:
            return
        first = self.seen.fits[0].estimator
        try:
            if project().setting("capture", "models", True):
                name = self._names().get(id(first)) or outline(first).partition("(")[0]
                keeping.keep_model(self.run.run_id, first, name)
            estimators.remember(self.run.run_id, self.seen.fits)
        except Exception as error:
            warn_once(error)

    def _names(self) -> dict[int, str]:
        """Return the variables of whoever wrote the block, by the ids of their values."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(LIBRARIES):
            frame = frame.f_back
        return {} if frame is None else {id(v): n for n, v in frame.f_locals.items() if not n.startswith("_")}
