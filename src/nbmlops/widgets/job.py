"""A job: when it fires, with what, what it did last, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, lines, status, table

__all__ = ["html", "text"]

WORKS = ("key", "state", "trigger", "run_id", "reason")


def html(data: Mapping[str, Any]) -> str:
    """Return the job as a card."""
    body = table(("", ""), [[esc(name), esc(value)] for name, value in _facts(data)], raw=True)
    works = data.get("works", ())
    if works:
        rows = [[status(w["state"]) if n == "state" else esc(w[n] or "") for n in WORKS] for w in works]
        body += table(WORKS, rows, raw=True)
    body += "".join(f"<div>{status(f['outcome'])} {esc(f['message'])}</div>" for f in data.get("findings", ()))
    return card(f"Job {data['name']}", data.get("status", {}).get("state", ""), body)


def text(data: Mapping[str, Any]) -> str:
    """Return the job as lines."""
    shown = [f"Job {data['name']}", *(f"  {name:<11} {value}" for name, value in _facts(data))]
    if works := data.get("works", ()):
        shown.append(lines(WORKS, [[w[n] or "" for n in WORKS] for w in works]))
    return "\n".join([*shown, *(f"{f['outcome']}: {f['message']}" for f in data.get("findings", ()))])


def _facts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    row, policy = data.get("status", {}), data["policy"]
    yield from (
        (k, str(row[v])) for k, v in (("state", "state"), ("because", "says"), ("next", "next_at")) if row.get(v)
    )
    yield "when", data["when_text"]
    yield "notebook", data["notebook"]
    about = {"kernel": data["kernel"], "lock": data["lock"], "owner": data["owner"]}
    yield from ((name, str(value)) for name, value in about.items() if value)
    for name in ("parameters", "then", "notify"):
        if data[name]:
            yield name, json.dumps(data[name], ensure_ascii=False)
    yield "policy", ", ".join(f"{name} {_said(value)}" for name, value in policy.items() if value not in (None, 0))


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{v} {k}" for k, v in value.items() if v is not None)
    return (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
