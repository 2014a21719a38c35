"""Who decided, and whose approval the charter asks for: those that are there, and those that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbmlops.errors import NotAllowed
from nbmlops.governance.approval import given, override, policy
from nbmlops.governance.approval.given import Answer
from nbmlops.governance.audit.words import told
from nbmlops.governance.charter import Charter
from nbmlops.report import facts, since
from nbmlops.report.blocks import Block, Missing, Say, Table, Verdict
from nbmlops.report.text import is_over, joined, short, stamp, when

__all__ = [
    *("approvals", "asked_words", "blocks", "event_words", "missing_approval", "moved", "overrides"),
    *("policy_of", "refusal", "who"),
]

Json = Mapping[str, Any]
ALIAS = "champion"
MOST_MOVES, LONGEST = 3, 120
GIVEN = ("approved", "approved with conditions", "decided")
EXPIRED = "expired"
PAST = (EXPIRED, "stale", "withdrawn", "void")  # answers that hold no more
OWN = ("name", "roles")  # of a row, and not of the table


def blocks(snapshot: Json) -> list[Block]:
    """Return the approvals the charter asks for, what was decided, and what is missing."""
    found: list[Block] = [Missing(f"A review: {words}", "nbmlops approvals override") for words in overrides(snapshot)]
    if table := _asked(snapshot):
        found.append(table)
    if table := _moves(snapshot):
        found.append(table)
    if not facts.candidate(snapshot):
        return [*found, Say("No model was registered, so there is nothing to approve.")]
    return [*found, *_missing(snapshot)]


def overrides(snapshot: Json) -> list[str]:
    """Return in words each move against the policy that nobody had reviewed when a snapshot was made."""
    found = override.of_events(e for e in snapshot["events"] if e.get("data"))
    return [override.words(o) for o in found if o["ref"] == facts.candidate(snapshot)]


def approvals(snapshot: Json) -> list[dict[str, str]]:
    """Return one row for each role whose approval the charter asks for, and for each that was given besides.

    Each has ``role``, ``who``, ``outcome`` (missing, approved, ..., expired as of the snapshot), ``condition``,
    ``comment`` and ``at``. Where no model was registered none is missing.
    """
    found = list(_given(snapshot))
    newest = {(row["name"], role): row["outcome"] for row in found for role in row["roles"].split(", ")}
    asked = policy_of(snapshot)
    counts = GIVEN[:2] if asked.approvals else GIVEN  # where nobody has to approve, who decides is enough
    wanted = replace(asked, approvals=asked.approvals or bool(asked.roles))
    open_ones = wanted.wanting(who for who, outcome in newest.items() if outcome in counts)  # the last word
    rows = [{"role": row["roles"] or "-", **{k: v for k, v in row.items() if k not in OWN}} for row in found]
    return [*rows, *(_open(snapshot, roles) for roles in open_ones if facts.candidate(snapshot))]


def missing_approval(snapshot: Json) -> str:
    """Return whose approval is still needed, as words; an empty text where none is."""
    rows = approvals(snapshot)
    open_ones = [row for row in rows if row["outcome"] == "missing"]
    names = [f"{r['role'].replace('_', ' ')}: {r['who']}" if r["who"] != "-" else r["role"] for r in open_ones]
    return f"{joined(names)} {'approve' if len(names) > 1 else 'approves'}" if names else ""


def refusal(snapshot: Json) -> tuple[str, str] | None:
    """Return how the newest answer turned it down and who did so, or None where it did not."""
    rows = [row for row in approvals(snapshot) if row["outcome"] not in ("missing", "decided")]
    if not rows or rows[-1]["outcome"] in (*GIVEN, *PAST):
        return None
    last = rows[-1]
    why = f": {short(last['comment'], LONGEST)}" if last["comment"] else ""
    word = last["outcome"][:1].upper() + last["outcome"][1:]
    role = f"{last['role']}, " if last["role"] != "-" else ""
    return word, f"{word} by {role}{last['who']}{why}."


def policy_of(snapshot: Json) -> policy.Policy:
    """Return what the charter asked for when a snapshot was made: nothing where that is not understood."""
    said = ((snapshot.get("charter") or {}).get("policy") or {}).get(ALIAS)
    try:
        return policy.read(said or {}, ALIAS)
    except NotAllowed:
        return policy.Policy(ALIAS)


def _judged(snapshot: Json) -> dict[int, Answer]:
    """Return by its number each answer that was bound, with whether it held when the snapshot was made."""
    agreed = snapshot.get("charter") or {}
    answers = given.of_events(e for e in snapshot["events"] if e.get("data"))
    facts_now = since.bound(snapshot) if answers else ""
    changed = {a.report: [] if (a.bound or {}).get("facts") == facts_now else ["its facts"] for a in answers}
    played = Charter("", roles=agreed.get("roles") or {}) if agreed else None
    now = given.Present(None, changed, policy.digest(agreed.get("policy")), {}, played, str(snapshot["as_of"]))
    return {a.seq: a for a in given.judged(answers, now, policy_of(snapshot))}


def _given(snapshot: Json) -> Iterator[dict[str, str]]:
    """Yield who answered about this version or its run, and who made it champion; of the champion's own, nothing."""
    subjects = {facts.candidate(snapshot), *(part["run_id"] for part in facts.all_parts(snapshot))}
    judged = _judged(snapshot)
    for event in snapshot["events"]:
        data = event.get("data") or {}
        if (outcome := _outcome_of(event, subjects)) is None:
            continue
        known = [data["role"]] if data.get("role") else _played(snapshot, str(event["actor"]))
        state, why = _state(snapshot, event, outcome, judged.get(event["seq"]))
        yield {
            "name": str(data.get("by") or event["actor"]),
            "roles": ", ".join(known),
            "who": who(event),
            "outcome": state or outcome,
            "condition": ". ".join(filter(None, [why, str(data.get("condition") or "")])),
            "comment": str(data.get("comment") or data.get("reason") or "") if outcome != "decided" else "",
            "at": str(event["at"]),
        }


def who(event: Json) -> str:
    """Return who answered and how that is known; of an answer that somebody else entered, that too."""
    data = event.get("data") or {}
    if data.get("entered_by"):
        return f"{data['by']} (claimed; entered by {event['actor']}, by {event['known_by']})"
    return f"{event['actor']} (by {event['known_by']})"


def _state(snapshot: Json, event: Json, outcome: str, answer: Answer | None) -> tuple[str, str]:
    """Return in which state an answer was that held no more, and why; two empty texts for one that held."""
    ended = _ended(snapshot, event, outcome)
    if ended:
        return EXPIRED, ended
    if answer is None or answer.state == "valid":
        return "", ""
    return answer.state, f"It was {outcome}; {answer.why}"


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


def _open(snapshot: Json, roles: Sequence[str]) -> dict[str, str]:
    played = (snapshot.get("charter") or {}).get("roles") or {}
    people = dict.fromkeys(person for role in roles for person in played.get(role) or ())
    return {
        "role": joined(roles, "or") or "anybody",
        "who": ", ".join(people) or "-",
        "outcome": "missing",
        "condition": "",
        "comment": "",
        "at": "",
    }


def asked_words(asked: policy.Policy) -> str:
    """Return what the charter asks for, in words."""
    if not asked.roles and not asked.approvals:
        return "none is asked for"
    named = joined([role.replace("_", " ") for role in asked.roles], "and" if asked.each else "or") or "anybody"
    several = f"{asked.approvals} people: " if asked.approvals > 1 else ""
    return f"the charter asks for {several}{named}"


def _asked(snapshot: Json) -> Table | None:
    """Return the approvals as a table, where there is one to show; a decision alone stands among the decisions."""
    rows = [row for row in approvals(snapshot) if row["outcome"] != "decided"]
    if not rows:
        return None
    asks = asked_words(policy_of(snapshot))
    heads = ("Role", "Who, and how known", "Outcome", "Condition", "When (UTC)")
    cells = [
        (r["role"].replace("_", " "), r["who"], _outcome(r["outcome"]), r["condition"] or "-", stamp(r["at"]))
        for r in rows
    ]
    return Table(f"Approvals before it becomes {ALIAS}: {asks}", heads, cells, tight=(4,))


def _outcome(word: str) -> Verdict:
    tones = {"approved": "good", "approved with conditions": "warn", **dict.fromkeys(("missing", *PAST), "warn")}
    return Verdict(word, tones.get(word, "bad"))  # type: ignore[arg-type]


def _moves(snapshot: Json) -> Table | None:
    """Return the newest decisions; who made them is said once where one person made them all."""
    rows = [
        (stamp(e["at"]), short(event_words(e), LONGEST), f"{e['actor']} (by {e['known_by']})")
        for e in snapshot["events"]
        if e["action"] not in ("register", "approve", "flag")
    ][-MOST_MOVES:]
    if not rows:
        return None
    heads = ("When (UTC)", "What", "Who, and how known")
    people = {row[2] for row in rows}
    if len(rows) > 1 and len(people) == 1:
        alone = [row[:2] for row in rows]
        return Table(f"Decisions, newest last, all made by {people.pop()}", heads[:2], alone, tight=(0,))
    return Table("Decisions, newest last", heads, rows, tight=(0,))


def _missing(snapshot: Json) -> list[Block]:
    """Return what is missing of the approvals: whose they are was not agreed, or nobody has approved."""
    what, do = [], []
    outcomes = {row["outcome"] for row in approvals(snapshot)}
    if not outcomes & {*GIVEN[:2]}:
        what.append("The approval of this has expired" if EXPIRED in outcomes else "Nobody has approved this")
        do.append("sign below, or record it in the notebook")
    asked = policy_of(snapshot)
    if not asked.roles and not asked.approvals:
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
    if event["action"] == "override_reviewed":
        return f"{subject}: the override was {data.get('verdict')}: {data.get('why')}"
    words = told(event)
    return words.what + (f": {words.why}" if words.why else "")


def _answered(data: Json) -> str:
    outcome = str(data.get("outcome") or "approved")
    until = f" until {when(data['expires_at'])}" if data.get("expires_at") and outcome in GIVEN else ""
    return f"was answered: {outcome}" if outcome not in (*GIVEN, "rejected") else f"was {outcome}{until}"


def _move_words(subject: str, data: Json) -> str:
    name, _, alias = subject.rpartition("@")
    before = f" (was {data['from']})" if data.get("from") else ""
    reason = f": {data['reason']}" if data.get("reason") else ""
    if data.get("version") is None:
        return f"{told({'action': 'alias', 'subject': subject, 'data': data}).what}{reason}"
    against = "against the policy, in an emergency" if data.get("override") else f"policy: {data.get('policy')}"
    reason += f" ({against})" if data.get("policy") else ""
    return f"{name}@{data.get('version')} became {alias}{before}{reason}"


def moved(snapshot: Json, ref: str) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
    """Return the newest event that made a version champion, and the one that put another in its place."""
    name, _, number = ref.rpartition("@")
    moves = [e for e in snapshot["events"] if e["action"] == "alias" and e["subject"] == f"{name}@{ALIAS}"]
    last = max((i for i, e in enumerate(moves) if str(e["data"].get("version")) == number), default=None)
    return None if last is None else (dict(moves[last]), next((dict(e) for e in moves[last + 1 :]), None))
