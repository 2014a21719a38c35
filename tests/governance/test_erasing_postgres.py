"""Erasing on PostgreSQL: the same rows go, and the log verifies."""

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.store import predictions as stored
from nbmlops.tracking import session


@pytest.fixture
def shared(project, postgres, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    yield project
    session.reset()


def test_a_person_goes_and_the_log_verifies(shared, train, fit, held_out):
    rows = train.assign(booking=[f"zqx{i}" for i in range(len(train))])
    nb.dataset("bookings", rows, keep=True)
    model = fit("age", "city", "noise")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late", background=rows[["age", "city", "noise"]])
    said = nb.predict("late@1", rows[["booking", "age", "city", "noise"]], key="booking")
    nb.feedback(pd.DataFrame({"prediction_id": said.prediction_id[15:20], "outcome": [True] * 5}))
    nb.flag("bookings@1", "zqx17 is odd", row={"booking": "zqx17"})
    assert nb.erase("booking = 'zqx17'", yes=True).rows == {"predictions": 0, "feedback": 0, "flags": 1, "dataset": 1}
    found = nb.erase("key = 'zqx17'", yes=True)
    assert found.rows == {"predictions": 1, "feedback": 1, "flags": 0, "dataset": 0}
    assert nb.erase("age > 50", table="dataset", yes=True).rows["dataset"] > 0
    assert nb.load_dataset("bookings@1").iloc[17].isna().all()
    assert len(stored.feedback_of(session.store(), "late")) == 4
    assert nb.verify_audit().verdict != "broken"
