"""Corrections: only accepted rules with a fix act, every change is counted, the given frame stays as it is."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from nbmlops.cli import main
from nbmlops.errors import Invalid
from nbmlops.quality.corrections import correct

FRAME = pd.DataFrame(
    {"age": [31.0, 210.0, None, -5.0], "city": ["Ulm", "ulm", None, "Bern"], "n": ["1", "x", "3", "4"]}
)


def fixed(column, **about):
    before = FRAME.copy()
    found = correct(FRAME, {"dataset": "people", "columns": {column: about}})
    pd.testing.assert_frame_equal(FRAME, before)
    return found


@pytest.mark.parametrize(
    ("column", "about", "values", "changed"),
    [
        ("age", {"range": {"min": 0, "max": 120}, "fix": {"clip": True}}, [31, 120, None, 0], [2]),
        ("age", {"range": {"min": 0, "max": 120}, "fix": "drop"}, [31, None], [2]),
        ("age", {"fix": {"impute": "median"}}, [31, 210, 31, -5], [1]),
        ("age", {"fix": {"impute": {"value": 7}}}, [31, 210, 7, -5], [1]),
        ("city", {"fix": {"map": {"ulm": "Ulm"}, "impute": "mode"}}, ["Ulm", "Ulm", "Ulm", "Bern"], [1, 1]),
        ("n", {"fix": {"parse": "number"}}, [1, None, 3, 4], [4]),
        ("age", {"range": {"max": 120}, "fix": "drop", "state": "proposed"}, FRAME["age"].tolist(), []),
        ("age", {"range": {"max": 120}}, FRAME["age"].tolist(), []),
    ],
)
def test_a_fix_changes_what_it_says_and_counts_it(project, column, about, values, changed):
    found = fixed(column, **about)
    got = found.frame[column].astype(object).where(found.frame[column].notna(), None).tolist()
    assert got == [None if v is None or v is np.nan or v != v else v for v in values]
    assert [c.changed for c in found.log] == changed
    assert found.subject in repr(found)
    assert "<script" not in found._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    "about",
    [{"fix": "burn"}, {"fix": {"clip": True}}, {"fix": {"parse": "pet"}}, {"fix": {"impute": "mean"}}, {"fix": {}}],
)
def test_a_fix_that_is_not_known_is_refused(project, about):
    with pytest.raises(Invalid):
        fixed("age", **about)


def test_command_and_function_say_the_same(project):
    FRAME.to_csv("x.csv", index=False)
    (project / "people.yaml").write_text("columns: {age: {range: {max: 120}, fix: drop}}")
    words = ["correct", "x.csv", "--rules", "people.yaml", "--json", "-o"]
    done = CliRunner().invoke(main, [*words, "y.csv"])
    found = correct("x.csv", "people.yaml")
    assert json.loads(done.output) == found.to_dict()
    assert pd.read_csv("y.csv")["age"].equals(found.frame["age"].reset_index(drop=True))
    assert CliRunner().invoke(main, [*words, "x.csv"]).exit_code == 2
