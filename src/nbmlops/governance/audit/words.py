"""Every event as a sentence: what happened, why, and on what evidence. An action without words fails a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ACTIONS", "Told", "told"]

Json = Mapping[str, Any]
WHY = ("reason", "why", "comment", "because")
# What an event may rest on, in the order it is named: key of its data to the word before it.
EVIDENCE = {
    "policy": "policy",
    "gate": "gate",
    "evaluation": "evaluation",
    "report": "report",
    "run_id": "run",
    "result": "result",
    "agenda": "agenda",
    "digest": "file",
    "fingerprint": "data",
    "charter": "charter",
}
DIGEST_OF = {"charter": "text", "flag": "text", "flag_answer": "text", "question_verdict": "text"}  # not of a file


@dataclass(frozen=True)
class Told:
    """An event in words: ``what`` is whole without the actor, ``why`` and ``evidence`` may be empty."""

    what: str
    why: str
    evidence: tuple[tuple[str, str], ...]  # what it rests on: a word, and its value

    def rests_on(self) -> str:
        """Return the evidence as people read it: ids by their end, digests by their beginning."""
        return ", ".join(value if value == "no policy" else f"{word} {_short(value)}" for word, value in self.evidence)


def told(event: Json) -> Told:
    """Return an event in words.

    Parameters
    ----------
    event : mapping
        As :func:`nbmlops.store.events.listed` returns it.

    Examples
    --------
    >>> event = {"action": "alias", "subject": "late@champion", "data": {"version": 3, "from": 1, "reason": "better"}}
    >>> told(event).what, told(event).why
    ('late@3 became champion (was 1)', 'better')
    """
    action, subject = str(event["action"]), str(event["subject"])
    said = event.get("data")
    data = said if isinstance(said, Mapping) else {}
    words = ACTIONS.get(action)
    what = words(subject, data) if words else f"{subject}: {action.replace('_', ' ')}"
    return Told(what, next((str(data[k]) for k in WHY if data.get(k)), ""), _evidence(action, data))


def _evidence(action: str, data: Json) -> tuple[tuple[str, str], ...]:
    found = [(_word(action, key), str(data[key])) for key in EVIDENCE if data.get(key)]
    if approvals := data.get("approvals"):
        found.append(("approvals in events", _listed(approvals)))
    return tuple(found)


def _word(action: str, key: str) -> str:
    return DIGEST_OF.get(action, EVIDENCE[key]) if key == "digest" else EVIDENCE[key]


def _alias(subject: str, data: Json) -> str:
    name, _, alias = subject.rpartition("@")
    was = f" (was {data['from']})" if data.get("from") else ""
    if data.get("version") is None:
        return f"{subject} was taken {'out of use' if data.get('policy') == 'retired' else 'away'}{was}"
    again = " again" if data.get("rollback") else ""
    override = " by an emergency override of the policy" if data.get("override") else ""
    return f"{name}@{data['version']} became {alias}{again}{was}{override}"


def _approve(subject: str, data: Json) -> str:
    outcome = str(data.get("outcome") or "approved")
    said = f"was {outcome}" if outcome in ("approved", "approved with conditions", "rejected") else f"got: {outcome}"
    number = f"report {data['number']} of " if data.get("number") else ""
    role = f", as {str(data['role']).replace('_', ' ')}" if data.get("role") else ""
    ends = f", until {str(data['expires_at'])[:10]}" if data.get("expires_at") else ""
    asks = f", if {'; '.join(_conditions(data))}" if _conditions(data) else ""
    entered = f", entered by {data['entered_by']}" if data.get("entered_by") else ""
    return f"{number}{subject} {said}{role}{ends}{asks}{entered}"


def _conditions(data: Json) -> list[str]:
    """Return the conditions of an approval, each with its owner and date."""
    texts = [_condition(c) for c in data.get("conditions") or () if isinstance(c, Mapping) and c.get("text")]
    if not texts and data.get("condition"):
        return [str(data["condition"])]
    return texts


def _condition(asked: Json) -> str:
    whose = ", by ".join(str(asked[k]) for k in ("owner", "due") if asked.get(k))
    return f"{asked['text']} ({whose})" if whose else str(asked["text"])


def _charter(subject: str, data: Json) -> str:
    found, changed = "found " if data.get("found") else "", data.get("changed") or ()
    by = f" by {data['edited_by']} (git {_short(str(data.get('commit')))})" if data.get("edited_by") else ""
    if not data.get("before"):
        return f"the charter of {subject} was {found.strip() or 'agreed'}{by}"
    return f"the charter of {subject} was {found}changed{by}" + (f": {'; '.join(map(str, changed))}" if changed else "")


def _flag(subject: str, data: Json) -> str:
    to = f" to {str(data['role']).replace('_', ' ')}" if data.get("role") else ""
    if data.get("question"):
        return f"a question about {subject} was asked{to}"
    severity = f" ({data['severity']})" if data.get("severity") else ""
    return f"{subject} was flagged{severity}{to}"


def _decision(subject: str, data: Json) -> str:
    to = f" to {data['to']}" if data.get("to") else ""
    return f"it was decided of {subject}: {data.get('decision')}{to}"


def _delete(done: str) -> Callable[[str, Json], str]:
    """Return the words for versions that were hidden or shown again."""

    def words(subject: str, data: Json) -> str:
        versions = data.get("versions") or ()
        which = f", versions {_listed(versions)}," if len(versions) > 1 else ""
        return f"{subject}{which} {done}"

    return words


def _prune(subject: str, data: Json) -> str:
    of = f" of {', '.join(map(str, data['models']))}" if data.get("models") else ""
    return f"{data.get('rows')} {subject}{of} from before {str(data.get('before'))[:10]} were removed"


def _granted(subject: str, data: Json) -> str:
    role = str(data.get("role")).replace("_", " ")
    return f"the role {role} was {f'taken from {subject}' if data.get('taken') else f'given to {subject}'}"


def _plain(after: str) -> Callable[[str, Json], str]:
    """Return words that stand behind the subject."""
    return lambda subject, data: f"{subject} {after.format_map(_Known(data))}"


class _Known(dict[str, Any]):
    """Data to fill words with; what an event does not say shows as a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"


def _listed(values: Any) -> str:
    found = [str(v) for v in values] if isinstance(values, (list, tuple)) else [str(values)]
    return " and ".join(filter(None, [", ".join(found[:-1]), found[-1]])) if found else ""


def _short(value: str) -> str:
    """Return an id by its last six characters, as people type it, and a digest by its first twelve.

    >>> _short("01978000-0000-7000-8000-0000000a1b2c"), _short("9f" * 32), _short("gate: better")
    ('0a1b2c', '9f9f9f9f9f9f', 'gate: better')
    """
    if len(value) == 36 and value.count("-") == 4:
        return value[-6:]
    return value[:12] if len(value) >= 40 and value.isalnum() else value


ACTIONS: dict[str, Callable[[str, Json], str]] = {
    "register": _plain("was registered"),
    "alias": _alias,
    "reject": _plain("was rejected"),
    "approve": _approve,
    "condition_met": _plain("met condition {condition} of its approval (event {approve})"),
    "override_reviewed": _plain("had its emergency override reviewed (event {alias}): {verdict}"),
    "advice": _plain("was given advice: {advice}"),
    "handover": _plain("was handed over to {to}"),
    "delete": _delete("was deleted"),
    "restore": _delete("was restored"),
    "review": _plain("was read by somebody other than its author, and may run"),
    "allow_pickle": _plain("was allowed to be a pickle"),
    "charter": _charter,
    "worth": _plain("was first estimated to be worth {expected} {unit} per {per_rows} rows"),
    "flag": _flag,
    "flag_answer": _plain("had a flag answered: {state}"),
    "alert_sent": lambda subject, data: f"an alert about {subject} was sent through {data.get('channel')}",
    "question_verdict": _plain("was answered: {verdict}"),
    "decision": _decision,
    "dataset": _plain("was recorded, {rows} rows"),
    "dataset_kept": _plain("was kept with its rows"),
    "prune": _prune,
    "erase": lambda subject, data: f"{data.get('rows')} rows of {subject} were erased",
    "anchor": lambda subject, data: f"event {data.get('seq')} was anchored in {data.get('where')}",
    "grant": _granted,
    "job_paused": _plain("was paused"),
    "job_resumed": _plain("was resumed (it was {was})"),
    "job_cancelled": lambda subject, data: f"{subject}: {len(data.get('keys') or ())} works were cancelled",
    "job_backfilled": _plain("was run for {since} to {until}: {due} works"),
}
