"""Where a model is weak: slices someone asked for, and the weakest segments there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.drift import coded
from nbmlops.drift.coded import Coded
from nbmlops.errors import Invalid
from nbmlops.records import Finding
from nbmlops.registry import measures
from nbmlops.registry.measures import Answers
from nbmlops.stats import intervals, weakness

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEWEST_ROWS", "HEADLINE", "findings", "groups", "measured", "weakest"]

FEWEST_ROWS = 50  # below this a slice is answered "insufficient data"
MOST_SLICES = 50
MOST_ROWS = 20_000  # that segments are looked for in, and measured on: half each
MOST_COLUMNS = 20  # the most important ones
MOST_SEGMENTS = 3
HEADLINE = ("roc_auc", "mae", "accuracy")
Rows = NDArray[Any]
Json = dict[str, Any]


def groups(rows: pd.DataFrame, by: Sequence[str]) -> dict[str, Rows]:
    """Return slice label to row places, the largest first; a missing value is a slice of its own."""
    if missing := [c for c in by if c not in rows.columns]:
        raise Invalid(
            f"No column {missing[0]!r} to slice by.", f"The frame has: {', '.join(map(str, rows.columns[:12]))}."
        )
    found: dict[str, Rows] = {}
    for column in by:
        codes, labels = rows[column].factorize(use_na_sentinel=False)
        for code, label in enumerate(labels):
            found[f"{column}={'missing' if label is None or label != label else label}"] = np.flatnonzero(codes == code)
            if len(found) > 20 * MOST_SLICES:
                raise Invalid(f"{column!r} has over {20 * MOST_SLICES:,} values.", "Slice by a column with few values.")
    return dict(sorted(found.items(), key=lambda item: -len(item[1]))[:MOST_SLICES])


def measured(label: str, answers: Answers) -> Json:
    """Return the metrics of one slice, or how many rows it takes."""
    n = len(answers.predicted)
    if n < FEWEST_ROWS:
        return {"slice": label, "n": n, "level": "insufficient data", "needs": FEWEST_ROWS, "metrics": {}}
    return {"slice": label, "n": n, "level": "ok", "metrics": measures.measure(answers)}


def findings(slices: Iterable[Mapping[str, Any]], metrics: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Name slices whose whole interval is worse than that of all rows."""
    found = []
    name = next((m for m in HEADLINE if m in metrics), "")
    lower_is_better = name == "mae"
    for part in slices:
        here, whole = part["metrics"].get(name), metrics.get(name)
        if not here or not whole or None in (here["low"], whole["low"]):
            continue
        if here["low"] > whole["high"] if lower_is_better else here["high"] < whole["low"]:
            message = f"{name} is worse in {part['slice']} ({part['n']:,} rows): {here['value']:.3g}"
            message += f" against {whole['value']:.3g}"
            found.append(Finding("slice", "warning", message, part["slice"], here["value"] - whole["value"]))
    return found


def weakest(
    features: pd.DataFrame, answers: Answers, importance: Mapping[str, float]
) -> tuple[tuple[Json, ...], Finding]:
    """Return the segments whose rows cost the most, looked for on one half of the rows and measured on the other.

    Parameters
    ----------
    features : DataFrame of shape (n, columns)
        Of at most 20,000 rows, evenly taken; the 20 most important columns.
    answers : Answers
    importance : mapping
        Column to share.

    Returns
    -------
    segments : tuple of dict
        ``slice`` in words, ``n`` and ``metrics`` on the second half, ``loss``: how much more a row costs there than
        elsewhere, above what its probabilities promise, with an interval that covers all segments found together.
    finding : Finding
        Of code ``weak-segment``.
    """
    step = -(-len(features) // MOST_ROWS)
    losses = measures.surprise(answers)[::step]
    columns = _columns(features.iloc[::step], importance)
    first: Rows = np.random.default_rng(0).random(len(losses)) < 0.5
    if min(first.sum(), (~first).sum()) < 2 * FEWEST_ROWS or not columns:
        why = f"insufficient data: {len(features):,} rows, {8 * FEWEST_ROWS} are needed" if columns else "no column"
        return (), Finding("weak-segment", "skipped" if columns else "not_applicable", why)
    dear: Rows = losses > losses[first].mean()
    found = [c for column in columns for c in coded.conditions(column, dear, first)]
    meets = np.column_stack([rows for _, rows in found])
    chosen = weakness.weakest(meets[first], losses[first], FEWEST_ROWS, MOST_SEGMENTS)
    places = np.arange(0, len(features), step)[~first]
    told = [" and ".join(found[i][0] for i in each) for each in chosen]
    inside: list[Rows] = [np.logical_and.reduce(meets[~first][:, list(each)], axis=1) for each in chosen]
    segments = [
        _segment(words, rows, losses[~first], answers.take(places[rows]), len(chosen))
        for words, rows in zip(told, inside, strict=True)
        if rows.sum() >= FEWEST_ROWS
    ]
    return tuple(segments), _finding(segments, _unit(answers))


def _columns(features: pd.DataFrame, importance: Mapping[str, float]) -> list[Coded]:
    names = sorted(map(str, features.columns), key=lambda n: -importance.get(n, 0.0))[:MOST_COLUMNS]
    named = features.set_axis(list(map(str, features.columns)), axis=1)
    found = [coded.code(name, named[name], named[name].iloc[:0]) for name in names]
    return [c for c in found if isinstance(c, Coded)]


def _segment(words: str, inside: Rows, losses: Rows, answers: Answers, tested: int) -> Json:
    """Return one segment; its interval is widened so that all together are covered (Bonferroni)."""
    more = intervals.between(losses[inside], losses[~inside], 1 - 0.05 / tested)
    return {**measured(words, answers), "loss": more._asdict(), "share": float(inside.mean())}


def _unit(answers: Answers) -> str:
    promised = answers.probability is not None and answers.task != "regression"
    return f"{measures.loss_name(answers)} a row{' above what it promises' if promised else ''}"


def _finding(segments: Sequence[Json], loss: str) -> Finding:
    sure = [s for s in segments if s["loss"]["low"] > 0]
    if not sure:
        return Finding("weak-segment", "passed", "No segment was found in which rows cost more than elsewhere")
    told = [f"{s['slice']} ({100 * s['share']:.0f} % of rows): {_more(s['loss'])} {loss}" for s in sure]
    message = f"Weakest where {'; and where '.join(told)}"
    return Finding("weak-segment", "warning", message, effect=sure[0]["loss"]["value"])


def _more(loss: Mapping[str, float]) -> str:
    return f"{loss['value']:+.2g} [{loss['low']:+.2g}, {loss['high']:+.2g}]"
