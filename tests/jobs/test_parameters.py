"""Text from a command line as the types a notebook declares."""

from __future__ import annotations

import nbformat
import pytest

from nbmlops.errors import Invalid
from nbmlops.jobs.parameters import Parameter, declared, given, parse


@pytest.fixture
def known(notebook):
    from papermill.iorw import load_notebook_node

    return declared(load_notebook_node(str(notebook("plain"))), "python3", "python")


def test_types_come_from_annotations_then_defaults(known):
    assert {p.name: (p.type, p.optional) for p in known.values()} == {
        "trees": ("int", False),
        "rate": ("float", False),
        "months": ("list", False),
        "name": ("str", False),
        "quiet": ("bool", False),
        "limit": ("None", True),
    }
    assert known["trees"].help == "how many"


def test_text_is_read_as_the_declared_type(known):
    text = {"trees": "7", "rate": "2", "months": "[1, 2]", "name": "7", "quiet": "yes", "limit": "none"}
    read = given("n.ipynb", text, known, typed=True)
    assert read == {"trees": 7, "rate": 2.0, "months": [1, 2], "name": "7", "quiet": True, "limit": None}
    assert isinstance(read["rate"], float)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("trees", "many", r"'trees' is 'many'. It is an int, such as 100"),
        ("trees", "1.5", "an int"),
        ("quiet", "perhaps", "a bool"),
        ("months", "3", "a list"),
        ("months", "[1", "a list"),
    ],
)
def test_text_of_another_type_is_one_line(known, name, text, said):
    with pytest.raises(Invalid, match=said):
        given("n.ipynb", {name: text}, known, typed=True)


def test_values_from_python_stay_as_they_are(known):
    assert given("n.ipynb", {"trees": 7.5, "months": (1, 2)}, known, typed=False) == {"trees": 7.5, "months": [1, 2]}


def test_a_notebook_without_parameters_says_how_to_have_some():
    with pytest.raises(Invalid, match=r"no cell is tagged 'parameters'. Tag the cell"):
        given("n.ipynb", {"x": 1}, declared(nbformat.v4.new_notebook(), "python3", "python"), typed=True)


@pytest.mark.parametrize(
    ("text", "parameter", "value"),
    [
        ("null", Parameter("x", "int", "None", optional=True), None),
        ("{a: 1}", Parameter("x", "dict", "{}"), {"a": 1}),
        ("2013-01-01", Parameter("x", "str", "''"), "2013-01-01"),
        ("2013-01-01", Parameter("x", "None", "load()"), "2013-01-01"),
        ("3", Parameter("x", "None", "load()"), 3),
    ],
)
def test_parse(text, parameter, value):
    assert parse(text, parameter) == value
