"""The small card of a site: where it is, and what was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    return card("Site", body=f"<div>{esc(_says(data))}</div><div><code>{esc(data['path'])}/index.html</code></div>")


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    return f"{_says(data)}\n{data['path']}/index.html"


def _says(data: Mapping[str, Any]) -> str:
    gone = f", {data['removed']:,} taken away" if data["removed"] else ""
    return f"{data['written']:,} written, {data['kept']:,} kept as they were{gone}, in {data['took_s']:.1f} s"
