"""How often all predictions are right, estimated from those drawn by chance and judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number
from nbmlops.widgets.measured import finding_lines, findings, interval

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the estimate as a card."""
    return card(_title(data), "", f"<div>{esc(_about(data))}</div>" + findings(data["findings"]))


def text(data: Mapping[str, Any]) -> str:
    """Return the estimate in a few lines."""
    return "\n".join([f"{_title(data)}: {_about(data)}", *finding_lines(data["findings"])])


def _title(data: Mapping[str, Any]) -> str:
    return f"Estimate of {data['model']}" + (f"@{data['version']}" if data["version"] else "")


def _about(data: Mapping[str, Any]) -> str:
    of = (
        f"{number(data['n'])} of {number(data['drawn'])} drawn rows judged, of {number(data['population'])} predictions"
    )
    if data["value"] is None:
        return f"insufficient data ({of})"
    return f"{data['metric']} {number(data['value'])} {interval(data)} ({of})"
