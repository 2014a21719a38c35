"""What a report is indexed by, and what the columns it names mean: frameworks and the data dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.errors import NbmlopsError
from nbmlops.report import facts, frameworks

__all__ = ["gather"]

MOST_COLUMNS = 300
SAID = ("meaning", "unit", "owner")
Json = Mapping[str, Any]


def gather(found: Json) -> dict[str, Any]:
    """Return ``frameworks``, and ``dictionary``: what the rules files say of each column the run names."""
    return {"frameworks": frameworks.frameworks(), "dictionary": _dictionary(found)}


def _dictionary(found: Json) -> dict[str, Any]:
    from nbmlops.quality import rulebook

    try:
        words = rulebook.words()
    except NbmlopsError as error:
        return {"columns": [], "unreadable": str(error)}
    names = list(dict.fromkeys(name for name in _named(found) if name))
    said = [{"column": n, **{k: words.get(n, {}).get(k, "") for k in SAID}} for n in names[:MOST_COLUMNS]]
    return {"columns": said, "unreadable": "", "left_out": len(names[MOST_COLUMNS:])}


def _named(found: Json) -> Iterator[str]:
    """Return the columns a reader meets: what the model takes and answers, of data sets, of findings."""
    for version in found["models"]:
        signature = version.get("signature") or {}
        yield from (str(c["name"]) for c in signature.get("columns") or [])
        yield str(signature.get("target") or "")
    for part in facts.all_parts(found):
        yield from (str(c["name"]) for d in part["datasets"] for c in d["columns"])
    for result in found["results"]:
        if result["kind"] in ("check", "drift", "profile"):
            yield from (str(f.get("column") or "") for f in result["data"].get("findings") or [])
