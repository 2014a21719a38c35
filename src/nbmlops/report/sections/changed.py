"""What differs from the version a reader knows: only differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Missing, Say, Section, Table
from nbmlops.report.text import count, number, short, when

__all__ = ["changed"]

Json = Mapping[str, Any]
MOST_ROWS = 200


def changed(snapshot: Json) -> Section:
    """Return what differs from the run of the version this one is compared with."""
    title, before = "What changed", snapshot["before"]
    if not before:
        missing = Missing("There is no earlier version to compare with", "promote one; the next report compares")
        return Section("changed", title, "Nothing to compare with.", [missing])
    sides = [_flat(before["parts"]), _flat(facts.making(snapshot))]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    rows = [(n, sides[0].get(n, "-"), sides[1].get(n, "-")) for n in names]
    rows = [row for row in rows if row[1] != row[2]]
    words = (
        f"{count(len(rows), 'difference')} from the run of {before['ref']} ({when(before['parts'][0]['started_at'])})."
    )
    if not rows:
        return Section("changed", title, words, [Say("Settings, metrics and data are the same.")])
    table = Table(f"Only what differs from {before['ref']}", ("What", "Before", "Now"), rows[:MOST_ROWS])
    return Section("changed", title, words, [table])


def _flat(parts: Sequence[Json]) -> dict[str, str]:
    """Return settings, metrics and data of runs as one flat mapping of text."""
    flat: dict[str, str] = {}
    for part in parts:
        flat |= {f"setting {p['name']}": short(p["value"]) for p in part["params"] if p["origin"] != "default"}
        flat |= {f"metric {k}": number(v) for k, v in part["summary"].items()}
        flat |= {f"data {d['name']}": f"{number(d['rows'])} rows, {d['fingerprint'][:12]}" for d in part["datasets"]}
    return flat
