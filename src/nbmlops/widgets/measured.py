"""Metrics with their intervals, and findings: the same in every view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nbmlops.widgets.html import esc, fold, number, status, table

__all__ = ["finding_lines", "findings", "interval", "metric_lines", "metrics", "verdict"]

HEADLINES = ("roc_auc", "accuracy", "mae", "r2")
UNASKED = ("not_applicable", "muted")
ORDER = ("issue", "warning", "skipped", "passed", "not_applicable", "muted")


def interval(measured: Mapping[str, Any], said: Callable[[Any], str] = number) -> str:
    """Return a 95 % interval in brackets, its ends said as its value is, or nothing when there is none."""
    if measured.get("low") is None or measured.get("high") is None:
        return ""
    return f"[{said(measured['low'])}, {said(measured['high'])}]"


def metrics(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """Return metrics as an HTML table: value, 95 % interval, rows."""
    rows = [[name, number(m["value"]), interval(m), number(m.get("n"))] for name, m in _headlines_first(measured)]
    return table(["metric", "value", "95 % interval", "rows"], rows)


def metric_lines(measured: Mapping[str, Mapping[str, Any]], limit: int = 7) -> list[str]:
    """Return metrics as lines of text."""
    width = max((len(name) for name in measured), default=0)
    return [
        f"  {n:<{width}}  {number(m['value'])} {interval(m)}".rstrip() for n, m in _headlines_first(measured)[:limit]
    ]


def _headlines_first(measured: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return metrics with those people ask for first; a store keeps them by name."""
    return sorted(measured.items(), key=lambda m: HEADLINES.index(m[0]) if m[0] in HEADLINES else len(HEADLINES))


def findings(found: Iterable[Mapping[str, Any]]) -> str:
    """Return findings as HTML, the worst first; what was not asked is on demand."""
    rows = ordered(found)
    told = "".join(map(_told, (f for f in rows if f["outcome"] not in UNASKED)))
    rest = [_told(f) for f in rows if f["outcome"] in UNASKED]
    folded = fold(f"Not asked ({len(rest)})", "".join(rest)) if rest else ""
    return f'<div style="margin:4px 0">{told}{folded}</div>' if rows else ""


def _told(finding: Mapping[str, Any]) -> str:
    named = f"{finding['code']}: " if finding["outcome"] in UNASKED else ""
    return f"<div>{status(finding['outcome'])} {esc(named + finding['message'])}</div>"


def finding_lines(found: Iterable[Mapping[str, Any]], limit: int = 3) -> list[str]:
    """Return the worst findings as lines of text."""
    rows = ordered(found)
    more = [f"  and {len(rows) - limit} more"] if len(rows) > limit else []
    return [f"  {f['outcome']}: {f['message']}" for f in rows[:limit]] + more


def ordered(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return findings, the worst first."""
    return sorted(found, key=lambda f: ORDER.index(f["outcome"]))


def verdict(found: Iterable[Mapping[str, Any]]) -> str:
    """Return the worst outcome as a status word."""
    rows = ordered(found)
    return str(rows[0]["outcome"]) if rows else ""
