"""The engine through papermill's own doors."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

import nbmlops as nb
from nbmlops.jobs.engine import NbmlopsEngine


@pytest.fixture(autouse=True)
def registered():
    papermill.engines.papermill_engines.register("nbmlops", NbmlopsEngine)


def statuses(path):
    return [c.metadata.papermill.status for c in nbformat.read(path, 4).cells if "papermill" in c.metadata]


def test_papermill_api(project, notebook, executed):
    papermill.execute_notebook(
        str(notebook("plain")), "out.ipynb", {"trees": 5}, engine_name="nbmlops", progress_bar=False
    )
    run = nb.get_run("plain")
    assert (run.status, run.params, run.notebook, run.tags["output"]) == (
        "finished",
        {"trees": 5},
        "plain.ipynb",
        "out.ipynb",
    )
    assert executed("out.ipynb")[1] == ["completed"] * 4


def test_papermills_error_carries_the_reason(project, notebook, executed):
    with pytest.raises(PapermillExecutionError, match="no flights in June"):
        papermill.execute_notebook(str(notebook("fails")), "out.ipynb", engine_name="nbmlops", progress_bar=False)
    assert executed("out.ipynb")[1][3:] == ["failed", "not_run", "not_run"]


def test_a_limit_per_cell_is_papermills_own_option(notebook, executed):
    with pytest.raises(PapermillExecutionError, match="This cell was stopped after its limit of 1 s"):
        papermill.execute_notebook(
            str(notebook("slow")), "out.ipynb", engine_name="nbmlops", execution_timeout=1, progress_bar=False
        )
    assert executed("out.ipynb")[1] == ["completed", "timed_out", "not_run"]
    assert nb.get_run("slow").cause == "timed_out"


def test_the_command_line_of_papermill_gives_the_same_notebook_as_ours(project, notebook, executed):
    path = str(notebook("plain"))
    ours = [sys.executable, "-c", "from nbmlops.cli import main; main()", "run", path, "ours.ipynb", "-p", "trees", "9"]
    register = "import papermill; from nbmlops.jobs.engine import NbmlopsEngine as E;"
    register += "papermill.engines.papermill_engines.register('nbmlops', E);"
    theirs = [sys.executable, "-c", f"{register} from papermill.cli import papermill as main; main()"]
    theirs += ["--engine", "nbmlops", path, "theirs.ipynb", "-p", "trees", "9"]
    for command in (ours, theirs):
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    one, other = executed("ours.ipynb"), executed("theirs.ipynb")
    assert one[1] == other[1]
    assert [c.source for c in one[0].cells] == [c.source for c in other[0].cells]
    kept = [nb.get_run("plain"), nb.get_run("plain~1")]
    assert [(r.status, r.params, r.kind) for r in kept] == [("finished", {"trees": 9}, "notebook")] * 2


def test_the_entry_point_costs_papermill_nothing():
    code = (
        "import sys, nbmlops.jobs.engine; print([m for m in ('papermill', 'nbformat', 'pandas') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
