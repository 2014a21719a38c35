"""An increment joined to training rows: wrong rows to learn from, and as many of those that were right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.monitoring.returning.increment import CHECK, LEARN, OWN, Increment, half, increment_of, wrong_in
from nbmlops.monitoring.returning.judges import judged, twice
from nbmlops.monitoring.returning.labelled import FLAGS, with_labels
from nbmlops.monitoring.returning.returned import Returned, returned
from nbmlops.monitoring.returning.truths import truths
from nbmlops.registry import sketch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALIKE", "Right", "right_then", "with_increment"]

ALIKE = 0.5  # where so many training rows have a twin, an equal row is no sign of the same one


class Then(NamedTuple):
    """Predictions of the time of increments whose truth is known: each once, and none that judged a model."""

    said: pd.DataFrame  # prediction_id, version, at
    features: pd.DataFrame
    answers: NDArray[Any]
    truth: NDArray[Any]
    gone: int  # those whose inputs are no longer kept


class Right(NamedTuple):
    """Rows of an increment's time that were right: inputs, truth and half; and how many were wrong then."""

    features: pd.DataFrame
    truth: NDArray[Any]
    learn: NDArray[np.bool_]
    errors: int
    known: int  # rows of that time whose truth is known
    gone: int  # and those whose inputs are no longer kept


def with_increment(train: Any, increment: str | Sequence[str], held_out: Any = None, target: str | None = None) -> Any:
    """Return training rows with what is to learn from an increment, and without what is to check with.

    Rows that were wrong, alone, would teach a model to answer the opposite wherever it recognizes their time. So rows
    of that time that were right, by an outcome or because experts agree, join them: of the same half and in the
    proportion there was. Each comes once, in whatever increments it is, with the truth that is known now; rows that
    judge the model, or are also held out, do not come. Training rows that equal one to check with go, and those that
    equal one to learn from: these stay where at least half of the training rows have a twin anyway, for there an equal
    row is no sign of the same one.

    ``flags:flights@7`` stands for the rows of a kept data set that accepted flags say a value of: training rows that
    equal one get this label, and one that is not there joins, unless it is held out. Then ``target`` is needed.

    Parameters
    ----------
    train : pandas.DataFrame
        With the model's inputs and the target.
    increment : str or list of str
        Such as ``"late-flights-increment@2"``, or ``"flags:flights@7"``.
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
        The training rows lack inputs of the increment, no row of that time is known to be right, or those that were
        lack inputs: private ones.

    Examples
    --------
    >>> nb.with_increment(train, "late-flights-increment@2", held_out).shape  # doctest: +SKIP
    """
    import pandas as pd

    refs = [increment] if isinstance(increment, str) else [*increment]
    found = [increment_of(ref) for ref in refs if not ref.startswith(FLAGS)]
    for ref in (ref for ref in refs if ref.startswith(FLAGS)):
        train = with_labels(train, ref.removeprefix(FLAGS), target or (found[0].target if found else None), held_out)
    if not found:
        return train
    found.sort(key=lambda made: made.at)
    called = target or found[0].target
    added = _added(found, called)
    inputs = [c for c in added.columns if c not in (*OWN, called)]
    if absent := [c for c in (*inputs, called) if c not in train.columns]:
        raise Invalid(f"The training rows lack {', '.join(absent)}.", "Pass the rows the model is trained on.")
    known, new = sketch.hashes(train[inputs]), sketch.hashes(added[inputs])
    chosen = (added["part"] == LEARN).to_numpy(dtype=bool)
    there = np.isin(known, new if _tells(known) else new[~chosen])
    if held_out is not None and len(held_out):
        chosen = chosen & ~np.isin(new, sketch.hashes(held_out[inputs]))
    joined = added.loc[chosen].reindex(columns=train.columns)
    return pd.concat([train[~there], joined], ignore_index=True) if len(joined) else train[~there]


def right_then(made: Increment, case: Returned, rows: pd.DataFrame, most: int | None = None) -> Right:
    """Return the rows of an increment's time that were right, at most so many, drawn by chance.

    Parameters
    ----------
    made : Increment
    case : Returned
        Of its model.
    rows : DataFrame
        Those of the increment.
    most : int, optional
    """
    then = _then([made], case, rows)
    wrong = wrong_in(made, then.answers, then.truth)
    right = np.flatnonzero(~wrong)
    if most is not None and len(right) > most:
        right = np.sort(np.random.default_rng(0).choice(right, most, replace=False))
    features = then.features.iloc[right]
    return Right(features, then.truth[right], half(features), int(wrong.sum()), len(wrong), then.gone)


def _then(found: Sequence[Increment], case: Returned, rows: pd.DataFrame) -> Then:
    """Return the predictions of the time of increments; of rows that are there twice the one in the increments."""
    truth, there, *_ = truths(case)
    there = there & np.logical_or.reduce([_in_time(made, case.said) for made in found])
    said, truth = case.said[there], truth[there]
    features, kept = case.inputs_of(said["prediction_id"].tolist())
    said, truth, features = said[kept].reset_index(drop=True), truth[kept], features[kept].reset_index(drop=True)
    drop = judged(case, features)[0]
    features = features[[c for c in rows.columns if c in features]]  # halves are of these, in this order
    drop |= twice(features, said.assign(truth=truth), said["prediction_id"].isin(rows["prediction_id"]).to_numpy(bool))
    answers = case.labels(said["prediction"])
    return Then(said[~drop], features[~drop], answers[~drop], truth[~drop], int((~kept).sum()))


def _in_time(made: Increment, said: pd.DataFrame) -> NDArray[np.bool_]:
    versions = [about["version"] for about in made.made_of]
    there = said["version"].isin(versions) & (said["at"] >= made.first_at) & (said["at"] <= made.last_at)
    return there.to_numpy(dtype=bool)


def _added(found: Sequence[Increment], called: str) -> pd.DataFrame:
    """Return the rows of increments, each as it is in the last one, and those that were right."""
    import pandas as pd

    frames = [made.to_frame().rename(columns={made.target: called}) for made in found]
    rows = pd.concat(frames, ignore_index=True).drop_duplicates("prediction_id", keep="last")
    more: list[pd.DataFrame] = []
    for model in dict.fromkeys(made.model for made in found):
        more += _right([made for made in found if made.model == model], rows, called)
    return pd.concat([rows, *more], ignore_index=True)


def _right(found: Sequence[Increment], rows: pd.DataFrame, called: str) -> Iterator[pd.DataFrame]:
    """Yield for each increment of a model as many rows that were right as there were of these for each wrong one."""
    import pandas as pd

    then = _then(found, returned(found[0].model), rows)
    free = ~then.said["prediction_id"].isin(rows["prediction_id"]).to_numpy(dtype=bool)
    inputs = [c for c in rows.columns if c not in (*OWN, called)]
    for made in found:
        there, wrong = _in_time(made, then.said), wrong_in(made, then.answers, then.truth)
        right, errors = there & ~wrong, sum(made.why.get(reason, 0) for reason in ("wrong", "expert"))
        if not errors:
            continue
        _refuse_alone(then, right, inputs)
        left = np.flatnonzero(right & free)
        wanted = min(len(left), round(right.sum() * min(1.0, errors / max(1, (there & wrong).sum()))))
        chosen = np.sort(np.random.default_rng(0).choice(left, wanted, replace=False))
        free[chosen] = False
        more = then.features[inputs].iloc[chosen].reset_index(drop=True)
        more[called] = pd.Series(then.truth[chosen].tolist(), dtype=rows[called].dtype)
        yield more.assign(part=np.where(half(more[inputs]), LEARN, CHECK))


def _refuse_alone(then: Then, right: NDArray[np.bool_], inputs: Sequence[str]) -> None:
    """Refuse wrong rows that no right ones can join."""
    if absent := [c for c in inputs if c not in then.features]:
        raise Invalid(
            f"Rows that were right lack {', '.join(absent)}, and wrong rows alone would teach the opposite.",
            "Private columns are not recorded: join rows of that time, right and wrong ones, by hand.",
        )
    if not right.any():
        raise Invalid(
            "No row of that time is known to be right, and wrong rows alone would teach the opposite.",
            "Hand in outcomes or opinions that agree, or join rows of that time, right and wrong ones, by hand.",
        )


def _tells(known: NDArray[np.uint64]) -> bool:
    """Tell whether an equal row is likely the same one."""
    _, counts = np.unique(known, return_counts=True)
    return len(known) == 0 or float(counts[counts > 1].sum()) / len(known) < ALIKE
