"""Why a model is not good: each question says yes where it should, no where it should not, and when it does not fit."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

import nbmlops as nb
from nbmlops.capture import estimators
from nbmlops.capture.data import column_fingerprints
from nbmlops.errors import NotAllowed
from nbmlops.registry import sketch
from nbmlops.registry.checks import CHECKS


def rows(n, seed, weak=()):
    """Truth follows ``x``, and is noise where the carrier is weak."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": rng.normal(size=n), "noise": rng.normal(size=n), "carrier": rng.choice(["UA", "DL", "MQ"], n)}
    )
    late = rng.random(n) < 1 / (1 + np.exp(-2 * frame.x))
    return frame.assign(late=np.where(frame.carrier.isin(weak), rng.random(n) < 0.5, late))


def fitted(model, frame, columns=("x", "noise")):
    """Fit, and leave behind what a tracked cell does, its rows in a variable."""
    features, target = frame[list(columns)], frame["late"]
    model.fit(features, target)
    with nb.run("fit") as run:
        data = {"rows": len(features), "columns": column_fingerprints(features), "target": "late"}
        alive = {"features_ref": lambda: features, "target_ref": lambda: target}
        estimators.bind(run.run_id, model, data | alive | {"mark": estimators.mark(model)})
    return model


def asked(model, frame, code, **how):
    (found,) = [f for f in nb.evaluate(model, frame, target="late", **how).findings if f.code == code]
    return found


def test_a_good_model_passes_what_can_be_asked(project):
    found = nb.evaluate(fitted(LogisticRegression(), rows(2000, 0)), rows(2000, 1), target="late").findings
    told = {f.code: f.outcome for f in found}
    assert [f.code for f in found if f.code in CHECKS] == list(CHECKS)
    assert {c for c, o in told.items() if o == "passed"} >= {"dummy", "test-rows-in-training", "overfit", "underfit"}
    assert told["search-edge"] == told["time-overlap"] == "not_applicable"
    assert all(f.detail["docs"].endswith(f"#{f.code}") for f in found if f.code in CHECKS and f.outcome == "passed")


def test_a_forest_that_remembers_is_told(project):
    forest = fitted(RandomForestClassifier(30, random_state=0), rows(1000, 0, weak=["UA", "DL", "MQ"]))
    found = asked(forest, rows(1000, 1), "overfit")
    assert found.outcome == "warning"
    assert found.message.startswith("roc_auc 1 on training rows, 0.")


def test_a_model_that_learnt_nothing_is_told(project):
    frame = rows(1000, 0)
    assert asked(fitted(DummyClassifier(), frame), rows(1000, 1), "underfit").outcome == "warning"


def test_rows_not_at_hand_are_not_applicable_never_a_guess(project):
    model = LogisticRegression().fit(rows(500, 0)[["x"]], rows(500, 0)["late"])
    for code in ("overfit", "underfit", "time-overlap", "test-rows-in-training"):
        assert asked(model, rows(500, 1), code).outcome == "not_applicable"


def test_a_column_that_does_all_the_work_is_named(project):
    found = asked(fitted(LogisticRegression(), rows(2000, 0)), rows(2000, 1), "golden-feature")
    assert (found.outcome, found.column) == ("warning", "x")


@pytest.mark.parametrize(("grid", "outcome"), [([1, 4, 40], "passed"), ([1, 2, 3], "warning")])
def test_a_search_that_ends_at_its_edge_is_told(project, grid, outcome):
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": grid}, scoring="roc_auc")
    found = asked(fitted(search, rows(2000, 0)), rows(1000, 1), "search-edge")
    assert found.outcome == outcome
    assert ("max_depth=3 is the largest tried" in found.message) == (outcome == "warning")


def test_rows_from_before_the_end_of_the_fit_are_told_by_column_or_index(project):
    frame = rows(1000, 0).assign(day=pd.date_range("2026-01-01", periods=1000, freq="h"))
    at = frame.set_index("day")
    model = fitted(LogisticRegression(), at[:600])
    assert asked(model, at[600:], "time-overlap").outcome == "passed"
    found = asked(model, at[500:], "time-overlap")
    assert (found.outcome, round(found.effect, 2)) == ("warning", 0.2)


def test_training_rows_among_those_that_judge_are_told_and_most_of_them_are_refused(project):
    frame = rows(1000, 0)
    model = fitted(LogisticRegression(), frame)
    mixed = pd.concat([frame[:200], rows(800, 1)])
    assert asked(model, mixed, "test-rows-in-training").outcome == "issue"
    with pytest.raises(NotAllowed, match="Most of these rows"):
        nb.evaluate(model, pd.concat([frame[:900], rows(100, 1)]), target="late")


def test_a_registered_model_remembers_its_rows_in_another_process(project, monkeypatch):
    frame = rows(20_000, 0)
    model = fitted(LogisticRegression(), frame)
    ref = nb.register(model, "late", evaluation=nb.evaluate(model, rows(2000, 1), target="late")).ref
    monkeypatch.setattr(estimators, "training_data", lambda model: None)
    assert asked(ref, rows(4000, 2), "test-rows-in-training").outcome == "passed"
    found = asked(ref, pd.concat([frame[:1500], rows(3000, 2)]), "test-rows-in-training")
    assert found.outcome == "issue"
    assert found.effect == pytest.approx(1 / 3, abs=0.1)
    with pytest.raises(NotAllowed, match="Most of these rows"):
        nb.evaluate(ref, frame[:9000].sample(frac=1, random_state=0), target="late")
    assert asked(ref, rows(60, 3), "test-rows-in-training").outcome == "skipped"


def test_a_sketch_is_small_and_names_no_row():
    known = sketch.made(rows(50_000, 0), ["x", "noise"])
    assert len(json.dumps(known)) < 11_000
    assert sketch.finding(known, rows(50_000, 0)[["x", "noise"]]).effect == 1.0
    assert sketch.made({"a": 1}, ["a"]) is None


def test_what_someone_muted_is_muted(project):
    (project / "nbmlops.toml").write_text('[capture]\nmute = ["golden-feature", "weak-segment"]\n')
    from nbmlops.tracking import session

    session.reset()
    model = fitted(LogisticRegression(), rows(2000, 0))
    for code in ("golden-feature", "weak-segment"):
        assert asked(model, rows(2000, 1), code).outcome == "muted"


def test_the_weakest_segment_is_found_in_words_and_measured_on_other_rows(project):
    model = fitted(LogisticRegression(), rows(4000, 0))
    held_out = rows(4000, 1, weak=["MQ"])
    from nbmlops.registry import measures, segments

    answers = measures.ask(model, held_out[["x", "noise"]], held_out["late"].to_numpy())
    found, told = segments.weakest(held_out[["x", "noise", "carrier"]], answers, {})
    assert "carrier is MQ" in found[0]["slice"]
    assert found[0]["loss"]["low"] > 0
    assert told.outcome == "warning"
    evaluation = nb.evaluate(model, held_out, target="late")
    assert evaluation.to_dict()["weakest"] == json.loads(json.dumps(evaluation.to_dict()["weakest"]))


@pytest.mark.parametrize("seed", range(5))
def test_where_no_segment_is_weak_none_is_claimed_of_other_columns(project, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(3000, 6)), columns=list("abcdef"))
    frame["late"] = rng.normal(size=3000)
    model = Ridge().fit(frame[list("abcdef")][:1000], frame["late"][:1000])
    assert asked(model, frame[1000:], "weak-segment").outcome == "passed"


def test_few_rows_have_no_segments(project):
    model = fitted(LogisticRegression(), rows(500, 0))
    assert asked(model, rows(150, 1), "weak-segment").outcome == "skipped"
