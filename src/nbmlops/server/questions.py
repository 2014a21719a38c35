"""Questions and doubts: the flags people raised, those to who asks first, and answers to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import tornado.web
from jupyter_server.auth.decorator import authorized

from nbmlops.errors import Invalid, NbmlopsError
from nbmlops.server.asking import afterwards
from nbmlops.server.base import Handler, Here

if TYPE_CHECKING:
    from nbmlops.governance.flags.flag import Flag

__all__ = ["AnswerHandler", "QuestionsHandler", "questions"]

FLAG_ID = re.compile(r"[0-9a-f-]{6,36}")
STATES = ("answered", "accepted", "dismissed")
MOST = 500


class QuestionsHandler(Handler):
    """``GET questions``: flags, those to who asks first, open ones first."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{questions: [...]}``."""
        await self.answer(_questions, self._words, without={"questions": []})

    def _words(self) -> dict[str, str]:
        return {"state": self.word("state", "open", ("open", "all"))}


class AnswerHandler(Handler):
    """``POST questions/ID/answer``: a word in the thread, or the end of it."""

    @tornado.web.authenticated
    @authorized
    async def post(self, flag_id: str) -> None:
        """Answer in the name of who asks, and send the question."""
        await self.answer(_answered, lambda: {"flag_id": flag_id, **self.body(text=str, state=str)})


def questions(state: str) -> list[dict[str, Any]]:
    """Return the questions in a state (open, all), those to who asks first."""
    from nbmlops.governance.flags.listed import found

    person, roles = _asker()
    rows = [_question(flag, person, roles) for flag in found(state="open" if state == "open" else None)]
    rows.sort(key=lambda row: str(row["at"]), reverse=True)
    rows.sort(key=lambda row: (row["state"] != "open", not row["to_me"], not row["blocks"]))
    return rows[:MOST]


def _questions(here: Here, state: str) -> dict[str, Any]:
    return {"questions": questions(state)}


def _answered(here: Here, flag_id: str, text: str | None, state: str | None) -> dict[str, Any]:
    from nbmlops.governance.flags.flag import get
    from nbmlops.governance.flags.thread import answer_flag

    if not FLAG_ID.fullmatch(flag_id):
        raise Invalid(f"{flag_id[:40]!r} is no id of a question.", "Take id from GET questions.")
    if state not in (None, *STATES):
        raise Invalid(f"state is {str(state)[:40]!r}.", f"Allowed: {', '.join(STATES)}, or null to say something only.")
    answered = answer_flag(flag_id, text or "", state or get(flag_id).state)
    return afterwards(lambda: _question(answered, *_asker()))


def _asker() -> tuple[str, tuple[str, ...]]:
    """Return the name and roles of who asks; nobody has none, and where the charter cannot be read nobody has any."""
    from nbmlops.governance.flags.flag import roles_of
    from nbmlops.tracking.actor import actor

    try:
        name = actor()[0]
        return name, roles_of(name) or ()
    except NbmlopsError:
        return "", ()


def _question(flag: Flag, person: str, roles: tuple[str, ...]) -> dict[str, Any]:
    to_me = bool(person) and (flag.role in roles if flag.role else (flag.owner or "").casefold() == person.casefold())
    blocks = flag.severity == "blocking" and flag.state in ("open", "accepted")
    about = {"id": flag.flag_id, "by": flag.author, "to": flag.role or flag.owner, "to_me": to_me, "blocks": blocks}
    names = ("subject", "kind", "severity", "text", "at", "state", "question", "where")
    thread = [{"by": a.get("author"), **{k: a.get(k) for k in ("at", "text", "state")}} for a in flag.thread]
    return {**about, **{k: getattr(flag, k) for k in names}, "answers": thread}
