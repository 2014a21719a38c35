"""Models of xgboost and lightgbm stand in the file in their own formats; a program only where somebody says so."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import hostile
import nbmlops as nb
from nbmlops.errors import Invalid, NotAllowed, UntrustedContent
from nbmlops.registry import files
from nbmlops.store import events
from nbmlops.tracking import session

X, Y = hostile.X, hostile.Y
MANY = np.unique((X[:, 0] * 2).astype(int), return_inverse=True)[1]
XGBOOST = {
    "two classes": ("XGBClassifier", {}, Y),
    "many classes": ("XGBClassifier", {}, MANY),
    "a number": ("XGBRegressor", {}, X[:, 1]),
    "two numbers": ("XGBRegressor", {}, X[:, :2]),
    "two numbers in a leaf": ("XGBRegressor", {"multi_strategy": "multi_output_tree", "tree_method": "hist"}, X[:, :2]),
    "a forest": ("XGBRFClassifier", {}, Y),
    "trees that drop out": ("XGBClassifier", {"booster": "dart"}, Y),
    "lines": ("XGBClassifier", {"booster": "gblinear"}, Y),
    "pruned": ("XGBClassifier", {"tree_method": "exact", "gamma": 2}, Y),
    "parallel": ("XGBClassifier", {"num_parallel_tree": 3, "grow_policy": "lossguide", "max_leaves": 5}, Y),
    "categories": ("XGBClassifier", {"enable_categorical": True, "max_cat_to_onehot": 1}, Y),
}


@pytest.mark.parametrize("name", XGBOOST)
def test_xgboost_comes_back_as_it_was(needed, name):
    kind, how, truth = XGBOOST[name]
    rows = pd.DataFrame(X, columns=list("abcd"))
    if name == "categories":
        rows["d"] = pd.Categorical((np.arange(len(X)) % 20).astype(str))
    model = getattr(needed("xgboost"), kind)(n_estimators=4, n_jobs=1, **how).fit(rows, truth)
    data, trusted = files.dump(model)
    assert (files.load(data, trusted, "late@1").predict(rows) == model.predict(rows)).all()


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("target", [Y, (X[:, 0] * 2).astype(int)], ids=["two", "many"])
def test_lightgbm_comes_back_as_it_was(needed, linear, target):
    lightgbm = needed("lightgbm")
    rows = np.c_[X, np.arange(len(X)) % 5]
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, linear_tree=linear, min_child_samples=2)
    model.fit(rows, target, categorical_feature=[4])
    data, trusted = files.dump(model)
    assert (files.load(data, trusted, "late@1").predict_proba(rows) == model.predict_proba(rows)).all()


LIGHTGBM = {
    "a number": ("LGBMRegressor", {}, X[:, 1]),
    "always the same": ("LGBMRegressor", {}, np.ones(len(X))),
    "trees that drop out": ("LGBMClassifier", {"boosting_type": "dart"}, Y),
    "a forest": ("LGBMClassifier", {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}, Y),
    "one against all": ("LGBMClassifier", {"objective": "multiclassova"}, MANY),
    "counts": ("LGBMRegressor", {"objective": "poisson"}, Y),
    "one way": ("LGBMClassifier", {"monotone_constraints": [1, 0, 0, 0]}, Y),
}


@pytest.mark.parametrize("name", LIGHTGBM)
def test_any_lightgbm_comes_back_as_it_was(needed, name):
    kind, how, truth = LIGHTGBM[name]
    rows = pd.DataFrame(X, columns=list("abcd"))
    model = getattr(needed("lightgbm"), kind)(n_estimators=4, n_jobs=1, verbose=-1, **how).fit(rows, truth)
    data, trusted = files.dump(model)
    assert (files.load(data, trusted, "late@1").predict(rows) == model.predict(rows)).all()


def lightgbm_text(change):
    def schema(state):
        for node in hostile.nodes(state, "DictNode"):
            if "_handle" in node["content"]:
                handle = node["content"]["_handle"]
                handle["content"] = json.dumps(change(json.loads(handle["content"])))

    return schema


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (r"left_child=\S+", "left_child=99999999"),
        (r"right_child=\S+", "right_child=-99999999"),
        (r"split_feature=\d+", "split_feature=77777777"),
        (r"num_leaves=\d+", "num_leaves=99999999"),
        (r"num_tree_per_iteration=\d+", "num_tree_per_iteration=1000"),
        (r"decision_type=\d+", "decision_type=1"),
        (r"tree\n", "x\n"),
        (r"leaf_weight=\S+ ", "leaf_weight="),
        (r"tree_sizes=\d+", "tree_sizes=1"),
        (r"num_class=1", "num_class=99999999"),
    ],
)
def test_a_tree_of_lightgbm_that_leads_nowhere_is_not_read(needed, line, instead):
    model = needed("lightgbm").LGBMClassifier(n_estimators=3, verbose=-1, min_child_samples=5).fit(X, Y)
    data, trusted = files.dump(model)
    crafted = hostile.changed(data, lightgbm_text(lambda text: re.sub(line, instead, text, count=1)))
    with pytest.raises(UntrustedContent, match="lightgbm"):
        files.load(crafted, trusted, "late@1")


@pytest.mark.parametrize(("name", "value"), [("left_children", 10**6), ("split_indices", 10**6), ("right_children", 0)])
def test_a_tree_of_xgboost_that_leads_nowhere_is_refused(needed, name, value):
    data, trusted = files.dump(needed("xgboost").XGBClassifier(n_estimators=2).fit(X, Y))

    def members(member, content):
        at = content.index(name.encode(), content.index(b"Model")) + len(name) + len("[$l#L") + 8
        return content[:at] + value.to_bytes(4, "big") + content[at + 4 :] if member.endswith(".bin") else content

    with pytest.raises(UntrustedContent, match="a tree of xgboost"):
        files.load(hostile.changed(data, members=members), trusted, "late@1")


def test_malformed_bytes_of_xgboost_never_reach_its_reader(needed):
    """Its reader ends the process at some of these."""
    data, trusted = files.dump(needed("xgboost").XGBClassifier(n_estimators=2, max_depth=2).fit(X, Y))
    rng = np.random.default_rng(0)
    for turn in range(60):
        where, value = rng.random(), 0x7F if turn % 2 else int(rng.integers(256))

        def members(member, content, where=where, value=value):
            at = int(where * len(content))
            return content[:at] + bytes([value]) + content[at + 1 :] if member.endswith(".bin") else content

        try:
            files.load(hostile.changed(data, members=members), trusted, "late@1").predict(X)
        except (UntrustedContent, ValueError, TypeError):
            continue


class Own(ClassifierMixin, BaseEstimator):
    """A class of somebody's own module."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.repeat(self.classes_[0], len(X))


def scaled(frame):
    return frame / 10


@pytest.fixture
def own(train):
    return make_pipeline(FunctionTransformer(scaled), LogisticRegression()).fit(train[["age"]], train.late)


@pytest.fixture
def kept(project, own):
    return nb.register(own, "late", allow_pickle=True)


def test_a_program_is_kept_only_where_somebody_says_so(project, own):
    with pytest.raises(UntrustedContent, match=r"types nobody has reviewed: .*scaled.* allow_pickle=True"):
        nb.register(own, "late")
    assert nb.register(own, "late", allow_pickle=True).format == "pickle"


@pytest.mark.parametrize("said", [1, "yes", None])
def test_only_true_is_said(project, own, said):
    with pytest.raises(UntrustedContent):
        nb.register(own, "late", allow_pickle=said)


def test_what_is_data_stays_data_where_a_program_is_allowed(project, model):
    assert nb.register(model, "late", allow_pickle=True).format == "skops"


def test_a_program_has_an_event_of_its_own(kept):
    with session.store().reading() as connection:
        found = [e for e in events.listed(connection, "late@1") if e["action"] == "allow_pickle"]
    assert [e["data"]["digest"] for e in found] == [kept.digest]
    assert "scaled" in found[0]["data"]["why"]


def test_every_load_of_a_program_is_asked_anew(kept, train):
    assert nb.load_model("late@1", allow_pickle=True).predict(train[["age"]]).shape == (500,)
    with pytest.raises(NotAllowed, match=r"late@1 is a pickle: reading it runs whatever it holds"):
        nb.load_model("late@1")


@pytest.mark.parametrize("asks", ["predict", "gate", "promote", "evaluate"])
def test_nothing_of_ours_runs_a_program_unless_the_charter_says_so(kept, project, held_out, asks):
    def ask():
        if asks == "predict":
            return nb.predict("late@1", held_out[["age"]])
        if asks == "gate":
            return nb.gate("late@1", "late@1", on=held_out, target="late")
        if asks == "evaluate":
            return nb.evaluate("late@1", held_out, target="late")
        return nb.promote("late", 1, to="champion", reason="first")

    with pytest.raises(NotAllowed, match="late@1 is a pickle"):
        ask()
    (project / "charter.yaml").write_text("exceptions: [pickle]\n")
    assert ask() is not None
    (project / "charter.yaml").write_text("problem: none\n")
    with pytest.raises(NotAllowed, match="late@1 is a pickle"):
        ask()


def test_an_exception_nobody_knows_is_refused(project):
    (project / "charter.yaml").write_text("exceptions: [everything]\n")
    with pytest.raises(Invalid, match=r"exceptions has 'everything'\. Allowed: pickle"):
        nb.charter()


def test_a_lambda_cannot_be_kept_either_way(project, train):
    model = make_pipeline(FunctionTransformer(lambda f: f), LogisticRegression()).fit(train[["age"]], train.late)
    with pytest.raises(Invalid, match="cannot be pickled either"):
        nb.register(model, "late", allow_pickle=True)
    assert nb.models().empty


def test_a_class_of_ones_own_is_named(project, train):
    with pytest.raises(UntrustedContent, match=r"Own holds types nobody has reviewed: .*\.Own"):
        nb.register(Own().fit(train[["age"]], train.late), "late")


def test_a_format_nobody_knows_is_not_read():
    with pytest.raises(UntrustedContent, match=r"written as 'exe', which is not read"):
        files.load(b"", [], "late@1", "exe", allow_pickle=True)


def test_a_damaged_program_is_one_line(kept):
    with pytest.raises(UntrustedContent, match=r"The pickle of late@1 cannot be read: \w+"):
        files.load(b"\x80\x05garbage", [], "late@1", "pickle", allow_pickle=True)


def test_a_model_of_another_scikit_learn_is_told(monkeypatch):
    import sklearn

    data, trusted = files.dump(LogisticRegression().fit(X, Y))
    crafted = hostile.edited(LogisticRegression(), "_sklearn_version", lambda v: "1.2.0")
    with pytest.warns(
        RuntimeWarning, match=rf"late@1 was fitted with scikit-learn 1\.2\.0, this is {sklearn.__version__}"
    ):
        files.load(crafted, trusted, "late@1")
    assert data
