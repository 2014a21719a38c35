"""What was found: every outcome counted, the open ones first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Missing, Say, Table, Tone, Verdict, verdict
from nbmlops.report.text import short

__all__ = ["blocks", "source", "tally"]

Json = Mapping[str, Any]
OUTCOME_TONES: dict[str, Tone] = {"issue": "bad", "warning": "warn", "passed": "good"}
MOST_OPEN, LONGEST = 5, 88  # characters of a message: the whole of it is in its section


def tally(found: Sequence[Json]) -> list[tuple[int, Verdict]]:
    """Return how many findings have each of the six outcomes."""
    counts = Counter(f.get("outcome") for f in found)
    return [(counts[o], Verdict(o.replace("_", " "), OUTCOME_TONES.get(o, "quiet"))) for o in facts.OUTCOMES]


def blocks(found: Sequence[Json]) -> list[Block]:
    """Return the open findings, worst first; the rest is in the sections."""
    if not found:
        return [Missing("Nothing was checked", "%check FRAME and %drift FRAME in the notebook")]
    open_ones = [f for f in found if f.get("outcome") in ("issue", "warning")]
    if not open_ones:
        return [Say("No open issue and no warning.")]
    rows = [(verdict(f["outcome"]), source(f), short(str(f.get("message")), LONGEST)) for f in open_ones[:MOST_OPEN]]
    table = Table("Open findings, worst first", ("Outcome", "From", "Finding"), rows, tight=(0,))
    more = len(open_ones) - len(rows)
    return [table, Say(f"{more:,} more in the sections below.")] if more > 0 else [table]


def source(finding: Json) -> str:
    """Return which result a finding comes from, and of what: a champion's issue is not the challenger's.

    A model that has no name yet is called by its class, which tells a reader of page one nothing.
    """
    kind, subject = ("rules" if finding["kind"] == "check" else str(finding["kind"])), finding.get("subject")
    known = subject and (finding["kind"] != "evaluation" or "@" in str(subject))
    return f"{kind} of {subject}" if known else kind
