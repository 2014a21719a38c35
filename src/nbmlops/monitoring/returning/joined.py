"""An increment joined to training rows: wrong rows to learn from, and as many of those that were right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.monitoring.returning.increment import CHECK, LEARN, OWN, Increment, half, increment_of, wrong_in
from nbmlops.monitoring.returning.returned import Returned, returned
from nbmlops.registry import sketch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Right", "right_then", "with_increment"]

ALIKE = 0.5  # where so many training rows have a twin, an equal row is no sign of the same one


class Right(NamedTuple):
    """Rows of an increment's time that were right: inputs, truth and half; and how many were wrong then."""

    features: pd.DataFrame
    truth: NDArray[Any]
    learn: NDArray[np.bool_]
    errors: int
    known: int  # rows of that time whose outcome is known
    gone: int  # right rows whose inputs are no longer kept


def with_increment(train: Any, increment: str | Sequence[str], held_out: Any = None, target: str | None = None) -> Any:
    """Return training rows with what is to learn from an increment, and without what is to check with.

    Rows that were wrong, alone, would teach a model to answer the opposite wherever it recognizes their time. So rows
    of that time that were right join them, of the same half and in the proportion there was. Training rows that are
    among these, by what they hold, go first: each comes once, with the truth that is known now. Rows that are also held
    out are not learnt from. Where most training rows have a twin anyway nothing goes, for there an equal row is no sign
    of the same one.

    Parameters
    ----------
    train : pandas.DataFrame
        With the model's inputs and the target.
    increment : str or list of str
        Such as ``"late-flights-increment@2"``.
    held_out : pandas.DataFrame, optional
        Rows that will judge the model.
    target : str, optional
        Column of the truth in ``train``; what the increment calls it when absent.

    Returns
    -------
    pandas.DataFrame
        In the columns of ``train``; what the increment does not have is missing.

    Raises
    ------
    NotFound
        No such data set version, or it is no increment.
    Invalid
        The training rows lack inputs of the increment, or rows that were right lack some: private ones.

    Examples
    --------
    >>> nb.with_increment(train, "late-flights-increment@2", held_out).shape  # doctest: +SKIP
    """
    import pandas as pd

    found = [increment_of(ref) for ref in ([increment] if isinstance(increment, str) else increment)]
    called = target or found[0].target
    added = pd.concat([_both(made, called) for made in found], ignore_index=True)
    inputs = [c for c in added.columns if c not in (*OWN, called)]
    if absent := [c for c in (*inputs, called) if c not in train.columns]:
        raise Invalid(f"The training rows lack {', '.join(absent)}.", "Pass the rows the model is trained on.")
    known, new = sketch.hashes(train[inputs]), sketch.hashes(added[inputs])
    there = np.isin(known, new) if _tells(known) else np.zeros(len(train), dtype=bool)
    chosen = (added["part"] == LEARN).to_numpy(dtype=bool)
    if held_out is not None and len(held_out):
        chosen = chosen & ~np.isin(new, sketch.hashes(held_out[inputs]))
    joined = added.loc[chosen].reindex(columns=train.columns)
    return pd.concat([train[~there], joined], ignore_index=True) if len(joined) else train[~there]


def right_then(made: Increment, case: Returned, most: int | None = None) -> Right:
    """Return the rows of an increment's time that were right, at most so many, drawn by chance.

    Parameters
    ----------
    made : Increment
    case : Returned
        Of its model.
    most : int, optional
    """
    said = _of_then(made, case)
    truth = case.labels(said["outcome"])
    wrong = wrong_in(made, case.labels(said["prediction"]), truth)
    right = np.flatnonzero(~wrong & np.array([t is not None and t == t for t in truth], dtype=bool))
    if most is not None and len(right) > most:
        right = np.sort(np.random.default_rng(0).choice(right, most, replace=False))
    rows, kept = case.inputs_of(said["prediction_id"].iloc[right].tolist())
    features = rows[kept]
    return Right(features, truth[right][kept], half(features), int(wrong.sum()), len(said), int((~kept).sum()))


def _of_then(made: Increment, case: Returned) -> pd.DataFrame:
    """Return the predictions of an increment's time whose outcome is known."""
    said, versions = case.said, [about["version"] for about in made.made_of]
    there = said["version"].isin(versions) & (said["at"] >= made.first_at) & (said["at"] <= made.last_at)
    return said[there & said["outcome"].notna()]


def _both(made: Increment, called: str) -> pd.DataFrame:
    """Return the rows of an increment, and as many that were right as there were of these for each wrong one."""
    import pandas as pd

    rows = made.to_frame().rename(columns={made.target: called})
    found = right_then(made, returned(made.model))
    inputs = [c for c in rows.columns if c not in (*OWN, called)]
    if not len(found.features):
        return rows
    if absent := [c for c in inputs if c not in found.features]:
        raise Invalid(
            f"Rows that were right lack {', '.join(absent)}, and wrong rows alone would teach the opposite.",
            "Private columns are not recorded: join rows of that time, right and wrong ones, by hand.",
        )
    wanted = round(len(found.truth) * min(1.0, made.why.get("wrong", 0) / max(1, found.errors)))
    chosen = np.sort(np.random.default_rng(0).choice(len(found.truth), wanted, replace=False))
    more = found.features[inputs].iloc[chosen].reset_index(drop=True)
    truth = pd.Series(found.truth[chosen].tolist(), dtype=rows[called].dtype)
    more[called], more["part"] = truth, np.where(found.learn[chosen], LEARN, CHECK)
    return pd.concat([rows, more])


def _tells(known: NDArray[np.uint64]) -> bool:
    """Tell whether an equal row is likely the same one."""
    _, counts = np.unique(known, return_counts=True)
    return len(known) == 0 or float(counts[counts > 1].sum()) / len(known) < ALIKE
