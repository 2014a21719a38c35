"""Who decided, and whose approval the charter asks for: those that are there, and those that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Missing, Say, Table, Verdict
from nbmlops.report.text import is_over, joined, short, stamp, when

__all__ = ["approvals", "blocks", "event_words", "missing_approval", "moved", "refusal"]

Json = Mapping[str, Any]
ALIAS = "champion"
MOST_MOVES, LONGEST = 3, 120
GIVEN = ("approved", "approved with conditions", "decided")
EXPIRED = "expired"


def blocks(snapshot: Json) -> list[Block]:
    """Return the approvals the charter asks for, what was decided, and what is missing."""
    found: list[Block] = []
    if table := _asked(snapshot):
        found.append(table)
    if table := _moves(snapshot):
        found.append(table)
    if not facts.candidate(snapshot):
        return [*found, Say("No model was registered, so there is nothing to approve.")]
    return [*found, *_missing(snapshot)]


def approvals(snapshot: Json) -> list[dict[str, str]]:
    """Return one row for each role whose approval the charter asks for, and for each that was given besides.

    Each has ``role``, ``who``, ``outcome`` (missing, approved, ..., expired as of the snapshot), ``condition``,
    ``comment`` and ``at``.
    """
    asked = _roles(snapshot)
    given = list(_given(snapshot))
    newest = {role: row["outcome"] for row in given for role in row["roles"].split(", ")}  # the last word counts
    answered = {role for role, outcome in newest.items() if outcome in GIVEN}
    rows = [{"role": row["roles"] or "-", **{k: v for k, v in row.items() if k != "roles"}} for row in given]
    open_ones = [r for r in asked if r not in answered] if not _is_enough(asked, answered) else []
    return [*rows, *(_open(snapshot, role) for role in open_ones)]


def missing_approval(snapshot: Json) -> str:
    """Return whose approval is still needed, as words; an empty text where none is."""
    rows = approvals(snapshot)
    open_ones = [row for row in rows if row["outcome"] == "missing"]
    names = [f"{r['role'].replace('_', ' ')}: {r['who']}" if r["who"] != "-" else r["role"] for r in open_ones]
    return f"{joined(names, 'or')} approves" if names else ""


def refusal(snapshot: Json) -> tuple[str, str] | None:
    """Return how the newest answer turned it down and who did so, or None where it did not."""
    rows = [row for row in approvals(snapshot) if row["outcome"] not in ("missing", "decided")]
    if not rows or rows[-1]["outcome"] in (*GIVEN, EXPIRED):
        return None
    last = rows[-1]
    why = f": {short(last['comment'], LONGEST)}" if last["comment"] else ""
    word = last["outcome"][:1].upper() + last["outcome"][1:]
    role = f"{last['role']}, " if last["role"] != "-" else ""
    return word, f"{word} by {role}{last['who']}{why}."


def _is_enough(asked: Sequence[str], answered: set[str]) -> bool:
    """Tell whether a role the charter names has decided: it names those who may, one of them is enough."""
    return bool(set(asked) & answered)


def _roles(snapshot: Json) -> list[str]:
    policy = (snapshot.get("charter") or {}).get("policy") or {}
    roles = (policy.get(ALIAS) or {}).get("roles")
    return [str(role) for role in roles] if isinstance(roles, (list, tuple)) else []


def _given(snapshot: Json) -> Iterator[dict[str, str]]:
    """Yield who answered about this version or its run, and who made it champion; of the champion's own, nothing."""
    subjects = {facts.candidate(snapshot), *(part["run_id"] for part in facts.all_parts(snapshot))}
    for event in snapshot["events"]:
        data = event.get("data") or {}
        if (outcome := _outcome_of(event, subjects)) is None:
            continue
        known = [data["role"]] if data.get("role") else _played(snapshot, str(event["actor"]))
        ended = _ended(snapshot, event, outcome)
        yield {
            "roles": ", ".join(known),
            "who": f"{event['actor']} (by {event['known_by']})",
            "outcome": EXPIRED if ended else outcome,
            "condition": ". ".join(filter(None, [ended, str(data.get("condition") or "")])),
            "comment": str(data.get("comment") or data.get("reason") or "") if outcome != "decided" else "",
            "at": str(event["at"]),
        }


def _ended(snapshot: Json, event: Json, outcome: str) -> str:
    """Return that an approval no longer held at the time of the snapshot, and since when; else an empty text."""
    end = (event.get("data") or {}).get("expires_at")
    if outcome not in GIVEN[:2] or not end or not is_over(end, snapshot["as_of"]):
        return ""
    return f"It was {outcome} until {when(end)}"


def _outcome_of(event: Json, subjects: set[str]) -> str | None:
    """Return how a person answered about one of these subjects, or None where the event is no answer."""
    data, subject = event.get("data") or {}, str(event["subject"])
    if event["action"] == "alias":
        name, _, alias = subject.rpartition("@")
        return "decided" if alias == ALIAS and f"{name}@{data.get('version')}" in subjects else None
    if event["action"] == "approve" and subject in subjects:
        return str(data.get("outcome") or "approved")
    # A job that rejects repeats what the gate or the charter says, and these are read themselves.
    return "rejected" if event["action"] == "reject" and subject in subjects and not data.get("work") else None


def _played(snapshot: Json, person: str) -> list[str]:
    roles = (snapshot.get("charter") or {}).get("roles") or {}
    return [role for role, people in roles.items() if person in people]


def _open(snapshot: Json, role: str) -> dict[str, str]:
    people = ((snapshot.get("charter") or {}).get("roles") or {}).get(role) or []
    return {
        "role": role,
        "who": ", ".join(people) or "-",
        "outcome": "missing",
        "condition": "",
        "comment": "",
        "at": "",
    }


def _asked(snapshot: Json) -> Table | None:
    """Return the approvals as a table, where there is one to show; a decision alone stands among the decisions."""
    rows = [row for row in approvals(snapshot) if row["outcome"] != "decided"]
    if not rows:
        return None
    roles = _roles(snapshot)
    named = joined([role.replace("_", " ") for role in roles], "or")
    asks = f"the charter asks for {named}" if roles else "none is asked for"
    heads = ("Role", "Who, and how known", "Outcome", "Condition", "When (UTC)")
    cells = [
        (r["role"].replace("_", " "), r["who"], _outcome(r["outcome"]), r["condition"] or "-", stamp(r["at"]))
        for r in rows
    ]
    return Table(f"Approvals before it becomes {ALIAS}: {asks}", heads, cells, tight=(4,))


def _outcome(word: str) -> Verdict:
    tones = {"approved": "good", "approved with conditions": "warn", "missing": "warn", EXPIRED: "warn"}
    return Verdict(word, tones.get(word, "bad"))  # type: ignore[arg-type]


def _moves(snapshot: Json) -> Table | None:
    rows = [
        (stamp(e["at"]), short(event_words(e), LONGEST), f"{e['actor']} (by {e['known_by']})")
        for e in snapshot["events"]
        if e["action"] not in ("register", "approve", "flag")
    ]
    if not rows:
        return None
    heads = ("When (UTC)", "What", "Who, and how known")
    return Table("Decisions, newest last", heads, rows[-MOST_MOVES:], tight=(0,))


def _missing(snapshot: Json) -> list[Block]:
    """Return what is missing of the approvals: whose they are was not agreed, or nobody has approved."""
    what, do = [], []
    outcomes = {row["outcome"] for row in approvals(snapshot)}
    if not outcomes & {*GIVEN[:2]}:
        what.append("The approval of this has expired" if EXPIRED in outcomes else "Nobody has approved this")
        do.append("sign below, or record it in the notebook")
    if not _roles(snapshot):
        what.append("whose approval it needs was not agreed")
        do.append(f"write policy in charter.yaml ({facts.whose(snapshot, 'manager')})")
    words = joined(what)
    return [Missing(words[:1].upper() + words[1:], "; ".join(do))] if what else []


def event_words(event: Json) -> str:
    """Return an event as a sentence."""
    subject, data = str(event["subject"]), event.get("data") or {}
    if event["action"] == "alias":
        return _move_words(subject, data)
    if event["action"] == "advice":
        return f"{subject}: advised, {data.get('advice')}. {data.get('because')}"
    if event["action"] == "reject":
        return f"{subject} was rejected: {data.get('reason')}"
    if event["action"] == "approve":
        return f"{subject} {_answered(data)}"
    words = {"register": "was registered", "flag": "was flagged"}
    return f"{subject} {words.get(event['action'], event['action'])}"


def _answered(data: Json) -> str:
    outcome = str(data.get("outcome") or "approved")
    until = f" until {when(data['expires_at'])}" if data.get("expires_at") and outcome in GIVEN else ""
    return f"was answered: {outcome}" if outcome not in (*GIVEN, "rejected") else f"was {outcome}{until}"


def _move_words(subject: str, data: Json) -> str:
    name, _, alias = subject.rpartition("@")
    before = f" (was {data['from']})" if data.get("from") else ""
    reason = f": {data['reason']}" if data.get("reason") else ""
    reason += f" (policy: {data['policy']})" if data.get("policy") else ""
    return f"{name}@{data.get('version')} became {alias}{before}{reason}"


def moved(snapshot: Json, ref: str) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
    """Return the newest event that made a version champion, and the one that put another in its place."""
    name, _, number = ref.rpartition("@")
    moves = [e for e in snapshot["events"] if e["action"] == "alias" and e["subject"] == f"{name}@{ALIAS}"]
    last = max((i for i, e in enumerate(moves) if str(e["data"].get("version")) == number), default=None)
    return None if last is None else (dict(moves[last]), next((dict(e) for e in moves[last + 1 :]), None))
