"""Answers to a flag: appended by anybody, and by whoever may they settle it."""

from __future__ import annotations

from typing import Any

from nbmlops.errors import Conflict, Invalid, NotAllowed
from nbmlops.governance import agreed_on
from nbmlops.governance.charter import charter
from nbmlops.governance.flags.flag import OPEN, STATES, Flag, get, roles_of, text_of
from nbmlops.records import now
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor

__all__ = ["answer_flag"]

SETTLING = ("expert", "manager")  # who settles a flag that is for no role


def answer_flag(flag_id: str, text: str, state: str = "answered") -> Flag:
    """Answer a flag, and settle it unless ``state`` is open.

    Anybody may say something. It is settled by its author, who cannot accept his own, by the role it is for (an expert
    or manager where it is for none), and by the owner of what is flagged; never by this owner where it is blocking.
    Who left by the charter settles nothing. Where no charter names roles anybody may.

    Parameters
    ----------
    flag_id : str
        Its id, or the last 6 or more characters of it.
    text : str
    state : {"answered", "accepted", "dismissed", "open"}
        *accepted* says that it is right: on a row or prediction it becomes a label, and a blocking one goes on blocking
        until it is answered. *open* only adds to the thread, or opens it again.

    Returns
    -------
    Flag

    Raises
    ------
    NotFound
        No such flag.
    NotAllowed
        It is not yours to settle.
    Conflict
        Somebody settled it meanwhile.

    Examples
    --------
    >>> nb.answer_flag("2f81c0", "the source was late that day", state="dismissed").state  # doctest: +SKIP
    'dismissed'
    """
    if state not in STATES:
        raise Invalid(f"{state!r} is no state of a flag.", f"Allowed: {', '.join(STATES)}.")
    said = text_of(text, "An answer")
    found, who = get(flag_id), actor()
    _check_may(found, state, who[0])
    _keep(found, {"at": now(), "author": who[0], "known_by": who[1], "text": said, "state": state}, who)
    return _told(get(found.flag_id))


def _keep(found: Flag, said: dict[str, Any], who: tuple[str, str]) -> None:
    from nbmlops.store import flags

    with session.store().atomic() as change:
        row = flags.find(change.connection, found.flag_id)
        state = row["state"] if row else "gone"
        if state != found.state:
            raise Conflict(f"The flag is {state} by now.", "Look again: nbmlops flags.")
        closed_at = None if said["state"] == OPEN else said["at"]
        flags.answer(change, found.flag_id, said, closed_at, who, agreed_on.record(change))


def _told(found: Flag) -> Flag:
    from dataclasses import replace

    from nbmlops.governance.flags.telling import answered

    return replace(found, told=answered(found))


def _check_may(found: Flag, state: str, person: str) -> None:
    """Refuse to change the state of a flag that is not this person's to settle; a word in the thread is everybody's."""
    if state == found.state or (played := roles_of(person)) is None:
        return
    wanted, name = (found.role,) if found.role else SETTLING, person.casefold()
    entered = name == (found.entered_by or "").casefold()
    own = name == found.author.casefold() and not entered
    holds = found.severity == "blocking" and name in _holders(found)
    may = bool(set(played) & set(wanted)) or name == (found.owner or "").casefold()
    gone = _left(person)
    if not gone and ((own and state != "accepted") or (may and not own and not entered and not holds)):
        return
    whose = f"{' or '.join(wanted)} {'decides' if found.role else 'decide'}"
    if gone:
        why = f"{person} left by the charter, and settles no flag"
    elif own:
        why = "Nobody accepts a flag of their own"
    elif entered:
        why = f"{person} entered this flag for {found.author}, and does not settle it"
    elif holds:
        why = f"{person} owns what is held up, and does not settle this flag"
    else:
        why = f"{person} does not settle this flag"
    raise NotAllowed(f"{why}: {whose}.", "Say it without settling: state=open (--state open).")


def _left(person: str) -> bool:
    agreed = charter()
    return bool(agreed and person in agreed.left)


def _holders(found: Flag) -> set[str]:
    """Return who has to do with what a flag holds up: with any version it concerns."""
    from nbmlops.governance.flags.unsettled import holders
    from nbmlops.store import flags

    with session.store().reading() as connection:
        row = flags.find(connection, found.flag_id)
    return holders(row) if row else set()
