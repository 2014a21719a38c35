"""What a kernel ran is kept, and read back."""

import pytest

import nbmlops as nb
from nbmlops.store.driver import connect
from nbmlops.store.executions import executions_of, kernel_of
from nbmlops.tracking import session

EVENT = {"t": "execution", "kernel": "k", "number": 1, "run_id": None, "cell_id": None, "notebook": None}
EVENT |= {"digest": "0" * 64, "reads": [], "writes": [], "mutates": [], "status": "finished", "at": "2024"}


CELLS = {
    2: {"cell_id": "a", "writes": ["rows"]},
    3: {"cell_id": "b", "reads": ["rows", "oops"], "mutates": ["rows"], "status": "failed"},
    10: {"cell_id": "c", "reads": ["rows"], "writes": ["total"]},
}


@pytest.fixture
def ran(project):
    """Three cells of a kernel, the last of them a run; its id."""
    with nb.run("forest") as opened:
        for number, cell in CELLS.items():
            of = opened.run_id if cell["cell_id"] == "c" else None
            about = {"number": number, "run_id": of, "notebook": "flights.ipynb", "at": f"2024-05-{number:02}"}
            session.write(EVENT | cell | about | {"digest": session.artifacts().put(cell["cell_id"].encode())})
    return opened.run_id


def rows():
    with connect(session.project()) as connection:
        return connection.execute("SELECT kernel, number, run_id, status FROM executions ORDER BY kernel").fetchall()


def test_what_a_kernel_ran_is_read_back_in_order(ran):
    found = executions_of(session.store(), "k")
    assert [(e["number"], e["cell_id"], e["run_id"], e["status"]) for e in found] == [
        (2, "a", None, "finished"),
        (3, "b", None, "failed"),
        (10, "c", ran, "finished"),
    ]
    assert [(e["reads"], e["writes"], e["mutates"]) for e in found] == [
        ((), ("rows",), ()),
        (("rows", "oops"), (), ("rows",)),
        (("rows",), ("total",), ()),
    ]
    assert {e["notebook"] for e in found} == {"flights.ipynb"}
    assert [e["at"] for e in found] == ["2024-05-02", "2024-05-03", "2024-05-10"]


def test_the_source_is_the_artifact_of_its_digest(ran):
    found = executions_of(session.store(), "k")
    assert [session.artifacts().get(e["digest"]) for e in found] == [b"a", b"b", b"c"]


def test_a_run_knows_its_kernel(ran):
    assert kernel_of(session.store(), ran) == "k"
    assert kernel_of(session.store(), "another") is None
    assert executions_of(session.store(), "another") == []


def test_a_run_that_another_kernel_went_on_with_is_of_that_one(ran):
    session.write(EVENT | {"kernel": "l", "run_id": ran, "at": "2999"})
    assert kernel_of(session.store(), ran) == "l"


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
