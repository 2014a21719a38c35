"""For experts: what the answers rest on, and how they go with the columns that matter most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmlops.report import charts, facts
from nbmlops.report.blocks import Block, Figure, Fold, Missing, Say, Section, Table
from nbmlops.report.text import as_float, finite, number, percent

__all__ = ["explanations"]

Json = Mapping[str, Any]
MOST_IMPORTANT = 12


def explanations(snapshot: Json) -> Section:
    """Return which columns the answers rest on, and how the mean answer goes with each of the first few."""
    title, told = "Explanations", snapshot.get("explained") or {}
    judged = facts.evaluation(snapshot) or {}
    curves = [curve for curve in told.get("curves") or [] if len(curve["points"]) > 1]
    blocks: list[Block] = [*_importance(judged)]
    blocks += [_curve(curve) for curve in curves]
    if curves:
        blocks.append(Fold("Numbers of the charts", [_numbers(curve) for curve in curves]))
        blocks.append(Say("The other columns are held as they are in rows that are usual: this is how the model works, "
                          "not what would happen if somebody changed the value."))  # fmt: skip
    elif told:
        why = told.get("no_curves") or told.get("not_read") or "nothing was drawn"
        blocks.append(Missing(f"How the answer goes with a column: {why}", f"%explain {told['ref']}"))
    words = "What the answers rest on, and how they go with it." if judged or curves else "Nothing was measured."
    return Section("explanations", title, f"{words} For people who know the subject.", blocks)


def _importance(judged: Json) -> list[Block]:
    shares = {str(k): as_float(v) for k, v in (judged.get("importance") or {}).items()}
    if not shares:
        return [Missing("What the answers rest on was not measured", "%evaluate, for a model with columns")]
    top = sorted(shares.items(), key=lambda item: -item[1])[:MOST_IMPORTANT]
    svg = charts.bars([k for k, _ in top], [v for _, v in top], title="What the answers rest on", shares=True)
    return [Figure(svg, f"Mixing up {top[0][0]} costs most: {percent(top[0][1])} of what mixing up all columns costs.")]


def _curve(curve: Json) -> Figure:
    """Return one curve as a chart over a sentence."""
    name, points = str(curve["column"]), curve["points"]
    explains = str(curve.get("explains") or "the answer")
    means = [as_float(p["mean"]) for p in points]
    places = [as_float(p["value"]) for p in points]
    if finite(*places):
        svg = charts.line(list(zip(places, means, strict=True)), title=name, x_label=name, y_label=explains)
    else:
        svg = charts.bars([str(p["value"]) for p in points], means, title=name, shares=_shown(curve) is percent)
    shown = _shown(curve)
    least, most = (f(points, key=lambda p: as_float(p["mean"])) for f in (min, max))
    words = f"{explains[:1].upper()}{explains[1:]} is lowest, {shown(least['mean'])}, where {name} is "
    words += f"{_value(least['value'])}, and highest, {shown(most['mean'])}, where it is {_value(most['value'])}."
    return Figure(svg, words)


def _shown(curve: Json) -> Callable[[Any], str]:
    """Return how an answer is written: a chance as a percentage."""
    chances = "chance" in str(curve.get("explains")) and all(0 <= as_float(p["mean"]) <= 1 for p in curve["points"])
    return percent if chances else number


def _numbers(curve: Json) -> Table:
    shown = _shown(curve)
    rows = [(_value(p["value"]), shown(p["mean"]), number(p["standard_error"])) for p in curve["points"]]
    return Table(f"Mean answer by {curve['column']}, over {number(curve['rows'])} rows", HEADS, rows, numeric=(1, 2))


HEADS = ("Value", "Mean answer", "Standard error")


def _value(value: Any) -> str:
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
