"""A bar in a terminal, two lines in a log."""

from __future__ import annotations

import io

import pytest

from nbmlops.jobs.progress import Bar, Lines, describe, usual


class Terminal(io.StringIO):
    def isatty(self):
        return True


def follow(progress):
    for index, what in ((0, "Read"), (1, "Fit"), (2, "finished")):
        progress("train.ipynb", index, 2, what)


def test_a_log_gets_one_line_at_the_start_and_one_at_the_end():
    stream = io.StringIO()
    follow(usual(stream))
    first, last = stream.getvalue().splitlines()
    assert first == "train.ipynb: 2 cells"
    assert last.startswith("train.ipynb: finished after ")


def test_a_terminal_gets_a_bar_that_names_notebook_and_cell():
    stream = Terminal()
    progress = usual(stream)
    follow(progress)
    assert isinstance(progress, Bar)
    assert not isinstance(progress, Lines)
    assert "train.ipynb: Fit" in stream.getvalue()
    assert "2/2" in stream.getvalue()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("## Fit the forest\nSome words.", "Fit the forest"),
        ("\n\nmodel.fit(X, y)", "model.fit(X, y)"),
        ("x = 1  # papermill_description=Fitting", "Fitting"),
        ("", "(empty)"),
        ("a" * 60, "a" * 37 + "..."),
    ],
)
def test_describe(source, said):
    assert describe({"source": source}) == said
