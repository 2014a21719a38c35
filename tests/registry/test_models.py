"""A registered model is a numbered version of verified bytes."""

import json
import zipfile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import nbmlops as nb
from nbmlops.drift.profile import Profile
from nbmlops.errors import Conflict, Invalid, NotFound, UntrustedContent
from nbmlops.registry import files, models
from nbmlops.store import events
from nbmlops.tracking import session


@pytest.fixture
def registered(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late")


def test_two_in_a_row_are_consecutive_versions(project, model):
    assert [nb.register(model, "late").version for _ in range(2)] == [1, 2]
    assert nb.register(model, "other").version == 1


def test_the_newest_evaluation_comes_along(registered):
    assert registered.metrics["roc_auc"]["n"] == 400
    assert models.evaluation_of(registered)["target"] == "late"


def test_an_evaluation_from_before_another_fit_is_not_taken(project, model, train, held_out):
    old = nb.evaluate(model, held_out, target="late")
    model.fit(train[["age", "city", "noise"]], ~train.late)
    assert nb.register(model, "late").evaluation is None
    with pytest.raises(Invalid, match="not of this model as it is now"):
        nb.register(model, "late", evaluation=old)


def test_without_an_evaluation_there_is_no_reference_and_it_says_so(project, model):
    version = nb.register(model, "late")
    assert "not evaluated" in repr(version)
    assert [c["name"] for c in version.signature["columns"]] == ["age", "city", "noise"]
    with pytest.raises(NotFound, match="without an evaluation") as refused:
        models.reference("late")
    assert "%evaluate MODEL ROWS --target COLUMN" in refused.value.hint


def test_the_signature_says_what_was_seen(registered):
    columns = {c["name"]: c for c in registered.signature["columns"]}
    assert columns["city"]["categories"] == ["Bern", "Ulm"]
    assert columns["age"]["kind"] == "number"
    assert columns["age"]["min"] < columns["age"]["max"]
    assert registered.signature["classes"] == [False, True]


def test_the_reference_is_a_profile_of_features_target_and_prediction(registered):
    found = models.reference("late@1")
    profile = Profile.from_json(found["profile"])
    assert profile.rows == 400
    assert set(profile.columns) == {"age", "city", "noise", "late", "prediction"}
    assert (found["target"], found["prediction"]) == ("late", "prediction")
    assert sum(found["importance"].values()) == pytest.approx(1)


def test_version_and_event_are_one_transaction(registered):
    with session.store().reading() as connection:
        found = events.listed(connection, "late@1")
    assert [(e["action"], e["data"]["digest"]) for e in found] == [("register", registered.digest)]


def test_no_version_without_its_event(project, model, monkeypatch):
    def fails(*args):
        raise OSError("disk full")

    monkeypatch.setattr(events, "append", fails)
    with pytest.raises(OSError, match="disk full"):
        nb.register(model, "late")
    monkeypatch.undo()
    assert nb.models().empty


def test_a_loaded_model_answers_bit_for_bit_the_same(registered, model, held_out):
    columns = ["age", "city", "noise"]
    loaded = nb.load_model("late@1")
    assert (loaded.predict_proba(held_out[columns]) == model.predict_proba(held_out[columns])).all()


def test_changing_a_loaded_model_does_not_change_what_is_scored(registered, train, held_out):
    before = models.score("late", held_out)[1]
    nb.load_model("late").fit(train[["age", "city", "noise"]], ~train.late)
    assert (models.score("late", held_out)[1] == before).all()


def test_a_tampered_file_is_refused_before_it_is_read(registered):
    path = session.artifacts()._path(registered.digest)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(Conflict, match="damaged"):
        nb.load_model("late@1")


def test_a_function_of_the_notebook_is_not_trusted(project, train):
    model = make_pipeline(FunctionTransformer(_scaled), LogisticRegression()).fit(train[["age"]], train.late)
    with pytest.raises(UntrustedContent, match=r"types nobody has reviewed: .*_scaled"):
        nb.register(model, "late")
    assert nb.models().empty


def _scaled(frame):
    return frame / 10


def test_a_lambda_cannot_be_written_at_all(project, train):
    model = make_pipeline(FunctionTransformer(lambda f: f), LogisticRegression()).fit(train[["age"]], train.late)
    with pytest.raises((Invalid, UntrustedContent)):
        nb.register(model, "late")


def test_numpys_own_functions_are_fine(project, train):
    model = make_pipeline(FunctionTransformer(np.abs), LogisticRegression()).fit(train[["age"]], train.late)
    assert nb.register(model, "late").version == 1


def test_only_what_was_recorded_is_built(project, train):
    from sklearn.tree import DecisionTreeClassifier

    data, trusted = files.dump(DecisionTreeClassifier().fit(train[["age"]], train.late))
    assert trusted == ["sklearn.tree._tree.Tree"]
    with pytest.raises(UntrustedContent, match="Tree"):
        files.load(data, [], "late@1")


def test_a_type_nobody_reviewed_is_not_built_even_where_the_store_records_it(project, train, held_out):
    from nbmlops.store.driver import connect
    from nbmlops.tracking import session

    model = make_pipeline(FunctionTransformer(np.abs), LogisticRegression()).fit(train[["age"]], train.late)
    found = nb.register(model, "late")
    with connect(session.project()) as connection:
        connection.execute("UPDATE model_versions SET trusted = '[\"os.system\"]'")
    assert models._trusted(found) == ()


def test_a_file_that_is_none_is_refused(project):
    with pytest.raises(UntrustedContent, match="no skops file"):
        files.load(b"MZ not a model", [], "late@1")


def test_trust_is_in_the_store_and_not_in_the_file(registered, tmp_path):
    path = tmp_path / "model.zip"
    path.write_bytes(session.artifacts().get(registered.digest))
    with zipfile.ZipFile(path) as file:
        assert not [n for n in file.namelist() if "trust" in n.lower()]
        assert "trusted" not in json.loads(file.read("schema.json"))


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("lat", "No model 'lat' in this project. Known: late. Did you mean 'late'?"),
        ("late@9", "No version or alias of late '9' in this project. Known: 1."),
        ("late@champion", "No version or alias of late 'champion'"),
        ("late@", "late@ names no version: nothing follows the @. Known: 1. late alone is the newest."),
        ("lat@", "No model 'lat' in this project. Known: late. Did you mean 'late'?"),
    ],
)
def test_unknown_names_are_answered_with_the_near_ones(registered, ref, message):
    with pytest.raises(NotFound) as error:
        nb.model_version(ref)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["", "a b", "../x", "late@1", 3])
def test_bad_names(project, model, name):
    with pytest.raises(Invalid, match="is no model name"):
        nb.register(model, name)


@pytest.mark.parametrize(("thing", "message"), [(3, "int is no fitted model"), ("x", "'x' is no model")])
def test_what_is_no_model(project, thing, message):
    with pytest.raises(Invalid, match=message):
        nb.register(thing, "late")


def test_an_unfitted_model(project):
    with pytest.raises(Invalid, match=r"LogisticRegression is not fitted\. Fit it first"):
        nb.register(LogisticRegression(), "late")


def test_scoring_takes_any_order_and_ignores_the_rest(registered, held_out):
    straight = models.score("late", held_out)[1]
    assert (models.score("late", held_out.assign(extra=1)[["extra", "noise", "city", "age"]])[1] == straight).all()


def test_missing_columns_are_all_named(registered, held_out):
    with pytest.raises(Invalid, match="needs columns that are not there: age, noise"):
        models.score("late", held_out[["city"]])


def test_a_column_of_another_kind_is_named(registered, held_out):
    with pytest.raises(Invalid, match="age is category and should be number"):
        models.score("late", held_out.assign(age="forty"))


def test_scoring_in_chunks_is_scoring_at_once(registered, held_out, monkeypatch):
    from nbmlops.registry import measures

    whole = models.score("late", held_out)
    monkeypatch.setattr(measures, "CHUNK_ROWS", 33)
    parts = models.score("late", held_out)
    assert (whole[0] == parts[0]).all()
    assert np.allclose(whole[1], parts[1])


def test_models_is_a_table(registered):
    table = nb.models()
    assert list(table[["name", "version", "evaluated"]].iloc[0]) == ["late", 1, True]
    assert table["metrics.roc_auc"].iloc[0] == registered.metrics["roc_auc"]["value"]
