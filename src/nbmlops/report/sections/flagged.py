"""What people flagged, whose it is to answer, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report.blocks import Section, Table, Tone, Verdict
from nbmlops.report.text import count, short, stamp

__all__ = ["flagged"]

Json = Mapping[str, Any]
MOST_ROWS, LONGEST = 100, 200
TONES: Mapping[str, Tone] = {"blocking": "bad", "high": "bad", "medium": "warn", "low": "warn"}
HEADS = ("Severity", "State", "About", "What", "Who", "When (UTC)")
WHOSE = (("owner", "owner"), ("role", "for"))


def flagged(snapshot: Json) -> list[Section]:
    """Return the flags about these versions, the open ones first; no section where there is none."""
    every = {f["flag_id"]: f for r in snapshot["results"] if r["kind"] == "flags" for f in r["data"]["flags"]}
    if not every:
        return []
    rows = sorted(every.values(), key=lambda f: (not f["open"], str(f["at"])))
    open_ones = sum(bool(f["open"]) for f in rows)
    table = Table("Flags, the open ones first", HEADS, [_row(f) for f in rows[:MOST_ROWS]], tight=(0, 5))
    words = f"{count(len(rows), 'flag')}, {open_ones or 'none'} still to settle."
    return [Section("flags", "Flags", words, [table])]


def _row(flag: Json) -> tuple[Any, ...]:
    subject = f"run {str(flag['subject'])[-6:]}" if flag["kind"] == "run" else str(flag["subject"])
    about = f"{subject} where {flag['where']}" if flag.get("where") else subject
    tone: Tone = TONES.get(str(flag["severity"]), "quiet") if flag["open"] else "quiet"
    state = f"{flag['state']}, {count(int(flag['answers']), 'answer')}"
    who = [f"by {flag['author']}", *(f"{word} {flag[k]}" for k, word in WHOSE if flag.get(k))]
    severity, what = Verdict(str(flag["severity"]), tone), short(str(flag["text"]), LONGEST)
    return (severity, state, short(about, 80), what, ", ".join(who), stamp(flag["at"]))
