"""What the output notebook says of itself, without a kernel."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nbmlops.jobs import ending, manager
from nbmlops.jobs.manager import Manager


@pytest.fixture
def managed(tmp_path):
    def make(**options):
        nb = new_notebook(cells=[new_code_cell("1"), new_markdown_cell("# B"), new_code_cell("2")])
        nb.metadata.papermill = {}
        made = Manager(nb, str(tmp_path / "out.ipynb"), notebook="nb.ipynb", **options)
        made.notebook_start()
        return made

    return make


def test_saves_are_few_whatever_the_number_of_cells(managed, monkeypatch):
    made = managed()
    made.nb.cells = [c for _ in range(200) for c in nbformat.from_dict(list(made.nb.cells))]
    saves = []
    monkeypatch.setattr(Manager, "save", lambda self, **_: saves.append(1))
    monkeypatch.setattr(manager.time, "monotonic", lambda: made._saved + 0.5)
    for index, cell in enumerate(made.nb.cells):
        made.cell_start(cell, index)
        made.cell_ended(cell, index, ending.COMPLETED)
    made.notebook_complete()
    assert len(saves) == 1


def test_a_slow_place_is_written_less_often(managed, monkeypatch):
    made = managed()
    made._saved, made._cost = 100.0, 1.0
    saves = []
    monkeypatch.setattr(Manager, "save", lambda self, **_: saves.append(1))
    for now, expected in ((102.5, 0), (109.9, 0), (110.0, 1)):
        monkeypatch.setattr(manager.time, "monotonic", lambda now=now: now)
        made.checkpoint()
        assert len(saves) == expected


def test_a_place_that_cannot_be_written_does_not_stop_the_notebook(managed, tmp_path, caplog):
    made = managed()
    made.output_path = str(tmp_path / "gone" / "out.ipynb")
    made._saved = -1e9
    made.cell_start(made.nb.cells[0], 0)
    assert "execution goes on" in caplog.text


def test_what_did_not_run_is_not_called_completed(managed):
    made = managed()
    made.cell_start(made.nb.cells[0], 0)
    made.cell_ended(made.nb.cells[0], 0, ending.death(-9))
    made.notebook_complete()
    assert [c.metadata.papermill.status for c in made.nb.cells] == ["kernel_died", "not_run", "not_run"]
    assert [c.metadata.papermill.exception for c in made.nb.cells] == [True, None, None]
    assert made.nb.cells[0].outputs[0].ename == "DeadKernelError"


def test_a_secret_is_replaced_in_every_kind_of_output(managed):
    made = managed(hidden={"hunter2": "[secret]"})
    cell = made.nb.cells[0]
    made.cell_start(cell, 0)
    cell.outputs = [
        new_output("stream", text="a hunter2"),
        new_output("display_data", {"text/html": "<b>hunter2</b>", "application/json": {"x": ["hunter2", 1]}}),
        new_output("error", ename="E", evalue="hunter2", traceback=["hunter2"]),
    ]
    made.cell_ended(cell, 0, ending.COMPLETED)
    assert "hunter2" not in nbformat.writes(made.nb)
    nbformat.validate(made.nb)


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        (ending.death(-9), "kernel_died(SIGKILL)"),
        (ending.death(-11), "kernel_died(SIGSEGV)"),
        (ending.death(3), "kernel_died(exit code 3)"),
        (ending.death(None), "kernel_died(unknown)"),
        (ending.failure("ValueError", "x"), "error"),
        (ending.failure("SystemExit", "1"), "error"),
        (ending.failure("SystemExit", "0"), None),
        (ending.late(3, whole=True), "timed_out"),
    ],
)
def test_causes(how, cause):
    assert how.cause == cause
    assert how.status == ("failed" if cause else "finished")


@pytest.mark.parametrize(
    ("name", "message", "cause"),
    [("KeyboardInterrupt", "", "cancelled"), ("SystemExit", "130", "cancelled"), ("SystemExit", "143", "preempted")],
)
def test_a_cell_that_was_interrupted_did_not_fail(name, message, cause):
    how = ending.failure(name, message)
    assert (how.cell, how.status, how.cause, how.stops) == ("interrupted", "interrupted", cause, True)
