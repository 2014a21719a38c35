"""Which stores keep files in a place of artifacts: gc of one must not take what another refers to."""

from __future__ import annotations

import contextlib
import hashlib

from nbmlops.config import Project
from nbmlops.errors import Conflict, NbmlopsError
from nbmlops.store.artifacts import Artifacts
from nbmlops.store.driver import Connection

__all__ = ["check", "sign"]

_tried: set[tuple[str, str]] = set()  # a place that is away is not asked at every sync


def sign(project: Project, connection: Connection) -> None:
    """Leave the store's chain id in the place of its artifacts, once; where it is away, another process tries again.

    Parameters
    ----------
    project : Project
    connection : Connection
        To the project's store, in no transaction.
    """
    url = project.artifacts_url
    key = f"place {hashlib.sha256(url.encode()).hexdigest()[:32]}"
    chain_id = _chain_id(connection)
    if (url, chain_id) in _tried or connection.scalar("SELECT value FROM meta WHERE key = ?", (key,)) == chain_id:
        return
    place = Artifacts(url)
    if not place.used:
        return
    _tried.add((url, chain_id))
    with contextlib.suppress(NbmlopsError):
        place.sign(chain_id)
        with connection.writing():
            sql = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            connection.execute(sql, (key, chain_id))


def check(place: Artifacts, connection: Connection) -> None:
    """Refuse a place in which another store keeps files.

    Raises
    ------
    Conflict
        Another store has left its chain id there.
    """
    if others := sorted(place.signed() - {_chain_id(connection)}):
        raise Conflict(
            f"Another store keeps files in {place.url} too: {others[0]}.",
            f"Give each store a place of its own: NBMLOPS_ARTIFACTS. If that one is no more, delete stores/{others[0]} "
            "there.",
        )


def _chain_id(connection: Connection) -> str:
    return str(connection.scalar("SELECT value FROM meta WHERE key = 'chain_id'"))
