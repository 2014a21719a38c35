"""What is asked and what is recommended, in one sentence each, and on which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Tone, Verdict, verdict
from nbmlops.report.page_one import broken, decided
from nbmlops.report.page_one.measured import targets_of
from nbmlops.report.text import as_float, count, finite, joined, measured, short, when

__all__ = ["asked", "conditions"]

Json = Mapping[str, Any]
Answer = tuple[str, Verdict, str]
ADVICE: dict[str, tuple[str, Tone, str]] = {
    "better": ("Recommended: yes", "good", "The challenger is better"),
    "non-inferior": ("No need to change", "quiet", "The challenger is not worse, and not shown to be better,"),
    "inconclusive": ("Not recommended yet", "warn", "The evidence does not decide: it could be better or worse"),
    "worse": ("Recommended: no", "bad", "The challenger is worse"),
}
MOST_NAMED, LONGEST = 3, 90


def asked(snapshot: Json) -> Answer:
    """Return the question, the answer, and the reason."""
    run = snapshot["run"]
    if run["status"] in broken.STATUSES:
        return broken.asked(snapshot)
    if run["status"] == "running":
        return "The run has not ended", verdict("running"), "What follows is what it had tracked so far; decide later."
    gate, ref = facts.newest(snapshot, "gate"), facts.candidate(snapshot)
    if not gate and not ref:
        return _tracked(snapshot)
    question, answer, because = _replaced(snapshot, gate) if gate else _first(snapshot, ref)
    if at := facts.gone(snapshot):
        return question, Verdict("Not possible", "bad"), f"{ref} was deleted on {when(at)}; what follows is of before."
    if (held := _held_up(snapshot, ref)) and not decided.moved(snapshot, ref) and not decided.refusal(snapshot):
        return question, Verdict("Held up", "bad"), f"{because} {held}"
    return question, answer, f"{because}{_others(snapshot, ref)}"


def _held_up(snapshot: Json, ref: str) -> str:
    """Say which blocking flag lets nobody promote the version that is asked about; an empty text where none does."""
    found = [f for f in _open_flags(snapshot, ref) if f["severity"] == "blocking"]
    if not found:
        return ""
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    first = found[0]
    says = short(str(first["text"]), LONGEST).rstrip(".")
    return f"{first['author']} flagged {first['subject']} as blocking{more}: {says}."


def _open_flags(snapshot: Json, ref: str) -> list[Json]:
    found = (r["data"]["flags"] for r in snapshot["results"] if r["kind"] == "flags" and r["subject"] == ref)
    return [flag for flags in found for flag in flags if flag["open"]]


def _others(snapshot: Json, ref: str) -> str:
    """Name the versions that were registered here besides the one that is asked about."""
    asked = (ref, (facts.newest(snapshot, "gate") or {}).get("champion"))
    refs = [str(v["ref"]) for v in facts.made(snapshot) if v["ref"] not in asked] if ref else []
    if not refs:
        return ""
    named = joined([*refs[:MOST_NAMED], *([f"{len(refs) - MOST_NAMED} more"] if len(refs) > MOST_NAMED else [])])
    was, them = ("was", "it") if len(refs) == 1 else ("were", "them")
    return f" {named} {was} registered here too: this does not ask about {them}."


def conditions(snapshot: Json) -> list[str]:
    """Return what has to be met before the model is used: guards, targets, issues found, and an approval."""
    return [
        *_guards(snapshot),
        *_targets(snapshot),
        *_issues(snapshot),
        *_flagged(snapshot),
        *_approval(snapshot),
    ]


def _flagged(snapshot: Json) -> Iterator[str]:
    """Yield each grave flag that has to be settled, with its owner, where no guard of the gate says so."""
    gate = facts.newest(snapshot, "gate") or {}
    if any(f.get("code") == "flag" and f.get("outcome") == "issue" for f in gate.get("findings") or []):
        return
    for flag in _open_flags(snapshot, facts.candidate(snapshot)):
        if flag["severity"] in ("high", "blocking"):
            whose = flag.get("owner") or flag.get("role") or flag["author"]
            yield f"the {flag['severity']} flag on {flag['subject']} settled ({whose})"


def _guards(snapshot: Json) -> Iterator[str]:
    """Yield what the gate holds against a challenger that won, each with whose it is."""
    gate = facts.newest(snapshot, "gate") or {}
    if gate.get("because"):
        yield from (_cut(str(text)) for text in gate["because"])
        return
    issues = [f for f in gate.get("findings") or [] if f.get("outcome") == "issue" and f.get("code") != "gate"]
    yield from (short(str(f.get("message")), LONGEST) for f in issues)


def _cut(text: str) -> str:
    """Return a reason as long as there is room for; whose it is stays."""
    says, bracket, whose = text.rpartition(" (")
    return f"{short(says, LONGEST)} ({whose}" if bracket and text.endswith(")") else short(text, LONGEST)


def _targets(snapshot: Json) -> Iterator[str]:
    for target in targets_of(snapshot):
        if target.get("outcome") != "passed":
            word = (target.get("detail") or {}).get("word") or target.get("outcome")
            yield f"the target of {target.get('column')} is {word} ({facts.whose(snapshot, 'scientist')})"


def _issues(snapshot: Json) -> Iterator[str]:
    """Yield how many issues the evaluation, the data, its drift and the rules have; the champion's are not its."""
    gate = facts.newest(snapshot, "gate") or {}
    judged = facts.evaluation(snapshot) or {}
    found = [("evaluation", "scientist", [f for f in judged.get("findings") or [] if f.get("code") != "target"])]
    found += [("data", "data_engineer", _findings(snapshot, "profile"))]
    found += [("drift since it was registered", "ml_engineer", _drifted(snapshot))]
    if not any(f.get("code") == "rules" for f in gate.get("findings") or []):  # else the gate has said so
        found += [("rules", "data_engineer", _findings(snapshot, "check"))]
    for name, role, rows in found:
        if issues := sum(f.get("outcome") == "issue" for f in rows):
            yield f"{count(issues, 'issue')} of the {name} answered ({facts.whose(snapshot, role)})"


def _findings(snapshot: Json, kind: str) -> list[Json]:
    return [f for r in facts.results(snapshot, kind) for f in r["data"].get("findings") or []]


def _drifted(snapshot: Json) -> list[Json]:
    """Return what was found of data held against the version that is asked about; against another it is not its."""
    ref = facts.candidate(snapshot)
    own = [r["data"] for r in facts.results(snapshot, "drift") if ref and r["data"].get("reference") == ref]
    return [f for data in own for f in data.get("findings") or []]


def _approval(snapshot: Json) -> Iterator[str]:
    if words := decided.missing_approval(snapshot):
        yield words


def _replaced(snapshot: Json, gate: Json) -> Answer:
    champion, challenger = (_called(gate.get(k), k) for k in ("champion", "challenger"))
    rival = _unmet(snapshot, gate)
    question = f"Replace {f'champion {rival}' if rival else champion} by {challenger}?"
    word, tone, says = ADVICE.get(
        str(gate.get("verdict")), ("Undecided", "warn", f"The gate says {gate.get('verdict')}")
    )
    rows = count(int(gate["rows"]), "held-out row") if gate.get("rows") else "held-out rows"
    because = f"{says} on the same {rows}{_difference(gate)}."
    if turned_down := _turned_down(snapshot, because):
        return question, *turned_down
    good = gate.get("verdict") in ("better", "non-inferior")
    if done := _done(snapshot, because, "Moved", good):
        return question, *done
    if rival:
        known = gate.get("verdict") == "worse"  # worse than an earlier one is no reason to ask again
        answer = Verdict(word, tone) if known else Verdict("Not recommended yet", "warn")
        text = f"It was compared with {gate['champion']}: {because[:1].lower()}{because[1:]}"
        return question, answer, f"{text} Compare it with the champion, {rival} (%gate)."
    if gate.get("verdict") == "better":
        return question, *_with_conditions(snapshot, because)
    return question, Verdict(word, tone), f"{because} {champion[:1].upper()}{champion[1:]} stays."


def _unmet(snapshot: Json, gate: Json) -> str:
    """Return the champion of now where the gate compared with another and nothing was moved since."""
    rival = facts.rival(snapshot)
    if rival == gate.get("champion") or decided.moved(snapshot, facts.candidate(snapshot)):
        return ""
    return rival if "@" in str(gate.get("champion")) else ""


def _turned_down(snapshot: Json, evidence: str) -> tuple[Verdict, str] | None:
    """Return who turned it down, and whether it became champion all the same; None where nobody did."""
    refusal = decided.refusal(snapshot)
    if refusal is None:
        return None
    moved = decided.moved(snapshot, facts.candidate(snapshot))
    serves = " It is champion all the same." if moved and moved[1] is None else ""
    return Verdict(refusal[0], "bad"), f"{evidence} {refusal[1]}{serves}"


def _done(snapshot: Json, evidence: str, verb: str, good: bool) -> tuple[Verdict, str] | None:
    """Return that it became champion, and what became of that since; None where it never did."""
    moved = decided.moved(snapshot, facts.candidate(snapshot))
    if moved is None:
        return None
    made, left = moved
    text = f"{evidence} {verb} on {when(made['at'])}."
    if left is None:
        return Verdict("Done", "good" if good else "warn"), text
    why = f": {short(str(left['data']['reason']), LONGEST)}" if left["data"].get("reason") else ""
    if left["data"].get("version") is None:
        return Verdict("Taken out of use", "bad"), f"{text} Taken out of use on {when(left['at'])}{why}."
    other = f"{left['subject'].rpartition('@')[0]}@{left['data'].get('version')} on {when(left['at'])}"
    if not left["data"].get("rollback"):
        return Verdict("Done", "quiet"), f"{text} Replaced by {other}."
    return Verdict("Rolled back", "bad"), f"{text} Rolled back to {other}{why}."


def _with_conditions(snapshot: Json, because: str) -> tuple[Verdict, str]:
    """Return a yes with what has still to be met, the first of it named."""
    open_ones = conditions(snapshot)
    if not open_ones:
        return Verdict("Recommended: yes", "good"), because
    rest = len(open_ones) - MOST_NAMED
    named = [*open_ones[:MOST_NAMED], *([f"{rest} more below"] if rest > 0 else [])]
    word = f"Recommended: yes, with {count(len(open_ones), 'condition')}"
    return Verdict(word, "warn"), f"{because} Before that: {'; '.join(named)}."


def _called(model: Any, role: str) -> str:
    """Return a version as people type it; an unregistered model has no name a reader could know."""
    text = str(model or "")
    if "@" in text:
        return f"champion {text}" if role == "champion" else text
    return "the champion" if role == "champion" else "the model trained here"


def _difference(gate: Json) -> str:
    """Return the difference the gate rests on, with its interval."""
    if not finite(as_float(gate.get("difference"))):
        return ""
    value, bounds = measured(gate["difference"], gate.get("low"), gate.get("high"), sign=True)
    return f" ({gate.get('metric') or 'difference'} {value} {bounds})"


def _first(snapshot: Json, ref: str) -> Answer:
    judged, rival = facts.evaluation(snapshot), facts.rival(snapshot)
    fresh = rival and not decided.moved(snapshot, ref)
    question = f"Replace champion {rival} by {ref}?" if fresh else f"Use {ref} as champion?"
    if judged is None:
        evidence = "It was registered without an evaluation, so nothing shows how good it is."
    else:
        evidence = f"It was evaluated on {judged.get('rows', 0):,} rows it had not seen; no other version was compared."
    if turned_down := _turned_down(snapshot, evidence):
        return question, *turned_down
    if done := _done(snapshot, evidence, "Made champion", judged is not None):
        return question, *done
    if fresh:
        compare = f"It was not compared with the champion, {rival} (%gate)."
        return question, Verdict("Not recommended yet", "warn"), f"{evidence} {compare}"
    if judged is None:
        return question, Verdict("Not recommended yet", "warn"), evidence
    return question, *_on_targets(snapshot, evidence)


def _on_targets(snapshot: Json, evidence: str) -> tuple[Verdict, str]:
    """Return what the targets of the charter say of a model that has no champion to beat."""
    outcomes = [t.get("outcome") for t in targets_of(snapshot)]
    if not outcomes:
        return Verdict("Open", "warn"), f"{evidence} No target was agreed to hold it against. Nobody has decided yet."
    if "issue" in outcomes:
        return Verdict("Recommended: no", "bad"), f"{evidence} A target is broken."
    if any(outcome != "passed" for outcome in outcomes):
        return Verdict("Not recommended yet", "warn"), f"{evidence} Not every target is shown."
    return _with_conditions(snapshot, f"{evidence} Every agreed target is shown.")


def _tracked(snapshot: Json) -> Answer:
    run = snapshot["run"]
    seen = [
        count(len(run["params"]) + sum(len(p["params"]) for p in snapshot["parts"]), "setting"),
        count(sum(len(p["summary"]) for p in facts.all_parts(snapshot)), "metric"),
        count(len(snapshot["results"]), "result"),
    ]
    because = f"{broken.title(run)} tracked {joined(seen)} and registered no model."
    return "Nothing is asked to be decided", Verdict("For information", "quiet"), because
