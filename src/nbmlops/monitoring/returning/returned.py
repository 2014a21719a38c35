"""What is known of predictions that something came back for: their inputs, the truth in the model's words, who says it.

What the training increment, the list of rows to review and the count of errors gone have in common.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import service
from nbmlops.monitoring.performance import canonical
from nbmlops.quality import moments
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion
    from nbmlops.store.predictions import Block

__all__ = ["FAR", "Returned", "experts", "refuse_own", "returned"]

FAR = 0.9  # quantile of an evaluation's absolute errors: beyond it a number is wrong


@dataclass(frozen=True)
class Returned:
    """The predictions of a model, or of one of its versions, with everything that came back for them."""

    version: ModelVersion  # whose signature says what the answers mean
    number: int | None  # the version that was asked for, where one was
    said: pd.DataFrame
    came: pd.DataFrame  # prediction_id, kind, outcome, verdict, reason, source, actor, at; oldest first
    blocks: Sequence[Block]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.version.name

    @property
    def task(self) -> str:
        """Of the signature: binary, multiclass or regression."""
        return str(self.version.signature["task"])

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """The columns of the model that are private by now, or were at registration."""
        from nbmlops.registry.kept import private
        from nbmlops.registry.signature import names

        every = {*private(), *self.version.signature.get("private", ())}
        return tuple(n for n in names(self.version.signature) if n in every)

    @cached_property
    def limit(self) -> float | None:
        """The absolute error beyond which a number is wrong; None of classes.

        Raises
        ------
        NotFound
            The version has no evaluation to read it from.
        """
        if self.task != "regression":
            return None
        from nbmlops.registry.values import held_out

        _, said, truth = held_out(self.version.ref)
        return float(np.quantile(np.abs(said - truth), FAR))

    def labels(self, values: Any) -> NDArray[Any]:
        """Return answers as the model's own classes, or as numbers; None (NaN) where they are none of these."""
        import pandas as pd

        column = pd.Series(values, dtype=object)
        if self.task == "regression":
            return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
        known = {canonical(c): c for c in self.version.signature["classes"]}
        found = {v: known.get(canonical(v)) for v in column.dropna().unique()}
        return np.array([found.get(v) if v == v and v is not None else None for v in column.tolist()], dtype=object)

    def wrong(self, said: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which answers differ from what is true; of numbers by more than the limit, of what is not known none."""
        if self.limit is not None:
            return np.asarray(np.abs(said.astype(float) - truth.astype(float)) > self.limit)
        return np.array([t is not None and s != t for s, t in zip(said.tolist(), truth.tolist(), strict=True)], bool)

    def of_version(self, number: int) -> Returned:
        """Return the same as one version of the model takes it: in its columns, without those it holds private."""
        from nbmlops.store import models

        found = None if number == self.version.version else models.recorded(session.store(), self.name, number)
        return self if found is None else replace(self, version=found)

    def inputs_of(self, ids: Sequence[str]) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
        """Return what predictions were made of, in the columns of the model that are recorded, and of which it is kept.

        What is private is not in it, though it may have been recorded before it was.

        Parameters
        ----------
        ids : sequence of str
        """
        from nbmlops.monitoring.predicting.recorded import frame_of
        from nbmlops.registry.signature import names

        ordered = sorted(self.blocks, key=lambda block: block.prediction_id)
        firsts = [block.prediction_id for block in ordered]
        places = [bisect_right(firsts, i) - 1 for i in ids]
        kept = np.array([ordered[place].inputs for place in places], dtype=bool)
        needed = [ordered[place] for place in sorted(set(places)) if ordered[place].inputs]
        found = frame_of(needed, inputs=True)
        there = found.inputs if found.inputs is not None else found.said.iloc[:, :0]
        rows = there.set_axis(found.said["prediction_id"].to_numpy(), axis=0).reindex(list(ids))
        chosen = [n for n in names(self.version.signature) if n in rows.columns and n not in self.hidden]
        return _restored(rows[chosen], self.version.signature), kept


def returned(ref: str, after: str | None = None) -> Returned:
    """Return the predictions of a model with everything that came back for them.

    Parameters
    ----------
    ref : str
        The model's name, all versions; or ``NAME@3``, ``NAME@champion`` for one.
    after : str, optional
        Only predictions made after this time.

    Raises
    ------
    NotFound
        No such model, or it made no predictions that were kept.
    """
    import pandas as pd

    from nbmlops.monitoring.predicting import recorded
    from nbmlops.registry import models
    from nbmlops.store import models as kept
    from nbmlops.store import predictions as stored

    name, at, _ = str(ref).partition("@")
    chosen = models.model_version(ref)
    version = chosen if at else kept.find(session.store(), name, "champion") or chosen
    number = version.version if at else None
    blocks = stored.blocks(session.store(), name, number, after=after)
    if not blocks:
        raise NotFound(f"{ref} has made no predictions that were kept.", f'Make some: nb.predict("{ref}", frame).')
    said = recorded.predicted(name, number, after=after).said
    came = pd.DataFrame(recorded.came(name, number, after=after, kind=None), columns=list(CAME))
    return Returned(version, number, said, came[came["prediction_id"].isin(said["prediction_id"])], blocks)


CAME = ("id", "prediction_id", "kind", "outcome", "verdict", "reason", "source", "actor", "at")


def experts() -> tuple[str, ...]:
    """Return who the charter says are experts; nobody where it does not say."""
    agreed = service("governance.charter", "charter")()
    return tuple(agreed.roles.get("expert", ())) if agreed else ()


def _restored(inputs: pd.DataFrame, signature: Mapping[str, Any]) -> pd.DataFrame:
    """Return inputs in the kinds of the signature: what a few rows kept as JSON lost."""
    kinds = {c["name"]: c for c in signature["columns"]}
    return inputs.assign(**{name: _as(column, kinds[name]) for name, column in inputs.items()})  # type: ignore[arg-type]


def _as(column: pd.Series[Any], about: Mapping[str, Any]) -> pd.Series[Any]:
    import pandas as pd

    kind = about.get("kind")
    if kind == "time" and column.dtype == object:
        return moments.zoned(moments.read(column, "ISO8601"), str(about.get("dtype")))
    if kind == "number" and column.dtype == object:
        return pd.to_numeric(column)
    if kind == "boolean" and column.dtype == object and not column.isna().any():
        return column.astype(bool)
    if about.get("dtype") == "category":
        seen = about.get("categories") or []
        known = seen if about.get("distinct") == len(seen) and column.isin(seen).any() else None
        return column.astype(pd.CategoricalDtype(known))
    return column


def refuse_own(names: Sequence[str], own: Sequence[str], model: str) -> None:
    """Refuse a model whose inputs have the names of columns that are added here."""
    if taken := [n for n in own if n in names]:
        raise Invalid(
            f"{model} takes a column {taken[0]!r}, and so is a column of the data set called.",
            "Rename the input of the model.",
        )
