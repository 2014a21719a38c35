"""Rows for a person to judge: those that are worth it, and some drawn by chance so that all can be estimated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import Shown
from nbmlops.monitoring.returning.doubts import Found, by_reason, errors
from nbmlops.monitoring.returning.drawn import Draw, Judged, judged_by, kept_lists
from nbmlops.monitoring.returning.returned import Returned, returned
from nbmlops.records import Finding, now, plain
from nbmlops.stats import sampling
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FILLED_IN", "REASONS", "ReviewEstimate", "ReviewList", "review_estimate", "to_review"]

REASONS = (
    *("flagged", "disagreed", "confident_wrong", "disagrees_with_challenger", "drifted_segment", "uncertain"),
    "random",
)
RANDOM_SHARE = 0.4  # of a list
FEWEST = 30  # judged rows an estimate is made of
MOST_OPEN = 0.2  # share of drawn rows that may be unjudged without a warning
FILLED_IN = ("outcome", "verdict", "expected", "reason")  # columns for the person who judges
OF_FEEDBACK = (*FILLED_IN, "source", "kind", "actor", "at")  # columns that mean something when the list comes back
MASKED = "masked"


@dataclass(frozen=True, repr=False)
class ReviewList(Shown):
    """Rows to judge, each with its reasons; one drawn by chance keeps the probability it was drawn with."""

    shows: ClassVar[str] = "review_list"

    model: str
    version: int | None  # that was asked for, where one was
    rows: tuple[Mapping[str, Any], ...]
    reasons: Mapping[str, int]
    seed: int
    most: int
    waiting: int = 0  # predictions nobody has judged and no outcome is known of
    notes: tuple[str, ...] = ()
    at: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row a prediction: what was said, why it is listed, and its inputs."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in self.rows])

    def to_csv_rows(self) -> list[dict[str, Any]]:
        """Return the rows for a file in which a person writes outcome, verdict, expected or reason.

        ``nbmlops feedback FILE`` takes it back: a verdict as an opinion, an outcome as one that the review says.
        """
        names = dict.fromkeys(name for row in self.rows for name in _flat(row))
        filled = {**dict.fromkeys(FILLED_IN, ""), "source": "review"}
        return [{**dict.fromkeys(names), **_flat(row), **filled} for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found: dict[str, Any] = plain(self)
        return found


@dataclass(frozen=True, repr=False)
class ReviewEstimate(Shown):
    """How often all predictions are right, from those drawn by chance and judged."""

    shows: ClassVar[str] = "review_estimate"

    model: str
    version: int | None
    metric: str  # accuracy, or mae of numbers
    n: int  # drawn and judged
    drawn: int
    population: int  # predictions that could be drawn
    since: int  # predictions made since, which no list could draw
    value: float | None = None
    low: float | None = None
    high: float | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}


def to_review(name: str, most: int = 50, seed: int = 0) -> ReviewList:
    """List predictions for a person to judge, each with the reasons, some of them drawn by chance.

    Reasons: flagged, or in a flagged segment; somebody disagrees; sure of it, and the outcome is another; the
    challenger says something else; of a segment that drifted (open episodes); not sure. About two in five are drawn by
    chance from all predictions, and the list is kept with the probability of each: :func:`review_estimate` reads it. A
    row leaves the list when it is judged: :func:`nbmlops.feedback` with an outcome, or an opinion; or its flag is
    settled. Asked again, what is left is listed again.

    Parameters
    ----------
    name : str
        The model's name, or ``NAME@3`` for the predictions of one version.
    most : int
        How many rows; those drawn by chance may be a few more or less than two in five.
    seed : int
        Of what is drawn by chance: another one draws others, once those that were drawn are judged.

    Returns
    -------
    ReviewList

    Raises
    ------
    NotFound
        No such model, or it made no predictions that were kept.

    Examples
    --------
    >>> nb.to_review("late-flights", most=20).to_frame()[["prediction_id", "why"]]  # doctest: +SKIP
    """
    for value, what in ((most, "most"), (seed, "seed")):
        if isinstance(value, bool) or not isinstance(value, int) or value < (what == "most"):
            raise Invalid(f"{what} is {value!r}.", "Write a whole number, such as 50.")
    case, lists = returned(name), kept_lists(str(name).partition("@")[0])
    known = judged_by(case, lists)
    drawn, threshold = _by_chance(case, lists, known, _wanted(most), seed)
    found, notes = by_reason(case, known, most, seed)
    chosen = _chosen(found, drawn, most)
    rows = _rows(case, chosen, {r: dict(zip(p.tolist(), w, strict=True)) for r, (p, w) in found.items()}, drawn)
    counts = {r: n for r in REASONS if (n := sum(r in row["reasons"] for row in rows))}
    waiting = int((~known.known & ~known.answered).sum())
    made = ReviewList(case.name, case.number, tuple(rows), counts, seed, most, waiting, tuple(notes))
    return _kept(made, lists, threshold, str(case.said["at"].max()))


def review_estimate(name: str) -> ReviewEstimate:
    """Estimate how often all predictions are right, from the drawn rows of the lists to review that are judged.

    Rows that were listed for another reason do not count: they were chosen because they look wrong. A judged row is
    right where its outcome is what was said (of numbers: the mean absolute error), or where who judged it agrees.

    Parameters
    ----------
    name : str
        The model's name, or ``NAME@3``.

    Returns
    -------
    ReviewEstimate
        Hajek's estimate with its interval and n; *insufficient data* under 30 judged rows.

    Raises
    ------
    NotFound
        No such model, no predictions, or no list was made yet.

    Examples
    --------
    >>> nb.review_estimate("late-flights").value  # doctest: +SKIP
    0.83
    """
    case, lists = returned(name), kept_lists(str(name).partition("@")[0])
    if not lists:
        raise NotFound(f"No list of rows of {case.name} to review was made.", f'Make one: nb.to_review("{name}").')
    draw, known = Draw(case, lists), judged_by(case, lists)
    numbers = case.task == "regression"
    usable = known.known if numbers else known.known | known.agrees | known.disagrees
    rows = draw.drawn & usable
    about: dict[str, int] = {
        "n": int(rows.sum()),
        "drawn": int(draw.drawn.sum()),
        "population": int((draw.probability > 0).sum()),
        "since": int((draw.probability == 0).sum()),
    }
    begun = ReviewEstimate(case.name, case.number, "mae" if numbers else "accuracy", **about)  # type: ignore[arg-type]
    if about["n"] < FEWEST:
        left = about["drawn"] - about["n"]
        message = f"insufficient data: {about['n']} drawn rows are judged, {FEWEST} are needed ({left} wait)"
        return replace(begun, findings=(Finding("review_estimate", "skipped", message),))
    right = np.where(known.known, ~known.wrong, known.agrees)
    values = errors(case) if numbers else right
    told = (sampling.mean if numbers else sampling.share)(values[rows], draw.probability[rows])
    return replace(begun, **told._asdict(), findings=tuple(_doubts(about)))


def _wanted(most: int) -> int:
    return max(1, round(RANDOM_SHARE * most))


def _by_chance(
    case: Returned, lists: Sequence[Mapping[str, Any]], known: Judged, wanted: int, seed: int
) -> tuple[dict[int, float], float]:
    """Return the drawn rows that wait, with their probability, and the threshold of a further draw.

    It is made where less than half of what is wanted waits: how many are drawn varies by chance, and asking again
    changes nothing.
    """
    waits = ~known.known & ~known.answered
    before = Draw(case, lists)
    until, pending = str(case.said["at"].max()), int((before.drawn & waits).sum())
    same = {"seed": seed, "version": case.number, "until": until, "wanted": wanted, "waiting": int(waits.sum())}
    again = any(all(one.get(k) == v for k, v in same.items()) for one in lists)
    more = 0 if again or 2 * pending >= wanted else wanted - pending
    threshold = sampling.threshold(before.of_seed(seed)[waits], more)
    this = {"seed": seed, "threshold": threshold, "until": until, "version": case.number}
    draw = Draw(case, [*lists, this])
    return {int(i): float(draw.probability[i]) for i in np.flatnonzero(draw.drawn & waits)}, threshold


def _chosen(found: Mapping[str, Found], drawn: Mapping[int, float], most: int) -> list[int]:
    """Return the rows of a list: all that were drawn, then one of each reason in turn."""
    chosen = dict.fromkeys(drawn)
    queues = [iter(places.tolist()) for places, _ in found.values()]
    while queues and len(chosen) < most:
        for queue in list(queues):
            place = next((p for p in queue if p not in chosen), None)
            if place is None:
                queues.remove(queue)
            elif len(chosen) < most:
                chosen[place] = None
    return list(chosen)


def _rows(
    case: Returned, chosen: Sequence[int], why: Mapping[str, Mapping[int, str]], drawn: Mapping[int, float]
) -> list[dict[str, Any]]:
    """Return what a person needs to judge each row."""
    said = case.said.iloc[list(chosen)]
    inputs = _inputs(case, said)
    words = {**why, "random": {place: f"drawn by chance ({p:.2g} of all)" for place, p in drawn.items()}}
    found = []
    records: list[Any] = said.to_dict("records")
    for place, row in zip(chosen, records, strict=True):
        reasons = [r for r in REASONS if place in words.get(r, {})]
        about = {k: row[k] for k in ("prediction_id", "at", "version", "prediction", "probability", "outcome")}
        why_this = "; ".join(words[r][place] for r in reasons)
        told = {"reasons": reasons, "why": why_this, "inputs": inputs[row["prediction_id"]]}
        found.append({**_plain(about), **told, "drawn_with": drawn.get(place)})
    return found


def _inputs(case: Returned, said: pd.DataFrame) -> dict[str, dict[str, Any] | None]:
    """Return what each prediction was made of, in the columns of its version; None where it is not kept."""
    found: dict[str, dict[str, Any] | None] = {}
    for number, rows in said.groupby("version"):
        of, ids = case.of_version(int(str(number))), rows["prediction_id"].tolist()
        inputs, kept = of.inputs_of(ids)
        masked = dict.fromkeys(of.hidden, MASKED)
        values: list[Any] = inputs.to_dict("records")
        found |= {i: _plain({**v, **masked}) if k else None for i, v, k in zip(ids, values, kept, strict=True)}
    return found


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if v is None or v != v else plain(v) for k, v in row.items()}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its inputs as columns; one that has the name of another column says that it is an input."""
    about = {k: v for k, v in row.items() if k not in ("inputs", "reasons")}
    about["known_outcome"] = about.pop("outcome")
    taken = (*about, *OF_FEEDBACK)
    return {**about, **{(f"input.{k}" if k in taken else k): v for k, v in (row["inputs"] or {}).items()}}


def _kept(made: ReviewList, lists: Sequence[Mapping[str, Any]], threshold: float, until: str) -> ReviewList:
    """Keep the list, unless it is the one that was made last."""
    ids = [row["prediction_id"] for row in made.rows]
    probability = [row["drawn_with"] for row in made.rows]
    about = {"version": made.version, "seed": made.seed, "ids": ids, "probability": probability}
    last = lists[-1] if lists else {}
    if threshold == 0 and all(last.get(k) == v for k, v in about.items()):
        return replace(made, at=str(last["at"]))
    at = now()
    more = {"threshold": threshold, "until": until, "at": at, "wanted": _wanted(made.most), "waiting": made.waiting}
    session.keep("review_list", made.model, {**about, **more})
    return replace(made, at=at)


def _doubts(about: Mapping[str, int]) -> Iterator[Finding]:
    """Yield what the interval does not cover."""
    left = about["drawn"] - about["n"]
    if left > MOST_OPEN * about["drawn"]:
        message = f"{left} of {about['drawn']} drawn rows are not judged: those may be others than the judged ones"
        yield Finding("not_judged", "warning", message, "", left / about["drawn"])
    if about["since"]:
        yield Finding("since", "not_applicable", f"{about['since']:,} predictions made since are not in it")
