"""How each object shows itself: a view is a function of its JSON, found by what the object shows."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import as_text
from nbmlops.widgets.room import capped

__all__ = ["MAX_JSON_BYTES", "mimebundle", "text"]

MAX_JSON_BYTES = 200_000


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
        MIME type to content. JSON over 200 kB loses entries of its longest lists, counted under ``capped``.
    """
    view = importlib.import_module(f"{__name__}.{kind}")
    bundle = {"text/plain": view.text(data), "text/html": as_text(view.html(data))}
    return bundle | {f"application/vnd.nbmlops.{kind}.v1+json": capped(data, MAX_JSON_BYTES)}


def text(kind: str, data: Mapping[str, Any]) -> str:
    """Return the text view only, for a terminal."""
    shown: str = importlib.import_module(f"{__name__}.{kind}").text(data)
    return shown
