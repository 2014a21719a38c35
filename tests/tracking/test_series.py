"""The values of a metric as arrays, and how they are drawn."""

import math

import numpy as np
import pytest

from nbmlops.config import find_project
from nbmlops.errors import NotFound
from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run
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
