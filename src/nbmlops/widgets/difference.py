"""The difference of two versions of a data set, in words: what came and went first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, status, table

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return every difference as a row of a card."""
    rows = [[status(f["outcome"]), esc(f["code"]), esc(f["message"])] for f in data["findings"]]
    return card(_title(data), data["verdict"], table(["", "What", "How"], rows, raw=True))


def text(data: Mapping[str, Any]) -> str:
    """Return every difference as a line."""
    return "\n".join([f"{_title(data)}: {data['verdict']}", *(f"  {f['message']}" for f in data["findings"])])


def _title(data: Mapping[str, Any]) -> str:
    return f"From {data['before']} to {data['after']}"
