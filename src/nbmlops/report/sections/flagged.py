"""What people flagged, whose it is to answer, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report.blocks import Block, Say, Section, Table, Tone, Verdict
from nbmlops.report.text import count, short, stamp

__all__ = ["flagged", "of_results"]

Json = Mapping[str, Any]
MOST_ROWS, LONGEST = 100, 200
TONES: Mapping[str, Tone] = {"blocking": "bad", "high": "bad", "medium": "warn", "low": "warn"}
HEADS = ("Severity", "State", "About", "What", "Who", "When (UTC)")
WHOSE = (("owner", "owner"), ("role", "for"))


def flagged(snapshot: Json) -> list[Section]:
    """Return the flags about what a report is about, the open ones first; no section where there is none."""
    found = snapshot.get("flags") or of_results(snapshot)
    if not found["count"]:
        return []
    rows, more = found["listed"][:MOST_ROWS], found["count"] - len(found["listed"][:MOST_ROWS])
    blocks: list[Block] = [Table("Flags, the open ones first", HEADS, [_row(f) for f in rows], tight=(0, 5))]
    blocks += [Say(f"{count(more, 'more flag')}: nbmlops flags")] if more else []
    words = f"{count(found['count'], 'flag')}, {found['open'] or 'none'} still to settle."
    return [Section("flags", "Flags", words, blocks)]


def of_results(snapshot: Json) -> Json:
    """Return the flags that the results of a run hold, each once."""
    results = [r for r in snapshot.get("results") or () if r["kind"] == "flags"]
    every = {f["flag_id"]: f for r in results for f in r["data"]["flags"]}
    listed = sorted(every.values(), key=lambda f: (not f["open"], str(f["at"])))
    return {"count": len(listed), "open": sum(bool(f["open"]) for f in listed), "listed": listed}


def _row(flag: Json) -> tuple[Any, ...]:
    subject = f"run {str(flag['subject'])[-6:]}" if flag["kind"] == "run" else str(flag["subject"])
    about = f"{subject} where {flag['where']}" if flag.get("where") else subject
    tone: Tone = TONES.get(str(flag["severity"]), "quiet") if flag["open"] else "quiet"
    state = f"{flag['state']}, {count(int(flag['answers']), 'answer')}"
    who = [f"by {flag['author']}", *(f"{word} {flag[k]}" for k, word in WHOSE if flag.get(k))]
    severity, what = Verdict(str(flag["severity"]), tone), short(str(flag["text"]), LONGEST)
    return (severity, state, short(about, 80), what, ", ".join(who), stamp(flag["at"]))
