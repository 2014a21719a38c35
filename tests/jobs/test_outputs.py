"""The journal of outputs: written first, in the way of nothing."""

from __future__ import annotations

import errno
import json
import os

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nbmlops.jobs import ending, outputs, recover
from nbmlops.jobs.manager import Manager
from nbmlops.jobs.outputs import OutputJournal
from nbmlops.store.segments import read


def events(path):
    return [event for _, event in read(path)]


def stream(text):
    return {
        "msg_type": "stream",
        "header": {"msg_type": "stream"},
        "parent_header": {"msg_id": "1"},
        "content": {"name": "stdout", "text": text},
    }


@pytest.fixture
def journaled(tmp_path):
    def make(**options):
        nb = new_notebook(cells=[new_code_cell("print(1)"), new_code_cell("print(2)")])
        nb.metadata.papermill = {}
        made = Manager(nb, str(tmp_path / "out.ipynb"), notebook="nb.ipynb", **options)
        made.keep_in(OutputJournal(tmp_path / "home" / "journal" / "1.outputs"), "1")
        made.notebook_start()
        return made

    return make


def test_every_message_is_in_the_journal_when_it_was_taken(journaled):
    made = journaled()
    made.cell_start(made.nb.cells[0], 0)
    made.message(stream("one\n"), 0)
    kinds = [event["t"] for event in events(made.journal.path)]
    assert kinds == ["notebook", "start", "message"]
    assert events(made.journal.path)[-1]["content"]["text"] == "one\n"


def test_a_message_costs_the_same_however_many_were_before(journaled):
    made = journaled()
    made.cell_start(made.nb.cells[0], 0)
    grown = []
    for _ in range(3):
        before = made.journal.path.stat().st_size
        made.message(stream("x" * 1000), 0)
        grown.append(made.journal.path.stat().st_size - before)
    assert len(set(grown)) == 1


def test_the_journal_is_synced_as_a_cell_ends(journaled, monkeypatch):
    made = journaled()
    synced = []
    monkeypatch.setattr(OutputJournal, "sync", lambda self: synced.append(events(self.path)[-1]["t"]))
    made.cell_start(made.nb.cells[0], 0)
    made.message(stream("one\n"), 0)
    assert synced == []
    made.cell_ended(made.nb.cells[0], 0, ending.COMPLETED)
    assert synced == ["ended"]


def test_a_secret_never_reaches_the_journal(journaled):
    made = journaled(hidden={"hunter2": "[secret]"})
    made.cell_start(made.nb.cells[0], 0)
    taken = made.message(stream("it is hunter2\n"), 0)
    assert taken["content"]["text"] == "it is [secret]\n"
    assert b"hunter2" not in made.journal.path.read_bytes()


def test_a_full_disk_is_one_warning_and_the_gap_is_closed_when_there_is_room(journaled, monkeypatch):
    made = journaled()
    made.cell_start(made.nb.cells[0], 0)
    with monkeypatch.context() as full:
        full.setattr(outputs.os, "write", _no_room)
        with pytest.warns(RuntimeWarning, match="The run goes on") as told:
            made.message(stream("lost\n"), 0)
            made.message(stream("lost, too\n"), 0)
    assert len(told) == 1
    made.message(stream("still not there\n"), 0)
    assert made.journal.gap
    made._saved = -1e9
    made.checkpoint()
    assert events(made.journal.path)[-1]["t"] == "notebook"
    assert not made.journal.gap


def test_where_the_projects_disk_stays_full_the_temporary_folder_takes_it(journaled, monkeypatch, tmp_path):
    monkeypatch.setattr(outputs, "waiting_folder", lambda folder: tmp_path / "waits" / folder.parent.name / "journal")
    made, write = journaled(), os.write
    home, run = tmp_path / "home", made.journal.path.stem
    at_home = made.journal.path.stat()
    made.cell_start(made.nb.cells[0], 0)
    monkeypatch.setattr(
        outputs.os, "write", lambda fd, d: _no_room() if os.path.samestat(os.fstat(fd), at_home) else write(fd, d)
    )
    with pytest.warns(RuntimeWarning, match="tries the temporary"):
        made.message(stream("lost\n"), 0)
    made._saved = -1e9
    made.checkpoint()
    made.message(stream("kept\n"), 0)
    spare, _ = outputs.places(home, run)
    assert [event["t"] for event in events(spare)] == ["notebook", "message"]
    assert outputs.left(home) == []  # the runner lives
    assert recover.rebuild(spare).nb.cells[0].outputs[0].text == "kept\n"
    made.journal.close()
    assert outputs.left(home) == [run]
    made.journal.discard()
    assert outputs.places(home, run) == []


def test_a_disk_that_is_full_from_the_start_stops_nothing_and_a_missing_folder_does(journaled, monkeypatch, tmp_path):
    with monkeypatch.context() as full:
        full.setattr("nbmlops.jobs.files.tempfile.mkstemp", _no_room)
        made = journaled()
    assert [cell.metadata.papermill.status for cell in made.nb.cells] == ["pending", "pending"]
    made.output_path = str(tmp_path / "nowhere" / "out.ipynb")
    with pytest.raises(FileNotFoundError):
        made.notebook_start()


def test_half_a_record_is_cut_off(journaled, monkeypatch):
    made = journaled()
    made.cell_start(made.nb.cells[0], 0)
    whole, write = made.journal.path.stat().st_size, os.write
    tries = []

    def half(fd, data):
        tries.append(1)
        return write(fd, data[: len(data) // 2]) if len(tries) == 1 else _no_room()

    monkeypatch.setattr(outputs.os, "write", half)
    with pytest.warns(RuntimeWarning):
        made.message(stream("lost\n"), 0)
    assert made.journal.path.stat().st_size == whole


def test_what_is_left_by_a_dead_runner_is_found_and_what_a_living_one_writes_is_not(journaled, tmp_path):
    made = journaled()
    home = tmp_path / "home"
    assert outputs.held(made.journal.path)
    assert outputs.left(home) == []
    made.journal.close()
    assert outputs.left(home) == ["1"]
    made.journal.discard()
    assert outputs.left(home) == []


def test_an_output_with_odd_values_is_kept(journaled):
    made = journaled()
    made.cell_start(made.nb.cells[0], 0)
    odd = stream("")
    odd["content"] = {"data": {"text/plain": "\ud800", "application/json": {"x": float("nan")}}}
    odd["msg_type"] = "display_data"
    made.message(odd, 0)
    assert json.dumps(events(made.journal.path)[-1]["content"]["data"]["text/plain"])


def _no_room(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
