"""The query language: what it chooses, what it refuses, and that it can do nothing else."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbmlops.errors import Invalid, NbmlopsError, NotFound
from nbmlops.store.queries import choose, ordered

ROWS = [
    {"experiment": "forest", "metrics.auc": 0.7, "params.C": 1, "params.solver": "lbfgs", "tags.who": "ann"},
    {"experiment": "logistic", "metrics.auc": 0.6, "params.C": 10, "params.solver": "saga", "tags.who": None},
    {"experiment": "broken", "metrics.auc": math.nan, "params.C": None, "params.solver": None, "params.auc": 3},
]


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("C > 1", ["logistic"]),
        ("C >= 1 and solver = 'lbfgs'", ["forest"]),
        ("solver = lbfgs or C = 10", ["forest", "logistic"]),
        ("not C = 1", ["logistic"]),
        ("`metrics.auc` < 0.65", ["logistic"]),
        ("not `metrics.auc` < 0.65", ["forest"]),
        ("C is missing", ["broken"]),
        ("C is not missing and not (C = 10)", ["forest"]),
        ("experiment in ('forest', 'broken')", ["forest", "broken"]),
        ("experiment not in (forest, broken)", ["logistic"]),
        ('experiment like "%o%"', ["forest", "logistic", "broken"]),
        ("experiment not like 'f%'", ["logistic", "broken"]),
        ("tags.who = ann", ["forest"]),
        ("C = 1 or C = 10 and solver = saga", ["forest", "logistic"]),
    ],
)
def test_a_query_chooses(query, chosen):
    assert [r["experiment"] for r in choose(ROWS, query)] == chosen


def test_a_name_that_is_two_columns_names_both():
    with pytest.raises(Invalid, match=r"metrics.auc and params.auc.*`metrics.auc`"):
        choose(ROWS, "auc > 0.5")


def test_a_wrong_name_answers_with_the_near_one():
    with pytest.raises(NotFound, match="Did you mean 'solver'"):
        choose(ROWS, "solvr = saga")


@pytest.mark.parametrize("query", ["C >", "C 1", "(C > 1", "C > 1)", "> 1", "C > 1 and", "C ; 1", "C is", "C in 1"])
def test_what_cannot_be_read_is_one_line_with_an_example(query):
    with pytest.raises(Invalid, match="Write such as"):
        choose(ROWS, query)


@given(st.text(max_size=40))
def test_no_text_does_anything_but_choose_or_refuse(text):
    try:
        chosen = choose(ROWS, text)
    except NbmlopsError:
        return
    assert all(row in ROWS for row in chosen)


def test_missing_values_come_last_whichever_way():
    names = [r["experiment"] for r in ordered(ROWS, "metrics.auc")]
    assert names == ["logistic", "forest", "broken"]
    assert [r["experiment"] for r in ordered(ROWS, "-metrics.auc")] == ["forest", "logistic", "broken"]
