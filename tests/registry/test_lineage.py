"""Lineage of a small story: source, data, run, version, predictions, outcomes, the next run."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.tracking import session

CELL = "%%track late\nfrom sklearn.linear_model import LogisticRegression\n"
FIT = CELL + "model = LogisticRegression().fit(train[['age', 'noise']], train['late'])"


@pytest.fixture
def story(shell, train, people):
    """Version 1 from recorded data, asked in May; outcomes came; version 2 from the run after that."""
    nb.dataset("people", train, source="people.csv")
    shell.user_ns["train"] = train
    shell.run_cell(FIT).raise_error()
    shell.run_line_magic("register", "model asked")
    said = nb.predict("asked@1", people(60, 3), batch="may")
    nb.feedback(said[["prediction_id"]].assign(outcome=True))
    shell.user_ns["train"] = people(300, 4)
    shell.run_cell(FIT).raise_error()
    shell.run_line_magic("register", "model asked")
    return shell


def ties(found):
    labels = {n["id"]: n["kind"] for n in found.nodes}
    return {(labels[e["from"]], e["what"], labels[e["to"]]) for e in found.edges}


def run_of(number):
    return nb.model_version(f"asked@{number}").run_id


def test_the_whole_story_from_the_first_version(story):
    found = nb.lineage("asked@1")
    assert found.subject == found.nodes[0]["id"] == "model:asked@1"
    assert ties(found) >= {
        ("source", "loaded as", "dataset"),
        ("dataset", "read by", "run"),
        ("run", "fitted", "model"),
        ("model", "predicted", "predictions"),
        ("predictions", "came true as", "feedback"),
        ("feedback", "next run", "run"),
    }
    ids = {n["id"] for n in found.nodes}
    assert {"source:people.csv", "dataset:people@1", "model:asked@2", f"run:{run_of(2)}"} <= ids
    assert {"predictions:asked@1:may", "feedback:asked@1:may"} <= ids
    assert found.left_out == {}


def test_causes_lie_before_and_results_behind(story):
    found = {n["id"]: n["distance"] for n in nb.lineage("asked@1").nodes}
    assert found["source:people.csv"] < found["dataset:people@1"] < found[f"run:{run_of(1)}"] < 0
    assert 0 < found["predictions:asked@1:may"] < found["feedback:asked@1:may"] < found["model:asked@2"]
    back = {n["id"]: n["distance"] for n in nb.lineage("asked@2").nodes}
    assert back["model:asked@1"] < back["feedback:asked@1:may"] < 0


@pytest.mark.parametrize("what", ["run", "model", "dataset", "object", "bare name"])
def test_it_starts_from_a_run_a_model_and_a_data_set(story, what):
    refs = {
        "run": run_of(1),
        "model": "asked@1",
        "dataset": "people@1",
        "object": nb.get_run(run_of(1)),
        "bare name": "run:late~1",
    }
    found = {n["id"] for n in nb.lineage(refs[what]).nodes}
    assert {"source:people.csv", "dataset:people@1", f"run:{run_of(1)}", "model:asked@1", "model:asked@2"} <= found


def test_data_without_a_version_is_named_by_its_variable(story):
    found = [n for n in nb.lineage("asked@2").nodes if n["kind"] == "data"]
    assert [n["label"] for n in found] == ["train, 300 rows"]


def test_what_else_came_of_a_cause_is_not_followed(story):
    story.run_cell("%%track other\nsize = len(train)").raise_error()
    assert not [n for n in nb.lineage("asked@2").nodes if "other" in n["label"]]


def test_function_command_and_cell_say_the_same(story):
    found = nb.lineage("asked@1")
    result = CliRunner().invoke(main, ["lineage", "asked@1", "--json"])
    assert json.loads(result.stdout) == found.to_dict()
    assert CliRunner().invoke(main, ["lineage", "asked@1"]).stdout.strip() == repr(found).strip()
    shown = found._repr_mimebundle_()
    assert shown["application/vnd.nbmlops.lineage.v1+json"] == found.to_dict()


def test_the_picture_is_an_image_and_says_what_it_shows(story):
    html = nb.lineage("asked@1")._repr_mimebundle_()["text/html"]
    assert '<img alt="Lineage of asked@1: ' in html
    assert "data:image/svg+xml;base64," in html
    assert "<script" not in html
    assert "<svg" not in html


def test_it_is_bounded_and_says_what_was_left_out(story):
    found = nb.lineage("asked@1", most=4)
    assert len(found.nodes) == 4
    assert {e["from"] for e in found.edges} | {e["to"] for e in found.edges} <= {n["id"] for n in found.nodes}
    assert sum(found.left_out.values()) >= 2
    assert "not followed: " in repr(found)


def test_a_hostile_name_stays_text(story, people):
    nb.dataset("odd", people(9, 1), source='"><script>alert(1)</script>')
    html = nb.lineage("odd@1")._repr_mimebundle_()["text/html"]
    assert "<script" not in html


@pytest.mark.parametrize(
    ("ref", "kind", "message"),
    [
        ("askd", NotFound, "No model, data set or run 'askd' in this project. Known: asked, late, people"),
        ("asked@9", NotFound, "No version or alias of asked '9'|No model, data set or run 'asked@9'"),
        (3, Invalid, "int has no lineage"),
        ("", Invalid, "has no lineage"),
    ],
)
def test_what_has_none(story, ref, kind, message):
    with pytest.raises(kind, match=message):
        nb.lineage(ref)


def test_bad_most(story):
    with pytest.raises(Invalid, match="most is 0"):
        nb.lineage("asked@1", most=0)


def test_a_version_without_a_run_has_no_causes(project, fit):
    nb.register(fit("age"), "late")
    found = nb.lineage("late")
    assert [n["id"] for n in found.nodes] == ["model:late@1"]
    assert "0 causes, 0 results" in repr(found)


def test_postgres_tells_the_same(shell, postgres, monkeypatch, train, people, fit):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    nb.register(fit("age"), "late")
    said = nb.predict("late@1", people(20, 3))
    nb.feedback(said[["prediction_id"]].assign(outcome=True))
    assert [n["kind"] for n in nb.lineage("late").nodes] == ["model", "predictions", "feedback"]
