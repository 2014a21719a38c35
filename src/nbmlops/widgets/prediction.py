"""One prediction as a card: what was said of what, by which version, and what people said of it since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.widgets.html import card, esc, number, percent, table

__all__ = ["html", "text"]

MASKED = "masked (private)"
MOST_INPUTS = 60


def html(data: Mapping[str, Any]) -> str:
    """Return the prediction as a card."""
    parts = [f'<div><span style="opacity:.7">{esc(k)}:</span> {esc(v)}</div>' for k, v in _facts(data)]
    parts.append(table(["input", "value"], _inputs(data), "Made of") if _inputs(data) else _gone(data))
    if data["feedback"]:
        parts.append(table(["when (UTC)", "what", "says", "who"], _came(data), "What came back, oldest first"))
    parts.append(_why(data))
    return card(_title(data), "notice" if data["flags"] else "", "".join(parts), _hint(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    rows = [_title(data), *(f"  {k}: {v}" for k, v in _facts(data))]
    inputs = [f"    {name}: {value}" for name, value in _inputs(data)]
    rows += ["  Made of:", *inputs] if inputs else [f"  {NOT_KEPT}"]
    rows += [f"  {' '.join(filter(None, row))}" for row in _came(data)]
    rows += [f"  Why: {line}" for line in _reason_lines(data)]
    return "\n".join([*rows, f"  {_hint(data)}"] if _hint(data) else rows)


NOT_KEPT = "What it was made of is not kept, or no longer: [predictions] inputs and keep_days in nbmlops.toml."


def answer(data: Mapping[str, Any]) -> str:
    """Return what was said in words.

    >>> answers = {"target": "late", "task": "binary", "positive": True}
    >>> answer({"value": False, "probability": 0.31, "answers": answers})
    'late: False (chance of True 31.0 %)'
    """
    about = data["answers"]
    said = f"{about.get('target') or 'answer'}: {number(data['value'])}"
    if data["probability"] is None:
        return said
    of = about.get("positive") if about.get("task") == "binary" else data["value"]
    return f"{said} (chance of {of} {percent(data['probability'])})"


def _title(data: Mapping[str, Any]) -> str:
    return f"Prediction {data['prediction_id'][-12:]} of {data['ref']}"


def _facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    latency = data["latency_s"]
    took = "" if latency is None else f"{1000 * latency:,.1f} ms" + (f" for {data['rows']:,} rows" * (data["rows"] > 1))
    found = [
        ("Said", answer(data)),
        ("When", f"{data['at'][:19].replace('T', ' ')} UTC"),
        ("Asked by", data["caller"]),
        ("Row", " at ".join(str(data[k]) for k in ("key", "key_at") if data[k] is not None)),
        ("Batch", data["batch"]),
        ("Version then", _state(data["then"])),
        ("Version now", _state(data["now"]) + _successor(data)),
        ("Took", took),
        ("Open flags", "; ".join(str(f["reason"] or "no reason given") for f in data["flags"])),
        ("Id", data["prediction_id"]),
    ]
    return [(label, str(value)) for label, value in found if value]


def _state(state: Mapping[str, Any]) -> str:
    if not state.get("known"):
        return "not in this store"
    if state.get("deleted"):
        return "deleted"
    return ", ".join(state["aliases"]) or "no alias pointed to it"


def _successor(data: Mapping[str, Any]) -> str:
    champion = data["now"].get("champion")
    return f"; champion is version {champion}" if champion and champion != data["version"] else ""


def _inputs(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    if data["inputs"] is None:
        return []
    rows = [(name, "missing" if v is None else number(v)) for name, v in data["inputs"].items()]
    left = len(rows) - MOST_INPUTS
    more = [("", f"and {left} more")] if left > 0 else []
    return [*rows[:MOST_INPUTS], *more, *((name, MASKED) for name in data["masked"])]


def _gone(data: Mapping[str, Any]) -> str:
    return f"<div>{esc(NOT_KEPT)}</div>"


def _came(data: Mapping[str, Any]) -> list[list[str]]:
    return [[row["at"][:16].replace("T", " "), row["kind"], _says(row), _who(row)] for row in data["feedback"]]


def _says(row: Mapping[str, Any]) -> str:
    if row["kind"] == "outcome":
        return number(row["outcome"])
    expected = f"expected {number(row['outcome'])}" if row["outcome"] is not None else ""
    return ", ".join(str(part) for part in (row.get("verdict"), expected, row.get("reason")) if part)


def _who(row: Mapping[str, Any]) -> str:
    return " / ".join(dict.fromkeys(str(part) for part in (row.get("actor"), row["source"]) if part))


def _why(data: Mapping[str, Any]) -> str:
    return "".join(f"<div>{esc(line)}</div>" for line in _reason_lines(data))


def _reason_lines(data: Mapping[str, Any]) -> Sequence[str]:
    """Return why, where the reasons were asked for."""
    reasons = data.get("reasons")
    if reasons is None:
        return []
    if "missing" in reasons:
        return [f"cannot be said: {reasons['missing']}"]
    from nbmlops.widgets import text as shown

    return shown("explanation", reasons).splitlines()


def _hint(data: Mapping[str, Any]) -> str:
    return "" if "reasons" in data else f'why: nb.prediction("{data["prediction_id"]}").reasons'
