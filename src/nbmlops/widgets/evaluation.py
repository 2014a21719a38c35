"""An evaluation as a card: metrics with intervals, calibration, importance, slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.widgets.html import card, esc, fold, image, number, percent, table
from nbmlops.widgets.measured import finding_lines, findings, interval, metric_lines, metrics, verdict

__all__ = ["html", "text"]

HEADLINE = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "mae"}


def html(data: Mapping[str, Any]) -> str:
    """Return the evaluation as a card; slices and importance on demand."""
    parts = [
        f"<div>{esc(_about(data))}</div>",
        metrics(data["metrics"]),
        findings(data["findings"]),
        _calibration(data),
        fold("Importance", _importance(data)) if data["importance"] else "",
        fold(f"Slices ({len(data['slices'])})", _slices(data)) if data["slices"] else "",
        fold(f"Weakest segments ({len(weakest)})", _weakest(weakest)) if (weakest := data.get("weakest")) else "",
    ]
    hint = "register it: %register MODEL NAME" if not data["digest"] else ""
    answered = [f for f in data["findings"] if f["outcome"] != "skipped"]  # too few rows for one question judge nothing
    return card(f"Evaluation of {data['model']}", verdict(answered), "".join(parts), hint)


def text(data: Mapping[str, Any]) -> str:
    """Return the evaluation in at most twelve lines."""
    head = f"Evaluation of {data['model']}: {_about(data)}"
    return "\n".join([head, *metric_lines(data["metrics"]), *finding_lines(data["findings"])])


def _about(data: Mapping[str, Any]) -> str:
    positive = f" = {data['positive']}" if data["task"] == "binary" else ""
    far = data["far_off"]
    return (
        f"{data['target']}{positive}, {number(data['rows'])} rows; "
        f"{number(far['n'])} {'row' if far['n'] == 1 else 'rows'} far off ({percent(far['share'])}: {far['means']})"
    )


def _calibration(data: Mapping[str, Any]) -> str:
    from nbmlops.report import charts

    bins = data["calibration"]
    if not bins:
        return ""
    columns = ([b[k] for b in bins] for k in ("predicted", "observed", "n"))
    drawn = charts.calibration(*columns, title="Predicted against observed share")
    rows = [[percent(b["predicted"]), percent(b["observed"]), interval(b, percent), number(b["n"])] for b in bins]
    counted = table(["predicted", "observed", "95 % interval", "rows"], rows)
    return fold("Calibration", image(drawn, charts.alt(drawn), 340) + counted)


def _importance(data: Mapping[str, Any]) -> str:
    from nbmlops.report import charts

    shares = dict(list(data["importance"].items())[:15])
    drawn = charts.bars(list(shares), list(shares.values()), title="Share of importance (permutation)")
    return image(drawn, charts.alt(drawn), 480)


def _slices(data: Mapping[str, Any]) -> str:
    name = HEADLINE[data["task"]]
    rows = [[s["slice"], number(s["n"]), *_slice_cells(s, name)] for s in data["slices"]]
    return table(["slice", "rows", name, "95 % interval"], rows)


def _weakest(segments: Sequence[Mapping[str, Any]]) -> str:
    """Return the segments that cost most, as measured on rows they were not chosen on."""
    rows = [
        [s["slice"], number(s["n"]), percent(s["share"]), number(s["loss"]["value"]), interval(s["loss"])]
        for s in segments
    ]
    return table(["where", "rows", "share", "loss a row more", "interval"], rows)


def _slice_cells(part: Mapping[str, Any], name: str) -> list[str]:
    if part["level"] != "ok":
        return [f"{part['level']} (needs {part['needs']} rows)", ""]
    measured = part["metrics"].get(name)
    return [number(measured["value"]), interval(measured)] if measured else ["-", ""]
