"""A run key is done once: finished it is returned, lost it is tried again, running it is waited for."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid
from nbmlops.jobs.works import keys
from nbmlops.jobs.works.keys import StillRunning, digest_of, kept
from nbmlops.records import now
from nbmlops.store import ledger
from nbmlops.tracking import session


@pytest.fixture
def write(project):
    def written(*sources, name="job", cells=()):
        found = [nbformat.v4.new_code_cell(source) for source in sources]
        found[0].metadata["tags"] = ["parameters"]
        nbformat.write(nbformat.v4.new_notebook(cells=[*found, *cells]), project / f"{name}.ipynb")

    return written


def held(key="K"):
    return ledger.get(session.store(), key)


def cli(*words):
    return CliRunner().invoke(main, ["run", "job.ipynb", *words])


def begin(key="K", seconds=60.0, **more):
    """Let somebody else begin a work, whose lease says he lives."""
    with ledger.changing(session.store()) as change:
        ledger.reopen(change, key, now())
        (claim,) = ledger.claim(change, now(), "elsewhere", seconds, key=key)
    return claim


def test_a_key_that_has_finished_returns_its_run(write, project):
    write("n: int = 1", "open('log', 'a').write('x')")
    first = nb.run_notebook("job.ipynb", {"n": 2}, run_key="K")
    second = nb.run_notebook("job.ipynb", {"n": 2}, run_key="K")
    assert (first.status, second.run_id) == ("finished", first.run_id)
    assert (project / "log").read_text() == "x"
    assert (held().parameters, held().state, first.tags["key"]) == ({"n": 2}, "finished", "K")
    third = cli("-p", "n", "2", "--run-key", "K")
    assert third.exit_code == 0
    assert third.output.startswith("K: done before.\n")
    assert first.run_id in third.output
    assert json.loads(cli("-p", "n", "2", "--run-key", "K", "--json").output)["run_id"] == first.run_id


def test_another_notebook_or_other_parameters_are_a_conflict_but_a_saved_notebook_is_not(write):
    write("n = 1")
    first = nb.run_notebook("job.ipynb", run_key="K")
    with pytest.raises(Conflict, match=r"'K' stands for another notebook or other parameters \(notebook job.ipynb"):
        nb.run_notebook("job.ipynb", {"n": 2}, run_key="K")
    write("n = 1", "n + 1")
    changed = cli("--run-key", "K")
    assert (changed.exit_code, changed.output[:9]) == (2, "Conflict:")
    write("n = 1")
    node = nbformat.read("job.ipynb", as_version=4)
    node.cells[0].outputs = [nbformat.v4.new_output("stream", text="seen")]
    node.cells[0].execution_count = 7
    nbformat.write(node, "job.ipynb")
    assert nb.run_notebook("job.ipynb", run_key="K").run_id == first.run_id


def test_a_key_that_failed_starts_a_new_attempt(write, project):
    write("import os", "if not os.path.exists('mended'): raise ValueError('no')")
    failed = cli("--run-key", "K")
    assert (failed.exit_code, held().state) == (1, "failed")
    (project / "mended").touch()
    run = nb.run_notebook("job.ipynb", run_key="K")
    assert (run.status, run.tags["attempt"], run.previous is not None) == ("finished", "2", True)
    assert [a.status for a in ledger.attempts_of(session.store(), "K")] == ["failed", "finished"]


def test_a_new_attempt_has_the_limits_of_who_asks_for_it(write):
    write("import time", "time.sleep(1)")
    late = cli("--run-key", "K", "--timeout", "0.5")
    assert (late.exit_code, held().spec) == (7, {"timeout": "0.5"})
    assert cli("--run-key", "K", "--timeout", "1m").exit_code == 0
    assert held().spec == {"timeout": "1m"}


def test_what_a_failed_attempt_raised_is_raised_where_that_is_asked(write):
    from papermill.exceptions import PapermillExecutionError

    write("n = 1", "1 / 0")
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        nb.run_notebook("job.ipynb", run_key="K", check=True)


def test_a_key_that_runs_says_so_or_is_waited_for(write, monkeypatch):
    write("n = 1")
    row = keys._asked("job.ipynb", {}, "K", False, {})[1]
    with ledger.changing(session.store()) as change:
        ledger.add(change, [row])
    claim = begin()
    with pytest.raises(StillRunning, match=f"K is running: attempt 1, run {claim.run_id}"):
        nb.run_notebook("job.ipynb", run_key="K")
    said = cli("--run-key", "K")
    assert said.exit_code == 1
    assert claim.run_id in said.output
    with pytest.warns(RuntimeWarning, match="waiting up to 0.2 s"), pytest.raises(StillRunning):
        nb.run_notebook("job.ipynb", run_key="K", wait=0.2)

    waiting = threading.Event()
    told = keys.tell
    monkeypatch.setattr(keys, "tell", lambda says: (told(says), waiting.set()))

    def finish():
        assert waiting.wait(20)
        opened = session.start("job", kind="notebook", run_id=claim.run_id)
        session.finish(opened, "finished", None)
        with ledger.changing(session.store()) as change:
            ledger.close(change, claim, "finished", None, now())

    thread = threading.Thread(target=finish)
    thread.start()
    with pytest.warns(RuntimeWarning, match="waiting up to"):
        run = nb.run_notebook("job.ipynb", run_key="K", wait=20)
    thread.join()
    assert (run.run_id, run.status) == (claim.run_id, "finished")


def test_a_key_whose_attempt_was_lost_is_tried_again_by_who_asks(write, project):
    write("n = 1")
    row = keys._asked("job.ipynb", {}, "K", False, {})[1]
    with ledger.changing(session.store()) as change:
        ledger.add(change, [row])
    begin(seconds=-1.0)
    run = nb.run_notebook("job.ipynb", run_key="K")
    assert (run.status, run.tags["attempt"]) == ("finished", "2")
    assert [a.cause for a in ledger.attempts_of(session.store(), "K")] == ["lease_lapsed", None]


def test_two_who_ask_at_once_run_it_once(write, project):
    write("import time; time.sleep(1)", "open('log', 'a').write('x')")
    command = [
        Path(sys.executable).with_name("nbmlops"),
        "run",
        "job.ipynb",
        "--run-key",
        "K",
        "--wait",
        "60",
        "--json",
    ]
    asking = [subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [json.loads(process.communicate()[0]) for process in asking]
    assert [process.returncode for process in asking] == [0, 0]
    assert said[0]["run_id"] == said[1]["run_id"]
    assert (project / "log").read_text() == "x"


def test_a_secret_is_kept_as_its_name_and_never_as_its_value(write, project, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")
    write('password = ""', "print(len(password))")
    with pytest.raises(Invalid, match=r"'password' is a secret, and would be stored.*nb.Secret"):
        nb.run_notebook("job.ipynb", {"password": "correct-horse-battery"}, run_key="K")
    assert held() is None
    run = nb.run_notebook("job.ipynb", {"password": nb.Secret("DB_PASSWORD")}, run_key="K")
    assert run.status == "finished"
    assert held().parameters == {"password": {"$secret": "DB_PASSWORD"}}
    again = cli("-p", "password", 'Secret("DB_PASSWORD")', "--run-key", "K")
    assert (again.exit_code, "done before" in again.output) == (0, True)
    session.store().close()
    for path in (project / ".nbmlops").rglob("*"):
        assert not path.is_file() or b"correct-horse-battery" not in path.read_bytes(), path


def test_values_that_are_secret_by_name_or_shape_are_refused_at_any_depth():
    for name, value in (
        ("config", {"api_key": "abcdef123456"}),
        ("urls", ["postgresql://ann:hunter22@db/team"]),
        ("token", "abcdef123456"),
    ):
        with pytest.raises(Invalid, match="is a secret"):
            kept({name: value})
    assert kept({"months": [1, 2], "config": {"depth": 3}}) == {"months": [1, 2], "config": {"depth": 3}}


def test_typed_text_and_values_are_the_same_run(write):
    write("rate: float = 0.5")
    node = nbformat.read("job.ipynb", as_version=4)
    assert digest_of(node, {"rate": 1.0}) != digest_of(node, {"rate": 2.0})
    rows = [
        keys._asked("job.ipynb", {"rate": 1}, "K", False, {})[1],
        keys._asked("job.ipynb", {"rate": "1"}, "K", True, {})[1],
    ]
    assert rows[0]["digest"] == rows[1]["digest"]


def test_what_cannot_be_is_refused_before_anything_is_written(write, monkeypatch):
    write("n: int = 1")
    with pytest.raises(Invalid, match="run key is empty"):
        nb.run_notebook("job.ipynb", run_key=" ")
    with pytest.raises(Invalid, match="n"):
        nb.run_notebook("job.ipynb", {"n": "x"}, run_key="K")
    with pytest.raises(Invalid, match="do not go together"):
        nb.run_notebook("job.ipynb", run_key="K", resume="x")
    assert cli("--run-key", "K", "--resume", "x").exit_code == 2
    assert held() is None
    monkeypatch.setenv("NBMLOPS_DISABLED", "1")
    with pytest.raises(Invalid, match="NBMLOPS_DISABLED"):
        nb.run_notebook("job.ipynb", run_key="K")


def test_a_key_whose_run_was_deleted_says_so(write):
    write("n = 1")
    run = nb.run_notebook("job.ipynb", run_key="K")
    nb.delete(run.run_id)
    with pytest.raises(Conflict, match="was deleted since"):
        nb.run_notebook("job.ipynb", run_key="K")


@pytest.mark.slow
def test_an_executor_does_it_too(write, project):
    write("n = 1")
    done = cli("--run-key", "K", "--executor", "local:1")
    assert (done.exit_code, held().state) == (0, "finished"), done.output
    assert cli("--run-key", "K", "--executor", "local:1").output.startswith("K: done before.")
