"""What answers are worth, against numbers reckoned by hand and against simulations of models that have no skill."""

import numpy as np
import pytest

from nbmlops.errors import Invalid
from nbmlops.governance.charter import parsed
from nbmlops.governance.value import value
from nbmlops.registry.measures import Answers, confusion

DESK = parsed(
    b"value: {unit: EUR, per: {true_positive: 20, false_positive: -5, false_negative: -20, true_negative: 0}}"
)
EVEN = parsed(b"value: {unit: EUR, per: {true_positive: 10, false_positive: -10, false_negative: 0, true_negative: 0}}")


def judged(chance, truth):
    answers = Answers("binary", chance > 0.5, np.column_stack([1 - chance, chance]), chance, (False, True), truth)
    return {"confusion": confusion(answers), "task": "binary", "positive": True, "rows": len(truth)}


def drawn(rng, n, skill, share=0.4):
    truth = rng.random(n) < share
    return 1 / (1 + np.exp(-rng.normal(skill * (truth - 0.5), 1))), truth


def test_a_model_that_is_worse_than_chance_is_worth_nothing_though_acting_on_all_is_worth_much():
    chance, truth = drawn(np.random.default_rng(0), 3000, skill=-0.85)  # an area of 0.27
    found = value(judged(chance, truth), DESK)
    assert found["against"] == "acting on all"
    assert found["low"] <= 0
    none = next(a for a in found["alternatives"] if a["against"] == "acting on none")
    assert none["low"] > 3000  # what was once called the value of the model


def test_a_model_without_skill_is_hardly_ever_shown_to_gain():
    rng = np.random.default_rng(1)
    shown = [value(judged(*drawn(rng, 600, skill=0)), EVEN)["low"] > 0 for _ in range(300)]
    assert np.mean(shown) <= 0.03


def test_the_gain_of_a_model_with_skill_is_covered():
    rng = np.random.default_rng(2)
    found = [value(judged(*drawn(rng, 1500, skill=1.5)), EVEN) for _ in range(120)]
    chance, truth = drawn(rng, 400_000, skill=1.5)
    grid = np.arange(1, 100) / 100
    best = max(1000 * np.mean(np.where(chance >= t, np.where(truth, 10, -10), 0)) for t in grid)
    within = np.mean([f["low"] <= best <= f["high"] for f in found])
    assert all(f["against"] == "acting on none" for f in found)
    assert within >= 0.91
    assert np.mean([f["expected"] for f in found]) <= best  # never optimistic on average
    assert np.mean([f["expected"] for f in found]) == pytest.approx(best, rel=0.05)


def test_two_runs_say_the_same():
    chance, truth = drawn(np.random.default_rng(3), 500, skill=1)
    assert value(judged(chance, truth), DESK) == value(judged(chance, truth), DESK)


def test_what_is_done_today_is_a_way_without_a_model():
    charter = parsed(
        b"value: {unit: EUR, without: 5, per: "
        b"{true_positive: 10, false_positive: -10, false_negative: 0, true_negative: 0}}"
    )
    chance, truth = drawn(np.random.default_rng(4), 800, skill=1)
    found = value(judged(chance, truth), charter)
    assert found["against"] == "what is done today"
    assert found["alternatives"][0]["alone"] == 5000
    assert found["expected"] == pytest.approx(found["alternatives"][1]["expected"] - 5000)


def test_the_threshold_is_chosen_on_other_rows_than_it_is_measured_on():
    chance, truth = drawn(np.random.default_rng(5), 400, skill=0.3)
    found = value(judged(chance, truth), EVEN)
    counts = judged(chance, truth)["confusion"]
    best = max(10 * t - 10 * f for t, f in zip(counts["true_positive"], counts["false_positive"], strict=True))
    assert found["expected"] < 1000 * best / 400
    assert "other half" in found["threshold_chosen"]
    assert sum(found["outcomes"].values()) == 400


def test_an_evaluation_of_no_rows_is_refused():
    with pytest.raises(Invalid, match="counts no rows"):
        value({"confusion": {k: [0] for k in ("threshold", *DESK.value["per"])}}, DESK)
