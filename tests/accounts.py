"""Accounts of a PostgreSQL server for tests: who is in the team, and how somebody logs in without nbmlops."""

from nbmlops.store import grants

TEAM = {"ann": "scientist", "bob": "manager", "eve": "user"}  # ann trains, bob manages, eve uses


def groups(roles):
    """Return the roles of a store that nobody logs in as."""
    return [f"{roles}_{group}" for group in ("keeper", *grants.GROUPS)]


def direct(address):
    """Log in without nbmlops, as anybody can who has an account."""
    import psycopg

    return psycopg.connect("postgresql://" + address.partition("://")[2], autocommit=True)


def of(address, user):
    """Return the address of a store as another account has it."""
    return address.replace("postgres@", f"{user}@")


def refused(connection, statement, values=()):
    """Run a statement; return how the server refuses it, an empty text where it does not."""
    import psycopg

    try:
        connection.execute(statement, values)
    except psycopg.Error as error:
        return error.sqlstate
    return ""
