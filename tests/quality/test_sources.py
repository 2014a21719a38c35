"""Sources: read from files, folders, databases and addresses; retried, noted, masked, and missed when overdue."""

import json
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.config import find_project
from nbmlops.errors import Invalid, NotFound
from nbmlops.quality import sources
from nbmlops.store.runs import results_of
from nbmlops.tracking import session


@pytest.fixture
def written(project):
    """Write the settings of one source, ``flights``."""

    def write(text):
        (project / "nbmlops.toml").write_text(f"[sources.flights]\n{text}\n")
        session.reset()
        return sources.known(session.project())

    return write


def note(kind="source"):
    return results_of(session.store(), kind=kind)[-1]["data"]


FRAME = pd.DataFrame({"code": ["a", "b"], "n": [1, 2]})


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet", "x.jsonl"])
def test_files_are_read_noted_and_versioned(written, project, name):
    made = {"csv": FRAME.to_csv, "parquet": FRAME.to_parquet}
    if "jsonl" in name:
        FRAME.to_json(name, orient="records", lines=True)
    else:
        made["csv" if "csv" in name else "parquet"](name, index=False)
    written(f'path = "{name}"\nkeep = true')
    assert nb.load_source("flights").equals(FRAME)
    found = note()
    assert (found["rows"], found["version"], found["attempts"]) == (2, "flights@1", 1)
    assert found["size_bytes"] == (project / name).stat().st_size
    assert nb.load_dataset("flights@1").equals(FRAME)


def test_a_folder_is_one_frame_and_refuses_other_columns(written, project):
    (project / "days").mkdir()
    FRAME.to_csv("days/1.csv", index=False)
    FRAME.to_csv("days/2.csv", index=False)
    assert written('path = "days"')["flights"].kind == "folder"
    assert len(nb.load_source("flights")) == 4
    FRAME[["n"]].to_csv("days/3.csv", index=False)
    with pytest.raises(Invalid, match=r"3\.csv lacks the column 'code'"):
        nb.load_source("flights")
    assert note("source_failed")["error"] == "Invalid"


def test_a_query_binds_its_parameters_and_changes_nothing(written, project):
    with sqlite3.connect("w.db") as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,), (3,)])
    written('database = "sqlite:///w.db"\nquery = "SELECT n FROM t WHERE n > :least"')
    assert nb.load_source("flights", least=1)["n"].tolist() == [2, 3]
    assert note()["parameters"] == {"least": 1}
    with pytest.raises(Invalid, match="asks for the parameters least; given: none"):
        nb.load_source("flights")
    written('database = "sqlite:///w.db"\nquery = "DELETE FROM t"')
    with pytest.raises(Invalid, match="refuses the query"):
        nb.load_source("flights")
    assert sqlite3.connect("w.db").execute("SELECT count(*) FROM t").fetchone() == (3,)
    written('database = "sqlite:///nix.db"\nquery = "SELECT 1"')
    with pytest.raises(NotFound, match="no SQLite file"):
        nb.load_source("flights")
    assert not (project / "nix.db").exists()


class Answers(BaseHTTPRequestHandler):
    """Fails twice on /late.csv, redirects to a file, wants a token, sends a lot."""

    late = 0

    def do_GET(self):
        Answers.late += self.path == "/late.csv"
        if self.path == "/late.csv" and Answers.late < 3:
            return self.answer(503)
        if self.path == "/away.csv":
            return self.answer(302, location="file:///etc/passwd")
        if self.path in ("/near.csv", "/far.csv"):
            host = self.headers["Host"] if self.path == "/near.csv" else f"localhost:{self.server.server_port}"
            return self.answer(302, location=f"http://{host}/closed.csv")
        if self.path == "/closed.csv" and self.headers.get("Authorization") != "Bearer staple battery":
            return self.answer(401)
        return self.answer(200, b"code,n\na,1\nb,2\n" + b"c,3\n" * (400_000 if self.path == "/big.csv" else 0))

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Answers.late = 0
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_that_is_late_is_asked_again(written, web):
    waited = []
    source = written(f'url = "{web}/late.csv"')["flights"]
    assert sources.fetch(source, {}, sleep=waited.append).equals(FRAME)
    assert (waited, note()["attempts"]) == ([1.0, 4.0], 3)


def test_a_redirect_takes_the_headers_along_on_the_same_server_and_to_no_other(written, web, monkeypatch):
    monkeypatch.setenv("TOKEN", "staple battery")
    headers = '[sources.flights.headers]\nAuthorization = "Bearer ${TOKEN}"'
    written(f'url = "{web}/near.csv"\n{headers}')
    assert nb.load_source("flights").equals(FRAME)
    written(f'url = "{web}/far.csv"\n{headers}')
    with pytest.raises(Invalid, match="answers 401"):
        nb.load_source("flights")


def test_a_query_on_postgresql_reads_and_writes_nothing(written, postgres):
    import sqlalchemy as sa

    address = postgres()
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t AS SELECT n, 'c' || n AS code FROM generate_series(1, 3) n"))
    written(f'database = "{address}"\nquery = "SELECT n, code FROM t WHERE n > :least ORDER BY n"\nkeep = true')
    assert nb.load_source("flights", least=1).to_dict("list") == {"n": [2, 3], "code": ["c2", "c3"]}
    assert nb.load_dataset("flights@1")["n"].tolist() == [2, 3]
    written(f'database = "{address}"\nquery = "DELETE FROM t RETURNING n"')
    with pytest.raises(Invalid, match="refuses the query"):
        nb.load_source("flights")
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM t")) == 3
    written(f'database = "{address}"\nquery = "SELECT 1 FROM gone"')
    with pytest.raises(Invalid, match="does not exist"):
        nb.load_source("flights")


@pytest.mark.parametrize(
    ("page", "more", "says"),
    [
        ("away.csv", "", "answers 302"),
        ("closed.csv", "", "answers 401"),
        ("big.csv", "\nmax_mb = 1", "larger than 1 MB"),
        ("x", "", "format"),
    ],
)
def test_what_an_address_may_not_do(written, web, page, more, says):
    written(f'url = "{web}/{page}"{more}')
    with pytest.raises(Invalid, match=says):
        nb.load_source("flights")
    assert note("source_failed")["error"] == "Invalid"


def test_a_secret_is_a_reference_and_shows_nowhere(written, web, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "staple battery")
    written(f'url = "{web}/closed.csv"\n[sources.flights.headers]\nAuthorization = "Bearer ${{API_TOKEN}}"')
    assert len(nb.load_source("flights")) == 2
    assert "staple" not in json.dumps([r["data"] for r in results_of(session.store())])
    for text in ('url = "https://ann:hunter2@h/x.csv"', 'database = "postgresql://a:hunter2@h/d"\nquery = "SELECT 1"'):
        with pytest.raises(Invalid, match="holds a secret") as told:
            written(text)
        assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('paht = "x.csv"', "unknown key 'paht'"),
        ('path = "x.csv"\nevery = "daily"', "every is 'daily'"),
        ('owner = "ann"', "needs path"),
        ('path = "x.csv"\nkind = "ftp"', "kind is 'ftp'"),
        ('path = "x.csv"\nattempts = 1.5', "attempts is float"),
    ],
)
def test_bad_settings_are_refused(written, text, says):
    with pytest.raises(Invalid, match=says):
        written(text)


@pytest.mark.parametrize("value", ["../x", "..", "a\\b"])
def test_a_parameter_leaves_no_folder(written, value):
    written('path = "{day}.csv"')
    with pytest.raises(Invalid, match="no part of a file's name"):
        nb.load_source("flights", day=value)


def test_an_overdue_source_is_a_finding(written, project):
    pd.DataFrame({"at": ["2024-01-01"]}).to_csv("x.csv", index=False)
    written('path = "x.csv"\nevery = "1d"\ntime = "at"\nowner = "ann"')
    assert [f.code for f in sources.overdue(find_project())] == ["source_overdue"]
    assert not (project / ".nbmlops" / "store.sqlite").exists()
    nb.load_source("flights")
    assert note()["newest_at"].startswith("2024-01-01")
    assert [f.code for f in sources.overdue(find_project())] == ["source_stale"]
    (late,) = sources.overdue(find_project(), time.time() + 2 * 86400)
    assert late.message == "flights was last loaded 2 d ago, expected every 1 d; owner: ann"
    listed = json.loads(CliRunner().invoke(main, ["sources", "--json"]).output)
    assert (listed[0]["state"], listed[0]["owner"], listed[0]["version"]) == ("stale", "ann", "flights@1")
    assert CliRunner().invoke(main, ["sources", "--strict"]).exit_code == 3
    assert "problem  source" in CliRunner().invoke(main, ["doctor"]).output
    done = CliRunner().invoke(main, ["sources", "flights", "-o", "y.csv"])
    assert (done.exit_code, (project / "y.csv").read_text()) == (0, (project / "x.csv").read_text())


def test_an_unknown_source_names_the_known_ones(written):
    written('path = "x.csv"')
    with pytest.raises(NotFound, match="Did you mean 'flights'"):
        nb.load_source("flight")
    with pytest.raises(NotFound, match="no file"):
        nb.load_source("flights")
