"""A runner that is killed: nothing that was printed is lost, no kernel is left, and the notebook is rebuilt."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.cli.doctor import diagnose
from nbmlops.config import find_project
from nbmlops.errors import Conflict, NotFound
from nbmlops.jobs import outputs
from nbmlops.tracking import session
from waiting import until

COMMAND = [sys.executable, "-c", "from nbmlops.cli import main; main()", "run"]
KERNEL_GONE_S = 3.0

LINES = "\n".join(f"line {i}" for i in range(200))
SAYS = f"""
import os, sys, time
print('''{LINES}''', flush=True)
from IPython.display import display, HTML
display(HTML("<b>shown</b>"))
with open("ready", "w") as ready:
    ready.write(str(os.getpid()))
"""
WAITS = "time.sleep(120)"
HOLDS = "import ctypes; ctypes.PyDLL(None).sleep(120)"  # in C, with the interpreter's lock: no thread looks for parents
IGNORES = """
while True:
    try:
        time.sleep(120)
    except KeyboardInterrupt:
        print("no", flush=True)
"""


@pytest.fixture
def written(project):
    """Write a notebook that says much, then does something for long."""

    def write(last, name="long.ipynb"):
        cells = [new_markdown_cell("# Long"), new_code_cell("first = 1\nfirst"), new_code_cell(SAYS + last)]
        cells.append(new_code_cell("open('later.txt', 'w').close()"))
        nbformat.write(new_notebook(cells=cells), project / name)
        return name

    return write


@pytest.fixture
def running(project):
    """Execute a notebook in a process of its own until its cell has said what it says: (runner, kernel's number)."""
    with contextlib.ExitStack() as stack:

        def run(name, *words):
            os.mkfifo(project / "ready")
            runner = stack.enter_context(
                subprocess.Popen([*COMMAND, name, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            )
            stack.callback(runner.kill)
            return runner, int((project / "ready").read_text())

        yield run


def gone_within(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def said(node):
    return "".join(o.get("text", "") for c in node.cells if c.cell_type == "code" for o in c.outputs)


def killed(project, runner):
    """Kill a runner as nothing can be caught; return its run's id."""
    journal = next((project / ".nbmlops/journal").glob("*.outputs"))
    until(lambda: b'"display_data"' in journal.read_bytes())
    runner.kill()
    runner.communicate()
    return journal.stem


def test_section_7_1_every_line_printed_before_the_runner_was_killed_is_in_the_rebuilt_notebook(
    project, written, running, executed
):
    runner, kernel = running(written(WAITS))
    run_id = killed(project, runner)
    assert gone_within(kernel, KERNEL_GONE_S)
    assert outputs.left(project / ".nbmlops") == [run_id]
    assert any(line.what == "notebooks" and run_id[-6:] in line.do for line in diagnose(find_project()))

    found = nb.recover(run_id)
    assert (found.cells, found.completed, found.stopped_at, found.damaged_bytes) == (4, 2, 3, 0)
    node, statuses, text = executed(found.path)
    assert statuses == ["completed", "completed", "interrupted", "not_run"]
    assert LINES in said(node)
    assert "<b>shown</b>" in text
    assert node.cells[1].outputs[0].data["text/plain"] == "1"
    assert [c.execution_count for c in node.cells if c.cell_type == "code"] == [1, 2, None]
    assert node.cells[2].outputs[-1].ename == "RunnerGone"
    nbformat.validate(node)

    run = nb.get_run(run_id)
    assert (run.status, run.cause, run.error["cell"]) == ("abandoned", "process_gone", 3)
    assert run.artifact("notebook.ipynb").decode() == text
    assert project / run.tags["output"] == project / found.path
    assert outputs.left(project / ".nbmlops") == []
    assert not (project / "later.txt").exists()


def test_section_7_2_a_runner_told_to_end_leaves_a_whole_notebook_within_5_s(project, written, running, executed):
    runner, kernel = running(written(IGNORES), "out.ipynb", "--json")
    runner.send_signal(signal.SIGTERM)
    until(lambda: b'"not_run"' in (project / "out.ipynb").read_bytes(), 5)
    assert executed(project / "out.ipynb")[1] == ["completed", "completed", "interrupted", "not_run"]
    out, _ = runner.communicate(timeout=30)
    assert runner.returncode == 8
    assert gone_within(kernel, KERNEL_GONE_S)
    run = json.loads(out)
    assert (run["status"], run["cause"]) == ("interrupted", "preempted")
    node, statuses, _ = executed(project / run["tags"]["output"])
    assert statuses == ["completed", "completed", "interrupted", "not_run"]
    assert LINES in said(node)
    assert "no" in said(node)  # what it said when it was asked to stop
    assert list((project / ".nbmlops/journal").glob("*.outputs")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends it on Linux only")
def test_a_kernel_that_can_look_after_nothing_is_not_left_either(project, written, running):
    runner, kernel = running(written(HOLDS))
    runner.kill()
    runner.communicate()
    assert gone_within(kernel, KERNEL_GONE_S)


def test_ctrl_c_twice_ends_in_order(project, written, running, executed):
    runner, kernel = running(written(IGNORES), "--json")
    for _ in range(3):
        runner.send_signal(signal.SIGINT)
        time.sleep(0.1)
    out, _ = runner.communicate(timeout=30)
    assert runner.returncode == 8
    assert gone_within(kernel, KERNEL_GONE_S)
    assert executed(project / json.loads(out)["tags"]["output"])[1][2:] == ["interrupted", "not_run"]


def test_a_run_that_goes_on_is_not_rebuilt_and_says_where_it_is(project, written, running):
    running(written(WAITS))
    journal = next((project / ".nbmlops/journal").glob("*.outputs"))
    with pytest.raises(Conflict, match="still goes"):
        nb.recover(journal.stem)
    until(lambda: "last_lines" in nb.get_run(journal.stem).tags, 20)
    run = nb.get_run(journal.stem)
    assert run.status == "running"
    assert run.tags["progress"].startswith("cell 3 of 4: import os")
    assert run.tags["last_lines"].splitlines()[-1] == "line 199"
    shown = CliRunner().invoke(main, ["runs", "show", journal.stem]).stdout
    assert "status    running" in shown
    assert "3 of 4" in shown
    assert "line 199" in shown
    shown = project / run.tags["output"]  # what Lab shows: every 2 s, less often where saving is slow
    until(lambda: "line 199" in said(nbformat.read(shown, 4)), 20)
    node = nbformat.read(shown, 4)
    assert [c.metadata.papermill.status for c in node.cells[:3]] == ["completed", "completed", "running"]


def test_a_damaged_or_empty_journal_gives_what_can_be_read(project, written, running):
    runner, _ = running(written(WAITS))
    run_id = killed(project, runner)
    path = outputs.place(project / ".nbmlops", run_id)
    path.write_bytes(path.read_bytes() + b"\x99\x00\x00\x00half")
    assert nb.recover(run_id[-8:], project / "mine.ipynb").completed == 2
    assert (project / "mine.ipynb").is_file()
    path.write_bytes(b"")
    with pytest.raises(NotFound, match="holds no notebook"):
        nb.recover(run_id)


def test_the_notebook_of_a_run_that_ended_is_written_again(project, notebook):
    run = nb.run_notebook(notebook("fails"))
    answer = CliRunner().invoke(main, ["runs", "recover", run.run_id[-8:], "-o", "again.ipynb", "--json"])
    assert json.loads(answer.stdout)["stopped_at"] == 4
    assert (project / "again.ipynb").read_bytes() == run.artifact("notebook.ipynb")


def test_a_later_notebook_in_its_place_is_left_alone(project, written, running, notebook):
    runner, _ = running(written(WAITS), "out.ipynb")
    run_id = killed(project, runner)
    nb.run_notebook(notebook("awaits"), output="out.ipynb")
    later = (project / "out.ipynb").read_bytes()
    assert nb.recover(run_id).path.endswith(f"recovered/{run_id}.ipynb")
    assert (project / "out.ipynb").read_bytes() == later
    session.reset()


def test_gc_clears_a_journal_only_when_its_notebook_is_kept(project, notebook, monkeypatch):
    monkeypatch.setattr(outputs.OutputJournal, "discard", outputs.OutputJournal.close)
    run = nb.run_notebook(notebook("awaits"))  # killed between the end of the run and that of its journal
    lost = outputs.place(project / ".nbmlops", "0198c0de-0000-7000-8000-000000000001")
    lost.write_bytes(b"of a run the store knows nothing of")
    counted = CliRunner().invoke(main, ["store", "gc", "--json"])
    assert json.loads(counted.stdout)["outputs"] == 1
    assert outputs.place(project / ".nbmlops", run.run_id).exists()
    assert CliRunner().invoke(main, ["store", "gc", "--yes"]).exit_code == 0
    assert not outputs.place(project / ".nbmlops", run.run_id).exists()
    assert lost.exists()


def test_the_list_of_runs_still_takes_a_query(project, notebook):
    nb.run_notebook(notebook("awaits"))
    listed = CliRunner().invoke(main, ["runs", "status = 'finished'", "--limit", "1", "--json"])
    assert [r["experiment"] for r in json.loads(listed.stdout)] == ["awaits"]
    assert json.loads(CliRunner().invoke(main, ["runs", "--json"]).stdout)
