"""What an event says of a row by its hash: the columns it does not name itself, and the results it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nbmlops.errors import Conflict
from nbmlops.store.tables import events, results

__all__ = ["REST", "digest_of", "of_results", "rest"]

RESTING = ("register", "alias")  # events that hold the hash of the results they rest on
REST = {
    "model_versions": (
        *("format", "estimator", "signature", "created_at", "metrics", "environment", "trusted", "size_bytes"),
    ),
    "dataset_versions": ("columns", "profile", "findings", "query", "run_id", "author", "created_at"),
}


def rest(table: str, row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a stored row holds beside what its event names.

    Parameters
    ----------
    table : str
    row : mapping
        Its columns as they are stored, JSON as text.

    Examples
    --------
    >>> row = dict.fromkeys(REST["dataset_versions"])
    >>> rest("dataset_versions", row)[:12]
    'a17291318b46'
    """
    values = [row[name] for name in REST[table]]
    return digest_of(json.dumps(values, ensure_ascii=False))


def of_results(connection: sa.Connection, ids: Iterable[Any]) -> dict[str, dict[str, str]]:
    """Return ``results`` for an event's data: the hash of each result it rests on; nothing where it rests on none.

    Raises
    ------
    Conflict
        A result is not the one that an earlier event rests on: it was changed since.
    """
    wanted = [i for i in ids if i]
    query = sa.select(results.c.result_id, results.c.data).where(results.c.result_id.in_(wanted))
    found = {i: digest_of(data) for i, data in connection.execute(query)} if wanted else {}
    for result_id, digest in found.items():
        _check_unchanged(connection, result_id, digest)
    return {"results": found} if found else {}


def _check_unchanged(connection: sa.Connection, result_id: str, digest: str) -> None:
    """Refuse evidence that is not what the log first said of it."""
    c = events.c
    query = sa.select(c.seq, c.data).where(c.action.in_(RESTING), c.data.contains(f'"{result_id}":"', autoescape=True))
    said = ((seq, json.loads(data).get("results")) for seq, data in connection.execute(query.order_by(c.seq)))
    first = next(((n, r[result_id]) for n, r in said if isinstance(r, dict) and result_id in r), None)
    if first and first[1] != digest:
        raise Conflict(
            f"Result {result_id} is not the one that event {first[0]} rests on: it was changed since.",
            "Look at it: nbmlops audit verify. Measure again, for a new result.",
        )


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text.

    >>> digest_of("{}")[:12]
    '44136fa355b3'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
