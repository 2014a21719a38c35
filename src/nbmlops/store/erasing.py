"""Take personal rows out of the store's tables, in SQL: what is written is without them, and an event counts them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from nbmlops.errors import Conflict
from nbmlops.store import repeated
from nbmlops.store.database import Store, Transaction, as_json
from nbmlops.store.driver import connect
from nbmlops.store.predictions import Block
from nbmlops.store.tables import artifacts, dataset_versions, events, feedback, flags, model_versions, predictions

__all__ = [
    *("backgrounds", "block", "dataset", "digest_of", "every_feedback", "forget_feedback", "flag", "named"),
    *("overwritten", "referenced", "signature"),
]

ACTION = "erase"
MOST = 500  # values in one statement
STAYS = (
    "of",
    "entered_by",
    "known_by",
    "at",
    "author",
    "state",
)  # of a flag and its answers: what it holds up, whose word
Row = dict[str, Any]


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text: the chain holds no condition, for it may name a person.

    >>> digest_of("key = B17")[:12]
    'c24b8d0e0f5f'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def overwritten(store: Store) -> Iterator[Transaction]:
    """Yield a transaction after which what it deleted is in no free page and no log of SQLite's."""
    with store.atomic() as change:
        if store.path is not None:
            change.connection.exec_driver_sql("PRAGMA secure_delete=ON")
        yield change
    if store.path is not None:
        with connect(store.project) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def every_feedback(store: Store) -> list[Row]:
    """Return every feedback there is, its outcome as text."""
    with store.reading() as connection:
        return [dict(row) for row in connection.execute(sa.select(feedback).order_by(feedback.c.id)).mappings()]


def backgrounds(store: Store) -> list[Row]:
    """Return name, version and signature of the model versions that kept rows to explain answers against."""
    c = model_versions.c
    with store.reading() as connection:
        found = connection.execute(sa.select(c.name, c.version, c.signature).order_by(c.name, c.version)).mappings()
        rows = [{**row, "signature": json.loads(row["signature"])} for row in found]
    return [row for row in rows if row["signature"].get("background")]


def block(change: Transaction, old: Block, data: Mapping[str, Any] | None, digest: str | None, inputs: bool) -> None:
    """Put the content without personal rows in the place of a block's."""
    c = predictions.c
    text = None if data is None else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    same = c.digest.is_(None) if old.digest is None else c.digest == old.digest
    chosen = predictions.update().where(c.prediction_id == old.prediction_id, same)
    _one(change.connection.execute(chosen.values(data=text, digest=digest, inputs=int(inputs))), "A block")


def dataset(change: Transaction, name: str, version: int, old: str, digest: str, size_bytes: int) -> None:
    """Name another file for the kept rows of a version."""
    c = dataset_versions.c
    chosen = dataset_versions.update().where(c.name == name, c.version == version, c.digest == old)
    _one(change.connection.execute(chosen.values(digest=digest, size_bytes=size_bytes)), f"{name}@{version}")


def signature(change: Transaction, name: str, version: int, old: str, background: Mapping[str, Any] | None) -> str:
    """Put another background, or none, into a version's signature; return the hash that its event had of its row."""
    c = model_versions.c
    of = sa.and_(c.name == name, c.version == version)
    row = change.connection.execute(sa.select(model_versions).where(of)).mappings().one()
    said = json.loads(row["signature"])
    kept = said.pop("background", None) or {}
    if kept.get("digest") != old:
        raise _changed(f"{name}@{version}")
    new = said | ({"background": {**kept, **background}} if background else {})
    change.connection.execute(model_versions.update().where(of).values(signature=as_json(new)))
    return repeated.rest("model_versions", dict(row))


def forget_feedback(change: Transaction, ids: Sequence[int]) -> None:
    """Delete feedback by its numbers."""
    for start in range(0, len(ids), MOST):
        change.connection.execute(feedback.delete().where(feedback.c.id.in_(ids[start : start + MOST])))


def flag(change: Transaction, flag_id: str, data: Mapping[str, Any]) -> None:
    """Take away what was said in a flag and its thread; who said it when of what, and how it ended, stays."""
    of = flags.c.flag_id == flag_id
    if _read(change.connection.scalar(sa.select(flags.c.data).where(of))) != data:
        raise _changed(f"Flag {flag_id}")
    left = {"said": _wordless(data["said"]), "thread": [_wordless(answer) for answer in data["thread"]]}
    change.connection.execute(flags.update().where(of).values(data=as_json(left)))


def _read(text: Any) -> Any:
    return None if text is None else json.loads(text)


def _wordless(said: Mapping[str, Any]) -> Row:
    return {"text": "", **{k: said[k] for k in STAYS if k in said}}


def named(store: Store) -> list[str]:
    """Return the digests that earlier erasing named as gone, each once."""
    query = sa.select(events.c.data).where(events.c.action == ACTION).order_by(events.c.seq)
    with store.reading() as connection:
        told = [json.loads(data) for data in connection.scalars(query)]
    return list(dict.fromkeys(d for data in told for d in data.get("digests_before") or ()))


def referenced(store: Store, digests: Iterable[str]) -> set[str]:
    """Return which of some files are still in use by a row of a table."""
    found: set[str] = set()
    with store.reading() as connection:
        for digest in digests:
            queries = [sa.select(t.c.digest).where(t.c.digest == digest) for t in USING]
            queries.append(sa.select(model_versions.c.name).where(model_versions.c.signature.contains(digest)))
            if any(connection.execute(query.limit(1)).first() for query in queries):
                found.add(digest)
    return found


USING = (predictions, dataset_versions, artifacts, model_versions)


def _one(done: Any, what: str) -> None:
    if done.rowcount != 1:
        raise _changed(what)


def _changed(what: str) -> Conflict:
    return Conflict(f"{what} was changed by somebody else meanwhile, so nothing was erased.", "Do it again.")
