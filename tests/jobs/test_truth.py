"""Whatever ends a notebook is told as what it was, and the cells after it did not run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import nbmlops as nb
from nbmlops.jobs import memory, recover, stopping
from nbmlops.jobs.ending import Ending
from nbmlops.jobs.execution import _register, execute
from nbmlops.jobs.progress import COLOUR
from nbmlops.tracking import session
from waiting import until

COMMAND = [sys.executable, "-c", "from nbmlops.cli import main; main()", "run"]


@pytest.fixture
def write(project):
    """Write a notebook of some cells, by default in Python."""

    def make(*cells, name="written.ipynb", kernel="python3", language="python"):
        spec = {"kernelspec": {"name": kernel, "display_name": kernel, "language": language}}
        node = new_notebook(cells=[new_code_cell(c) for c in (*cells, "print('never')")], metadata=spec)
        nbformat.write(node, project / name)
        return project / name

    return make


def read(run):
    node = nbformat.read(session.project().root / run.tags["output"], 4)
    cells = [c for c in node.cells if "papermill-error-cell-tag" not in c.metadata.get("tags", [])]
    return cells, [c.metadata.papermill.status for c in cells]


def said(cells):
    return "".join(o.text for c in cells for o in c.outputs if o.get("name") == "stdout")


UNTIL_KEPT = """
import pathlib
while not any(b'rea' + b'ched' in p.read_bytes() for p in pathlib.Path('.nbmlops').rglob('*') if p.is_file()):
    pass
"""  # what is on its way dies with the kernel


@pytest.mark.parametrize(
    ("code", "status", "cause", "cell"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "failed", "kernel_died(SIGKILL)", "kernel_died"),
        ("import os\nos._exit(3)", "failed", "kernel_died(exit code 3)", "kernel_died"),
        ("import ctypes\nctypes.string_at(0)", "failed", "kernel_died(SIGSEGV)", "kernel_died"),
        ("raise MemoryError('too much')", "failed", "out_of_memory", "failed"),
        ("import sys\nsys.exit(2)", "failed", "error", "failed"),
        ("import sys\nsys.exit(143)", "interrupted", "preempted", "interrupted"),
    ],
)
def test_section_7_1_what_ends_a_cell_is_told_and_later_ones_did_not_run(write, code, status, cause, cell):
    run = nb.run_notebook(write("print('before')", f"print('rea' 'ched', flush=True)\n{UNTIL_KEPT}{code}"))
    assert (run.status, run.cause) == (status, cause)
    cells, statuses = read(run)
    assert statuses == ["completed", cell, "not_run"]
    assert said(cells) == "before\nreached\n"
    assert [c.metadata.papermill.exception for c in cells] == [False, status == "failed", None]
    assert (run.error["cell"], run.error["cells"], run.error["output"][-1]) == (2, 3, run.error["output"][-1])
    assert run.error["source"].startswith("print('rea'")


def test_what_a_child_of_the_kernel_prints_is_the_cells_and_not_the_runners(write, project):
    path = write("import os\nos.system('echo from-a-child')\nos.system('echo and-more 1>&2')")
    env = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    done = subprocess.run([*COMMAND, str(path), "--json"], capture_output=True, text=True, env=env)
    run = json.loads(done.stdout)
    assert "from-a-child" not in done.stderr
    assert "from-a-child" in (project / run["tags"]["output"]).read_text()


def test_many_lines_printed_right_before_the_kernel_died_are_all_there(write):
    lines = "for i in range(3000):\n    print('line', i)\nimport sys, os, signal, pathlib\nsys.stdout.flush()\n"
    lines += (
        "kept = pathlib.Path('.nbmlops')\nlast = b'line %d' % 2999\n"  # not as the source has it, which is kept, too
        "while not any(last in p.read_bytes() for p in kept.rglob('*') if p.is_file()):\n"
    )
    lines += "    pass\n"  # what is on its way dies with the kernel
    run = nb.run_notebook(write(f"{lines}os.kill(os.getpid(), signal.SIGKILL)"))
    assert said(read(run)[0]).splitlines() == [f"line {i}" for i in range(3000)]


def test_out_of_memory_is_said_only_where_the_system_says_so(write, monkeypatch):
    kills = iter([4, 5])
    monkeypatch.setattr(memory, "kills", lambda: next(kills))
    run, error = execute(write("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"))
    assert (run.status, run.cause) == ("failed", "out_of_memory")
    assert "because memory ran out" in str(error)
    assert read(run)[1] == ["kernel_died", "not_run"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("sys/fs/cgroup/job/memory.events", "low 0\noom 2\noom_kill 3\noom_group_kill 0\n"),
        ("sys/fs/cgroup/memory/box/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ("proc/vmstat", "pgfault 12\noom_kill 3\n"),
    ],
)
def test_where_the_system_counts_what_it_killed(tmp_path, file, content):
    for path, text in {"proc/self/cgroup": "4:memory:/box\n0::/job\n", file: content}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert memory.kills(tmp_path) == 3


def test_a_limit_for_each_cell_says_where_the_cell_was(write):
    _register()
    path = write("import time\ndef slow():\n    time.sleep(60)\nprint('begun', flush=True)\nslow()")
    with pytest.raises(papermill.PapermillExecutionError, match="stopped after its limit of 1 s"):
        papermill.execute_notebook(str(path), "out.ipynb", engine_name="nbmlops", execution_timeout=1)
    run = nb.get_run("written")
    assert (run.status, run.cause) == ("failed", "timed_out")
    cells, statuses = read(run)
    assert statuses == ["timed_out", "not_run"]
    assert said(cells) == "begun\n"
    assert "slow()" in COLOUR.sub("", "\n".join(cells[0].outputs[-1].traceback))


def test_an_output_folder_that_is_not_there_is_a_failed_run(write):
    _register()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        papermill.execute_notebook(str(write("1")), "nowhere/out.ipynb", engine_name="nbmlops")
    run = nb.get_run("written")
    assert (run.status, run.error["name"]) == ("failed", "FileNotFoundError")


def test_another_thread_may_stop_a_run_and_says_what_it_shall_be_called(write, project):
    path = write("import time\nopen('ready', 'w').close()\ntime.sleep(60)")
    how = Ending("interrupted", "abandoned", "lease_lapsed", "LeaseLapsed", "Another attempt owns this work.")
    run_id = "0198c0de-0000-7000-8000-00000000abcd"

    def stop():
        until((project / "ready").exists)
        stopping.stop(run_id, how)

    thread = threading.Thread(target=stop)
    thread.start()
    run, error = execute(path, run_id=run_id)
    thread.join()
    assert isinstance(error, KeyboardInterrupt)
    assert (run.status, run.cause, run.error["name"]) == ("abandoned", "lease_lapsed", "LeaseLapsed")
    assert read(run)[1] == ["interrupted", "not_run"]
    assert not stopping.stop(run_id)


def test_what_is_raised_with_check_says_how_to_go_on(notebook):
    with pytest.raises(papermill.PapermillExecutionError) as raised:
        nb.run_notebook(notebook("fails"), check=True)
    (note,) = raised.value.__notes__
    run = nb.get_run("fails")
    assert "cell      4 of 6" in note
    assert f"nbmlops report {run.run_id[-6:]}" in note


@pytest.fixture
def echo(project, monkeypatch):
    """Install a kernel of another language."""
    folder = project / "share" / "kernels" / "echo"
    folder.mkdir(parents=True)
    argv = [sys.executable, str(Path(__file__).with_name("echo_kernel.py")), "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Echo", "language": "echo"}))
    monkeypatch.setenv("JUPYTER_PATH", str(project / "share"))
    return {"kernel": "echo", "language": "echo"}


def test_another_language_runs_and_dies_as_truly(write, echo):
    run = nb.run_notebook(write("one", "two", **echo))
    assert (run.status, read(run)[1]) == ("finished", ["completed"] * 3)
    run = nb.run_notebook(write("one", "two\ndie", **echo))
    assert (run.status, run.cause) == ("failed", "kernel_died(SIGKILL)")
    cells, statuses = read(run)
    assert statuses == ["completed", "kernel_died", "not_run"]
    assert said(cells) == "one\ntwo\ndie\n"


def test_what_a_crashing_kernel_of_another_language_says_is_kept(write, echo):
    run = nb.run_notebook(write("crash", **echo))
    assert run.cause == "kernel_died(exit code 3)"
    assert "*** caught segfault ***" in run.error["traceback"]


def test_why_a_kernel_does_not_start_is_told(write, echo, project):
    spec = {"argv": [sys.executable, "-c", "raise SystemExit('no module named everything')", "{connection_file}"]}
    (project / "share/kernels/echo/kernel.json").write_text(json.dumps(spec | {"display_name": "x", "language": "x"}))
    run = nb.run_notebook(write("one", **echo))
    assert (run.status, run.cause) == ("failed", "kernel_died(unknown)")
    assert "no module named everything" in run.error["message"]
    assert read(run)[1] == ["not_run", "not_run"]


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends it on Linux only")
def test_another_languages_kernel_is_not_left_by_a_killed_runner(write, echo, project):
    os.mkfifo(project / "ready")
    path = write("wait ready", **echo)
    with subprocess.Popen([*COMMAND, str(path)], stderr=subprocess.PIPE) as runner:
        kernel = int((project / "ready").read_text())
        runner.send_signal(signal.SIGKILL)
        runner.communicate()
    end = time.monotonic() + 3
    while Path(f"/proc/{kernel}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    state = Path(f"/proc/{kernel}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_what_the_journal_rebuilds_is_what_the_notebook_shows(write, project, monkeypatch):
    from nbmlops.jobs.outputs import OutputJournal

    monkeypatch.setattr(OutputJournal, "discard", OutputJournal.close)
    run = nb.run_notebook(
        write(
            "from IPython.display import display, HTML, clear_output\nh = display('first', display_id=True)",
            "h.update('second')\nprint('gone')\nclear_output()\nprint('kept')\ndisplay(HTML('<i>x</i>'))\n1 + 1",
            "import sys\nprint('err', file=sys.stderr)\nclear_output(wait=True)\nprint('last')",
            "1 / 0",
        )
    )
    rebuilt = recover.rebuild(next((project / ".nbmlops/journal").glob("*.outputs")))
    told = nbformat.reads(run.artifact("notebook.ipynb").decode(), as_version=4)
    assert [c.outputs for c in rebuilt.nb.cells] == [c.outputs for c in told.cells]
    assert [c.metadata.papermill for c in rebuilt.nb.cells] == [c.metadata.papermill for c in told.cells]
    assert [c.execution_count for c in rebuilt.nb.cells] == [c.execution_count for c in told.cells]
    assert rebuilt.nb.metadata.papermill == told.metadata.papermill
    assert rebuilt.nb.cells[0].outputs[0].data["text/plain"] == "'second'"


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import nbmlops as nb
try:
    print(nb.run_notebook("written.ipynb", output="out.ipynb").status)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_section_7_3_where_a_file_may_have_20_kB_the_last_good_notebook_still_parses(write, project):
    write("print('small')", "print('x' * 50_000, flush=True)\nimport time\ntime.sleep(3)", "open('end', 'w').close()")
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True)
    node = nbformat.read(project / "out.ipynb", 4)
    assert node.cells[0].metadata.papermill.status in ("completed", "running", "pending")
    assert (project / "end").exists(), done.stderr  # no cell was lost for it
    assert not list(project.glob(".out.ipynb*"))
