import numpy as np
import pandas as pd
import pytest

from nbmlops.drift import words
from nbmlops.drift.profile import build


def told(before, after):
    """What is said of a column that was ``before`` and is ``after``."""
    reference = build(pd.DataFrame({"x": before}))
    current = build(pd.DataFrame({"x": after}), like=reference)
    return words.direction(reference.columns["x"], reference.total["x"], current.total["x"])


NORMAL = np.random.default_rng(0).normal(loc=10, size=20_000)


def repeated(**shares):
    return [name for name, count in shares.items() for _ in range(count)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (NORMAL, NORMAL * 1.12, "median up 12 %"),
        (NORMAL, NORMAL * 0.8, "median down 2"),
        (NORMAL, 10 + (NORMAL - 10) * 1.5, "spread up 50 %"),
        (NORMAL - 10, NORMAL - 7, "median up from -0.00"),
        (NORMAL, np.where(np.arange(20_000) % 5 == 0, np.nan, NORMAL), "missing 0 % -> 20 %"),
        (repeated(MQ=8, UA=92), repeated(MQ=31, UA=69), "MQ 8 % -> 31 %"),
        (repeated(MQ=50, UA=50), repeated(MQ=40, UA=40, ZZ=20), "unseen 0 % -> 20 %"),
        ([True] * 23 + [False] * 77, [True] * 31 + [False] * 69, "share 23 % -> 31 %"),
        ([0, 1] * 50, [1] * 100, "share 50 % -> 100 %"),
        ([f"{i:05d}" for i in range(100)], [f"{i:010d}" for i in range(100)], "median length up 100 %"),
    ],
)
def test_direction_is_told_in_words(before, after, expected):
    assert told(before, after).startswith(expected)


def test_nothing_is_said_of_nothing():
    assert told([1.0, 2.0], []) == ""
