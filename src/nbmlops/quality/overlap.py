"""Rows that are in two data sets, such as training rows among those that judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.quality import look

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["also_in", "is_overlap", "other"]


def also_in(frame: pd.DataFrame, known: pd.DataFrame, columns: Sequence[str] = ()) -> NDArray[np.bool_]:
    """Return the rows of a frame that are in another too.

    Parameters
    ----------
    frame, known : pandas.DataFrame
    columns : sequence of str
        What makes a row the same; all columns both have if empty.

    Returns
    -------
    array of bool, shape (len(frame),)

    Raises
    ------
    Invalid
        They have no column in common.

    Examples
    --------
    >>> import pandas as pd
    >>> also_in(pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [2.0, 3.0], "b": [0, 0]})).tolist()
    [False, True]
    """
    import pandas as pd

    shared = list(columns) or [c for c in frame.columns if c in known.columns]
    if not shared:
        raise Invalid("They have no column in common.", "Name columns both have: columns: [id].")
    both = pd.concat([frame[shared], known[shared]], ignore_index=True)
    coded = pd.DataFrame({c: look.names(both[c])[0] for c in shared}, index=both.index)
    keys = pd.util.hash_pandas_object(coded, index=False).to_numpy()
    return np.isin(keys[: len(frame)], keys[len(frame) :])


def other(name: str) -> pd.DataFrame:
    """Return the rows a rule names: a file, seen from here or from the project, or a version whose rows were kept."""
    from nbmlops.quality.versions import load_dataset
    from nbmlops.tracking import session

    if not look.is_file(name):
        return look.as_frame(load_dataset(name))
    here = Path(name)
    return look.as_frame(here if here.is_file() else session.project().root / name)


def is_overlap(value: Any) -> bool:
    """Tell whether a setting names another data set, and well."""
    if not isinstance(value, Mapping) or not isinstance(value.get("with"), str):
        return False
    names, most = value.get("columns", ["any"]), value.get("max", 0)
    named = isinstance(names, list) and bool(names) and all(isinstance(n, str) for n in names)
    share = isinstance(most, (int, float)) and not isinstance(most, bool) and 0 <= most <= 1
    return set(value) <= {"with", "columns", "max"} and named and share
