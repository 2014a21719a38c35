"""An evaluation says how well, on how many rows, how surely, and never on rows the model was fitted on."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.svm import LinearSVC

import nbmlops as nb
from nbmlops.capture import estimators
from nbmlops.capture.data import column_fingerprints
from nbmlops.errors import Invalid, NotAllowed
from nbmlops.store.runs import results_of
from nbmlops.tracking import session


def track_fit(model, features):
    """What a tracked cell leaves behind when it fitted a model."""
    with session.run("forest") as run:
        data = {"rows": len(features), "columns": column_fingerprints(features), "target": "late"}
        estimators.bind(run.run_id, model, data)
    return run.run_id


def test_metrics_are_scikit_learns_with_an_interval_around_them(project, model, held_out):
    found = nb.evaluate(model, held_out, target="late").metrics
    p = model.predict_proba(held_out[["age", "city", "noise"]])[:, 1]
    assert found["roc_auc"]["value"] == pytest.approx(roc_auc_score(held_out.late, p))
    assert found["log_loss"]["value"] == pytest.approx(log_loss(held_out.late, p))
    assert found["observed_share"]["value"] == pytest.approx(held_out.late.mean())
    assert found["share_gap"]["value"] == pytest.approx(abs(p.mean() - held_out.late.mean()))
    assert all(m["low"] <= m["value"] <= m["high"] and m["n"] == 400 for m in found.values())


def test_importance_finds_the_strong_column_and_adds_up(project, model, held_out):
    shares = nb.evaluate(model, held_out, target="late").importance
    assert next(iter(shares)) == "age"
    assert sum(shares.values()) == pytest.approx(1)


def test_the_same_evaluation_twice_is_the_same_and_leaves_the_users_chance_alone(project, model, held_out):
    state = np.random.get_state()[1].copy()
    first, second = (nb.evaluate(model, held_out, target="late").to_dict() for _ in range(2))
    assert first == second
    assert (np.random.get_state()[1] == state).all()


def test_small_slices_are_insufficient_data(project, model, held_out):
    frame = held_out.assign(shift=["night"] * 10 + ["day"] * 390)
    slices = {s["slice"]: s for s in nb.evaluate(model, frame, target="late", by="shift").slices}
    assert slices["shift=night"]["level"] == "insufficient data"
    assert slices["shift=night"]["metrics"] == {}
    assert slices["shift=day"]["metrics"]["roc_auc"]["n"] == 390


def test_a_missing_value_is_a_slice_of_its_own(project, model, held_out):
    frame = held_out.assign(shift=[None] * 100 + ["day"] * 300)
    assert {s["slice"]: s["n"] for s in nb.evaluate(model, frame, target="late", by=["shift"]).slices} == {
        "shift=day": 300,
        "shift=missing": 100,
    }


def test_no_row_is_in_the_json_and_every_row_in_the_artifact(project, model, held_out):
    frame = held_out.assign(age=held_out.age.where(held_out.index != 7, 987.654321))
    found = nb.evaluate(model, frame, target="late")
    assert "987.65" not in json.dumps(found.to_dict())
    values = np.load(io.BytesIO(session.artifacts().get(found.values)), allow_pickle=False)
    assert (values["truth"] == frame.late).all()
    assert len(values["probability"]) == 400


def test_text_labels_are_kept_without_pickle(project, fit, train, held_out):
    words = {True: "late", False: "on time"}
    model = LogisticRegression().fit(train[["age"]], train.late.map(words))
    found = nb.evaluate(model, held_out.assign(late=held_out.late.map(words)), target="late")
    values = np.load(io.BytesIO(session.artifacts().get(found.values)), allow_pickle=False)
    assert set(values["truth"]) == {"late", "on time"}
    assert found.positive == "on time"


def test_a_model_worse_than_a_constant_is_an_issue(project, fit, train, held_out):
    model = fit("age", rows=train.assign(late=~train.late))
    outcomes = {f.code: f.outcome for f in nb.evaluate(model, held_out, target="late").findings}
    assert outcomes["dummy"] == "issue"


def test_noise_is_not_shown_to_be_better_than_a_constant(project, fit, held_out):
    outcomes = {f.code: f.outcome for f in nb.evaluate(fit("noise"), held_out, target="late").findings}
    assert outcomes["dummy"] != "passed"


def test_several_classes(project, people, held_out):
    rows = people(500, 3)
    bands = lambda f: pd.cut(f.age, [-99, 35, 45, 99], labels=["young", "middle", "old"]).astype(str)  # noqa: E731
    model = LogisticRegression(max_iter=500).fit(rows[["age", "noise"]], bands(rows))
    found = nb.evaluate(model, held_out.assign(band=bands(held_out)), target="band")
    assert found.task == "multiclass"
    assert set(found.metrics) == {"accuracy", "log_loss"}


def test_numbers(project, people, held_out):
    rows = people(500, 3)
    model = RandomForestRegressor(20, random_state=0).fit(rows[["age", "noise"]], rows.age * 2)
    found = nb.evaluate(model, held_out.assign(double=held_out.age * 2), target="double")
    assert found.task == "regression"
    assert found.metrics["r2"]["low"] > 0.9
    assert found.metrics["rmse"]["value"] >= found.metrics["mae"]["value"]


def test_scores_without_probabilities(project, train, held_out):
    found = nb.evaluate(LinearSVC().fit(train[["age"]], train.late), held_out, target="late")
    assert "roc_auc" in found.metrics
    assert "log_loss" not in found.metrics


def test_rows_it_was_fitted_on_are_refused_whatever_their_column_order(project, model, train):
    track_fit(model, train[["age", "city", "noise"]])
    with pytest.raises(NotAllowed, match=r"These are the rows Pipeline\(.*\) was fitted on \(500 rows"):
        nb.evaluate(model, train[["noise", "late", "city", "age"]], target="late")


def test_one_changed_cell_makes_other_rows(project, model, train):
    track_fit(model, train[["age", "city", "noise"]])
    assert nb.evaluate(model, train.assign(noise=train.noise.where(train.index != 3, 0.5)), target="late").rows == 500


def test_a_registered_model_still_refuses_the_rows_it_was_fitted_on(project, model, train, held_out):
    track_fit(model, train[["age", "city", "noise"]])
    nb.evaluate(model, held_out)
    nb.register(model, "late")
    with pytest.raises(NotAllowed, match="late@1 was fitted on"):
        nb.evaluate("late@1", train)


def test_it_is_kept_with_the_run_that_fitted_the_model(project, model, train, held_out):
    run_id = track_fit(model, train[["age", "city", "noise"]])
    found = nb.evaluate(model, held_out)
    kept = results_of(session.store(), [run_id], "evaluation")
    assert [r["data"] for r in kept] == [found.to_dict()]
    assert nb.get_run(run_id).metrics["roc_auc"] == found.metrics["roc_auc"]["value"]
    assert {m["context"]["split"] for m in nb.get_run(run_id).to_dict()["metrics"]} == {"test"}


def test_in_an_open_run_it_belongs_to_that_run(project, model, held_out):
    with session.run("forest") as run:
        found = nb.evaluate(model, held_out, target="late")
    assert nb.get_run(run.run_id).metrics["roc_auc"] == found.metrics["roc_auc"]["value"]


def test_judging_a_registered_model_again_changes_no_run_s_metrics(project, model, train, held_out, people):
    run_id = track_fit(model, train[["age", "city", "noise"]])
    nb.evaluate(model, held_out)
    nb.register(model, "late")
    before = nb.get_run(run_id).metrics
    with session.run("drift check") as run:
        nb.evaluate("late@1", people(300, 8))
    assert nb.get_run(run_id).metrics == before
    assert nb.get_run(run.run_id).metrics == {}
    assert len(results_of(session.store(), [run.run_id], "evaluation")) == 1


def test_targets_of_the_charter_are_judged(project, model, held_out):
    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.99}]")
    outcomes = {f.code: f.outcome for f in nb.evaluate(model, held_out, target="late").findings}
    assert outcomes["target"] == "issue"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "lat"}, "No column 'lat' in this frame"),
        ({"target": None}, "Which column is the truth"),
        ({"frame": lambda f: f.drop(columns="city")}, "columns that are not there: city"),
        ({"frame": lambda f: f.astype({"late": object}).assign(late=None)}, "missing in 400 of 400 rows"),
        ({"frame": lambda f: f[:0]}, "no rows"),
        ({"frame": lambda f: f.assign(late=["yes"] * 400)}, "holds yes, which the model never saw"),
        ({"frame": lambda f: f.to_dict()}, "dict is no table"),
        ({"by": "shift"}, "No column 'shift' to slice by"),
        ({"model": LogisticRegression()}, "LogisticRegression is not fitted"),
        ({"model": LogisticRegression}, "is no fitted model"),
        ({"model": 3}, "int is no fitted model"),
    ],
)
def test_bad_input_is_one_clear_line(project, model, held_out, change, message):
    asked = {"model": model, "frame": lambda f: f, "target": "late"} | change
    with pytest.raises(Invalid, match=message) as error:
        nb.evaluate(asked["model"], asked["frame"](held_out), asked["target"], asked.get("by"))
    assert error.value.hint
    assert "\n" not in str(error.value)


def test_it_shows_itself_in_every_form_without_script(project, model, held_out):
    bundle = nb.evaluate(model, held_out.assign(late=held_out.late), target="late", by="city")._repr_mimebundle_()
    assert "<script" not in bundle["text/html"]
    assert "roc_auc" in bundle["text/plain"]
    assert len(bundle["text/plain"].splitlines()) <= 12
    assert "city=Ulm" in bundle["text/html"]


def test_the_worst_rows_are_those_that_cost_most_and_come_from_the_users_frame(project, model, held_out):
    found = nb.evaluate(model, held_out, target="late")
    rows = found.worst_rows(held_out)
    assert list(rows["loss"]) == sorted(rows["loss"], reverse=True)
    chance = model.predict_proba(held_out[["age", "city", "noise"]])[:, 1]
    losses = -np.log(np.where(held_out.late, chance, 1 - chance))
    assert rows.index[0] == held_out.index[losses.argmax()]
    assert found.to_dict()["worst"][0] == {"row": int(losses.argmax()), "loss": pytest.approx(losses.max())}
    with pytest.raises(Invalid, match="400 were evaluated"):
        found.worst_rows(held_out[:10])
