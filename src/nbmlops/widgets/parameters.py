"""The parameters of a notebook as a table: name, type, default, help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, lines, table

__all__ = ["html", "text"]

HEADS = ("parameter", "type", "default", "help")


def html(data: Mapping[str, Any]) -> str:
    """Return the parameters as a table in a card."""
    body = table(HEADS, _rows(data)) if data["parameters"] else ""
    return card(_title(data), body=body, hint=_hint(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the parameters as aligned text."""
    body = lines(HEADS, _rows(data)) if data["parameters"] else "Tag the cell that sets the defaults with 'parameters'."
    return f"{_title(data)}\n{body}"


def _title(data: Mapping[str, Any]) -> str:
    count = len(data["parameters"])
    return f"{data['notebook']}: {count or 'no'} parameter{'' if count == 1 else 's'}"


def _rows(data: Mapping[str, Any]) -> list[list[str]]:
    return [[p["name"], _type(p), "required" if p["required"] else p["default"], p["help"]] for p in data["parameters"]]


def _type(parameter: Mapping[str, Any]) -> str:
    return f"{parameter['type']} or None" if parameter["optional"] else str(parameter["type"])


def _hint(data: Mapping[str, Any]) -> str:
    given = [f"-p {p['name']} VALUE" for p in data["parameters"] if p["required"]]
    return " ".join(["nbmlops run", str(data["notebook"]), *given])
