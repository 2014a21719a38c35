"""What a kernel ran is kept, and read back."""

import hashlib

import pytest

import nbmlops as nb
from nbmlops.capture.order import History
from nbmlops.store.driver import connect
from nbmlops.store.executions import executions_of, kernel_of
from nbmlops.tracking import session

EVENT = {"t": "execution", "kernel": "k", "number": 1, "run_id": None, "cell_id": None, "notebook": None}
EVENT |= {"digest": "0" * 64, "reads": [], "writes": [], "mutates": [], "status": "finished", "at": "2024"}


@pytest.fixture
def flushed(project):
    """A history of three cells, the last of them a run."""
    history = History()
    with nb.run("forest") as opened:
        cells = {"a": "rows = [3]", "b": "rows.append(oops)", "c": "total = sum(rows)"}
        for number, (name, text) in enumerate(cells.items(), 2):
            begun = history.begin(text, text, name, number=number, notebook="flights.ipynb")
            history.end(begun, name != "b", opened.run_id if name == "c" else None)
        history.flush(session.write, session.artifacts().put)
    return history, opened.run_id


def rows():
    with connect(session.project()) as connection:
        return connection.execute("SELECT kernel, number, run_id, status FROM executions ORDER BY kernel").fetchall()


def test_what_a_kernel_ran_is_read_back_in_order(flushed):
    history, run_id = flushed
    found = executions_of(session.store(), history.kernel)
    assert [(e["number"], e["cell_id"], e["run_id"], e["status"]) for e in found] == [
        (2, "a", None, "finished"),
        (3, "b", None, "failed"),
        (4, "c", run_id, "finished"),
    ]
    assert [(e["reads"], e["writes"], e["mutates"]) for e in found] == [
        ((), ("rows",), ()),
        (("rows", "oops"), (), ("rows",)),
        (("rows",), ("total",), ()),
    ]
    assert {e["notebook"] for e in found} == {"flights.ipynb"}
    assert [e["at"] for e in found] == [e.at for e in history.before(100)]


def test_the_source_is_the_artifact_of_its_digest(flushed):
    history, _ = flushed
    found = executions_of(session.store(), history.kernel)
    assert [session.artifacts().get(e["digest"]) for e in found][:2] == [b"rows = [3]", b"rows.append(oops)"]
    assert found[0]["digest"] == hashlib.sha256(b"rows = [3]").hexdigest()


def test_a_run_knows_its_kernel(flushed):
    history, run_id = flushed
    assert kernel_of(session.store(), run_id) == history.kernel
    assert kernel_of(session.store(), "another") is None
    assert executions_of(session.store(), "another") == []


def test_a_run_that_another_kernel_went_on_with_is_of_that_one(flushed):
    _, run_id = flushed
    session.write(EVENT | {"run_id": run_id, "at": "2999"})
    assert kernel_of(session.store(), run_id) == "k"


def test_an_event_that_arrives_twice_is_one_row(project):
    for status in ("failed", "finished"):
        session.write(EVENT | {"status": status})
        session.store().sync()
    session.write(EVENT | {"kernel": "l"})
    session.store().sync()
    assert rows() == [("k", 1, None, "finished"), ("l", 1, None, "finished")]


def test_odd_names_and_ids_are_kept(project):
    session.write(EVENT | {"cell_id": "a\0b", "notebook": "ü" * 300, "reads": ["été", "*"]})
    (found,) = executions_of(session.store(), "k")
    assert (found["cell_id"], found["notebook"], found["reads"]) == ("a\ufffdb", "ü" * 300, ("été", "*"))
