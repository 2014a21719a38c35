"""The values of a metric as arrays, and how they are drawn."""

import math

import numpy as np
import pytest

from nbmlops.config import find_project
from nbmlops.errors import Invalid, NotFound
from nbmlops.tracking import session
from nbmlops.tracking.runs import Run, get_run
from nbmlops.tracking.series import Series


def test_a_metric_is_arrays_in_the_order_logged(project):
    with session.run("fit"):
        for step, value in enumerate([0.9, math.nan, math.inf, -math.inf]):
            session.log(loss=value, step=step)
    loss = get_run("fit").metric("loss")
    assert loss.steps.tolist() == [0, 1, 2, 3]
    assert loss.values[0] == 0.9
    assert math.isnan(loss.values[1])
    assert loss.values[2:].tolist() == [math.inf, -math.inf]
    assert loss.times.dtype == "datetime64[us]"
    assert (np.diff(loss.times) >= np.timedelta64(0)).all()


def test_a_point_without_a_step_is_nan_among_steps(project):
    with session.run("fit"):
        session.log(loss=1.0)
        session.log(loss=2.0, step=7)
    steps = get_run("fit").metric("loss").steps
    assert math.isnan(steps[0])
    assert steps[1] == 7


def test_a_metric_is_asked_by_context_or_is_the_most_honest(project):
    with session.run("fit"):
        session.log(auc=0.9, context={"split": "train"})
        session.log(auc=0.7, context={"split": "test"})
    run = get_run("fit")
    assert run.metric("auc").values.tolist() == [0.7]
    assert run.metric("auc", {"split": "train"}).values.tolist() == [0.9]
    with pytest.raises(NotFound, match="No context"):
        run.metric("auc", {"split": "night"})
    with pytest.raises(NotFound, match="Did you mean 'auc'"):
        run.metric("acu")


def test_a_thinned_series_keeps_its_peaks():
    values = np.zeros(100_000)
    values[54_321], values[77_777] = 9.0, -9.0
    steps = np.arange(len(values))
    series = Series("loss", {}, steps, values, steps.view("datetime64[us]"))
    thin = series.thinned(500)
    assert len(thin) <= 500
    assert {9.0, -9.0} <= set(thin.values)
    assert (np.diff(thin.steps) > 0).all()
    assert series.thinned(200_000) is series


def test_a_card_draws_what_was_logged_often(project):
    with session.run("fit"):
        for step in range(300):
            session.log(loss=1 / (step + 1), step=step)
        session.log(auc=0.7)
    run = get_run("fit")
    shown = {m["name"]: m for m in run.to_dict()["metrics"]}
    assert len(shown["loss"]["curve"]) <= 100
    assert shown["loss"]["count"] == 300
    assert "curve" not in shown["auc"]
    html = run._repr_mimebundle_()["text/html"]
    assert "300 points" in html
    assert "lowest 0.00333" in html


def test_the_card_of_the_running_process_draws_the_same_without_the_database(project):
    with session.run("fit") as opened:
        for step in range(300):
            session.log(loss=1 / (step + 1), step=step)
        (metric,) = session.as_run(opened)["metrics"]
    assert not (project / ".nbmlops" / "store.sqlite").exists()
    assert len(metric["curve"]) <= 102
    assert metric["curve"][0] == 1.0
    assert metric["curve"][-1] == 1 / 300


def test_an_artifact_is_written_to_a_file_in_pieces(project):
    (project / "large.bin").write_bytes(b"x" * 3_000_000)
    with session.run("fit"):
        session.log_artifact("large.bin", project / "large.bin")
    run = get_run("fit")
    assert run.save_artifact("large.bin", project / "back.bin").read_bytes() == b"x" * 3_000_000
    assert run.artifact("large.bin") == b"x" * 3_000_000
    with pytest.raises(NotFound, match=r"Did you mean 'large\.bin'"):
        run.save_artifact("larg.bin", project / "other.bin")


def test_a_relative_place_of_artifacts_is_seen_from_the_project(project, monkeypatch, tmp_path):
    monkeypatch.setenv("NBMLOPS_ARTIFACTS", "kept/here")
    monkeypatch.chdir(tmp_path)
    assert find_project(project).artifacts_url == str(project / "kept" / "here")
    monkeypatch.setenv("NBMLOPS_ARTIFACTS", "s3://bucket/here")
    assert find_project(project).artifacts_url == "s3://bucket/here"


def test_a_metric_on_several_contexts_is_not_guessed(project):
    with session.run("fit"):
        session.log(loss=0.9, context={"set": "train"})
        session.log(loss=0.7, context={"set": "val"})
        session.log(auc=0.7, context={"set": "val"})
    run = get_run("fit")
    with pytest.raises(
        Invalid, match=r"2 contexts: \{'set': 'train'\}, \{'set': 'val'\}.*Name one: run\.metric\('loss', "
    ):
        run.metric("loss")
    assert run.metric("loss", {"set": "val"}).values.tolist() == [0.7]
    assert run.metric("auc").values.tolist() == [0.7]


def test_a_thinned_series_keeps_its_ends_and_a_peak_beside_what_is_not_finite():
    values = np.ones(10_000)
    values[0], values[5000:5003], values[-1] = 2.0, (math.inf, 9.0, math.nan), 3.0
    steps = np.arange(len(values))
    series = Series("loss", {}, steps, values, steps.view("datetime64[us]"))
    thin = series.thinned(100).values
    assert len(thin) <= 100
    assert (thin[0], thin.max(), thin[-1]) == (2.0, 9.0, 3.0)
    assert series.drawn()["not_finite"] == 2


def test_a_series_shows_itself_in_a_line():
    steps = np.arange(10_000)
    series = Series("loss", {"split": "test"}, steps, steps / 3, steps.view("datetime64[us]"))
    assert repr(series) == "<Series 'loss' on {'split': 'test'}: 10,000 values, the last 3333>"
    one = Series("loss", {}, steps[:1], steps[:1] / 1, steps[:1].view("datetime64[us]"))
    assert repr(one) == "<Series 'loss': 1 value, the last 0>"


def test_the_card_shows_the_spike_and_counts_what_was_not_finite(project):
    with session.run("fit") as opened:
        for step in range(3000):
            session.log(loss={1500: 1000.0, 7: math.nan}.get(step, 1.0), step=step)
    for run in (Run(session.as_run(opened)), get_run("fit")):
        page = run._repr_mimebundle_()["text/html"]
        assert "3,000 values, lowest 1, highest 1,000, last 1. 1 without a number left out." in page
        assert "3,000 points, 1 not finite" in page


def test_the_card_says_how_many_curves_it_leaves_out_and_puts_the_machine_last(project):
    with session.run("fit"):
        for _ in range(2):
            session.log({"system.memory_bytes": 1.0, **{f"m{i}": 1.0 for i in range(9)}})
    page = get_run("fit")._repr_mimebundle_()["text/html"]
    curves, _, rest = page.partition("<details")
    assert "and 4 more" in curves
    assert "system.memory_bytes" not in curves
    assert "system.memory_bytes" in rest
    assert "vertical-align:middle" in curves


def test_metrics_on_contexts_and_with_brackets_are_in_the_card(project):
    with session.run("fit"):
        session.log({"acc[1]": 0.5})
        session.log(loss=0.25, context={"set": "val"})
        session.log(auc=0.75)
        session.log(auc=0.95, context={"split": "train"})
    shown = repr(get_run("fit"))
    assert "acc[1] 0.5" in shown
    assert "loss[set=val] 0.25" in shown
    assert "auc 0.75" in shown
    assert "0.95" not in shown


def test_a_file_is_not_written_over_a_folder_or_into_one_that_is_missing(project):
    with session.run("fit"):
        session.log_artifact("a.bin", b"x")
        with pytest.raises(Invalid, match="file's name"):
            session.log_artifact("", b"x")
    run = get_run("fit")
    with pytest.raises(Invalid, match=r"is a folder\. Name the file: .*a\.bin"):
        run.save_artifact("a.bin", project)
    with pytest.raises(NotFound, match="There is no folder"):
        run.save_artifact("a.bin", project / "missing" / "a.bin")
    with pytest.raises(NotFound, match=r"No artifact 'b\.bin' in this run"):
        run.artifact("b.bin")
    with pytest.raises(NotFound, match="No metric 'loss' in this run"):
        run.metric("loss")
