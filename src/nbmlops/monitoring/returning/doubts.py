"""Why a prediction is worth a person's look: who doubts it, what contradicts it, what it is unlike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import NbmlopsError
from nbmlops.hooks import service
from nbmlops.monitoring.returning.drawn import Judged
from nbmlops.monitoring.returning.returned import Returned
from nbmlops.records import plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Found", "by_reason", "errors"]

SURE, UNSURE = 0.9, 0.6  # probability of what was said
LOOKED_AT = 20_000  # of the newest predictions, for reasons that need their inputs
ASKED = 1_000  # of these the challenger is asked
Places = NDArray[np.int64]
Found = tuple[Places, Sequence[str]]  # rows, the most worth first, and why each, in words


def by_reason(case: Returned, known: Judged, most: int, seed: int) -> tuple[dict[str, Found], list[str]]:
    """Return the rows each reason names, the most worth first, and what could not be asked.

    Parameters
    ----------
    case : Returned
    known : Judged
    most : int
        Rows of each reason.
    seed : int
        Of those the challenger is asked.
    """
    notes: list[str] = []
    asked: Mapping[str, Callable[[], Found]] = {
        "flagged": lambda: _flagged(case, known),
        "disagreed": lambda: _told(case, known),
        "confident_wrong": lambda: _sure_and_wrong(case, known),
        "disagrees_with_challenger": lambda: _of_challenger(case, known, seed),
        "drifted_segment": lambda: _of_episodes(case, known),
        "uncertain": lambda: _unsure(case, known),
    }
    found = {}
    for reason, ask in asked.items():
        try:
            places, words = ask()
        except NbmlopsError as error:
            notes.append(f"{reason} could not be asked: {error.message}")
            continue
        found[reason] = (places[:most], words[:most])
    return found, notes


def _told(case: Returned, known: Judged) -> Found:
    """Return rows somebody disagrees with, the newest first, with the reason they gave."""
    came = case.came[case.came["kind"] == "opinion"].drop_duplicates(["prediction_id", "actor"], keep="last")
    came = came[came["verdict"] == "disagree"]
    reasons = dict(zip(came["prediction_id"], came["reason"], strict=True))  # oldest first: the last one stays
    return _worded(case, "somebody disagrees", reasons, known.answered | known.known)


def _flagged(case: Returned, known: Judged) -> Found:
    """Return rows that are flagged, in feedback or by name, then those of flagged segments; the newest first."""
    came = case.came[case.came["kind"] == "flag"]
    flags = service("governance.flags.listed", "found")(state="open")
    said = [(f.at, f.subject, f.text) for f in flags if f.kind == "prediction"]
    said += zip(came["at"], came["prediction_id"], came["reason"], strict=True)
    reasons = {i: reason for _, i, reason in sorted(said, key=lambda one: one[0])}
    places, words = _worded(case, "flagged", reasons, known.answered)
    more, why = _of_segments(case, known, [f for f in flags if f.kind == "segment"])
    new = [n for n, place in enumerate(more) if place not in set(places.tolist())]
    return np.concatenate([places, more[new]]), [*words, *(why[n] for n in new)]


def _worded(case: Returned, begin: str, reasons: Mapping[str, str | None], settled: NDArray[np.bool_]) -> Found:
    """Return the rows some reasons were given for that nobody settled, the newest reason first."""
    place = {i: n for n, i in enumerate(case.said["prediction_id"]) if not settled[n]} if reasons else {}
    found = [(place[i], reason) for i, reason in reversed(list(reasons.items())) if i in place]
    return np.array([p for p, _ in found], dtype=np.int64), [f"{begin}: {r}" if r else begin for _, r in found]


def _of_segments(case: Returned, known: Judged, flags: Sequence[Any]) -> Found:
    """Return the newest rows that wait in the segments of this model that are flagged, each once."""
    mine = [f for f in flags if f.subject.partition("@")[0] == case.name]
    if not mine:
        return np.zeros(0, dtype=np.int64), []
    inputs, places = _with_inputs(case, _newest(known))
    words: dict[int, str] = {}
    for flag in reversed(mine):
        picked = places[_meets(inputs, flag.where) & _by_version(case, places, flag.subject)]
        words |= {p: f"flagged where {flag.where}: {flag.text}" for p in picked.tolist() if p not in words}
    return np.array([*words], dtype=np.int64), [*words.values()]


def _meets(inputs: pd.DataFrame, condition: str) -> NDArray[np.bool_]:
    """Tell which rows a condition picks: none where it is masked, or names what is not kept of a prediction."""
    from nbmlops.registry import conditions

    try:
        return conditions.Rows(inputs).where(condition)
    except NbmlopsError:
        return np.zeros(len(inputs), dtype=bool)


def _by_version(case: Returned, places: Places, subject: str) -> NDArray[np.bool_]:
    """Tell which rows the version of a subject answered; all where it names none."""
    number = subject.partition("@")[2]
    made = case.said["version"].iloc[places].to_numpy()
    return np.asarray(made == int(number)) if number else np.ones(len(places), dtype=bool)


def _sure_and_wrong(case: Returned, known: Judged) -> Found:
    """Return rows whose outcome is another than what the model was sure of; of numbers those that are furthest off."""
    if case.task == "regression":
        off = np.abs(errors(case))
        places = _best(np.flatnonzero(known.wrong & ~known.answered), off)
        return places, [f"off by {off[p]:.4g}, and nine in ten are within {case.limit:.4g}" for p in places]
    sure = _confidence(case)
    places = _best(np.flatnonzero(known.wrong & ~known.answered & (sure >= SURE)), sure)
    return places, [f"sure of it ({100 * sure[p]:.0f} %), and the outcome is another" for p in places]


def _confidence(case: Returned) -> NDArray[np.float64]:
    """Return how probable what was said is; NaN where the model does not say."""
    chance = case.said["probability"].to_numpy(dtype=float)
    return np.maximum(chance, 1 - chance) if case.task == "binary" else chance


def _best(places: Places, worth: NDArray[np.float64]) -> Places:
    return places[np.argsort(-worth[places], kind="stable")]


def errors(case: Returned) -> NDArray[np.float64]:
    """Return how far off each number was, NaN where its outcome is not known.

    Parameters
    ----------
    case : Returned
    """
    truth, said = (case.labels(case.said[c]).astype(float) for c in ("outcome", "prediction"))
    return np.asarray(np.abs(said - truth))


def _unsure(case: Returned, known: Judged) -> Found:
    """Return rows of which the model is not sure, the least sure first."""
    if case.task == "regression":
        return np.zeros(0, dtype=np.int64), []
    sure = _confidence(case)
    places = _best(np.flatnonzero(~known.known & ~known.answered & (sure < UNSURE)), -sure)
    return places, [f"not sure ({100 * sure[p]:.0f} %)" for p in places]


def _newest(known: Judged) -> Places:
    """Return the newest rows that wait, the newest first."""
    return np.flatnonzero(~known.known & ~known.answered)[::-1][:LOOKED_AT]


def _with_inputs(case: Returned, places: Places) -> tuple[pd.DataFrame, Places]:
    rows, kept = case.inputs_of(case.said["prediction_id"].iloc[places].tolist())
    return rows[kept], places[kept]


def _of_challenger(case: Returned, known: Judged, seed: int) -> Found:
    """Return rows of which the challenger says something else, among some drawn of the newest."""
    from nbmlops.registry import models
    from nbmlops.store.models import find

    challenger = find(session.store(), case.name, "challenger")
    newest = _newest(known)
    if challenger is None or challenger.ref == case.version.ref or not len(newest):
        return np.zeros(0, dtype=np.int64), []
    if len(newest) > ASKED:
        newest = np.random.default_rng(seed).choice(newest, ASKED, replace=False)
    rows, places = _with_inputs(case, newest)
    theirs = case.labels(models.answers(challenger, rows).predicted.tolist()) if len(rows) else np.zeros(0)
    ours = case.labels(case.said["prediction"].iloc[places])
    other = np.flatnonzero(case.wrong(ours, theirs))
    return places[other], [f"{challenger.ref} says {plain(theirs[i])}" for i in other]


def _of_episodes(case: Returned, known: Judged) -> Found:
    """Return rows with what there is more of than at registration, in the columns of open episodes, in turn."""
    from nbmlops.drift.profile import Profile
    from nbmlops.monitoring.episodes import rows as episodes
    from nbmlops.registry import models

    drifted = list(dict.fromkeys(e["column"] for e in episodes(case.version.ref, "open") if e["column"]))
    if not drifted:
        return np.zeros(0, dtype=np.int64), []
    reference = Profile.from_json(models.reference(case.version.ref)["profile"])
    inputs, places = _with_inputs(case, _newest(known))
    found = [_more_of(reference, inputs, places, c) for c in drifted if c in inputs and c in reference.columns]
    pairs = [pair for several in _in_turn(found) for pair in several]
    return np.array([p for p, _ in pairs], dtype=np.int64), [words for _, words in pairs]


def _in_turn(found: Sequence[Sequence[tuple[int, str]]]) -> Iterator[list[tuple[int, str]]]:
    for n in range(max(map(len, found), default=0)):
        yield [one[n] for one in found if n < len(one)]


def _more_of(reference: Any, inputs: pd.DataFrame, places: Places, column: str) -> list[tuple[int, str]]:
    """Return rows in the bin of a column whose share grew most since the reference was made."""
    from nbmlops.drift.columns import Raw, measure

    about, before = reference.columns[column], np.array(reference.total[column].counts, dtype=float)
    codes = measure(about, Raw(inputs[column]))[0].codes
    grown = np.bincount(codes, minlength=len(before)) / max(1, len(codes)) - before / max(1.0, before.sum())
    most = int(grown.argmax())
    labels = [*about.bins.labels]
    words = f"{column} is {labels[most] if most < len(labels) else 'elsewhere'}: more of these than at registration"
    return [(int(places[i]), words) for i in np.flatnonzero(codes == most)] if grown[most] > 0 else []
