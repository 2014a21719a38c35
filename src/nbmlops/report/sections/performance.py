"""How well a model answers rows it has not seen, where it is weak, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report import charts, facts, matrix
from nbmlops.report.blocks import Block, Figure, Fold, Missing, Say, Section, Table, Verdict, verdict
from nbmlops.report.evidence import MOST_CHARTS, finding_tables
from nbmlops.report.page_one.measured import HEADLINES, METRIC_HEADS, metric_rows, tracked
from nbmlops.report.text import as_float, count, finite, measured, number, percent

__all__ = ["performance"]

Json = Mapping[str, Any]
MOST_IMPORTANT, MOST_LETTERS, MOST_TRACKED = 12, 60, 100


def performance(snapshot: Json) -> Section:
    """Return how well the model answers rows it has not seen, where it is weak, and what it rests on."""
    judged = facts.evaluation(snapshot)
    gates = _gates(snapshot)
    if judged is None:
        missing = Missing("No evaluation on held-out rows in this run", "%evaluate MODEL FRAME --target COLUMN")
        shown = [missing, *_tracked(snapshot), *gates, *_series(snapshot)]
        return Section("performance", "Performance", "How good the answers are is not known.", shown)
    title = f"{judged.get('estimator') or judged.get('model')} on {number(judged.get('rows'))} held-out rows"
    blocks: list[Block] = [Table(title, METRIC_HEADS, metric_rows(judged), numeric=(1, 3)), *gates]
    others = [f for f in judged.get("findings") or [] if f.get("code") != "target"]
    blocks += finding_tables("Findings of the evaluation", facts.ordered(others)) if others else []
    blocks += [*_calibration(judged), *_confusion(snapshot, judged), *_slices(judged)]
    blocks += [*_segments(judged), *_worst(snapshot, judged), *_realised(snapshot), *_tracked(snapshot)]
    blocks += _series(snapshot)
    return Section("performance", "Performance", _performance_words(judged), blocks)


def _performance_words(judged: Json) -> str:
    far = judged.get("far_off") or {}
    words = f"Measured on {number(judged.get('rows'))} rows the model was not fitted on, target {judged.get('target')}."
    if far.get("n") is not None:
        words += f" Far off in {number(far['n'])} rows ({percent(far.get('share'))}: {far.get('means')})."
    return words


def _gates(snapshot: Json) -> list[Block]:
    """Return champion and challenger side by side."""
    heads = ("Comparison", "Metric", "Champion", "Challenger", "Difference", "95 % interval", "Verdict")
    rows = [
        (
            r["subject"],
            str(r["data"].get("metric")),
            number(r["data"].get("champion_value")),
            number(r["data"].get("challenger_value")),
            *measured(r["data"].get("difference"), r["data"].get("low"), r["data"].get("high"), sign=True),
            verdict(r["data"].get("verdict")),
        )
        for r in facts.results(snapshot, "gate")
    ]
    if not rows:
        return [Missing("No comparison with a champion in this run", "%gate CHALLENGER CHAMPION")]
    gate = facts.newest(snapshot, "gate") or {}
    small = f"{number(gate.get('rows'))} rows could show a difference of {number(gate.get('detectable'))} or more"
    margin = f"being worse by {number(gate.get('margin'))} was agreed to be tolerable"
    caption = "Both on the same held-out rows, positive is better"
    return [Table(caption, heads, rows, numeric=(2, 3, 4), tight=(1, 5)), Say(f"{small}; {margin}.")]


def _calibration(judged: Json) -> list[Block]:
    bins = judged.get("calibration") or []
    if not bins:
        return []
    columns = [[b.get(k) for b in bins] for k in ("predicted", "observed", "n")]
    bounds = [(b.get("low"), b.get("high")) for b in bins]
    svg = charts.calibration(*columns, title="Calibration", bounds=bounds)
    rows = [(percent(b.get("predicted")), percent(b.get("observed")), _bounds(b), number(b.get("n"))) for b in bins]
    heads = ("Predicted", "Observed", "95 % interval", "Rows")
    numbers = Table("Calibration in bins of equally many rows", heads, rows, numeric=(0, 1, 3))
    return [Figure(svg, charts.alt(svg).partition(": ")[2]), Fold("Numbers of the chart", [numbers])]


def _bounds(part: Json) -> str:
    low, high = part.get("low"), part.get("high")
    return f"[{percent(low)}, {percent(high)}]" if finite(as_float(low), as_float(high)) else "-"


def _slices(judged: Json) -> list[Block]:
    slices = judged.get("slices") or []
    if not slices:
        return [Missing("Parts of the data were not looked at one by one", "%evaluate MODEL FRAME --by COLUMN")]
    metrics = judged.get("metrics") or {}
    name = next((n for n in (*HEADLINES, *metrics) if n in metrics), "")
    weak = {f.get("column") for f in judged.get("findings") or [] if f.get("code") == "slice"}
    rows = [_slice_row(part, name, part.get("slice") in weak) for part in slices]
    table = Table(
        f"{name} in each part of the data", ("Part", "Rows", name, "95 % interval", "Finding"), rows, numeric=(1, 2)
    )
    if len(rows) <= MOST_IMPORTANT:
        return [table]
    return [Fold(f"{name} in each of {len(rows)} parts of the data", [table])]


def _slice_row(part: Json, name: str, weak: bool) -> tuple[Any, ...]:
    found = (part.get("metrics") or {}).get(name) or {}
    value, bounds = measured(found.get("value"), found.get("low"), found.get("high"))
    needs = f": needs {part['needs']} rows" if part.get("needs") else ""
    finding = Verdict("weak", "warn") if weak else verdict(f"{part.get('level')}{needs}")
    return str(part.get("slice")), number(part.get("n")), value, bounds, finding


def _confusion(snapshot: Json, judged: Json) -> list[Block]:
    """Return the four outcomes at one bound: the one of best value by the charter, else one half."""
    counts = judged.get("confusion")
    if not counts:
        return []
    best = as_float((snapshot.get("value") or {}).get("threshold"))
    wanted = best if finite(best) else 0.5
    place = min(range(len(counts["threshold"])), key=lambda i: abs(counts["threshold"][i] - wanted))
    hit, alarm, miss, quiet = (counts[name][place] for name in OUTCOMES)
    yes = str(judged.get("positive") if judged.get("positive") is not None else "yes")
    said = (yes, f"not {yes}")
    rows = [
        (f"{judged.get('target')} was {said[0]}", number(hit), number(miss), percent(_share(hit, miss))),
        (f"{judged.get('target')} was {said[1]}", number(alarm), number(quiet), percent(_share(quiet, alarm))),
    ]
    why = "of best value by the charter" if finite(best) else "of one half"
    caption = f"Right and wrong at a bound {why}, {number(counts['threshold'][place])}"
    heads = ("What came true", f"It said {said[0]}", f"It said {said[1]}", "Right")
    svg = matrix.confusion(said, [[hit, miss], [alarm, quiet]], title=f"{judged.get('target')}: right and wrong")
    figure = Figure(svg, f"{caption}. A strong edge is right; the share is of all that came true.")
    return [figure, Fold("Right and wrong in numbers", [Table(caption, heads, rows, numeric=(1, 2, 3))])]


OUTCOMES = ("true_positive", "false_positive", "false_negative", "true_negative")


def _share(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest else None


def _segments(judged: Json) -> list[Block]:
    """Return the parts of the data nobody named in which rows cost the most."""
    rows = [
        (
            str(part.get("slice")),
            number(part.get("n")),
            percent(part.get("share")),
            *_difference(part.get("loss") or {}),
        )
        for part in judged.get("weakest") or []
    ]
    caption = "Where it is weakest: found on one half of the rows, measured on the other"
    heads = ("Where", "Rows", "Share", "Costs more than elsewhere", "95 % interval")
    return [Table(caption, heads, rows, numeric=(1, 2, 3), tight=(4,))] if rows else []


def _difference(loss: Json) -> tuple[str, str]:
    return measured(loss.get("value"), loss.get("low"), loss.get("high"), sign=True)


def _worst(snapshot: Json, judged: Json) -> list[Block]:
    """Return the rows that cost the most, by their place: what was said of them and what came true, never the row."""
    worst = snapshot.get("worst") or []
    if not worst:
        return [Missing("Which rows it was most wrong on was not kept", "%evaluate keeps their places")]
    gone = MASKED if judged.get("target") in (snapshot.get("private") or []) else "not kept"
    chances = any(row.get("chance_of_truth") is not None for row in worst)
    cost = "Error" if judged.get("task") == "regression" else "Log loss" if chances else "Cost"
    heads = ("Row", "It said", "Came true", cost, *(("Chance given to what came true",) if chances else ()))
    rows = [(*_worst_row(row, gone), *((percent(row.get("chance_of_truth")),) if chances else ())) for row in worst]
    caption = "The rows it was most wrong on, by their place among the rows it was judged on"
    table = Table(caption, heads, rows, numeric=(0, 3, 4) if chances else (0, 3))
    return [table, Say("evaluation.worst_rows(frame) shows them whole, to who may see the data.")]


MASKED = "private: not shown"


def _worst_row(row: Json, gone: str) -> tuple[str, ...]:
    said, truth = (str(row[k])[:MOST_LETTERS] if row.get(k) is not None else gone for k in ("said", "truth"))
    return number(row.get("row")), said, truth, number(row.get("loss"))


def _realised(snapshot: Json) -> list[Block]:
    """Return how predictions came true, where outcomes are known."""
    blocks: list[Block] = []
    for result in facts.results(snapshot, "performance"):
        data = result["data"]
        caption = (
            f"{result['subject']}: {number(data.get('known'))} of {number(data.get('predictions'))} outcomes known"
        )
        blocks.append(Table(caption, METRIC_HEADS, metric_rows(data), numeric=(1, 3), tight=(2,)))
        if found := data.get("findings"):
            blocks += finding_tables("Realised against the targets", facts.ordered(found))
    return blocks


def _tracked(snapshot: Json) -> list[Block]:
    """Return what the runs tracked by themselves, as it is: no rows, no interval."""
    values = tracked(snapshot)
    rows = [(name, number(value)) for name, value in list(values.items())[:MOST_TRACKED]]
    if not rows:
        return []
    more = [Say(f"{count(len(values) - len(rows), 'more metric')} in the facts.")] if len(values) > len(rows) else []
    caption = "Metrics the runs tracked, the newest value of each: on which rows is not known, without an interval"
    return [Table(caption, ("Metric", "Tracked"), rows, numeric=(1,)), *more]


def _series(snapshot: Json) -> list[Block]:
    figures: list[Block] = [
        _curve(name, values, (part.get("logged") or {}).get(name) or {})
        for part in facts.all_parts(snapshot)
        for name, values in sorted(part["series"].items())
        if len(values) > 2
    ]
    return [Fold(f"How {count(len(figures), 'metric')} went", figures[:MOST_CHARTS])] if figures else []


def _curve(name: str, values: Sequence[float], logged: Json) -> Figure:
    """Return a metric along its steps; in the order logged where a value had none."""
    steps = logged.get("steps")
    places = steps or logged.get("places") or range(1, len(values) + 1)
    axis, most = "step" if steps else "logged", logged.get("count") or len(values)
    points = list(zip(places, values, strict=True))
    return Figure(charts.line(points, title=name, x_label=axis, y_label=name, of=most))
