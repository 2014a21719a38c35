"""What a cell's source says before it runs."""

import pytest

from nbmlops.capture.cell import analyse


@pytest.mark.parametrize(
    ("source", "reads", "writes"),
    [
        ("y = x", ("x",), ("y",)),
        ("x = 1\ny = x", (), ("x", "y")),
        ("x += 1", (), ("x",)),
        ("def f(a):\n    return a + b", ("b",), ("f",)),
        ("rows = [r for r in table]", ("table",), ("rows",)),
        ("import numpy as np\nz = np.zeros(3)", (), ("np", "z")),
        ("with open(p) as f:\n    text = f.read()", ("open", "p"), ("f", "text")),
        ("(((", (), ()),
    ],
)
def test_names_read_and_written(source, reads, writes):
    cell = analyse(source)
    assert set(reads) <= set(cell.reads)
    assert set(cell.writes) == set(writes)


def test_literals_keep_their_types():
    cell = analyse("a = 1\nb = -2.5\nc = 'x'\nd = None\ne = [1, {'k': True}]\nf: int = 3\ng = a + 1\nh = i = 4")
    assert cell.literals == {"a": 1, "b": -2.5, "c": "x", "d": None, "e": [1, {"k": True}], "f": 3, "h": 4, "i": 4}


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("for step, part in stages:\n    log(part, step)", ("stages", "log")),
        ("with open(path) as file:\n    file.read()", ("open", "path")),
        ("try:\n    x = load()\nexcept OSError as error:\n    print(error, x)", ("load", "OSError", "print")),
        ("if ready:\n    y = 1\nz = y", ("ready",)),
        ("y = y + 1", ("y",)),
        ("y += 1", ("y",)),
        ("while (n := n - 1):\n    total = n", ("n",)),
        ("[part for part in parts if part]", ("parts",)),
    ],
)
def test_what_a_compound_statement_binds_is_no_read_of_its_body(source, reads):
    assert analyse(source).reads == reads


def test_what_is_changed_in_place_and_called_is_known():
    cell = analyse("x[0] = 1\ny.z = 2\nitems.append(3)\nModel(a=1, b=2).fit(X)\nfrom numpy import *")
    assert cell.mutates == ("x", "y", "items")
    assert cell.calls["Model"] == ("a", "b")
    assert cell.opaque
