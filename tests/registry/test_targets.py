"""A target is shown, not shown or broken by the whole interval, never by the value alone."""

import pytest

from nbmlops.errors import Invalid
from nbmlops.registry.targets import Target, judge, targets


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.66, 0.70, "shown"), (0.64, 0.70, "not shown"), (0.60, 0.64, "broken"), (0.65, 0.7, "shown")],
)
def test_at_least(low, high, word):
    assert Target("roc_auc", at_least=0.65).state({"value": (low + high) / 2, "low": low, "high": high}) == word


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.0, 0.04, "shown"), (0.04, 0.06, "not shown"), (0.06, 0.08, "broken")]
)
def test_at_most(low, high, word):
    assert Target("share_gap", at_most=0.05).state({"value": (low + high) / 2, "low": low, "high": high}) == word


def test_share_gap_may_carry_the_name_of_what_is_shared():
    found = judge([Target("late_share_gap", at_most=0.05)], {"share_gap": {"value": 0.01, "low": 0.0, "high": 0.02}})
    assert found[0].outcome == "passed"


def test_what_was_not_measured_is_skipped_and_says_so():
    found = judge([Target("profit", at_least=1)], {})
    assert (found[0].outcome, found[0].message) == ("skipped", "profit at least 1 is not measured")


NOT_A_NUMBER = float("nan")


@pytest.mark.parametrize("bound", [{"at_least": 0.65}, {"at_most": 0.65}])
@pytest.mark.parametrize("value", ["NaN", NOT_A_NUMBER, "Infinity", float("-inf"), "?"])
def test_what_is_not_finite_was_not_measured(bound, value):
    (found,) = judge([Target("m", **bound)], {"m": {"value": value, "low": value, "high": value}})
    assert (found.outcome, found.effect, found.detail["low"]) == ("skipped", None, None)
    assert found.message.endswith("is not measured")


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        ("NaN", 0.8, "not shown"),
        (0.7, NOT_A_NUMBER, "not shown"),
        (0.7, "Infinity", "shown"),
        (0.6, "Infinity", "not shown"),
    ],
)
def test_an_end_that_is_unknown_shows_nothing_and_an_open_one_may(low, high, word):
    (found,) = judge([Target("m", at_least=0.65)], {"m": {"value": 0.75, "low": low, "high": high}})
    assert (found.detail["word"], found.message) == (word, f"m at least 0.65 is {word}: 0.75")


@pytest.mark.parametrize(
    ("entry", "low", "high", "word"),
    [
        ({"at_least": 0.65, "viable": 0.55}, 0.50, 0.54, "broken"),
        ({"at_least": 0.65, "viable": 0.55}, 0.56, 0.60, "shown"),
        ({"at_most": 0.05, "viable": 0.2}, 0.21, 0.3, "broken"),
        ({"at_most": 0.05, "viable": 0.2}, 0.1, 0.15, "shown"),
    ],
)
def test_viability_is_a_bound_of_its_own(entry, low, high, word):
    (target,) = targets({"metrics": [{"name": "m", **entry}]})
    assert target.viability().state({"value": (low + high) / 2, "low": low, "high": high}) == word
    assert Target("m", at_least=1).viability() is None


@pytest.mark.parametrize(
    "entry", [{"at_least": 0.6, "viable": 0.7}, {"at_most": 0.1, "viable": 0}, {"at_least": 1, "viable": True}]
)
def test_a_viability_that_is_harder_to_keep_than_the_target_is_refused(entry):
    with pytest.raises(Invalid, match="is viable at"):
        targets({"metrics": [{"name": "m", **entry}]})
