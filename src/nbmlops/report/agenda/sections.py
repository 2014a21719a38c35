"""The sections behind page one of an agenda; each a function of the snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nbmlops.report.agenda.page import open_rows
from nbmlops.report.agenda.pictures import over_time
from nbmlops.report.blocks import Block, Figure, Missing, Say, Section, Table, verdict
from nbmlops.report.page_one.decided import event_words
from nbmlops.report.project import sections as project
from nbmlops.report.project.standing import rounded, worth
from nbmlops.report.text import count, joined, measured, number, stamp

__all__ = ["build"]

Json = Mapping[str, Any]
MOST = 50
OF_PROJECT = ("throughput", "limits", "roles", "monitoring", "flags", "data", "audit", "glossary")  # of its sections


def build(snapshot: Json, notebook: bytes | None = None) -> list[Section]:
    """Return every section of an agenda.

    Parameters
    ----------
    snapshot : mapping
        See :func:`nbmlops.report.snapshot.build`.
    notebook : bytes, optional
        An agenda has none.
    """
    rest = [s for s in project.build(snapshot) if s.key in OF_PROJECT]
    return [_changed(snapshot), _metrics(snapshot), _worth(snapshot), _findings(snapshot), _advice(snapshot), *rest]


def _changed(snapshot: Json) -> Section:
    """Return what was done since the last agenda."""
    found = snapshot["changed"]
    runs, events = found["runs"], found["events"]
    more = Counter(found.get("left_out") or {})  # snapshots of before do not say it
    blocks: list[Block] = []
    if events:
        rows = [(stamp(e["at"]), event_words(e), f"{e['actor']} (by {e['known_by']})") for e in events]
        title = f"What people did, oldest first{_earlier(more['events'])}"
        blocks.append(Table(title, ("When (UTC)", "What", "Who, and how known"), rows, tight=(0,)))
    blocks += [Say(f"The charter: {line}.") for line in found["charter"]]
    if found["versions"]:
        blocks.append(Say(f"Registered: {joined(found['versions'])}{_earlier(more['versions'])}."))
    if runs:
        blocks.append(Table("Runs", ("Status", "Runs"), [(verdict(k), str(n)) for k, n in runs.items()], numeric=(1,)))
    words = f"{count(sum(runs.values()), 'run')}, {count(len(found['versions']) + more['versions'], 'new version')}, " \
            f"{count(found['counts'].get('alias', 0), 'move')} of an alias, " \
            f"{count(len(found['charter']) + more['charter'], 'change')} of the charter."  # fmt: skip
    return Section("changed", f"Since {stamp(snapshot['since'])}", words, blocks or [Say("Nothing was done.")])


def _earlier(left_out: int) -> str:
    return f"; {left_out:,} earlier ones are left out" if left_out else ""


def _metrics(snapshot: Json) -> Section:
    """Return each target over time, with what was measured."""
    title, found = "Metrics against targets over time", snapshot["over_time"]
    if not found:
        missing = Missing("No target of a model in use was measured", "nbmlops evaluate; metrics in charter.yaml")
        return Section("metrics", title, "Nothing was measured.", [missing])
    blocks = [block for series in found for block in _series(series)]
    return Section("metrics", title, f"{count(len(found), 'target')} of models in use.", blocks)


def _series(series: Json) -> list[Block]:
    goal = series["at_least"] if series["at_least"] is not None else series["at_most"]
    title = f"{series['metric']} of {series['model']}"
    rows = [(p["of"], stamp(p["at"])[:10], *measured(p["value"], p["low"], p["high"])) for p in series["points"]]
    named = [{**p, "of": str(p["of"]).removeprefix(series["model"])} for p in series["points"]]
    drawn = over_time(named, title=title, target=goal)
    heads = ("Version or period", "Since", "Value", "95 % interval")
    table = Table(f"{title}: {series['text']}", heads, rows, numeric=(2,), tight=(1,))
    words = "In the order of time, each with its 95 % interval; the broken line is the target."
    return [Figure(drawn, words), table] if drawn else [table]


def _worth(snapshot: Json) -> Section:
    """Return what was expected at first beside what is known of each model now."""
    first = snapshot["first_worth"]
    rows = [("First estimate", *_numbers(first), f"{first['actor']}, {first['at'][:10]}")] if first else []
    for model in snapshot["models"]:
        if model.get("champion") and (found := worth(model.get("now"))):
            side = model["now"]
            rests = f"{number(side.get('rows'))} {'outcomes' if side.get('rests') == 'outcomes' else 'held-out rows'}"
            rows.append((model["champion"], *_numbers(found), rests))
    title = "Value expected and realised"
    if not rows:
        missing = Missing("Neither an estimate nor a value is known", "nbmlops charter value; value in charter.yaml")
        return Section("performance", title, "The value is not known.", [missing])
    blocks: list[Block] = [
        Table("Per 1,000 rows", ("What", "Low", "Expected", "High", "Rests on"), rows, numeric=(1, 2, 3))
    ]
    if not first:
        blocks.append(Missing("Nobody estimated it before the first model", "nbmlops charter value"))
    # snapshots of before do not say whether there was a model already
    after = (first or {}).get("after")
    when = f"first, when {after} was registered already" if after else "before any model"
    return Section("performance", title, f"What was expected {when}, and what is known now.", blocks)


def _numbers(found: Json) -> tuple[str, str, str]:
    low, expected, high = (rounded(found[k]) if found.get(k) is not None else "-" for k in ("low", "expected", "high"))
    return low, f"{expected} {found.get('unit') or ''}".strip(), high


def _findings(snapshot: Json) -> Section:
    rows = open_rows(snapshot)
    title = "Everything that is open"
    if not rows:
        return Section("findings", title, "Nothing is open.", [Say("Nothing is overdue, asked, owed or unreviewed.")])
    late = sum(row[0].tone == "bad" for row in rows)
    blocks: list[Block] = [Table("What is late first", ("State", "What", "Whose"), rows[:MOST])]
    blocks += [Say(f"{len(rows) - MOST} more.")] if len(rows) > MOST else []
    return Section("findings", title, f"{count(len(rows), 'point')}, {late} of them late or at alert level.", blocks)


def _advice(snapshot: Json) -> Section:
    """Return each model's phase, whose turn it is, what was advised, and when it went back."""
    items = snapshot["status"]
    told = {m["name"]: m.get("advice") or {} for m in snapshot["models"]}
    rows = [
        (
            i["version"] or i["model"],
            i["phase"],
            i["because"],
            i["turn"],
            told.get(i["model"], {}).get("advice") or "none",
        )
        for i in items[:MOST]
    ]
    blocks: list[Block] = [Table("Where each model is", ("Model", "Phase", "Because", "Whose turn", "Advice"), rows)]
    blocks += [
        Say(f"{i['model']}: {a['because']}") for i in items[:MOST] if (a := told.get(i["model"])) and a.get("because")
    ]
    blocks += [Say(_back(i)) for i in items[:MOST] if i["back"]]
    return Section("activity", "Where each model is, and what is advised", f"{count(len(items), 'item')}.", blocks)


def _back(item: Json) -> str:
    back = item["back"]
    why = f": {back['why']}" if back["why"] else ""
    return f"{item['model']} went back from {back['from']} to {back['to']} on {back['at'][:10]}, by {back['by']}{why}"
