"""A model that was loaded is known by its version when it is judged, as long as it is still that model."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import nbmlops as nb
from nbmlops.registry import loaded


def rows(seed=0, amount=400):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=amount), "z": rng.normal(size=amount)})
    return frame.assign(y=(frame.x + rng.normal(0, 1, amount) > 0).astype(int))


@pytest.fixture
def registered(project):
    train = rows(1)
    return nb.register(LogisticRegression().fit(train[["x", "z"]], train.y), "m")


def test_judging_a_loaded_model_is_judging_its_version(registered):
    model = nb.load_model("m@1")
    found = nb.evaluate(model, rows(2), target="y")
    assert found.model == "m@1"
    assert found.digest == registered.digest
    assert not [name for name in vars(model) if "nbmlops" in name]


def test_a_loaded_model_that_was_fitted_again_is_another(registered):
    model, other = nb.load_model("m@1"), rows(5)
    model.fit(other[["x", "z"]], 1 - other.y)
    assert nb.evaluate(model, rows(2), target="y").model == "LogisticRegression"
    model = nb.load_model("m@1")
    model.coef_ = model.coef_ * 2
    assert loaded.version_of(model) is None


def test_what_cannot_be_remembered_is_no_version(registered):
    assert loaded.version_of([1]) is None
    assert loaded.remember([1], registered) == [1]
    assert loaded.version_of(LogisticRegression()) is None
