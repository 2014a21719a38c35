"""Runs of scripts: the context manager, the decorator, and what is logged in them."""

import subprocess
import sys

import pytest

import nbmlops as nb
from nbmlops.tracking import session


def test_a_block_is_a_run_and_an_inner_one_its_child(project):
    with nb.run("outer", params={"a": 1}) as outer, nb.run("inner"):
        nb.log(loss=0.5)
    inner = nb.get_run("inner")
    assert (inner.parent, inner.metrics) == (outer.run_id, {"loss": 0.5})
    assert [c.run_id for c in nb.get_run("outer").children] == [inner.run_id]
    assert list(nb.runs()["experiment"]) == ["outer"]
    assert list(nb.runs(children=True)["experiment"]) == ["inner", "outer"]


def test_an_error_in_the_block_is_the_users_and_the_run_failed(project):
    with pytest.raises(KeyError), nb.run("broken"):
        {}["x"]
    run = nb.get_run("broken")
    assert (run.status, run.cause, run.error["name"]) == ("failed", "error", "KeyError")


def test_a_decorated_function_is_a_run_each_call(project):
    @nb.track("fit")
    def fit(rate, data=(1, 2), depth=3):
        return rate * 2

    @nb.track
    def bare():
        return 1

    assert (fit(0.5), bare()) == (1.0, 1)
    assert nb.get_run("fit").params == {"rate": 0.5, "depth": 3}
    assert nb.get_run("bare").status == "finished"


def test_the_run_of_a_notebook_is_the_parent_in_its_kernel(project, monkeypatch):
    monkeypatch.setenv("NBMLOPS_RUN_ID", "01a0-of-the-notebook")
    with nb.run("cell"):
        pass
    assert nb.get_run("cell").parent == "01a0-of-the-notebook"


def test_series_of_a_metric_come_back_in_order(project):
    with nb.run("steps"):
        for i in range(3):
            nb.log({"loss": 1 / (i + 1)}, step=i)
    series = nb.get_run("steps").metric("loss")
    assert (list(series.steps), list(series.values)) == ([0, 1, 2], [1.0, 0.5, 1 / 3])


def test_the_headline_is_the_most_honest_split(project):
    with nb.run("splits"):
        nb.log({"auc": 0.99}, context={"split": "train"})
        nb.log({"auc": 0.7}, context={"split": "validation"})
        nb.log({"auc": 0.6}, context={"split": "test"})
    metrics = nb.get_run("splits").metrics
    assert metrics["auc"] == 0.6
    assert metrics["auc[split=train]"] == 0.99


def test_a_killed_process_leaves_everything_it_logged(project):
    code = """
import os, signal, nbmlops as nb
from nbmlops.tracking import session
session.start("killed")
for i in range(300):
    nb.log(loss=i)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=project).returncode == -9
    run = nb.get_run("killed")
    assert list(run.metric("loss").values) == [float(i) for i in range(300)]
    assert run.status == "abandoned"


def test_the_project_is_the_nearest_folder_with_a_file(project, monkeypatch):
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    session.reset()
    assert session.project().root == project
    (project / "a" / "nbmlops.toml").write_text('[project]\nname = "inner"')
    session.reset()
    assert session.project().name == "inner"


def test_a_run_in_a_notebook_names_the_notebook(project, monkeypatch):
    monkeypatch.setenv("NBMLOPS_NOTEBOOK", str(project / "work.ipynb"))
    with nb.run("inside"):
        pass
    assert nb.get_run("inside").notebook == "work.ipynb"
