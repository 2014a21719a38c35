"""A notebook that was renamed keeps its runs, by the ids of its cells; a copy takes none."""

from __future__ import annotations

import nbformat
import pytest

from nbmlops.capture import environment
from nbmlops.report.kinds.run import find
from nbmlops.store import search
from nbmlops.tracking import session
from nbmlops.tracking.runs import listed


@pytest.fixture
def late(project, write):
    """A notebook with a cell that was tracked, and one of its runs as a job, which names no cell."""
    write("late.ipynb")
    return project / "late.ipynb"


@pytest.fixture
def write(project):
    def written(name, cell_id="fit"):
        cells = [nbformat.v4.new_code_cell("1", id=cell_id)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), project / name)

    return written


def tracked(name, notebook="late.ipynb", cell_id="fit", kind="cell"):
    session.finish(session.start(name, kind=kind, notebook=notebook, cell_id=cell_id))


def names(notebook):
    rows, total = search.page(session.store(), notebook=notebook)
    assert total == len(rows)
    assert [r.name for r in listed(notebook=notebook)] == [r["name"] for r in rows]
    return [r["name"] for r in rows]


def test_a_renamed_notebook_has_the_runs_of_its_old_names(late, project):
    tracked("first")
    tracked("a job's", kind="notebook", cell_id=None)
    tracked("elsewhere", notebook="other.ipynb", cell_id="else")
    late.rename(project / "later.ipynb")
    tracked("second", notebook="later.ipynb")
    (project / "later.ipynb").rename(project / "latest.ipynb")
    tracked("third", notebook="latest.ipynb")
    assert names("latest.ipynb") == ["third", "second", "a job's", "first"]
    assert names("other.ipynb") == ["elsewhere"]


def test_a_copy_takes_no_runs_while_its_notebook_is_there(late, write):
    tracked("first")
    write("copy.ipynb")
    assert names("copy.ipynb") == []
    late.unlink()
    assert names("copy.ipynb") == ["first"]
    write("copy.ipynb", cell_id="another")
    assert names("copy.ipynb") == []


def test_what_lies_at_an_address_is_not_gone(late):
    tracked("far", notebook="s3:/bucket/late.ipynb")
    assert names("late.ipynb") == []


def test_a_notebook_that_cannot_be_read_has_the_runs_of_its_name(late, project):
    tracked("first", notebook="gone.ipynb")
    tracked("second")
    for broken in ("{", "[]", '{"cells": 3}', '{"cells": [3]}', '{"cells": [{"id": []}]}'):
        late.write_text(broken)
        assert names("late.ipynb") == ["second"]


def test_a_kernel_that_began_before_a_rename_goes_on_under_the_old_name(late, project, monkeypatch):
    for name in ("NBMLOPS_NOTEBOOK", "PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", str(late))
    tracked("elsewhere", notebook="other.ipynb")
    late.rename(project / "later.ipynb")
    assert environment.notebook_path() is None
    with session.run("forest"):
        pass
    tracked("other and newer", notebook="other.ipynb")
    assert environment.notebook_name() == str(late)
    assert find(None).about.name == "forest"  # the report of this notebook
    monkeypatch.setenv("JPY_SESSION_NAME", str(project / "no folder" / "late.ipynb"))
    assert environment.notebook_name() is None
