"""How well predictions came true, against what was agreed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, percent
from nbmlops.widgets.measured import finding_lines, findings, metric_lines, metrics, verdict

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the performance as a card."""
    said = "".join(f"<div>{esc(line)}</div>" for line in (_about(data), *_agreement(data)))
    body = said + findings(data["findings"]) + metrics(data["metrics"])
    return card(_title(data), verdict(data["findings"]), body, "" if data["known"] else NO_OUTCOMES)


def text(data: Mapping[str, Any]) -> str:
    """Return the performance in at most twelve lines."""
    first = [f"{_title(data)}: {_about(data)}", *(f"  {line}" for line in _agreement(data))]
    found = finding_lines(data["findings"])
    more = [*metric_lines(data["metrics"]), *found] if data["known"] else [f"  {NO_OUTCOMES}"]
    return "\n".join([*first, *more])


NO_OUTCOMES = "no outcome has come back yet: nb.feedback(frame) takes prediction_id and outcome"


def _title(data: Mapping[str, Any]) -> str:
    version = f"@{data['version']}" if data["version"] else ""
    return f"Performance of {data['model']}{version}" + (f", {data['batch']}" if data["batch"] else "")


def _about(data: Mapping[str, Any]) -> str:
    counts = f"{number(data['known'])} of {number(data['predictions'])} predictions"
    old = f" at least {data['older_than']} old" if data.get("older_than") else ""
    low, high = data.get("coverage_low"), data.get("coverage_high")
    ends = "" if low is None else f", 95 % interval {percent(low)} to {percent(high)}"
    return f"the outcome of {counts}{old} is known ({percent(data['coverage'])}{ends})"


def _agreement(data: Mapping[str, Any]) -> list[str]:
    """Return how many agree, in words; nothing where nobody was asked."""
    found = data.get("agreement") or {}
    if not found.get("n") and not found.get("unsure"):
        return []
    unsure = f", {number(found['unsure'])} more are unsure" if found["unsure"] else ""
    if found["share"] is None:
        return [f"agreement: insufficient data ({number(found['n'])} opinions, 10 are needed){unsure}"]
    ends = f"95 % interval {percent(found['low'])} to {percent(found['high'])}"
    people = f"{number(found['people'])} {'person' if found['people'] == 1 else 'people'}"
    return [f"agreement: {percent(found['share'])} of {number(found['n'])} opinions of {people} ({ends}){unsure}"]
