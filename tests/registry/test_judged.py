"""Which evaluation stands for a version: the one it was registered with, until another holds all of its rows."""

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.registry.judged import of_version


@pytest.fixture
def late(project, model, held_out):
    """A version that was registered with an evaluation of 400 rows."""
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late")


def stands():
    return of_version(nb.model_version("late"))


def test_a_part_of_the_rows_stands_apart(late, held_out):
    part = held_out[held_out["city"] == held_out["city"].iloc[0]]
    nb.evaluate("late@1", part, target="late")
    found = stands()
    assert found.data["rows"] == len(held_out)
    (apart,) = found.apart
    assert (apart.rows, apart.part) == (len(part), True)
    assert apart.on.startswith(f"{len(part)} of these rows (")
    assert apart.metrics["roc_auc"]["n"] == len(part)


def test_other_rows_stand_apart_though_they_are_more(late, people):
    nb.evaluate("late@1", people(900, 7), target="late")
    found = stands()
    assert found.data["rows"] == 400
    assert [(a.rows, a.part) for a in found.apart] == [(900, False)]
    assert "900 other rows" in found.apart[0].on


def test_the_same_rows_and_more_take_its_place(late, held_out, people):
    nb.evaluate("late@1", held_out.sample(frac=1, random_state=0), target="late")
    assert stands().data["model"] == "late@1"
    nb.evaluate("late@1", pd.concat([people(100, 9), held_out], ignore_index=True), target="late")
    found = stands()
    assert (found.data["rows"], found.apart) == (500, ())


def test_a_row_twice_is_not_two_rows(late, held_out):
    twice = held_out.iloc[[0] * len(held_out)]
    nb.evaluate("late@1", twice, target="late")
    assert stands().data["rows"] == len(held_out)
    assert [a.part for a in stands().apart] == [False]


def test_without_one_at_registration_the_first_of_it_stands(project, model, held_out, people):
    version = nb.register(model, "late")
    assert (of_version(version).data, of_version(version).apart) == (None, ())
    nb.evaluate("late@1", held_out, target="late")
    nb.evaluate("late@1", people(900, 7), target="late")
    assert stands().data["rows"] == len(held_out)


def test_of_another_version_nothing_counts(late, fit, held_out):
    other = nb.register(fit("age"), "late")
    nb.evaluate("late@2", held_out, target="late")
    assert of_version(other).data["model"] == "late@2"
    assert of_version(nb.model_version("late@1")).apart == ()
