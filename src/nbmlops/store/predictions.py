"""Predictions made and outcomes that came back: what was said, never the rows it was said of."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import sqlalchemy as sa

from nbmlops.store.database import Store
from nbmlops.store.tables import feedback, predictions

__all__ = ["batches", "find", "joined", "known", "newest_outcomes", "periods"]


def find(store: Store, prediction_id: str) -> dict[str, Any] | None:
    """Return one prediction with the feedback it got, or None."""
    with store.reading() as connection:
        row = (
            connection.execute(sa.select(predictions).where(predictions.c.prediction_id == prediction_id))
            .mappings()
            .first()
        )
        if row is None:
            return None
        said = connection.execute(
            sa.select(feedback).where(feedback.c.prediction_id == prediction_id).order_by(feedback.c.id)
        )
        outcomes = [{**f, "outcome": json.loads(f["outcome"])} for f in said.mappings()]
    return {**row, "value": json.loads(row["value"]), "feedback": outcomes}


def known(store: Store, ids: list[str]) -> set[str]:
    """Return which of some prediction ids exist."""
    found: set[str] = set()
    with store.reading() as connection:
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            query = sa.select(predictions.c.prediction_id).where(predictions.c.prediction_id.in_(part))
            found.update(connection.scalars(query))
    return found


def newest_outcomes(store: Store, ids: list[str]) -> dict[tuple[str, str], Any]:
    """Return (prediction id, source) to the newest outcome, for the ids that got one."""
    found: dict[tuple[str, str], Any] = {}
    columns = (feedback.c.prediction_id, feedback.c.source, feedback.c.outcome)
    with store.reading() as connection:
        for start in range(0, len(ids), 500):
            query = sa.select(*columns).where(feedback.c.prediction_id.in_(ids[start : start + 500]))
            for prediction_id, source, outcome in connection.execute(query.order_by(feedback.c.id)):
                found[prediction_id, source] = json.loads(outcome)
    return found


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
    c = predictions.c
    told = sa.exists().where(feedback.c.prediction_id == c.prediction_id)
    known_rows = sa.func.sum(sa.case((told, 1), else_=0)).label("known")
    query = sa.select(c.batch, sa.func.min(c.at).label("first_at"), sa.func.max(c.at).label("last_at"), known_rows)
    query = query.where(c.model == model).group_by(c.batch)
    query = query if version is None else query.where(c.version == version)
    with store.reading() as connection:
        found = [{**row, "known": int(row["known"])} for row in connection.execute(query).mappings()]
    return sorted(found, key=lambda row: (row["first_at"], row["batch"] or ""))


def joined(
    store: Store,
    model: str,
    version: int | None = None,
    batch: str | None = None,
    after: str | None = None,
    until: str | None = None,
) -> list[dict[str, Any]]:
    """Return predictions with their newest outcome: value, probability, outcome (None where none came).

    Parameters
    ----------
    store : Store
    model : str
        The model's name.
    version : int, optional
    batch : str, optional
        The label the predictions were made under, such as a month.
    after, until : str, optional
        Only those made after the one time, and not after the other.
    """
    said = sa.select(feedback.c.outcome).where(feedback.c.prediction_id == predictions.c.prediction_id)
    newest = said.order_by(feedback.c.id.desc()).limit(1).scalar_subquery()  # one index look-up a row
    said_of = (predictions.c.value, predictions.c.probability)
    query = sa.select(*said_of, newest.label("outcome")).where(predictions.c.model == model)
    if version is not None:
        query = query.where(predictions.c.version == version)
    if batch is not None:
        query = query.where(predictions.c.batch == batch)
    query = query if after is None else query.where(predictions.c.at > after)
    query = query if until is None else query.where(predictions.c.at <= until)
    decode = cache(json.loads)  # few labels, many rows
    with store.reading() as connection:
        result = connection.execute(query.order_by(predictions.c.at, predictions.c.prediction_id))
        names = tuple(result.keys())
        rows = [dict(zip(names, row, strict=True)) for row in result]
    for row in rows:
        row["value"] = decode(row["value"])
        row["outcome"] = None if row["outcome"] is None else decode(row["outcome"])
    return rows
