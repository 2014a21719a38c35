"""``nbmlops store grant`` and ``grants``: accounts of a store on PostgreSQL, one a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nbmlops.cli.output import show_rows

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["grant", "grants"]


class Role(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """A role of the charter; a shell completes it."""

    name = "role"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the roles that begin so."""
        from click.shell_completion import CompletionItem

        from nbmlops.store.grants import ROLES

        return [CompletionItem(role) for role in ROLES if role.startswith(incomplete)]


@click.command()
@click.argument("role", required=False, type=Role())
@click.argument("user", required=False)
@click.option("--init", is_flag=True, help="Only install the functions, or bring them up to date.")
@click.option("--revoke", is_flag=True, help="Take the role away again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def grant(role: str | None, user: str | None, init: bool, revoke: bool, as_json: bool) -> None:
    """Give USER an account of its own in a store on PostgreSQL, with what ROLE needs.

    Accounts write what is governed through functions of the database only, which take who it is from the server. The
    first grant installs them; it takes the owner of the tables, who may make roles. No password is set here.

    Example: nbmlops store grant scientist ann
    """
    from nbmlops.errors import Invalid
    from nbmlops.store import grants as accounts
    from nbmlops.tracking import session
    from nbmlops.tracking.actor import actor

    if init == bool(role) or bool(role) != bool(user):
        raise Invalid("Name a role and an account, or --init alone.", "nbmlops store grant scientist ann")
    store = session.store()
    if init or not (role and user):
        _show(accounts.install(store), as_json, "The functions are installed.")
    elif revoke:
        _show(accounts.revoke(store, role, user, actor()), as_json, f"{user} is no {role} any more.")
    else:
        found = accounts.grant(store, role, user, actor())
        _show(found, as_json, f"{user} is {role} now.{_next(user) if found['made'] else ''}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def grants(as_json: bool, as_csv: bool) -> None:
    """List who has an account with which role, and whom no role binds; ends with 0 also where one does not fit.

    Example: nbmlops store grants
    """
    from nbmlops.store import grants as accounts
    from nbmlops.tracking import session

    rows = accounts.grants(session.store())
    words = {True: "yes", False: "no: changed on the server"}
    shown = rows if as_json or as_csv else [row | {"fits": words[row["fits"]]} for row in rows]
    show_rows(shown, as_json, as_csv, empty="no account yet: nbmlops store grant ROLE USER")


def _show(found: dict[str, Any], as_json: bool, says: str) -> None:
    taken = f" No rights any more: {', '.join(found['revoked'])}." if found.get("revoked") else ""
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else says + taken)


def _next(user: str) -> str:
    """Say how a new account gets a password that nobody else sees."""
    return (
        f" The account is new and has no password: in psql, as owner, type \\password {user}. "
        f"{user} keeps it in ~/.pgpass and names the store postgresql+psycopg://{user}@HOST/NAME."
    )
