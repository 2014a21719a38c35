"""How well predictions came true, against what was agreed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, percent
from nbmlops.widgets.measured import finding_lines, findings, metric_lines, metrics, verdict

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the performance as a card."""
    body = f"<div>{esc(_about(data))}</div>" + findings(data["findings"]) + metrics(data["metrics"])
    return card(_title(data), verdict(data["findings"]), body, "" if data["known"] else NO_OUTCOMES)


def text(data: Mapping[str, Any]) -> str:
    """Return the performance in at most twelve lines."""
    rows = [f"{_title(data)}: {_about(data)}", *metric_lines(data["metrics"]), *finding_lines(data["findings"])]
    return "\n".join(rows if data["known"] else [rows[0], f"  {NO_OUTCOMES}"])


NO_OUTCOMES = "no outcome has come back yet: nb.feedback(frame) takes prediction_id and outcome"


def _title(data: Mapping[str, Any]) -> str:
    version = f"@{data['version']}" if data["version"] else ""
    return f"Performance of {data['model']}{version}" + (f", {data['batch']}" if data["batch"] else "")


def _about(data: Mapping[str, Any]) -> str:
    counts = f"{number(data['known'])} of {number(data['predictions'])} predictions"
    return f"the outcome of {counts} is known ({percent(data['coverage'])})"
