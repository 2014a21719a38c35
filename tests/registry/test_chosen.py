"""A model is asked once, and what is said is what its own predict says."""

import numpy as np
import pandas as pd
import pytest

from nbmlops.registry import measures
from nbmlops.registry.chosen import LIKELIEST, _names_the_likeliest, chosen

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(RNG.integers(0, 4, (600, 3)), columns=["a", "b", "c"]).astype(float)


def truth(classes):
    return np.array(["no", "yes", "perhaps"])[((ROWS.a + ROWS.b + RNG.random(600)) % classes).astype(int)]


def estimators():
    from sklearn.utils import all_estimators

    found = dict(all_estimators("classifier"))
    return [pytest.param(found[name], id=name) for name in LIKELIEST]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", estimators())
@pytest.mark.filterwarnings("ignore")
def test_the_likeliest_class_is_the_one_predict_names(kind, classes):
    model = kind(**({"random_state": 0} if "random_state" in kind().get_params() else {})).fit(ROWS, truth(classes))
    assert _names_the_likeliest(model)
    said = chosen(model, ROWS, model.predict_proba(ROWS))
    assert (said == model.predict(ROWS)).all()


def test_ties_are_the_models_own():
    from sklearn.tree import DecisionTreeClassifier

    tied = pd.DataFrame({"a": [0.0, 0.0, 1.0, 1.0]})
    model = DecisionTreeClassifier().fit(tied, ["x", "y", "x", "y"])
    model.predict = lambda rows: np.array(["y"] * len(rows))
    assert chosen(model, tied, model.predict_proba(tied)).tolist() == ["y"] * 4


def test_a_model_with_a_threshold_of_its_own_is_asked():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import FixedThresholdClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    y = truth(2)
    for model in (
        FixedThresholdClassifier(LogisticRegression(), threshold=0.2, response_method="predict_proba"),
        make_pipeline(FixedThresholdClassifier(LogisticRegression(), threshold=0.2, response_method="predict_proba")),
        make_pipeline(SVC(random_state=0)),
    ):
        model.fit(ROWS, y)
        assert not _names_the_likeliest(model)
        assert (measures.ask(model, ROWS).predicted == model.predict(ROWS)).all()


def test_it_is_asked_once():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(LogisticRegression()).fit(ROWS, truth(2))
    asked = []
    proba, predict = model.predict_proba, model.predict
    model.predict_proba = lambda rows: asked.append(len(rows)) or proba(rows)
    model.predict = lambda rows: pytest.fail("asked again")
    said = measures.ask(model, ROWS)
    assert asked == [600]
    assert (said.predicted == predict(ROWS)).all()
