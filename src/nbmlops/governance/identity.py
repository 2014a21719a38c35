"""Who you are to the log of governed changes: name, how it is known, roles by the charter, and what that proves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from nbmlops.capture import environment
from nbmlops.governance.charter import charter
from nbmlops.hooks import Shown
from nbmlops.records import plain
from nbmlops.store.driver import ACCOUNT
from nbmlops.tracking import actor as acting

__all__ = ["Actor", "actor"]


@dataclass(frozen=True, repr=False)
class Actor(Shown):
    """Who does a governed change, as the log will say it."""

    shows: ClassVar[str] = "actor"

    name: str
    known_by: str  # database, ci, jupyterhub, login, git or os
    proves: str
    claimed: tuple[str, str] | None = None  # what the environment says beside an account of the database
    roles: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "claimed": self.claimed and dict(zip(("name", "known_by"), self.claimed, strict=True))}


def actor() -> Actor:
    """Say who you are to the log of governed changes, and what that proves.

    Returns
    -------
    Actor
        With ``name``, ``known_by``, the ``roles`` in which the charter lets that name act (none for who left), what is
        only ``claimed``, and in a sentence what this kind of identity ``proves``.

    Raises
    ------
    NotAllowed
        The only name there is was invented by Jupyter Server.
    Invalid
        The charter cannot be read.
    Unavailable
        The database cannot be asked.

    Examples
    --------
    >>> nb.actor().known_by in ("database", "ci", "jupyterhub", "login", "git", "os")
    True
    """
    name, known_by = acting.actor()
    agreed = charter()
    roles = agreed.acts_as(name) if agreed else ()
    beside = environment.acting() if known_by == ACCOUNT else None
    return Actor(name, known_by, acting.proves(known_by), beside, roles)
