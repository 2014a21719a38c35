"""An export is read without us, and comes back with ids, dates and chain as they were."""

import contextlib
import hashlib
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.config import find_project
from nbmlops.errors import Conflict, MissingPackage, NotFound
from nbmlops.records import in_block
from nbmlops.store import events, exchange, flags, ledger, predictions, schedules
from nbmlops.store import export as export_
from nbmlops.store.driver import connect
from nbmlops.tracking import session

pytest.importorskip("pyarrow")

DATASET = {"role": "read", "name": "flights", "fingerprint": "f" * 32, "strength": "full", "rows": 3, "columns": []}

FLAG = {"flag_id": "f", "subject": "late@1", "kind": "model", "severity": "low", "role": None, "owner": None}
FLAG |= {"author": "ann", "at": "2026-01-01", "closed_at": None, "said": {"text": "é\u2028", "question": False}}
EXECUTION = {"t": "execution", "reads": ["é"], "writes": [], "mutates": [], "status": "finished", "at": "2024"}


@pytest.fixture
def full(project, model, held_out):
    """A store with something in every table, odd values among it."""
    with nb.run("train", params={"text": 'é\n"\u2028', "list": [1, {"a": None}]}, tags={"who": "ann"}):
        for step, loss in enumerate([0.5, math.nan, math.inf, -math.inf]):
            nb.log(loss=loss, step=step, context={"split": "test"})
        nb.log(loss=1)
        nb.log_artifact("note.txt", b"a note")
        nb.log_artifact("Zettel.txt", b"ein Zettel")
        run_id = session.current().run_id
        session.write({"t": "dataset", "run_id": run_id, **DATASET})
        session.write({"t": "model", "run_id": run_id, "name": "m", "estimator": "Tree", "params": {}, "fitted_on": {}})
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    with nb.run("other", params={"a": 1}) as other, nb.run("child"):
        nb.log(x=1)
    for kernel, runs in {"k": [None, run_id], "l": [None, other.run_id, None, run_id, None]}.items():
        for number, of in enumerate(runs):
            digest = session.artifacts().put(f"{kernel}{number}".encode())
            session.write({**EXECUTION, "kernel": kernel, "number": number, "run_id": of, "digest": digest})
    nb.dataset("held-out", held_out, keep=True)
    nb.promote("late", 1, to="champion", reason="the\u2028first")
    said = nb.predict("late@1", held_out[:5])
    nb.feedback(pd.DataFrame({"prediction_id": said.prediction_id, "outcome": [True] * 5}))
    nb.drift(held_out.assign(age=held_out.age + 90), "late@1")
    with session.store().atomic() as change:
        ledger.add(change, [{"key": "J@1", "notebook": "é.ipynb", "job": "J", "parameters": {"months": [1, None]}}])
        ledger.claim(change, "2100-01-01T00:00:00Z", "here")
        schedules.put(change, "J", state={"last": "J@1"})
        flags.add(change, [FLAG], ("ann", "git"))
        flags.answer(change, FLAG["flag_id"], {"text": "ja\u2028", "state": "answered"}, "2026-01-02", ("bob", "git"))
    nb.report("train")
    return project


@pytest.fixture
def elsewhere(full, tmp_path, monkeypatch):
    """Go to another project, empty, on a store of the kind asked: ``elsewhere("sqlite")`` or an address."""

    def go(store=None):
        folder = tmp_path / "elsewhere"
        folder.mkdir(exist_ok=True)
        (folder / "nbmlops.toml").write_text("")
        monkeypatch.chdir(folder)
        if store:
            monkeypatch.setenv("NBMLOPS_STORE", store)
        else:
            monkeypatch.delenv("NBMLOPS_STORE", raising=False)
        session.reset()
        return find_project(folder)

    return go


def data_of(folder):
    """Return every file of an export but the manifest, which holds its date."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()} | {
        "manifest.json": b""
    }


def export(folder, query=None):
    return export_.export(session.project(), folder, query)


def test_there_and_back_is_the_same(full, tmp_path, elsewhere):
    first = export(tmp_path / "first")
    assert all(first.counts.values()), first.counts
    assert first.missing == []
    before = nb.get_run("train").to_dict()
    project = elsewhere()
    done = exchange.load(project, tmp_path / "first")
    assert (done.new, done.chain_id) == (True, first.chain_id)
    export(tmp_path / "second")
    assert data_of(tmp_path / "first") == data_of(tmp_path / "second")
    assert nb.get_run("train").to_dict() == before
    values = nb.get_run("train").metric("loss", {"split": "test"}).values
    np.testing.assert_array_equal(values, [0.5, math.nan, math.inf, -math.inf])
    assert nb.get_run("train").artifact("note.txt") == b"a note"
    assert nb.model_version("late@champion").version == 1
    with session.store().reading() as connection:
        assert events.verify(connection) is None


def test_a_store_moves_from_a_file_to_a_server_and_back(full, tmp_path, elsewhere, postgres, request):
    if "sqlite" not in request.node.callspec.id:
        pytest.skip("begins on a file")
    export(tmp_path / "file")
    project = elsewhere(postgres())
    exchange.load(project, tmp_path / "file")
    export(tmp_path / "server")
    assert data_of(tmp_path / "file") == data_of(tmp_path / "server")
    assert len(nb.runs("loss > 0")) == 1
    shutil.rmtree(project.home)
    project = elsewhere()
    exchange.load(project, tmp_path / "server")
    export(tmp_path / "back")
    assert data_of(tmp_path / "file") == data_of(tmp_path / "back")


def test_what_is_tracked_after_an_import_goes_on_behind_it(full, tmp_path, elsewhere, held_out, model):
    export(tmp_path / "out")
    exchange.load(elsewhere(), tmp_path / "out")
    with nb.run("after"):
        nb.log(loss=2)
        session.write({"t": "dataset", "run_id": session.current().run_id, **DATASET})
        nb.evaluate(model, held_out, target="late")
        assert nb.register(model, "late").version == 2
    assert len(nb.runs(children=True)) == 4
    assert nb.get_run("after").datasets
    with session.store().reading() as connection:
        assert events.verify(connection) is None


def test_the_same_export_twice_changes_nothing(full, tmp_path, elsewhere):
    export(tmp_path / "out")
    project = elsewhere()
    exchange.load(project, tmp_path / "out")
    with nb.run("later"):
        pass
    assert exchange.load(project, tmp_path / "out").new is False
    assert len(nb.runs()) == 3


@pytest.mark.parametrize("waits", [False, True])
def test_a_store_that_holds_anything_is_refused(full, tmp_path, elsewhere, waits):
    export(tmp_path / "out")
    project = elsewhere()
    with nb.run("mine"):
        pass
    if not waits:
        session.store().sync()
    with pytest.raises(Conflict, match=r"holds runs.* already.*nbmlops init"):
        exchange.load(project, tmp_path / "out")
    assert list(nb.runs().experiment) == ["mine"]


def test_an_import_that_fails_midway_leaves_the_store_empty(full, tmp_path, elsewhere, monkeypatch):
    export(tmp_path / "out")
    project = elsewhere()
    insert = exchange._insert

    def fail(connection, table, batches):
        if table == "events":
            raise OSError(28, "No space left on device")
        return insert(connection, table, batches)

    monkeypatch.setattr(exchange, "_insert", fail)
    with pytest.raises(OSError, match="No space"):
        exchange.load(project, tmp_path / "out")
    with connect(project) as connection:
        assert connection.scalar("SELECT count(*) FROM runs") == 0
    monkeypatch.setattr(exchange, "_insert", insert)
    assert exchange.load(project, tmp_path / "out").new


@pytest.mark.sqlite
def test_a_flipped_bit_in_any_file_is_found(full, tmp_path, elsewhere):
    export(tmp_path / "out")
    project = elsewhere()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for name in manifest["files"]:
        path = tmp_path / "out" / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        if name == "README.md":
            continue
        with pytest.raises(Conflict, match="damaged"):
            exchange.load(project, tmp_path / "out")
        path.unlink()
        with pytest.raises(Conflict, match="damaged"):
            exchange.load(project, tmp_path / "out")
        path.write_bytes(content)
    assert exchange.load(project, tmp_path / "out").new


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "schema 99.*pip install -U nbmlops"),
        ({"format": 99}, "pip install -U nbmlops"),
        ({"files": {}}, "damaged"),
        ({"chain_id": "another"}, "chain.*broken at 1"),
        ({"counts": {"runs": 7}}, "3 rows"),
        (None, "damaged"),
    ],
)
def test_a_manifest_that_is_wrong_or_newer_is_refused(full, tmp_path, elsewhere, change, message):
    export(tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text("{" if change is None else json.dumps(manifest | change))
    with pytest.raises(Conflict, match=message):
        exchange.load(elsewhere(), tmp_path / "out")


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["../../secret", "a" * 63, "A" * 64])
def test_an_artifact_that_is_not_named_by_its_hash_is_refused(full, tmp_path, elsewhere, name):
    export(tmp_path / "out")
    (tmp_path / "secret").write_bytes(b"secret")
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][f"artifacts/{name}"] = hashlib.sha256(b"secret").hexdigest()
    path.write_text(json.dumps(manifest))
    with pytest.raises(Conflict, match="damaged"):
        exchange.load(elsewhere(), tmp_path / "out")


@pytest.mark.sqlite
@pytest.mark.parametrize("field", ["digest", "owner"])
def test_a_model_that_is_not_what_its_event_says_is_refused(full, tmp_path, elsewhere, field):
    export(tmp_path / "out")
    path, lines = tmp_path / "out" / "manifest.json", tmp_path / "out" / "model_versions.jsonl"
    row = json.loads(lines.read_text())
    lines.write_text(json.dumps(row | {field: "0" * 64}) + "\n")
    manifest = json.loads(path.read_text())
    manifest["files"]["model_versions.jsonl"] = hashlib.sha256(lines.read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))
    with pytest.raises(Conflict, match="late@1 is not what its event says"):
        exchange.load(elsewhere(), tmp_path / "out")


def test_what_is_cut_off_the_chain_after_an_import_is_missed(full, tmp_path, elsewhere):
    export(tmp_path / "out")
    project = elsewhere()
    exchange.load(project, tmp_path / "out")
    with connect(project) as connection:
        connection.execute("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")
    with session.store().reading() as connection:
        assert events.verify(connection)


@pytest.mark.sqlite
def test_an_export_of_an_empty_store_does_not_bar_another(full, tmp_path, elsewhere):
    export(tmp_path / "full")
    empty = elsewhere()
    export_.export(empty, tmp_path / "empty")
    shutil.rmtree(empty.home)
    session.reset()
    assert exchange.load(empty, tmp_path / "empty").new
    assert exchange.load(empty, tmp_path / "full").new


@pytest.mark.sqlite
def test_rows_that_are_not_ours_are_refused_in_one_line(full, tmp_path, elsewhere):
    export(tmp_path / "out")
    path, lines = tmp_path / "out" / "manifest.json", tmp_path / "out" / "results.jsonl"
    lines.write_text('{"result_id": "x"}\n')
    manifest = json.loads(path.read_text())
    manifest["files"]["results.jsonl"] = hashlib.sha256(lines.read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))
    with pytest.raises(Conflict, match=r"damaged: results\.jsonl: KeyError"):
        exchange.load(elsewhere(), tmp_path / "out")


@pytest.mark.sqlite
def test_a_folder_without_an_export(project, tmp_path):
    with pytest.raises(NotFound, match=r"no manifest\.json"):
        exchange.load(session.project(), tmp_path)


@pytest.mark.sqlite
def test_an_existing_folder_is_never_overwritten(full, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    with pytest.raises(Conflict, match="nothing is overwritten"):
        export(tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["file"]


@pytest.mark.sqlite
def test_an_export_that_fails_leaves_nothing_behind(full, tmp_path, monkeypatch):
    monkeypatch.setattr(export_, "_write_artifacts", lambda *_: 1 / 0)
    (tmp_path / "there").mkdir()
    with pytest.raises(ZeroDivisionError):
        export(tmp_path / "there" / "out")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_query_exports_the_runs_that_fit_with_what_is_theirs(full, tmp_path):
    done = export(tmp_path / "out", "experiment == 'other'")
    runs = pd.read_parquet(tmp_path / "out" / "runs.parquet")
    assert set(runs.experiment) == {"other", "child"}
    assert (done.counts["points"], done.counts["artifacts"], done.counts["datasets"]) == (1, 0, 0)
    assert done.counts["events"] == 5
    assert done.counts["model_versions"] == 1


def sources_in(folder):
    rows = [json.loads(line) for line in (folder / "executions.jsonl").read_text().splitlines()]
    return {(folder / "artifacts" / row["digest"]).read_text() for row in rows}


def test_a_query_exports_what_the_kernels_of_its_runs_ran_up_to_them(full, tmp_path):
    assert export(tmp_path / "all").counts["executions"] == 6  # what ran after the last run explains none
    assert export(tmp_path / "out", "experiment == 'other'").counts["executions"] == 2
    assert sources_in(tmp_path / "out") == {"l0", "l1"}
    assert "k0" in sources_in(tmp_path / "all")


def test_what_the_kernels_of_deleted_runs_ran_is_not_exported(full, tmp_path):
    nb.delete("late", aliases=True)
    nb.delete("train~0")
    export(tmp_path / "out")
    assert sources_in(tmp_path / "out") == {"l0", "l1"}


@pytest.mark.sqlite
def test_a_lost_source_is_named(full, tmp_path):
    digest = hashlib.sha256(b"l0").hexdigest()
    session.artifacts().delete(digest)
    assert list(export(tmp_path / "out").missing) == [digest]


def test_an_export_of_the_schema_before_has_no_executions_and_comes_back(full, tmp_path, elsewhere):
    export(tmp_path / "out")
    (tmp_path / "out" / "executions.jsonl").unlink()
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text()) | {"schema": 2}
    del manifest["files"]["executions.jsonl"], manifest["counts"]["executions"]
    said = _as_of_6(tmp_path / "out", manifest)
    path.write_text(json.dumps(manifest))
    assert exchange.load(elsewhere(), tmp_path / "out").new
    assert len(nb.runs(children=True)) == 3
    again = [nb.prediction(one["prediction_id"]) for one in said]
    assert [(a["value"], a["probability"]) for a in again] == [
        (json.loads(one["value"]), one["probability"]) for one in said
    ]
    assert [f["kind"] for a in again for f in a["feedback"]] == ["outcome"] * 5


def _as_of_6(folder, manifest):
    """Write predictions and feedback of an export as schema 6 had them; return the predictions."""
    import pyarrow as pa
    from pyarrow import parquet

    (block,) = parquet.read_table(folder / "predictions.parquet").to_pylist()
    said = json.loads(block["data"])
    about = {name: block[name] for name in ("model", "version", "run_id", "at", "batch")}
    rows = [
        {
            "prediction_id": in_block(block["prediction_id"], n),
            **about,
            "value": json.dumps(said["value"][n]),
            "probability": said["probability"][n],
        }
        for n in range(block["rows"])
    ]
    parquet.write_table(pa.Table.from_pylist(rows), folder / "predictions.parquet")
    names = ("id", "prediction_id", "outcome", "source", "at")
    came = [{n: row[n] for n in names} for row in exchange.read_lines(folder / "feedback.jsonl")]
    (folder / "feedback.jsonl").write_text("".join(json.dumps(row) + "\n" for row in came))
    for name in ("predictions.parquet", "feedback.jsonl"):
        manifest["files"][name] = exchange.sha256(folder / name)
    manifest["counts"]["predictions"] = len(rows)
    return rows


def test_deleted_runs_are_not_exported_but_what_the_chain_mentions_is(full, tmp_path):
    nb.delete("late", aliases=True)
    nb.delete("train~0")
    done = export(tmp_path / "out")
    assert done.counts["runs"] == 2
    assert done.counts["points"] == 1
    assert done.counts["results"] == 2  # that of the evaluation, and of a check outside of any run
    assert done.missing == []


@pytest.mark.sqlite
def test_a_file_that_is_lost_is_named_and_the_rest_exported(full, tmp_path):
    digest = hashlib.sha256(b"a note").hexdigest()
    session.artifacts().delete(digest)
    assert list(export(tmp_path / "out").missing) == [digest]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["missing"] == [digest]


@pytest.mark.sqlite
def test_a_broken_chain_is_exported_and_said(full, tmp_path):
    assert export(tmp_path / "whole").broken_at is None
    with connect(session.project()) as connection:
        connection.execute("UPDATE events SET actor = 'eve' WHERE seq = 2")
    assert export(tmp_path / "out").broken_at == 2
    assert "event 2 was changed" in (tmp_path / "out" / "README.md").read_text()
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["broken_at"] == 2


@pytest.mark.sqlite
def test_a_query_that_fits_no_run_exports_nothing_and_one_that_does_is_said(full, tmp_path):
    with pytest.raises(NotFound, match="No run fits 'loss > 99'"):
        export(tmp_path / "none", "loss > 99")
    assert not (tmp_path / "none").exists()
    export(tmp_path / "out", "loss == 1")
    assert "Only the runs that fit `loss == 1`" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.sqlite
def test_the_page_in_an_export_says_how_to_read_it_and_is_right(full, tmp_path, monkeypatch):
    export(tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    text = Path("README.md").read_text(encoding="utf-8")
    blocks = [b for b in text.split("\n\n") if b.startswith("    ")]
    python = ["\n".join(line[4:] for line in b.splitlines()) for b in blocks if "import" in b]
    assert len(python) == 2
    names = {}
    exec(python[0].replace("runs.join", "joined = runs.join"), names)
    assert len(names["joined"]) == 3
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(python[1], {})
    assert said.getvalue() == ""
    lines = Path("events.jsonl").read_text(encoding="utf-8").split("\n")
    Path("events.jsonl").write_text("\n".join([lines[0].replace("register", "approve"), *lines[1:]]), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(python[1], {})
    assert said.getvalue() == "broken at 1\n"


@pytest.mark.sqlite
def test_pyarrow_is_asked_for_by_name(project, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingPackage, match=r"nbmlops\[export\]"):
        export("out")


def test_many_points_are_never_in_memory_together(project, tmp_path, monkeypatch):
    with nb.run("long"):
        for i in range(1000):
            nb.log(loss=i)
    session.store().sync()
    monkeypatch.setitem(export_.ROWS, "points", 100)
    sizes = []
    write = export_._write_parquet

    def measured(folder, table, batches):
        def counted():
            for rows in batches:
                sizes.append(len(rows))
                yield rows

        return write(folder, table, counted())

    monkeypatch.setattr(export_, "_write_parquet", measured)
    export(tmp_path / "long")
    assert max(sizes) <= 100
    assert len(list(exchange._batches(tmp_path / "long" / "points.parquet"))) == 10


def many(held_out, key=None):
    """Predict more rows than the database holds as JSON, with outcomes of some; return ids and file."""
    said = nb.predict("late@1", held_out[:80].assign(booking=[f"B{n}" for n in range(80)]), key=key)
    nb.feedback(pd.DataFrame({"prediction_id": said.prediction_id[:60], "outcome": True}))
    nb.feedback({"booking": "B999", "outcome": True}, model="late", key="booking")
    (block,) = [b for b in predictions.blocks(session.store(), "late") if b.rows == 80]
    return list(said.prediction_id), block.digest


def test_a_block_with_a_file_comes_back_with_its_feedback(full, held_out, tmp_path, elsewhere):
    ids, digest = many(held_out, "booking")
    before = nb.performance("late")
    export(tmp_path / "out")
    assert exchange.load(elsewhere(), tmp_path / "out").new
    assert session.artifacts().get(digest)
    assert nb.prediction(ids[79])["inputs"]["age"] == held_out.age.iloc[79]
    after = nb.performance("late")
    assert (after.predictions, after.known, after.metrics) == (before.predictions, before.known, before.metrics)
    assert nb.feedback({"booking": "B999", "outcome": True}, model="late", key="booking").duplicates == 1
    assert nb.feedback({"booking": "B7", "outcome": False}, model="late", key="booking").unknown == 0
