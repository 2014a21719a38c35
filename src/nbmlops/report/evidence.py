"""What was found: by rules, and by drift. Each section names what it has not got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report import charts, facts
from nbmlops.report.blocks import Block, Figure, Fold, Missing, Say, Section, Table, verdict
from nbmlops.report.text import as_float, count, finite, joined, number

__all__ = ["checks", "drift", "finding_tables"]

Json = Mapping[str, Any]
MOST_CHARTS, MOST_ROWS = 6, 60


def checks(snapshot: Json) -> Section:
    """Return what the rules said of the data."""
    found = facts.results(snapshot, "check")
    if not found:
        missing = Missing("No rules were checked in this run", "%check FRAME, with rules/<dataset>.yaml")
        return Section("checks", "Rules", "Whether the data keeps the rules is not known.", [missing])
    blocks: list[Block] = []
    for result in found:
        rows = facts.ordered(result["data"].get("findings") or [])
        caption = f"Rules of {result['subject']} on {number(result['data'].get('rows'))} rows"
        blocks += finding_tables(caption, rows)
    return Section("checks", "Rules", _tally_words([f for r in found for f in r["data"].get("findings") or []]), blocks)


def drift(snapshot: Json) -> Section:
    """Return how current data differs from the reference, worst first."""
    found = facts.results(snapshot, "drift")
    if not found:
        missing = Missing("Drift was not looked at in this run", "%drift FRAME --against MODEL@champion")
        return Section("drift", "Drift", "Whether the data has changed since the reference is not known.", [missing])
    blocks: list[Block] = []
    for result in found:
        blocks += _drift_blocks(result)
    words = joined([f"{r['subject']}: {r['data'].get('verdict', 'no verdict')}" for r in found])
    return Section("drift", "Drift", f"{words}. The question is whether a change is larger than tolerable.", blocks)


def _drift_blocks(result: Json) -> list[Block]:
    data = result["data"]
    rows = facts.ordered(data.get("findings") or [])
    against = f" against {data['reference']}" if isinstance(data.get("reference"), str) else ""
    blocks = finding_tables(f"{result['subject']}{against}, worst first", rows)
    if any("p_notice" in _detail(r) for r in rows):
        blocks.append(Say(TEST))
    blocks += [Say(str(note)) for note in data.get("notes") or []]
    blocks += [_periods(data[k], word) for k, word in (("chunks", "period"), ("segments", "segment")) if data.get(k)]
    figures = _distributions(data, rows)
    blocks += figures[:MOST_CHARTS]
    if figures[MOST_CHARTS:]:
        rest = figures[MOST_CHARTS : 4 * MOST_CHARTS]
        blocks.append(Fold(f"{count(len(rest), 'more column')}", rest))
    return blocks


TEST = (
    "Effect is the distance between both distributions, from 0 (the same) to 1, less what chance alone makes of it; "
    "p is how likely one as large is where the true one is just tolerable. False alarms are held down over all columns."
)


def _periods(parts: Sequence[Json], word: str) -> Table:
    """Return one row a period or segment."""
    heads = (word.capitalize(), "Rows", "Target", "Prediction", "Verdict")
    rows = [
        (
            str(p.get("name")),
            number(p.get("rows")),
            number(p.get("target")),
            number(p.get("prediction")),
            verdict(p.get("verdict")),
        )
        for p in parts[:MOST_ROWS]
    ]
    return Table(f"Each {word} on its own", heads, rows, numeric=(1, 2, 3))


def _distributions(data: Json, rows: Sequence[Json]) -> list[Figure]:
    """Return one chart a column, under the sentence about its distribution where there is one."""
    first: dict[str, Json] = {}
    for row in sorted(rows, key=lambda r: not str(r.get("code")).endswith("_drift")):
        first.setdefault(str(row.get("column") or ""), row)
    chosen = (_distribution(data, row) for row in rows if any(row is kept for kept in first.values()))
    return [figure for figure in chosen if figure]


def _distribution(data: Json, finding: Json) -> Figure | None:
    """Return both distributions of a finding's column, where the result kept them."""
    name = str(finding.get("column") or "")
    columns = data.get("columns")
    kept = columns.get(name) if isinstance(columns, Mapping) else None
    for part in (finding.get("detail"), kept):
        if isinstance(part, Mapping) and all(part.get(k) for k in ("labels", "reference", "current")):
            svg = charts.pair(part["labels"], _shares(part["reference"]), _shares(part["current"]), title=name)
            return Figure(svg, str(finding.get("message") or name))
    return None


def _shares(values: Sequence[Any]) -> list[float]:
    """Return counts as shares; shares stay."""
    known = [as_float(v) for v in values]
    total = sum(v for v in known if finite(v))
    return [v / total for v in known] if total > 1.5 else known


def finding_tables(caption: str, rows: Sequence[Json]) -> list[Block]:
    """Return findings as a table; where most passed, those are folded, never left out."""
    if not rows:
        return [Missing(f"{caption}: no finding was kept", "run it again")]
    open_ones = [r for r in rows if r.get("outcome") != "passed"]
    passed = [r for r in rows if r.get("outcome") == "passed"]
    blocks: list[Block] = []
    if open_ones or len(passed) <= 5:
        blocks.append(_table(caption, rows if len(passed) <= 5 else open_ones))
    if len(passed) > 5:
        blocks.append(Fold(f"{count(len(passed), 'finding')} passed", [_table(f"{caption}: passed", passed)]))
    return blocks


def _table(caption: str, rows: Sequence[Json]) -> Table:
    shown = rows[:MOST_ROWS]
    more = f" ({len(rows) - len(shown):,} more in the facts of this page)" if len(rows) > len(shown) else ""
    tested = any("p_notice" in _detail(r) for r in shown)
    names = list(dict.fromkeys(name for r in shown for name in _others(r)))
    heads = ("Outcome", "Column", "Finding", "Effect", *(("Rows", "p") if tested else ()), *names)
    cells = [(*_told(r), *(_test(r) if tested else ()), *(number(_others(r).get(n)) for n in names)) for r in shown]
    return Table(caption + more, heads, cells, numeric=tuple(range(3, len(heads))))


def _told(finding: Json) -> tuple[Any, ...]:
    said = str(finding.get("message") or finding.get("code"))
    return verdict(finding.get("outcome")), str(finding.get("column") or "-"), said, number(finding.get("effect"))


def _detail(finding: Json) -> Json:
    detail = finding.get("detail")
    return detail if isinstance(detail, Mapping) else {}


def _test(finding: Json) -> tuple[str, str]:
    """Return on how many rows a shift was tested, and how likely one as large is where the true one is tolerable."""
    rows, p = (_detail(finding).get(k) for k in ("rows", "p_notice"))
    return number(rows), "-" if p is None else "under 0.0001" if as_float(p) < 0.0001 else number(p)


def _others(finding: Json) -> dict[str, Any]:
    """Return the measures that were asked for beside the decision, by name."""
    shown = _detail(finding).get("shown")
    found = shown if isinstance(shown, Mapping) else {}
    return {str(name): m["value"] for name, m in found.items() if isinstance(m, Mapping) and "value" in m}


def _tally_words(found: Sequence[Json]) -> str:
    tally = [(sum(f.get("outcome") == o for f in found), o.replace("_", " ")) for o in facts.OUTCOMES]
    return f"{count(len(found), 'rule')}: {joined([f'{n} {word}' for n, word in tally if n]) or 'none'}."
