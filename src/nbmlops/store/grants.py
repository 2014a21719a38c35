"""Accounts of a PostgreSQL store: who may log in, and what each role in a project may record."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import sqlalchemy as sa

from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound, unknown
from nbmlops.store import driver, events, governed, shapes
from nbmlops.store.database import Store
from nbmlops.store.tables import meta

__all__ = ["ACTIONS", "GROUPS", "ROLES", "VERSION", "grant", "grants", "install", "renew", "revoke"]

VERSION = 3  # of governed.sql
GROUPS = ("member", "register", "decide", "approve", "steward", "owner")
MAKES, JUDGES = ("register",), ("approve", "decide")
# The roles of a charter, and what an account that plays one may record. Each is a member too.
ROLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("scientist", "data_engineer", "software_engineer", "backend_engineer"), MAKES),
    "ml_engineer": ("register", "decide"),
    **dict.fromkeys(("stakeholder", "expert", "product", "manager", "compliance"), JUDGES),
    **dict.fromkeys(("support", "user"), ()),
    "steward": ("approve", "decide", "steward"),
    "owner": GROUPS[1:],
}
ANYBODY, WORKERS = ("member",), ("register", "decide", "steward")
# Which of them may append an event of an action. What is not here nobody appends.
ACTIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("charter", "worth", "advice", "condition_met", "anchor"), ANYBODY),
    **dict.fromkeys(("dataset", "dataset_kept", "allow_pickle"), ("register",)),
    **dict.fromkeys(("job_paused", "job_resumed", "job_cancelled", "job_backfilled", "prune", "handover"), WORKERS),
    **dict.fromkeys(("alias", "reject"), ("decide",)),
    "review": ("register", "approve"),
    **dict.fromkeys(("approve", "override_reviewed", "question_verdict", "decision"), ("approve",)),
    "erase": ("steward",),
    "grant": ("owner",),
}
NAME = re.compile(r"[^\x00-\x1f\"\x7f]{1,63}")
NOT_HERE = "Accounts are made in a store on PostgreSQL; whoever may write this file may write everything in it."


def install(store: Store) -> dict[str, Any]:
    """Install the functions by which accounts write what is governed, and take from all others the right to.

    Parameters
    ----------
    store : Store
        Opened by the owner of its tables, who may make roles. Done again it brings the functions up to date.

    Returns
    -------
    dict
        ``schema``, ``owner``, ``roles`` (how the roles of this store begin), ``version``, and ``revoked``: roles that
        had rights on the tables and have none any more.

    Raises
    ------
    Invalid
        The store is no server.
    NotAllowed
        By another than the owner.
    """
    _on_a_server(store)
    with store.atomic() as change:
        return renew(change.connection)


def grant(store: Store, role: str, user: str, actor: tuple[str, str]) -> dict[str, Any]:
    """Give an account a role; the account is made where there is none, without a password.

    Parameters
    ----------
    store : Store
        Opened by its owner.
    role : str
        One of :data:`ROLES`.
    user : str
        The name to log in with, which is who the log says it was.
    actor : tuple of str
        (name, how known).

    Returns
    -------
    dict
        ``user``, ``role``, ``made`` (whether the account is new).

    Raises
    ------
    Invalid, NotFound
        No such role, or no name of an account.
    Conflict
        The account has more rights than any role gives: it owns the tables, or administers the server.
    """
    _on_a_server(store)
    _check(role, user)
    with store.atomic() as change:
        if governed.about(change.connection).get("version", 0) < VERSION:
            renew(change.connection)
        made = _account(change.connection, user)
        prefix, quoted = governed.about(change.connection)["roles"], _quoted(user)
        admin = " WITH ADMIN OPTION" if role == "owner" else ""
        for group in ("member", *ROLES[role]):
            _run(change.connection, f"GRANT {prefix}_{group} TO {quoted}{admin}")
        change.event("grant", user, {"role": role}, actor)
    return {"user": user, "role": role, "made": made}


def revoke(store: Store, role: str, user: str, actor: tuple[str, str]) -> dict[str, Any]:
    """Take a role from an account; without any other it can read nothing any more.

    Parameters
    ----------
    store, role, user, actor
        As of :func:`grant`.

    Returns
    -------
    dict
        ``user``, ``role``, and ``left``: the roles it still has.

    Raises
    ------
    NotFound
        The account has not got that role.
    """
    _on_a_server(store)
    _check(role, user)
    with store.atomic() as change:
        held = list(_told(change.connection).get(user, {}))
        if role not in held:
            raise NotFound(f"{user} has not got the role {role}.", "Who has which: nbmlops store grants")
        left = [r for r in held if r != role]
        keeps = {group for r in left for group in ("member", *ROLES[r])}
        prefix, quoted = governed.about(change.connection)["roles"], _quoted(user)
        for group in (g for g in GROUPS if g not in keeps):
            _run(change.connection, f"REVOKE {prefix}_{group} FROM {quoted}")
        change.event("grant", user, {"role": role, "taken": True}, actor)
    return {"user": user, "role": role, "left": left}


def grants(store: Store) -> list[dict[str, Any]]:
    """Return who may do what: accounts with their roles, and those no role binds.

    Parameters
    ----------
    store : Store

    Returns
    -------
    list of dict
        ``user``, ``role``, ``since``, ``by``, and ``fits``: whether the server says the same as the log. The role of
        somebody who owns the tables or administers the server is *unbound*: what they do, the log need not say.
    """
    _on_a_server(store)
    with store.reading() as connection:
        about = governed.about(connection)
        told, held = (_told(connection), _held(connection, about["roles"])) if about else ({}, {})
        rows = [
            {"user": user, "role": role, "since": event["at"], "by": event["actor"], "fits": _fits(role, held, user)}
            for user, roles in told.items()
            for role, event in roles.items()
        ]
        unbound = _unbound(connection)
        rows += [_row(user, "not in the log", False) for user in held if user not in {*told, *unbound}]
        return [*rows, *(_row(user, "unbound", True) for user in unbound)]


def _row(user: str, role: str, fits: bool) -> dict[str, Any]:
    return {"user": user, "role": role, "since": None, "by": None, "fits": fits}


def _on_a_server(store: Store) -> None:
    if store.path is not None:
        raise Invalid(
            NOT_HERE, "NBMLOPS_STORE=postgresql+psycopg://USER@HOST/NAME; docs/identity.md says what it takes."
        )


def _check(role: str, user: str) -> None:
    if role not in ROLES:
        raise unknown("role", role, list(ROLES))
    if not NAME.fullmatch(user) or user.startswith(("pg_", "nbmlops_")) or user != user.strip() or user == "public":
        raise Invalid(f"{user!r} is no name of an account.", "Give the name somebody logs in with: ann")


def renew(connection: sa.Connection) -> dict[str, Any]:
    """Install the functions and rights in a transaction of the owner of the tables; see :func:`install`."""
    schema, owner, owns = connection.execute(PLACE).one()
    roles = governed.about(connection).get("roles") or f"nbmlops_{_chain_id(connection)[-8:]}"
    if not owns:
        raise NotAllowed("Only the owner of the tables installs functions and makes accounts.", f"Log in as {owner}.")
    _make_roles(connection, roles)
    revoked = _revoke_all(connection, schema, owner, roles)
    sql = resources.files("nbmlops.store").joinpath("governed.sql").read_text(encoding="utf-8")
    given = {"schema": schema, "roles": roles, "owner": owner, "rights": _rights(), "shapes": _shapes()}
    given["personal"] = f"ARRAY{list(driver.PERSONAL)}"
    for name, value in given.items():
        sql = sql.replace("{" + name + "}", value)
    _run(connection, f"GRANT {roles}_keeper TO CURRENT_USER; GRANT CREATE ON SCHEMA {schema} TO {roles}_keeper")
    _run(connection, sql)
    _run(connection, f"REVOKE CREATE ON SCHEMA {schema} FROM {roles}_keeper; REVOKE {roles}_keeper FROM CURRENT_USER")
    connection.execute(meta.delete().where(meta.c.key == governed.KEY))
    value = json.dumps({"version": VERSION, "roles": roles})
    connection.execute(meta.insert().values(key=governed.KEY, value=value))
    return {"schema": schema, "owner": owner, "roles": roles, "version": VERSION, "revoked": revoked}


def _make_roles(connection: sa.Connection, roles: str) -> None:
    """Make the roles of this store that are not there, which nobody logs in as."""
    query = sa.text("SELECT rolname FROM pg_roles WHERE starts_with(rolname, :roles)")
    there = set(connection.scalars(query, {"roles": roles}))
    for group in ("keeper", *GROUPS):
        if f"{roles}_{group}" not in there:
            _run(connection, f"CREATE ROLE {roles}_{group} NOLOGIN")
        if group != "keeper":
            _run(connection, f"GRANT {roles}_{group} TO CURRENT_USER")


def _revoke_all(connection: sa.Connection, schema: str, owner: str, roles: str) -> list[str]:
    """Take every right on the tables from everybody but their owner; return who had some that were not of a role."""
    found = [name for name in connection.scalars(GRANTED, {"schema": schema}) if name != owner]
    for name in found:
        _run(connection, f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {name} CASCADE")
    return [name for name in found if not name.startswith(f"{roles}_")]


def _account(connection: sa.Connection, user: str) -> bool:
    """Make an account unless it is there; refuse one that no role would bind."""
    if user in _unbound(connection):
        raise Conflict(
            f"{user} owns the tables or administers the server: no role binds it.",
            "Give people accounts of their own, and keep that one for what only it can do.",
        )
    there = connection.scalar(sa.text("SELECT rolcanlogin FROM pg_roles WHERE rolname = :user"), {"user": user})
    if there is False:
        raise Conflict(f"{user} is a role nobody can log in as.", "Give the account of a person.")
    if there is None:
        _run(connection, f"CREATE ROLE {_quoted(user)} LOGIN")
    return there is None


def _told(connection: sa.Connection) -> dict[str, dict[str, dict[str, Any]]]:
    """Return by the log: account to role to the event that gave it."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for event in events.listed(connection, action="grant"):
        roles = found.setdefault(event["subject"], {})
        if event["data"].get("taken"):
            roles.pop(event["data"]["role"], None)
        else:
            roles[event["data"]["role"]] = event
    return {user: roles for user, roles in found.items() if roles}


def _held(connection: sa.Connection, roles: str) -> dict[str, set[str]]:
    """Return by the server: account to groups it is directly in."""
    found: dict[str, set[str]] = {}
    for user, group in connection.execute(HELD, {"roles": f"{roles}_"}):
        found.setdefault(user, set()).add(group)
    return found


def _fits(role: str, held: dict[str, set[str]], user: str) -> bool:
    return {"member", *ROLES.get(role, ())} <= held.get(user, set())


def _unbound(connection: sa.Connection) -> list[str]:
    """Return who can log in and do what it likes: administrators of the server, and the owner of the tables."""
    return list(connection.scalars(UNBOUND))


def _rights() -> str:
    """Return a CASE of SQL: which groups may append an event of an action."""
    cases = (f"WHEN '{action}' THEN ARRAY{list(groups)}" for action, groups in ACTIONS.items())
    return f"CASE new_action {' '.join(cases)} END"


def _shapes() -> str:
    """Return a text of SQL: what the data of an event of each action holds."""
    return f"'{json.dumps(shapes.SHAPES)}'"


def _run(connection: sa.Connection, sql: str) -> None:
    """Run several statements as they are: with values the driver would take one only."""
    raw: Any = connection.connection.driver_connection
    raw.execute(sql)


def _quoted(name: str) -> str:
    """Return a name, which holds no quotation mark, as an identifier of SQL."""
    return f'"{name}"'


def _chain_id(connection: sa.Connection) -> str:
    return str(connection.scalar(sa.select(meta.c.value).where(meta.c.key == "chain_id")))


PLACE = sa.text("""
SELECT CAST(CAST(c.relnamespace AS regnamespace) AS text), CAST(CAST(c.relowner AS regrole) AS text),
       pg_has_role(session_user, c.relowner, 'MEMBER')
FROM pg_class AS c WHERE c.oid = to_regclass('meta')
""")
GRANTED = sa.text("""
WITH lists AS (
    SELECT c.relacl AS list, c.relowner AS owner FROM pg_class AS c WHERE c.relnamespace = CAST(:schema AS regnamespace)
    UNION ALL
    SELECT a.attacl, c.relowner FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE c.relnamespace = CAST(:schema AS regnamespace)
)
SELECT DISTINCT CAST(CAST(given.grantee AS regrole) AS text) FROM lists, aclexplode(lists.list) AS given
WHERE given.grantee <> 0 AND given.grantee <> lists.owner ORDER BY 1
""")
UNBOUND = sa.text("""
SELECT r.rolname FROM pg_roles AS r, pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass('meta') AND r.rolcanlogin AND (
    pg_has_role(r.oid, c.relowner, 'MEMBER') OR pg_has_role(r.oid, n.nspowner, 'MEMBER')
    OR pg_has_role(r.oid, 'pg_write_all_data', 'MEMBER') OR pg_has_role(r.oid, 'pg_write_server_files', 'MEMBER')
    OR pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER')
    OR r.rolcreaterole AND CAST(current_setting('server_version_num') AS integer) < 160000
) ORDER BY 1
""")
HELD = sa.text("""
SELECT m.rolname, substr(g.rolname, length(:roles) + 1) FROM pg_auth_members AS a
JOIN pg_roles AS g ON g.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member
WHERE starts_with(g.rolname, :roles) AND m.rolcanlogin ORDER BY 1
""")
