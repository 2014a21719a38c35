"""How each object shows itself: a view is a function of its JSON, found by what the object shows."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import as_text, card, note, shown
from nbmlops.widgets.room import capped, first_lines, left_out, sendable

__all__ = ["MAX_HTML_BYTES", "MAX_JSON_BYTES", "MAX_TEXT", "mimebundle", "text"]

MAX_JSON_BYTES, MAX_HTML_BYTES, MAX_TEXT = 200_000, 400_000, 100_000
ROOMS = (200_000, 100_000, 50_000, 20_000, 8_000)  # characters of JSON that HTML is made of where all is too much


def mimebundle(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON, script-free HTML and text of one object.

    Parameters
    ----------
    kind : str
        What the object shows, such as ``run``; a module of this package.
    data : mapping
        The object as plain JSON.

    Returns
    -------
    dict
        MIME type to content. JSON over 200 kB loses entries of its longest lists, counted under ``capped``; HTML over
        400 kB is made of as much less, and says so; text over 100,000 characters ends with the lines it leaves out.
    """
    data = sendable(data)
    bundle = {"text/plain": first_lines(text(kind, data), MAX_TEXT), "text/html": _page(kind, data)}
    return bundle | {f"application/vnd.nbmlops.{kind}.v1+json": capped(data, MAX_JSON_BYTES)}


def text(kind: str, data: Mapping[str, Any]) -> str:
    """Return the text view only, whole, for a terminal; what would act on one is a visible mark."""
    whole: str = _view(kind).text(data)
    return shown(whole)


def _view(kind: str) -> Any:
    return importlib.import_module(f"{__name__}.{kind}")


def _page(kind: str, data: Mapping[str, Any]) -> str:
    """Return the HTML view, of less where it is too long to be kept in a notebook."""
    page: str = as_text(_view(kind).html(data))
    for room in ROOMS:
        if _fits(page):
            break
        data = capped(data, room)
        page = _of_less(kind, data)
    return page if _fits(page) else card(kind, hint=left_out({}))


def _fits(page: str) -> bool:
    return 0 < len(page) <= MAX_HTML_BYTES


def _of_less(kind: str, less: Mapping[str, Any]) -> str:
    """Return the HTML view of what is left of an object, nothing where that is too little to be shown."""
    try:
        return as_text(f"{_view(kind).html(less)}{note(left_out(less))}")
    except (LookupError, TypeError, ValueError, AttributeError):
        return ""
