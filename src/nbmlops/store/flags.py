"""What people flagged and what others answered, in SQL: what was said lies here, its digest in the event chain.

``data`` of a row is ``said`` (text, evidence, what exactly is meant: never changed) and ``thread`` (answers, appended).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nbmlops.errors import NotFound
from nbmlops.store import governed
from nbmlops.store.database import Store, Transaction, as_json
from nbmlops.store.driver import Connection
from nbmlops.store.tables import events, flags

__all__ = ["add", "answer", "digest_of", "find", "listed", "unfit"]

MOST = 500  # values in one statement
TOLD_OF = ("kind", "severity", "role", "digest", "author", "owner", "at")  # what the event repeats
Row = dict[str, Any]
Actor = tuple[str, str]


def digest_of(said: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what was said, as it is stored.

    >>> digest_of({"text": "why?"})[:12]
    'a795167d6750'
    """
    return hashlib.sha256(as_json(said).encode("utf-8", "surrogatepass")).hexdigest()


def add(change: Transaction, rows: Sequence[Mapping[str, Any]], actor: Actor, charter: str | None = None) -> None:
    """Keep flags, each with its event: all of them or, should one fail, none.

    Parameters
    ----------
    change : Transaction
    rows : sequence of mapping
        The columns of the table but state, digest and data, and ``said``.
    actor : tuple of str
        (name, how known).
    charter : str, optional
        Digest of the one they were made under.
    """
    under = {"charter": charter} if charter else {}
    for row in rows:
        said = row["said"]
        values = {k: v for k, v in row.items() if k != "said"}
        values |= {"state": "open", "digest": digest_of(said), "data": as_json({"said": said, "thread": []})}
        about = {"flag": row["flag_id"], **{k: values[k] for k in TOLD_OF}}
        about |= {"question": bool(said["question"]), **under}
        if governed.installed(change.connection):
            change.made(*governed.flag(change.connection, values, change.told(about, actor)))
            continue
        change.connection.execute(flags.insert().values(**values))
        change.event("flag", row["subject"], about, actor)


def answer(
    change: Transaction,
    flag_id: str,
    said: Mapping[str, Any],
    closed_at: str | None,
    actor: Actor,
    charter: str | None = None,
) -> None:
    """Append an answer to the thread of a flag, with its event; ``said`` holds at, author, known_by, text and state."""
    row = find(change.connection, flag_id)
    if row is None:
        raise NotFound(f"No flag {flag_id!r}.", "Those there are: nbmlops flags.")
    flag_id = row["flag_id"]
    data = row["data"] | {"thread": [*row["data"]["thread"], dict(said)]}
    values = {"state": said["state"], "closed_at": closed_at, "data": as_json(data)}
    about = {"flag": flag_id, "state": said["state"], "digest": digest_of(said)}
    about |= {"charter": charter} if charter else {}
    if governed.installed(change.connection):
        values |= {"flag_id": flag_id}
        change.made(*governed.answer(change.connection, values, change.told(about, actor)))
        return
    change.connection.execute(flags.update().where(flags.c.flag_id == flag_id).values(**values))
    change.event("flag_answer", row["subject"], about, actor)


def find(connection: sa.Connection, flag_id: str) -> Row | None:
    """Return a flag by its id or the end of it, None where there is none or several have that end."""
    c = flags.c.flag_id
    query = sa.select(flags).where(sa.or_(c == flag_id, c.endswith(flag_id, autoescape=True))).limit(2)
    found = [_row(row) for row in connection.execute(query).mappings()]
    return _owned(connection, found)[0] if len(found) == 1 else None


def listed(store: Store, subjects: Iterable[str] | None = None, **equal: Any) -> list[Row]:
    """Return flags, the oldest first.

    Parameters
    ----------
    store : Store
    subjects : iterable of str, optional
        Only those of these subjects.
    **equal
        Columns and the value each must have; None asks nothing.
    """
    query = sa.select(flags).order_by(flags.c.at, flags.c.flag_id)
    for name, value in equal.items():
        query = query if value is None else query.where(flags.c[name] == value)
    wanted = None if subjects is None else list(dict.fromkeys(subjects))
    parts = [None] if wanted is None else [wanted[i : i + MOST] for i in range(0, len(wanted), MOST)]
    found: list[Row] = []
    with store.reading() as connection:
        for part in parts:
            chosen = query if part is None else query.where(flags.c.subject.in_(part))
            found += [_row(row) for row in connection.execute(chosen).mappings()]
        found = _owned(connection, found)
    return sorted(found, key=lambda row: (row["at"], row["flag_id"]))


def unfit(connection: Connection) -> list[str]:
    """Return the flags that are not what the event chain says: added, removed, changed, or closed without an event.

    Parameters
    ----------
    connection : Connection
        Of the bare driver, reading.
    """
    names = ("action", "subject", "data")
    told = [dict(zip(names, row, strict=True)) for row in connection.execute(TOLD).fetchall()]
    erasing = [_mapping(row["data"]) for row in told if (row["action"], row["subject"]) == ("erase", "flags")]
    erased = {str(digest) for event in erasing for digest in event.get("digests_before") or ()}
    said = [{**_mapping(row["data"]), "subject": row["subject"]} for row in told if row["action"] != "erase"]
    known: dict[str, list[Row]] = {}
    for event in said:
        known.setdefault(str(event.get("flag")), []).append(event)
    silent = {
        (e["subject"], str(e.get("digest"))) for e in known.pop("None", ())
    }  # these do not say of which flag they are
    rows = {row[0]: row for row in connection.execute(STORED).fetchall()}
    gone = [i for i in known if i not in rows]
    subject, digest = FIELDS.index("subject"), FIELDS.index("digest")
    unsaid = {i for i, row in rows.items() if i not in known and (row[subject], row[digest]) in silent}
    return sorted(
        [*gone, *(i for i, row in rows.items() if i not in unsaid and not _fits(row, known.get(i, []), erased))]
    )


TOLD = "SELECT action, subject, data FROM events WHERE action IN ('flag', 'flag_answer', 'erase') ORDER BY seq"
FIELDS = ("flag_id", "state", "closed_at", "data", "subject", *TOLD_OF)
STORED = f"SELECT {', '.join(FIELDS)} FROM flags"


def _fits(values: Sequence[Any], said: Sequence[Mapping[str, Any]], erased: Container[str]) -> bool:
    """Tell whether a stored flag is what its events say; of what was erased only the digest is left."""
    row = dict(zip(FIELDS, values, strict=True))
    if not said:
        return False
    first, *answers = said
    if any(first[k] != row[k] for k in ("subject", *TOLD_OF) if k in first):  # events of before repeat less
        return False
    if row["state"] != (answers[-1].get("state") if answers else "open"):
        return False
    data, texts = _mapping(row["data"]), _texts(row["data"])
    thread = data.get("thread") or []
    gone = row["digest"] in erased
    if not _same(data.get("said") or {}, row["digest"], gone, texts[:1]):
        return False
    if gone and not thread:  # erased before this, with the thread
        return True
    if len(thread) != len(answers) or not all(
        _same(a, e.get("digest"), gone, texts[n : n + 1]) and a.get("state") == e.get("state")
        for n, (a, e) in enumerate(zip(thread, answers, strict=True), 1)
    ):
        return False
    return bool(row["closed_at"] == (None if row["state"] == "open" else thread[-1].get("at")))


def _same(said: Mapping[str, Any], digest: Any, erased: bool, text: Sequence[str]) -> bool:
    """Tell whether somebody said this, as it stands or in our own form, or said something that was erased since."""
    if erased and not said.get("text"):
        return True
    return any(hashlib.sha256(t.encode("utf-8", "surrogatepass")).hexdigest() == digest for t in text) or (
        digest_of(said) == digest
    )


def _texts(data: str) -> list[str]:
    """Return the texts of what was said and of each answer as they stand: a server hashed these, however written."""
    read, begins, found = json.JSONDecoder().raw_decode, len('{"said":'), list[str]()
    try:
        while not found or data[begins] != "]":
            ends = read(data, begins)[1]
            found.append(data[begins:ends])
            begins = ends + (len(',"thread":[') if len(found) == 1 else data[ends] == ",")
    except (ValueError, IndexError, RecursionError):
        return []
    return found


def _owned(connection: sa.Connection, rows: list[Row]) -> list[Row]:
    """Return flags with whose they are: those of a model that was handed over while they were open are the new owner's.

    The rows stay as their events say; as with versions of a model, the log says whose they are now.
    """
    if not rows:
        return rows
    c, given = events.c, dict[str, list[tuple[str, str]]]()
    query = sa.select(c.subject, c.at, c.data).where(c.action == "handover").order_by(c.seq)
    for name, at, data in connection.execute(query):
        given.setdefault(name, []).append((at, json.loads(data)["to"]))
    return [{**row, "owner": _owner(row, given.get(_model(row), ()))} for row in rows]


def _owner(row: Row, given: Iterable[tuple[str, str]]) -> str | None:
    until = row["closed_at"]
    taken = [person for at, person in given if row["at"] <= at and (until is None or at <= until)]
    return str(taken[-1]) if taken else row["owner"]


def _model(row: Row) -> str:
    """Return the name of the model a flag is about; empty where it is about something else."""
    if row["kind"] == "prediction":
        of = (row["data"]["said"] or {}).get("of") or ("",)
        return str(of[0]).partition("@")[0]
    about_one = row["kind"] in ("model", "feature", "segment")
    return str(row["subject"]).partition("@")[0].partition(":")[0] if about_one else ""


def _mapping(text: str) -> Row:
    """Return what an event or a row holds; nothing where somebody made it unreadable."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _row(row: sa.RowMapping) -> Row:
    return {**row, "data": json.loads(row["data"])}
