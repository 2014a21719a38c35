"""Proposed rules: each with what speaks for it, what could not be learnt on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, fold, lines, table

__all__ = ["html", "setting", "text"]

Json = Mapping[str, Any]
MOST_LINES = 12
MOST_NAMES = 6


def html(data: Json) -> str:
    """Return the proposal as a card: one line per rule."""
    heads = ["Column", "Rule", "Setting", "Evidence", "State"]
    rows = [[esc(cell) for cell in _row(one)] for one in data["proposed"]]
    parts = [f"<div>{esc(_summary(data))}</div>", table(heads, rows, raw=True) if rows else ""]
    if data["left_out"]:
        told = [[f["message"]] for f in data["left_out"]]
        parts.append(fold(f"{len(told)} not proposed", table(["Why"], told)))
    return card(f"Proposed rules of {data['dataset']}", "", "".join(parts), _hint(data))


def text(data: Json) -> str:
    """Return the first rules as aligned lines."""
    rows = [f"Proposed rules of {data['dataset']}: {_summary(data)}"]
    shown = [_row(one)[:3] for one in data["proposed"][:MOST_LINES]]
    rows += [f"  {line}" for line in lines(["column", "rule", "setting"], shown).splitlines()] if shown else []
    more = len(data["proposed"]) - MOST_LINES
    rows += [f"  and {more} more"] if more > 0 else []
    return "\n".join([*rows, *([f"  {_hint(data)}"] if _hint(data) else [])])


def _summary(data: Json) -> str:
    chunks = f" in {data['chunks']} chunks of {data['chunk']}" if data["chunk"] else ""
    left_out = f", {len(data['left_out'])} could not be learnt" if data["left_out"] else ""
    return f"{len(data['proposed'])} rules from {data['rows']:,} rows{chunks}{left_out}"


def _hint(data: Json) -> str:
    waiting = next((one for one in data["proposed"] if one["state"] == "proposed"), None)
    return f"Accept: .accept({waiting['column'] or waiting['code']!r}), or .accept() for all" if waiting else ""


def _row(one: Json) -> list[str]:
    return [one["column"] or "(table)", one["code"], setting(one["setting"]), one["evidence"], one["state"]]


def setting(value: Any) -> str:
    """Return what a rule asks for, in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {setting(one)}" for key, one in value.items())
    if isinstance(value, list):
        more = f" and {len(value) - MOST_NAMES} more" if len(value) > MOST_NAMES else ""
        return ", ".join(map(str, value[:MOST_NAMES])) + more
    return str(value)
