"""Blocks of predictions and what came back for them, in SQL.

A block is what one version said at once. The ids of its predictions are one prefix of 28 characters and a number of
eight hexadecimal digits, so that an id alone finds its block, and the feedback of a block is one range of an index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nbmlops.records import BLOCK, in_block
from nbmlops.store.database import Store, Transaction
from nbmlops.store.tables import feedback, predictions

__all__ = [
    *("Block", "batches", "blocks", "expired", "feedback_of", "find", "known", "newest", "periods"),
    *("place_in", "replace", "unmatched"),
]

MOST = 500  # values in one statement


@dataclass(frozen=True)
class Block:
    """What was predicted at once: by which version, when, for whom, how many rows, and where they are."""

    prediction_id: str  # of the first
    model: str
    version: int
    run_id: str | None
    at: str
    batch: str | None
    rows: int
    caller: str | None
    latency_s: float | None
    inputs: bool  # whether what it was said of is still kept
    data: Mapping[str, Any] | None
    digest: str | None

    @property
    def last(self) -> str:
        """The id of the last prediction."""
        return in_block(self.prediction_id, self.rows - 1)


def place_in(block: Block, prediction_id: str) -> int | None:
    """Return the place of a prediction in a block, None where it has none there."""
    try:
        place = int(prediction_id[BLOCK:], 16) - int(block.prediction_id[BLOCK:], 16)
    except ValueError:
        return None
    same = prediction_id[:BLOCK] == block.prediction_id[:BLOCK] and len(prediction_id) == len(block.prediction_id)
    return place if same and 0 <= place < block.rows else None


def find(store: Store, prediction_id: str) -> tuple[Block, int] | None:
    """Return the block of a prediction and its place there, or None."""
    ids = predictions.c.prediction_id
    query = sa.select(predictions).where(ids <= prediction_id).order_by(ids.desc()).limit(1)
    with store.reading() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    block = _block(row)
    place = place_in(block, prediction_id)
    return None if place is None else (block, place)


def known(store: Store, ids: Sequence[str]) -> set[str]:
    """Return which of some prediction ids exist."""
    firsts = list(dict.fromkeys(first for i in ids for first in (f"{i[:BLOCK]}00000000", i)))
    found: dict[str, list[Block]] = {}
    for row in _in(store, predictions, predictions.c.prediction_id, firsts):
        found.setdefault(row["prediction_id"][:BLOCK], []).append(_block(row))
    return {i for i in ids if any(place_in(b, i) is not None for b in found.get(i[:BLOCK], ()))}


def blocks(
    store: Store,
    model: str,
    version: int | None = None,
    batch: str | None = None,
    after: str | None = None,
    until: str | None = None,
) -> list[Block]:
    """Return the blocks of a model, oldest first.

    Parameters
    ----------
    store : Store
    model : str
    version : int, optional
    batch : str, optional
        The label the predictions were made under, such as a month.
    after, until : str, optional
        Only those made after the one time, and not after the other.
    """
    c = predictions.c
    limits = ((c.version, version), (c.batch, batch))
    query = sa.select(predictions).where(c.model == model, *(column == v for column, v in limits if v is not None))
    query = query if after is None else query.where(c.at > after)
    query = query if until is None else query.where(c.at <= until)
    with store.reading() as connection:
        return [_block(row) for row in connection.execute(query.order_by(c.at, c.prediction_id)).mappings()]


def batches(store: Store, model: str) -> list[str]:
    """Return the labels a model's predictions were made under."""
    query = sa.select(predictions.c.batch).where(predictions.c.model == model, predictions.c.batch.is_not(None))
    with store.reading() as connection:
        return sorted(connection.scalars(query.distinct()))


def periods(store: Store, model: str, version: int | None = None) -> list[dict[str, Any]]:
    """Return each label predictions were made under, oldest first: batch (None where none), first_at, last_at, known.

    Parameters
    ----------
    store : Store
    model : str
    version : int, optional
        Of this version alone.
    """
    found: dict[str | None, dict[str, Any]] = {}
    made = blocks(store, model, version)
    for block, outcomes in zip(made, _outcomes(store, made), strict=True):
        row = found.setdefault(block.batch, {"batch": block.batch, "first_at": block.at, "last_at": "", "known": 0})
        row["last_at"] = max(row["last_at"], block.at)
        row["known"] += outcomes
    return sorted(found.values(), key=lambda row: (row["first_at"], row["batch"] or ""))


def feedback_of(store: Store, made: Iterable[Block], kind: str | None = "outcome") -> list[dict[str, Any]]:
    """Return the feedback of blocks, oldest first; ``kind`` None is every kind."""
    c, found = feedback.c, []
    with store.reading() as connection:
        for low, high in _spans(made):
            query = sa.select(feedback).where(c.prediction_id.between(low, high))
            query = query if kind is None else query.where(c.kind == kind)
            found += [_said(row) for row in connection.execute(query.order_by(c.id)).mappings()]
    return sorted(found, key=lambda row: row["id"])


def newest(store: Store, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the feedback of every kind for some prediction ids, oldest first."""
    found = [_said(row) for row in _in(store, feedback, feedback.c.prediction_id, ids)]
    return sorted(found, key=lambda row: row["id"])


def unmatched(store: Store, model: str) -> list[dict[str, Any]]:
    """Return what came back under a key of which no prediction was known then, oldest first."""
    c = feedback.c
    query = sa.select(feedback).where(sa.literal_column("prediction_id = ''"), c.model == model).order_by(c.id)
    with store.reading() as connection:
        return [_said(row) for row in connection.execute(query).mappings()]


def expired(store: Store, before: str) -> list[Block]:
    """Return the blocks made before a time that still keep what they were made of."""
    c = predictions.c
    query = sa.select(predictions).where(c.at < before, c.inputs == 1).order_by(c.at, c.prediction_id)
    with store.reading() as connection:
        return [_block(row) for row in connection.execute(query).mappings()]


def replace(change: Transaction, block: Block, data: Mapping[str, Any] | None, digest: str | None) -> None:
    """Put other content in the place of a block's, without what it was made of."""
    text = None if data is None else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    of = predictions.c.prediction_id == block.prediction_id
    change.connection.execute(sa.update(predictions).where(of).values(data=text, digest=digest, inputs=0))


def _block(row: sa.RowMapping) -> Block:
    data = json.loads(row["data"]) if row["data"] else None
    return Block(**{**row, "inputs": bool(row["inputs"]), "data": data})


def _said(row: sa.RowMapping) -> dict[str, Any]:
    return {**row, "outcome": json.loads(row["outcome"])}


def _in(store: Store, table: sa.Table, column: Any, values: Sequence[str]) -> list[sa.RowMapping]:
    found: list[sa.RowMapping] = []
    with store.reading() as connection:
        for start in range(0, len(values), MOST):
            query = sa.select(table).where(column.in_(values[start : start + MOST]))
            found += list(connection.execute(query).mappings())
    return found


def _spans(made: Iterable[Block]) -> list[tuple[str, str]]:
    return [(block.prediction_id, block.last) for block in made]


def _outcomes(store: Store, made: Sequence[Block]) -> list[int]:
    """Return of how many predictions of each block an outcome is known."""
    c, counts = feedback.c, []
    count = sa.select(sa.func.count(c.prediction_id.distinct())).where(c.kind == "outcome")
    with store.reading() as connection:
        for low, high in _spans(made):
            counts.append(int(connection.scalar(count.where(c.prediction_id.between(low, high))) or 0))
    return counts
