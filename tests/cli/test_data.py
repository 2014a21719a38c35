"""``nbmlops profile``, ``check`` and ``drift``, as typed: what they print and how they end."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from nbmlops.cli import main


@pytest.fixture
def files(project):
    rng = np.random.default_rng(0)
    for name, shift, n in (("reference", 0.0, 2000), ("same", 0.0, 2000), ("moved", 2.0, 2000), ("few", 0.0, 30)):
        pd.DataFrame({"x": rng.normal(size=n) + shift}).to_csv(f"{name}.csv", index=False)
    (project / "rules").mkdir()
    (project / "rules" / "x.yaml").write_text("columns: {x: {range: {min: -10, max: 10}}}\nrows: {min: 100}\n")
    (project / "torn.csv").write_text("")


def typed(*words):
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["drift", "same.csv", "--reference", "reference.csv"], 0, ": ok"),
        (["drift", "moved.csv", "--reference", "reference.csv"], 3, "alert: x median up"),
        (["drift", "few.csv", "--reference", "reference.csv"], 4, "about 75 needed"),
        (["drift", "nix.csv", "--reference", "reference.csv"], 5, "No frame or file 'nix.csv'"),
        (["drift", "torn.csv", "--reference", "reference.csv"], 5, "torn.csv cannot be read"),
        (["drift", "same.csv", "--model", "nix@champion"], 5, "No model 'nix'"),
        (["drift", "same.csv"], 2, "--model REF or --reference FILE"),
        (["check", "same.csv", "--rules", "x"], 0, "2 passed"),
        (["check", "few.csv", "--rules", "x"], 3, "30 rows, at least 100 expected"),
        (["check", "same.csv"], 5, "No rules 'same'"),
        (["profile", "same.csv"], 0, "2,000 rows, 1 columns"),
        (["profile", "same.csv", "--target", "y"], 5, "No target column 'y' in the data"),
    ],
)
def test_commands_end_as_the_design_says(files, words, code, told):
    result = typed(*words)
    assert result.exit_code == code, result.output
    assert told in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "words", [["drift", "moved.csv", "--reference", "reference.csv"], ["check", "few.csv", "--rules", "x"]]
)
def test_json_is_whole(files, words):
    assert json.loads(typed(*words, "--json").output)["verdict"] == "alert"


@pytest.mark.parametrize("command", ["profile", "check", "drift"])
def test_help_has_an_example(command):
    assert f"Example: nbmlops {command}" in typed(command, "--help").output
