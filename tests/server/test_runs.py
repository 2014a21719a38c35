"""Runs through the server: lists, one whole, its source, side by side, and where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asked import refused, tracked
from nbmlops.tracking import session


async def test_runs_of_a_notebook_come_newest_first(ask):
    tracked("first", roc_auc=0.6)
    tracked("second", roc_auc=float("nan"))
    tracked("elsewhere", notebook="other.ipynb")
    found = await ask("runs")
    assert [r["name"] for r in found["runs"]] == ["second", "first"]
    assert [r["metric"]["value"] for r in found["runs"]] == ["NaN", 0.6]
    assert found["total"] == 2
    assert found["runs"][0]["cell_id"] == "c1"
    assert [r["name"] for r in (await ask("runs", scope="project"))["runs"]] == ["elsewhere", "second", "first"]


async def test_without_a_notebook_the_project_of_the_servers_folder_is_meant(ask, notebook, monkeypatch):
    monkeypatch.chdir(notebook.parent.parent)
    session.reset()
    tracked("at the root")
    assert [r["name"] for r in (await ask("runs", at=None))["runs"]] == ["at the root"]
    assert (await ask("runs"))["runs"] == []  # another project


async def test_pages_follow_each_other(ask):
    for number in range(7):
        tracked(f"run{number}")
    pages = [await ask("runs", limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [[r["name"] for r in page["runs"]] for page in pages] == [
        ["run6", "run5", "run4"],
        ["run3", "run2", "run1"],
        ["run0"],
        [],
    ]
    assert {page["total"] for page in pages} == {7}


async def test_a_query_chooses_and_a_wrong_one_is_the_users_error(ask):
    tracked("low", params={"C": 0.1}, roc_auc=0.5)
    tracked("high", params={"C": 2.0}, roc_auc=0.9)
    found = await ask("runs", q="roc_auc > 0.6 and C > 1")
    assert [r["name"] for r in found["runs"]] == ["high"]
    assert found["total"] == 1
    code, said = await refused(ask("runs", q="roc_auc >"))
    assert code == 400
    code, said = await refused(ask("runs", q="nothing = 3"))
    assert code == 404
    assert "No column 'nothing'" in said


async def test_a_curve_has_at_most_sixty_points_of_the_metric_that_counts(ask, notebook):
    tracked("long", loss=[1 / (n + 1) for n in range(1000)], roc_auc=0.7)
    (run,) = (await ask("runs"))["runs"]
    assert run["metric"]["name"] == "loss"
    assert 20 < len(run["metric"]["curve"]) <= 60
    assert run["metric"]["curve"][0] == 1
    (notebook.parent / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.65}]\n")
    (run,) = (await ask("runs"))["runs"]
    assert run["metric"] == {"name": "roc_auc", "value": 0.7, "curve": []}
    assert run["charter"] == "reached"


async def test_a_broken_charter_does_not_hide_the_runs(ask, notebook):
    tracked("a", roc_auc=0.7)
    (notebook.parent / "charter.yaml").write_text("metrics: 3\n")
    with pytest.warns(RuntimeWarning, match="not held against the charter"):
        (run,) = (await ask("runs"))["runs"]
    assert run["charter"] is None


async def test_a_charter_of_the_servers_folder_is_not_that_of_another_project(ask, notebook):
    tracked("a", roc_auc=0.7)
    (notebook.parent.parent / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.65}]\n")
    assert (await ask("runs"))["runs"][0]["charter"] is None


async def test_few_short_tags_and_none_of_an_execution(ask):
    tags = {f"t{n}": "x" * 500 for n in range(20)} | {"progress": "cell 1 of 2", "last_lines": "rows of people"}
    tracked("tagged", tags=tags)
    (run,) = (await ask("runs"))["runs"]
    assert len(run["tags"]) == 6
    assert all(len(value) <= 60 for value in run["tags"].values())
    assert not {"progress", "last_lines"} & set(run["tags"])


async def test_folds_and_trials_are_not_listed_and_cells_of_a_job_are(ask):
    outer = session.start("job", kind="notebook", notebook="nb.ipynb")
    session.finish(session.start("cell in it", kind="cell", notebook="nb.ipynb", parent=outer.run_id))
    session.finish(session.start("fold", kind="fold", notebook="nb.ipynb", parent=outer.run_id))
    session.finish(outer)
    assert [r["name"] for r in (await ask("runs"))["runs"]] == ["cell in it", "job"]


async def test_one_run_whole_and_nothing_of_the_machine(ask, notebook):
    opened = session.start("broken", notebook="nb.ipynb", source="fit()", cell_id="c9")
    session.finish(opened, "failed", "error", {"name": "ValueError", "message": "no", "traceback": str(notebook)})
    found = await ask(f"runs/{opened.run_id}")
    assert (found["kind"], found["mime"]) == ("run", "application/vnd.nbmlops.run.v1+json")
    assert found["data"]["error"] == {"name": "ValueError", "message": "no"}
    assert not {"process", "environment"} & set(found["data"])
    assert await ask(f"runs/{opened.run_id}/source") == {"cells": [{"cell_id": "c9", "source": "fit()"}]}


async def test_a_folder_in_a_message_is_not_told(ask, notebook):
    opened = session.start("broken", notebook="nb.ipynb")
    message = f"{notebook.parent}/data.csv is not there, nor {notebook.parent}"
    session.finish(opened, "failed", "error", {"name": "OSError", "message": message, "traceback": ""})
    said = (await ask(f"runs/{opened.run_id}"))["data"]["error"]["message"]  # ``ask`` looks at the rest
    assert said == "flights/data.csv is not there, nor flights"


async def test_a_secret_is_told_nowhere(ask):
    run_id = tracked(
        "with a secret", params={"password": "hunter2", "token": "ghp_" + "a" * 36}, tags={"api_key": "hunter2"}
    )
    for path in ("runs", f"runs/{run_id}", f"runs/{run_id}/source"):
        assert "hunter2" not in str(await ask(path))
        assert "ghp_" not in str(await ask(path))


async def test_comparing_says_what_differs(ask):
    one, two = tracked("a", params={"C": 1}, roc_auc=0.6), tracked("a", params={"C": 2}, roc_auc=0.6)
    found = await ask("compare", runs=f"{one},{two}")
    assert found["kind"] == "comparison"
    assert {"name": "params.C", "values": [1, 2]} in found["data"]["rows"]
    assert "metrics.roc_auc" not in {row["name"] for row in found["data"]["rows"]}


@pytest.mark.parametrize("runs", ["", "x", "a,b", "01a21965-c9ef-73c3-a3e8-6bfca15c47f3", ",".join("abcdefgh")])
async def test_two_to_six_ids_are_compared(ask, runs):
    tracked("a")
    code, _ = await refused(ask("compare", runs=runs))
    assert code == 400


async def test_lineage_of_a_run_and_of_a_version(ask, late):
    found = await ask("lineage", ref="late@1")
    assert found["kind"] == "lineage"
    assert {"model", "run"} <= {node["kind"] for node in found["data"]["nodes"]}
    assert (await ask("lineage", ref=late.run_id))["data"]["subject"] == f"run:{late.run_id}"


async def test_runs_that_were_tracked_meanwhile_are_there_at_once(ask):
    tracked("first")
    assert (await ask("runs"))["total"] == 1
    tracked("second")
    assert (await ask("runs"))["total"] == 2


async def test_a_source_comes_back_as_it_was_written(jp_fetch, notebook, jp_root_dir):
    """It is put into a notebook again: a path in it is part of it."""
    source = f'open("{jp_root_dir}/a.csv")\nx = "{jp_root_dir}-2/b"\r\n\x0c'
    run = session.start("x", kind="cell", notebook="nb.ipynb", cell_id="c1", source=source)
    session.finish(run)
    answer = await jp_fetch("nbmlops", "api", "runs", run.run_id, "source", params={"notebook": "flights/nb.ipynb"})
    (cell,) = json.loads(answer.body)["cells"]
    assert cell == {"cell_id": "c1", "source": source}


def test_a_folder_with_a_longer_name_stays_what_it_is(tmp_path):
    from nbmlops.server.asking import _nowhere

    root = tmp_path / "flights"
    said = f"{root}/a.csv, {root}-2/b.csv, {root}2, {root}.d/c, {root}. In {root}"
    assert _nowhere(said, root) == f"a.csv, {root}-2/b.csv, {root}2, {root}.d/c, .. In ."


def test_an_address_with_the_name_of_a_folder_in_it_stays_what_it_is(monkeypatch):
    from nbmlops.server.asking import _nowhere

    monkeypatch.setenv("HOME", "/data")
    root = Path("/srv")
    said = "s3://bucket/data/x.csv s3://data/x.csv s3://bucket/srv/y https://host/srv /mnt/srv/z"
    assert _nowhere(said, root) == said
    ours = json.dumps(
        {"a": "in\n/data/x", "b": "/srv/y", "c": "file:///srv/z", "f": "no:/srv/q", "d": "path=/data/x", "e": "/srv"}
    )
    told = json.loads(_nowhere(ours, root))
    assert told == {"a": "in\n~/x", "b": "y", "c": "file://z", "f": "no:q", "d": "path=~/x", "e": "."}


def test_a_folder_that_is_written_otherwise_in_json_is_told_neither(tmp_path):
    from nbmlops.server.asking import _nowhere

    folder = tmp_path / 'said "so"'
    assert json.loads(_nowhere(json.dumps([f"{folder}/a.csv"], ensure_ascii=False), folder)) == ["a.csv"]
