"""The history of a model's aliases as a table: who moved which, when, why, on what evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbmlops.registry.past import moves

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "history", "rows"]

COLUMNS = (
    *("at", "alias", "version", "from", "actor", "known_by", "reason", "policy"),
    *("evaluation", "gate", "verdict", "digest", "rollback"),
)


def history(name: str, alias: str | None = None) -> pd.DataFrame:
    """Return every move of a model's aliases, oldest first; those of deleted versions too.

    Parameters
    ----------
    name : str
        The model's name, or ``NAME@champion`` for one alias.
    alias : str, optional

    Returns
    -------
    pandas.DataFrame
        One row a move: ``at`` (UTC), ``alias``, ``version`` (missing where it was taken away), ``from``, ``actor``,
        ``known_by``, ``reason``, ``policy``, and the evidence: ``evaluation``, ``gate``, ``verdict``, ``digest``,
        ``rollback``.

    Raises
    ------
    NotFound
        No such model was ever registered.

    Examples
    --------
    >>> nb.history("late-flights")[["at", "alias", "version", "actor", "reason"]]  # doctest: +SKIP
    """
    import pandas as pd

    frame = pd.DataFrame(rows(name, alias), columns=list(COLUMNS))
    return frame.astype({"version": "Int64", "from": "Int64", "rollback": bool})


def rows(name: str, alias: str | None = None) -> list[dict[str, Any]]:
    """Return the moves as flat rows."""
    model, _, named = name.partition("@")
    return [_row(event) for event in moves(model, alias or named or None)]


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    data, policy = event["data"], str(event["data"].get("policy") or "")
    about = {k: event[k] for k in ("at", "actor", "known_by")} | {"alias": event["subject"].rpartition("@")[2]}
    about |= {"verdict": policy.removeprefix("gate: ") if policy.startswith("gate: ") else None}
    about |= {"rollback": bool(data.get("rollback"))}
    return {k: about[k] if k in about else data.get(k) for k in COLUMNS}
