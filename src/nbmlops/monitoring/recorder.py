"""Keep what a model says while it says more: a thread packs and stores blocks, the journal learns of them at the end.

A block's file is stored before the event that names it is written, and the events of one call come after all of its
answers. So what is killed in between leaves files nobody names, which ``nbmlops store gc`` takes away, never a block
without its file; and what fails half way records nothing.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nbmlops.capture import environment
from nbmlops.config import disabled
from nbmlops.errors import NbmlopsError, tell
from nbmlops.monitoring import blocks
from nbmlops.records import ids_of_block, new_block, now
from nbmlops.store import waiting
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion

__all__ = ["Recorder", "keeps_inputs"]

WAITING = 2  # blocks on their way: more would only take memory
Json = dict[str, Any]


def keeps_inputs() -> bool:
    """Return whether what predictions are made of is kept: ``[predictions] inputs``, on by default."""
    return bool(session.project().setting("predictions", "inputs", True))


class Recorder:
    """The predictions of one call on their way to the store; used with ``with``.

    What cannot be recorded fails no prediction: one warning says so, and nothing of the call is recorded.

    Parameters
    ----------
    version : ModelVersion
    batch, caller : str, optional
    log : bool
        False records nothing and gives no ids; nor does ``NBMLOPS_DISABLED=1``.

    Attributes
    ----------
    rows : int
        How many predictions were recorded; known behind :meth:`keep`.
    fault : str
        Why none were.
    """

    def __init__(
        self, version: ModelVersion, batch: str | None = None, caller: str | None = None, log: bool = True
    ) -> None:
        from nbmlops.registry import kept

        self.log = log and not disabled()
        self.rows, self.fault = 0, ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nbmlops-recorder") if self.log else None
        self._underway: deque[Future[Json]] = deque()
        self._events: list[Json] = []
        self._private = kept.private() if self.log else ()
        self._inputs = self.log and keeps_inputs()
        self._about = self._of(version, batch, caller) if self.log else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the thread; what was not kept by :meth:`keep` is forgotten."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def add(
        self,
        answers: pd.DataFrame,
        rows: pd.DataFrame,
        keys: dict[str, Any] | None = None,
        latency_s: float | None = None,
    ) -> list[str] | None:
        """Take in what was said of rows, as one block; return its ids, None where nothing is recorded.

        Parameters
        ----------
        answers : DataFrame of shape (n, 2)
            ``prediction`` and ``probability``.
        rows : DataFrame of shape (n, columns)
            What it was said of; private columns are left out.
        keys : dict, optional
            ``key`` and ``key_at``: columns that name the rows in the business.
        latency_s : float, optional
        """
        if self._thread is None or answers.empty:
            return None if self._thread is None else []
        if len(self._underway) >= WAITING:
            self._settle()
        first, count = new_block(), len(answers)
        columns: Json = {"value": answers["prediction"], "probability": answers["probability"], **(keys or {})}
        columns["inputs"] = rows.drop(columns=[c for c in self._private if c in rows]) if self._inputs else None
        ids = ids_of_block(first, count)
        about = {"prediction_id": first, "last_id": ids[-1], "rows": count, "at": now(), "latency_s": latency_s}
        self._underway.append(self._thread.submit(_stored, {**self._about, **about}, columns))
        return ids

    def keep(self) -> int:
        """Record everything that was added, and return how many predictions that are."""
        while self._underway:
            self._settle()
        if self.fault:
            tell(
                f"These predictions are not recorded: {self.fault.rstrip('.')}. No outcome can come back to their ids, "
                "and drift and support see nothing of them."
            )
            return 0
        for event in self._events:
            session.write(event)
        self.rows = sum(event["rows"] for event in self._events)
        self._events = []
        return self.rows

    def _settle(self) -> None:
        """Wait for the oldest block; a fault is remembered, and what follows is not stored."""
        done = self._underway.popleft()
        if self.fault:
            done.cancel()
            return
        try:
            self._events.append(done.result())
        except (NbmlopsError, OSError) as error:
            self.fault = error.message if isinstance(error, NbmlopsError) else str(error)

    def _of(self, version: ModelVersion, batch: str | None, caller: str | None) -> Json:
        opened = session.current()
        return {
            "t": "prediction",
            "model": version.name,
            "version": version.version,
            "batch": batch,
            "run_id": opened.run_id if opened else None,
            "caller": caller or environment.actor()[0],
            "inputs": int(self._inputs),
        }


def _stored(about: Json, columns: Json) -> Json:
    """Return the event of a block: its columns in itself where they are few, else in a file that is stored now."""
    if about["rows"] <= blocks.FEW:
        return {**about, "data": blocks.plainly(columns), "digest": None}
    digest, _ = waiting.keep(session.artifacts(), blocks.packed(columns))
    return {**about, "data": None, "digest": digest}
