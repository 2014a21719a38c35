"""The charters there were: each recorded as an event with its text, who changed what and when, in words."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Conflict, Invalid, NbmlopsError
from nbmlops.governance.begun import template
from nbmlops.governance.charter import Charter, charter, parsed
from nbmlops.governance.written.changed import changed, undone
from nbmlops.hooks import Shown
from nbmlops.records import plain
from nbmlops.registry import targets
from nbmlops.registry.targets import FILE
from nbmlops.store.folder import digest_of, partial_file
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.store.database import Transaction

__all__ = ["Agreed", "agree", "as_of", "changes", "charter_changes", "digest", "note", "record", "since"]

COLUMNS = ("at", "actor", "known_by", "changed", "digest", "before", "seq", "edited_by")
ACTION = "charter"
HINT = "Bring what is there into the cell, or overwrite it: %%charter --force."


@dataclass(frozen=True, repr=False)
class Agreed(Shown):
    """A charter that was kept: where, what it says otherwise than before, and under which digest its text lies."""

    shows: ClassVar[str] = "agreed"

    path: str
    digest: str
    before: str = ""
    changed: tuple[str, ...] = ()
    written: bool = False  # whether the file is another now
    recorded: bool = False  # whether that is a new event
    missing: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(plain(self))


def agree(text: str, base: str | None = None, force: bool = False) -> Agreed:
    """Keep a text as the project's charter: read whole first, then written at once, and recorded as an event.

    The text that was there is kept too, so nothing is lost. A text that was made from an older charter does not undo
    what was changed since, by hand or by somebody else; what it leaves as it is now it may change.

    Parameters
    ----------
    text : str
        The YAML, comments and all.
    base : str, optional
        Digest of the charter the text was made from; where it is not known, the last one of this notebook.
    force : bool
        Overwrite it nevertheless.

    Returns
    -------
    Agreed

    Raises
    ------
    Invalid
        It cannot be read; nothing is changed.
    Conflict
        It would undo what was changed since; nothing is changed.

    Examples
    --------
    >>> agree("problem: Will it be late").changed  # doctest: +SKIP
    ('begun',)
    """
    data = text.encode("utf-8")
    new, path = parsed(data), targets.find() or session.project().root / FILE
    session.artifacts().put(data)
    with session.store().atomic() as change:
        there = path.read_bytes() if path.is_file() else None
        if there is not None and there != data:
            session.artifacts().put(there)
            if not force:
                _check_newer(change, there, data, base)
        said = _record(change, data, there, **({"notebook": notebook} if (notebook := _notebook()) else {}))
        if there != data:
            _write(path, data)
    where = session.project().relative(path)
    return replace(said, path=where, written=there != data, missing=tuple(m["key"] for m in new.missing))


def record(change: Transaction) -> str | None:
    """Record the charter in a governed change where it is another than the newest recorded one; return its digest.

    Parameters
    ----------
    change : Transaction
        The event becomes part of it.

    Returns
    -------
    str or None
        None where there is no charter. One that cannot be read is recorded as it is: whether the change may be made
        then is for its own rules to say.

    Examples
    --------
    >>> with session.store().atomic() as change:  # doctest: +SKIP
    ...     change.event("alias", "late@champion", {"version": 3, "charter": record(change)}, actor())
    """
    path = targets.find()
    if path is None:
        return None
    return _found(change, path).digest


def note() -> Agreed | None:
    """Record the charter by itself, where it is not the newest recorded one; None without a charter."""
    path = targets.find()
    if path is None:
        return None
    if (known := _newest()) and known["data"]["digest"] == digest_of(path.read_bytes()):
        return Agreed(session.project().relative(path), known["data"]["digest"])
    with session.store().atomic() as change:
        return replace(_found(change, path), path=session.project().relative(path))


def digest() -> str | None:
    """Return the SHA-256 of the charter in force, None without one.

    >>> digest()  # doctest: +SKIP
    '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
    """
    return targets.digest() or None


def as_of(at: str) -> Charter | None:
    """Return the charter as it was recorded at a time, None where none was.

    Parameters
    ----------
    at : str
        UTC, as events have it.

    Raises
    ------
    NotFound
        Its text is gone from the artifacts.

    Examples
    --------
    >>> as_of("2026-03-31T12:00:00+00:00").margin  # doctest: +SKIP
    0.01
    """
    found = [row for row in changes() if row["at"] <= at]
    return _text(found[-1]["digest"]) if found else None


def charter_changes() -> pd.DataFrame:
    """Return every change of the charter, oldest first: who changed what when, in words.

    Returns
    -------
    pandas.DataFrame
        One row a recorded charter: ``at`` (UTC), ``actor``, ``known_by``, ``changed`` (a line a change), ``digest``,
        ``before`` and ``seq`` of the event, ``edited_by``: who wrote it, by git where the file was found as it was
        committed; missing where ``actor`` only found it.

    Examples
    --------
    >>> nb.charter_changes()[["at", "actor", "changed"]]  # doctest: +SKIP
    """
    import pandas as pd

    rows = [{**row, "changed": "\n".join(row["changed"])} for row in changes()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def changes() -> list[dict[str, Any]]:
    """Return the recorded charters as flat rows, oldest first."""
    from nbmlops.store import events

    with session.store().reading() as connection:
        found = events.listed(connection, session.project().name, ACTION)
    return [_row(e) for e in found if e["subject"] == session.project().name]


def since(judged: str | None) -> dict[str, Any]:
    """Return whether the charter has changed since something was judged under it.

    Parameters
    ----------
    judged : str or None
        Digest of the charter of that time.

    Returns
    -------
    dict
        ``state`` (*same*, *changed*, *unknown*), ``at``: when that charter was recorded, ``changed``: in words.

    Examples
    --------
    >>> since("9f86d0...")  # doctest: +SKIP
    {'state': 'changed', 'at': '2026-03-31T12:00:00+00:00', 'changed': ['target roc_auc: at least 0.65, was 0.6']}
    """
    now = charter()
    if judged and now and now.digest == judged:
        return {"state": "same", "at": None, "changed": []}
    recorded = [row["at"] for row in changes() if row["digest"] == judged] if judged else []
    if not recorded or now is None:
        return {"state": "unknown" if now is None or not judged else "changed", "at": None, "changed": []}
    return {"state": "changed", "at": recorded[0], "changed": list(changed(_readable(str(judged)), now))}


def _found(change: Transaction, path: Path) -> Agreed:
    """Record a charter as it lies there, whoever wrote it."""
    text = path.read_bytes()
    if (known := _digest(_latest(change.connection))) == digest_of(text):
        return Agreed("", known)
    return _appended(change, text, known, **_by())


def _record(change: Transaction, text: bytes, there: bytes | None = None, **more: Any) -> Agreed:
    """Append the event of a text, unless it is the newest recorded one, and that of what it takes the place of."""
    before = _digest(_latest(change.connection))
    if there is not None and digest_of(there) not in (before, digest_of(text)):
        before = _appended(change, there, before, **_by()).digest
    if before == digest_of(text):
        return Agreed("", before)
    return _appended(change, text, before, **more)


def _by() -> dict[str, Any]:
    """Return who git says edited the file that is there; where it does not, the event's actor only found it."""
    from nbmlops.capture.environment import last_author

    path = targets.find()
    known = last_author(path.resolve()) if path else None
    return {"edited_by": known[0], "commit": known[1]} if known else {"found": True}


def _appended(change: Transaction, text: bytes, before: str, **more: Any) -> Agreed:
    found = Agreed("", session.artifacts().put(text), before, _changed(before, text), recorded=True)
    about = {"digest": found.digest, "before": before or None, "changed": list(found.changed), **more}
    change.event(ACTION, session.project().name, about, actor())
    return found


def _changed(before: str, text: bytes) -> tuple[str, ...]:
    try:
        new = parsed(text)
    except Invalid:
        return ("cannot be read",)
    old = _readable(before) if before else None
    if before and old is None:
        return ("the one before cannot be read",)
    return changed(old, new) or ("only comments, order or layout",)


def _check_newer(change: Transaction, there: bytes, data: bytes, base: str | None) -> None:
    """Refuse a text that would undo what was changed since the charter it was made from."""
    now, newest = digest_of(there), _latest(change.connection)
    by_hand = _digest(newest) != now
    if now == digest_of(template().encode("utf-8")):  # nobody said anything yet
        return
    who = "by hand" if by_hand or newest is None else f"by {newest['actor']} at {newest['at'][:16]}"
    before = _readable_text(there)
    if before is None:
        raise Conflict(f"{FILE} was changed {who}, and cannot be read.", f"Mend {FILE}, or use %%charter --force.")
    known = base or _made_from(change, digest_of(data)) or (_digest(newest) if by_hand else now)
    if not known:
        raise Conflict(f"{FILE} was written {who}, and nobody recorded it.", HINT)
    # Where the text it was made from cannot be read any more, all that is there may be newer.
    if lost := undone(_readable(known) or Charter(""), before, parsed(data)):
        more = f"; and {len(lost) - 2} more" if lost[2:] else ""
        says = f"{FILE} was changed {who}, after this text, which would undo: {'; '.join(lost[:2])}{more}."
        raise Conflict(says, HINT)


def _made_from(change: Transaction, data: str) -> str:
    """Return the digest of the charter a text was made from: itself if it is an earlier one, else this notebook's."""
    from nbmlops.store import events

    found = events.listed(change.connection, session.project().name, ACTION)
    mine = [e["data"] for e in found if e["subject"] == session.project().name]
    if any(e["digest"] == data for e in mine):
        return data
    return next((str(e["digest"]) for e in reversed(mine) if e.get("notebook") and e["notebook"] == _notebook()), "")


def _notebook() -> str | None:
    from nbmlops.capture.environment import notebook_path

    path = notebook_path()
    return session.project().relative(path) if path else None


def _digest(event: dict[str, Any] | None) -> str:
    return str(event["data"]["digest"]) if event else ""


def _latest(connection: Any) -> dict[str, Any] | None:
    from nbmlops.store import events

    return events.latest(connection, ACTION, session.project().name)


def _newest() -> dict[str, Any] | None:
    with session.store().reading(sync=False) as connection:
        return _latest(connection)


def _text(digest: str) -> Charter:
    return parsed(session.artifacts().get(digest))


def _readable_text(text: bytes) -> Charter | None:
    try:
        return parsed(text)
    except Invalid:
        return None


def _readable(digest: str) -> Charter | None:
    """Return a charter of before; None where its text is gone or is none that this version reads."""
    try:
        return _text(digest)
    except NbmlopsError:
        return None


def _write(path: Path, data: bytes) -> None:
    """Write the file at once: a reader sees the old text or the new one."""
    path = path.resolve()  # of a link the file it leads to
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with partial_file(path.parent, mode) as (file, partial):
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        partial.replace(path)


def _row(event: dict[str, Any]) -> dict[str, Any]:
    data = event["data"]
    row = {k: data.get(k) if k in data else event.get(k) for k in COLUMNS}
    return row | {"edited_by": data.get("edited_by") or (None if data.get("found") else event["actor"])}
