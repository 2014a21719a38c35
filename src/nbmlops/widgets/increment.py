"""A training increment: how many rows of which kind, and what is not in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, table

__all__ = ["html", "text"]

WHY = {
    "wrong": "wrongly predicted",
    "revised": "outcome revised",
    "expert": "an expert expects something else",
    "flag": "of these by a flag that was accepted",
}
LEFT_OUT = {
    "evaluation": "judged a model",
    "earlier_increment": "in an earlier increment",
    "twice": "there twice",
    "inputs_gone": "inputs no longer kept",
    "no_class": "an outcome that is no class of the model",
    "contradicting": "experts contradict each other",
    "for_later": "left for the next increment",
}
NOTHING = "nothing new: no row with a known truth is wrong or corrected that is not kept already"


def html(data: Mapping[str, Any]) -> str:
    """Return the increment as a card."""
    rows = [[f"in it: {WHY[k]}", number(n)] for k, n in data["why"].items()]
    rows += [[f"not in it: {LEFT_OUT[k]}", number(n)] for k, n in data["left_out"].items()]
    body = f"<div>{esc(_about(data))}</div>" + (table(["", "rows"], rows) if rows else "")
    return card(_title(data), "", body + "".join(f"<div>{esc(line)}</div>" for line in data["notes"]), _next(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the increment as a few lines."""
    rows = [f"{_title(data)}: {_about(data)}"]
    rows += [f"  {number(n)} {WHY[k]}" for k, n in data["why"].items()]
    rows += [f"  not in it: {number(n)} {LEFT_OUT[k]}" for k, n in data["left_out"].items()]
    return "\n".join([*rows, *(f"  {line}" for line in data["notes"]), *([f"  {n}"] if (n := _next(data)) else [])])


def _title(data: Mapping[str, Any]) -> str:
    return f"Training increment of {data['model']}"


def _about(data: Mapping[str, Any]) -> str:
    known = f"of {number(data['known'])} predictions with a known outcome"
    if not data["dataset"]:
        return f"{NOTHING} ({known})"
    halves = f"{number(data['learn'])} to learn from, {number(data['check'])} to check with"
    return f"{data['dataset']}, {number(data['rows'])} rows ({halves}), {known}"


def _next(data: Mapping[str, Any]) -> str:
    if not data["dataset"]:
        return ""
    return f'next: retrain with increment="{data["dataset"]}", then nb.errors_gone(model, "{data["dataset"]}")'
