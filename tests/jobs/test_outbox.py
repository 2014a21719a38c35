"""Notebooks written to an address: a place that fails costs no run, and the upload ends consistent."""

from __future__ import annotations

import json
from itertools import count

import fsspec
import papermill
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem
from papermill.exceptions import PapermillExecutionError

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.cli.doctor import diagnose
from nbmlops.config import find_project
from nbmlops.errors import Invalid
from nbmlops.jobs import outbox as jobs
from nbmlops.jobs.execution import _register
from nbmlops.jobs.schedule.ticker import tick
from nbmlops.store import outbox
from nbmlops.tracking import session

PUT = MemoryFileSystem.put_file


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(outbox, "PAUSES_S", (0.0,))
    MemoryFileSystem.store.clear()


@pytest.fixture
def failing(monkeypatch):
    """Let some of the writes fail: ``failing(lambda n: n % 3 == 0)``, counted from 1; return how many were tried."""

    def when(which):
        tried = count(1)
        tries = []

        def put_file(self, *where, **more):
            tries.append(next(tried))
            if which(tries[-1]):
                raise OSError("503 Slow Down")
            return PUT(self, *where, **more)

        monkeypatch.setattr(MemoryFileSystem, "put_file", put_file)
        return tries

    return when


def there(url):
    with fsspec.open(url) as file:
        return file.read()


def test_section_7_3_every_third_write_fails_and_everything_arrives(project, failing, tmp_path):
    tries = failing(lambda n: n % 3 == 0)
    found = find_project()
    for i in range(12):
        file = tmp_path / f"{i}.ipynb"
        intent = outbox.intend(found, f"run-{i}", file, f"memory://bucket/{i}.ipynb")
        assert outbox.due(found) == []  # nothing is written yet
        file.write_text(str(i))
        assert outbox.send(found, outbox.ready(found, intent)) == ""
    assert len(tries) > 12
    assert [there(f"memory://bucket/{i}.ipynb") for i in range(12)] == [str(i).encode() for i in range(12)]
    assert outbox.waiting(found) == []


def test_section_7_3_a_run_whose_first_upload_fails_ends_consistent(project, notebook, failing, executed):
    failing(lambda n: n == 1)
    run = nb.run_notebook(notebook("awaits"), output="memory://bucket/out.ipynb")
    assert (run.status, run.tags["upload"], run.tags["upload_to"]) == ("finished", "done", "memory://bucket/out.ipynb")
    local = project / run.tags["output"]
    assert there("memory://bucket/out.ipynb") == local.read_bytes()
    assert executed(local)[1] == ["completed"] * len(executed(local)[1])
    assert outbox.waiting(find_project()) == []


def test_a_dead_place_stops_no_run_and_is_told_until_it_is_back(project, notebook, failing):
    failing(lambda n: True)
    with pytest.warns(RuntimeWarning, match="waits to be uploaded.*503 Slow Down"):
        run = nb.run_notebook(notebook("fails"), output="memory://bucket/out.ipynb")
    assert (run.status, run.tags["upload"]) == ("failed", "pending")
    line = next(line for line in diagnose(find_project()) if line.what == "uploads")
    assert (line.word, line.do) == ("problem", "nbmlops runs upload")
    answer = CliRunner().invoke(main, ["runs", "upload", "--json"])
    assert answer.exit_code == 1
    assert "503" in json.loads(answer.stdout)[0]["because"]
    assert "pending: memory://bucket/out.ipynb" in CliRunner().invoke(main, ["runs", "show", run.run_id]).stdout

    failing(lambda n: False)
    answer = CliRunner().invoke(main, ["runs", "upload", "--json"])
    assert (answer.exit_code, json.loads(answer.stdout)[0]["upload"]) == (0, "done")
    assert b"no flights in June" in there("memory://bucket/out.ipynb")
    assert nb.get_run(run.run_id).tags["upload"] == "done"
    assert not any(line.what == "uploads" for line in diagnose(find_project()))


def test_the_next_run_uploads_what_waits(project, notebook, failing, monkeypatch):
    failing(lambda n: True)
    monkeypatch.setattr(outbox, "WAIT_S", 0.0)
    with pytest.warns(RuntimeWarning):
        run = nb.run_notebook(notebook("awaits"), output="memory://bucket/first.ipynb")
    failing(lambda n: False)
    nb.run_notebook(notebook("awaits"))
    assert there("memory://bucket/first.ipynb")
    session.drain()
    assert nb.get_run(run.run_id).tags["upload"] == "done"


def test_a_tick_of_the_scheduler_uploads_what_is_due(project, failing, tmp_path):
    failing(lambda n: False)
    found, file = find_project(), tmp_path / "a.ipynb"
    file.write_text("{}")
    outbox.ready(found, outbox.intend(found, "run", file, "memory://bucket/ticked"))
    tick(found, what_if=True)
    assert len(outbox.waiting(found)) == 1
    tick(found)
    assert there("memory://bucket/ticked") == b"{}"


def test_what_failed_just_now_is_not_tried_at_once(project, failing, tmp_path):
    failing(lambda n: True)
    found, file = find_project(), tmp_path / "a.ipynb"
    file.write_text("{}")
    intent = outbox.ready(found, outbox.intend(found, "run", file, "memory://bucket/a"))
    assert outbox.send(found, intent).endswith("503 Slow Down.")
    (again,) = outbox.waiting(found)
    assert (again.tries, outbox.due(found)) == (1, [])
    assert outbox.due(found, again.not_before) == [again]


def test_papermill_takes_the_same_way(project, notebook, failing):
    _register()
    failing(lambda n: n == 1)
    url = "memory://bucket/pm.ipynb"
    papermill.execute_notebook(str(notebook("awaits")), url, engine_name="nbmlops", progress_bar=False)
    assert b"awaited" in there(url)
    with pytest.raises(PapermillExecutionError):
        papermill.execute_notebook(str(notebook("fails")), url, engine_name="nbmlops", progress_bar=False)
    assert b"papermill-error-cell-tag" in there(url)
    session.drain()
    assert [r.tags["upload"] for r in map(nb.get_run, nb.runs().run_id)] == ["done", "done"]
    assert outbox.waiting(find_project()) == []


def test_an_address_with_a_password_is_refused_before_anything_starts(project, notebook):
    with pytest.raises(Invalid, match="carries a password"):
        nb.run_notebook(notebook("awaits"), output="ftp://me:hunter2@host/out.ipynb")
    assert nb.runs().empty
    assert not any(b"hunter2" in p.read_bytes() for p in project.rglob("*") if p.is_file())


def test_a_real_bucket(s3, project, notebook):
    pytest.importorskip("s3fs")
    run = nb.run_notebook(notebook("awaits"), output=f"{s3}/deep/out.ipynb")
    assert run.tags["upload"] == "done"
    assert b"awaited" in there(f"{s3}/deep/out.ipynb")


def test_a_folder_elsewhere_is_written_whole(project, tmp_path):
    found, file = find_project(), tmp_path / "a.ipynb"
    file.write_text("{}")
    intent = outbox.ready(found, outbox.intend(found, "run", file, f"local://{tmp_path}/deep/out.ipynb"))
    assert outbox.send(found, intent) == ""
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["out.ipynb"]


@pytest.mark.parametrize(("output", "told"), [("s3://b/o.ipynb", True), ("o.ipynb", False), ("file:///o", False)])
def test_what_is_an_address(output, told):
    assert jobs.is_address(output) is told
