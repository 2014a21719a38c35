"""What comes back for predictions: outcomes, flags, opinions; by id or business key; appended, never lost."""

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.monitoring.recorded import predicted


@pytest.fixture
def said(late, people):
    """Predictions of two batches and what came true."""
    frame = people(80, 9)
    parts = [nb.predict("late", frame[:20], batch="a"), nb.predict("late", frame[20:], batch="b")]
    return pd.concat(parts).assign(outcome=frame.late)


@pytest.fixture
def keyed(late, block, people):
    """Record predictions under business keys; return their ids."""

    def make(names, times=None, at=None):
        return block(late, people(len(names), 5), at, names, times)

    return make


def outcomes(name="late"):
    found = predicted(name).said
    return dict(zip(found.prediction_id, found.outcome, strict=True))


def test_twice_counts_once(said):
    first, again = (nb.feedback(said[["prediction_id", "outcome"]]) for _ in range(2))
    assert (first.new, first.duplicates) == (80, 0)
    assert (again.new, again.duplicates) == (0, 80)
    assert len(nb.prediction(said.prediction_id.iloc[0])["feedback"]) == 1


def test_a_changed_outcome_is_appended_and_the_newest_counts(said):
    nb.feedback(said)
    one = said[:1].assign(outcome=lambda f: ~f.outcome)
    assert nb.feedback(one).changed == 1
    kept = nb.prediction(one.prediction_id.iloc[0])["feedback"]
    assert [f["outcome"] for f in kept] == [not one.outcome.iloc[0], one.outcome.iloc[0]]
    assert outcomes()[one.prediction_id.iloc[0]] == one.outcome.iloc[0]


def test_a_key_finds_the_newest_prediction_at_or_before_a_time(keyed):
    first = keyed(["B1", "B2"], at="2026-01-01T00:00:00.000000+00:00")
    second = keyed(["B1", 17], at="2026-02-01T00:00:00.000000+00:00")
    rows = pd.DataFrame({"booking": ["B1", "B1", "B2", 17.0], "at": ["2026-01-15", None, "2026-03-01", None]})
    found = nb.feedback(rows.assign(outcome=[True, False, True, False]), model="late", key="booking")
    assert (found.new, found.unknown) == (4, 0)
    assert outcomes() == dict(zip([*first, *second], [True, True, False, False], strict=True))
