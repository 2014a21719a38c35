"""A flag with what was answered to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]


def html(data: Json) -> str:
    """Return the flag as a card: what is said, about what, whose it is, and the thread."""
    rows = [[label, value] for label, value in _about(data)]
    thread = [[a["at"][:16].replace("T", " "), a["author"], a["state"], a["text"]] for a in data["thread"]]
    body = f"<div>{esc(data['text'])}</div>{table(['', ''], rows)}"
    body += table(["when (UTC)", "who", "state", "answer"], thread) if thread else ""
    return card(_title(data), "", body, _next(data))


def text(data: Json) -> str:
    """Return the flag as a few lines."""
    rows = [f"{_title(data)}: {data['text']}"]
    rows += [f"  {label}: {value}" for label, value in _about(data)]
    rows += [f"  {a['author']} ({a['state']}): {a['text']}" for a in data["thread"]]
    return "\n".join([*rows, *([f"  {line}"] if (line := _next(data)) else [])])


def _title(data: Json) -> str:
    what = "Question" if data["question"] else "Flag"
    return f"{what} about {data['subject']}, {data['severity']}, {data['state']}"


def _about(data: Json) -> list[tuple[str, str]]:
    """Return what else is known, with a label each; what is not known is left out."""
    share = f"{number(data['rows'])} of {number(data['of_rows'])} rows" if data.get("rows") is not None else ""
    by = f"{data['author']}, entered by {data['entered_by']}" if data.get("entered_by") else data["author"]
    said = [
        ("kind", data["kind"]),
        ("where", data.get("where")),
        ("rows", share),
        ("should be", None if data.get("value") is None else str(data["value"])),
        ("evidence", "; ".join(data["evidence"])),
        ("by", f"{by} ({data['known_by']})" if data.get("known_by") else by),
        ("for", data.get("role")),
        ("owner", data.get("owner")),
        ("at (UTC)", data["at"][:16].replace("T", " ")),
        ("id", data["flag_id"]),
        ("told", (data.get("told") or {}).get("words")),
    ]
    return [(label, str(value)) for label, value in said if value]


def _next(data: Json) -> str:
    return f'answer it: nbmlops flag answer {data["flag_id"][-8:]} "..."' if data["state"] == "open" else ""
