"""What an export of the audit log holds, and how to check it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return it as a card."""
    return card(f"Audit log in {data['path']}", "broken" if data["verdict"] == "broken" else "done", hint=_says(data))


def text(data: Mapping[str, Any]) -> str:
    """Return it as lines."""
    return f"{data['path']}: {_says(data)}"


def _says(data: Mapping[str, Any]) -> str:
    missing = f", {len(data['not_there'])} more are gone or too large" if data["not_there"] else ""
    holds = f"Events: {data['events']}; charters and reports they name: {data['files']}{missing}."
    check = (
        "Check it anywhere: python verify.py, in it."
        if not data["path"].endswith(".zip")
        else ("Check it anywhere: unpack it, python verify.py.")
    )
    return f"{holds} {data['says'][0]} {check}"
