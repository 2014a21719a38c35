"""An address shows no password, however it is written, and what a server refuses is said in a line."""

import pytest

import nbmlops as nb
from nbmlops.config import find_project
from nbmlops.errors import Invalid, Unavailable
from nbmlops.store import postgres
from nbmlops.store.database import Store
from nbmlops.store.driver import connect
from nbmlops.tracking import session

psycopg = pytest.importorskip("psycopg")  # an extra

BEGIN = "postgresql+psycopg://"


def test_no_value_of_the_query_is_shown_but_harmless_ones():
    url = postgres.url_of(f"{BEGIN}ann:pw1@db/team?password=pw2&sslpassword=pw3&options=-csearch_path%3Dx")
    shown = postgres.shown(url)
    assert shown == f"{BEGIN}ann:***@db/team?password=***&sslpassword=***&options=-csearch_path=x"
    error = psycopg.OperationalError("pw1 and pw2 do not fit")
    assert "*** and *** do not fit" in postgres.explain(error, url).message


@pytest.mark.parametrize("password", ["s3c@ret", "s3c/ret", "a@s3c:ret", "s3c@ret:5", "s3c@a/ret", "@s3c@@ret"])
def test_a_password_that_splits_the_address_is_refused_and_no_part_of_it_shown(project, monkeypatch, password):
    monkeypatch.setenv("NBMLOPS_STORE", f"{BEGIN}ann:{password}@host/team")
    for use in (lambda: Store(find_project()), lambda: connect(find_project(), 2).__enter__()):
        with pytest.raises(Invalid, match="'@' as %40") as refused:
            use()
        assert refused.value.__suppress_context__ or refused.value.__context__ is None
        assert not {"s3c", "ret"} & set(str(refused.value).replace("secret", "").split("'"))
        assert "s3c" not in str(refused.value)


def test_an_escaped_password_is_read(project):
    url = postgres.url_of(f"{BEGIN}ann:p%40w%2F@h/team")
    assert (url.password, url.host) == ("p@w/", "h")


@pytest.fixture
def as_reader(project, database):
    """A store, and the address of a role that may only read its tables."""
    if database is None:
        pytest.skip("a server's rights")
    with nb.run("forest") as opened:
        pass
    session.store().sync()
    with connect(session.project()) as connection:
        connection.execute(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') "
            "THEN CREATE ROLE reader LOGIN; END IF; END $$"
        )
        connection.execute("GRANT USAGE ON SCHEMA public TO reader")
    yield database.replace("postgres@", "reader@"), opened.run_id
    session.reset()
    with connect(find_project()) as connection:
        connection.execute("DROP OWNED BY reader")


def test_a_role_without_rights_is_told_which(as_reader, monkeypatch, database):
    address, run_id = as_reader
    monkeypatch.setenv("NBMLOPS_STORE", address)
    session.reset()
    with (
        pytest.raises(Unavailable, match=r"refuses \(permission denied for table meta.*GRANT"),
        connect(find_project()),
    ):
        pass
    monkeypatch.setenv("NBMLOPS_STORE", database)
    with connect(find_project()) as connection:
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    monkeypatch.setenv("NBMLOPS_STORE", address)
    session.reset()
    with pytest.raises(Unavailable, match=r"refuses \(permission denied for table runs.*GRANT"):
        nb.delete(run_id)
    monkeypatch.setenv("NBMLOPS_STORE", database)


def test_a_place_where_no_tables_may_be_made_is_told(database, project, monkeypatch):
    if database is None:
        pytest.skip("a server's rights")
    monkeypatch.setenv("NBMLOPS_STORE", f"{database}?options=-csearch_path%3Dnowhere")
    with pytest.raises(Unavailable, match=r"no schema has been selected.*search_path%3DSCHEMA"):
        Store(find_project()).engine  # noqa: B018


@pytest.mark.parametrize(("said", "holds"), [("", "60000"), ("tcp_user_timeout=7000", "7000")])
def test_a_server_that_goes_without_a_word_is_noticed_within_a_minute(project, database, monkeypatch, said, holds):
    """Nobody closes such a connection: without these a reader would wait for hours."""
    if database is None:
        pytest.skip("a server's")
    monkeypatch.setenv("NBMLOPS_STORE", f"{database}{'&' if '?' in database else '?'}{said}")
    store = Store(find_project())
    with store.engine.connect() as connection:
        asked = connection.connection.driver_connection.info.get_parameters()
    store.close()
    assert (asked["connect_timeout"], asked["tcp_user_timeout"], asked["keepalives_count"]) == ("10", holds, "3")
