"""A category from a file or from JSON is the one the model was fitted on, or refused: never another without a word."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import nbmlops as nb
from nbmlops.errors import Invalid
from nbmlops.registry import inputs


def rows_of(values):
    chance = np.random.default_rng(0)
    drawn = chance.choice(np.array(values, dtype=object), 400)
    late = pd.Series(drawn).map({v: i % 2 == 0 for i, v in enumerate(values)}) ^ (chance.random(400) < 0.1)
    return pd.DataFrame({"of": pd.Series(drawn).infer_objects(), "late": late.astype(bool)})


def encoded(frame):
    steps = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["of"]))
    return make_pipeline(steps, LogisticRegression()).fit(frame[["of"]], frame.late)


@pytest.fixture
def by_month(project):
    frame = rows_of(range(1, 13)).astype({"of": "category"})
    model = encoded(frame)
    nb.evaluate(model, frame, target="late")
    return model, frame[["of"]], nb.register(model, "months")


def test_months_of_a_csv_file_are_those_of_the_model(by_month):
    model, rows, version = by_month
    rows.to_csv("rows.csv", index=False)
    found = nb.score("rows.csv", "months", "scored.csv")
    assert (found.notes, found.problems) == ((), ())
    assert pd.read_csv("scored.csv").prediction.tolist() == model.predict(rows).tolist()
    assert version.signature["columns"][0]["categories"] == [*range(1, 13)]
    assert set(map(type, (row["of"] for row in version.signature["example"]))) == {int}


def test_a_number_and_its_text_are_one_month_over_http(by_month):
    from nbmlops.serving import schema
    from nbmlops.serving.served import Served

    model, _, version = by_month
    served = Served(version, model, inputs.checker(version), frozenset())
    for text in (False, True):
        checked = served.checker.columns_of([{"of": str(m) if text else m} for m in range(1, 13)])
        expected = model.predict(pd.DataFrame({"of": pd.Categorical(range(1, 13))}))
        assert served.ask(checked.made).values == expected.tolist()
    taken = schema._row(served)["properties"]["of"]
    assert (taken["type"], taken["examples"]) == ("number", [1, 2, 3, 4, 5])


def test_a_number_is_no_text(project):
    frame = rows_of(["1", "2", "3"])
    model = encoded(frame)
    nb.evaluate(model, frame, target="late")
    version = nb.register(model, "zones")
    assert nb.predict("zones", pd.DataFrame({"of": ["1"]})).prediction.tolist() == [True]
    with pytest.raises(Invalid, match="should be text"):
        nb.predict("zones", pd.DataFrame({"of": [1]}))
    assert [p.code for p in inputs.checker(version).records([{"of": 1}]).problems] == ["wrong_type"]
