"""What was predicted, read back: one row a prediction, with what it was made of and what came true."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from nbmlops.monitoring.predicting import blocks as contents
from nbmlops.records import in_block
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.store.predictions import Block

__all__ = ["Predicted", "came", "content", "frame_of", "joined", "known_late", "predicted"]

OWN = ("prediction_id", "prediction", "probability", "version", "at", "batch", "key", "key_at")


class Predicted(NamedTuple):
    """What a model said, one row a prediction, and what it was said of, in the same rows.

    ``said`` holds ``prediction_id``, ``prediction``, ``probability``, ``version``, ``at``, ``batch``, ``key``,
    ``key_at`` and ``outcome`` (missing where none came). ``inputs`` is None unless it was asked for; rows of which
    the inputs are no longer kept are missing in it.
    """

    said: pd.DataFrame
    inputs: pd.DataFrame | None = None


def predicted(
    model: str,
    version: int | None = None,
    batch: str | None = None,
    after: str | None = None,
    until: str | None = None,
    inputs: bool = False,
) -> Predicted:
    """Return what a model said, oldest first, with the newest outcome of each prediction.

    Parameters
    ----------
    model : str
    version : int, optional
    batch : str, optional
        The label the predictions were made under, such as a month.
    after, until : str, optional
        Only those made after the one time, and not after the other.
    inputs : bool
        Also what it was said of.

    Examples
    --------
    >>> predicted("late-flights", batch="2013-12").said.shape  # doctest: +SKIP
    (28135, 9)
    """
    from nbmlops.store import predictions as stored

    which = (model, version, batch, after, until)
    found = frame_of(stored.blocks(session.store(), *which), inputs)
    return found._replace(said=_with_outcomes(found.said, came(*which)))


def came(
    model: str,
    version: int | None = None,
    batch: str | None = None,
    after: str | None = None,
    until: str | None = None,
    kind: str | None = "outcome",
) -> list[dict[str, Any]]:
    """Return what came back for the predictions that :func:`predicted` would return, oldest first.

    What named a key of which no prediction was known belongs to the prediction of that key by now; of the model's, for
    all that is known here, and may be none of those asked for.
    """
    from nbmlops.store import predictions as stored

    found = stored.feedback_of(session.store(), model, version, batch, after, until, kind)
    late = [row for row in joined(model, kind) if row["prediction_id"]]
    return sorted([*found, *late], key=lambda row: row["id"]) if late else found


def known_late(model: str) -> list[str]:
    """Return the predictions of a model that were not known yet when an outcome came under their key."""
    return [row["prediction_id"] for row in joined(model, "outcome") if row["prediction_id"]]


def joined(model: str, kind: str | None = None, among: Container[str] | None = None) -> list[dict[str, Any]]:
    """Return what named a key of which no prediction was known, each with the id of that prediction by now, or none.

    Parameters
    ----------
    model : str
    kind : str, optional
        Any kind when absent.
    among : container of str, optional
        Only what names one of these keys.
    """
    from nbmlops.store import predictions as stored

    rows = [row for row in stored.unmatched(session.store(), model, kind) if among is None or row["key"] in among]
    if not rows:
        return []
    import pandas as pd

    from nbmlops.monitoring.returning.matching import matched, moments

    keys = pd.Series([row["key"] for row in rows], dtype=object).to_numpy()
    ids = matched(model, keys, moments(pd.Series([row["key_at"] for row in rows], dtype=object)))
    return [{**row, "prediction_id": i} for row, i in zip(rows, ids, strict=True)]


def frame_of(made: Iterable[Block], inputs: bool = False) -> Predicted:
    """Return the predictions of blocks, without what came true."""
    import pandas as pd

    # a file is named by what it holds: the same rows scored twice are two blocks of one file
    lots = groupby(made, key=lambda block: block.prediction_id if block.digest else None)
    parts = [_part(list(some), inputs) for _, some in lots]
    if not parts:
        return Predicted(pd.DataFrame(columns=list(OWN)), pd.DataFrame() if inputs else None)
    said = pd.concat([part.said for part in parts], ignore_index=True)
    return Predicted(said, pd.concat([p.inputs for p in parts], ignore_index=True) if inputs else None)


def content(block: Block) -> dict[str, Any]:
    """Return the columns of a block (see :func:`blocks.unpacked`)."""
    return contents.unpacked(session.artifacts().get(block.digest) if block.digest else block.data or {})


def _part(some: list[Block], inputs: bool) -> Predicted:
    """Return the predictions of one block with a file, or of many small ones at once: a service makes one a request."""
    import pandas as pd

    columns = content(some[0]) if some[0].digest else contents.unpacked(_merged(some, inputs))
    spread = [(block, place) for block in some for place in range(block.rows)]
    missing = pd.Series([None] * len(spread))
    said = pd.DataFrame(
        {
            "prediction_id": [in_block(block.prediction_id, place) for block, place in spread],
            "prediction": columns["value"].astype(object),
            "probability": columns.get("probability", missing).astype(float),
            **{name: [getattr(block, name) for block, _ in spread] for name in ("version", "at", "batch")},
            **{name: columns.get(name, missing).astype(object) for name in ("key", "key_at")},
        }
    )
    if not inputs:
        return Predicted(said)
    return Predicted(said, pd.DataFrame(index=said.index) if columns["inputs"] is None else columns["inputs"])


def _merged(some: list[Block], inputs: bool) -> dict[str, Any]:
    """Return small blocks as the JSON of one; what one of them does not have is missing there."""
    every = [(block.data or {}, block.rows) for block in some]
    names = {name for data, _ in every for name in data if name != "inputs"}
    found: dict[str, Any] = {name: _chained(((data.get(name), rows) for data, rows in every)) for name in names}
    if inputs:
        kept = [(data.get("inputs") or {}, rows) for data, rows in every]
        columns = dict.fromkeys(name for data, _ in kept for name in data)
        found["inputs"] = {name: _chained(((data.get(name), rows) for data, rows in kept)) for name in columns}
    return found


def _chained(parts: Iterable[tuple[list[Any] | None, int]]) -> list[Any]:
    return [value for values, rows in parts for value in (values or [None] * rows)]


def _with_outcomes(found: pd.DataFrame, came: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return predictions with the newest outcome of each."""
    newest = {row["prediction_id"]: row["outcome"] for row in came}  # oldest first: the last one stays
    import pandas as pd

    outcomes = [newest.get(i) for i in found["prediction_id"]]
    return found.assign(outcome=pd.Series(outcomes, index=found.index, dtype=object))
