"""What differs from the version a reader knows: only differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Fold, Missing, Say, Section, Table, verdict
from nbmlops.report.page_one.measured import under
from nbmlops.report.text import count, number, short, stamp, when

__all__ = ["changed"]

Json = Mapping[str, Any]
MOST_ROWS, FEW = 200, 12
OPEN, SETTING = ("issue", "warning"), "setting "


def changed(snapshot: Json) -> Section:
    """Return what differs from the run of the version this one is compared with."""
    title, before = "What changed", snapshot["before"]
    if not before:
        missing = Missing("There is no earlier version to compare with", "promote one; the next report compares")
        return Section("changed", title, "Nothing to compare with.", [missing, *under(snapshot)])
    found = [
        _table("Settings, metrics and data", ("What", "Before", "Now"), _values(snapshot)),
        _table("Columns of the data", ("Data", "Column", "What changed"), _schema(snapshot)),
        _table("Code, by hash of what it does: comments and layout do not count", CELL_HEADS, _cells(snapshot)),
        _table("Packages", ("Package", "Before", "Now"), _packages(snapshot)),
        _table("Findings", ("Outcome", "What became of it", "From", "Finding"), _findings(snapshot)),
    ]
    tables = [t for t in found if t]
    total = sum(len(t.rows) for t in tables)
    words = f"{count(total, 'difference')} from the run of {before['ref']} ({when(before['parts'][0]['started_at'])})."
    same = [] if tables else [Say("Settings, metrics and data are the same.")]
    blocks = [*under(snapshot), *(_folded(t) for t in tables), *same, *_unknown(snapshot)]
    return Section("changed", title, words, blocks)


CELL_HEADS = ("What", "Cell", "First line before", "First line now")


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table | None:
    return Table(caption, heads, rows[:MOST_ROWS]) if rows else None


def _folded(table: Table) -> Block:
    """Fold what is long: the first page says what matters."""
    return table if len(table.rows) <= FEW else Fold(f"{table.caption}: {len(table.rows)} differ", [table])


def _unknown(snapshot: Json) -> Iterator[Block]:
    """Say what could not be compared."""
    before = snapshot["before"]
    if not before.get("cells") or not snapshot.get("cells"):
        yield Missing("The code of one of both was not kept", "nbmlops run NOTEBOOK keeps it, as does %%track")
    if before.get("packages") is None:
        yield Missing("The packages of one of both were not recorded", "they are, for a run of a notebook or a cell")


def _values(snapshot: Json) -> list[tuple[str, str, str]]:
    sides = [_flat(snapshot, snapshot["before"]["parts"]), _flat(snapshot, facts.making(snapshot))]
    chosen = _set(snapshot["before"]["parts"]) | _set(facts.making(snapshot))
    names = [n for n in dict.fromkeys([*sides[0], *sides[1]]) if n in chosen or not n.startswith(SETTING)]
    rows = [(n, sides[0].get(n, "-"), sides[1].get(n, "-")) for n in names]
    return [row for row in rows if row[1] != row[2]]


def _set(parts: Sequence[Json]) -> set[str]:
    """Return the settings somebody chose: a default that moved with a package is none."""
    return {f"{SETTING}{p['name']}" for part in parts for p in part["params"] if p["origin"] != "default"}


def _flat(snapshot: Json, parts: Sequence[Json]) -> dict[str, str]:
    """Return settings, metrics and data of runs as one flat mapping of text."""
    flat: dict[str, str] = {}
    known = (snapshot.get("origins") or {}).get("known") or {}
    for part in parts:
        flat |= {f"{SETTING}{p['name']}": short(p["value"]) for p in part["params"]}
        flat |= {f"metric {k}": number(v) for k, v in part["summary"].items()}
        for d in part["datasets"]:
            flat[f"data {d['name']}"] = f"{number(d['rows'])} rows, {d['fingerprint'][:12]}"
            if window := (known.get(d["fingerprint"]) or {}).get("window"):
                flat[f"window of {d['name']}"] = f"{stamp(window['first'])} to {stamp(window['last'])}"
    return flat


def _schema(snapshot: Json) -> list[tuple[str, str, str]]:
    """Return which columns came, went or hold another type, of data of the same name."""
    old, new = (_columns(parts) for parts in (snapshot["before"]["parts"], facts.making(snapshot)))
    return [row for name in new if name in old for row in _moved(name, old[name], new[name])]


def _columns(parts: Sequence[Json]) -> dict[str, dict[str, str]]:
    return {d["name"]: {c["name"]: c["dtype"] for c in d["columns"]} for part in parts for d in part["datasets"]}


def _moved(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for column in dict.fromkeys([*old, *new]):
        was, now = old.get(column), new.get(column)
        if was is None:
            yield name, column, f"new ({now})"
        elif now is None:
            yield name, column, f"gone (was {was})"
        elif was != now:
            yield name, column, f"{was} became {now}"


def _cells(snapshot: Json) -> list[tuple[str, str, str, str]]:
    """Return the cells that do something else than before, came or went."""
    old, new = snapshot["before"].get("cells") or [], snapshot.get("cells") or []
    if not old or not new:
        return []
    steps = SequenceMatcher(None, [c["hash"] for c in old], [c["hash"] for c in new], autojunk=False).get_opcodes()
    return [row for step in steps if step[0] != "equal" for row in _differ(old, new, *step[1:])]


def _differ(
    old: Sequence[Json], new: Sequence[Json], i: int, i_end: int, j: int, j_end: int
) -> Iterator[tuple[str, str, str, str]]:
    for place in range(max(i_end - i, j_end - j)):
        was = old[i + place]["line"] if i + place < i_end else None
        now = new[j + place]["line"] if j + place < j_end else None
        what = "new" if was is None else "gone" if now is None else "changed"
        yield what, str((i if now is None else j) + place + 1), was or "-", now or "-"


def _packages(snapshot: Json) -> list[tuple[str, str, str]]:
    before, machine = snapshot["before"].get("packages") or {}, snapshot.get("environment") or {}
    now = {"python": machine.get("python"), **(machine.get("packages") or {})}
    return [(name, was, str(now.get(name) or "-")) for name, was in before.items()]


def _findings(snapshot: Json) -> list[tuple[Any, ...]]:
    """Return the findings that are open now or were then: new, resolved, still there, or not looked at any more."""
    if "findings" not in snapshot["before"]:
        return []
    old, new = _keyed(snapshot["before"]["findings"]), _keyed(_own(snapshot))
    keys = [k for k in dict.fromkeys([*new, *old]) if _is_open(new.get(k)) or _is_open(old.get(k))]
    return [_became(key[0], old.get(key), new.get(key)) for key in keys]


def _own(snapshot: Json) -> list[Json]:
    """Return what was found of the model asked about and of its data: what the champion has did not change with it."""
    ref = facts.candidate(snapshot)
    found = facts.findings(snapshot)
    return [f for f in found if f["kind"] != "evaluation" or "@" not in f["subject"] or f["subject"] == ref]


def _keyed(found: Sequence[Json]) -> dict[tuple[str, ...], Json]:
    return {(f["kind"], str(f.get("code")), str(f.get("column") or "")): f for f in reversed(found)}


def _is_open(finding: Json | None) -> bool:
    return finding is not None and finding.get("outcome") in OPEN


def _became(kind: str, was: Json | None, now: Json | None) -> tuple[Any, ...]:
    """Return one finding with what became of it; what was not asked again is not resolved."""
    if _is_open(now):
        what = "still there" if _is_open(was) else "new" if was else "new, not looked at before"
    else:
        what = "resolved" if now and now.get("outcome") == "passed" else "not looked at now"
    shown = now if _is_open(now) else was
    assert shown is not None
    outcome = verdict(now.get("outcome") if now else "unknown")
    return outcome, what, "rules" if kind == "check" else kind, str(shown.get("message") or shown.get("code"))
