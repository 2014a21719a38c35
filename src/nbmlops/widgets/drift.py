"""A drift report: the verdict, one line per finding that matters, one line per column, pictures of the worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.widgets.html import card, esc, fold, image, lines, number, percent, status, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]
ORDER = {"alert": 0, "notice": 1, "insufficient data": 2, "ok": 3}
FEATURES, TOGETHER = "feature_drift", "multivariate"
MOST_LINES, MOST_TOLD = 6, 12
BUDGET_BYTES = 55_000  # a view stays small enough to be committed and mailed


def html(data: Json) -> str:
    """Return the report as a card, worst first; what passed is on demand."""
    parts = [f"<div>{esc(_summary(data))}</div>"]
    told = [f for f in _matters(data["findings"]) if f["code"] != FEATURES]
    parts += [_told(f) for f in told[:MOST_TOLD]]
    parts += [f"<div>{esc(e['words'])}</div>" for e in data.get("episodes", ())[:MOST_TOLD]]
    if told[MOST_TOLD:]:
        parts.append(f"<div>and {len(told) - MOST_TOLD} more among all checks</div>")
    parts += [
        fold("Columns together", _together(f)) for f in told if f["code"] == TOGETHER and "columns" in f["detail"]
    ]
    if features := [f for f in _ordered(data["findings"]) if f["code"] == FEATURES]:
        heads = ["", "Column", "Change", "Distance", "Importance", *_measures(features)]
        parts.append(table(heads, [_row(f) for f in features], raw=True))
    parts += [_group(data[k], data[by]) for k, by in (("chunks", "chunk"), ("segments", "by")) if data[k]]
    parts.append(fold(f"All {len(data['findings'])} checks", _all(data["findings"])))
    if pictures := _pictures(data["columns"], BUDGET_BYTES - sum(map(len, parts))):
        parts.append(fold("Distributions, the furthest first", pictures))
    return card(_title(data), data["verdict"], "".join(parts), _hint(data))


def text(data: Json) -> str:
    """Return the verdict and the findings that matter, in about six lines."""
    found = _matters(data["findings"])
    rows = [f"{_title(data)}: {data['verdict']}", f"  {_summary(data)}"]
    rows += [f"  {_word(f)}: {f['message']}" for f in found[:MOST_LINES]]
    if found[MOST_LINES:]:
        rows.append(f"  and {len(found) - MOST_LINES} more")
    rows += _episodes(data.get("episodes", ()))
    rows += _shown(data["findings"])
    if data["chunks"]:
        heads, cells = _group_cells(data["chunks"], data["chunk"])
        rows += ["  " + line for line in lines(heads, cells).splitlines()]
    return "\n".join(rows)


def _episodes(found: Sequence[Json]) -> list[str]:
    """Return a line for each episode, those that opened first."""
    more = [f"  and {len(found) - MOST_LINES} more episodes"] if found[MOST_LINES:] else []
    return [f"  {e['words']}" for e in found[:MOST_LINES]] + more


def _title(data: Json) -> str:
    return f"Drift against {data['reference']}"


def _summary(data: Json) -> str:
    counts = Counter(f["outcome"] for f in data["findings"])
    words = {"issue": "alert", "warning": "notice", "passed": "passed", "skipped": "insufficient data"}
    told = ", ".join(f"{counts[k]} {word}" for k, word in words.items() if counts[k])
    notes = "".join(f"; {n}" for n in data["notes"])
    return f"{data['rows']:,} rows against {data['reference_rows']:,}; checks: {told}{notes}"


def _hint(data: Json) -> str:
    if data["verdict"] == "insufficient data":
        return "Wait for more rows: neither drift nor its absence can be shown with these."
    return (
        "" if data["verdict"] == "ok" else "A change larger than tolerable; whether it hurts shows in the performance."
    )


def _ordered(findings: Sequence[Json]) -> list[Json]:
    """Worst first; within a level in the order of evidence, features by distance."""
    effect = [-(f["effect"] or 0.0) if f["code"] == FEATURES else -2.0 for f in findings]
    order = sorted(range(len(findings)), key=lambda i: (ORDER[findings[i]["level"]], effect[i], i))
    return [findings[i] for i in order]


def _matters(findings: Sequence[Json]) -> list[Json]:
    """Return what is told without being asked: what did not pass, and how answers and truth stand.

    Checks that need more rows share one line.
    """
    told = [f for f in _ordered(findings) if f["outcome"] in ("issue", "warning")]
    asked = ("performance", "performance_estimated", "target_drift", "prediction_drift")
    if small := [f for f in findings if f["outcome"] == "skipped"]:
        message = f"{len(small)} checks, such as {small[-1]['message'].removeprefix('insufficient data: ')}"
        told.append(small[0] if len(small) == 1 else {**small[-1], "code": "", "message": message})
    told += [f for f in findings if f["code"] in asked and f["outcome"] == "passed"]
    return told + [f for f in findings if f["code"] == TOGETHER and f["outcome"] in ("passed", "not_applicable")]


def _told(finding: Json) -> str:
    return f"<div>{status(_word(finding))} {esc(finding['message'])}</div>"


def _word(finding: Json) -> str:
    return str(finding["level"]) if finding["outcome"] != "not_applicable" else "not judged"


def _together(finding: Json) -> str:
    """Show the columns that carry a difference, the regions, and which rows to look at."""
    found = finding["detail"]
    carriers = table(["Column", "Carries"], [[c["column"], percent(c["share"])] for c in found["columns"]])
    regions = [[r["words"], percent(r["reference"]), percent(r["current"])] for r in found["regions"]]
    places = ", ".join(map(str, found["new_looking"]))
    where = table(["More frequent now", "Of the reference", "Of current rows"], regions) if regions else ""
    return f"{where}{carriers}<div>Rows least like the reference (iloc): {esc(places)}</div>"


def _row(finding: Json) -> list[str]:
    change = finding["direction"] or finding["message"]
    if finding["outcome"] in ("skipped", "not_applicable"):
        change = finding["message"]
    share = finding["detail"].get("importance")
    cells = [
        status(_word(finding)),
        esc(finding["column"]),
        esc(change),
        number(finding["effect"]),
        esc(percent(share)),
    ]
    return cells + [esc(_measure(v)) for v in finding["detail"].get("shown", {}).values()]


def _measures(findings: Sequence[Json]) -> list[str]:
    """Return the names of the measures someone asked for."""
    return list(next((f["detail"]["shown"] for f in findings if "shown" in f["detail"]), ()))


def _measure(found: Json | None) -> str:
    return f"{found['value']:.3g} (chance {found['noise']:.2g})" if found else "-"


def _shown(findings: Sequence[Json]) -> list[str]:
    """Return a table in text of the measures someone asked for, the column that moved furthest first."""
    told = [f for f in _ordered(findings) if "shown" in f["detail"]]
    if not told:
        return []
    rows = [[f["column"], *map(_measure, f["detail"]["shown"].values())] for f in told[:MOST_TOLD]]
    more = [f"  and {len(told) - MOST_TOLD} more columns"] if told[MOST_TOLD:] else []
    return ["  " + line for line in lines(["column", *_measures(told)], rows).splitlines()] + more


def _group(rows: Sequence[Json], column: str) -> str:
    heads, cells = _group_cells(rows, column)
    worst = [next((f["message"] for f in _ordered(r["findings"]) if f["level"] == r["verdict"]), "") for r in rows]
    full = [[*row, words] for row, words in zip(cells, worst, strict=True)]
    return table([*heads, "why"], full, caption=f"By {column}")


def _group_cells(rows: Sequence[Json], column: str) -> tuple[list[str], list[list[str]]]:
    metric = next((r["performance"]["metric"] for r in rows if r.get("performance")), "performance")
    heads = [column, "rows", "verdict", "target", "predicted", metric, "furthest column"]
    return heads, [_group_row(r) for r in rows]


def _group_row(row: Json) -> list[str]:
    measured, largest = row.get("performance") or {}, row.get("largest")
    furthest = f"{largest['column']} {largest['effect']:.2f}" if largest else "-"
    means = [f"{row[k]:.3g}" if row.get(k) is not None else "-" for k in ("target", "prediction")]
    value = f"{measured['value']:.3f}{' expected' if measured.get('estimated') else ''}" if measured else "-"
    return [row["name"], f"{row['rows']:,}", row["verdict"], *means, value, furthest]


def _pictures(columns: Mapping[str, Json], room: int) -> str:
    """Draw as many columns as there is room for."""
    from nbmlops.report import charts

    drawn = ""
    for name, sides in columns.items():
        svg = charts.pair(sides["labels"], sides["reference"], sides["current"], title=name)
        picture = image(svg, charts.alt(svg), 320)
        if len(drawn) + len(picture) > room:
            break
        drawn += picture
    return drawn


def _all(findings: Sequence[Json]) -> str:
    """Every check in its outcome: what passed shares a line per kind, features have their own lines above."""
    told = [f for f in _ordered(findings) if f["outcome"] != "passed" and f["code"] != FEATURES]
    passed = Counter(f["code"] for f in findings if f["outcome"] == "passed")
    rows = [[f["outcome"], f["code"], f["message"]] for f in told]
    rows += [["passed", code, _columns(findings, code)] for code in passed]
    return table(["Outcome", "Check", "What was found"], rows)


def _columns(findings: Sequence[Json], code: str) -> str:
    names = [f["column"] for f in findings if f["code"] == code and f["outcome"] == "passed" and f["column"]]
    return ", ".join(names) or next(f["message"] for f in findings if f["code"] == code)
