"""What may be shown of private columns: that something was found of them, and never a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["gather", "masked", "private"]

Json = Mapping[str, Any]
PROSE = ("message", "column", "slice", "notes", "because")
SEEN = ("min", "max", "categories", "distinct")
NAMED = ("columns", "importance")  # mappings of a column to what is known of it


def gather(found: Json) -> dict[str, Any]:
    """Return ``private``, the columns nobody is shown a value of, and ``results`` and ``models`` without theirs."""
    hidden = private(found)
    models = [{**m, "signature": _signature(m.get("signature") or {}, hidden)} for m in found["models"]]
    return {"private": hidden, "models": models, "results": [masked(r, hidden) for r in found["results"]]}


def _signature(signature: Json, hidden: list[str]) -> dict[str, Any]:
    """Leave out what tells one row from another, and of private columns what was seen in them."""
    kept = {k: v for k, v in signature.items() if k != "fitted_on"}
    if columns := signature.get("columns"):
        kept["columns"] = [{k: v for k, v in c.items() if k not in SEEN or c["name"] not in hidden} for c in columns]
    if example := signature.get("example"):
        kept["example"] = [{n: None if n in hidden else v for n, v in row.items()} for row in example]
    return kept


def private(found: Json) -> list[str]:
    """Return what the charter calls private, and what it did when the versions were registered."""
    agreed = (found.get("charter") or {}).get("private") or ()
    kept = (n for m in found["models"] for n in (m.get("signature") or {}).get("private") or ())
    return sorted({*agreed, *kept})


def masked(part: Any, hidden: list[str], key: str = "") -> Any:
    """Return a part of a result without values of private columns."""
    if isinstance(part, Mapping):
        return _finding(part, hidden) if part.get("column") in hidden else _mapping(part, hidden, key)
    if isinstance(part, (list, tuple)):
        return [masked(p, hidden, key) for p in part]
    return _told(part, hidden) if isinstance(part, str) and key in PROSE else part


def _mapping(part: Json, hidden: list[str], key: str) -> dict[str, Any]:
    """Leave out what is known of a private column but for a number, such as how much depends on it."""
    kept = {k: v for k, v in part.items() if k not in hidden or key not in NAMED or isinstance(v, (int, float))}
    told = {k: masked(v, hidden, k) for k, v in kept.items()}
    return {**told, "segments": []} if part.get("by") in hidden else told  # their names are its values


def _finding(finding: Json, hidden: list[str]) -> dict[str, Any]:
    """Keep what kind of finding it is and how it came out."""
    said = f"{str(finding.get('code') or 'something').replace('_', ' ')} of {finding['column']}, which is private"
    kept = {k: finding.get(k) for k in ("code", "outcome", "column", "effect", "direction", "level") if k in finding}
    return {**kept, "message": said, "detail": {}}


def _told(text: str, hidden: list[str]) -> str:
    about = [name for name in hidden if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
    return f"something about {' and '.join(about)}, which is private" if about else text
