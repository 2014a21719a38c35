"""Values a model never learned, and what it makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbmlops.monitoring.explaining.asked import Case
from nbmlops.monitoring.explaining.reasons import shown
from nbmlops.registry.sentences import encoders

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["notes_of"]

FATE = {"ignore": "it is ignored", "infrequent_if_exist": "it counts as rare", "warn": "it counts as rare"}


def notes_of(case: Case, row: pd.Series[Any]) -> list[str]:
    """Return a note for each value of a row that the model never learned.

    What was learned is said by the encoders of the pipeline, else by the signature where it holds all categories.
    """
    import pandas as pd

    known = {**dict(_of_signature(case)), **dict(_of_encoders(case))}
    return [
        f"{name} = {shown(row[name])} is none of the {len(values):,} values known of it{fate}"
        for name, (values, fate) in known.items()
        if name in case.open and not pd.isna(row[name]) and not _among(row[name], values)
    ]


def _among(value: Any, values: Mapping[Any, None]) -> bool:
    try:
        return value in values or str(value) in values
    except TypeError:  # a list as value: no encoder learned one
        return False


def _of_signature(case: Case) -> Iterator[tuple[str, tuple[Mapping[Any, None], str]]]:
    for column in case.columns:
        seen = column.get("categories") or ()
        if seen and column.get("kind") == "category" and len(seen) >= (column.get("distinct") or 0):
            yield column["name"], (dict.fromkeys(seen), "")


def _of_encoders(case: Case) -> Iterator[tuple[str, tuple[Mapping[Any, None], str]]]:
    for encoder, names in encoders(case.estimator, case.names):
        fate = _fate(encoder)
        for name, values in zip(names, encoder.categories_, strict=True):
            yield name, (dict.fromkeys(values.tolist()), f": {fate}" if fate else "")


def _fate(encoder: Any) -> str:
    how = getattr(encoder, "handle_unknown", "")
    if how == "use_encoded_value":
        value = encoder.unknown_value
        return "it counts as missing" if value != value else f"it counts as {value}"
    return "it counts as the mean of all" if hasattr(encoder, "target_mean_") else FATE.get(str(how), "")
