"""How fast a project delivers as a card: two medians and a share, each with its interval and n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, fold, lines, number, percent, table

__all__ = ["html", "text"]

KINDS = (
    ("time_to_market", "first run to champion, median"),
    ("rolled_back", "promotions taken back"),
    ("time_to_restore", "loss to mended, median"),
)
HEADS = ("measure", "value", "95 % interval", "n")
EACH = ("what", "from", "began", "to", "ended")
DAY_S = 86_400


def html(data: Mapping[str, Any]) -> str:
    """Return the measures as a card; each promotion and loss is on demand."""
    parts = [table(HEADS, _rows(data))]
    parts += [fold(f"{words}: each", table(EACH, _each(data[kind]))) for kind, words in KINDS if data[kind]["each"]]
    return card("Throughput", "", "".join(parts), ", ".join(data["models"]))


def text(data: Mapping[str, Any]) -> str:
    """Return the measures as a table of text."""
    return f"Throughput of {', '.join(data['models']) or 'no model yet'}\n{lines(HEADS, _rows(data))}"


def _rows(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(words, *_measure(data[kind], kind != "rolled_back")) for kind, words in KINDS]


def _measure(found: Mapping[str, Any], time: bool) -> tuple[str, str, str]:
    shown = _days if time else percent
    n = f"{found['n']}" + (f", and {found['open']} open" if found["open"] else "")
    if found["value"] is None:
        return f"insufficient data: {found['needed']} more needed", "-", n
    bounds = "-" if found["low"] is None else f"{shown(found['low'])} to {shown(found['high'])}"
    return shown(found["value"]), bounds, n


def _days(seconds: float) -> str:
    return f"{number(seconds / DAY_S)} d"


def _each(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (e["what"], e["begun_by"], e["began_at"][:16], e["ended_by"], str(e["ended_at"] or "-")[:16])
        for e in found["each"]
    ]
