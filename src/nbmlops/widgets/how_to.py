"""How to use a model, as a card and as text: the parts of the page, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, fold, lines, table

__all__ = ["html", "text"]

STATUS = {"good": "ok", "warn": "notice", "quiet": ""}
OPEN = ("answers", "outputs", "wrong", "not_for", "state")  # the rest on demand


def html(data: Mapping[str, Any]) -> str:
    """Return the parts as a card, long ones on demand."""
    parts = [f"<div><strong>{esc(data['state'])}</strong>: {esc(data['because'])}</div>"]
    for part in data["parts"]:
        body = _body(part)
        opened = f'<div style="margin-top:6px"><strong>{esc(part["title"])}</strong>{body}</div>'
        parts.append(opened if part["key"] in OPEN else fold(part["title"], body))
    hint = f"one page to hand on: %report {data['ref']} --for support"
    return card(f"How to use {data['ref']}", STATUS[data["tone"]], "".join(parts), hint)


def text(data: Mapping[str, Any]) -> str:
    """Return every part as lines."""
    rows = [f"How to use {data['ref']}: {data['state']}", f"  {data['because']}"]
    for part in data["parts"]:
        rows += ["", part["title"], *(f"  - {line}" for line in part["says"])]
        table_ = lines(part["headers"], part["rows"]).splitlines() if part["rows"] else []
        rows += [f"  {line}" for line in table_]
        rows += [f"  - {_missing(gap)}" for gap in part["missing"]]
    return "\n".join(rows)


def _body(part: Mapping[str, Any]) -> str:
    says = "".join(f"<div>{esc(line)}</div>" for line in part["says"])
    drawn = table(part["headers"], part["rows"]) if part["rows"] else ""
    style = "border:1px dashed #8888;padding:0 6px"
    gaps = "".join(f'<div style="{style}">{esc(_missing(gap))}</div>' for gap in part["missing"])
    return says + drawn + gaps


def _missing(gap: Mapping[str, Any]) -> str:
    return f"Missing: {gap['what']}. Whose: {gap['whose']}. To do: {gap['do']}."
