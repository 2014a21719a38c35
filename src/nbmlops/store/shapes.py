"""What the data of an event has to hold, by action: readers pass over what holds less, and a server refuses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["SHAPES", "lacks", "read", "said"]

# Of each action the fields that somebody reads, and their kinds; with "?" it may be missing or null, with "!" null.
SHAPES: dict[str, dict[str, str]] = {
    "charter": {"digest": "hash", "before": "hash?", "changed": "texts"},
    "condition_met": {"approve": "number", "condition": "number", "why": "text"},
    "approve": {
        "report": "text?",
        "bound": "object?",
        "conditions": "conditions?",
        "number": "number?",
        **dict.fromkeys(("outcome", "role", "by", "entered_by", "comment", "condition", "expires_at"), "text?"),
    },
    "alias": {"version": "number!", "override": "override?"},
    "override_reviewed": {"alias": "number"},
    "handover": {"to": "text", "reason": "text?"},
    "reject": {"reason": "text?"},
    "review": {"digest": "hash", "reason": "text?"},
    "anchor": {"chain_id": "text", "seq": "number", "hash": "hash", "where": "text"},
    "grant": {"role": "text"},
    "question_verdict": {"verdict": "text", "why": "text?", "question": "text?"},  # events of before have none
    "decision": {"decision": "text", "why": "text?", "to": "text?"},
    "dataset": {"fingerprint": "text", "rest": "hash?"},  # stores of before have none
    "dataset_kept": {"digest": "hash"},
    "register": {"digest": "text", "owner": "text"},
    "worth": {**dict.fromkeys(("low", "expected", "high"), "real"), "charter": "hash"},
    "alert_sent": {"alert": "text", "channel": "text"},
    "flag": {"flag": "text", "digest": "hash"},
    "flag_answer": {"flag": "text", "state": "text", "digest": "hash"},
}
EVERY = {"results": "object?"}
HASH = re.compile(r"[0-9a-f]{64}")
PARTS = ("text", "owner", "due")  # of a condition


def lacks(action: str, data: Any) -> tuple[str, ...]:
    """Return the fields of an event's data that are missing or of another kind; none where it says what it should.

    Parameters
    ----------
    action : str
    data : object
        As it was read.

    Examples
    --------
    >>> lacks("condition_met", {"approve": 3, "why": "done"}), lacks("advice", {})
    (('condition',), ())
    """
    if not isinstance(data, Mapping):
        return ("a JSON object",)
    asked = EVERY | SHAPES.get(action, {})
    return tuple(name for name, kind in asked.items() if not _is(kind, data, name))


def read(action: str, text: Any) -> dict[str, Any] | None:
    """Return the data of a stored event; None where it says nothing: it is no JSON, or lacks what is read of it.

    >>> read("handover", "{}")
    >>> read("handover", '{"to": "kim"}')
    {'to': 'kim'}
    """
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return None if lacks(action, found) else dict(found)


def said(event: Mapping[str, Any]) -> bool:
    """Tell whether an event with its data as text says what its action should."""
    return read(event["action"], event["data"]) is not None


def _is(kind: str, data: Mapping[str, Any], name: str) -> bool:
    if data.get(name) is None:
        return kind.endswith("?") or (name in data and kind.endswith("!"))
    return KINDS[kind.rstrip("?!")](data[name])


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18


def _condition(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(part), str) for part in PARTS)


KINDS: dict[str, Callable[[Any], bool]] = {
    "text": lambda v: isinstance(v, str),
    "hash": lambda v: isinstance(v, str) and HASH.fullmatch(v) is not None,
    "number": _number,
    "real": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "texts": lambda v: isinstance(v, list) and all(isinstance(one, str) for one in v),
    "conditions": lambda v: isinstance(v, list) and all(map(_condition, v)),
    "override": lambda v: isinstance(v, dict) and isinstance(v.get("reason"), str),
}
