"""Journals arrive in the database once, whatever reads them and however often."""

import math
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime

import pytest
import sqlalchemy as sa

from nbmlops.config import Project, find_project
from nbmlops.errors import Conflict, Invalid, Unavailable
from nbmlops.store import artifacts, database, events, runs, sqlite
from nbmlops.store.database import Store, open_store
from nbmlops.tracking import session


def test_a_run_comes_back_as_it_was_logged(project):
    with session.run("forest", params={"trees": 100, "name": "a", "list": [1, 2]}, tags={"who": "me"}):
        session.log({"loss": 0.5}, step=1)
        session.log({"loss": math.nan, "gain": math.inf, "drop": -math.inf}, step=2, context={"split": "test"})
        session.log_artifact("note.txt", b"hello")
    (run,) = runs.summaries(session.store())
    assert (run["experiment"], run["status"], run["tags"]) == ("forest", "finished", {"who": "me"})
    assert {p["name"]: p["value"] for p in run["params"]} == {"trees": 100, "name": "a", "list": [1, 2]}
    loss, nan, inf, minus = run["metrics"]
    assert (loss["value"], loss["step"], loss["context"]) == (0.5, 1, {})
    assert math.isnan(nan["value"])
    assert (inf["value"], minus["value"]) == (math.inf, -math.inf)
    assert run["artifacts"][0]["name"] == "note.txt"


def test_replay_is_idempotent(project):
    with session.run("once"):
        session.log(loss=1)
    store = session.store()
    assert store.sync() > 0
    assert store.sync() == 0
    assert store.waiting() == 0
    assert len(runs.summaries(store)[0]["metrics"]) == 1


def test_several_processes_reading_at_once_apply_each_event_once(project):
    with session.run("shared"):
        for i in range(200):
            session.log(loss=i)
    code = "from nbmlops.tracking import session; session.store().sync()"
    readers = [subprocess.Popen([sys.executable, "-c", code], cwd=project, stderr=subprocess.PIPE) for _ in range(4)]
    errors = [reader.communicate()[1] for reader in readers]
    assert [r.returncode for r in readers] == [0] * 4, errors
    (run,) = runs.summaries(session.store())
    ((context, points),) = runs.points(session.store(), run["run_id"], "loss")
    assert (context, [value for _, value, _ in points]) == ({}, list(range(200)))


def test_the_store_ignores_itself_in_git(project):
    with session.run("x"):
        pass
    assert (project / ".nbmlops" / ".gitignore").read_text() == "*\n"


def test_an_event_commits_with_its_change_or_not_at_all(project):
    store = session.store()
    with pytest.raises(RuntimeError), store.atomic() as change:
        change.event("alias", "m@champion", {"version": 1}, ("me", "os"))
        raise RuntimeError
    with store.reading() as connection:
        assert events.listed(connection) == []


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE events SET data = '{}' WHERE seq = 2",
        "UPDATE events SET actor = 'eve' WHERE seq = 2",
        "DELETE FROM events WHERE seq = 2",
        "UPDATE events SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 2",
    ],
)
def test_the_chain_finds_an_event_that_was_changed(project, tamper):
    store = session.store()
    for i in range(3):
        with store.atomic() as change:
            change.event("advice", f"row {i}", {"i": i}, ("me", "os"))
    with store.reading() as connection:
        assert events.verify(connection) is None
    with store.engine.begin() as connection:
        connection.exec_driver_sql(tamper)
    with store.reading() as connection:
        assert events.verify(connection) == 2


def test_an_artifact_is_stored_once_and_verified_when_read(tmp_path):
    place = artifacts.Artifacts(str(tmp_path / "a"))
    digest = place.put(b"content")
    assert place.put(b"content") == digest
    assert place.get(digest) == b"content"
    (tmp_path / "a" / digest[:2] / digest).write_bytes(b"Content")
    with pytest.raises(Conflict, match="damaged"):
        place.get(digest)


def test_artifacts_through_fsspec_are_the_same(tmp_path):
    place = artifacts.Artifacts("memory://bucket/here")
    assert place.get(place.put(b"far away")) == b"far away"


def test_one_handle_per_project(project):
    assert open_store(session.project()) is session.store()


def test_an_event_that_cannot_be_stored_does_not_hold_up_the_others(project):
    with session.run("good"):
        session.log(a=1)
    with session.run("odd") as opened:
        session.write({"t": "metric", "run_id": opened.run_id, "name": None, "value": 1.0, "context": {}, "at": "x"})
        session.write({"t": "from the future", "run_id": opened.run_id})
        session.log(b=2)
    assert [r["experiment"] for r in runs.summaries(session.store())] == ["odd", "good"]
    assert [m["name"] for m in runs.summaries(session.store())[0]["metrics"]] == ["b"]
    assert len(session.store().set_aside()) == 2


@pytest.mark.parametrize(
    "words", [{"values": {None: 1.0}}, {"a": 1, "step": 2**70}, {"a": 1, "step": "x"}, {"a": 10**400}]
)
def test_a_log_that_could_not_be_stored_is_refused(project, words):
    with session.run("x"), pytest.raises(Invalid):
        session.log(**words)


def test_a_damaged_artifact_is_mended_when_it_is_put_again(tmp_path):
    place = artifacts.Artifacts(str(tmp_path / "a"))
    digest = place.put(b"content")
    (tmp_path / "a" / digest[:2] / digest).write_bytes(b"damaged")
    place.put(b"content")
    assert place.get(digest) == b"content"


def count_events(store):
    with store.reading() as connection:
        return len(events.listed(connection))


def flag(store, text="row 1"):
    with store.atomic() as change:
        change.event("advice", text, {}, ("me", "os"))


def test_a_reader_cannot_write(project):
    store = session.store()
    flag(store)
    with pytest.raises((sa.exc.DBAPIError, Unavailable)), store.reading() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    flag(store)  # the connection goes back to its pool as it was
    assert count_events(store) == 2


def test_a_reader_sees_one_state(project):
    store, other = session.store(), Store(find_project())
    flag(store)
    if store.path:  # where a reader holds up a writer, the writer is not to wait for ever
        with store.reading() as connection:
            assert len(events.listed(connection)) == 1
            assert connection.exec_driver_sql("PRAGMA query_only").scalar() == 1
        return
    with store.reading() as connection:
        assert len(events.listed(connection)) == 1
        flag(other)
        assert len(events.listed(connection)) == 1
    assert count_events(store) == 2


GOVERNED = """
from nbmlops.store.database import open_store
from nbmlops.store import events
for _ in range(10):
    with open_store().atomic() as change:
        known = len(events.listed(change.connection))
        change.event("advice", str(known), {}, ("me", "os"))
"""


def test_what_a_governed_change_reads_stays_true_until_it_commits(project):
    started = [
        subprocess.Popen([sys.executable, "-c", GOVERNED], cwd=project, stderr=subprocess.PIPE) for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, errors
    with session.store().reading() as connection:
        found = events.listed(connection)
        assert events.verify(connection) is None
    assert [(e["seq"], e["subject"]) for e in found] == [(n + 1, str(n)) for n in range(40)]


def test_a_governed_change_waits_its_time_and_then_says_who_is_in_the_way(project, monkeypatch):
    monkeypatch.setattr(database, "WRITE_WAIT_S", 1)
    store, other = session.store(), Store(find_project())
    with store.atomic(), pytest.raises(Unavailable) as error:
        flag(other)
    assert ("is locked" if store.path else "does not answer") in error.value.message
    flag(other)
    assert count_events(store) == 1


@pytest.mark.sqlite
def test_a_reader_of_a_locked_store_is_answered_and_told_what_it_may_lack(project, monkeypatch):
    monkeypatch.setattr(database, "READ_WAIT_S", 0.1)
    with session.run("seen"):
        pass
    store = session.store()
    assert len(runs.summaries(store)) == 1
    with closing(sqlite.connect(store.path)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        session.write({"t": "tag", "run_id": "x", "name": "a", "value": "b"})
        session.reset()  # the process that wrote ends: its journal is anybody's
        with pytest.warns(RuntimeWarning, match=r"is locked.*may lack the newest"):
            assert len(runs.summaries(store)) == 1
        holder.execute("ROLLBACK")
    assert store.sync() == 1


@pytest.mark.sqlite
def test_who_reads_ten_times_in_a_row_waits_once_for_the_newest(project, monkeypatch):
    from nbmlops.store import ingest

    with session.run("seen"):
        pass
    store, tried, clock = session.store(), [], [100.0]
    assert len(runs.summaries(store)) == 1
    monkeypatch.setattr(database.time, "monotonic", lambda: clock[0])

    def locked(project, wait_s):
        tried.append(wait_s)
        raise Unavailable("It is locked.")

    monkeypatch.setattr(ingest, "sync", locked)
    with pytest.warns(RuntimeWarning, match="may lack the newest"):
        for _ in range(10):
            store.catch_up()
    assert len(tried) == 1
    clock[0] += database.READ_WAIT_S
    with pytest.warns(RuntimeWarning, match="may lack the newest"):
        store.catch_up()
    assert len(tried) == 2


@pytest.mark.sqlite
def test_a_reader_opens_a_locked_store_no_longer_than_it_reads_one(project, monkeypatch):
    """Nobody waits the twenty seconds of a change to learn that the store cannot be read; a change still does."""
    path, waited = session.store().path, []
    with session.store().atomic():
        pass
    opened = sqlite.connect
    monkeypatch.setattr(
        sqlite, "connect", lambda path, timeout_s: waited.append(timeout_s) or opened(path, timeout_s=0)
    )
    monkeypatch.setattr(database, "READ_WAIT_S", 0.1)
    with closing(opened(path)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="is locked"), Store(find_project()).reading(sync=False):
            pass
        assert waited == [0.1]
        with pytest.raises(Unavailable, match="is locked"), Store(find_project()).atomic(0.3, sync=False):
            pass
        holder.execute("ROLLBACK")
    assert waited == [0.1, 0.3]


@pytest.mark.postgres
@pytest.mark.sqlite
def test_a_database_that_is_away_is_said_without_a_password(project, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv("NBMLOPS_STORE", f"postgresql+psycopg://me:s3cret@127.0.0.1:{port}/team")
        store = Store(find_project())
        with pytest.raises(Unavailable, match="does not answer") as error, store.reading():
            pass
    shown = f"{error.value} {error.value.__cause__!r} {store!r} {store.address}"
    assert "s3cret" not in shown
    assert "me:***@127.0.0.1" in shown


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "address",
    ["postgresql+psycopg//me:s3cret@host/db", "mysql://me:s3cret@host/db", "sqlite://", "sqlite:///:memory:", "what"],
)
def test_an_address_that_is_none_is_refused_without_a_password(project, monkeypatch, address):
    monkeypatch.setenv("NBMLOPS_STORE", address)
    with pytest.raises(Invalid, match="postgresql\\+psycopg://USER@HOST/NAME") as error:
        Store(find_project())
    assert "s3cret" not in str(error.value)


def test_a_connection_that_the_server_ended_is_made_again(project):
    store = session.store()
    flag(store)
    if store.path is None:
        with store.engine.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        other = Store(find_project())
        with other.engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    assert count_events(store) == 1


def test_a_connection_that_ends_in_a_governed_change_leaves_nothing_of_it(project):
    store = session.store()
    if store.path is not None:
        pytest.skip("a file has no server that could end the connection")
    flag(store)
    with pytest.raises(Unavailable, match="does not answer"), store.atomic() as change:
        change.event("advice", "never", {}, ("me", "os"))
        pid = change.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with Store(find_project()).engine.begin() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
        change.event("advice", "nor this", {}, ("me", "os"))
    assert count_events(store) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_both_sides_of_a_fork_go_on(project):
    code = """
import os
from nbmlops.store import events
from nbmlops.store.database import open_store
store = open_store()
def flag(text):
    with store.atomic() as change:
        change.event("advice", text, {}, ("me", "os"))
flag("before")
for n in range(3):
    with store.reading():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                flag(f"child {n}"); code = 0
            finally:
                os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    flag(f"parent {n}")
with store.reading() as connection:
    print(len(events.listed(connection)), events.verify(connection))
"""
    if session.store().path:  # a child that was forked inside a read transaction would wait for its parent
        code = code.replace("    with store.reading():\n        child", "    if True:\n        child")
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr) == ("7 None\n", "")


@pytest.mark.sqlite
def test_tracking_goes_on_when_the_store_is_damaged_and_arrives_when_it_is_mended(project):
    with session.run("before"):
        session.log(a=1)
    store = session.store()
    assert store.sync() >= 0
    copy = sqlite.backup(store.path, store.project.home / "backups" / "store.sqlite")
    whole = store.path.read_bytes()
    store.engine.dispose()
    store.path.write_bytes(whole[: len(whole) // 2])
    sqlite._seen.clear()
    with session.run("meanwhile"):
        session.log(a=2)
    with pytest.raises(Unavailable, match=r"is damaged.*backups.store\.sqlite"), Store(find_project()).reading():
        pass
    copy.replace(store.path)
    assert {run["experiment"] for run in runs.summaries(Store(find_project()))} == {"before", "meanwhile"}


@pytest.mark.sqlite
def test_a_store_that_was_emptied_is_not_made_anew_in_silence(project):
    store = session.store()
    flag(store)
    store.engine.dispose()
    store.path.write_bytes(b"")
    os.utime(store.path, (time.time() - 3600,) * 2)
    with pytest.warns(RuntimeWarning, match="was an empty file and has been made anew"):
        assert count_events(Store(find_project())) == 0


@pytest.mark.sqlite
def test_a_project_that_is_moved_while_it_is_open_is_whole_in_its_new_place(project, monkeypatch):
    with session.run("here"):
        session.log(a=1)
    old = Store(find_project())
    flag(old)
    session.reset()
    new_place = project.with_name("elsewhere")
    project.rename(new_place)
    with pytest.raises(Unavailable, match="is not there any more"):
        old.engine  # noqa: B018
    assert not project.exists()
    new = Store(Project(new_place, "nbmlops.toml"))
    assert [run["experiment"] for run in runs.summaries(new)] == ["here"]
    flag(new, "row 2")
    new_place.rename(project)
    assert count_events(old) == 2


@pytest.mark.sqlite
def test_a_project_that_is_copied_is_two(project):
    store = session.store()
    flag(store)
    store.engine.dispose()
    subprocess.run(["cp", "-r", project, project.with_name("copy")], check=True)
    copied = Store(Project(project.with_name("copy"), ""))
    flag(copied, "row 2")
    assert (count_events(store), count_events(copied)) == (1, 2)


def test_the_views_say_what_the_records_say(project):
    with session.run("forest", params={"trees": 100}, tags={"who": "me"}) as opened:
        session.log({"loss": 0.5}, step=1)
        session.log({"loss": math.inf}, step=2, context={"split": "test"})
    finding = {"code": "range", "column": "age", "outcome": "warning", "effect": 0.25, "message": "5 rows"}
    data = {"findings": [finding, {**finding, "effect": None}]}
    for number, content in enumerate((data, {"rows": 3}, {"findings": None})):
        session.write(
            {"t": "result", "result_id": f"r{number}", "run_id": opened.run_id, "kind": "check", "subject": "flights"}
            | {"at": "2024-05-01T10:00:00+00:00", "data": content}
        )
    store = session.store()
    session.reset()
    version = {"name": "a@b", "version": 1, "digest": "d", "format": "skops", "estimator": "e", "signature": "{}"}
    version |= {"owner": "me", "created_at": "2024", "metrics": "{}", "trusted": "[]", "size_bytes": 5}
    with store.atomic() as change:
        table = database.tables.model_versions
        change.connection.execute(table.insert(), [version, {**version, "version": 2}, {**version, "version": 3}])
        change.connection.execute(table.update().where(table.c.version == 3).values(deleted_at="2025"))
        for alias, number in (("champion", 1), ("old", 1), ("champion", 2), ("new", 2)):
            change.event("alias", f"a@b@{alias}", {"version": number}, ("me", "os"))
    assert ask(store, "SELECT run_id, experiment, status, params, tags FROM v_runs") == [
        (opened.run_id, "forest", "finished", '{"trees":[100,"logged"]}', '{"who":"me"}')
    ]
    points = ask(store, "SELECT experiment, name, context, step, value, length(at), substr(at, 24) FROM v_metrics")
    assert sorted(points) == [
        ("forest", "loss", '{"split":"test"}', 2, math.inf, 29, "+00:00"),
        ("forest", "loss", "{}", 1, 0.5, 29, "+00:00"),
    ]
    assert ask(store, "SELECT name, version, aliases FROM v_models ORDER BY version") == [
        ("a@b", 1, "old"),
        ("a@b", 2, "champion,new"),
    ]
    query = 'SELECT run_id, subject, kind, code, "column", outcome, effect, message FROM v_findings ORDER BY effect'
    same = (opened.run_id, "flights", "check", "range", "age", "warning")
    assert set(ask(store, query)) == {(*same, 0.25, "5 rows"), (*same, None, "5 rows")}
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET deleted_at = '2025'")
    assert [ask(store, f"SELECT * FROM {view}") for view in ("v_runs", "v_metrics", "v_findings")] == [[], [], []]


def test_a_nul_in_one_finding_does_not_take_all_from_the_view(project):
    for subject, column in (("x", "a\0b"), ("y", "ok")):
        session.keep("check", subject, {"findings": [{"code": "c", "column": column, "outcome": "issue"}]})
    store = session.store()
    store.sync()
    found = dict(ask(store, 'SELECT subject, "column" FROM v_findings'))
    assert found["y"] == "ok"
    assert found["x"].startswith("a")


def ask(store, query):
    with store.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_a_points_time_is_the_one_it_was_logged_at(project):
    with session.run("x"):
        before = time.time()
        session.log(a=1)
        after = time.time()
    ((at,),) = ask(session.store(), "SELECT at FROM v_metrics")
    assert before - 0.002 <= datetime.fromisoformat(at).timestamp() <= after + 0.002


def test_a_long_name_and_a_long_context_are_kept_short_and_hold_up_nothing(project):
    with session.run("long", params={"p" * 5000: 1}):
        session.log({"m" * 5000: 0.5}, context={"prompt": "word " * 2000})
        session.log(score=1.0)
    with session.run("after"):
        pass
    import nbmlops as nb

    assert session.store().set_aside() == []
    assert set(nb.runs()["experiment"]) == {"long", "after"}
    (param,) = [n for n in nb.get_run("long").params if n.startswith("p")]
    assert len(param) < 300
    assert nb.get_run("long").metric("score").values.tolist() == [1.0]


def test_one_bad_event_among_many_is_found_in_few_steps(project, monkeypatch):
    from nbmlops.store import ingest

    with session.run("many") as opened:
        for i in range(500):
            session.log(loss=i)
        session.write({"t": "metric", "run_id": opened.run_id, "name": None, "value": 1.0, "context": {}, "at": 1.0})
        for i in range(500):
            session.log(loss=i)
    written = []
    real = ingest.write
    monkeypatch.setattr(ingest, "write", lambda connection, events: written.append(real(connection, events)))
    tries = []
    monkeypatch.setattr(ingest, "_Savepoint", lambda c, made=ingest._Savepoint: tries.append(c) or made(c))
    session.store().sync()
    (run,) = runs.summaries(session.store())
    assert [m["count"] for m in run["metrics"]] == [1000]
    assert len(session.store().set_aside()) == 1
    assert len(tries) < 50
