"""Predictions of registered models: each has an id an outcome can come back to, and can be asked for again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import Invalid, NbmlopsError
from nbmlops.monitoring.predicting.recorder import Recorder

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion
    from nbmlops.registry.inputs import Checker

__all__ = ["PART_ROWS", "Asker", "predict"]

PART_ROWS = 50_000  # rows the model is asked at once, and of one block


def predict(
    ref: str,
    frame: Any,
    batch: str | None = None,
    key: str | None = None,
    log: bool = True,
    caller: str | None = None,
    key_at: str | None = None,
) -> pd.DataFrame:
    """Return a registered model's predictions, each with an id an outcome can come back to.

    What was said is recorded with what it was said of, without columns the charter calls private, when all of it is
    said. Where it cannot be recorded one warning says so, and the predictions are returned all the same
    (docs/predictions.md).

    Parameters
    ----------
    ref : str
        ``NAME@champion``, ``NAME@3``, or ``NAME`` for the newest.
    frame : pandas.DataFrame of shape (n, columns)
        The columns of the model's signature in any order; others are ignored. polars is as good.
    batch : str, optional
        A label to find these predictions by, such as a month.
    key : str, optional
        The column that names a row in the business, such as a booking's number: an outcome may come back under it.
    log : bool
        False records nothing: no ids, so no outcome can come back, and drift and support see nothing of it.
    caller : str, optional
        For whom; you when absent.
    key_at : str, optional
        A column of time that tells rows of the same key apart.

    Returns
    -------
    pandas.DataFrame
        ``prediction_id`` (missing where nothing is recorded), ``prediction``, ``probability`` (of the positive class
        where there are two, else of the predicted one; missing when the model gives none) and ``version``, on the
        index of ``frame``.

    Raises
    ------
    NotFound
        No such model, or no such column ``key`` or ``key_at``.
    Invalid
        Rows the model cannot answer; the message names every column that is wrong with its first rows, counted from
        0, and ``problems`` lists all. Or the model itself refuses them. Or the key is private.

    Examples
    --------
    >>> nb.predict("late-flights@champion", bookings, batch="2013-04").head()  # doctest: +SKIP
    """
    from nbmlops.registry import inputs, models

    version = models.model_version(ref)
    asker = Asker.of(version, key, key_at)
    table = inputs.table(frame)
    checked = asker.checker.frame(table)
    inputs.refuse(checked.problems, version.ref, asker.checker.names)
    keys = asker.keys(table)
    with Recorder(version, batch, caller, log) as recorder:
        parts = [asker.said(checked.frame, keys, start, recorder) for start in starts(len(table))]
        recorder.keep()
    return _joined(parts, table.index)


def starts(rows: int) -> Iterator[int]:
    """Yield where each part begins; no rows are one part too."""
    yield from range(0, max(rows, 1), PART_ROWS)


@dataclass(frozen=True)
class Asker:
    """A version, what it takes, and the columns that name its rows.

    Attributes
    ----------
    version : ModelVersion
    checker : Checker
    key, key_at : str or None
    """

    version: ModelVersion
    checker: Checker
    key: str | None = None
    key_at: str | None = None

    @classmethod
    def of(cls, version: ModelVersion, key: str | None = None, key_at: str | None = None) -> Asker:
        """Make a version ready to be asked.

        Raises
        ------
        Invalid
            The key is private, or there is only a time.
        """
        from nbmlops.registry import inputs, kept

        if key_at and not key:
            raise Invalid("key_at tells rows of the same key apart, and there is no key.", "Name key= too.")
        for name in {key, key_at} & {*kept.private()}:
            raise Invalid(f"{name} is private in the charter, so no prediction is recorded under it.", "Name another.")
        return cls(version, inputs.checker(version), key, key_at)

    def keys(self, table: pd.DataFrame) -> dict[str, Any]:
        """Return the columns that name rows: ``key`` as it is, ``key_at`` as times in UTC.

        Raises
        ------
        NotFound
            There is no such column.
        Invalid
            A time that is none.
        """
        from nbmlops.quality import look

        look.require(table, self.key, "key")
        look.require(table, self.key_at, "key_at")
        found = {} if self.key is None else {"key": table[self.key]}
        if self.key_at is not None:
            found["key_at"] = times = look.times(table[self.key_at])
            strange = times.isna() | (look.holds(table[self.key_at]) in ("numbers", "booleans"))
            if bad := np.flatnonzero((strange & table[self.key_at].notna()).to_numpy(bool)).tolist():
                raise Invalid(f"{self.key_at} is no time in row {bad[0]}, {len(bad):,} in all.", "Write 2013-12-31.")
        return found

    def ask(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, float]:
        """Return ``prediction`` and ``probability`` of checked rows, and how long that took.

        Raises
        ------
        Invalid
            The model refuses them; in its own words, without them where a column is private.
        """
        import pandas as pd

        from nbmlops.registry import models

        began = time.perf_counter()
        try:
            said, probability = models.in_short(models.asked(self.version, rows))
        except (NbmlopsError, MemoryError):
            raise
        except Exception as error:
            raise self._refused(error) from error
        missing = np.full(len(rows), np.nan)
        found = {"prediction": said, "probability": missing if probability is None else probability}
        return pd.DataFrame(found, index=rows.index), time.perf_counter() - began

    def said(self, rows: pd.DataFrame, keys: dict[str, Any], start: int, recorder: Recorder) -> pd.DataFrame:
        """Return the predictions of one part of checked rows, on their way to be recorded."""
        import pandas as pd

        part = rows.iloc[start : start + PART_ROWS]
        answers, took = self.ask(part)
        names = {name: column.iloc[start : start + PART_ROWS] for name, column in keys.items()}
        ids = recorder.add(answers, part, names, took)
        answers.insert(0, "prediction_id", None if ids is None else pd.Series(ids, answers.index, dtype=object))
        answers["version"] = self.version.version
        return answers

    def _refused(self, error: Exception) -> Invalid:
        hidden = any(not column.shown for column in self.checker.columns)
        first = (str(error).strip() or "without a word").splitlines()[0][:300].rstrip(".")
        words = "" if hidden else f": {first}"
        return Invalid(
            f"{self.version.ref} does not take these rows ({type(error).__name__}){words}.", "Mend the rows."
        )


def _joined(parts: list[pd.DataFrame], index: pd.Index[Any]) -> pd.DataFrame:
    import pandas as pd

    found = parts[0] if len(parts) == 1 else pd.concat(parts)
    return found.set_axis(index, axis=0)
