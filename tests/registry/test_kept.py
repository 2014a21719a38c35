"""What a version keeps beside its file: no row of a person, nothing of a private column."""

import json

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.errors import Invalid, NotFound
from nbmlops.registry import kept
from nbmlops.tracking import session


@pytest.fixture
def evaluated(project, fit, held_out):
    model = fit("age", "city")
    nb.evaluate(model, held_out, target="late")
    return model


def test_the_output_is_said(evaluated):
    found = nb.register(evaluated, "late").signature
    assert found["output"] == {"name": "late", "task": "binary", "classes": [False, True], "probability": True}
    assert (found["private"], found["datasets"]) == ([], [])


def test_an_example_is_made_of_quartiles_and_frequent_categories(evaluated, held_out):
    rows = nb.register(evaluated, "late").signature["example"]
    assert len(rows) == 3
    middle = held_out.age.quantile([0.5, 0.25, 0.75])
    assert [r["age"] for r in rows] == pytest.approx(middle.tolist(), abs=1)
    assert rows[0]["city"] == held_out.city.mode()[0]
    assert not [r for r in rows if r["age"] in set(held_out.age)]
    assert len(nb.load_model("late").predict(pd.DataFrame(rows))) == 3


def test_without_an_evaluation_there_is_no_example(project, fit):
    assert "example" not in nb.register(fit("age"), "late").signature


def test_no_row_is_kept_unless_it_is_handed_over(evaluated):
    assert "background" not in nb.register(evaluated, "late").signature
    with pytest.raises(NotFound, match="No background was kept of late@1"):
        kept.background("late")


def test_a_background_comes_back_as_it_was(evaluated, people):
    many = people(3000, 5)
    state = np.random.get_state()[1].copy()
    found = nb.register(evaluated, "late", background=many)
    assert (np.random.get_state()[1] == state).all()
    about = found.signature["background"]
    assert (about["rows"], about["of"], about["masked"]) == (1000, 3000, [])
    back = kept.background("late")
    assert list(back.columns) == ["age", "city"]
    assert set(back.age) <= set(many.age)
    assert (nb.load_model("late").predict(back) == nb.load_model("late").predict(back.copy())).all()
    assert "1,000 of 3,000 rows" in repr(found)
    few = nb.register(evaluated, "late", background=many[:7])
    pd.testing.assert_frame_equal(kept.background(few), many[["age", "city"]][:7], check_dtype=False)


def test_nothing_of_a_private_column_is_kept(evaluated, people, project):
    (project / "charter.yaml").write_text("private: [age]")
    found = nb.register(evaluated, "late", background=people(50, 5))
    age = next(c for c in found.signature["columns"] if c["name"] == "age")
    assert set(age) == {"name", "kind", "dtype", "nullable"}
    assert found.signature["private"] == ["age"]
    assert {r["age"] for r in found.signature["example"]} == {None}
    back = kept.background(found)
    assert back.age.isna().all()
    assert back.city.notna().all()
    file = session.artifacts().get(found.signature["background"]["digest"]).decode()
    assert json.loads(file)["columns"][0]["values"] == [None] * 50


def test_kinds_of_columns_come_back(project, held_out):
    from sklearn.dummy import DummyClassifier

    at = pd.date_range("2026-01-01", periods=len(held_out), freq="h")
    frame = held_out.assign(at=at, yes=held_out.age > 40, n=range(len(held_out)))
    model = DummyClassifier().fit(frame[["at", "yes", "n", "city"]], frame.late)
    nb.evaluate(model, frame, target="late")
    found = nb.register(model, "late", background=frame[:5])
    back = kept.background(found)
    assert (back["at"] == frame["at"][:5]).all()
    assert back["yes"].dtype == bool
    assert back["n"].tolist() == [0, 1, 2, 3, 4]
    assert found.signature["example"][0]["at"].startswith("2026-01-09")


@pytest.mark.parametrize(
    ("rows", "charter", "message"),
    [
        (pd.DataFrame({"age": [1.0]}), "", "background= needs columns that are not there: city"),
        ("rows.csv", "", "str is no table"),
        (None, "privat: [age]", "'privat' is no key of a charter"),
    ],
)
def test_what_cannot_be_kept_registers_nothing(evaluated, project, rows, charter, message):
    (project / "charter.yaml").write_text(charter or "{}")
    with pytest.raises(Invalid, match=message):
        nb.register(evaluated, "late", background=rows)
    (project / "charter.yaml").unlink()
    assert nb.models().empty


def test_function_and_magic_keep_the_same(shell, fit, people):
    shell.user_ns.update(model=fit("age"), rows=people(1200, 5))
    shell.run_line_magic("register", "model late --background rows")
    said = nb.register(shell.user_ns["model"], "late", background=shell.user_ns["rows"])
    assert nb.model_version("late@1").signature["background"] == said.signature["background"]


def test_the_data_set_of_a_fit_is_known_by_its_columns(shell, train):
    nb.dataset("people", train)
    nb.dataset("others", train.assign(age=1.0))
    shell.user_ns["train"] = train
    shell.run_cell(
        "%%track late\nfrom sklearn.linear_model import LogisticRegression\n"
        "model = LogisticRegression().fit(train[['age', 'noise']], train['late'])"
    ).raise_error()
    shell.run_line_magic("register", "model late")
    assert nb.model_version("late").signature["datasets"] == ["people@1"]
