"""What a model's answers are worth: counts of the four outcomes, times what the charter says each is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbmlops.errors import Invalid
from nbmlops.governance.charter import OUTCOMES, Charter
from nbmlops.registry import values
from nbmlops.stats import paired

__all__ = ["value"]

ROWS = 1000
Json = Mapping[str, Any]


def value(evaluation: Mapping[str, Any], charter: Charter, champion: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what acting on a model's answers gains over acting on none, per 1,000 rows.

    Without a model nothing is flagged: what would have been true positives are false negatives. The threshold is the
    one of best expected value on these same rows, so the figure is a little optimistic; the interval is that of a mean
    over rows taken as independent, and does not know about this choice.

    Parameters
    ----------
    evaluation : mapping
        ``Evaluation.to_dict()`` of a model with two classes and probabilities.
    charter : Charter
        With ``value.per`` for each of the four outcomes.
    champion : mapping, optional
        The evaluation of the present champion; the difference is added under ``champion``: ``low``, ``expected`` and
        ``high`` row by row where both were judged on the same rows and their answers were kept, else ``difference``.

    Returns
    -------
    dict
        ``unit``, ``low``, ``expected``, ``high``, ``against``, ``n``, ``per_rows``, ``threshold``; with a volume in the
        charter also ``volume``.

    Raises
    ------
    Invalid
        The charter does not say what an outcome is worth, or the evaluation counts none.

    Examples
    --------
    >>> value(nb.evaluate(model, frame, target="late").to_dict(), nb.charter())  # doctest: +SKIP
    {'unit': 'EUR', 'low': 310.2, 'expected': 355.9, 'high': 401.5, 'against': 'no model', 'n': 27004}
    """
    worth = _worth(charter)
    table = _counts(evaluation)
    totals = table @ worth
    best = int(totals.argmax())
    gain, n = _gains(worth), int(table[best].sum())
    found: dict[str, Any] = {
        "unit": str(charter.value.get("unit") or ""),
        **_interval(table[best], gain),
        "against": "no model",
        "n": n,
    }
    found |= {"per_rows": ROWS, "threshold": evaluation["confusion"]["threshold"][best]}
    if volume := charter.value.get("volume"):
        found["volume"] = {**volume, "expected": found["expected"] / ROWS * float(volume.get("rows") or 0)}
    if champion:
        found["champion"] = _against(evaluation, champion, charter, found)
    return found


def _against(evaluation: Json, champion: Json, charter: Charter, found: Json) -> dict[str, Any]:
    """Return what a model is worth more than the champion; with an interval where both answered the same rows."""
    other = value(champion, charter)
    both = values.of_same_rows(evaluation, champion)
    said: dict[str, Any] = {
        "difference": found["expected"] - other["expected"],
        "same_rows": True if both is not None else values.same_or_unknown(evaluation, champion),
    }
    if both is None:
        return said
    new, old = (
        _earned(told, side["threshold"], _worth(charter)) for told, side in zip(both, (found, other), strict=True)
    )
    gained = paired.gain(ROWS * (new - old))
    return said | {"low": gained.low, "expected": gained.value, "high": gained.high, "n": len(new)}


def _earned(told: tuple[str, Any, Any], threshold: float, worth: Any) -> Any:
    """Return what each row earns when those at or above a threshold are acted on."""
    _, said, truth = told
    hit, alarm, miss, quiet = worth
    return np.where(said >= threshold, np.where(truth, hit, alarm), np.where(truth, miss, quiet))


def _worth(charter: Charter) -> Any:
    per = charter.value.get("per") or {}
    if missing := [o for o in OUTCOMES if o not in per]:
        hint = f"Add value.per.{missing[0]} to {charter.path}."
        raise Invalid(f"The charter does not say what a {missing[0].replace('_', ' ')} is worth.", hint)
    return np.array([float(per[o]) for o in OUTCOMES])


def _counts(evaluation: Mapping[str, Any]) -> Any:
    """Return the four counts at each threshold, an array of shape (thresholds, 4)."""
    counts = evaluation.get("confusion")
    if not counts:
        raise Invalid("This evaluation counts no outcomes.", "Value needs a model with two classes and probabilities.")
    return np.array([counts[o] for o in OUTCOMES], dtype=float).T


def _gains(worth: Any) -> Any:
    """Return what each outcome gains over flagging nothing."""
    hit, alarm, miss, quiet = worth
    return np.array([hit - miss, alarm - quiet, 0.0, 0.0])


def _interval(counts: Any, gain: Any) -> dict[str, float]:
    """Return mean and 95 % interval of the gain per 1,000 rows, from the counts of the four outcomes."""
    n = counts.sum()
    mean = float(counts @ gain / n)
    spread = float(counts @ (gain - mean) ** 2 / max(n - 1, 1))
    half = float(1.959964 * (spread / n) ** 0.5)
    return {"low": ROWS * (mean - half), "expected": ROWS * mean, "high": ROWS * (mean + half)}
