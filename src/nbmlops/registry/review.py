"""Functions kept as source: who has read which, so that one may run what somebody else wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid, NotAllowed
from nbmlops.hooks import service
from nbmlops.store.driver import ACCOUNT
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["approve_source", "reviews", "shown", "source"]


def approve_source(ref: str, reason: str) -> dict[str, Any]:
    """Say that you have read the source of a registered function, and that it may run.

    It holds for the very file, under whatever name it is registered.

    Parameters
    ----------
    ref : str
        ``NAME@3``, ``NAME@champion``, or ``NAME`` for the newest.
    reason : str
        Why it may run, for those who read the log.

    Returns
    -------
    dict
        ``model``, ``digest``, ``actor``, ``known_by`` and ``reason``, as they are written into the log.

    Raises
    ------
    NotAllowed
        You registered it yourself.
    Invalid
        It is no function kept as source, or there is no reason.

    Examples
    --------
    >>> nb.approve_source("late-rules@2", "compares two columns, reads nothing")  # doctest: +SKIP
    """
    from nbmlops.registry.models import model_version

    version = model_version(ref)
    if not isinstance(reason, str) or not reason.strip():
        raise Invalid("A review needs a reason.", 'Say why it may run: reason="compares two columns, reads nothing".')
    source(version)  # the file is there, and is the one that was registered
    name, known_by = identity.actor()
    if not _authors(version.digest).isdisjoint(_names(name, known_by)):
        raise NotAllowed(f"{name} registered {version.ref}.", "Somebody else reads it.")
    about = {"digest": version.digest, "reason": reason.strip()}
    with session.store().atomic() as change:
        agreed = service("governance.agreed_on", "record")(change)
        under = {"charter": agreed} if agreed else {}
        change.event("review", version.ref, {**about, **under}, (name, known_by))
    return {"model": version.ref, **about, "actor": name, "known_by": known_by}


def source(version: ModelVersion) -> str:
    """Return the text of a function as it was registered, verified against its digest; nothing of it runs.

    Raises
    ------
    Invalid
        It is no function kept as source.
    """
    from nbmlops.registry.files import SOURCE

    if version.format != SOURCE:
        raise Invalid(f"{version.ref} is no function kept as source: it is {version.format}.", "It needs no review.")
    return session.artifacts().get(version.digest).decode("utf-8")


def shown(version: ModelVersion) -> dict[str, Any]:
    """Return the text of a function as it was registered, who registered it and who has read it; nothing of it runs."""
    read_by = [{"actor": e["actor"], "at": e["at"], "reason": e["data"]["reason"]} for e in reviews(version.digest)]
    about = {"model": version.ref, "digest": version.digest, "owner": version.owner}
    return {**about, "source": source(version), "read_by": read_by}


def reviews(digest: str) -> list[dict[str, Any]]:
    """Return the events by which people other than its authors said that a file may run, oldest first.

    A second account that claimed a name of an author's is the author's, whenever it claimed it.
    """
    found = _events("review", digest)
    authors = _authors(digest) if found else set()
    return [e for e in found if authors.isdisjoint(_names(e["actor"], e["known_by"]))]


def _authors(digest: str) -> set[str]:
    """Return who registered a file, under whatever name."""
    return {e["actor"].casefold() for e in _events("register", digest)}


def _names(actor: str, known_by: str) -> set[str]:
    """Return what somebody goes by, in small letters: an account of a database also by what it claimed."""
    from nbmlops.store import events

    if known_by != ACCOUNT:
        return {actor.casefold()}
    with session.store().reading() as connection:
        return events.goes_by(connection, actor)


def _events(action: str, digest: str) -> list[dict[str, Any]]:
    from nbmlops.store import events

    with session.store().reading() as connection:
        return [e for e in events.naming(connection, action, digest) if e["data"].get("digest") == digest]
