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
