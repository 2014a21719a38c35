"""What a model's answers are worth: counts of the four outcomes, times what the charter says each is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.governance.charter import OUTCOMES, Charter
from nbmlops.registry import values

__all__ = ["ALL", "NONE", "TODAY", "gained", "over_best", "per_outcome", "value", "without_model"]

ROWS = 1000
SEED = 0
NONE, ALL, TODAY = "acting on none", "acting on all", "what is done today"
CHOSEN = "on the other half of the rows"
BOUNDS = ("low", "expected", "high")
Json = Mapping[str, Any]
Floats = NDArray[np.float64]


def value(evaluation: Mapping[str, Any], charter: Charter, champion: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what acting on a model's answers gains over the best that can be done without it, per 1,000 rows.

    Without a model one can act on no row or on all, or do what is done today where the charter says what that is worth
    (``value.without``). The model is held against the best of these; each is told. The threshold is chosen on one half
    of the rows (drawn with a fixed seed) and measured on the other, and the other way round, so a model without skill
    gains nothing by the choice. Rows are taken as independent.

    Parameters
    ----------
    evaluation : mapping
        ``Evaluation.to_dict()`` of a model with two classes and probabilities, or of a regression.
    charter : Charter
        With ``value.per`` for each of the four outcomes; of a regression ``value.error``.
    champion : mapping, optional
        The evaluation of the present champion; the difference is added under ``champion``: ``low``, ``expected`` and
        ``high`` row by row where both were judged on the same rows and their answers were kept, else ``difference``.

    Returns
    -------
    dict
        ``unit``, ``low``, ``expected``, ``high``, ``against``, ``n``, ``per_rows``, ``alternatives`` (each with its own
        interval), ``threshold`` (the best on all rows), ``outcomes``; with a volume in the charter also
        ``volume``, with ``low``, ``expected`` and ``high`` in its period.

    Raises
    ------
    Invalid
        The charter does not say what an outcome is worth, or the evaluation counts none.

    Examples
    --------
    >>> value(nb.evaluate(model, frame, target="late").to_dict(), nb.charter())  # doctest: +SKIP
    {'unit': 'EUR', 'low': 310.2, 'expected': 355.9, 'high': 401.5, 'against': 'acting on none', 'n': 27004}
    """
    if evaluation.get("task") == "regression":
        from nbmlops.governance.worth import error

        return error.value(evaluation, charter, champion)
    worth, table = per_outcome(charter), _counts(evaluation)
    counts = _apart(table, worth)
    found = _held(counts, worth, charter) | {
        "threshold": evaluation["confusion"]["threshold"][int((table @ worth).argmax())],
        "threshold_chosen": CHOSEN,
        "outcomes": dict(zip(OUTCOMES, counts.astype(int).tolist(), strict=True)),
    }
    if champion:
        found["champion"] = _against(evaluation, champion, charter, found)
    return found


def per_outcome(charter: Charter) -> Floats:
    """Return what each of the four outcomes is worth, in the order of ``OUTCOMES``.

    Raises
    ------
    Invalid
        The charter does not say it of one.
    """
    per = charter.value.get("per") or {}
    if missing := [o for o in OUTCOMES if o not in per]:
        hint = f"Add value.per.{missing[0]} to {charter.path}."
        raise Invalid(f"The charter does not say what a {missing[0].replace('_', ' ')} is worth.", hint)
    return np.array([float(per[o]) for o in OUTCOMES])


def without_model(worth: Floats, charter: Charter) -> dict[str, Floats]:
    """Return what each row is worth without a model, by what a model would have made of it (the four outcomes).

    Parameters
    ----------
    worth : array of shape (4,)
        As :func:`per_outcome` returns it.
    charter : Charter
    """
    hit, alarm, miss, quiet = worth
    ways = {NONE: np.array([miss, quiet, miss, quiet]), ALL: np.array([hit, alarm, hit, alarm])}
    today = charter.value.get("without")
    return ways if today is None else ways | {TODAY: np.full(4, float(today))}


def gained(gains: Any) -> dict[str, float]:
    """Return mean and 95 % interval of each row's gain, per 1,000 rows."""
    from nbmlops.stats import paired  # SciPy takes half a second: a report without a value does without

    found = paired.gain(ROWS * np.asarray(gains, dtype=float))
    return {"low": found.low, "expected": found.value, "high": found.high}


def over_best(told: Sequence[dict[str, Any]], n: int, charter: Charter) -> dict[str, Any]:
    """Return what is gained over the best way without a model, over each, and at the charter's volume.

    Parameters
    ----------
    told : sequence of dict
        Of each way ``against``, ``low``, ``expected``, ``high``, and what it is worth ``alone``.
    n : int
        Rows it rests on.
    charter : Charter
    """
    ways = sorted(told, key=lambda t: -float(t["alone"]))
    gain = {k: ways[0][k] for k in BOUNDS}
    found = {"unit": str(charter.value.get("unit") or ""), **gain}
    found |= {"against": ways[0]["against"], "n": n, "per_rows": ROWS, "alternatives": ways}
    if volume := charter.value.get("volume"):
        times = float(volume["rows"]) / ROWS
        found["volume"] = {**volume, **{k: v * times for k, v in gain.items()}}
    return found


def _held(counts: Floats, worth: Floats, charter: Charter) -> dict[str, Any]:
    """Return the gain over every way without a model, the one over the best of them first."""
    n = int(counts.sum())
    if not n:
        raise Invalid("This evaluation counts no rows.", "Evaluate on held-out rows.")
    ways = without_model(worth, charter)
    rows = counts.astype(int)
    told = [
        {"against": way, **gained(np.repeat(worth - other, rows)), "alone": ROWS * float(counts @ other) / n}
        for way, other in ways.items()
    ]
    return over_best(told, n, charter)


def _apart(table: Floats, worth: Floats) -> Floats:
    """Return the four counts where each half of the rows is acted on by the threshold that is best on the other."""
    one, other = _halves(table)
    return one[int((other @ worth).argmax())] + other[int((one @ worth).argmax())]  # type: ignore[no-any-return]


def _halves(table: Floats) -> tuple[Floats, Floats]:
    """Return the counts of two halves of the rows: rows between two thresholds are alike, so counts can be drawn."""
    hit, alarm, miss, quiet = table.T
    bins = np.concatenate(
        [
            np.diff(side, prepend=0, append=whole)
            for side, whole in ((miss, (hit + miss)[0]), (quiet, (alarm + quiet)[0]))
        ]
    ).astype(np.int64)
    rng = np.random.default_rng(SEED)
    drawn = rng.multivariate_hypergeometric(bins, int(bins.sum()) // 2, method="marginals")
    half = _cumulated(drawn)
    return half, table - half


def _cumulated(bins: NDArray[np.int64]) -> Floats:
    """Return the four counts at each threshold from the rows between thresholds, positives first."""
    up, down = np.split(bins, 2)
    miss, quiet = (side.cumsum()[:-1] for side in (up, down))
    return np.column_stack([up.sum() - miss, down.sum() - quiet, miss, quiet]).astype(float)


def _against(evaluation: Json, champion: Json, charter: Charter, found: Json) -> dict[str, Any]:
    """Return what a model is worth more than the champion; with an interval where both answered the same rows."""
    other = next(t for t in value(champion, charter)["alternatives"] if t["against"] == found["against"])
    both = values.of_same_rows(evaluation, champion)
    said: dict[str, Any] = {
        "difference": found["expected"] - other["expected"],
        "same_rows": True if both is not None else values.same_or_unknown(evaluation, champion),
    }
    if both is None:
        return said
    new, old = (
        _earned(told, side["confusion"]["threshold"], per_outcome(charter))
        for told, side in zip(both, (evaluation, champion), strict=True)
    )
    more = gained(new - old)
    return said | {"difference": more["expected"], **more, "n": len(new)}


def _earned(told: tuple[str, Any, Any], thresholds: Any, worth: Floats) -> Floats:
    """Return what each row earns, acted on by the threshold that is best on the other half of the rows."""
    _, said, truth = told
    grid, truth = np.asarray(thresholds, dtype=float), np.asarray(truth, dtype=bool)
    half = np.random.default_rng(SEED).permutation(len(truth)) % 2 == 0
    bounds = [grid[int((_table(said[side], truth[side], grid) @ worth).argmax())] for side in (half, ~half)]
    acted = said >= np.where(half, bounds[1], bounds[0])
    hit, alarm, miss, quiet = worth
    return np.asarray(np.where(acted, np.where(truth, hit, alarm), np.where(truth, miss, quiet)), dtype=float)


def _table(said: Any, truth: Any, grid: Floats) -> Floats:
    """Return the four counts of some rows at each threshold."""
    up, down = (np.searchsorted(np.sort(said[truth == side]), grid) for side in (True, False))
    return np.column_stack([truth.sum() - up, (~truth).sum() - down, up, down]).astype(float)


def _counts(evaluation: Mapping[str, Any]) -> Floats:
    """Return the four counts at each threshold, an array of shape (thresholds, 4)."""
    counts = evaluation.get("confusion")
    if not counts:
        raise Invalid("This evaluation counts no outcomes.", "Value needs a model with two classes and probabilities.")
    return np.array([counts[o] for o in OUTCOMES], dtype=float).T
