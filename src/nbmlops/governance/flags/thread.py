"""Answers to a flag: appended by anybody, and by whoever may they settle it."""

from __future__ import annotations

from typing import Any

from nbmlops.errors import Conflict, Invalid, NotAllowed
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
    Where no charter names roles anybody may.

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
        flags.answer(change, found.flag_id, said, None if said["state"] == OPEN else said["at"], who)


def _told(found: Flag) -> Flag:
    from dataclasses import replace

    from nbmlops.governance.flags.telling import answered

    return replace(found, told=answered(found))


def _check_may(found: Flag, state: str, person: str) -> None:
    """Refuse to change the state of a flag that is not this person's to settle; a word in the thread is everybody's."""
    if state == found.state or (played := roles_of(person)) is None:
        return
    wanted = (found.role,) if found.role else SETTLING
    own, owner = person in (found.author, found.entered_by), person == found.owner
    may = bool(set(played) & set(wanted)) or owner
    if (own and state != "accepted") or (may and not own and not (owner and found.severity == "blocking")):
        return
    whose = f"{' or '.join(wanted)} {'decides' if found.role else 'decide'}"
    if own:
        why = "Nobody accepts a flag of their own"
    elif owner and found.severity == "blocking":
        why = f"{person} owns what is held up, and does not settle this flag"
    else:
        why = f"{person} does not settle this flag"
    raise NotAllowed(f"{why}: {whose}.", "Say it without settling: state=open (--state open).")
