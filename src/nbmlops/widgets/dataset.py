"""A version of a data set as a card: what it is, where it came from, what its rules said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, fold, number, percent, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]
HEADS = ("column", "type", "missing", "mean", "median")


def html(data: Json) -> str:
    """Return the version as a card; its columns on demand."""
    parts = [f'<div><span style="opacity:.7">{esc(k)}:</span> {esc(v)}</div>' for k, v in _facts(data)]
    parts.append(fold(f"{len(data['columns'])} columns", table(HEADS, [_row(c) for c in data["columns"]])))
    return card(data["ref"], data["verdict"] if data["findings"] else "", "".join(parts), _hint(data))


def text(data: Json) -> str:
    """Return the version in about six lines."""
    return "\n".join([data["ref"], *(f"  {k}: {v}" for k, v in _facts(data))])


def _facts(data: Json) -> list[tuple[str, str]]:
    size, digest = number(data["size_bytes"]), data["digest"]
    shape = f"{number(data['rows'])} rows, {len(data['columns'])} columns"
    found = [
        ("Data", f"{shape}, fingerprint {data['fingerprint'][:12]}"),
        ("Rows", f"kept as Parquet, {size} bytes, SHA-256 {digest[:12]}" if digest else "not kept"),
        ("Rules", _rules(data)),
        ("Source", data["source"]),
        ("Query", data["query"]),
        ("Made", f"by {data['author']}, {data['created_at'][:16]} UTC"),
    ]
    return [(label, value) for label, value in found if value]


def _rules(data: Json) -> str:
    counts = Counter(f["outcome"].replace("_", " ") for f in data["findings"])
    return ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))


def _row(column: Json) -> list[str]:
    summary = column.get("summary", {})
    measured = [number(summary.get(k)) for k in HEADS[3:]]
    return [column["name"], column["dtype"], percent(summary.get("missing")), *measured]


def _hint(data: Json) -> str:
    if data["digest"]:
        return f'read it again: nb.load_dataset("{data["ref"]}")'
    return f'keep its rows too: nb.dataset("{data["name"]}", frame, keep=True)'
