"""What is damaged, lost or altered is found; what waits and how large everything is, is told."""

import os
import time

import pytest

import nbmlops as nb
from nbmlops.store import garbage, health, predictions
from nbmlops.store.driver import connect
from nbmlops.tracking import session


@pytest.fixture
def kept(project):
    """A run with points and a file, and two events; the digest of the file."""
    with nb.run("forest"):
        for value in (3, 2, 1):
            nb.log(loss=value)
        digest = nb.log_artifact("note.txt", b"a note")
        about = {
            "kernel": "k",
            "number": 1,
            "status": "finished",
            "at": "2024",
            "digest": session.artifacts().put(b"x = 1"),
        }
        session.write({"t": "execution", **about, "reads": [], "writes": ["x"], "mutates": []})
    for row in range(2):
        with session.store().atomic() as change:
            change.event("flag", f"row {row}", {}, ("me", "os"))
    return digest


def wrong():
    return {c.what for c in health.verify(session.project()) if not c.right}


def run_sql(sql):
    with connect(session.project()) as connection:
        connection.execute(sql)


def last_verified():
    with connect(session.project()) as connection:
        return health.verified(connection)


def test_a_whole_store_is_right_and_the_time_is_kept(kept):
    assert last_verified() is None
    assert wrong() == set()
    assert last_verified().at > "2020"
    assert last_verified().wrong == ""


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE events SET actor = 'eve' WHERE seq = 1", {"chain"}),
        ("DELETE FROM events WHERE seq = 2", {"chain"}),
        ("DELETE FROM events", {"chain"}),
        ("DELETE FROM points WHERE place = 1", {"metrics"}),
        ("UPDATE series SET run = 99", {"references"}),
        ("UPDATE artifacts SET digest = '" + "0" * 64 + "'", {"files"}),
        ("UPDATE executions SET digest = '" + "0" * 64 + "'", {"files"}),
    ],
)
def test_rows_that_were_altered_are_found(kept, damage, found):
    assert wrong() == set()
    run_sql(damage)
    assert wrong() == found
    assert last_verified().wrong.startswith(f"{found.copy().pop()}: ")


def test_a_damaged_and_a_lost_file_are_named(kept, project):
    path = project / ".nbmlops" / "artifacts" / kept[:2] / kept
    path.write_bytes(b"A note")
    (files,) = [c for c in health.verify(session.project()) if c.what == "files"]
    assert not files.right
    assert files.says == f"1 damaged: {kept[:12]}"
    path.unlink()
    (files,) = [c for c in health.verify(session.project()) if c.what == "files"]
    assert f"1 missing: {kept[:12]}" in files.says


@pytest.mark.sqlite
def test_a_damaged_database_is_found(kept, project):
    path = project / ".nbmlops" / "store.sqlite"
    session.store().engine.dispose()
    with connect(session.project()) as connection:
        page = connection.scalar("SELECT rootpage FROM sqlite_master WHERE name = 'runs_started'")
        size = connection.scalar("PRAGMA page_size")
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : (page - 1) * size + 64] = os.urandom(64)
    path.write_bytes(content)
    (database,) = [c for c in health.verify(session.project()) if c.what == "database"]
    assert not database.right


def test_sizes_follow_what_is_kept(kept, project):
    sizes = health.sizes(session.project())
    assert (sizes["artifacts"], sizes["artifacts_bytes"]) == (2, len(b"a note" + b"x = 1"))
    assert sizes["database_bytes"] > 10_000
    (project / ".nbmlops" / "outputs").mkdir(exist_ok=True)
    (project / ".nbmlops" / "outputs" / "page.html").write_bytes(b"x" * 99)
    assert health.sizes(session.project())["outputs_bytes"] >= 99


@pytest.mark.sqlite
def test_sizes_make_no_store(project):
    assert set(health.sizes(session.project()).values()) == {0}
    assert not (project / ".nbmlops").exists()


def test_what_waits_is_counted_with_its_age(kept, project, monkeypatch):
    from nbmlops.store.journal import Journal

    session.store().sync()
    other = Journal(project / ".nbmlops" / "journal")
    other.append({"t": "tag", "run_id": "r", "name": "a", "value": "b"})
    with connect(session.project()) as connection:
        found = health.waiting(session.project(), connection)
    other.close()
    assert found.events == 1
    assert found.bytes > 20
    assert found.oldest_at > "2020"


def test_what_was_cut_off_the_chain_is_missed_also_after_the_next_event(kept):
    run_sql("DELETE FROM events WHERE seq = 2")
    with session.store().atomic() as change:
        change.event("flag", "row 3", {}, ("me", "os"))
    assert "chain: event 2 was changed or is missing" in {
        f"{c.what}: {c.says}" for c in health.verify(session.project()) if not c.right
    }


def test_a_store_without_the_end_of_its_chain_gets_it_at_the_next_event(kept):
    run_sql("DELETE FROM meta WHERE key = 'head'")
    assert wrong() == set()
    with session.store().atomic() as change:
        change.event("flag", "row 3", {}, ("me", "os"))
    assert wrong() == set()
    run_sql("DELETE FROM events WHERE seq = 3")
    assert wrong() == {"chain"}


@pytest.mark.parametrize("change", ["owner = 'eve'", f"digest = '{'0' * 64}'"])
def test_a_model_that_is_not_what_was_registered_is_named(project, model, held_out, change):
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    assert wrong() == set()
    run_sql(f"UPDATE model_versions SET {change}")
    (chain,) = [c for c in health.verify(session.project()) if c.what == "chain"]
    assert not chain.right
    assert chain.says == "late@1: file or owner is not what was registered"


def test_the_file_of_a_block_of_predictions_is_kept_by_gc_and_missed_by_verify(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    said = nb.predict("late", held_out[:80])
    (block,) = predictions.blocks(session.store(), "late")
    garbage.gc(session.project(), now_s=time.time() + 60 * 86_400, dry_run=False)
    assert nb.prediction(said.prediction_id.iloc[79])["inputs"]["age"] == held_out.age.iloc[79]
    assert wrong() == set()
    (project / ".nbmlops" / "artifacts" / block.digest[:2] / block.digest).unlink()
    (files,) = [c for c in health.verify(session.project()) if c.what == "files"]
    assert f"1 missing: {block.digest[:12]}" in files.says
