"""A model version as a card: what it is, how good, who owns it, where it points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, fold, number, table
from nbmlops.widgets.measured import metric_lines, metrics

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the model version as a card; its signature on demand."""
    parts = [f'<div><span style="opacity:.7">{esc(k)}:</span> {esc(v)}</div>' for k, v in _facts(data)]
    parts.append(metrics(data["metrics"]) if data["metrics"] else "")
    parts.append(fold("Signature", _signature(data)))
    return card(data["ref"], _state(data), "".join(parts), _hint(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the model version in at most twelve lines."""
    rows = [f"{data['ref']}: {_state(data)}", *(f"  {k}: {v}" for k, v in _facts(data))]
    return "\n".join(rows + metric_lines(data["metrics"], 4))


def _state(data: Mapping[str, Any]) -> str:
    return ", ".join(data["aliases"]) or ("registered" if data["evaluation"] else "not evaluated")


def _facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    decision = data.get("decision") or {}
    before = f" (was version {decision['from']})" if decision.get("from") else ""
    found = [
        ("Model", data["estimator"]),
        ("File", f"{data['format']}, {number(data['size_bytes'])} bytes, SHA-256 {data['digest'][:12]}"),
        ("Owner", f"{data['owner']}, {data['created_at'][:16]} UTC"),
        ("Run", str(data.get("run_id") or "")[-6:]),
        ("Data", ", ".join(data["signature"].get("datasets") or ())),
        ("Background", _background(data["signature"].get("background"))),
        ("Decided", f"{decision['alias']}{before} by {decision['actor']}: {decision['policy']}" if decision else ""),
        ("Why", decision.get("reason") or ""),
    ]
    return [(label, value) for label, value in found if value]


def _signature(data: Mapping[str, Any]) -> str:
    rows = [[c["name"], c.get("kind") or "not known", _range(c)] for c in data["signature"]["columns"]]
    classes = ", ".join(map(str, data["signature"].get("classes") or []))
    answers = f"<div>answers: {esc(classes or data['signature'].get('task') or '-')}</div>"
    return table(["column", "kind", "seen"], rows) + answers


def _background(kept: Mapping[str, Any] | None) -> str:
    if not kept:
        return ""
    masked = f", without values of {', '.join(kept['masked'])}" if kept["masked"] else ""
    return f"{number(kept['rows'])} of {number(kept['of'])} rows{masked}"


def _range(column: Mapping[str, Any]) -> str:
    if column.get("distinct") is not None:
        return f"{number(column['distinct'])} values"
    return f"{number(column['min'])} to {number(column['max'])}" if column.get("min") is not None else "-"


def _hint(data: Mapping[str, Any]) -> str:
    if not data["evaluation"]:
        return "evaluate it on held-out rows before it is registered: then it has metrics and a reference for drift"
    if data["aliases"]:
        return f'answers: nb.predict("{data["name"]}@{data["aliases"][0]}", frame)'
    return f'promote it: %promote {data["name"]} {data["version"]} --to champion --reason "..."'
