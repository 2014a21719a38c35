"""The query language: what it chooses, what it refuses, and that it can do nothing else."""

import math
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbmlops.errors import Invalid, NbmlopsError, NotFound
from nbmlops.store import queries
from nbmlops.store.columns import Column


class Rows:
    """Rows in memory as what a query is asked of."""

    def __init__(self, rows):
        self.rows, self.size, self.names = rows, len(rows), {name for row in rows for name in row}

    def column(self, name):
        values = [row.get(name) for row in self.rows]
        numbers = [float(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else math.nan for v in values]
        texts = [v for v in values if isinstance(v, (str, bool))]
        index = {(type(t), t): i for i, t in enumerate(texts)}
        codes = [index.get((type(v), v), -1) if isinstance(v, (str, bool)) else -1 for v in values]
        return Column(np.array(numbers, float), np.array(codes, np.int32), tuple(texts))


def choose(rows, query):
    return [row for row, wanted in zip(rows, queries.choose(Rows(rows), query), strict=True) if wanted]


def ordered(rows, sort, limit=None):
    return [rows[i] for i in queries.order(Rows(rows), np.arange(len(rows)), sort, limit)]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


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


TIMES = [
    {"experiment": "october", "started_at": at("2026-10-31T23:59:59.999999")},
    {"experiment": "morning", "started_at": at("2026-11-01T00:00:00")},
    {"experiment": "evening", "started_at": at("2026-11-01T20:00:00")},
    {"experiment": "later", "started_at": at("2026-12-24T12:00:00")},
    {"experiment": "unknown", "started_at": None},
]


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("started_at = 2026-11-01", ["morning", "evening"]),
        ("started_at != 2026-11-01", ["october", "later"]),
        ("started_at <= '2026-11-01'", ["october", "morning", "evening"]),
        ("started_at > 2026-11-01", ["later"]),
        ("started_at >= 2026-11-01T20:00", ["evening", "later"]),
        ("started_at = 2026-11", ["morning", "evening"]),
        ("started_at < 2026-11-01T02:00+02:00", ["october"]),
        ("started_at in (2026-10, 2026-12-24)", ["october", "later"]),
        ("started_at like '2026-11-01T20%'", ["evening"]),
        ("started_at is missing", ["unknown"]),
    ],
)
def test_a_query_compares_times_by_the_day_in_utc(query, chosen):
    assert [r["experiment"] for r in choose(TIMES, query)] == chosen


def test_what_is_no_date_is_refused():
    with pytest.raises(Invalid, match=r"no date.*2026-11-01"):
        choose(TIMES, "started_at > 2026-13-01")


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("v > 5", [7, "9"]),
        ("v = 9", ["9"]),
        ("v = true", [True]),
        ("v != true", [7, "9", "word", False]),
        ("v > word", []),
        ("v = 'word'", ["word"]),
        ("v >= true", []),
    ],
)
def test_values_compare_by_what_they_are(query, chosen):
    rows = [{"v": v} for v in (7, "9", "word", True, False, None, math.nan)]
    assert [r["v"] for r in choose(rows, query)] == chosen


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("%a%b", "abab"), ("a_c%", "abcd"), ("%", ""), ("abc", "ABC"), ("%.csv", "x.csv"), ("a%a", "aa"), ("", "")],
)
def test_a_pattern_fits(pattern, fits):
    assert choose([{"v": fits}], f"v like '{pattern}'")


@pytest.mark.parametrize(("pattern", "other"), [("a%a", "a"), ("abc", "abcd"), ("%.csv", "xcsv"), ("a_c", "ac")])
def test_a_pattern_does_not_fit(pattern, other):
    assert not choose([{"v": other}], f"v like '{pattern}'")


def test_no_pattern_takes_long():
    began = time.process_time()
    assert not choose([{"v": "a" * 20_000}], f"v like '{'%a' * 40}%b'")
    assert time.process_time() - began < 5  # backtracking would take for ever


def test_brackets_without_end_are_refused():
    with pytest.raises(Invalid, match="inside each other"):
        choose(ROWS, "(" * 5000 + "C > 1" + ")" * 5000)


@pytest.mark.parametrize("sort", ["v", "-v"])
def test_a_limit_keeps_what_comes_first(sort):
    rows = [{"v": (i * 7) % 50} for i in range(200)] + [{"v": None}]
    assert ordered(rows, sort, 20) == ordered(rows, sort)[:20]
