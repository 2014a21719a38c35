"""Whether it is viable: is the data still there, what does a run cost, who does what, until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Facts, Missing
from nbmlops.report.text import count, duration, is_over, joined, number, when

__all__ = ["blocks"]

Json = Mapping[str, Any]
MOST_DATA = 3


def blocks(snapshot: Json) -> list[Block]:
    """Return what keeping it up takes, and what of that nobody has said, with whose it is."""
    known = snapshot.get("viable")
    if known is None:
        return [Missing("What keeping it up takes was not gathered for this report", "make it again: --refresh")]
    items = [
        ("Verdict", _verdict(known)),
        ("Data", _data(known)),
        ("A run", _cost(snapshot, known)),
        ("By hand", _effort(known)),
    ]
    if snapshot["models"]:
        items += [("Owner", str(known.get("owner") or "")), ("Review", _review(known)), ("Until", _until(snapshot))]
    found: list[Block] = [Facts([(term, what) for term, what in items if what])]
    gaps = list(_gaps(snapshot, known))
    if gaps:
        what, do = zip(*gaps, strict=True)
        found.append(Missing(_sentence(joined(what)), "; ".join(do)))
    return found


def _verdict(known: Json) -> str:
    """Return the verdict with the first of its reasons."""
    if not known.get("verdict"):
        return ""
    why = known.get("because") or []
    more = f" (and {len(why) - 1} more)" if why[1:] else ""
    return f"{known['verdict']}: {why[0]}{more}" if why else str(known["verdict"])


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _gaps(snapshot: Json, known: Json) -> Iterator[tuple[str, str]]:
    """Yield what is not known, and what to do about it."""
    gone = [str(d["name"]) for d in known["data"] if not d["kept"]]
    if not known["data"]:
        yield "which data was read", "name it in the notebook: %%track, or nb.dataset"
    elif gone:
        owner = facts.whose(snapshot, "data_engineer")
        yield f"the rows of {joined(gone[:MOST_DATA])}", f"keep a version: nbmlops dataset NAME FILE --keep ({owner})"
    if snapshot["models"] and not known["review_days"]:
        yield "when it is looked at again", f"write review_days in charter.yaml ({facts.whose(snapshot, 'manager')})"


def _data(known: Json) -> str:
    """Return which of the data these runs read can be had again, as far as the store knows."""
    said = [
        f"{d['version']} ({number(d['rows'])} rows) is kept"
        if d["kept"]
        else f"of {d['version'] or d['name']} ({number(d['rows'])} rows) only the fingerprint is kept"
        for d in known["data"][:MOST_DATA]
    ]
    more = len(known["data"]) - len(said)
    return "; ".join([*said, *([f"and {more} more"] if more > 0 else [])])


def _cost(snapshot: Json, known: Json) -> str:
    before = snapshot.get("earlier") or {}
    machine = known["machine"]
    where = f" on {count(int(machine['cores']), 'core')}" if machine.get("cores") else ""
    usual = f"; {duration(before['typical_s'])} is usual" if before.get("typical_s") is not None else ""
    return f"took {duration(snapshot['run'].get('duration_s'))}{where}{usual}"


def _effort(known: Json) -> str:
    hand = known["by_hand"]
    said = [f"the job {hand['job']} starts it" if hand.get("job") else "a person starts it"]
    if hand.get("needed"):
        said.append(f"{joined(hand['needed'])} {'need' if len(hand['needed']) > 1 else 'needs'} a value each time")
    elif hand.get("needed") is not None:
        said.append("every parameter has a default")
    if known.get("flags"):
        said.append(f"{count(int(known['flags']), 'flag')} raised about it")
    return "; ".join(said)


def _review(known: Json) -> str:
    if known.get("review_at"):
        every = count(int(known["review_days"]), "day")
        return f"the champion's next one is due {when(known['review_at'])}, every {every}"
    return f"{count(int(known['review_days']), 'day')} after it becomes champion" if known.get("review_days") else ""


def _until(snapshot: Json) -> str:
    """Return until when approvals hold, the first to end."""
    ends = [(e.get("data") or {}).get("expires_at") for e in snapshot["events"] if e["action"] == "approve"]
    known = sorted(str(end) for end in ends if end)
    if hold := [end for end in known if not is_over(end, snapshot["as_of"])]:
        return f"approved until {when(hold[0])}"
    return f"the approval expired on {when(known[-1])}" if known else "no expiry was agreed"
