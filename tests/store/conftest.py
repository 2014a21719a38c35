"""The store's tests run on SQLite and on PostgreSQL: whatever uses ``project`` runs once for each database.

``NBMLOPS_TEST_POSTGRES`` names the servers: major versions as ``15,18``, ``all``, ``none``. Unset: the newest.
A test or a file marked ``sqlite`` (``pytestmark = pytest.mark.sqlite``) runs on SQLite only.
"""

import itertools
import os

import pytest

import faults
import nbmlops as nb
import servers
from accounts import TEAM, direct, groups, of
from nbmlops.config import find_project
from nbmlops.store import grants
from nbmlops.store.database import Store
from nbmlops.tracking import session


def pytest_generate_tests(metafunc):
    if "database" not in metafunc.fixturenames:
        return
    wanted = [] if metafunc.definition.get_closest_marker("sqlite") else versions()
    on_servers = [pytest.param(v, marks=pytest.mark.postgres, id=f"postgres{v or ''}") for v in wanted]
    metafunc.parametrize("database", [pytest.param("sqlite", id="sqlite"), *on_servers], indirect=True)


def versions():
    """Return the major versions to test on; None stands for the newest there is."""
    asked = os.environ.get("NBMLOPS_TEST_POSTGRES", "")
    if asked in ("", "none"):
        return [] if asked else [None]
    return list(servers.postgres_versions()) if asked == "all" else [int(v) for v in asked.split(",")]


@pytest.fixture
def database(request):
    """Make a fresh database: None for a file in the project, else the address of one on a server."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")(request.param)


@pytest.fixture
def project(database, project, monkeypatch):
    """A fresh project folder as working directory, with a store on each kind of database."""
    if database:
        monkeypatch.setenv("NBMLOPS_STORE", database)
    return project


@pytest.fixture
def tree(project):
    """Two runs of an experiment, each with a file, points and a child; the ids of the older one and its child."""
    ids = []
    for i in range(2):
        with nb.run("forest", params={"trees": i}) as outer:
            nb.log(loss=i)
            nb.log(loss=i / 2)
            nb.log_artifact("note.txt", f"note {i}".encode())
            with nb.run("tree") as inner:
                nb.log(gini=0.5)
        ids.append((outer.run_id, inner.run_id))
    session.store().sync()
    return ids


@pytest.fixture(scope="module")
def cases():
    """The process that plays a step of the store with a disk or a power that fails."""
    try:
        faults.library()
    except faults.Missing as error:
        pytest.skip(str(error))
    with faults.server() as server:
        yield server


@pytest.fixture(scope="module")
def prepared(start, tmp_path_factory):
    """A server and a database on it to copy, with the functions installed and accounts for the team."""
    server, name, folder = (
        start(servers.run_postgres, None),
        f"prepared_{os.getpid()}",
        tmp_path_factory.mktemp("owner"),
    )
    server.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY")
    (folder / "nbmlops.toml").write_text(f"[store]\nurl = '{server.url(name)}'\n")
    store = Store(find_project(folder))
    roles = grants.install(store)["roles"]
    for user, role in TEAM.items():
        grants.grant(store, role, user, ("postgres", "database"))
    store.close()
    yield server, name, roles
    with direct(server.url(name)) as connection:
        connection.execute(f"DROP OWNED BY {', '.join(groups(roles))} CASCADE")
        connection.execute(f"DROP ROLE {', '.join([*TEAM, *groups(roles)])}")
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def owned(project, prepared, monkeypatch):
    """A store of its own on a server, with accounts for the team; its address as its owner has it."""
    server, name, roles = prepared
    copy = f"{name}_{next(NUMBERS)}"
    server.execute(f"CREATE DATABASE {copy} TEMPLATE {name} STRATEGY FILE_COPY")
    monkeypatch.setenv("NBMLOPS_STORE", server.url(copy))
    session.reset()
    yield server.url(copy)
    session.reset()
    with direct(server.url(copy)) as connection:  # accounts are the server's, not the database's
        kept = ", ".join(f"'{n}'" for n in ("postgres", *TEAM, *groups(roles)))
        others = f"SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname NOT IN ({kept})"
        for (other,) in connection.execute(others).fetchall():
            connection.execute(f'DROP OWNED BY "{other}"; DROP ROLE "{other}"')
        for user, role in TEAM.items():
            given = ", ".join(f"{roles}_{group}" for group in ("member", *grants.ROLES[role]))
            connection.execute(f"REVOKE {', '.join(groups(roles))} FROM {user}; GRANT {given} TO {user}")
    server.execute(f"DROP DATABASE {copy} WITH (FORCE)")


NUMBERS = itertools.count(1)


@pytest.fixture
def team(owned, monkeypatch):
    """Work under another account: team("ann"); team() is the owner."""

    monkeypatch.delenv("CI", raising=False)

    def be(user=""):
        monkeypatch.setenv("NBMLOPS_STORE", of(owned, user) if user else owned)
        monkeypatch.setenv("JUPYTERHUB_USER", f"{user or 'owner'}@example.org")  # only claimed
        session.reset()
        return session.store()

    return be
