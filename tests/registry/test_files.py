"""What is asked of a file before it is built: size, names, depth, types in their parts, its version."""

import importlib
import inspect
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import hostile
import nbmlops as nb
from nbmlops.errors import Invalid, UntrustedContent
from nbmlops.registry import archive, files, trust
from nbmlops.tracking import session

ELSEWHERE = ("32", "64", "Log", "SquaredLoss", "Huber", "Kulsinski", "array", "_CurveScorer", "_TemperatureScaling")


@pytest.fixture(scope="module")
def logistic():
    return hostile.written(LogisticRegression())


def resolved(name):
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return None


@pytest.mark.parametrize("part", sorted(trust.WHY))
def test_what_a_list_names_is_there_or_of_another_version(part):
    names = trust.listed().get(part, frozenset())
    missing = [n for n in names if resolved(n) is None and not n.startswith("_loss.") and not n.endswith(ELSEWHERE)]
    packages = {n.partition(".")[0] for n in missing}
    assert packages <= {"xgboost", "lightgbm", "scipy"} or len(missing) <= len(names) / 4, missing


def test_no_reviewed_function_takes_a_function():
    for name in trust.listed()["functions"]:
        found = resolved(name)
        if found is None or isinstance(found, np.ufunc):
            continue
        assert not {"func", "function", "metric", "scorer", "callback", "key", "score_func"} & set(
            inspect.signature(found).parameters
        ), name


def test_a_part_of_the_list_is_trusted_as_that_part_only():
    assert trust.why("TreeNode", "sklearn.tree._tree.Tree")[0]
    for loader in set(trust.PARTS) - {"TreeNode", "JsonNode"}:
        if trust.PARTS[loader] != "plain":
            assert not trust.why(loader, "sklearn.tree._tree.Tree")[0], loader


@pytest.mark.parametrize("name", ["builtins.eval", "builtins.exec", "numpy.load", "sklearn.utils.all_estimators"])
def test_what_nobody_reviewed_is_on_no_list(name):
    assert trust.reviewed([name]) == ([], [name])


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        ("MAX_BYTES", 1000, "larger than"),
        ("MAX_MEMBERS", 2, "more than 2 members"),
        ("MAX_SCHEMA_BYTES", 100, "schema is larger"),
        ("MAX_DEPTH", 3, "nested deeper than 3"),
        ("PROTOCOL", 3, "oldest that is read is 3"),
    ],
)
def test_a_limit_is_named(logistic, monkeypatch, limit, value, said):
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(trust.Refusal, match=said):
        archive.inspect(logistic)


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        (b"1", 0),
        (b"[]", 1),
        (b'[{"a": [1]}]', 3),
        (b'["]]]]", [[1]]]', 3),
        (b'["\\"]]", [[1]]]', 3),
        (b'["\\\\", [[1]], "\\\\\\"]"]', 3),
        (b"", 0),
    ],
)
def test_depth_is_counted_outside_of_texts(text, deep):
    assert archive._depth(text) == deep


def test_a_packed_file_of_usual_content_is_read(logistic):
    packed = hostile.changed(logistic, compression=zipfile.ZIP_DEFLATED)
    assert archive.inspect(packed).members == archive.inspect(logistic).members


def test_what_was_checked_is_what_is_built_where_the_file_changes_meanwhile(project, model, monkeypatch, held_out):
    version = nb.register(model, "late")
    place, look = session.artifacts()._path(version.digest), archive.inspect

    def changes(data):
        found = look(data)
        place.write_bytes(hostile.written(LogisticRegression()))
        return found

    monkeypatch.setattr(archive, "inspect", changes)
    loaded = nb.load_model("late@1")
    columns = held_out[["age", "city", "noise"]]
    assert (loaded.predict_proba(columns) == model.predict_proba(columns)).all()


def test_a_newer_scikit_learn_is_told_once(monkeypatch):
    trust.note_version.cache_clear()
    monkeypatch.setattr("sklearn.__version__", "9.1.0")
    with pytest.warns(RuntimeWarning, match=r"types of scikit-learn 9\.1 are not reviewed yet"):
        trust.note_version()
    trust.note_version.cache_clear()


def test_a_model_that_cannot_predict(project):
    frame = pd.DataFrame({"age": [1.0, 2.0]})
    for model in (StandardScaler().fit(frame), make_pipeline(StandardScaler()).fit(frame)):
        with pytest.raises(Invalid, match="cannot predict"):
            nb.register(model, "late")


def test_a_refused_model_leaves_nothing(project, train):
    model = make_pipeline(FunctionTransformer(resolved), LogisticRegression())
    model.steps[0][1].func = None
    model.fit(train[["age"]], train.late)
    model.steps[0][1].func = resolved
    with pytest.raises(UntrustedContent, match="resolved"):
        nb.register(model, "late")
    assert nb.models().empty
    assert not list(session.artifacts().list())


def test_columns_renamed_since_are_named(project, model, held_out):
    nb.register(model, "late")
    with pytest.raises(Invalid, match="needs columns that are not there: age"):
        nb.predict("late", held_out.rename(columns={"age": "Age"}))


def test_a_deep_chain_of_models_is_written_and_read():
    model = LogisticRegression()
    for _ in range(12):
        model = make_pipeline(model)
    data, trusted = files.dump(model.fit(hostile.X, hostile.Y))
    assert (files.load(data, trusted, "deep").predict(hostile.X) == model.predict(hostile.X)).all()


def test_members_with_one_name_are_refused(logistic):
    out = io.BytesIO(logistic)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(out, "a") as file:
        file.writestr("schema.json", b"{}")
    with pytest.raises(trust.Refusal, match="the same name"):
        archive.inspect(out.getvalue())
