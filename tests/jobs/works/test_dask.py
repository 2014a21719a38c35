"""Attempts on a Dask cluster of real processes: what is lost costs a retry, and nothing succeeds twice."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbformat import v4, write

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.config import find_project
from nbmlops.errors import MissingPackage, Unavailable
from nbmlops.jobs.works import dask as on_dask
from nbmlops.jobs.works import drive, executors
from nbmlops.jobs.works.fan import run_notebooks
from nbmlops.records import now
from nbmlops.store import ledger
from nbmlops.tracking import session
from waiting import until

pytest.importorskip("distributed")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
ALONE = ("--nthreads", "1", "--no-nanny", "--name")
PARAMETERS = "n: int = 1"
BODY = """\
import time
from pathlib import Path
with Path(f"ran {n}").open("a") as file:
    file.write("x")
if n == 0 and len(Path("ran 0").read_text()) == 1:
    time.sleep(120)
"""


class Processes:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.file = folder / "scheduler.json"
        self.folder = folder
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        until(lambda: self.file.exists() and self.file.read_text().endswith("}"))  # written in steps
        self.url = json.loads(self.file.read_text())["address"].replace("tcp://", "dask://")
        self.workers = [
            self._start("worker", "--nthreads", "1", "--no-nanny", "--name", f"w{n}") for n in range(workers)
        ]

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", what, "--scheduler-file", self.file, "--no-dashboard", *options]
        env = {k: v for k, v in os.environ.items() if not k.startswith("NBMLOPS_")} | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, cwd=self.folder, env=env, **QUIET)

    def another(self, name: str) -> None:
        self.workers.append(self._start("worker", *ALONE, name))

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def running(folder: Path, workers: int):
    found = Processes(folder, workers)
    try:
        with ExitStack() as stack:
            pool = executors.executor(found.url)
            stack.callback(pool.close)
            until(lambda: pool.free() == workers)
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running(tmp_path_factory.mktemp("dask"), 2) as found:
        yield found


@pytest.fixture
def shop(project):
    """A notebook whose row 0 hangs the first time it is tried."""
    cells = [v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), v4.new_code_cell(BODY)]
    write(v4.new_notebook(cells=cells), project / "shop.ipynb")
    return project / "shop.ipynb"


def silent(*_):
    pass


def killing(project, whom):
    """Kill a process once row 0 runs; ``whom`` says which, from the attempt."""

    def kill():
        until((project / "ran 0").exists)
        os.kill(whom(ledger.attempts_of(session.store(), "K#0")[0]), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No half minute before a row is tried again, and no long wait for a scheduler that has gone."""
    monkeypatch.setattr(on_dask, "CONNECT_S", 3)
    monkeypatch.setattr("nbmlops.jobs.works.retry.FIRST_S", 0.1)


def test_rows_run_on_the_workers_and_the_doctor_finds_them_alike(cluster, shop, project, monkeypatch):
    fan = run_notebooks(shop, [{"n": n} for n in (1, 2, 3)], executor=cluster.url, progress=silent)
    assert fan.status == "finished", fan
    owners = {ledger.attempts_of(session.store(), r["key"])[0].process["pid"] for r in fan.rows}
    assert owners <= {w.pid for w in cluster.workers}
    assert sorted(c.params["n"] for c in nb.get_run(fan.run_id).children) == [1, 2, 3]
    done = CliRunner().invoke(main, ["doctor", "--executor", cluster.url, "--json"])
    assert done.exit_code == 0, done.output
    assert sorted(line["what"] for line in json.loads(done.stdout)) == ["w0", "w1"]
    monkeypatch.setattr("nbmlops.jobs.works.environments.__version__", "0.0.9")  # this machine's, not theirs
    done = CliRunner().invoke(main, ["doctor", "--executor", cluster.url])
    assert done.exit_code == 1
    assert "w0 has nbmlops" in done.output
    assert ", here it is 0.0.9" in done.output


def test_one_notebook_goes_to_a_worker_under_its_key(cluster, shop, project):
    typed = ["run", "shop.ipynb", "--executor", cluster.url, "--run-key", "one", "-p", "n", "5", "--json"]
    first, second = (CliRunner().invoke(main, typed) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert json.loads(first.stdout)["run_id"] == json.loads(second.stdout)["run_id"]
    assert (project / "ran 5").read_text() == "x"


def test_a_folder_no_worker_has_is_said_and_the_work_fails(cluster, shop, project, monkeypatch):
    pool = executors.executor(cluster.url, find_project("/"))
    pool.project = type(pool.project)(Path("/no/such/folder"), "")
    with ledger.changing(session.store()) as change:
        ledger.add(change, [{"key": "K#1", "notebook": "shop.ipynb", "parent": "K"}])
    errors = drive.drive(session.store(), pool, parent="K")
    pool.close()
    assert "no folder '/no/such/folder'" in errors["K#1"]
    assert ledger.get(session.store(), "K#1").state == "failed"


def test_a_claim_is_begun_once_however_often_it_is_started(cluster, shop, project):
    """Dask starts a task again when it believes its worker lost; only whoever is first does the attempt."""
    with ledger.changing(session.store()) as change:
        ledger.add(change, [{"key": "K#7", "notebook": "shop.ipynb", "parameters": {"n": 7}, "parent": "K"}])
        (claim,) = ledger.claim(change, now(), "here", parent="K")
    pool = executors.executor(cluster.url)
    futures = [pool.client.submit(on_dask.attempt, claim.to_dict(), str(project), pure=False) for _ in range(4)]
    answers = pool.client.gather(futures)
    pool.close()
    assert sorted("elsewhere" in a for a in answers) == [False, True, True, True]
    assert (project / "ran 7").read_text() == "x"
    assert len(nb.runs(children=True)) == 1


def test_a_worker_killed_in_the_middle_of_a_notebook_costs_one_attempt(cluster, shop, project):
    """Notes 7.6: one success, two attempts, and what the dead one would still write is rejected."""
    thread = killing(project, lambda attempt: attempt.process["pid"])
    fan = run_notebooks(shop, [{"n": 0}, {"n": 1}], executor=cluster.url, run_key="K", progress=silent)
    thread.join()
    assert fan.status == "finished", fan
    first, second = ledger.attempts_of(session.store(), "K#0")
    assert [(a.status, a.cause) for a in (first, second)] == [("abandoned", "process_gone"), ("finished", None)]
    stale = ledger.Claim("K#0", 1, first.token, first.run_id)
    with ledger.changing(session.store()) as change:
        assert not ledger.renew(change, stale, now())
        assert not ledger.close(change, stale, "finished", None, now())
    assert ledger.get(session.store(), "K#0").run_id == second.run_id
    cluster.another("w2")
    runs = {c.run_id: c.status for c in nb.get_run(fan.run_id).children if c.params["n"] == 0}
    assert runs == {first.run_id: "abandoned", second.run_id: "finished"}
    assert (project / "ran 0").read_text() == "xx"


def test_ctrl_c_reaches_the_worker_through_the_ledger(cluster, shop, project):
    def stop(*_):
        if (project / "ran 0").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_notebooks(shop, [{"n": 0}], executor=cluster.url, run_key="K", progress=stop)
    work = ledger.get(session.store(), "K#0")
    assert (work.state, work.reason) == ("cancelled", "stopped")
    until(lambda: nb.get_run(work.run_id).status != "running", 30)
    run = nb.get_run(work.run_id)
    assert (run.status, run.cause) == ("interrupted", "cancelled")


@pytest.mark.slow
@pytest.mark.postgres
def test_a_worker_killed_on_postgresql_costs_one_attempt(cluster, shop, project, postgres):
    (project / "nbmlops.toml").write_text(f'[store]\nurl = "{postgres()}"\n')
    session.reset()
    thread = killing(project, lambda attempt: attempt.process["pid"])
    fan = run_notebooks(shop, [{"n": 0}, {"n": 1}], executor=cluster.url, run_key="K", progress=silent)
    thread.join()
    assert fan.status == "finished", fan
    assert [a.status for a in ledger.attempts_of(session.store(), "K#0")] == ["abandoned", "finished"]


@pytest.mark.slow
def test_a_scheduler_that_dies_loses_nothing_and_the_same_key_goes_on(shop, project, tmp_path, monkeypatch):
    """The ledger is the truth: whoever comes next finishes what is left."""
    monkeypatch.setattr(drive, "PATIENCE_S", 1.0)
    rows = [{"n": 0}, {"n": 1}, {"n": 2}]
    with running(tmp_path, 1) as found:
        thread = killing(project, lambda _attempt: found.scheduler.pid)
        with pytest.raises(Unavailable, match="No Dask scheduler answers"):
            run_notebooks(shop, rows, executor=found.url, run_key="K", progress=silent)
        thread.join()
    left = ledger.counts(session.store(), parent="K")
    assert left.get("due", 0) + left.get("started", 0) >= 1
    fan = run_notebooks(shop, rows, executor="local:1", run_key="K", progress=silent)
    assert fan.status == "finished", fan
    assert ledger.counts(session.store(), parent="K") == {"finished": 3}
    tries = [ledger.attempts_of(session.store(), f"K#{n}") for n in range(3)]
    assert [sum(a.status == "finished" for a in each) for each in tries] == [1, 1, 1]
    assert len(tries[0]) == 2


def test_a_scheduler_that_is_not_there_is_one_line(project):
    with pytest.raises(Unavailable, match=r"No Dask scheduler answers at dask://127.0.0.1:1 "):
        executors.executor("dask://127.0.0.1:1")


def test_an_attempt_takes_a_thread_and_what_it_asks_for(project):
    pool = object.__new__(on_dask.Cluster)
    pool.resources = {"KERNEL": 1.0, "GPU": 2.0}
    assert pool._room({"nthreads": 4, "resources": {"KERNEL": 3, "GPU": 5}}) == 2
    assert pool._room({"nthreads": 4, "resources": {}}) == 0
    pool.resources = {}
    assert pool._room({"nthreads": 4, "resources": {"KERNEL": 1}}) == 4


@pytest.mark.parametrize(
    ("status", "result", "says"),
    [
        ("finished", {"run_id": "a"}, ""),
        ("finished", {"error": "No such folder."}, "No such folder."),
        ("finished", OSError("Stream is closed"), "Dask says: OSError"),  # it is let go of while it tells
        ("lost", None, "Dask says: lost"),
    ],
)
def test_how_an_attempt_ended_is_one_line(status, result, says):
    class Future:
        def __init__(self):
            self.status = status

        def result(self):
            if isinstance(result, Exception):
                raise result
            return result

    assert on_dask._of_future(Future()) == says


def test_without_dask_the_extra_is_named(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackage, match=r"pip install 'nbmlops\[dask\]'"):
        executors.executor("dask://127.0.0.1:1")


def test_one_module_imports_dask():
    root = Path(nb.__file__).parent / "jobs"
    found = {p.name for p in root.rglob("*.py") if _imports(p) & {"dask", "distributed"}}
    assert found == {"dask.py"}


def _imports(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names
