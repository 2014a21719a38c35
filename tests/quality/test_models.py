"""A model is checked on what the kernel remembers of it."""

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.capture import estimators
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.quality import leakage, models
from nbmlops.tracking import session

AGAIN, OVERLAP, COLUMN = (check.code for check in leakage.CHECKS)

TRACKED = """%%track late
from sklearn.linear_model import LogisticRegression
model = LogisticRegression().fit(X, y)
shown = model.score(X_test, y_test)
"""


@pytest.fixture
def kernel(shell):
    """Return a shell where ``model`` was fitted in a tracked cell, on rows with a leak, and scored on some of them."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"])
    target = pd.Series((features.a + rng.normal(size=400) > 0).astype(int), name="late")
    features = features.assign(code=target + 1)
    shell.user_ns |= {"X": features[:300], "y": target[:300], "X_test": features[250:], "y_test": target[250:]}
    shell.run_cell(TRACKED).raise_error()
    return shell


@pytest.mark.parametrize("ask", [lambda k: nb.check(k.user_ns["model"]), lambda k: k.run_line_magic("check", "model")])
def test_a_model_is_checked_in_full_on_what_the_kernel_remembers(kernel, ask, monkeypatch):
    monkeypatch.setattr(leakage, "HASH_S", 1e9)
    found = ask(kernel)
    assert (found.subject, found.rows, found.verdict) == ("LogisticRegression", 300, "alert")
    assert {f.code: f.outcome for f in found.findings} == {AGAIN: "passed", OVERLAP: "issue", COLUMN: "issue"}


def test_a_check_of_a_model_stops_the_notebook_when_asked(kernel):
    with pytest.raises(NotAllowed, match="The score of LogisticRegression may be too good: X_test: 50 of 150 rows"):
        kernel.run_line_magic("check", "model --strict")


def test_a_muted_code_stays_muted_in_full(kernel, project):
    (project / "nbmlops.toml").write_text(f'[capture]\nmute = ["{COLUMN}"]\n')
    session.reset()  # as another cell of the same kernel, once the file is read again
    outcomes = {f.code: f.outcome for f in models.check_model(kernel.user_ns["model"]).findings}
    assert outcomes[COLUMN] == "muted"


def test_data_names_and_classes_are_no_models():
    from sklearn.linear_model import Ridge

    assert models.is_model(Ridge())
    assert not any(map(models.is_model, (Ridge, pd.DataFrame(), np.zeros(3), "model", None)))


def test_a_model_this_kernel_does_not_know_says_what_to_do(project):
    from sklearn.linear_model import Ridge

    model = Ridge().fit([[1.0], [2.0]], [1, 2])
    assert estimators.training_data(model) is None
    with pytest.raises(NotFound, match=r"does not remember .* Fit it in a %%track cell"):
        nb.check(model)


def test_a_frame_needs_rules_and_a_model_has_none(kernel):
    with pytest.raises(Invalid, match="A frame is checked against rules"):
        nb.check(kernel.user_ns["X"])
    with pytest.raises(Invalid, match="A model has no rules"):
        nb.check(kernel.user_ns["model"], "flights")
