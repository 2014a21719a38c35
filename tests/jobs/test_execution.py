"""``nb.run_notebook`` on real kernels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from papermill.exceptions import PapermillExecutionError

import nbmlops as nb
from nbmlops.errors import Invalid, NotFound
from nbmlops.jobs.execution import execute
from nbmlops.tracking import session


def output_of(run):
    return session.project().root / run.tags["output"]


def said(node):
    return "".join(o.get("text", "") for c in node.cells if c.cell_type == "code" for o in c.outputs)


def test_a_notebook_becomes_a_run_with_parameters_output_and_artifact(project, notebook, executed):
    run = nb.run_notebook(notebook("plain"), {"trees": 7, "months": [1, 2]})
    assert (run.kind, run.status, run.experiment, run.notebook) == ("notebook", "finished", "plain", "plain.ipynb")
    assert run.params == {"trees": 7, "months": [1, 2]}
    assert {p.origin for p in run.param_records} == {"papermill"}
    assert run.tags["output"] == f".nbmlops/outputs/plain/{run.run_id}.ipynb"
    node, statuses, text = executed(output_of(run))
    assert statuses == ["completed"] * 4
    assert run.artifact("notebook.ipynb").decode() == text
    seen = json.loads(said(node))
    assert (seen["trees"], seen["rate"], seen["months"]) == (7, 0.1, [1, 2])
    assert seen["cwd"] == str(project)
    assert seen["env"]["NBMLOPS_RUN_ID"] == run.run_id
    assert seen["env"]["NBMLOPS_NOTEBOOK"] == str(project / "plain.ipynb")
    assert seen["env"]["NBMLOPS_JOB"] == "1"


def test_the_kernel_works_in_the_notebooks_folder_and_this_process_stays_where_it_is(project, notebook, executed):
    (project / "inner {x}").mkdir()
    path = notebook("plain").rename(project / "inner {x}" / "plain.ipynb")
    before = Path.cwd()
    run = nb.run_notebook(path, output="out {y}.ipynb")
    assert run.status == "finished"
    assert Path.cwd() == before
    assert json.loads(said(executed(project / "out {y}.ipynb")[0]))["cwd"] == str(path.parent)


def test_a_cell_that_fails_is_the_last_one_that_runs(project, notebook, executed):
    run = nb.run_notebook(notebook("fails"))
    assert (run.status, run.cause) == ("failed", "error")
    assert (run.error["name"], run.error["message"], run.error["cell"]) == ("ValueError", "no flights in June", 4)
    node, statuses, _ = executed(output_of(run))
    assert statuses == ["completed", "completed", "completed", "failed", "not_run", "not_run"]
    assert node.metadata.papermill.exception is True
    assert not (project / "later.txt").exists()


def test_check_raises_papermills_error_with_the_reason(notebook):
    with pytest.raises(PapermillExecutionError, match="no flights in June"):
        nb.run_notebook(notebook("fails"), check=True)


def test_a_killed_kernel_is_told_as_what_it_is(project, notebook, executed):
    run, error = execute(notebook("dies"))
    assert (run.status, run.cause) == ("failed", "kernel_died(SIGKILL)")
    assert (run.error["name"], run.error["cell"]) == ("DeadKernelError", 2)
    assert "SIGKILL" in str(error)
    node, statuses, _ = executed(output_of(run))
    assert statuses == ["completed", "kernel_died", "not_run"]
    assert "before" in said(node)
    assert not (project / "later.txt").exists()


def test_a_limit_for_the_whole_notebook(project, notebook, executed):
    run, error = execute(notebook("slow"), timeout=2)
    assert (run.status, run.cause) == ("failed", "timed_out")
    assert "limit of 2 s" in str(error)
    statuses = executed(output_of(run))[1]
    late = statuses.index("timed_out")  # the second cell, unless the machine is very busy
    assert statuses[:late] + statuses[late + 1 :] == ["completed"] * late + ["not_run"] * (2 - late)
    assert not (project / "later.txt").exists()


@pytest.mark.parametrize(("signum", "cause"), [(signal.SIGINT, "cancelled"), (signal.SIGTERM, "preempted")])
def test_a_runner_that_is_stopped_ends_its_kernel_and_says_so(project, notebook, executed, signum, cause):
    os.mkfifo(project / "ready")
    notebook("waits")
    command = [sys.executable, "-c", "from nbmlops.cli import main; main()", "run", "waits.ipynb", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as runner:
        kernel = int((project / "ready").read_text())  # a named pipe: opens when the cell is running
        runner.send_signal(signum)
        out, _ = runner.communicate(timeout=60)
    assert runner.returncode == 8
    run = json.loads(out)
    assert (run["status"], run["cause"]) == ("interrupted", cause)
    assert executed(project / run["tags"]["output"])[1] == ["interrupted", "not_run"]
    assert not (project / "later.txt").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def test_a_kernel_that_is_interrupted_from_outside_did_not_fail(project, executed):
    from nbformat import v4, write

    cells = [v4.new_code_cell(c) for c in ("import os, signal\nos.kill(os.getpid(), signal.SIGINT)", "print(1)")]
    write(v4.new_notebook(cells=cells), project / "stopped.ipynb")
    run = nb.run_notebook("stopped.ipynb")
    assert (run.status, run.cause, run.error["name"]) == ("interrupted", "cancelled", "KeyboardInterrupt")
    assert executed(output_of(run))[1] == ["interrupted", "not_run"]


def test_the_run_is_in_the_store_before_the_kernel_starts(notebook, executed):
    run = nb.run_notebook(notebook("sees_run"), {"trees": 3})
    assert said(executed(output_of(run))[0]).split("\n")[0] == "running notebook {'trees': 3}"


def test_a_tracked_cell_of_a_job_knows_its_id_and_what_it_runs_in_turn_has_none(notebook):
    path = notebook("tracked")
    made = nbformat.read(path, 4)
    made.cells.append(
        nbformat.v4.new_code_cell("%%track outer\nget_ipython().run_cell('%%track turn\\nx = 1')", id="a")
    )
    nbformat.write(made, path)
    nb.run_notebook(path)
    assert {name: nb.get_run(name).cell_id for name in ("inner", "outer", "turn")} == {
        "inner": "tracked-2",
        "outer": "a",
        "turn": None,
    }


def test_a_tracked_cell_is_a_child_of_its_notebooks_run(notebook):
    run = nb.run_notebook(notebook("tracked"))
    assert run.status == "finished"
    assert [(c.experiment, c.kind, c.parent, c.notebook) for c in run.children] == [
        ("inner", "cell", run.run_id, "tracked.ipynb")
    ]


def test_await_works_and_leaving_early_is_no_failure(project, notebook, executed):
    assert "awaited" in said(executed(output_of(nb.run_notebook(notebook("awaits"))))[0])
    left = nb.run_notebook(notebook("leaves"))
    assert (left.status, left.error) == ("finished", None)
    assert executed(output_of(left))[1] == ["completed", "completed", "not_run"]
    assert not (project / "later.txt").exists()


def test_a_secret_reaches_the_kernel_and_no_file(project, notebook):
    value = "correct-horse-battery"
    run = nb.run_notebook(notebook("secret"), {"db_password": value, "host": "db"})
    assert run.error["message"] == "cannot log in with [secret]"  # the kernel had the value
    assert f"using [secret] {len(value)}" in output_of(run).read_text()
    session.reset()
    holding = [p for p in project.rglob("*") if p.is_file() and value.encode() in p.read_bytes()]
    assert holding == []


def test_a_python_kernel_of_another_machine_is_replaced_by_this_one(notebook, executed):
    run = nb.run_notebook(notebook("other_kernel"))
    assert "here" in said(executed(output_of(run))[0])


def test_a_foreign_kernel_that_is_missing_is_one_line(notebook):
    path = notebook("awaits")
    path.write_text(
        path.read_text().replace('"name": "python3"', '"name": "ir"').replace('"name": "python"', '"name": "R"')
    )
    with pytest.raises(Invalid, match=r"needs the kernel 'ir'.*Installed: .*python3"):
        nb.run_notebook(path)


def test_wrong_usage_starts_nothing(project, notebook):
    path = notebook("plain")
    with pytest.raises(Invalid, match=r"no parameter 'tres'. Known: trees=100, .*Did you mean 'trees'\?"):
        nb.run_notebook(path, {"tres": 1})
    with pytest.raises(NotFound, match=r"Notebooks there: plain\.ipynb"):
        nb.run_notebook("missing.ipynb")
    (project / "broken.ipynb").write_text("{not json")
    with pytest.raises(Invalid, match=r"broken\.ipynb is not a notebook"):
        nb.run_notebook("broken.ipynb")
    with pytest.raises(Invalid, match="is the notebook itself"):
        nb.run_notebook(path, output=path)
    assert nb.runs().empty


def test_progress_names_every_cell_and_the_end(notebook):
    seen = []
    nb.run_notebook(notebook("fails"), progress=lambda *told: seen.append(told))
    assert seen == [
        ("fails.ipynb", 0, 6, "Reads"),
        ("fails.ipynb", 1, 6, "1"),
        ("fails.ipynb", 2, 6, "Flights"),
        ("fails.ipynb", 3, 6, 'raise ValueError("no flights in June")'),
        ("fails.ipynb", 6, 6, "failed"),
    ]


def test_with_tracking_off_the_notebook_still_runs(project, notebook, monkeypatch):
    monkeypatch.setenv("NBMLOPS_DISABLED", "1")
    run = nb.run_notebook(notebook("awaits"), output="out.ipynb")
    assert run.status == "finished"
    assert "awaited" in (project / "out.ipynb").read_text()
    assert not list(project.rglob("*.journal"))


def test_a_run_started_inside_another_is_its_child(notebook):
    with nb.run("outer") as outer:
        inner = nb.run_notebook(notebook("awaits"))
    assert inner.parent == outer.run_id


def test_a_notebook_that_runs_a_notebook_is_its_parent(project, notebook, executed):
    notebook("awaits")
    run = nb.run_notebook(notebook("nests"))  # inside a kernel, whose event loop is running
    assert run.status == "finished", run.error
    assert [c.experiment for c in run.children] == ["awaits"]


def test_an_error_that_was_expected_is_no_failure(notebook):
    path = notebook("fails")
    path.write_text(
        path.read_text().replace(
            '"metadata": {},\n   "source": [\n    "raise',
            '"metadata": {"tags": ["raises-exception"]},\n   "source": [\n    "raise',
        )
    )
    run, error = execute(path)
    assert (run.status, error) == ("finished", None)
