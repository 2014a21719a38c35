"""Predict the rows of a file of any size: checked, asked, recorded and written in parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.monitoring.predicting.predictions import PART_ROWS, Asker, starts
from nbmlops.monitoring.predicting.recorder import Recorder
from nbmlops.monitoring.predicting.rows import Rows, rows_of
from nbmlops.monitoring.predicting.written import Output, written
from nbmlops.records import Finding, plain

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.registry.inputs import Problem

__all__ = ["Scored", "score"]

OF_COLUMNS = ("missing_column", "duplicate_column")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, repr=False)
class Scored(Shown):
    """Predictions that were written to a file.

    Attributes
    ----------
    notes : tuple of Finding
        Columns that were ignored, categories the model never saw.
    problems : tuple of Finding
        What went wrong without stopping it: predictions that could not be recorded.
    recorded : int
        How many predictions an outcome can come back to.
    """

    shows: ClassVar[str] = "scored"

    model: str
    output: str
    rows: int
    seconds: float
    recorded: int = 0
    batch: str | None = None
    log: bool = True
    notes: tuple[Finding, ...] = ()
    problems: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(plain(self))


def score(
    data: Any,
    ref: str,
    output: str | Path,
    batch: str | None = None,
    key: str | None = None,
    log: bool = True,
    dask: bool = False,
    caller: str | None = None,
    key_at: str | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Predict every row of a file of any size into another one; the same as :func:`nbmlops.predict`, in parts.

    The output appears whole when everything is said, and only then the predictions are recorded: what is killed or
    refused half way leaves neither.

    Parameters
    ----------
    data : path or frame
        A CSV or Parquet file, a folder of Parquet files, or anything that comes in parts.
    ref : str
        ``NAME@champion``, ``NAME@3``, or ``NAME`` for the newest.
    output : path
        A CSV or Parquet file with ``prediction_id``, ``prediction``, ``probability`` and ``version``, behind the key
        where there is one, in the order of the rows.
    batch, key, log, caller, key_at
        As :func:`nbmlops.predict` has them.
    dask : bool
        Read with Dask, one partition at a time: patterns such as ``2013-*.csv``, and addresses.
    progress : callable, optional
        Told how many rows are done, and how many there are (0 where that is not known).

    Raises
    ------
    NotFound
        No such file, model or key.
    Invalid
        Rows the model cannot answer: all are listed in ``problems``, counted from 1 behind a file's header.

    Examples
    --------
    >>> nb.score("2013-12.csv", "late-flights@champion", "scored.csv", batch="2013-12").rows  # doctest: +SKIP
    28135
    """
    from nbmlops.registry import models

    began, target = time.perf_counter(), Path(output)
    asker = Asker.of(models.model_version(ref), key, key_at)
    rows = _rows(data, asker, dask)
    if isinstance(data, (str, Path)) and target.exists() and Path(data).exists() and target.samefile(data):
        raise Invalid(f"{target} is the file to be scored.", "Give the output another name.")
    scoring = _Scoring(asker, rows, progress)
    with Recorder(asker.version, batch, caller, log) as recorder, written(target, recorder.keep) as out:
        scoring.run(recorder, out)
    fault = (Finding("not_recorded", "issue", recorder.fault),) if recorder.fault else ()
    took = time.perf_counter() - began
    notes = scoring.notes()
    return Scored(asker.version.ref, str(output), scoring.done, took, recorder.rows, batch, recorder.log, notes, fault)


def _rows(data: Any, asker: Asker, dask: bool) -> Rows:
    names = [n for n in (asker.key, asker.key_at) if n]
    texts = [c.name for c in asker.checker.columns if c.kind == "category"]
    return rows_of(data, [*asker.checker.names, *names], [*texts, *names], PART_ROWS, dask)


@dataclass
class _Scoring:
    """One pass over rows: what was done, and what was seen on the way."""

    asker: Asker
    rows: Rows
    progress: Progress | None = None
    done: int = 0
    problems: list[Problem] = field(default_factory=list)
    seen: list[Finding] = field(default_factory=list)

    def run(self, recorder: Recorder, out: Output) -> None:
        """Answer all rows; after the first that cannot be, the others are only checked.

        Raises
        ------
        Invalid
            With every problem there is.
        """
        from nbmlops.registry import inputs

        checker = self.asker.checker
        if self.rows.columns:
            self.seen += checker.extra(n for n in self.rows.columns if n not in (self.asker.key, self.asker.key_at))
            inputs.refuse(checker.twice(self.rows.columns), checker.model, checker.names, self.rows.name)
        for frame in self.rows.frames():
            self._part(inputs.table(frame), recorder, out)
        inputs.refuse(inputs.joined(self.problems), checker.model, checker.names, self.rows.name)

    def notes(self) -> tuple[Finding, ...]:
        """Return what is worth knowing, of all parts together."""
        from nbmlops.registry import inputs

        return inputs.merged(self.seen)

    def _part(self, frame: pd.DataFrame, recorder: Recorder, out: Output) -> None:
        from nbmlops.registry import inputs

        checker = self.asker.checker
        checked = checker.frame(frame, first=self.rows.first + self.done, texts=self.rows.texts)
        if any(p.row is None and p.code in OF_COLUMNS for p in checked.problems):  # so it is in every part
            raise inputs.refused(checked.problems, checker.model, checker.names, self.rows.name)
        self.problems = [*inputs.joined([*self.problems, *checked.problems])]  # few are listed, the others counted
        known = {c for note in self.seen if note.code == "extra_columns" for c in note.detail["columns"]}
        self.seen += [n for n in checked.notes if n.code != "extra_columns" or not known]
        if not self.problems:
            self._answered(frame, checked.frame, recorder, out)
        self.done += len(frame)
        if self.progress is not None:
            self.progress(self.done, self.rows.total)

    def _answered(self, frame: pd.DataFrame, rows: pd.DataFrame, recorder: Recorder, out: Output) -> None:
        keys = self.asker.keys(frame)
        for start in starts(len(rows)):
            found = self.asker.said(rows, keys, start, recorder)
            if self.asker.key:
                found.insert(0, self.asker.key, keys["key"].iloc[start : start + PART_ROWS].to_numpy())
            out.add(found)
