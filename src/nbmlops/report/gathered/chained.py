"""Whether the chain of events a report quotes is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.tracking import session

__all__ = ["gather"]


def gather(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``chain``: the number of the first event that does not fit, None where all do; nothing without events."""
    from nbmlops.store.events import verify

    if not found["events"]:
        return {"chain": None}
    with session.store().reading() as connection:
        return {"chain": {"broken_at": verify(connection)}}
