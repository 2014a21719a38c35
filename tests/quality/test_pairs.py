"""Columns of which one is never larger: found among times too, however far away they are."""

import numpy as np
import pandas as pd
import pytest

from nbmlops.quality import pairs


@pytest.mark.parametrize("unit", ["s", "us"])
def test_an_end_that_is_far_away_is_not_before_its_beginning(unit):
    drawn = np.random.default_rng(0)
    begun = np.datetime64("2024-01-01", "s") + drawn.integers(0, 10**7, 400)
    ended = begun + drawn.integers(1, 10**6, 400)
    ended[::7] = np.datetime64("2500-01-01")  # what has no end yet; nanoseconds hold no such day
    frame = pd.DataFrame({"begun": begun, "ended": ended}).astype(f"datetime64[{unit}]")
    assert [pair[:3] for pair in pairs.held(frame)] == [("begun", "<=", "ended")]
    frame.loc[0, "begun"] = pd.Timestamp("2600-01-01")
    assert pairs.held(frame) == []
