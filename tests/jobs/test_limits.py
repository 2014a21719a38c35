"""What a kernel may use: memory, cores, time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid
from nbmlops.jobs.execution import _register
from nbmlops.jobs.limits import THREADS, Limits, apply_to, size, time_s, written

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory and cores")
KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
CORES = "import os, json\nprint(json.dumps([len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS']]))"
CHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'b\"x\" * 2**31'], check=True)"


@pytest.fixture
def write(project):
    def write(*cells, name="limited.ipynb") -> Path:
        nb_ = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells], metadata=KERNEL)
        nbformat.write(nb_, name)
        return project / name

    return write


@linux
@pytest.mark.parametrize("cell", ["b'x' * 2**31", "import numpy as np\nnp.ones(2**28)"])
def test_a_memory_breach_is_a_clean_cell_failure(write, executed, cell):
    """Section 7, number 8: RLIMIT_AS breach."""
    run = nb.run_notebook(write("print('before')", cell, "print('after')"), memory="1.5G", output="out.ipynb")
    assert (run.status, run.cause) == ("failed", "out_of_memory")
    assert run.error["name"].endswith("MemoryError")
    assert "The kernel's limit was 1.5G of address space (--memory)." in run.error["message"]
    assert run.tags["limit_memory_bytes"] == str(1536 * 2**20)
    _, statuses, text = executed("out.ipynb")
    assert statuses == ["completed", "failed", "not_run"]
    assert '"before\\n"' in text


@linux
def test_processes_the_kernel_starts_inherit_the_limit(write):
    assert "CalledProcessError" in nb.run_notebook(write(CHILD), memory="1G").error["name"]


@linux
def test_cores_and_threads_are_those_asked_for(write, executed):
    path = write(CORES)
    nb.run_notebook(path, cpu=1, output="one.ipynb")
    assert json.loads(executed("one.ipynb")[0].cells[0].outputs[0].text) == [1, "1"]
    run = nb.run_notebook(path, cpu=1.5, output="half.ipynb")
    there = len(os.sched_getaffinity(0))
    assert json.loads(executed("half.ipynb")[0].cells[0].outputs[0].text) == [there, str(min(2, os.cpu_count()))]
    assert run.tags["limit_cpu"] == "1.5"
    assert len(os.sched_getaffinity(0)) == there


@linux
def test_papermill_has_the_same_limits_by_argument_and_by_variable(write, monkeypatch):
    _register()
    path = str(write("b'x' * 2**31"))
    for more in ({"memory": "1G"}, {}):
        with pytest.raises(papermill.PapermillExecutionError, match="MemoryError"):
            papermill.execute_notebook(path, None, engine_name="nbmlops", progress_bar=False, **more)
        assert nb.get_run("limited").cause == "out_of_memory"
        monkeypatch.setenv("NBMLOPS_MEMORY", "1G")


@linux
def test_the_program_limits_itself_and_becomes_the_command():
    code = "import os, resource; print(resource.getrlimit(resource.RLIMIT_AS)[0], len(os.sched_getaffinity(0)))"
    command = [sys.executable, "-m", "nbmlops.jobs.limits", "--memory", "2G", "--cpu", "1", sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [str(2**31), "1"]
    wrong = subprocess.run([*command[:3], "--memory", "much", "true"], capture_output=True, text=True)
    assert (wrong.returncode, "'much' is no size" in wrong.stderr) == (2, True)


def test_the_whole_notebooks_time_may_be_a_duration(notebook):
    run = nb.run_notebook(notebook("slow"), timeout="1.5s")
    assert (run.cause, run.tags["limit_timeout_s"]) == ("timed_out", "1.5")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--memory", "much"], "'much' is no size"),
        (["--memory", "10M"], "A kernel does not start with 10M"),
        (["--cpu", "0"], "0.0 is no number of cores"),
        (["--timeout", "soon"], "'soon' is no duration"),
        (["--timeout", "0"], "leaves no time"),
    ],
)
def test_a_limit_that_is_none_starts_nothing(write, options, said):
    ended = CliRunner().invoke(main, ["run", str(write("1")), *options])
    assert (ended.exit_code, said in ended.output) == (2, True)
    assert nb.runs().empty


def test_sizes_times_and_variables():
    assert [size(t) for t in ("512M", "4G", "1.5 GiB", "268435456")] == [2**29, 2**32, 3 * 2**29, 2**28]
    assert [written(n) for n in (2**29, 2**32, 3 * 2**29)] == ["512M", "4G", "1.5G"]
    assert time_s("1h30m") == 5400
    assert Limits.of(cpu=1).variables() == dict.fromkeys(THREADS, "1")
    assert Limits.of().variables() == {}


def test_where_memory_cannot_be_limited_it_is_said(monkeypatch):
    monkeypatch.setattr("nbmlops.jobs.limits._resource", lambda: None)
    with pytest.raises(Invalid, match="cannot limit a kernel's memory"):
        Limits.of("4G")


def test_where_cores_cannot_be_chosen_it_is_said(monkeypatch):
    monkeypatch.delattr("os.sched_setaffinity", raising=False)
    with pytest.warns(RuntimeWarning, match="only the threads of its libraries are limited"):
        limits = Limits.of(cpu=1)
    assert apply_to(0, limits) is None


@linux
def test_a_process_that_ended_meanwhile_is_no_error():
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert apply_to(ended.pid, Limits.of("4G", 1)) is None


@linux
def test_a_lower_limit_that_is_there_stays():
    code = """
import os, resource
from nbmlops.jobs.limits import Limits, apply_to
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
apply_to(0, Limits.of("4G"))
print(resource.getrlimit(resource.RLIMIT_AS)[0] == 2**31)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
    assert apply_to(0, Limits()) is None
