"""Runs compared: only what differs, and which is better on the same rows, or why that cannot be said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.records import ModelVersion
from nbmlops.report.blocks import Block, Fold, Missing, Say, Section, Table, Tone, Verdict, verdict
from nbmlops.report.decision import Decision, Part
from nbmlops.report.gathered.sides import differing, gated, paired, side
from nbmlops.report.kinds import run
from nbmlops.report.kinds.kind import Head, Kind, Subject
from nbmlops.report.sections.flagged import flagged, of_results
from nbmlops.report.sections.glossary import glossary
from nbmlops.report.text import count, duration, joined, measured, number, short, stamp, visible
from nbmlops.tracking import session
from nbmlops.tracking.runs import Run

__all__ = ["KIND", "find"]

Json = Mapping[str, Any]
BETWEEN = ".."
BACK = re.compile(r"~[0-9]+$")
FEWEST, MOST = 2, 6
FEW, MOST_ROWS, MOST_OPEN, LONGEST = 15, 100, 5, 80  # six runs side by side keep to a page
ENVIRONMENT = "environment"
# What differs is asked in this order: a key of a side, the section's title, what one difference is called.
ASKED = (
    ("settings", "Parameters", "setting"),
    ("metrics", "Metrics", "metric"),
    ("data", "Data", "data set"),
    (ENVIRONMENT, "Environment", "part of the environment"),
)


def find(ref: Any) -> Subject | None:
    """Return the runs of ``A..B``, or of a list of two to six runs or models.

    Raises
    ------
    NotFound
        One of them does not exist.
    Invalid
        Only one, one named twice, or too many.
    """
    named = _named(ref)
    if named is None:
        return None
    found = [run.find(one) for one in named]
    if not FEWEST <= len(found) <= MOST:
        raise Invalid(f"{count(len(found), 'run')} cannot be compared.", f"Name {FEWEST} to {MOST}: A..B, or a list.")
    keys = [one.key.partition(":")[2] for one in found]
    if twice := next((name for name, key in zip(named, keys, strict=True) if keys.count(key) > 1), None):
        same = [_called(name) for name, key in zip(named, keys, strict=True) if keys.count(key) > 1]
        if len(set(same)) > 1:
            raise Invalid(f"{joined(same)} are of one run.", f"Its own report tells of both: nbmlops report {same[0]}")
        raise Invalid(f"{_called(twice)} is named twice.", "Name different runs: A..B, or a list.")
    name = "-to-".join(one.name for one in found)
    return Subject("comparison", f"comparison:{BETWEEN.join(keys)}", name, found)


def _named(ref: Any) -> list[Any] | None:
    """Return what stands on each side; None where this is no comparison."""
    if isinstance(ref, (list, tuple)):
        return list(ref)
    if not isinstance(ref, str) or BETWEEN not in ref or _is_run(ref):
        return None
    named = [part.strip() for part in ref.split(BETWEEN)]
    if not all(named):
        raise Invalid(f"{ref!r} names one side only.", "Name both: A..B")
    return list(named)


def _is_run(ref: str) -> bool:
    """Tell whether an experiment is called so: people may put two dots into a name."""
    from nbmlops.store.runs import newest

    return bool(newest(session.store(), experiment=BACK.sub("", ref), limit=1))


def _called(ref: Any) -> str:
    return ref.run_id[-6:] if isinstance(ref, Run) else ref.ref if isinstance(ref, ModelVersion) else repr(ref)


def _gather(subject: Subject) -> dict[str, Any]:
    """Return the ``sides``, what ``differs``, and each side's ``gains`` over the first on the same rows."""
    from nbmlops.report import facts

    whole = [run.KIND.gather(one) for one in subject.about]
    sides = [side(found) for found in whole]
    judged = [facts.evaluation(found) for found in whole]
    others = [(one["ref"], sides[0]["ref"], j) for one, j in zip(sides[1:], judged[1:], strict=True)]
    results = [r for found in whole for r in found["results"]]
    targets = [str(t.get("name")) for t in ((whole[0].get("charter") or {}).get("metrics") or ())]
    asked = [key for key, _, _ in ASKED if key != ENVIRONMENT or all(one["recorded"] for one in sides)]
    differs = {key: differing(sides, key) for key in asked}
    return {
        "names": _labels(sides),
        "sides": [_without(one) for one in sides],
        "differs": {key: _few(found) for key, found in differs.items()},
        "counts": {key: len(found) for key, found in differs.items()},
        "code": _code(sides),
        "gains": [_gains(one, other, paired(j, judged[0], targets), results) for one, other, j in others],
        "grouped": (whole[0].get("charter") or {}).get("groups"),
        "unreadable": (whole[0].get("charter") or {}).get("unreadable"),
        "flags": of_results({"results": results}),
        "as_of": max(str(found["as_of"]) for found in whole),
    }


def _gains(ref: str | None, first: str | None, found: dict[str, Any], results: Sequence[Json]) -> dict[str, Any]:
    """Return a gate's finding before what the evaluations say: it knows which rows belong together."""
    kept = gated(ref, first, results)
    if kept is None:
        return found
    return {"gains": [kept, *(g for g in found.get("gains", ()) if g["metric"] != kept["metric"])]}


def _few(found: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the first differences, each value short."""
    return {short(name, LONGEST): _cut(values) for name, values in list(found.items())[:MOST_ROWS]}


def _cut(values: Sequence[Any]) -> list[Any]:
    """Return values cut where they are long; what differs only further on is told apart by a hash."""
    cut = [short(v, LONGEST) if isinstance(v, str) else v for v in values]
    if len(set(map(str, cut))) > 1:
        return cut
    return [f"{c} ({sha256(str(v).encode()).hexdigest()[:8]})" for c, v in zip(cut, values, strict=True)]


def _without(one: Json) -> dict[str, Any]:
    """Leave out what only differences are told of."""
    return {k: v for k, v in one.items() if k not in ("settings", "data", "code", "environment")}


def _labels(sides: Sequence[Json]) -> list[str]:
    """Return a name for each side that tells it from the others."""
    names = [str(one["ref"] or one["name"] or one["experiment"]) for one in sides]
    return [
        f"{name} ({one['run_id'][-6:]})" if names.count(name) > 1 else name
        for name, one in zip(names, sides, strict=True)
    ]


def _code(sides: Sequence[Json]) -> dict[str, Any]:
    """Return the cells that are not on every side, by hash; ``known`` is false where a side's code was not kept."""
    every = [{cell["hash"]: cell["line"] for cell in one["code"]} for one in sides]
    lines = {key: line for cells in every for key, line in cells.items()}
    rows = [{"line": line, "on": [key in cells for cells in every]} for key, line in lines.items()]
    known = all(every)  # a side without code has not other code: it is not known
    return {"known": known, "cells": [row for row in rows if known and not all(row["on"])]}


def _head(taken: Json) -> Head:
    names = [visible(name) for name in taken["names"]]
    started = " · ".join(
        f"{name} started {stamp(one['started_at'])}" for name, one in zip(names, taken["sides"], strict=True)
    )
    return Head(f"Comparison: {joined(names)}", f"comparison of {count(len(names), 'run')}", started)


def _decide(taken: Json) -> Decision:
    parts = (
        Part("better", "Which is better", _better(taken)),
        Part("differs", "What differs", _counted(taken)),
        Part("found", "What was found", _found(taken)),
        Part("decided", "Who decided", [Say("A comparison decides nothing: nbmlops gate and promote do.")]),
    )
    return Decision(*_asked(taken), parts)


def _asked(taken: Json) -> tuple[str, Verdict, str]:
    """Return the question, whether a run is shown to be better than the first, and on what evidence."""
    names, gains = taken["names"], taken["gains"]
    question = f"Is {names[1]} better than {names[0]}?" if len(names) == FEWEST else f"Which is better than {names[0]}?"
    known = [(name, found) for name, found in zip(names[1:], gains, strict=True) if "gains" in found]
    if not known:
        return question, Verdict("Not comparable", "quiet"), f"It cannot be said: {_whys(taken)}."
    better = [(name, found) for name, found in known if found["gains"][0]["verdict"] == "better"]
    words = "; ".join(f"{name}: {_difference(found)}" for name, found in known)
    return question, _answer(better, known, len(names)), f"On the same rows. {words}."


def _answer(better: Sequence[tuple[str, Json]], known: Sequence[tuple[str, Json]], sides: int) -> Verdict:
    if sides > FEWEST:
        return Verdict(joined([name for name, _ in better]) or "None is shown to be", "good" if better else "warn")
    word, tone = ANSWERS[known[0][1]["gains"][0]["verdict"]]
    return Verdict(word, tone)


ANSWERS: Mapping[str, tuple[str, Tone]] = {
    "better": ("Yes", "good"),
    "worse": ("No, it is worse", "bad"),
    "not shown": ("Not shown", "warn"),
}


def _whys(taken: Json) -> str:
    return "; ".join(dict.fromkeys(found["why"] for found in taken["gains"] if "why" in found))


def _difference(found: Json) -> str:
    first = found["gains"][0]
    value, bounds = measured(first["difference"], first["low"], first["high"], sign=True)
    rows = f"on {number(first['rows'])} rows{' by a gate' if first['by'] == 'gate' else ''}"
    return f"{first['metric']} {value} {bounds} {rows}, positive is better{_others(found['gains'][1:])}"


def _others(gains: Sequence[Json]) -> str:
    """Return which metrics beside the deciding one are shown to be better or worse."""
    named = [(word, [g["metric"] for g in gains if g["verdict"] == word]) for word in ("better", "worse")]
    return "".join(f"; {joined(names)} {'is' if len(names) == 1 else 'are'} {word}" for word, names in named if names)


def _better(taken: Json) -> list[Block]:
    """Return each run against the first on the same rows, and what cannot be compared."""
    (first, *others), blocks = taken["names"], list[Block]()
    rows = [
        _gain_row(name, gain)
        for name, found in zip(taken["names"][1:], taken["gains"], strict=True)
        for gain in found.get("gains", ())
    ]
    if rows:
        blocks.append(_differences(first, others, rows))
    by = {g["by"] for found in taken["gains"] for g in found.get("gains", ())}
    if "evaluations" in by and taken["grouped"]:
        blocks.append(
            Say(f"Rows are taken as independent; by {taken['grouped']} they are not: nbmlops gate counts that.")
        )
    if why := taken.get("unreadable"):
        what = "charter.yaml cannot be read, so the agreed targets are not known and every column is taken for private"
        blocks.append(Missing(what, f"mend it: {why}"))
    return [*blocks, *_not_comparable(taken), *([] if rows else _own(taken))]


def _gain_row(name: str, gain: Json) -> tuple[str | Verdict, ...]:
    value, bounds = measured(gain["difference"], gain["low"], gain["high"], sign=True)
    values = number(gain["before"]), number(gain["value"])
    return name, gain["metric"], *values, value, bounds, number(gain["rows"]), gain["by"], verdict(gain["verdict"])


def _differences(first: str, others: Sequence[str], rows: Sequence[tuple[str | Verdict, ...]]) -> Table:
    """Return differences as a table; which run is said in each row only where there are several."""
    caption = f"Against {first} on the same rows; a positive difference is better"
    heads = ("Metric", first, "This run", "Difference", "95 % interval", "Rows", "By", "Verdict")
    if len(others) > 1:
        return Table(caption, ("Run", *heads), rows, numeric=(2, 3, 4, 6), tight=(5,))
    named = (*heads[:2], others[0], *heads[3:])
    return Table(caption, named, [row[1:] for row in rows], numeric=(1, 2, 3, 5), tight=(4,))


def _not_comparable(taken: Json) -> list[Block]:
    do = "evaluate both on the same held-out rows: nbmlops gate CHALLENGER CHAMPION --on ROWS"
    names = taken["names"]
    pairs = zip(names[1:], taken["gains"], strict=True)
    return [Missing(f"{name} cannot be compared with {names[0]}: {f['why']}", do) for name, f in pairs if "why" in f]


def _own(taken: Json) -> list[Block]:
    """Return each model's own metrics, which are of rows of its own."""
    rows = [
        (name, metric, *measured(m.get("value"), m.get("low"), m.get("high")), number(m.get("n")))
        for name, one in zip(taken["names"], taken["sides"], strict=True)
        for metric, m in list(((one["evaluation"] or {}).get("metrics") or {}).items())[:4]
    ]
    heads = ("Run", "Metric", "Measured", "95 % interval", "Rows")
    return (
        [Table("Each on rows of its own: not to be held against each other", heads, rows, numeric=(2, 4))]
        if rows
        else []
    )


def _counted(taken: Json) -> list[Block]:
    told = [(title, _amount(taken["counts"].get(key))) for key, title, _ in ASKED]
    told.insert(3, ("Code cells", _amount(len(taken["code"]["cells"]) if taken["code"]["known"] else None)))
    return [Table("Differences between the runs", ("Of", "How many"), told, numeric=(1,))]


def _amount(found: int | None) -> str:
    return "not known" if found is None else number(found) if found else "the same"


def _found(taken: Json) -> list[Block]:
    rows = [
        (name, verdict(f["outcome"]), str(f["kind"]), str(f["message"]))
        for name, one in zip(taken["names"], taken["sides"], strict=True)
        for f in one["findings"][:MOST_OPEN]
    ]
    failed: list[Block] = [
        Say(f"{name} {one['status']}.")
        for name, one in zip(taken["names"], taken["sides"], strict=True)
        if one["status"] != "finished"
    ]
    none = Say("No open issue and no warning in any.")
    return [*failed, Table("Open findings of each", ("Run", "Outcome", "From", "Finding"), rows) if rows else none]


def _sections(taken: Json, notebook: bytes | None) -> list[Section]:
    tables = [_differs(taken, key, title, what) for key, title, what in ASKED]
    return [_runs(taken), *tables[:3], _cells(taken), tables[3], _findings(taken), *flagged(taken), glossary(taken)]


def _runs(taken: Json) -> Section:
    """Return what was compared."""
    heads = ("Run", "Id ends in", "Kind", "Status", "Started (UTC)", "Took", "By")
    rows = [
        (
            name,
            one["run_id"][-6:],
            str(one["kind"]),
            verdict(one["status"]),
            stamp(one["started_at"]),
            duration(one["duration_s"]),
            str(one["author"] or "-"),
        )
        for name, one in zip(taken["names"], taken["sides"], strict=True)
    ]
    table = Table("The runs", heads, rows, numeric=(5,), tight=(4,))
    return Section(
        "runs", "What was compared", f"{count(len(rows), 'run')}, the first is what others are held against.", [table]
    )


def _differs(taken: Json, key: str, title: str, what: str) -> Section:
    found = taken["differs"].get(key)
    if found is None:
        missing = Missing("The packages of a side were not recorded", "they are, for a run of a notebook or a cell")
        return Section(key, title, "What differs is not known.", [missing])
    if not found:
        return Section(key, title, f"No {what} differs.", [Say("The same on every side, or on none.")])
    rows = [(name, *(_value(key, v) for v in values)) for name, values in found.items()]
    total = taken["counts"][key]
    caption = f"The first {len(rows)} of what differs" if total > len(rows) else "Only what differs"
    table = Table(caption, ("Name", *taken["names"]), rows)
    words = f"{count(total, what, _many(what))} differ{'s' if total == 1 else ''}."
    return Section(key, title, words, _folded(table))


def _many(what: str) -> str:
    return what.replace("part ", "parts ") if " of " in what else f"{what}s"


def _value(key: str, value: Any) -> str:
    return "-" if value is None else number(value) if key == "metrics" else str(value)


def _folded(table: Table) -> list[Block]:
    return [table] if len(table.rows) <= FEW else [Fold(f"{count(len(table.rows), 'difference')}", [table])]


def _cells(taken: Json) -> Section:
    """Return the code cells that are not on every side; comments and layout do not count."""
    code, names = taken["code"], taken["names"]
    missing = [] if code["known"] else [Missing("The code of a side was not kept", "nbmlops run and %%track keep it")]
    rows = [(cell["line"], *("yes" if on else "-" for on in cell["on"])) for cell in code["cells"]]
    if not rows:
        return Section("code", "Code", "No code cell differs.", missing or [Say("The same cells on every side.")])
    table = Table("By what a cell does: comments and layout do not count", ("Cell begins", *names), rows[:MOST_ROWS])
    return Section("code", "Code", f"{count(len(rows), 'cell')} not on every side.", [*_folded(table), *missing])


def _findings(taken: Json) -> Section:
    pairs = list(zip(taken["names"], taken["sides"], strict=True))
    blocks = [b for name, one in pairs for b in _of_side(name, one["findings"])]
    return Section("findings", "Findings", "Issues and warnings of each run.", blocks)


def _of_side(name: str, found: Iterable[Json]) -> list[Block]:
    rows = [(verdict(f["outcome"]), str(f["kind"]), str(f["column"] or "-"), str(f["message"])) for f in found]
    if not rows:
        return [Say(f"{name}: no open issue and no warning.")]
    return [Table(f"Open findings of {name}", ("Outcome", "From", "Column", "Finding"), rows)]


KIND = Kind(find, _gather, _head, _decide, _sections)
