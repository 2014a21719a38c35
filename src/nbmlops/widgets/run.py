"""A run as a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.store.summary import SYSTEM, headlines, lower_is_better
from nbmlops.widgets.html import card, esc, fold, image, number, status, table

__all__ = ["html", "text"]

MOST_CURVES = 6


def html(data: Mapping[str, Any]) -> str:
    """Return the run as a card: how it ended, what was measured, model and data; the rest on demand."""
    parts = [_line(label, value) for label, value in _facts(data)]
    parts.append(_curves([m for m in data["metrics"] if len(m.get("curve", ())) > 1]))
    parts += [f"<div>{status(f['outcome'])} {_told(f)}</div>" for f in _findings(data)]
    if data.get("error"):
        parts.append(_line("Error", f"{data['error']['name']}: {data['error']['message']}"))
    parts.append(fold("Parameters, data, environment", _details(data)))
    hint = f"run {data['run_id'][-6:]} · compare: %compare {data['experiment']} {data['experiment']}~1"
    return card(_title(data), data["status"], _line("", _times(data)) + "".join(parts), hint)


def text(data: Mapping[str, Any]) -> str:
    """Return the run in at most five lines."""
    about = ", ".join(part for part in (_times(data), f"run {data['run_id'][-6:]}") if part)
    rows = [f"{_title(data)}: {data['status']}  ({about})"]
    rows += [f"  {label}: {value}" for label, value in _facts(data)]
    if data.get("error"):
        rows.append(f"  Error: {data['error']['name']}: {data['error']['message']}"[:200])
    elif found := _findings(data):
        more = f" (and {len(found) - 1} more)" if found[1:] else ""
        rows.append(f"  {found[0]['outcome'].capitalize()}: {found[0]['message']}{more}")
    return "\n".join(rows[:5])


def _title(data: Mapping[str, Any]) -> str:
    name = data["name"] if data["name"] != data["experiment"] else ""
    return f"{data['experiment']} {name}".strip()


def _times(data: Mapping[str, Any]) -> str:
    """Return how long the run took, and tracking beside it."""
    known = (("took", data.get("duration_s")), ("tracking", data.get("tracking_s")))
    told = [f"{word} {number(value)} s" for word, value in known if value is not None]
    return ", ".join([*_planned(data.get("planned") or {}), *told])


def _planned(plan: Mapping[str, Any]) -> list[str]:
    """Return which of the planned runs of its experiment it is."""
    if not plan:
        return []
    if plan["done"] > plan["of"]:
        return [f"{plan['done']} runs of {plan['of']} planned"]
    return [f"run {plan['run']} of {plan['of']} planned" if plan["run"] else f"{plan['done']} of {plan['of']} planned"]


def _facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    summary = data.get("summary", {})
    metrics = "  ".join(_measured(name, summary[name], data.get("beside") or {}) for name in headlines(summary))
    models = ", ".join(f"{m['name']} = {m['estimator']}" for m in data["models"])
    sets = "  ".join(f"{d['name']} ({d['rows']:,} rows{_strength(d)})" for d in data["datasets"])
    found = [("Metrics", metrics), ("Model", models + (models and _kept(data.get("kept") or {}))), ("Data", sets)]
    return [(label, value) for label, value in found if value]


def _measured(name: str, value: Any, beside: Mapping[str, Mapping[str, float]]) -> str:
    """Return a metric with its change since the repeat before, and the best of its experiment."""
    label = name.replace("[origin=inferred]", " (inferred)")
    shown = f"{label} {number(value)}"
    before, best = beside.get("previous", {}).get(name), beside.get("best", {}).get(name)
    told = []
    if isinstance(value, (int, float)):
        if before is not None and value != before:
            told.append(f"{'+' if value > before else '-'}{number(abs(value - before))}")
        if best is not None:
            ahead = value < best if lower_is_better(name) else value > best
            told.append("new best" if ahead else f"best {number(best)}" if value != best else "as the best")
    return shown + (f" ({', '.join(told)})" if told else "")


def _strength(dataset: Mapping[str, Any]) -> str:
    return "" if dataset["strength"] == "full" else f", {dataset['strength']}"


def _kept(kept: Mapping[str, Any]) -> str:
    """Return what became of the model's file."""
    if kept.get("why_not"):
        return f" (not saved: {kept['why_not']})"
    return f" (saved in {number(kept['took_s'])} s)" if kept.get("name") else ""


def _findings(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [f for f in data.get("findings") or () if f["outcome"] in ("warning", "issue")]


def _told(finding: Mapping[str, Any]) -> str:
    return f'{esc(finding["message"])} <span style="opacity:.7">({esc(finding["code"])})</span>'


def _line(label: str, value: str) -> str:
    if not label:
        return f'<div style="opacity:.7">{esc(value)}</div>' if value else ""
    apart = value.replace("  ", " · ")  # two blanks are one in HTML
    return f'<div><span style="opacity:.7">{esc(label)}:</span> {esc(apart)}</div>'


def _curves(metrics: Sequence[Mapping[str, Any]]) -> str:
    """Return how metrics went while they were logged, one a row; those of the machine last, and the rest counted."""
    ordered = sorted(metrics, key=lambda m: m["name"].startswith(SYSTEM))
    more = len(ordered) - MOST_CURVES
    note = f'<div style="opacity:.75">and {more} more that were logged several times</div>' if more > 0 else ""
    rows = [_curve(m) for m in ordered[:MOST_CURVES]]
    return (table(["metric", "while it ran", "logged"], rows, raw=True) if rows else "") + note


def _curve(metric: Mapping[str, Any]) -> list[str]:
    """Return a metric's name, its curve as a picture the height of a word, and how many points there are."""
    from nbmlops.report import charts

    odd = metric.get("not_finite", 0)
    drawn = charts.sparkline(metric["curve"], metric["count"], odd)
    points = f"{metric['count']:,} points{f', {odd:,} not finite' if odd else ''}"
    return [esc(f"{metric['name']} {_context(metric)}".strip()), image(drawn, charts.alt(drawn), 120), points]


def _details(data: Mapping[str, Any]) -> str:
    git = data.get("git") or {}
    commit = f"{git.get('commit', '')[:10]}{' (changed since)' if git.get('dirty') else ''}"
    parts = [
        table(["param", "value", "origin"], [[p["name"], p["value"], p["origin"]] for p in data["params"]]),
        table(["metric", "value", "context"], [[m["name"], number(m["value"]), _context(m)] for m in data["metrics"]]),
        table(
            ["data", "rows", "fingerprint"], [[d["name"], d["rows"], d["fingerprint"][:16]] for d in data["datasets"]]
        ),
        table(["file", "bytes"], [[a["name"], a["size_bytes"]] for a in data["artifacts"]]),
        table(
            ["where", ""],
            [[name, value or "-"] for name, value in _where(data, commit)],
        ),
    ]
    return "".join(parts)


def _where(data: Mapping[str, Any], commit: str) -> list[tuple[str, Any]]:
    """Return where, when and by whom it was run."""
    started = str(data.get("started_at") or "")[:16].replace("T", " ")
    about = [(name, data.get(name)) for name in ("notebook", "order", "author")]
    return [("started (UTC)", started), *about, ("commit", commit)]


def _context(metric: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in metric["context"].items())
