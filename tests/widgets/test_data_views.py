"""The views of profile, drift and check: small, script-free, the same twice, and safe with hostile names."""

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb

HOSTILE = "<script>alert(1)</script>"


def wide(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    numbers = {f"a_rather_long_column_name_{i}": rng.lognormal(size=3000) + shift for i in range(35)}
    names = {f"category_{i}": rng.choice([*"abcdefgh", HOSTILE], 3000) for i in range(14)}
    return pd.DataFrame({**numbers, **names, HOSTILE: rng.random(3000) < 0.5})


def rules():
    return {"columns": {name: {"range": {"min": 0}, "missing_max": 0.0} for name in wide(0).columns}}


KINDS = {
    "profile": lambda: nb.profile(wide(0), target=HOSTILE),
    "drift": lambda: nb.drift(wide(1, shift=0.5).assign(month=1), wide(0), target=HOSTILE, chunk="month"),
    "check": lambda: nb.check(wide(0, shift=-1.0), rules()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_of_fifty_columns_is_small_and_safe(project, kind):
    bundle = KINDS[kind]()._repr_mimebundle_()
    html = bundle["text/html"]
    assert len(html.encode()) < 60_000
    assert "<script" not in html
    assert " id=" not in html
    assert len(bundle["text/plain"].splitlines()) <= 16
    assert f"application/vnd.nbmlops.{kind}.v1+json" in bundle


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_is_a_function_of_the_json(project, kind):
    first, second = KINDS[kind](), KINDS[kind]()
    assert first._repr_mimebundle_() == second._repr_mimebundle_()


def test_the_worst_stands_first(project):
    current = wide(1).assign(category_3="a")
    html = nb.drift(current, wide(0))._repr_mimebundle_()["text/html"]
    assert html.index("alert") < html.index("category_3") < html.index("category_1<")
    assert "All " in html
