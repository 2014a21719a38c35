"""What was erased, or would be, and what was derived from it and stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, lines, table

__all__ = ["html", "text"]

HEADS = ("table", "rows", "of")


def html(data: Mapping[str, Any]) -> str:
    """Return it as a card."""
    return card("Erased" if not data["what_if"] else "Would be erased", "", table(HEADS, _rows(data)), _hint(data))


def text(data: Mapping[str, Any]) -> str:
    """Return it as lines."""
    return "\n".join([lines(HEADS, _rows(data)), *_says(data)])


def _rows(data: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(name, f"{rows:,}", ", ".join(data["of"][name][:5]) or "-") for name, rows in data["rows"].items()]


def _says(data: Mapping[str, Any]) -> list[str]:
    said = [f"Not erased: {one}" for one in data["not_erased"]]
    if data["what_if"]:
        return [*said, "Nothing was changed. To do it: --yes"]
    left = f" {data['left']} were put again meanwhile: erase again." if data["left"] else ""
    return [*said, f"Old files taken away: {data['files']}.{left}"]


def _hint(data: Mapping[str, Any]) -> str:
    return " ".join(_says(data))
