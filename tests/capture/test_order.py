"""Whether a run would come out the same from the top of its notebook, and which cell is to blame when not."""

import json
import os

import pytest

from nbmlops.capture.order import History, Notebook, digest_of, label, saved_notebook


def ran(*cells):
    """Run (cell id, source) pairs, and return the label of the last."""
    history = History()
    for cell_id, source in cells:
        history.end(history.begin(source, cell_id), succeeded="1 / 0" not in source)
    known = history.known()
    return label(known, known[-1])


def test_cells_in_order_are_clean():
    assert ran(("a", "x = 1"), ("b", "y = x"), ("c", "print(x + y)")).word == "clean"


def test_a_cell_that_is_run_again_with_nothing_of_its_own_is_clean():
    assert ran(("a", "x = 1"), ("b", "y = x"), ("a", "x = 1"), ("b", "y = x"), ("c", "y")).word == "clean"


@pytest.mark.parametrize("change", ["x += 1", "x.append(1)", "x['a'] = 1", "x.sort_values(inplace=True)"])
def test_a_cell_that_ran_twice_on_its_own_result_is_reordered(change):
    found = ran(("a", "x = load()"), ("l", "import os"), ("b", change), ("b", change), ("c", "x"))
    assert (found.word, found.cell) == ("unknown", None)  # nobody bound `load`
    found = ran(("a", "x = []"), ("b", change), ("b", change), ("c", "x"))
    assert (found.word, found.cell) == ("reordered", 3)
    assert found.message == "'x' comes from cell [3], which ran more than once on its own result."


def test_a_cell_that_goes_on_from_its_own_result_is_reordered():
    found = ran(("a", "x = 1"), ("b", "x += 1"), ("b", "x += 1"))
    assert (found.word, found.message) == (
        "reordered",
        "'x' comes from cell [3], which ran more than once on its own result.",
    )


def test_a_value_of_a_cell_further_down_is_reordered():
    found = ran(("a", "x = 1"), ("b", "y = x"), ("c", "x = 2"), ("b", "y = x"))
    assert (found.word, found.cell) == ("reordered", 3)


def test_a_value_whose_cell_now_says_something_else_is_orphaned():
    found = ran(("a", "x = 1"), ("a", "z = 1"), ("b", "print(x)"))
    assert (found.word, found.message) == ("orphaned", "'x' comes from cell [1], which no longer says so.")


def test_a_value_from_nowhere_or_from_a_star_is_unknown():
    assert ran(("a", "print(frame)")).message == "No cell that ran binds 'frame'."
    assert ran(("a", "from numpy import *"), ("b", "zeros(3)")).word == "unknown"
    assert ran(("a", "x = 1\n1 / 0"), ("b", "x")).message == "'x' was bound by a cell that failed."


def test_builtins_and_what_the_shell_gives_are_no_reads():
    assert ran(("a", "display(len([1]))\nget_ipython()\n_")).word == "clean"


def test_the_saved_notebook_says_where_cells_stand_and_what_they_say_now():
    history = History()
    for cell_id, source in (("b", "y = 1"), ("a", "x = y"), ("c", "x")):
        history.end(history.begin(source, cell_id))
    known = history.known()
    sources = {"a": "x = y", "b": "y = 1", "c": "x"}
    digests = {cell: digest_of(text) for cell, text in sources.items()}
    later = "9999"
    assert label(known, known[-1]).word == "clean"
    assert label(known, known[-1], Notebook(digests, later)).word == "reordered"
    in_order = {cell: digests[cell] for cell in "bac"}
    assert label(known, known[-1], Notebook(in_order, later)).word == "clean"
    edited = label(known, known[-1], Notebook(in_order | {"b": digest_of("y = 2")}, later))
    assert (edited.word, edited.cell) == ("edited since", 1)
    gone = label(known, known[-1], Notebook({c: in_order[c] for c in "ac"}, later))
    assert (gone.word, gone.message) == ("orphaned", "'y' comes from cell [1], which is no longer in the notebook.")
    assert label(known, known[-1], Notebook({c: in_order[c] for c in "ac"}, "0001")).word == "clean"


def test_a_notebook_is_read_when_it_is_one(tmp_path):
    path = tmp_path / "a.ipynb"
    cells = [
        {"cell_type": "markdown", "id": "m", "source": "x"},
        {"cell_type": "code", "id": "a", "source": ["x", "=1"]},
    ]
    path.write_text(json.dumps({"cells": cells}))
    assert saved_notebook(path).digests == {"a": digest_of("x=1")}
    path.write_text("{")
    os.utime(path, (1, 1))
    assert saved_notebook(path) is None
    assert saved_notebook(tmp_path / "none.ipynb") is None


def test_sources_are_kept_once_and_masked_and_each_execution_is_given_out_once():
    history = History()
    for _ in range(3):
        history.end(history.begin("password = 'hunter2'", "a"))
    assert [e.number for e in history.pending()] == [1, 2, 3]
    assert history.pending() == []
    assert list(history.sources.values()) == ["password = '[secret]'"]


def test_what_is_old_is_forgotten(monkeypatch):
    from nbmlops.capture import order

    monkeypatch.setattr(order, "MOST", 2)
    history = History()
    for text in ("x = 1", "y = 2", "z = 3"):
        history.end(history.begin(text))
    assert [e.number for e in history.known()] == [2, 3]


def test_what_was_made_of_a_value_before_its_cell_was_edited_and_run_again_is_stale():
    found = ran(("a", "x = 1"), ("b", "y = x"), ("a", "x = 2"), ("c", "print(y)"))
    assert (found.word, found.message) == (
        "edited since",
        "'x' comes from cell [1], which was edited and ran again since.",
    )


def test_a_helper_defined_below_the_function_that_calls_it_is_found():
    assert ran(
        ("a", "def train():\n    return helper()"), ("b", "def helper():\n    return 1"), ("c", "m = train()")
    ).word in (
        "clean",
        "reordered",
    )


def test_a_cell_that_no_longer_makes_the_name_it_reads_is_orphaned():
    assert ran(("a", "df = 1\nz = df"), ("a", "z = df")).word == "orphaned"


def test_the_value_of_a_secret_is_masked_wherever_a_cell_says_it():
    history = History()
    history.end(history.begin("password = 'hunter2-long'\nlogin('hunter2-long')", "a"))
    history.known()
    assert "hunter2" not in "".join(history.sources.values())


def test_a_cell_that_changes_its_own_table_is_told_so_not_that_a_parameter_was_edited_between_its_repeats():
    data, train = ("d", "df = load()"), ("t", "df['m'] = df.x\nfit(df, depth)")
    given = "from z import load, fit"
    again = ran(("i", given), data, ("p", "depth = 6"), train, ("p", "depth = 9"), train)
    assert (again.word, again.message) == (
        "reordered",
        "'df' comes from cell [6], which ran more than once on its own result.",
    )
    stale = ("p", "depth = 6"), ("q", "twice = depth * 2"), ("t", "df['m'] = twice"), ("p", "depth = 9")
    assert ran(("i", given), data, *stale, ("t", "df['m'] = twice")).word == "edited since"
