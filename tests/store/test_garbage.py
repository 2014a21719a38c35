"""gc takes what nothing refers to, and nothing else, whatever happens beside it."""

import json
import os
import subprocess
import sys
import time

import pytest

import nbmlops as nb
from nbmlops.errors import Conflict
from nbmlops.records import iso
from nbmlops.store import driver, garbage, health, journal, lifecycle
from nbmlops.store.driver import connect
from nbmlops.tracking import session

DAY = 86_400
LATER = time.time() + 60 * DAY


def collect(**words):
    return garbage.gc(session.project(), now_s=LATER, dry_run=False, **words)


def rows(table, where="1 = 1"):
    with connect(session.project()) as connection:
        return connection.execute(f"SELECT * FROM {table} WHERE {where}").fetchall()


def test_a_dry_run_says_what_the_real_one_takes(tree):
    (old, _), _ = tree
    lifecycle.delete_runs(session.project(), [old])
    said = garbage.gc(session.project(), now_s=LATER)
    assert (said.runs, said.points, said.artifacts, said.artifacts_bytes) == (2, 3, 1, len(b"note 0"))
    assert len(lifecycle.deleted_runs(session.project())) == 2
    done = collect()
    assert {**done.to_dict(), "dry_run": True} == said.to_dict()
    assert collect().to_dict() == {**garbage.Garbage(False).to_dict()}


def test_gc_takes_every_trace_of_an_old_tombstone(tree):
    (old, child), (new, _) = tree
    lifecycle.delete_runs(session.project(), [old])
    assert collect(vacuum=True).runs == 2
    for table in ("runs", "artifacts", "datasets", "models", "results"):
        assert rows(table, f"run_id IN ('{old}', '{child}')") == []
    assert len(rows("series")) == 2
    assert len(rows("points")) == 3
    assert list(nb.runs("loss >= 0").run_id) == [new]
    assert nb.get_run(new).artifact("note.txt") == b"note 1"
    assert len(list(session.artifacts().list())) == 1


def test_a_fresh_tombstone_stays(tree):
    lifecycle.delete_runs(session.project(), [tree[0][0]])
    assert garbage.gc(session.project(), dry_run=False).runs == 0
    assert garbage.gc(session.project(), dry_run=False, older_than_s=-60).runs == 2


def test_a_run_logged_after_gc_is_not_mistaken_for_the_one_whose_number_it_gets(tree):
    _, (new, _) = tree
    lifecycle.delete_runs(session.project(), [new])
    collect()
    with nb.run("forest", params={"trees": 7}):
        pass
    assert list(nb.runs("trees == 7").experiment) == ["forest"]
    assert len(nb.runs("trees == 1")) == 0


def ran(kernel, *cells):
    """Let a kernel run cells, each a source and the run it is, if any."""
    for number, (source, run_id) in enumerate(cells):
        about = {"kernel": kernel, "number": number, "run_id": run_id, "digest": session.artifacts().put(source)}
        names = {"reads": [], "writes": [], "mutates": []}
        session.write({"t": "execution", **about, **names, "status": "finished", "at": iso(time.time())})
    session.store().sync()


def test_what_a_kernel_ran_goes_with_the_last_of_its_runs(tree):
    (old, _), (new, _) = tree
    ran("spent", (b"x = 1", None), (b"y = x", old))
    ran("living", (b"x = 1", None), (b"z = x", new))
    lifecycle.delete_runs(session.project(), [old])
    assert garbage.gc(session.project(), dry_run=False).executions == 0  # the run can still be brought back
    said = garbage.gc(session.project(), now_s=LATER)
    assert (said.runs, said.executions, said.artifacts) == (2, 2, 2)  # a note, and the one source nobody else ran
    assert len(rows("executions", "kernel = 'spent'")) == 2
    assert {**collect().to_dict(), "dry_run": True} == said.to_dict()
    assert [row[0] for row in rows("executions")] == ["living", "living"]
    assert len(list(session.artifacts().list())) == 3
    assert health.verify(session.project())[-1].right


def test_one_run_that_is_left_keeps_all_its_kernel_ran(tree):
    (old, _), (new, _) = tree
    ran("living", (b"x = 1", None), (b"y = x", old), (b"z = x", new))
    lifecycle.delete_runs(session.project(), [old])
    assert (collect().runs, len(rows("executions"))) == (2, 3)
    assert health.verify(session.project())[-1].right


def test_what_ran_just_now_is_spared_though_its_run_is_gone(tree):
    ran("young", (b"x = 1", "not here yet"))
    assert garbage.gc(session.project(), dry_run=False).executions == 0
    assert collect().executions == 1


def test_a_young_file_is_spared_and_an_old_one_nobody_mentions_goes(project):
    with nb.run("x"):
        pass
    session.artifacts().put(b"put before what mentions it is written")
    assert garbage.gc(session.project(), dry_run=False).artifacts == 0
    assert collect().artifacts == 1
    assert list(session.artifacts().list()) == []


def test_a_file_that_is_put_again_while_gc_looks_stays(project, monkeypatch):
    with nb.run("x"):
        pass
    place = session.artifacts()
    digest = place.put(b"again")
    path = project / ".nbmlops" / "artifacts" / digest[:2] / digest
    os.utime(path, (1, 1))
    used = garbage._used

    def put_meanwhile(*words):
        found = used(*words)
        place.put(b"again")
        return found

    monkeypatch.setattr(garbage, "_used", put_meanwhile)
    assert garbage.gc(session.project(), dry_run=False).artifacts == 0
    assert place.get(digest) == b"again"


@pytest.mark.parametrize("where", ["event", "result", "tag", "waiting journal", "report"])
def test_a_file_that_anything_mentions_stays(project, where):
    digest = session.artifacts().put(b"evidence")
    with nb.run("x", tags={"kept": f"sha256:{digest}"} if where == "tag" else {}) as opened:
        if where == "result":
            about = {"result_id": "r", "run_id": opened.run_id, "kind": "check", "subject": "s", "at": "x"}
            session.write({"t": "result", **about, "data": {"rows": [{"values": digest}]}})
    session.store().sync()
    if where == "event":
        with session.store().atomic() as change:
            change.event("flag", "row 1", {"evidence": digest}, ("me", "os"))
    if where == "report":
        page = project / ".nbmlops" / "outputs" / "reports" / "x.html"
        page.parent.mkdir(parents=True)
        page.write_text("<p>" + "x" * (garbage.BLOCK - 30) + digest)  # across the border of two blocks
    if where == "waiting journal":
        text = json.dumps({"t": "artifact", "digest": digest})
        (project / ".nbmlops" / "journal").mkdir(exist_ok=True)
        (project / ".nbmlops" / "journal" / "cut-short.journal").write_text(f"damaged before {text}")
    assert collect().artifacts == 0
    assert session.artifacts().get(digest) == b"evidence"


def test_what_the_chain_mentions_outlives_its_tombstone(project, model, held_out):
    with nb.run("train") as made:
        nb.evaluate(model, held_out, target="late")
        version = nb.register(model, "late")
    nb.delete("late@1")
    nb.delete(made.run_id)
    collect()
    assert [r["run_id"] for r in lifecycle.deleted_runs(session.project())] == [made.run_id]
    nb.restore("late")
    assert nb.load_model("late@1").predict(held_out[["age", "city", "noise"]]).shape == (400,)
    from nbmlops.registry.models import evaluation_of

    assert evaluation_of(version)["target"] == "late"


@pytest.mark.sqlite
def test_only_the_watermark_of_a_journal_long_gone_is_forgotten(project):
    with nb.run("x"):
        pass
    session.store().sync()
    old, young = "01890000-0000-7000-8000-000000000000", session.store() and nb.get_run("x").run_id
    there = "01890000-0000-7000-8000-000000000001"
    with connect(session.project()) as connection:
        for journal_id in (old, young, there):
            connection.execute('INSERT INTO journals (journal_id, "offset") VALUES (?, 9)', (journal_id,))
    folder = project / ".nbmlops" / "journal"
    folder.mkdir(exist_ok=True)
    (folder / f"{there}{journal.SUFFIX}").write_bytes(b"")
    garbage.gc(session.project(), dry_run=False)
    left = {row[0] for row in rows("journals")}
    assert old not in left
    assert young in left


@pytest.mark.sqlite
def test_a_store_outside_the_project_keeps_its_watermarks(project, monkeypatch, tmp_path):
    monkeypatch.setenv("NBMLOPS_STORE", f"sqlite:///{tmp_path / 'shared.sqlite'}")
    with nb.run("x"):
        pass
    session.store().sync()
    with connect(session.project()) as connection:
        old = "01890000-0000-7000-8000-000000000000"
        connection.execute('INSERT INTO journals (journal_id, "offset") VALUES (?, 9)', (old,))
    assert garbage.gc(session.project(), dry_run=False).watermarks == 0


def test_the_lease_of_a_process_that_has_a_run_open_stays(project):
    with nb.run("x"):
        pass
    session.store().sync()
    with connect(session.project()) as connection:
        run_id = nb.get_run("x").run_id
        connection.execute("UPDATE runs SET status = 'running', lease = 'open' WHERE run_id = ?", (run_id,))
        for lease in ("open", "ended"):
            connection.execute("INSERT INTO leases (lease, process, renewed_at) VALUES (?, '{}', 1)", (lease,))
    garbage.gc(session.project(), dry_run=False)
    assert "open" in {row[0] for row in rows("leases")}
    assert "ended" not in {row[0] for row in rows("leases")}


def test_two_gcs_at_once_take_everything_once(tree):
    (old, _), _ = tree
    lifecycle.delete_runs(session.project(), [old])
    code = (
        "from nbmlops.store import garbage; from nbmlops.tracking import session; "
        f"print(garbage.gc(session.project(), now_s={LATER}, dry_run=False).artifacts)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) for _ in range(3)]
    said = [process.communicate() for process in both]
    assert [p.returncode for p in both] == [0] * 3, said
    assert sum(int(out) for out, _ in said) == 1
    assert lifecycle.deleted_runs(session.project()) == []
    assert len(rows("points")) == 3


def test_a_run_restored_while_gc_works_keeps_everything(tree, monkeypatch):
    (old, _), _ = tree
    lifecycle.delete_runs(session.project(), [old])
    purge = garbage._purge

    def restore_first(*words):
        lifecycle.restore_runs(session.project(), old)
        purge(*words)

    monkeypatch.setattr(garbage, "_purge", restore_first)
    assert collect().artifacts == 0
    assert nb.get_run(old).artifact("note.txt") == b"note 0"
    assert list(nb.get_run(old).metric("loss").values) == [0, 0]


def killed_at(step, work):
    """Do some work in a forked child that dies at a statement, as kill -9 would; tell whether it died."""
    child = os.fork()
    if child == 0:
        left = iter(range(step))

        def counted(function):
            def call(*words):
                if next(left, None) is None:
                    os._exit(9)
                return function(*words)

            return call

        driver.Connection.execute = counted(driver.Connection.execute)
        driver.Connection.executemany = counted(driver.Connection.executemany)
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_gc_killed_at_any_statement_leaves_a_whole_store(tree):
    (old, _), (new, _) = tree
    lifecycle.delete_runs(session.project(), [old])
    step = 0
    while killed_at(step, collect):
        assert len(rows("runs")) in (2, 4)
        assert all(c.right for c in health.verify(session.project())), step
        assert rows("points", "series NOT IN (SELECT id FROM series)") == []
        assert rows("series", "run NOT IN (SELECT no FROM runs)") == []
        assert nb.get_run(new).artifact("note.txt") == b"note 1"
        step += 1
    assert step > 20
    assert len(rows("runs")) == 2
    assert len(list(session.artifacts().list())) == 1


def test_a_place_in_which_another_store_keeps_files_is_refused(project, monkeypatch, tmp_path):
    monkeypatch.setenv("NBMLOPS_ARTIFACTS", str(tmp_path / "shared"))
    with nb.run("x"):
        nb.log_artifact("model.bin", b"precious")
    session.store().sync()
    other = tmp_path / "other"
    other.mkdir()
    (other / "nbmlops.toml").write_text("")
    monkeypatch.delenv("NBMLOPS_STORE", raising=False)
    monkeypatch.chdir(other)
    session.reset()
    with pytest.raises(Conflict, match="Another store keeps files") as refused:
        collect()
    (marker,) = (p for p in (tmp_path / "shared" / "stores").iterdir() if p.name in refused.value.message)
    marker.unlink()
    assert collect().artifacts == 1


def test_a_place_in_object_storage_is_signed_too(project, monkeypatch, tmp_path):
    monkeypatch.setenv("NBMLOPS_ARTIFACTS", f"memory://{tmp_path.name}")
    with nb.run("x"):
        nb.log_artifact("model.bin", b"precious")
    session.store().sync()
    assert len(session.artifacts().signed()) == 1
    collect()
    session.artifacts().sign("another")
    with pytest.raises(Conflict, match="another"):
        collect()
