"""A profile: one line per column, what to know of before modelling first, the target per bin on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.widgets.html import card, esc, fold, image, lines, number, percent, status, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]
LEVELS = ("alert", "notice", "insufficient data", "ok")
BUDGET_BYTES = 55_000  # a view stays small enough to be committed and mailed
MOST_LINES = 10
BARS = 16


def html(data: Json) -> str:
    """Return the profile as a card: findings, then one line per column."""
    heads = ["Column", "Kind", "Missing", "Middle", "Low to high", *(_target_head(data))]
    parts = [f"<div>{esc(_summary(data))}</div>"]
    parts += [f"<div>{status(f['level'])} {esc(f['message'])}</div>" for f in _findings(data)]
    if not data["columns"]:
        return card("Profile", "", "".join(parts))
    parts.append(table(heads, [_row(c, data) for c in _columns(data)]))
    if data.get("chunks"):
        parts.append(fold(f"Rows by {data['chunk']}", table([data["chunk"], "rows"], _chunks(data))))
    if pictures := _pictures(data, BUDGET_BYTES - sum(map(len, parts))):
        parts.append(fold(f"{data['target']} in each bin" if data.get("target") else "Distributions", pictures))
    return card("Profile", "", "".join(parts), _hint(data))


def text(data: Json) -> str:
    """Return the findings and the first columns as aligned lines."""
    rows = [f"Profile: {_summary(data)}", *(f"  {f['level']}: {f['message']}" for f in _findings(data)[:4])]
    columns = _columns(data)
    heads = ["column", "kind", "missing", "middle", "low to high", *(_target_head(data))]
    if columns:
        rows += ["  " + line for line in lines(heads, [_row(c, data) for c in columns[:MOST_LINES]]).splitlines()]
    return "\n".join(rows + ([f"  and {len(columns) - MOST_LINES} more columns"] if columns[MOST_LINES:] else []))


def _summary(data: Json) -> str:
    return f"{data['rows']:,} rows, {len(data['columns'])} columns"


def _hint(data: Json) -> str:
    return "" if data.get("target") else "Relate the columns to what is predicted: %profile FRAME --target COLUMN"


def _findings(data: Json) -> list[Json]:
    return sorted(data["findings"], key=lambda f: LEVELS.index(f["level"]))


def _columns(data: Json) -> list[Json]:
    """Return the columns, those that explain the target best first."""
    if not data.get("target"):
        return list(data["columns"])
    return sorted(data["columns"], key=lambda c: -(c["summary"].get("explained") or -1.0))


def _target_head(data: Json) -> list[str]:
    return [f"Explains {data['target']}"] if data.get("target") else []


def _row(column: Json, data: Json) -> list[str]:
    summary = column["summary"]
    explained = [percent(summary["explained"]) if summary.get("explained") is not None else "-"]
    kind = "identifier" if column.get("identifier") else column["kind"]
    middle = _middle(column, summary)
    return [
        column["name"],
        kind,
        percent(summary["missing"]),
        middle,
        _span(column, data),
        *(explained if data.get("target") else []),
    ]


def _middle(column: Json, summary: Json) -> str:
    if column["kind"] == "boolean":
        return f"{percent(summary['mean'])} true" if summary["mean"] is not None else "-"
    if summary.get("top") is not None:
        return f"{summary['top']} {percent(summary['top_share'])}"
    if column["kind"] == "text":
        return f"{number(column.get('distinct'))} distinct, length {number(summary['median'])}"
    return number(summary["median"])


def _span(column: Json, data: Json) -> str:
    from nbmlops.drift.gaps import duration

    if column["kind"] == "datetime" and column.get("low") is not None:
        times = data.get("whole", {}).get("times", {}).get(column["name"], {})
        every = f", every {duration(step)}" if (step := times.get("step")) else ""
        return f"{_day(column['low'])} to {_day(column['high'])}{every}"
    if column["kind"] == "categorical":
        return f"{column.get('distinct', 0):,} distinct"
    return f"{number(column['low'])} to {number(column['high'])}" if column.get("low") is not None else "-"


def _day(seconds: Any) -> str:
    import numpy as np

    return str(np.datetime64(int(seconds // 86_400), "D"))


def _chunks(data: Json) -> list[list[str]]:
    return [[key, f"{max(map(_rows, _each(tallies)), default=0):,}"] for key, tallies in data["chunks"].items()]


def _each(tallies: Any) -> list[Any]:
    return list(tallies.values() if isinstance(tallies, Mapping) else tallies)  # by name in format 1


def _rows(tally: Any) -> int:
    return sum(tally["counts"] if isinstance(tally, Mapping) else tally[0])


def _pictures(data: Json, room: int) -> str:
    """Draw as many columns as there is room for."""
    from nbmlops.report import charts

    of, drawn = f"mean of {data['target']}" if data.get("target") else "share of rows", ""
    for column in _columns(data):
        labels, values = _bars(column)
        if len(labels) < 2 or column["name"] == data.get("target"):
            continue
        title = f"{column['name']}: {of} per bin"
        svg = charts.bars(labels, values, title=title)
        picture = image(svg, charts.alt(svg), 320)
        if len(drawn) + len(picture) > room:
            break
        drawn += picture
    return drawn


def _bars(column: Json) -> tuple[list[str], list[float]]:
    """Return the largest bins in their order: the target's mean in each, else its share of the rows."""
    from nbmlops.stats.counts import bins_from_dict

    bins, counted = bins_from_dict(column["bins"]), column["counts"]
    total = max(1, sum(counted))
    largest: Sequence[int] = sorted(range(bins.size), key=lambda i: -counted[i])[:BARS]
    shown = sorted(i for i in largest if counted[i])
    means = column["summary"].get("target")
    kept = [i for i in shown if means is None or means[i] is not None]
    return [bins.labels[i] for i in kept], [means[i] if means else counted[i] / total for i in kept]
