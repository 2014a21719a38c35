"""The parts of the how-to page, each a function of the facts, for people who know the business and not the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nbmlops.governance.charter import WANTED
from nbmlops.report.blocks import Tone
from nbmlops.report.howto import Facts, Gap, Part
from nbmlops.report.mistakes import bound_of, wrong
from nbmlops.report.text import count, joined, number, when

__all__ = ["PARTS", "standing"]

MOST_CATEGORIES, MOST_PROBLEMS = 8, 6
LEVELS = {
    "ok": "the data looks as it did when the model was judged",
    "notice": "some of the data has moved; look twice where much depends on an answer",
    "alert": "the data, or what comes true, has changed by more than was agreed to be tolerable",
    "insufficient data": "there was too little data to tell",
}
IN_USE, WITH_CARE, NOT_IN_USE = "in use", "in use with care", "not in use"
Json = Mapping[str, Any]


def standing(facts: Facts) -> tuple[str, Tone, str]:
    """Return whether a version is in use, how that is coloured, and why."""
    champion = _champion(facts)
    if champion != facts.version.version:
        other = f"version {champion} is the champion" if champion else "no version is the champion"
        return NOT_IN_USE, "quiet", f"Version {facts.version.version} is not what answers: {other}."
    doubts = list(_doubts(facts))
    if doubts:
        told = joined(doubts)
        return WITH_CARE, "warn", f"{told[:1].upper()}{told[1:]}."
    return IN_USE, "good", "It is the champion, and nothing that is open speaks against it."


def _doubts(facts: Facts) -> Iterator[str]:
    verdict = facts.fleet.get("verdict")
    if verdict in ("notice", "alert"):
        yield f"the last check of its data says {verdict}"
    elif not verdict:
        yield "its data was never checked against what it was judged on"
    if facts.fleet.get("override"):
        yield "it was put into use against the policy, and nobody has reviewed that"
    if facts.episodes:
        yield f"{count(len(facts.episodes), 'problem')} of its data {'is' if len(facts.episodes) == 1 else 'are'} open"
    if facts.flags:
        yield f"{count(len(facts.flags), 'flag')} of experts {'is' if len(facts.flags) == 1 else 'are'} open"
    if facts.performance is not None and facts.performance.broken and not facts.performance.early:
        yield f"in use it breaks the target of {joined(facts.performance.broken)}"
    if not facts.version.metrics:
        yield "nobody measured how often it is wrong"


def answers(facts: Facts) -> Part:
    """Say which question it answers, for what and for whom."""
    agreed = facts.agreed
    said = [("", agreed.problem), ("What is done with an answer: ", agreed.decision)] if agreed else []
    said += [("Who uses it: ", joined(agreed.users))] if agreed else []
    says = [f"{label}{_line(text)}" for label, text in said if text]
    return Part("answers", "What it answers", tuple(says), missing=_unsaid(facts, "problem", "decision", "users"))


def inputs(facts: Facts) -> Part:
    """Say what it takes: meaning and unit from the data dictionary, values from the signature."""
    private = facts.private
    columns = facts.version.signature["columns"]
    rows = tuple(_input(facts, column, column["name"] in private) for column in columns)
    gaps = []
    if facts.unreadable:
        gaps.append(facts.gap(f"the data dictionary: {facts.unreadable}", "data_engineer", "mend the file in rules/"))
    elif unsaid := [c["name"] for c in columns if not _meaning(facts, c["name"])]:
        what = f"the meaning of {_few(unsaid)}"
        gaps.append(facts.gap(what, "data_engineer", "write meaning: and unit: in rules/<dataset>.yaml"))
    if not any(column.get("kind") for column in columns):
        gaps.append(facts.gap("which values were seen", "scientist", "evaluate it, then register it again"))
    says = (f"It takes {count(len(columns), 'input')}, in any order; others are ignored.",)
    return Part("inputs", "What it takes", says, ("input", "meaning", "values"), rows, tuple(gaps))


def outputs(facts: Facts) -> Part:
    """Say what it gives, in words."""
    signature = facts.version.signature
    target = str(signature.get("target") or "")
    gaps = []
    if not target:
        gaps.append(facts.gap("what the answer is called", "scientist", "evaluate it with target=, register it again"))
    elif not _meaning(facts, target):
        gaps.append(facts.gap(f"the meaning of {target}", "expert", "write meaning: in rules/<dataset>.yaml"))
    says = [f"{target}: {_line(_meaning(facts, target))}{_unit(facts, target)}."] if _meaning(facts, target) else []
    return Part("outputs", "What it gives", (*says, *_given(facts, target or "the answer")), missing=tuple(gaps))


def _given(facts: Facts, target: str) -> Iterator[str]:
    signature = facts.version.signature
    classes = facts.classes
    chance = (signature.get("output") or {}).get("probability")
    if signature.get("task") == "regression":
        yield f"A number: {target}{_unit(facts, target)}."
    elif signature.get("task") == "binary" and chance:
        yield from _chance(facts, target, classes)
    else:
        named = "private, not shown" if facts.masked_target else _few(classes, MOST_CATEGORIES)
        yield f"One of {count(len(classes), 'answer')}: {named}." if classes else "One answer."
        yield "And a chance between 0 and 1 for the answer it gives." if chance else "It gives no chance with it."
    yield "Every answer has an id (prediction_id): keep it, all questions about the answer begin with it."


def _chance(facts: Facts, target: str, classes: Sequence[str]) -> Iterator[str]:
    positive, other = facts.positive, classes[0]
    yield f"A chance between 0 and 1 that {target} is {positive}."
    bound = bound_of(facts.evaluation or {})
    if bound is not None:
        yield f"Above {number(bound)} it says {positive}, below that {other}."
    else:
        yield f"And {positive} or {other}; the bound between them is not known."


def not_for(facts: Facts) -> Part:
    """Say when not to use it: agreed limits, where it is weak, what it never saw, what is open."""
    says = [f"{_line(limit)}" for limit in (facts.agreed.limits if facts.agreed else ())]
    says += [f"Weak: {facts.told(_line(text))}" for text in _weak(facts)]
    says += list(_unseen(facts))
    alerts = [e for e in facts.episodes if e["level"] == "alert"]
    says += [f"While this is open, ask first: {facts.told(_line(e['message']))}" for e in alerts[:MOST_PROBLEMS]]
    gaps = _unsaid(facts, "limits")
    if facts.evaluation is None:
        gaps = (*gaps, facts.gap("where it is weak", "scientist", "nbmlops evaluate --by COLUMN looks"))
    return Part("not_for", "When not to use it", tuple(says), missing=gaps)


def _weak(facts: Facts) -> list[str]:
    found = (facts.evaluation or {}).get("findings") or ()
    return [f["message"] for f in found if f["code"] in ("slice", "weak-segment") and f["outcome"] == "warning"]


def _unseen(facts: Facts) -> Iterator[str]:
    columns, private = facts.version.signature["columns"], facts.private
    texts = [c["name"] for c in columns if c.get("kind") == "category" and c["name"] not in private]
    numbers = [c["name"] for c in columns if c.get("min") is not None and c["name"] not in private]
    if texts:
        yield f"A value of {joined(texts, 'or')} that it never saw (see What it takes): it answers, and knows nothing."
    if numbers:
        yield f"Values of {joined(numbers, 'or')} outside of what was seen: nobody measured how it answers there."


def state(facts: Facts) -> Part:
    """Say what it is now: champion or not, since when, by whom, how its data was last found."""
    version, fleet = facts.version, facts.fleet
    says = [f"{version.ref}, registered {when(version.created_at)}."]
    says += [_moved(move) for move in _pointing(facts)]
    if (champion := _champion(facts)) != version.version:
        says.append(
            f"The champion is {version.name}@{champion}." if champion else f"There is no champion{_gone(facts)}."
        )
    gaps = []
    if fleet.get("checked_at"):
        told = LEVELS.get(fleet["verdict"], "")
        says.append(f"Its data was last checked {when(fleet['checked_at'])}: {fleet['verdict']}, {told}.")
    else:
        do = f"nbmlops drift DATA --model {version.ref}"
        gaps.append(facts.gap("whether its data still looks the same: it was never checked", "ml_engineer", do))
    if review := fleet.get("review_at"):
        says.append(f"The next review is due {when(review)}.")
    says.append(f"{count(len(facts.flags), 'flag')} open." if facts.flags else "No flag is open.")
    return Part("state", "How it stands", tuple(says), missing=tuple(gaps))


def _gone(facts: Facts) -> str:
    """Return since when there is none any more, by whom and why; an empty text where there never was one."""
    last = next((m for m in reversed(facts.moves) if m["subject"].rpartition("@")[2] == "champion"), None)
    if last is None:
        return ""
    why = f": {_line(last['data']['reason'])}" if last["data"].get("reason") else ""
    was = f"{facts.version.name}@{last['data'].get('from')}"
    return f" since {when(last['at'])}: {_line(last['actor'])} ({last['known_by']}) took {was} out of use{why}"


def _moved(move: Json) -> str:
    alias, data = move["subject"].rpartition("@")[2], move["data"]
    why = f": {_line(data['reason'])}" if data.get("reason") else ""
    by = f"by {_line(move['actor'])} ({move['known_by']})"
    return f"It is {alias} since {when(move['at'])}, {by}{why} ({data.get('policy') or 'no policy'})."


def problems(facts: Facts) -> Part:
    """Say what is known to be wrong: an override, open episodes and open flags."""
    loud = facts.fleet.get("override")
    says = [f"It was put into use against the policy, and nobody has reviewed that: {_line(loud)}"] if loud else []
    says += [
        f"Since {e['opened_on']}, {e['level']}: {facts.told(_line(e['message']))}"
        for e in facts.episodes[:MOST_PROBLEMS]
    ]
    says += _more(len(facts.episodes), f"nbmlops episodes {facts.version.name} --state open")
    says += [_flag(facts, flag) for flag in facts.flags[:MOST_PROBLEMS]]
    says += _more(len(facts.flags), f"nbmlops review {facts.version.name}")
    return Part("problems", "Known problems", tuple(says or ["None is open."]))


def _flag(facts: Facts, flag: Json) -> str:
    who = flag.get("actor") or flag.get("source")
    reason = facts.told(_line(flag.get("reason") or "no reason given"))
    about = flag.get("about") or f"prediction {flag['prediction_id'] or 'not known yet'}"
    return f"Flagged {when(flag['at'])} by {_line(who)}: {reason} ({about})"


def _more(amount: int, command: str) -> list[str]:
    return [f"And {amount - MOST_PROBLEMS} more: {command}"] if amount > MOST_PROBLEMS else []


def people(facts: Facts) -> Part:
    """Say whom to ask."""
    left = facts.agreed.left if facts.agreed else ()
    rows = [("owner of the model", facts.version.owner)]
    rows += [(role, person) for role, persons in facts.people.items() for person in persons]
    told = tuple((role, f"{_line(person)}{' (left)' if person in left else ''}") for role, person in rows)
    gaps = _unsaid(facts, "roles")
    if facts.people and not facts.people.get("support"):
        gaps = (*gaps, facts.gap("who supports its users", "manager", "name them under roles: in charter.yaml"))
    return Part("people", "Whom to ask", (), ("for", "who"), told, gaps)


def opinion(facts: Facts) -> Part:
    """Say how a user disagrees, and how support looks an answer up."""
    name = facts.version.name
    body = '{"prediction_id": "ID", "kind": "opinion", "verdict": "disagree", "expected": "...", "reason": "..."}'
    rows = (
        ("look an answer up", "nbmlops prediction ID --reasons"),
        ("say what you expected", "nbmlops feedback FILE --kind opinion"),
        ("the file's columns", "prediction_id, verdict (agree, disagree or unsure), expected, reason"),
        ("the same over HTTP", f"POST /feedback {body}"),
        (
            "in a notebook",
            'nb.feedback({"prediction_id": "ID", "verdict": "disagree", "reason": "..."}, kind="opinion")',
        ),
        ("what was thought so far", f"nb.performance({name!r}).agreement"),
    )
    return Part("opinion", "How to ask and how to disagree", (), ("to", "type"), rows)


PARTS: tuple[Callable[[Facts], Part], ...] = (
    *(answers, inputs, outputs, wrong, not_for, state, problems, people, opinion),
)


def _input(facts: Facts, column: Json, private: bool) -> tuple[str, str, str]:
    name = column["name"]
    meaning = f"{_line(_meaning(facts, name))}{_unit(facts, name)}" if _meaning(facts, name) else "not written down"
    values = ["private: not shown"] if private else [_seen(column), _allowed(facts, name)]
    values += ["may be missing"] if column.get("nullable") else []
    return name, meaning, "; ".join(filter(None, values))


def _allowed(facts: Facts, name: str) -> str:
    """Return which values the rules allow; how many may be missing is a matter of files, not of one answer."""
    rules = str((facts.words.get(name) or {}).get("rules") or "").split("; ")
    told = [rule for rule in rules if rule and not rule.endswith("% missing")]
    return f"allowed: {'; '.join(told)}" if told else ""


def _seen(column: Json) -> str:
    if column.get("categories") is not None:
        total = column["distinct"]
        return f"{count(total, 'known value')}: {_few(column['categories'], MOST_CATEGORIES, total)}"
    kind = {"number": "a number", "boolean": "yes or no", "time": "a time"}.get(column.get("kind") or "", "not known")
    if column.get("min") is None or kind == "yes or no":
        return kind
    return f"{kind}, seen {number(column['min'])} to {number(column['max'])}"


def _few(names: Sequence[Any], most: int = MOST_CATEGORIES, total: int | None = None) -> str:
    left = (len(names) if total is None else total) - most
    shown = [_line(n) for n in names[:most]]
    return f"{', '.join(shown)} and {left:,} more" if left > 0 else joined(shown)


def _meaning(facts: Facts, name: str) -> str:
    return str((facts.words.get(name) or {}).get("meaning") or "")


def _unit(facts: Facts, name: str) -> str:
    unit = (facts.words.get(name) or {}).get("unit")
    return f", in {_line(unit)}" if unit else ""


def _unsaid(facts: Facts, *keys: str) -> tuple[Gap, ...]:
    """Return what a charter should say of these and does not, with whose it is."""
    missing = [w for w in WANTED if w[0] in keys and not (facts.agreed and getattr(facts.agreed, w[0]))]
    do = "write {} in charter.yaml" if facts.agreed else "write {} in a charter: nbmlops charter new"
    return tuple(facts.gap(says, role, do.format(f"{key}:")) for key, says, role in missing)


def _champion(facts: Facts) -> int | None:
    last = [m for m in facts.moves if m["subject"].rpartition("@")[2] == "champion"]
    return last[-1]["data"]["version"] if last else None


def _pointing(facts: Facts) -> list[Json]:
    """Return the move that put each alias on this version, of those that point to it now."""
    newest = {move["subject"]: move for move in facts.moves}
    return [move for move in newest.values() if move["data"]["version"] == facts.version.version]


def _line(text: Any) -> str:
    """Return text as one line."""
    return " ".join(str(text).split())
