"""Explain answers: what in a row moved one, against rows that are usual, and how the model answers as a whole.

What moves an answer is a property of the model. It says nothing about what would happen if somebody changed the value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import Shown
from nbmlops.monitoring.explaining import effects, reasons
from nbmlops.monitoring.explaining.asked import Case, Rows, are_ids, block_of, case_of, rows_of, said_by
from nbmlops.monitoring.explaining.mixed import Mixed, Question, question
from nbmlops.monitoring.explaining.neighbours import Neighbour, nearest
from nbmlops.monitoring.explaining.unknown import notes_of
from nbmlops.monitoring.performance import same
from nbmlops.records import plain
from nbmlops.registry import models
from nbmlops.registry.sentences import sentences

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.registry.measures import Answers

__all__ = ["Explanation", "explain"]

NEAREST = 3
Json = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """Why a model says what it says of rows; without rows, how it answers as a whole."""

    shows: ClassVar[str] = "explanation"

    model: str
    explains: str  # in words: the chance of late
    unit: str  # probability, share (of answers) or value
    task: str
    target: str
    background: Mapping[str, Any]  # rows used, and of how many kept; usual is their mean answer
    rows: tuple[Mapping[str, Any], ...] = ()
    left_out: int = 0  # rows that were given and not explained
    importance: Mapping[str, float] = field(default_factory=dict)
    measured_by: str = ""
    dependence: tuple[Mapping[str, Any], ...] = ()
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found: dict[str, Any] = plain(self)
        return found


def explain(ref: Any, rows: Any = None, *, background: Any = None, most: int = 5, seed: int = 0) -> Explanation:
    """Say what in rows moved a model's answers, against rows that are usual; without rows, how the model answers.

    Each column's contribution is its Shapley value: over all coalitions of at most ten columns, else over drawn orders,
    with the standard error of what was drawn. Contributions sum to the answer less what is usual. They say how the
    model works, not what causes the outcome. Columns the charter calls private are never shown, and held as they are.

    Parameters
    ----------
    ref : str or estimator
        ``NAME@champion``, ``NAME@3``, ``NAME`` for the newest, or a fitted estimator with ``background``.
    rows : DataFrame, Series, dict, list of dict, Path, str or list of str, optional
        Rows as the model takes them, a file of them, or ids of predictions: what was recorded of these is explained, by
        the version that said it. Without rows: importance, partial dependence, and the fitted pipeline in sentences.
    background : DataFrame, optional
        Rows that are usual; those kept at registration where absent.
    most : int
        At most so many rows are explained, the first ones, and at most so many columns drawn.
    seed : int
        Of what is drawn by chance.

    Returns
    -------
    Explanation

    Raises
    ------
    NotFound
        No such model or prediction; no background was kept, or what a prediction was made of is kept no more.
    Invalid
        Rows lack columns, there are none, or the model cannot answer them.

    Examples
    --------
    >>> nb.explain("late-flights@champion", bookings[:1])  # doctest: +SKIP
    """
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise Invalid(f"most is {most!r}.", "It is a number of rows, at least 1.")
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    ref, notes = _version_that_said(ref, rows)
    with threadpool_limits(limits=1):
        case = case_of(ref, background)
        return _of_model(case, most, seed) if rows is None else _of_rows(case, rows, notes, most, seed)


def _version_that_said(ref: Any, rows: Any) -> tuple[Any, list[str]]:
    """Return the version that made a prediction, where it is another of the same name than the one asked for."""
    ids = [rows] if isinstance(rows, str) else rows if are_ids(rows) else []
    if not ids or not isinstance(ref, str):
        return ref, []
    asked, block = models.model_version(ref), block_of(ids[0])[0]
    if block.model != asked.name or block.version == asked.version:
        return asked, []
    said = f"{block.model}@{block.version}"
    return said, [f"{said} made this prediction and is explained; {ref} is {asked.ref} by now"]


def _of_rows(case: Case, rows: Any, notes: Sequence[str], most: int, seed: int) -> Explanation:
    if case.background is None and not case.by_rules:
        raise _no_background(case)
    asked = rows_of(case, rows, most)
    said = said_by(case, asked.frame)
    told = _told(case, asked, said)
    against = None
    if case.background is not None and case.open and not case.by_rules:
        against = reasons.drawn(case, len(case.open), seed)
        for place, row in enumerate(told):
            row |= _reasons(case, question(case, said.predicted[place]), asked.frame.iloc[[place]], against, seed)
    left = asked.given - len(asked.frame)
    more = [f"{left:,} of {asked.given:,} rows are not explained: most={most}"] if left else []
    about = question(case, said.predicted[0])
    return Explanation(
        case.name,
        about.words if case.task != "multiclass" else "the chance of the class that is predicted",
        about.unit,
        case.task,
        case.target,
        _background(case, 0 if against is None else len(against)),
        tuple(told),
        left,
        notes=(*notes, *asked.notes, *more, *_of_private(case, _not_given(case, asked.frame) if asked.ids else ())),
    )


def _told(case: Case, asked: Rows, said: Answers) -> list[Json]:
    """Return what was said of each row, what it was made of, and which rows of the background are most like it."""
    near = _nearest(case, asked.frame)
    return [
        {
            "row": plain(asked.frame.index[place]),
            "prediction_id": asked.ids[place] if asked.ids else None,
            "prediction": plain(said.predicted[place]),
            "probability": _probability(said, place),
            "explains": question(case, said.predicted[place]).words,
            "inputs": _inputs(case, asked.frame.iloc[place]),
            "notes": [*notes_of(case, asked.frame.iloc[place]), *_otherwise(case, asked, said, place)],
            **({"rule": _rule(case, asked.frame.iloc[[place]])} if case.by_rules else {}),
            "nearest": near[place],
        }
        for place in range(len(asked.frame))
    ]


def _otherwise(case: Case, asked: Rows, said: Answers, place: int) -> list[str]:
    """Return a note where the model says something else than was recorded: what is private was not."""
    if not asked.recorded:
        return []
    then = asked.recorded[place]
    chances = then.get("probability"), _probability(said, place), "{:.1%}".format
    answers = then["prediction"], plain(said.predicted[place]), reasons.shown
    differ = [pair for pair in (chances, answers) if None not in pair and not _alike(*pair[:2])]
    if not differ:
        return []
    before, now, shown = differ[0] if case.task == "binary" else differ[-1]
    gone = ", ".join(_not_given(case, asked.frame.iloc[[place]]))
    why = f"without {gone}, which is private, " if gone else ""
    return [f"it said {shown(before)} then; {why}it says {shown(now)}"]


def _alike(then: Any, now: Any) -> bool:
    """Tell whether two answers are the same but for what floating point makes of them."""
    if isinstance(then, (int, float)) and isinstance(now, (int, float)):
        return math.isclose(then, now, rel_tol=1e-6, abs_tol=1e-9)
    return same(then, now)


def _not_given(case: Case, rows: pd.DataFrame) -> list[str]:
    """Return the private columns of which rows hold nothing."""
    return [name for name in case.hidden if rows[name].isna().all()]


def _reasons(case: Case, about: Question, row: pd.DataFrame, against: pd.DataFrame, seed: int) -> Json:
    found = reasons.reasons(case, about, row, against, seed)
    told = reasons.contributions(case, about, row.iloc[0], found)
    return {
        "answer": found.answer,
        "usual": found.base,
        "exact": found.exact,
        "asked": found.asked,
        "contributions": told,
        "words": reasons.summary(told, about),
    }


def _rule(case: Case, row: pd.DataFrame) -> Json:
    number = int(case.estimator.fired(row).iloc[0])
    return {"number": number, "text": case.estimator.text(number)}


def _nearest(case: Case, frame: pd.DataFrame) -> list[list[Json]]:
    """Return the rows of the background that are most like each row, and what the model says of them."""
    if case.background is None:
        return [[] for _ in range(len(frame))]
    found = [nearest(case.background, frame.iloc[i], NEAREST, case.hidden) for i in range(len(frame))]
    if case.hidden:
        return [_with_own(case, frame.iloc[[i]], near) for i, near in enumerate(found)]
    places = sorted({n.place for near in found for n in near})
    if not places:
        return [[] for _ in found]
    like = case.background.iloc[places]
    said = said_by(case, like)
    return [[_neighbour(case, n, like, said, places.index(n.place)) for n in near] for near in found]


def _with_own(case: Case, row: pd.DataFrame, near: Sequence[Neighbour]) -> list[Json]:
    """Return rows like a given one, asked with its private values: of theirs none are kept."""
    assert case.background is not None
    if not near:
        return []
    mixed = Mixed(case.background, row, case.open)
    theirs = np.zeros((len(near), len(case.open)), dtype=bool)
    like = mixed.rows(theirs, np.array([n.place for n in near], dtype=np.int64))
    said = said_by(case, like)
    return [_neighbour(case, n, like, said, place) for place, n in enumerate(near)]


def _neighbour(case: Case, found: Neighbour, like: pd.DataFrame, said: Answers, place: int) -> Json:
    return {
        "distance": found.distance,
        "prediction": plain(said.predicted[place]),
        "probability": _probability(said, place),
        "inputs": _inputs(case, like.iloc[place]),
    }


def _inputs(case: Case, row: pd.Series[Any]) -> Json:
    import pandas as pd

    def value(name: str) -> Any:
        if name in case.hidden:
            return reasons.MASKED
        return None if pd.isna(row[name]) else plain(row[name])

    return {name: value(name) for name in case.names}


def _probability(said: Answers, place: int) -> float | None:
    if said.probability is None:
        return None
    return float(said.probability[place, 1] if said.task == "binary" else said.probability[place].max())


def _background(case: Case, used: int) -> Json:
    return {"rows": used, "kept": 0 if case.background is None else len(case.background)}


def _of_private(case: Case, gone: Collection[str] = ()) -> list[str]:
    held, gone = [n for n in case.hidden if n not in gone], list(gone)
    told = [f"private, so not shown, and held as the row has it: {', '.join(held)}"] if held else []
    return [*told, *([f"private, not recorded, so missing: {', '.join(gone)}"] if gone else [])]


def _no_background(case: Case) -> NotFound:
    assert case.version is not None
    return NotFound(
        f"No background was kept of {case.name}, so there is nothing usual to explain a row against.",
        f"Pass background=frame, or keep one: nb.register(model, name, background=frame). "
        f"nb.explain({case.name!r}) alone says what the model is made of.",
    )


def _of_model(case: Case, most: int, seed: int) -> Explanation:
    missing = [str(_no_background(case))] if case.background is None else _cannot_ask(case)
    asked = replace(case, background=None) if missing else case
    about = _asked_of_model(asked)
    shares, measured_by = effects.importance(asked, about, seed)
    top = [name for name in shares if name in case.open][:most]
    drawn = effects.dependence(case, about, top, seed) if about is not None and not missing else []
    return Explanation(
        case.name,
        about.words if about else "",
        about.unit if about else "",
        case.task,
        case.target,
        _background(case, drawn[0]["rows"] if drawn else 0),
        importance=shares,
        measured_by=measured_by,
        dependence=tuple(drawn),
        sentences=tuple(sentences(case.estimator, case.names, case.unsaid)),
        notes=(*missing, *_of_private(case)),
    )


def _cannot_ask(case: Case) -> list[str]:
    """Return a note where a model does not answer the background, of which private columns are not kept."""
    if case.background is None or not (gone := _not_given(case, case.background)):
        return []
    try:
        said_by(case, case.background)
    except Invalid:
        names = ", ".join(gone)
        return [f"{case.name} cannot answer its background without {names}, which is private: no curves are drawn"]
    return []


def _asked_of_model(case: Case) -> Question | None:
    """Return what is explained of a model as a whole; of many classes, the one it names most often."""
    if case.task != "multiclass":
        return question(case)
    if case.background is None:
        return None
    said = said_by(case, case.background).predicted.tolist()
    return question(case, max(sorted(set(said), key=str), key=said.count))
