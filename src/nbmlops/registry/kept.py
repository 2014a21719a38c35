"""What a version keeps beside its file: example rows that nobody is, a background somebody agreed to, its data sets.

Rows are personal. An example is made of the columns' quartiles and most frequent categories; real rows are kept only
where somebody hands them over, at most 1,000, and of a column the charter calls private nothing is kept but its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NotFound
from nbmlops.hooks import service
from nbmlops.records import ModelVersion, iso, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BACKGROUND_ROWS", "background", "completed", "private"]

BACKGROUND_ROWS = 1_000
QUARTILES = (0.5, 0.25, 0.75)  # of the three rows of an example: the typical one first
SEEN = ("min", "max", "categories", "distinct")
Json = dict[str, Any]


def completed(
    signature: Json, model: Any, profile: Any = None, rows: Any = None, fitted_on: Mapping[str, Any] | None = None
) -> Json:
    """Return a signature with its output, an example, the data sets it was fitted on, and a background.

    Parameters
    ----------
    signature : dict
        Columns and answers.
    model : estimator
    profile : Profile, optional
        Of the rows it was evaluated on; without one there is no example.
    rows : DataFrame, optional
        Real rows to keep for explanations.
    fitted_on : mapping, optional
        Rows and column fingerprints of the fit.

    Raises
    ------
    Invalid
        The charter is broken, so that nobody knows what is private; or ``rows`` lacks columns.
    """
    hidden = private()
    names = [c["name"] for c in signature["columns"]]
    columns = [{k: v for k, v in c.items() if c["name"] not in hidden or k not in SEEN} for c in signature["columns"]]
    said: Json = {"name": signature.get("target"), "task": signature.get("task"), "classes": signature.get("classes")}
    made: Json = {"columns": columns, "output": {**said, "probability": hasattr(model, "predict_proba")}}
    made |= {"private": [n for n in names if n in hidden], "datasets": _datasets(fitted_on or {})}
    if profile is not None:
        own = {c["name"]: {str(value): value for value in c.get("categories") or ()} for c in columns}
        rows_of = ({n: None if n in hidden else _typical(profile, n, i) for n in names} for i in range(3))
        made["example"] = [{n: own[n].get(str(value), value) for n, value in row.items()} for row in rows_of]
    if rows is not None:
        made["background"] = _background(signature, rows, hidden)
    return {**signature, **made}


def background(ref: str | ModelVersion) -> pd.DataFrame:
    """Return the rows that were kept of what a version was made for, to explain its answers against.

    Raises
    ------
    NotFound
        None were kept.

    Examples
    --------
    >>> background("late-flights@3").shape  # doctest: +SKIP
    (1000, 7)
    """
    import pandas as pd

    from nbmlops.registry.models import model_version

    version = ref if isinstance(ref, ModelVersion) else model_version(ref)
    kept = version.signature.get("background")
    if not kept:
        raise NotFound(
            f"No background was kept of {version.ref}.", "Hand rows over: nb.register(model, name, background=frame)."
        )
    found = json.loads(session.artifacts().get(kept["digest"]))
    return pd.DataFrame({c["name"]: pd.Series(c["values"], dtype=c["dtype"]) for c in found["columns"]})


def private() -> tuple[str, ...]:
    """Return the columns the charter calls private."""
    agreed = service("governance.charter", "charter")()
    return agreed.private if agreed else ()


def _typical(profile: Any, name: str, place: int) -> Any:
    """Return a quartile of a column, or one of its most frequent categories; None where neither is known."""
    column = profile.columns.get(name)
    kind = column.kind if column else ""
    if kind == "categorical":
        known = column.bins.categories
        return known[min(place, len(known) - 1)] if known else None
    if kind == "boolean":
        mean = profile.mean(name)
        return None if mean is None else bool(mean >= 0.5)
    if kind == "datetime":
        tally = profile.total[name]
        return None if tally.low is None else iso(tally.low + QUARTILES[place] * (tally.high - tally.low))
    return plain(profile.quantile(name, QUARTILES[place])) if kind == "numeric" else None


def _background(signature: Mapping[str, Any], rows: Any, private: Sequence[str]) -> Json:
    """Keep at most 1,000 rows drawn by chance, in which private columns are missing."""
    import numpy as np

    from nbmlops.registry.signature import select

    frame = select(signature, rows, "background=")
    places = np.arange(len(frame))
    if len(frame) > BACKGROUND_ROWS:
        places = np.sort(np.random.default_rng(0).choice(len(frame), BACKGROUND_ROWS, replace=False))
    columns = [_column(drawn, name in private) for name, drawn in frame.iloc[places].items()]
    digest = session.artifacts().put(json.dumps({"columns": columns}, separators=(",", ":")).encode())
    masked = [str(n) for n in frame.columns if n in private]
    return {"digest": digest, "rows": len(places), "of": len(frame), "masked": masked}


def _column(drawn: pd.Series[Any], masked: bool) -> Json:
    name = str(drawn.dtype)
    dtype = "object" if name == "str" or name.startswith("string") else name
    if masked:
        dtype = "float64" if drawn.dtype.kind in "iuf" else "object"
    return {"name": str(drawn.name), "dtype": dtype, "values": [None] * len(drawn) if masked else _values(drawn)}


def _values(column: pd.Series[Any]) -> list[Any]:
    return [None if v is None or v != v else plain(v) for v in column.tolist()]


def _datasets(fitted_on: Mapping[str, Any]) -> list[str]:
    """Return the versions of data sets that hold the very columns a model was fitted on, in as many rows."""
    from nbmlops.store import datasets

    columns = fitted_on.get("columns")
    if not columns or not isinstance(columns, Mapping):
        return []
    found = []
    for version in datasets.of_rows(session.store(), int(fitted_on.get("rows") or 0)):
        held = {c["name"]: c["fingerprint"] for c in version["columns"]}
        if all(held.get(name) == fingerprint for name, fingerprint in columns.items()):
            found.append(f"{version['name']}@{version['version']}")
    return found
