"""The answer of rules to a frame: what is broken first, what was kept on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.widgets.html import card, esc, fold, status, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]
ORDER = ("issue", "warning", "skipped", "muted", "not_applicable", "passed")
MOST_LINES = 6


def html(data: Json) -> str:
    """Return the answer as a card, worst first."""
    open_ones = [f for f in _ordered(data["findings"]) if f["outcome"] in ("issue", "warning", "skipped")]
    rest = [f for f in _ordered(data["findings"]) if f not in open_ones]
    parts = [f"<div>{esc(_summary(data))}</div>"]
    if open_ones:
        parts.append(_table(open_ones))
    if rest:
        parts.append(fold(f"{len(rest)} more", _table(rest)))
    rows = "Rows: nbmlops.quality.rules.bad_rows(frame, rules)" if data["verdict"] == "alert" else ""
    rows = _aside(data) or rows
    hint = "Explained in docs/findings.md" if _of_model(data) else rows
    return card(_title(data), data["verdict"], "".join(parts), hint)


def text(data: Json) -> str:
    """Return the verdict and what is broken, in about six lines."""
    found = [f for f in _ordered(data["findings"]) if f["outcome"] in ("issue", "warning", "skipped")]
    rows = [f"{_title(data)}: {data['verdict']} ({_summary(data)})"]
    rows += [f"  {f['outcome']}: {f['message']}" for f in found[:MOST_LINES]]
    rows += [f"  and {len(found) - MOST_LINES} more"] if found[MOST_LINES:] else []
    return "\n".join(rows + ([f"  {_aside(data)}"] if _aside(data) else []))


def _title(data: Json) -> str:
    return f"{'Leakage' if _of_model(data) else 'Rules'} of {data['subject']}"


def _of_model(data: Json) -> bool:
    """Tell whether a model was checked: each finding of one says where it is explained."""
    return bool(data["findings"]) and all("docs" in f.get("detail", {}) for f in data["findings"])


def _summary(data: Json) -> str:
    counts = Counter(f["outcome"] for f in data["findings"])
    told = ", ".join(f"{counts[o]} {o.replace('_', ' ')}" for o in ORDER if counts[o])
    return f"{data['rows']:,} rows; {told or 'no rules'}"


def _aside(data: Json) -> str:
    """Say where broken rows were written, if anybody asked for it."""
    if "quarantine" not in data:
        return ""
    n = data["quarantine"]["rows"]
    return f"Quarantine: {n:,} rows in {data['quarantine']['path']}" if n else "Quarantine: no rows"


def _ordered(findings: Sequence[Json]) -> list[Json]:
    return sorted(findings, key=lambda f: ORDER.index(f["outcome"]))


def _table(findings: Sequence[Json]) -> str:
    rows = [[status(f["outcome"].replace("_", " ")), esc(f["code"]), esc(f["message"])] for f in findings]
    return table(["", "Rule", "What was found"], rows, raw=True)
