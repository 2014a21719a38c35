"""What an explanation is asked for: a model with the rows it is explained against, and the rows that are explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import Invalid, NbmlopsError, NotFound
from nbmlops.records import ModelVersion, plain
from nbmlops.registry import kept, measures, models, signature
from nbmlops.registry.subject import must_be_fitted
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.store.predictions import Block

__all__ = ["Case", "Rows", "answering", "block_of", "case_of", "rows_of", "said_by"]

MOST_BACKGROUNDS = 8  # kept in memory, so that a service does not read one for every answer

_backgrounds: dict[tuple[str, str], pd.DataFrame] = {}


@dataclass(frozen=True)
class Case:
    """A model to be explained, what it takes and says, and the rows that are usual for it."""

    name: str
    estimator: Any
    version: ModelVersion | None
    columns: tuple[Mapping[str, Any], ...]
    task: str
    target: str
    classes: tuple[Any, ...]
    background: pd.DataFrame | None
    hidden: tuple[str, ...] = ()  # private columns: nothing of them is kept

    @property
    def names(self) -> list[str]:
        """The columns the model takes, in its order."""
        return [str(c["name"]) for c in self.columns]

    @property
    def open(self) -> list[str]:
        """The columns that may be shown."""
        return [n for n in self.names if n not in self.hidden]


@dataclass(frozen=True)
class Rows:
    """Rows to be explained, the ids of their predictions where they have some, and what has to be said of them."""

    frame: pd.DataFrame
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    said: tuple[Mapping[str, Any], ...] = field(default=())  # what was recorded of each


def case_of(ref: Any, background: Any = None) -> Case:
    """Return a model to be explained.

    Parameters
    ----------
    ref : str, ModelVersion or estimator
    background : DataFrame, optional
        Rows to explain against; those kept at registration where absent.

    Raises
    ------
    NotFound
        No such model.
    Invalid
        No fitted model; an estimator without ``background``; columns missing in it; it has no rows.
    """
    rows = None if background is None else signature.table(background)
    if rows is not None and not len(rows):
        raise Invalid("The background has no rows.", "Pass rows the model may be compared with.")
    if not isinstance(ref, (str, ModelVersion)):
        return _of_estimator(ref, rows)
    version = models.model_version(ref) if isinstance(ref, str) else ref
    return _of_version(version, rows)


def _of_version(version: ModelVersion, rows: pd.DataFrame | None) -> Case:
    about = version.signature
    hidden = tuple(dict.fromkeys([*about.get("private", ()), *_private(about)]))
    given = f"The background of {version.ref}"
    chosen = _kept(version) if rows is None else _chosen(about["columns"], rows, given, hidden)
    return Case(
        version.ref,
        models.cached(version),
        version,
        tuple(about["columns"]),
        str(about.get("task") or "regression"),
        str(about.get("target") or ""),
        tuple(about.get("classes") or ()),
        chosen,
        hidden,
    )


def _of_estimator(model: Any, rows: pd.DataFrame | None) -> Case:
    from nbmlops.capture.estimators import fit_record
    from nbmlops.capture.settings import outline

    must_be_fitted(model)
    if rows is None:
        raise Invalid(
            f"{outline(model)} is explained against rows, and none are given.", "Pass them: background=train."
        )
    target = str((fit_record(model) or {}).get("target") or "")
    names = [str(n) for n in getattr(model, "feature_names_in_", [c for c in rows.columns if c != target])]
    columns: Sequence[Mapping[str, Any]] = [{"name": n} for n in names]
    chosen = _chosen(columns, rows, "The background", ())
    said = said_by(model, chosen[:100], outline(model))
    hidden = tuple(n for n in kept.private() if n in names)
    return Case(
        outline(model),
        model,
        None,
        tuple(signature.columns_of(chosen)),
        said.task,
        target,
        said.classes,
        chosen,
        hidden,
    )


def _private(about: Mapping[str, Any]) -> list[str]:
    """Return the columns the charter calls private by now."""
    private = set(kept.private())
    return [c["name"] for c in about["columns"] if c["name"] in private]


def _kept(version: ModelVersion) -> pd.DataFrame | None:
    """Return the rows kept at registration, read once per process."""
    about = version.signature.get("background")
    if not about:
        return None
    key = (str(about["digest"]), session.project().artifacts_url)
    if key not in _backgrounds:
        while len(_backgrounds) >= MOST_BACKGROUNDS:
            _backgrounds.pop(next(iter(_backgrounds)), None)
        _backgrounds[key] = kept.background(version)
    return _backgrounds[key]


def _chosen(
    columns: Sequence[Mapping[str, Any]], frame: pd.DataFrame, name: str, hidden: Sequence[str]
) -> pd.DataFrame:
    """Return the columns a model takes; private ones that are not there are missing."""
    import pandas as pd

    there = [c for c in columns if c["name"] not in hidden or c["name"] in frame.columns]
    chosen = signature.select({"columns": [_loosely(c, frame, hidden) for c in there]}, frame, name)
    lacking = {c["name"]: pd.Series(np.nan, index=chosen.index, dtype=_empty(c)) for c in columns if c not in there}
    return chosen.assign(**lacking)[[c["name"] for c in columns]] if lacking else chosen


def _loosely(column: Mapping[str, Any], frame: pd.DataFrame, hidden: Sequence[str]) -> Mapping[str, Any]:
    """Return what is asked of a column: nothing of the kind of one that is wholly missing, as what is private is."""
    gone = column["name"] in frame.columns and frame[column["name"]].isna().all()
    return {**column, "kind": None} if gone or column["name"] in hidden else column


def _empty(column: Mapping[str, Any]) -> str:
    return "float64" if column.get("kind") in ("number", None) else "object"


def said_by(model: Any, frame: pd.DataFrame, name: str, hidden: Sequence[str] = ()) -> measures.Answers:
    """Return what a model says of rows; where it cannot, one line in its own words."""
    with answering(name, hidden):
        return measures.ask(model, frame)


@contextmanager
def answering(name: str, hidden: Sequence[str] = ()) -> Iterator[None]:
    """Ask a model with one thread; what it raises becomes one line, in its own words where nothing is private."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    try:
        with threadpool_limits(limits=1):
            yield
    except NbmlopsError:
        raise
    except Exception as error:  # a model may raise anything
        words = "" if hidden else f": {(str(error).strip().splitlines() or [''])[0][:200].rstrip('.')}"
        raise Invalid(
            f"{name} cannot answer these rows ({type(error).__name__}{words}).", "Pass rows as in training."
        ) from error


def rows_of(case: Case, rows: Any) -> Rows:
    """Return the rows to be explained, as the model takes them.

    Parameters
    ----------
    case : Case
    rows : DataFrame, Series, dict, list of dict, str or list of str
        Text is the id of a prediction: what was recorded of it is read.

    Raises
    ------
    Invalid
        No rows, columns missing or of another kind, a prediction of another model.
    NotFound
        No such prediction, or what it was made of is not kept.
    """
    if isinstance(rows, str):
        rows = [rows]
    if isinstance(rows, Mapping):
        rows = [rows]
    if isinstance(rows, Sequence) and rows and all(isinstance(r, str) for r in rows):
        return recorded(case, rows)
    frame = signature.table(_framed(rows))
    if not len(frame):
        raise Invalid("There are no rows to explain.", "Pass at least one row.")
    return Rows(_chosen(case.columns, _typed(case, frame), case.name, case.hidden), notes=_unasked(case, frame))


def _framed(rows: Any) -> Any:
    """Return one row or a list of rows as a frame; what is a frame already stays."""
    import pandas as pd

    if isinstance(rows, pd.Series):
        return pd.DataFrame([rows.to_dict()], index=[rows.name])
    if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
        if strange := [type(r).__name__ for r in rows if not isinstance(r, Mapping)]:
            raise Invalid(
                f"A row is {strange[0]}.", "Each row is a mapping of column to value, or the id of a prediction."
            )
        return pd.DataFrame(list(rows))
    return rows


def _typed(case: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with numbers as numbers where they came as objects, as JSON with a null makes them."""
    import pandas as pd

    found = frame.copy(deep=False)
    for column in case.columns:
        values = found.get(column["name"])
        if values is None or values.dtype != object:
            continue
        if column.get("kind") == "number" and all(
            isinstance(v, Real) and not isinstance(v, bool) for v in values.dropna()
        ):
            found[column["name"]] = pd.to_numeric(values)
        elif column.get("kind") == "boolean" and all(isinstance(v, bool) for v in values.dropna()):
            found[column["name"]] = values.astype("boolean") if values.isna().any() else values.astype(bool)
        elif column.get("kind") == "time":
            found[column["name"]] = _times(column["name"], values)
    return found


def _times(name: str, values: pd.Series[Any]) -> Any:
    import pandas as pd

    try:
        return pd.to_datetime(values)
    except (ValueError, TypeError):
        raise Invalid(f"{name} holds what is no time.", "Write times such as 2013-12-24T19:20:00.") from None


def _unasked(case: Case, frame: pd.DataFrame) -> tuple[str, ...]:
    extra = [str(c) for c in frame.columns if c not in case.names and c != case.target]
    return (f"{case.name} does not take {', '.join(extra[:8])}: ignored",) if extra else ()


def recorded(case: Case, ids: Sequence[str]) -> Rows:
    """Return what predictions were made of, as it was recorded."""
    import pandas as pd

    from nbmlops.monitoring.recorded import content

    parts, said = [], []
    blocks: dict[str, Mapping[str, Any]] = {}
    for one in ids:
        block, place = _block(case, one)
        columns = blocks.setdefault(block.prediction_id, content(block))
        if columns["inputs"] is None:
            raise NotFound(
                f"What prediction {one!r} was made of is not kept.", "Pass the row itself: nb.explain(model, row)."
            )
        parts.append(columns["inputs"].iloc[[place]])
        said.append({"prediction": plain(columns["value"].iloc[place]), "probability": plain(_at(columns, place))})
    frame = pd.concat(parts, ignore_index=True)
    return Rows(_chosen(case.columns, frame, case.name, case.hidden), tuple(ids), said=tuple(said))


def _at(columns: Mapping[str, Any], place: int) -> Any:
    return columns["probability"].iloc[place] if columns.get("probability") is not None else None


def _block(case: Case, one: str) -> tuple[Block, int]:
    """Return the block of a prediction and its place there, refused where another version said it."""
    block, place = block_of(one)
    if case.version is None:
        raise Invalid(f"{case.name} is not registered, so it made no prediction {one!r}.", "Pass rows.")
    made_by = f"{block.model}@{block.version}"
    if made_by != case.version.ref:
        raise Invalid(f"Prediction {one!r} was made by {made_by}, not by {case.version.ref}.", f"Explain {made_by}.")
    return block, place


def block_of(one: str) -> tuple[Block, int]:
    """Return the block of a prediction and its place there."""
    from nbmlops.store import predictions as stored

    block = stored.find(session.store(), one)
    if block is None:
        raise NotFound(f"No prediction {one!r} in this project.", "nb.predict returns the ids.")
    return block
