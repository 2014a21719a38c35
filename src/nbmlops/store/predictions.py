"""Blocks of predictions and what came back for them, in SQL.

A block is what one version said at once. The ids of its predictions are one prefix of 28 characters and a number of
eight hexadecimal digits, so that an id alone finds its block, and the feedback of a block is one range of an index.
"""

from __future__ import annotations

import json
import operator as op
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from nbmlops.records import BLOCK
from nbmlops.store.database import Store, Transaction
from nbmlops.store.tables import feedback, meta, predictions

__all__ = [
    *("ID", "Block", "answered", "batches", "blocks", "expired", "feedback_of", "find", "holders", "known", "made"),
    *("models_of", "newest", "newest_first", "overview", "periods", "place_in", "pruned", "pruned_at", "replace"),
    "unmatched",
]

MOST = 500  # values in one statement
PRUNED = "predictions_pruned"  # the key in ``meta`` of when it was last asked what is expired
CAME = tuple(column.name for column in feedback.c)
DIGITS = re.compile(r"[0-9a-f]{8}")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DAY = sa.case((predictions.c.batch.is_(None), sa.func.substr(predictions.c.at, 1, 10)), else_="")  # where no label is
OF_BLOCK = feedback.c.prediction_id.between(predictions.c.prediction_id, predictions.c.last_id)


@dataclass(frozen=True)
class Block:
    """What was predicted at once: by which version, when, for whom, how many rows, and where they are."""

    prediction_id: str  # of the first
    last_id: str
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


def place_in(block: Block, prediction_id: str) -> int | None:
    """Return the place of a prediction in a block, None where it has none there."""
    number = _number(prediction_id)
    if number is None or prediction_id[:BLOCK] != block.prediction_id[:BLOCK]:
        return None
    place = number - int(block.prediction_id[BLOCK:], 16)
    return place if 0 <= place < block.rows else None


def find(store: Store, prediction_id: str) -> tuple[Block, int] | None:
    """Return the block of a prediction and its place there, or None."""
    if not ID.fullmatch(prediction_id):  # not every database can be asked for any text
        return None
    ids = predictions.c.prediction_id
    query = sa.select(predictions).where(ids <= prediction_id).order_by(ids.desc()).limit(1)
    with store.reading() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    block = _block(row)
    place = place_in(block, prediction_id)
    return None if place is None else (block, place)


def known(store: Store, ids: Sequence[str], model: str | None = None) -> set[str]:
    """Return which of some prediction ids exist, or are those of one model."""
    firsts = {f"{i[:BLOCK]}00000000" for i in ids}
    held = _held(store, firsts, model)
    found = {i for i in ids if _in_one(held, i)}
    rest = {i for i in ids if i not in found} - firsts  # those of schema 6 are blocks of one
    held = _held(store, rest, model)
    return found | {i for i in rest if _in_one(held, i)}


def newest_first(store: Store, model: str, version: int | None = None, after: str | None = None) -> Iterator[Block]:
    """Yield the blocks of a model, the one made last first; of the contents no more are read than are asked for."""
    c = predictions.c
    query = (
        sa.select(c.prediction_id)
        .where(*_which(model, version, after=after))
        .order_by(c.at.desc(), c.prediction_id.desc())
    )
    with store.reading() as connection:
        ids = list(connection.scalars(query))
    for start in range(0, len(ids), MOST):
        page = ids[start : start + MOST]
        found = {row.prediction_id: row._mapping for row in _in(store, (predictions,), c.prediction_id, page)}
        yield from (_block(found[i]) for i in page if i in found)


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
    query = sa.select(predictions).where(*_which(model, version, batch, after, until))
    order = (predictions.c.at, predictions.c.prediction_id)
    with store.reading() as connection:
        return [_block(row) for row in connection.execute(query.order_by(*order)).mappings()]


def made(store: Store, model: str, after: str | None = None, until: str | None = None) -> int:
    """Return how many predictions a model made after the one time, and not after the other."""
    query = sa.select(sa.func.sum(predictions.c.rows)).where(*_which(model, after=after, until=until))
    with store.reading() as connection:
        return int(connection.scalar(query) or 0)


def batches(store: Store, model: str) -> list[str]:
    """Return the labels a model's predictions were made under."""
    query = sa.select(predictions.c.batch).where(predictions.c.model == model, predictions.c.batch.is_not(None))
    with store.reading() as connection:
        return sorted(connection.scalars(query.distinct()))


def periods(store: Store, model: str, version: int | None = None, late: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return each label predictions were made under, oldest first: batch (None where none), first_at, last_at, known.

    Parameters
    ----------
    store : Store
    model : str
    version : int, optional
        Of this version alone.
    late : collection of str
        Predictions whose outcome came under their key before they were known: these are known too.
    """
    c = predictions.c
    known_rows = sa.func.count(feedback.c.prediction_id.distinct()).label("known")
    came = sa.and_(OF_BLOCK, feedback.c.kind == "outcome")
    query = sa.select(c.batch, sa.func.min(c.at).label("first_at"), sa.func.max(c.at).label("last_at"), known_rows)
    query = query.select_from(predictions.outerjoin(feedback, came)).where(*_which(model, version)).group_by(c.batch)
    with store.reading() as connection:
        found = [dict(row) for row in connection.execute(query).mappings()]
    more = Counter(block.batch for block in _of_late(store, model, late) if version in (None, block.version))
    for row in found:
        row["known"] = int(row["known"]) + more[row["batch"]]
    return sorted(found, key=lambda row: (row["first_at"], row["batch"] or ""))


def _of_late(store: Store, model: str, ids: Collection[str]) -> list[Any]:
    """Return version, batch and day of the block of each of some predictions for which no outcome came by its id."""
    if not ids:
        return []
    told = {row["prediction_id"] for row in newest(store, list(ids)) if row["kind"] == "outcome"}
    c = predictions.c
    query = sa.select(c.prediction_id, c.version, c.batch, DAY.label("day")).where(c.model == model)
    with store.reading() as connection:
        made = list(connection.execute(query))
    made.sort(key=lambda block: block.prediction_id)  # by character, which not every database sorts by
    firsts = [block.prediction_id for block in made]
    return [made[bisect_right(firsts, i) - 1] for i in {*ids} - told]


def feedback_of(
    store: Store,
    model: str,
    version: int | None = None,
    batch: str | None = None,
    after: str | None = None,
    until: str | None = None,
    kind: str | None = "outcome",
) -> list[dict[str, Any]]:
    """Return the feedback of the predictions that :func:`blocks` would return, oldest first; any kind where None."""
    wanted = [] if kind is None else [feedback.c.kind == kind]
    query = sa.select(feedback).join(predictions, OF_BLOCK)
    query = query.where(*_which(model, version, batch, after, until), *wanted).order_by(feedback.c.id)
    with store.reading() as connection:
        return list(map(_said, connection.execute(query)))


def newest(store: Store, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the feedback of every kind for some prediction ids, oldest first."""
    some, many = _apart(ids)
    found = [_said(row) for row in _in(store, (feedback,), feedback.c.prediction_id, some)]
    with store.reading() as connection:
        for prefix, wanted in many:
            of = feedback.c.prediction_id.between(f"{prefix}00000000", f"{prefix}ffffffff")
            found += [
                row
                for row in map(_said, connection.execute(sa.select(feedback).where(of)))
                if row["prediction_id"] in wanted
            ]
    return sorted(found, key=lambda row: row["id"])


def unmatched(store: Store, model: str, kind: str | None = None) -> list[dict[str, Any]]:
    """Return what came back under a key of which no prediction was known then, oldest first; any kind where None."""
    c = feedback.c
    wanted = [] if kind is None else [c.kind == kind]
    query = sa.select(feedback).where(sa.literal_column("prediction_id = ''"), c.model == model, *wanted)
    with store.reading() as connection:
        return list(map(_said, connection.execute(query.order_by(c.id))))


def expired(store: Store, before: str, most: int) -> Iterator[list[Block]]:
    """Yield the blocks made before a time that still keep what they were made of, so many at once."""
    c = predictions.c
    query = sa.select(predictions).where(c.at < before, c.inputs == 1).order_by(c.prediction_id).limit(most)
    after = ""
    while True:
        with store.reading(sync=not after) as connection:
            page = [_block(row) for row in connection.execute(query.where(c.prediction_id > after)).mappings()]
        if not page:
            return
        yield page
        after = page[-1].prediction_id


def overview(store: Store, model: str, late: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return what a model predicted, by version and label, or day where there is none: oldest first.

    Each with version, batch, day, first_at, last_at, rows, known (outcomes; ``late`` as of :func:`periods`),
    with_inputs (rows).
    """
    c = predictions.c
    by = (c.version, c.batch, DAY.label("day"))
    kept = sa.func.sum(sa.case((c.inputs == 1, c.rows), else_=0)).label("with_inputs")
    times = (sa.func.min(c.at).label("first_at"), sa.func.max(c.at).label("last_at"))
    made = sa.select(*by, *times, sa.func.sum(c.rows).label("rows"), kept).where(c.model == model).group_by(*by)
    count = sa.func.count(feedback.c.prediction_id.distinct()).label("known")
    came = predictions.join(feedback, sa.and_(OF_BLOCK, feedback.c.kind == "outcome"))
    known_of = sa.select(*by, count).select_from(came).where(c.model == model).group_by(*by)
    with store.reading() as connection:
        known_rows = {tuple(row[:3]): int(row[3]) for row in connection.execute(known_of)}
        found = [dict(row) for row in connection.execute(made).mappings()]
    more = Counter((block.version, block.batch, block.day) for block in _of_late(store, model, late))
    for row in found:
        row |= {name: int(row[name] or 0) for name in ("rows", "with_inputs")}
        of = (row["version"], row["batch"], row["day"])
        row["known"] = known_rows.get(of, 0) + more[of]
    return sorted(found, key=lambda row: (row["first_at"], row["version"]))


def models_of(store: Store) -> list[str]:
    """Return the models that predicted something."""
    with store.reading() as connection:
        return sorted(connection.scalars(sa.select(predictions.c.model).distinct()))


def answered(store: Store) -> set[tuple[str, int]]:
    """Return the model and version of predictions of which something came back: an outcome, a flag, an opinion."""
    back = sa.exists().where(feedback.c.prediction_id.between(predictions.c.prediction_id, predictions.c.last_id))
    query = sa.select(predictions.c.model, predictions.c.version).where(back).distinct()
    with store.reading() as connection:
        return {(str(model), int(version)) for model, version in connection.execute(query)}


def holders(store: Store, digest: str) -> int:
    """Return how many blocks are in the file of a digest."""
    count = sa.select(sa.func.count()).where(predictions.c.digest == digest)
    with store.reading(sync=False) as connection:
        return int(connection.scalar(count) or 0)


def pruned_at(store: Store) -> str:
    """Return when it was last asked what is expired; "" where never."""
    query = sa.select(meta.c.value).where(meta.c.key == PRUNED)
    with store.reading(sync=False) as connection:
        return str(connection.scalar(query) or "")


def pruned(change: Transaction, at: str) -> None:
    """Remember when it was asked what is expired."""
    if not change.connection.execute(meta.update().where(meta.c.key == PRUNED).values(value=at)).rowcount:
        change.connection.execute(meta.insert().values(key=PRUNED, value=at))


def replace(change: Transaction, block: Block, data: Mapping[str, Any] | None, digest: str | None) -> None:
    """Put other content in the place of a block's, without what it was made of."""
    text = None if data is None else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    of = predictions.c.prediction_id == block.prediction_id
    change.connection.execute(sa.update(predictions).where(of).values(data=text, digest=digest, inputs=0))


def _which(
    model: str,
    version: int | None = None,
    batch: str | None = None,
    after: str | None = None,
    until: str | None = None,
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of blocks; None asks nothing."""
    c = predictions.c
    limits = ((c.version, op.eq, version), (c.batch, op.eq, batch), (c.at, op.gt, after), (c.at, op.le, until))
    return [c.model == model, *(compare(column, value) for column, compare, value in limits if value is not None)]


def _block(row: sa.RowMapping) -> Block:
    data = json.loads(row["data"]) if row["data"] else None
    return Block(**{**row, "inputs": bool(row["inputs"]), "data": data})


def _said(row: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(CAME, row, strict=True))
    found["outcome"] = _outcome(found["outcome"])
    return found


@lru_cache(maxsize=1024)  # a million outcomes are a few different ones
def _outcome(text: str) -> Any:
    return json.loads(text)


def _in(store: Store, wanted: Sequence[Any], column: Any, values: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    with store.reading() as connection:
        for start in range(0, len(values), MOST):
            query = sa.select(*wanted).where(column.in_(values[start : start + MOST]))
            found += list(connection.execute(query))
    return found


def _held(store: Store, firsts: Iterable[str], model: str | None) -> dict[str, list[tuple[int, int]]]:
    """Return by prefix the numbers that blocks begin with, and how many there are; each is named by its first id."""
    found: dict[str, list[tuple[int, int]]] = {}
    c = predictions.c
    for first, rows, of in _in(store, (c.prediction_id, c.rows, c.model), c.prediction_id, sorted(firsts)):
        if model is not None and of != model:
            continue
        found.setdefault(first[:BLOCK], []).append((_number(first) or 0, rows))
    return found


def _in_one(held: Mapping[str, list[tuple[int, int]]], prediction_id: str) -> bool:
    spans = held.get(prediction_id[:BLOCK])
    number = _number(prediction_id) if spans else None
    return number is not None and any(0 <= number - first < rows for first, rows in spans or ())


def _number(prediction_id: str) -> int | None:
    """Return the number an id ends in, None where it ends in none."""
    digits = prediction_id[BLOCK:]
    return int(digits, 16) if DIGITS.fullmatch(digits) else None


def _apart(ids: Sequence[str]) -> tuple[list[str], list[tuple[str, set[str]]]]:
    """Return ids to be asked for one by one, and those of which a block holds many: there a range is quicker."""
    by: dict[str, set[str]] = {}
    for one in ids:
        by.setdefault(one[:BLOCK], set()).add(one)
    many = [(prefix, of) for prefix, of in by.items() if len(of) > MOST and len(prefix) == BLOCK]
    return [i for of in by.values() if len(of) <= MOST for i in of], many
