"""Page one where the charter cannot be read: nothing is recommended, for nobody knows what was agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbmlops.report import decision
from nbmlops.report.blocks import Block, Missing, Verdict
from nbmlops.report.decision import Decision, Part
from nbmlops.report.text import short

__all__ = ["decide"]

Json = Mapping[str, Any]
SAYS = "charter.yaml cannot be read, so nothing is recommended: what was agreed and what is private are not known."
STANDS = ("running", "failed", "interrupted", "abandoned")  # of a run that recommends nothing as it is
UNKNOWN = {
    "worth": "What it is worth is not known: charter.yaml cannot be read",
    "metrics": "The agreed targets are not known: charter.yaml cannot be read",
    "decided": "Whose approval it needs is not known: charter.yaml cannot be read",
}
LONGEST = 200


def decide(snapshot: Json) -> Decision:
    """Return page one of a run, without a recommendation where the charter cannot be read."""
    found = decision.decide(snapshot)
    why = (snapshot.get("charter") or {}).get("unreadable")
    if not why:
        return found
    parts = [_unknown(part, str(why)) for part in found.parts]
    answer = found.answer if snapshot["run"]["status"] in STANDS else _withheld(found.answer)
    return replace(found, answer=answer, because=f"{SAYS} {found.because}", parts=parts)


def _withheld(answer: Verdict) -> Verdict:
    """Return what stands of an answer: what was done, what was turned down, or that nothing is asked."""
    if answer.tone in ("quiet", "bad"):
        return answer
    return Verdict("Done" if answer.word == "Done" else "Nothing is recommended", "warn")


def _unknown(part: Part, why: str) -> Part:
    """Return a part that says its agreement is not known, where it else said that none was made."""
    if part.key not in UNKNOWN:
        return part
    missing = Missing(UNKNOWN[part.key], f"mend it: {short(why, LONGEST)}")
    kept: Sequence[Block] = [b for b in part.blocks if not isinstance(b, Missing)]
    return replace(part, blocks=[missing, *kept])
