"""How the address of a PostgreSQL store is read and shown, and what its server's refusals mean."""

from __future__ import annotations

import re
import sys

import sqlalchemy as sa

from nbmlops.errors import Conflict, Invalid, NbmlopsError, NotAllowed, Unavailable
from nbmlops.store import driver

__all__ = ["explain", "shown", "url_of"]

HARMLESS = frozenset(("host", "port", "options", "sslmode", "connect_timeout", "application_name"))
GRANTS = (
    "Ask its owner for a role: nbmlops store grant ROLE USER. In a store without accounts: GRANT ALL ON SCHEMA and "
    "ON ALL TABLES IN SCHEMA to yours."
)
OTHER_PLACE = "Name a schema that exists: postgresql+psycopg://USER@HOST/NAME?options=-csearch_path%3DSCHEMA"
GOVERNED = {"NBM01": NotAllowed, "NBM02": Conflict, "NBM03": Invalid}  # what our functions raise (governed.sql)
REFUSED = {"InsufficientPrivilege": GRANTS, "InvalidSchemaName": OTHER_PLACE}


def url_of(address: str) -> sa.URL:
    """Return a store's address in its parts.

    Raises
    ------
    Invalid
        It is none of SQLite or PostgreSQL, or a sign in its password splits it wrongly; no part of it is shown then.
    """
    try:
        url = sa.make_url(address)
    except (sa.exc.ArgumentError, ValueError):  # the latter: a port that is no number
        url = None
    known = driver.is_sqlite(address) or address.startswith(driver.POSTGRES)
    if known and not driver.is_sqlite(address) and (url is None or _is_split_wrongly(address, url)):
        raise Invalid(
            "The store's address cannot be read: a sign in its password, host or port splits it.",
            "In a password write '@' as %40, '/' as %2F, ':' as %3A; better keep it in ~/.pgpass.",
        )
    if url is None or not known or url.database in (None, "", ":memory:"):
        begin = address.split(":")[0] + (":..." if ":" in address else "")  # what follows may hold a password
        raise Invalid(
            f"The store's address {begin!r} is not one nbmlops knows.",
            "Write sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.",
        )
    return url


def shown(url: sa.URL) -> str:
    """Return an address as people may see it: without its password, or the values of its query.

    >>> shown(sa.make_url("postgresql+psycopg://ann:secret@db/team?password=secret&port=5433"))
    'postgresql+psycopg://ann:***@db/team?password=***&port=5433'
    """
    pairs = [f"{k}={v if k in HARMLESS else '***'}" for k, v in url.query.items()]
    plain = url.set(query={}).render_as_string(hide_password=True)
    return plain + ("?" + "&".join(pairs) if pairs else "")


def explain(error: BaseException | None, url: sa.URL) -> NbmlopsError | None:
    """Return a readable error for a server that is away or refuses; None for a fault of the statement."""
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate in GOVERNED:
        return GOVERNED[error.sqlstate](error.diag.message_primary or "", error.diag.message_hint or "")
    said = _without_secrets(" ".join(str(error).split()) or type(error).__name__, url)[:300]
    kind = type(error).__name__
    if kind in REFUSED:
        said = said.partition(" LINE 1:")[0]
        return Unavailable(f"The store {shown(url)} refuses ({said}).", REFUSED[kind])
    if not isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return None
    return Unavailable(
        f"The store {shown(url)} does not answer ({said}).",
        "Look whether the server is up; what is tracked waits in the journal: nbmlops doctor.",
    )


def _is_split_wrongly(address: str, url: sa.URL) -> bool:
    password = re.match(r"[^:/]*://[^:/@]*:([^@]*)@", address)
    return "@" in f"{url.host}{url.database}" or bool(password and "/" in password[1])


def _without_secrets(text: str, url: sa.URL) -> str:
    secrets = [str(v) for k, v in url.query.items() if k not in HARMLESS]
    for secret in filter(None, (url.password, *secrets)):
        text = text.replace(str(secret), "***")
    return text
