"""How often a model is wrong, in words: on the rows it was judged on, and in use."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.errors import NbmlopsError
from nbmlops.monitoring.performance import canonical
from nbmlops.report.howto import Facts, Gap, Part
from nbmlops.report.text import count, number, percent
from nbmlops.stats.intervals import share
from nbmlops.tracking import session

__all__ = ["bound_of", "errors", "wrong"]

Json = Mapping[str, Any]


def wrong(facts: Facts) -> Part:
    """Say how often it is wrong: where it was judged, and in use."""
    if not facts.version.metrics:
        gap = facts.gap("how often it is wrong", "scientist", "nbmlops evaluate judges it on held-out rows")
        judged, gaps = [], [gap]
    else:
        judged, gaps = list(_judged(facts)), []
    realised, gap_ = _realised(facts)
    return Part(
        "wrong", "How often it is wrong", (*judged, *realised), missing=(*gaps, *([gap_] if gap_ is not None else []))
    )


def _judged(facts: Facts) -> Iterator[str]:
    """Yield what was measured on held-out rows."""
    metrics = facts.version.metrics
    if told := errors(metrics, facts.version.signature, "held-out rows"):
        yield told
    if constant := _constant(metrics, facts):
        yield constant
    yield from _sides(facts)
    yield from (f"Agreed: {f.message}." for f in (facts.agreed.judge(metrics) if facts.agreed else ()))


def errors(metrics: Json, signature: Json, rows: str) -> str:
    """Return in words how often answers are wrong, or by how much numbers are off.

    >>> metrics = {"accuracy": {"value": 0.75, "low": 0.74, "high": 0.76, "n": 5495}}
    >>> errors(metrics, {"task": "binary"}, "held-out rows")
    '25.0 % of the answers were wrong (95 % interval 24.0 to 26.0 %; 5,495 held-out rows).'
    """
    name = "mae" if signature.get("task") == "regression" else "accuracy"
    found = metrics.get(name)
    if not found or found.get("value") is None:
        return ""
    if name == "mae":
        bounds = f"95 % interval {number(found['low'])} to {number(found['high'])}; " if _bounded(found) else ""
        return f"Its numbers were off by {number(found['value'])} on average ({bounds}{number(found.get('n'))} {rows})."
    low, high = (f"{100 * (1 - found[k]):.1f}" if _bounded(found) else "" for k in ("high", "low"))
    bounds = f"95 % interval {low} to {high} %; " if low else ""
    return f"{percent(1 - found['value'])} of the answers were wrong ({bounds}{number(found.get('n'))} {rows})."


def _constant(metrics: Json, facts: Facts) -> str:
    """Return how often the same answer to everybody would be wrong: without it a share of errors says little."""
    share = (metrics.get("observed_share") or {}).get("value")
    if share is None or facts.version.signature.get("task") != "binary":
        return ""
    usual = facts.classes[0 if share <= 0.5 else 1]
    return f"For comparison: to say {usual} every time would be wrong in {percent(min(share, 1 - share))}."


def _sides(facts: Facts) -> Iterator[str]:
    """Yield how far to trust either answer, at the bound the model uses."""
    table, bound = (facts.evaluation or {}).get("confusion"), bound_of(facts.evaluation or {})
    if not table or bound is None:
        return
    place = min(range(len(table["threshold"])), key=lambda i: abs(table["threshold"][i] - bound))
    hit, false, missed = (int(table[k][place]) for k in ("true_positive", "false_positive", "false_negative"))
    positive = facts.positive
    if hit + false:
        found = share(hit, hit + false)
        yield f"Where it said {positive}, that came true in {_measured(found)} of {hit + false:,} rows."
    else:
        yield f"It never said {positive} there."
    if hit + missed:
        found = share(hit, hit + missed)
        yield f"Of {hit + missed:,} rows that came out {positive}, it said so for {_measured(found)}."


def bound_of(evaluation: Json) -> float | None:
    """Return the chance above which a model of two classes says the positive one, as its evaluation's rows show it.

    Parameters
    ----------
    evaluation : mapping
        Of a registered version.

    Returns
    -------
    float or None
        0.5 where the rows do not speak against it; None where the values are not kept or no bound divides them.
    """
    import numpy as np

    try:
        with np.load(io.BytesIO(session.artifacts().get(evaluation["values"])), allow_pickle=False) as kept:
            said, probability = kept["predicted"], kept.get("probability")
    except (KeyError, NbmlopsError):
        return None
    if evaluation["task"] != "binary" or probability is None:
        return None
    labels = [label for label in np.unique(said) if canonical(label) == canonical(evaluation["positive"])]
    yes, chance = np.isin(said, labels), probability[:, 1]
    most, least = chance[~yes].max(initial=0.0), chance[yes].min(initial=1.0)
    if most > least:
        return None
    return 0.5 if most <= 0.5 <= least else round(float(most + least) / 2, 3)


def _realised(facts: Facts) -> tuple[list[str], Gap | None]:
    """Return how it did in use, or that nobody knows yet."""
    found = facts.performance
    do = "hand in what came true: nbmlops feedback outcomes.csv"
    if found is None:
        if facts.used:
            return [], facts.gap(f"how it did in use: {facts.told(facts.no_performance)}", "ml_engineer", do)
        return ["It has made no prediction that was recorded."], None
    if not found.known:
        return [], facts.gap(
            f"how it did in use: no outcome of {found.predictions:,} predictions came back", "ml_engineer", do
        )
    of = f"of {found.predictions:,} predictions whose outcome is known ({percent(found.coverage)})"
    says = [f"In use: {told}"] if (told := errors(found.metrics, facts.version.signature, of)) else []
    if found.early:
        says.append(
            f"In use: {found.early.removesuffix(': see older_than')}. What comes early is seldom like the rest."
        )
    else:
        says += [f"In use, agreed: {f.message}." for f in found.findings if f.code == "target"]
    return says + list(_agreement(getattr(found, "agreement", None))), None


def _agreement(found: Any) -> Iterator[str]:
    """Yield what users thought of its answers."""
    if not found or not found.get("n"):
        return
    n, agree = found["n"], found["agree"]
    if found.get("share") is None:
        yield f"{count(n, 'user opinion')} so far, {agree} of them agree: too few for a share."
    else:
        bounds = f"95 % interval {percent(found.get('low'))} to {percent(found.get('high'))}"
        yield f"Users agreed with {percent(found['share'])} of {n:,} answers they judged ({bounds})."


def _bounded(found: Json) -> bool:
    return found.get("low") is not None and found.get("high") is not None


def _measured(found: Any) -> str:
    return f"{percent(found.value)} [{100 * found.low:.1f}, {100 * found.high:.1f}]"
