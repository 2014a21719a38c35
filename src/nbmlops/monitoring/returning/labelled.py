"""Accepted flags on the rows of a data set as labels: the training rows they are of get what the flag says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import service
from nbmlops.monitoring.performance import canonical
from nbmlops.quality.versions import dataset_version, load_dataset
from nbmlops.registry import sketch
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FLAGS", "with_labels"]

FLAGS = "flags:"  # before the name of a data set version


def with_labels(train: pd.DataFrame, ref: str, target: str | None, held_out: Any = None) -> pd.DataFrame:
    """Return training rows with the labels that accepted flags on the rows of a data set version say.

    A training row that equals a flagged one, the target left aside, gets its label; a flagged row that is not there
    joins, unless it is also held out. Rows of which flags say different things keep what they have. Which flags were
    taken is kept as a result of the run.

    Parameters
    ----------
    train : pandas.DataFrame
        With the target and columns of the data set.
    ref : str
        Such as ``flights@7``; its rows must be kept.
    target : str or None
        Column of the truth.
    held_out : pandas.DataFrame, optional
        Rows that will judge the model.

    Raises
    ------
    NotFound
        No such version, its rows are not kept, or no flag on a row of it was accepted with a value.
    Invalid
        Nobody says which column is the target, or it is not in the training rows, or no other column is common.
    """
    version = dataset_version(ref)
    labels = service("governance.flags.labels", "of_rows")(version.ref)
    if not labels:
        raise NotFound(
            f"No accepted flag says what a row of {version.ref} should be.",
            "Flag rows with value=, and let somebody accept them.",
        )
    if target is None or target not in train.columns:
        raise Invalid(f"Which column of the training rows is the truth? Not {target!r}.", "Pass target=.")
    rows = load_dataset(version.ref)
    inputs = [c for c in rows.columns if c in train.columns and c != target]
    if not inputs:
        raise Invalid(f"The training rows have no column of {version.ref}.", "Pass the rows the model is trained on.")
    agreed = {n: of for n, of in labels.items() if len({canonical(label.value) for label in of}) == 1}
    numbers = sorted(agreed)
    said = [agreed[n][-1].value for n in numbers]
    flagged = rows.iloc[numbers].reset_index(drop=True)
    made, there = _relabelled(train, flagged[inputs], said, target)
    made = _joined(made, flagged.loc[~there], [v for v, t in zip(said, there, strict=True) if not t], target, held_out)
    sources = [label.source for n in numbers for label in agreed[n]]
    about = {"target": target, "rows": len(numbers), "contradicting": len(labels) - len(agreed), "sources": sources}
    session.keep("labels", version.ref, about)
    return made


def _relabelled(
    train: pd.DataFrame, flagged: pd.DataFrame, said: list[Any], target: str
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return training rows with the labels of those that equal a flagged one, and which flagged ones are among them."""
    known, new = sketch.hashes(train[list(flagged.columns)]), sketch.hashes(flagged)
    of = dict(zip(new.tolist(), said, strict=True))
    places = np.flatnonzero(np.isin(known, new))
    values = _typed(train[target], [of[h] for h in known[places].tolist()], target)
    column = train[target].copy()
    for place, value in zip(places.tolist(), values, strict=True):
        column.iloc[place] = value
    return train.assign(**{target: column}), np.isin(new, known)


def _joined(train: pd.DataFrame, flagged: pd.DataFrame, said: list[Any], target: str, held_out: Any) -> pd.DataFrame:
    """Add flagged rows that no training row equals; not those that will judge."""
    import pandas as pd

    if not len(flagged):
        return train
    more = flagged.assign(**{target: _typed(train[target], said, target)})
    inputs = [c for c in flagged.columns if c in train.columns and c != target]
    if held_out is not None and len(held_out):
        more = more[~np.isin(sketch.hashes(flagged[inputs]), sketch.hashes(held_out[inputs]))]
    return pd.concat([train, more.reindex(columns=train.columns)], ignore_index=True) if len(more) else train


def _typed(column: pd.Series[Any], said: list[Any], target: str) -> list[Any]:
    """Return labels as values of the target: its own classes, or numbers.

    Raises
    ------
    Invalid
        A label is neither.
    """
    if column.dtype.kind in "iuf":
        if odd := [v for v in said if isinstance(v, bool) or not isinstance(v, (int, float))]:
            raise Invalid(f"{len(odd):,} labels of {target} are no numbers.", "Accept flags that say numbers.")
        return [column.dtype.type(v) for v in said]
    own = {canonical(v): v for v in column.dropna().unique().tolist()}
    if odd := [v for v in said if canonical(v) not in own]:
        raise Invalid(f"{len(odd):,} labels are no value of {target}.", "Accept flags that say one of its values.")
    return [own[canonical(v)] for v in said]
