"""What an explanation is asked for: a model with the rows it is explained against, and the rows that are explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import Invalid, NbmlopsError, NotFound
from nbmlops.records import ModelVersion, plain
from nbmlops.registry import inputs, kept, measures, models, signature
from nbmlops.registry.subject import must_be_fitted
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.store.predictions import Block

__all__ = ["Case", "Rows", "answering", "are_ids", "block_of", "case_of", "rows_of", "said_by"]

MOST_BACKGROUNDS = 8  # kept in memory, so that a service does not read one for every answer
MOST_NAMED = 12  # columns in a note
EMPTY = {"number": "float64", "time": "datetime64[ns]"}  # of a column that is wholly missing

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
    hidden: tuple[str, ...] = ()  # private columns: nothing of them is kept
    background: pd.DataFrame | None = None

    @property
    def names(self) -> list[str]:
        """The columns the model takes, in its order."""
        return [str(c["name"]) for c in self.columns]

    @property
    def open(self) -> list[str]:
        """The columns that may be shown."""
        return [n for n in self.names if n not in self.hidden]

    @property
    def unsaid(self) -> list[str]:
        """The columns no value of which may be said: all, where the answer is private."""
        agreed = (*kept.private(), *(self.version.signature.get("private", ()) if self.version else ()))
        return [*self.names, self.target] if self.target in agreed else list(self.hidden)

    @property
    def by_rules(self) -> bool:
        """Whether rules answer: then the one that fired says why."""
        return hasattr(self.estimator, "fired") and hasattr(self.estimator, "rules")


@dataclass(frozen=True)
class Rows:
    """The rows that are explained, of how many, the ids of their predictions, and what has to be said of them."""

    frame: pd.DataFrame
    given: int
    ids: tuple[str, ...] = ()
    recorded: tuple[Mapping[str, Any], ...] = ()  # what was said of each then
    notes: tuple[str, ...] = ()


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
    about = version.signature
    names = signature.names(about)
    case = Case(
        version.ref,
        models.cached(version),
        version,
        tuple(about["columns"]),
        str(about.get("task") or "regression"),
        str(about.get("target") or ""),
        tuple(about.get("classes") or ()),
        tuple(n for n in names if n in {*about.get("private", ()), *kept.private()}),
    )
    return replace(case, background=_kept(version) if rows is None else _against(case, rows))


def _of_estimator(model: Any, rows: pd.DataFrame | None) -> Case:
    from nbmlops.capture.estimators import fit_record
    from nbmlops.capture.settings import outline

    must_be_fitted(model)
    name = outline(model)
    if rows is None:
        raise Invalid(f"{name} is explained against rows, and none are given.", "Pass them: background=train.")
    target = str((fit_record(model) or {}).get("target") or "")
    names = [str(n) for n in getattr(model, "feature_names_in_", [c for c in rows.columns if c != target])]
    there = signature.columns_of(rows[[n for n in names if n in rows.columns]])
    columns = [next((c for c in there if c["name"] == n), {"name": n}) for n in names]
    case = Case(name, model, None, tuple(columns), "", target, (), tuple(n for n in names if n in kept.private()))
    case = replace(case, background=_against(case, rows))
    said = said_by(case, case.background[:100])  # type: ignore[index]
    return replace(case, task=said.task, classes=said.classes)


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


def _against(case: Case, rows: pd.DataFrame) -> pd.DataFrame:
    known = {"columns": case.columns, "private": case.hidden}
    name = f"The background of {case.name}"
    return _refused(case, inputs.check_frame(known, rows, True, model=name), name)


def said_by(case: Case, frame: pd.DataFrame) -> measures.Answers:
    """Return what a model says of rows; where it cannot, one line in its own words."""
    with answering(case, "cannot answer these rows"):
        return measures.ask(case.estimator, frame)


@contextmanager
def answering(case: Case, fails: str) -> Iterator[None]:
    """Turn what a model raises into one line, in its own words where nothing is private."""
    try:
        yield
    except NbmlopsError:
        raise
    except Exception as error:  # a model may raise anything
        words = "" if case.hidden else f": {(str(error).strip().splitlines() or [''])[0][:200].rstrip('.')}"
        raise Invalid(f"{case.name} {fails} ({type(error).__name__}{words}).", "Pass rows as in training.") from error


def rows_of(case: Case, rows: Any, most: int) -> Rows:
    """Return the rows to be explained, as the model takes them.

    Parameters
    ----------
    case : Case
    rows : DataFrame, Series, dict, list of dict, Path, str or list of str
        A path is a file of rows; text is the id of a prediction: what was recorded of it is read.
    most : int
        Only the first ones are read.

    Raises
    ------
    Invalid
        No rows, columns missing or of another kind, a prediction of another model.
    NotFound
        No such prediction, or what it was made of is not kept.
    """
    if isinstance(rows, str):
        rows = [rows]
    if are_ids(rows):
        return _recorded(case, rows, most)
    given = _framed(rows)
    if not len(given):
        raise Invalid("There are no rows to explain.", "Pass at least one row.")
    checked = _checked(case, given[:most], texts=isinstance(rows, Path))
    extra = [n for note in checked.notes for n in note.detail.get("columns", ()) if n != case.target]
    notes = (f"{case.name} does not take {', '.join(extra[:MOST_NAMED])}: ignored",) if extra else ()
    return Rows(_refused(case, checked, case.name), len(given), notes=notes)


def are_ids(rows: Any) -> bool:
    """Tell whether rows are ids of predictions."""
    return isinstance(rows, (list, tuple)) and bool(rows) and all(isinstance(r, str) for r in rows)


def _framed(rows: Any) -> Any:
    """Return a list of mappings, or a frame."""
    import pandas as pd

    if isinstance(rows, Path):
        return signature.read(str(rows))
    if isinstance(rows, pd.Series):
        rows = rows.to_dict()
    if isinstance(rows, Mapping):
        rows = [rows]
    if not isinstance(rows, (list, tuple)):
        return signature.table(rows)
    if strange := [type(r).__name__ for r in rows if not isinstance(r, Mapping)]:
        raise Invalid(
            f"A row is {strange[0]}.", "Each row is a mapping of column to value; ids of predictions are text."
        )
    return [{str(k): v.item() if isinstance(v, np.generic) else v for k, v in row.items()} for row in rows]


def _checked(case: Case, rows: Any, texts: bool = False) -> inputs.Checked:
    """Return rows as the model takes them; those of an estimator are checked by what it is explained against."""
    import pandas as pd

    if case.version is None:
        plainly = isinstance(rows, list)  # times are text there, as in a file
        known = {"columns": case.columns, "private": case.hidden}
        frame = pd.DataFrame(rows) if plainly else rows
        return inputs.check_frame(known, frame, True, model=case.name, texts=texts or plainly)
    checker = inputs.checker(case.version)
    return checker.records(rows) if isinstance(rows, list) else checker.frame(rows, texts=texts)


def _refused(case: Case, checked: inputs.Checked, name: str) -> pd.DataFrame:
    """Return the columns the model takes, in its order; private ones may be missing, any other problem is an error."""
    import pandas as pd

    inputs.refuse([p for p in checked.problems if p.column not in case.hidden], name, case.open)
    frame, kinds = checked.frame, {c["name"]: str(c.get("kind") or "number") for c in case.columns}
    gone = [n for n in case.hidden if n not in frame.columns or frame[n].isna().all()]
    empty = {n: pd.Series(np.nan, index=frame.index, dtype=EMPTY.get(kinds[n], "object")) for n in gone}
    return frame.assign(**empty)[case.names]


def _recorded(case: Case, ids: Sequence[str], most: int) -> Rows:
    """Return what predictions were made of, as it was recorded, and what was said of it."""
    import pandas as pd

    from nbmlops.monitoring.predicting.recorded import content

    parts, said = [], []
    for one in ids[:most]:
        block, place = _block(case, one)
        columns = content(block)
        if columns["inputs"] is None:
            raise NotFound(
                f"What prediction {one!r} was made of is not kept.", "Pass the row itself: nb.explain(model, row)."
            )
        parts.append(columns["inputs"].iloc[[place]])
        said.append({k: plain(columns[name].iloc[place]) for k, name in SAID if columns.get(name) is not None})
    checked = _checked(case, pd.concat(parts, ignore_index=True))
    return Rows(_refused(case, checked, case.name), len(ids), tuple(ids[:most]), tuple(said))


SAID = (("prediction", "value"), ("probability", "probability"))


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
