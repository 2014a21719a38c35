"""The store's tests run on SQLite and on PostgreSQL: whatever uses ``project`` runs once for each database.

``NBMLOPS_TEST_POSTGRES`` names the servers: major versions as ``15,18``, ``all``, ``none``. Unset: the newest.
A test or a file marked ``sqlite`` (``pytestmark = pytest.mark.sqlite``) runs on SQLite only.
"""

import os

import pytest

import servers


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
