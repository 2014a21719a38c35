"""What was predicted, read back: one row a prediction, with what it was made of and what came true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nbmlops.monitoring import blocks as contents
from nbmlops.records import in_block
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.store.predictions import Block

__all__ = ["Predicted", "content", "frame_of", "predicted"]

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

    made = stored.blocks(session.store(), model, version, batch, after, until)
    found = frame_of(made, inputs)
    return found._replace(said=_with_outcomes(found.said, stored.feedback_of(session.store(), made)))


def frame_of(made: Iterable[Block], inputs: bool = False) -> Predicted:
    """Return the predictions of blocks, without what came true."""
    import pandas as pd

    contents_of = [(block, content(block)) for block in made]
    parts = [_said(block, columns) for block, columns in contents_of]
    said = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(OWN))
    if not inputs:
        return Predicted(said)
    kept = [_inputs(block, columns["inputs"]) for block, columns in contents_of]
    return Predicted(said, pd.concat(kept, ignore_index=True) if kept else pd.DataFrame())


def content(block: Block) -> dict[str, Any]:
    """Return the columns of a block (see :func:`blocks.unpacked`)."""
    kept = block.data if block.digest is None else session.artifacts().get(block.digest)
    return contents.unpacked(kept or {})


def _said(block: Block, columns: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    missing = pd.Series([None] * block.rows)
    return pd.DataFrame(
        {
            "prediction_id": [in_block(block.prediction_id, n) for n in range(block.rows)],
            "prediction": columns["value"].astype(object),
            "probability": columns.get("probability", missing).astype(float),
            "version": block.version,
            "at": block.at,
            "batch": block.batch,
            **{name: columns.get(name, missing).astype(object) for name in ("key", "key_at")},
        }
    )


def _inputs(block: Block, inputs: pd.DataFrame | None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(index=range(block.rows)) if inputs is None else inputs


def _with_outcomes(found: pd.DataFrame, came: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return predictions with the newest outcome of each."""
    newest = {row["prediction_id"]: row["outcome"] for row in came}  # oldest first: the last one stays
    ids = found["prediction_id"]
    return found.assign(outcome=ids.map(newest).astype(object).where(ids.isin(newest.keys()), None))
