"""What was observed of model versions, the episodes that follow, and the alerts about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nbmlops.store.database import Store, Transaction, as_json
from nbmlops.store.tables import alerts, episodes, observations

__all__ = ["add_alert", "alerted", "claim", "history", "listed", "observe", "opened", "put", "seen", "settle"]

Row = dict[str, Any]


def seen(change: Transaction, model: str, version: int, names: Iterable[str]) -> set[str]:
    """Return those names under which this version was observed before."""
    c = observations.c
    query = sa.select(c.name).where(c.model == model, c.version == version, c.name.in_(list(names)))
    return set(change.connection.scalars(query))


def history(change: Transaction, model: str, version: int, most: int) -> list[list[list[str]]]:
    """Return the levels of the newest observations, oldest first: code, column and level of what did not pass."""
    c = observations.c
    query = sa.select(c.levels).where(c.model == model, c.version == version).order_by(c.number.desc()).limit(most)
    return [json.loads(text) for text in change.connection.scalars(query)][::-1]


def observe(change: Transaction, model: str, version: int, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append observations (name, at, levels) in their order."""
    c = observations.c
    newest = sa.select(sa.func.max(c.number)).where(c.model == model, c.version == version)
    first = int(change.connection.scalar(newest) or 0) + 1
    for number, row in enumerate(rows, first):
        values = {"model": model, "version": version, "number": number, "name": row["name"], "at": row["at"]}
        change.connection.execute(observations.insert().values(**values, levels=as_json(row["levels"])))


def opened(change: Transaction, model: str, version: int) -> list[Row]:
    """Return the episodes of a version that are not closed."""
    c = episodes.c
    query = sa.select(episodes).where(c.model == model, c.version == version, c.closed_at.is_(None))
    return [dict(row) for row in change.connection.execute(query.order_by(c.episode_id)).mappings()]


def put(change: Transaction, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write episodes as they are now, those that are new and those that went on."""
    for row in rows:
        same = episodes.c.episode_id == row["episode_id"]
        if not change.connection.execute(episodes.update().where(same).values(dict(row))).rowcount:
            change.connection.execute(episodes.insert().values(dict(row)))


def listed(store: Store, model: str | None = None, version: int | None = None, state: str | None = None) -> list[Row]:
    """Return episodes, the one opened last first."""
    query = sa.select(episodes)
    for name, value in (("model", model), ("version", version), ("state", state)):
        query = query if value is None else query.where(episodes.c[name] == value)
    with store.reading() as connection:
        found = connection.execute(query.order_by(episodes.c.opened_at.desc(), episodes.c.episode_id.desc()))
        return [dict(row) for row in found.mappings()]


def add_alert(change: Transaction, data: Mapping[str, Any], channels: Iterable[str]) -> None:
    """Keep an alert once for each channel it has to go through."""
    about = {k: data[k] for k in ("alert_id", "model", "version", "at")}
    for channel in channels:
        change.connection.execute(alerts.insert().values(**about, channel=channel, data=as_json(data), tries=0))


def alerted(store: Store) -> list[Row]:
    """Return alerts, one row for each channel, the newest first."""
    order = (alerts.c.at.desc(), alerts.c.alert_id.desc(), alerts.c.channel)
    with store.reading() as connection:
        rows = connection.execute(sa.select(alerts).order_by(*order)).mappings()
        return [{**row, "data": json.loads(row["data"])} for row in rows]


def claim(change: Transaction, at: str, given_up: str, channels: Iterable[str], most: int) -> list[Row]:
    """Take the oldest unsent alerts, so that no other process sends them; one taken before ``given_up`` is free again.

    Parameters
    ----------
    change : Transaction
    at, given_up : str
        The present time, and the time since when who took an alert must have said what became of it.
    channels : iterable of str
        Those this project can use.
    most : int
        How many to take.
    """
    c = alerts.c
    free = sa.or_(c.tried_at.is_(None), c.error.is_not(None), c.tried_at < given_up)
    query = sa.select(alerts).where(c.channel.in_(list(channels)), c.sent_at.is_(None), free)
    rows = [dict(r) for r in change.connection.execute(query.order_by(c.at, c.alert_id).limit(most)).mappings()]
    for row in rows:
        taken = alerts.update().where(c.alert_id == row["alert_id"], c.channel == row["channel"])
        change.connection.execute(taken.values(tried_at=at, tries=c.tries + 1, error=None))
    return [{**row, "data": json.loads(row["data"])} for row in rows]


def settle(change: Transaction, ended: Iterable[tuple[str, str, str | None]], at: str) -> None:
    """Write what became of alerts that were taken: (alert, channel, error), without an error it was sent."""
    for alert_id, channel, error in ended:
        chosen = alerts.update().where(alerts.c.alert_id == alert_id, alerts.c.channel == channel)
        change.connection.execute(chosen.values(sent_at=at if error is None else None, error=error))
