"""Keep what a model says while it says more: a thread packs and stores blocks, the journal learns of them at the end.

A block's file is stored before the event that names it is written, and one event with all blocks of a call comes after
all of its answers. So what is killed in between leaves files nobody names, which ``nbmlops store gc`` takes away, never
a block without its file; and what fails half way records nothing.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nbmlops.capture import environment
from nbmlops.config import disabled
from nbmlops.errors import NbmlopsError, tell
from nbmlops.monitoring.predicting import blocks
from nbmlops.monitoring.predicting.behind import Behind
from nbmlops.records import ids_of_block, new_block, now
from nbmlops.store import waiting
from nbmlops.tracking import opened, session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion

__all__ = ["Recorder", "keeps_inputs"]

Json = dict[str, Any]
MOST_IN_PLACE = 100  # blocks of one event that hold their columns: it has to fit into one record of the journal


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
        self._added = 0
        self._behind = Behind("recorder") if self.log else None
        self._private = kept.private() if self.log else ()
        self._inputs = self.log and keeps_inputs()
        self._about = self._of(version, batch, caller) if self.log else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the thread; what was not kept by :meth:`keep` is forgotten."""
        if self._behind is not None:
            self._behind.close()

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
        if self._behind is None:
            return None
        if answers.empty:
            return []
        first, count = new_block(), len(answers)
        columns: Json = {"value": answers["prediction"], "probability": answers["probability"], **(keys or {})}
        columns["inputs"] = rows.drop(columns=[c for c in self._private if c in rows]) if self._inputs else None
        ids = ids_of_block(first, count)
        about = {"prediction_id": first, "last_id": ids[-1], "rows": count, "at": now(), "latency_s": latency_s}
        self._added += 1
        self._store(about, columns)
        return ids

    def keep(self) -> int:
        """Record everything that was added, and return how many predictions that are."""
        found = self._stored_blocks()
        try:
            if found:
                opened.keep({**self._about, **(found[0] if len(found) == 1 else {"blocks": found})})
            self.rows = sum(block["rows"] for block in found)
        except (NbmlopsError, OSError) as error:
            self.fault = _said(error)
        if self.fault:
            tell(
                f"These predictions are not recorded: {self.fault.rstrip('.')}. No outcome can come back to their ids, "
                "and drift and support see nothing of them."
            )
        return self.rows

    def _store(self, about: Json, columns: Json) -> None:
        """Hand a block over; after a fault there is nothing more to store."""
        if self._behind is None or self.fault:
            return
        try:
            self._behind.do(_stored, about, columns, self._added <= MOST_IN_PLACE)
        except Exception as error:  # whatever it is: the answers are there all the same
            self.fault = _said(error)

    def _stored_blocks(self) -> list[Json]:
        """Return all blocks once they are stored, none after a fault."""
        if self._behind is None or self.fault:
            return []
        try:
            return self._behind.results()
        except Exception as error:  # whatever it is: the answers are there all the same
            self.fault = _said(error)
            return []

    def _of(self, version: ModelVersion, batch: str | None, caller: str | None) -> Json:
        run = session.current()
        return {
            "t": "prediction",
            "model": version.name,
            "version": version.version,
            "batch": batch,
            "run_id": run.run_id if run else None,
            "caller": caller or environment.actor()[0],
            "inputs": int(self._inputs),
        }


def _stored(about: Json, columns: Json, in_place: bool) -> Json:
    """Return a block for the journal: its columns in itself where they are few, else in a file that is stored now."""
    if in_place and about["rows"] <= blocks.FEW:
        return {**about, "data": blocks.plainly(columns), "digest": None}
    digest, _ = waiting.keep(session.artifacts(), blocks.packed(columns))
    return {**about, "data": None, "digest": digest}


def _said(error: Exception) -> str:
    if isinstance(error, (NbmlopsError, OSError)):
        return error.message if isinstance(error, NbmlopsError) else str(error)
    return f"their record cannot be made ({type(error).__name__})"  # its own words could hold values of rows
