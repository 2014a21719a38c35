"""Rows to judge, as a table with the reasons in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, lines, number, percent, table

__all__ = ["html", "text"]

MOST_LINES = 20
WORDS = {
    "flagged": "flagged",
    "disagreed": "somebody disagrees",
    "confident_wrong": "sure and wrong",
    "disagrees_with_challenger": "the challenger says something else",
    "drifted_segment": "of a segment that drifted",
    "uncertain": "not sure",
    "random": "drawn by chance",
}
BACK = (
    "judge them: nbmlops review {name} --csv -o FILE, fill in outcome or verdict, nbmlops feedback FILE; or nb.feedback"
)
NOTHING = "nothing to review"


def html(data: Mapping[str, Any]) -> str:
    """Return the list as a card with a table."""
    rows = [
        [r["prediction_id"], *_said(r), r["why"], ", ".join(f"{k} {_value(v)}" for k, v in _inputs(r))]
        for r in data["rows"]
    ]
    heads = ["prediction", "said", "chance", "outcome", "why", "inputs"]
    body = f"<div>{esc(_about(data))}</div>" + (table(heads, rows) if rows else "")
    body += "".join(f"<div>{esc(note)}</div>" for note in data["notes"])
    return card(_title(data), "", body, _back(data) if rows else "")


def text(data: Mapping[str, Any]) -> str:
    """Return the list as aligned lines, the first twenty."""
    rows = [[r["prediction_id"], *_said(r), r["why"]] for r in data["rows"][:MOST_LINES]]
    shown = lines(["prediction", "said", "chance", "outcome", "why"], rows).splitlines() if rows else []
    more = [f"  and {len(data['rows']) - MOST_LINES} more: .to_frame()"] if len(data["rows"]) > MOST_LINES else []
    told = [*(f"  {line}" for line in shown), *more, *(f"  {note}" for note in data["notes"])]
    return "\n".join([f"{_title(data)}: {_about(data)}", *told, *([f"  {_back(data)}"] if rows else [])])


def _title(data: Mapping[str, Any]) -> str:
    return f"To review of {data['model']}" + (f"@{data['version']}" if data["version"] else "")


def _about(data: Mapping[str, Any]) -> str:
    reasons = ", ".join(f"{WORDS[k]} {n}" for k, n in data["reasons"].items())
    waiting = f"{number(data['waiting'])} predictions wait for an outcome or a judgement"
    return f"{len(data['rows'])} rows ({reasons}); {waiting}" if data["rows"] else f"{NOTHING}; {waiting}"


def _back(data: Mapping[str, Any]) -> str:
    return BACK.format(name=data["model"])


def _said(row: Mapping[str, Any]) -> list[str]:
    return [_value(row["prediction"]), percent(row["probability"]), _value(row["outcome"])]


def _inputs(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(row["inputs"].items()) if row["inputs"] else [("no longer kept", "")]


def _value(value: Any) -> str:
    return "" if value is None else number(value)
