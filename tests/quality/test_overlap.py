"""Rows that may not be in two data sets."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid
from nbmlops.quality.overlap import also_in
from nbmlops.quality.rules import bad_rows


def rows(n=200, start=0):
    ids = np.arange(start, start + n)
    return pd.DataFrame({"id": ids, "x": ids * 0.5, "name": [f"n{i}" for i in ids]})


@pytest.fixture
def kept(project):
    return nb.dataset("judge", rows(), keep=True).ref


def overlap(frame, **setting):
    return nb.check(frame, {"overlap": setting}).findings[0]


def test_rows_that_judge_are_found_among_the_training_rows(kept):
    found = overlap(rows(start=190), **{"with": kept})
    assert (found.outcome, found.effect) == ("issue", 0.05)
    assert found.message == "10 of 200 rows are in judge@1 too, at most 0 % allowed"
    assert overlap(rows(start=200), **{"with": "judge"}).outcome == "passed"
    assert overlap(rows(start=190), **{"with": kept, "max": 0.05}).outcome == "passed"
    marked = bad_rows(rows(start=190), {"overlap": {"with": kept}})
    assert marked.tolist() == [True] * 10 + [False] * 190


def test_a_file_is_read_and_rows_are_told_by_the_columns_named(project):
    rows().assign(x=-1.0).to_csv("judge.csv", index=False)
    assert overlap(rows(), **{"with": "judge.csv"}).outcome == "passed", "x differs"
    assert overlap(rows(), **{"with": "judge.csv", "columns": ["id"]}).effect == 1.0


def test_what_cannot_be_looked_at_is_no_promise_kept(project):
    found = overlap(rows(), **{"with": "judge@9"})
    assert found.outcome == "issue"
    assert "judge@9 cannot be compared" in found.message
    nb.dataset("thin", rows())
    assert "were not kept" in overlap(rows(), **{"with": "thin"}).message
    rows().to_csv("judge.csv", index=False)
    assert "column y is missing" in overlap(rows().assign(y=1), **{"with": "judge.csv", "columns": ["y"]}).message
    assert "column z is missing" in overlap(rows(), **{"with": "judge.csv", "columns": ["z"]}).message


@pytest.mark.parametrize("setting", ["judge", {"max": 0.1}, {"with": "a", "max": 2}, {"with": "a", "columns": "id"}])
def test_a_setting_that_says_nothing_is_refused(project, setting):
    with pytest.raises(Invalid, match="overlap"):
        nb.check(rows(), {"overlap": setting})


def test_numbers_are_the_same_however_they_are_stored_and_missing_is_missing():
    one = pd.DataFrame({"a": [1, None, 3], "b": ["x", None, "z"]})
    other = pd.DataFrame({"b": ["x", None], "a": pd.array([1, None], dtype="Int64")})
    assert also_in(one, other).tolist() == [True, True, False]
    with pytest.raises(Invalid, match="no column in common"):
        also_in(one[["a"]], other[["b"]])


def test_it_is_proposed_where_it_is_asked_for_by_function_and_command_alike(kept):
    rows(start=190).to_csv("train.csv", index=False)
    proposal = nb.propose_rules("train.csv", name="train", apart=kept)
    (rule,) = [p for p in proposal.proposed if p.code == "overlap"]
    assert rule.setting["with"] == kept
    assert 0.05 < rule.setting["max"] < 0.25
    assert rule.evidence == "10 of 200 rows are in judge@1 too"
    found = CliRunner().invoke(main, ["rules", "propose", "train.csv", "--apart", kept, "--json"])
    assert json.loads(found.output)["proposed"] == json.loads(json.dumps(proposal.to_dict()))["proposed"]
    assert "passed" in {f.outcome for f in nb.check("train.csv", "train").findings if f.code == "overlap"}
