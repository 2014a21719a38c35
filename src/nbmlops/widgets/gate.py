"""A gate as a card: the verdict, the difference with its interval, and what these rows could show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, image, number, percent, table

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the gate as a card."""
    from nbmlops.report import charts

    drawn = charts.intervals(
        ["challenger - champion"],
        [data["difference"]],
        [data["low"]],
        [data["high"]],
        title=f"Gain in {data['metric']}",
        target=0.0,
    )
    rows = [
        ["challenger", data["challenger"], number(data["challenger_value"])],
        ["champion", data["champion"], number(data["champion_value"])],
    ]
    body = table(["", "model", data["metric"]], rows) + image(drawn, charts.alt(drawn), 480)
    return card("Gate", data["verdict"], body + f"<div>{esc(_words(data))}</div>")


def text(data: Mapping[str, Any]) -> str:
    """Return the gate in four lines."""
    rows = [f"Gate: {data['verdict']}"]
    rows += [f"  {side}: {data[side]} ({data['metric']} {number(data[f'{side}_value'])})" for side in SIDES]
    return "\n".join([*rows, f"  {_words(data)}"])


SIDES = ("challenger", "champion")


def _words(data: Mapping[str, Any]) -> str:
    share = f" ({percent(data['tolerated'])} of the champion's)" if data["margin"] != data["tolerated"] else ""
    return (
        f"gain {data['difference']:+.4f} [{data['low']:+.4f}, {data['high']:+.4f}] on {number(data['rows'])} rows; "
        f"margin {number(data['margin'])}{share}; "
        f"smallest gain these rows show in 4 of 5 cases: {number(data['detectable'])}"
    )
