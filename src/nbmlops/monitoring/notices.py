"""Notices: what asks a person of a role for something, through the channels of alerts; kept first, so none is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import NbmlopsError
from nbmlops.hooks import service
from nbmlops.monitoring import alerts
from nbmlops.records import new_id, now, plain
from nbmlops.tracking import session

__all__ = ["Told", "message", "people_of", "said_before", "send", "tell"]


@dataclass(frozen=True)
class Told:
    """What became of a notice: for whom it is, which channels there are, and what went wrong by channel."""

    notice: str
    role: str
    people: tuple[str, ...]
    channels: tuple[str, ...]
    failed: Mapping[str, str]

    @property
    def delivered(self) -> bool:
        """Whether there are channels and each of them took it."""
        return bool(self.channels) and not self.failed

    @property
    def words(self) -> str:
        """What became of it, in a sentence."""
        whom = ", ".join(self.people) or "nobody is named"
        whom = f"{self.role} ({whom})" if self.role else whom
        if not self.channels:
            return f"Kept, and sent to nobody: nbmlops.toml has no [alerts]. It was for {whom}."
        took = [c for c in self.channels if c not in self.failed]
        said = [f"Sent to {whom} through {', '.join(took)}."] if took else []
        said += [f"Not sent to {whom} by {c}, kept and sent later: {error}." for c, error in self.failed.items()]
        return " ".join(said)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "delivered": self.delivered, "words": self.words}


def tell(
    topic: str,
    title: str,
    lines: Sequence[str],
    role: str = "",
    people: Sequence[str] | None = None,
    do: Sequence[str] = (),
    key: str = "",
) -> Told:
    """Keep a notice and send it: a question, a request for an approval, a review that is overdue.

    It leaves the project, so it holds no value of a row. What a channel does not take is sent at the next check, or by
    ``nbmlops alerts --send``.

    Parameters
    ----------
    topic : str
        What it is of, in one word: flag, approval, review.
    title : str
    lines : sequence of str
        What it says.
    role : str
        Who is asked; the charter says who that is.
    people : sequence of str, optional
        Who is asked, where it is no role.
    do : sequence of str
        What to type next.
    key : str
        What it is about, so that :func:`said_before` finds it.

    Returns
    -------
    Told

    Examples
    --------
    >>> tell("review", "The review of late-flights is overdue", ["..."], role="manager").words  # doctest: +SKIP
    'Sent to manager (sam@example.org) through file:alerts.jsonl.'
    """
    asked = people_of(role) if people is None else [*people]
    return send(message(topic, title, lines, role, asked, do, key), role, asked)


def send(said: Mapping[str, Any], role: str, people: Sequence[str]) -> Told:
    """Keep a message that was made, and send it.

    Parameters
    ----------
    said : mapping
        As :func:`message` returns it.
    role : str
    people : sequence of str
        For whom it is.
    """
    from nbmlops.store import episodes

    channels = [c.name for c in alerts.channels(session.project())]
    with session.store().atomic() as change:
        episodes.add_alert(change, said, channels or [""])
    alerts.deliver()
    mine = [row for row in alerts.rows() if row["alert_id"] == said["alert_id"] and row["state"] != "sent"]
    failed = {row["channel"]: row["error"] or "no answer yet" for row in mine} if channels else {}
    return Told(said["alert_id"], role, tuple(people), tuple(channels), failed)


def message(
    topic: str, title: str, lines: Sequence[str], role: str, people: Sequence[str], do: Sequence[str], key: str = ""
) -> dict[str, Any]:
    """Return a notice as alerts are kept; secrets are masked.

    >>> found = message("flag", "A question", ["Why?"], "expert", ["ann"], ["nbmlops flags"])
    >>> print(found["text"])
    Why?
    To: expert (ann)
    What to do:
    - nbmlops flags
    """
    named = f" ({', '.join(people)})" if people else ""
    to = [f"To: {role or ', '.join(people)}{named if role else ''}"] if role or people else []
    next_ = ["What to do:", *(f"- {line}" for line in do)] if do else []
    about = {"alert_id": new_id(), "at": now(), "model": topic, "version": 0, "owner": ""}
    asked = {"notice": {"topic": topic, "role": role, "people": [*people], "key": key}}
    text = redact("\n".join([*lines, *to, *next_]))
    return {**about, **asked, "title": redact(title), "text": text, "episodes": [], "do": [*do]}


def said_before(key: str) -> bool:
    """Tell whether a notice about the same was kept before."""
    from nbmlops.store import episodes

    kept = episodes.alerted(session.store())
    return any((row["data"].get("notice") or {}).get("key") == key for row in kept)


def people_of(role: str) -> list[str]:
    """Return who plays a role; nobody where there is no charter, or none that can be read."""
    try:
        agreed = service("governance.charter", "charter")()
    except NbmlopsError:
        return []
    return [*agreed.roles.get(role, ())] if agreed else []
