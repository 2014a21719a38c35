"""``nbmlops run`` and ``nbmlops new`` as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from nbmlops.cli import main

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def typed(project):
    """Type a command; return (exit code, stdout, stderr)."""

    def invoke(*words):
        for word in words:
            if (NOTEBOOKS / f"job_{word}").is_file():
                shutil.copy(NOTEBOOKS / f"job_{word}", project / word)
        answer = CliRunner().invoke(main, list(words), catch_exceptions=False)
        return answer.exit_code, answer.stdout, answer.stderr

    return invoke


def test_run(project, typed):
    code, out, err = typed("run", "plain.ipynb", "out.ipynb", "-p", "trees", "9", "-p", "months", "[4]")
    assert code == 0
    assert "status    finished after" in out
    assert "output    out.ipynb" in out
    assert '\\"trees\\": 9' in (project / "out.ipynb").read_text()
    assert [line.split(":")[0] for line in err.splitlines()] == ["plain.ipynb"] * 2


def test_run_as_json(typed):
    code, out, _ = typed("run", "awaits.ipynb", "--json")
    assert (code, json.loads(out)["status"]) == (0, "finished")


def test_a_failure_is_one_block(typed):
    code, out, _ = typed("run", "fails.ipynb")
    assert code == 1
    block = dict(line.split(maxsplit=1) for line in out.splitlines() if line[:1] != " ")
    assert block["notebook"] == "fails.ipynb"
    assert block["status"].startswith("failed, error after")
    assert block["cell"] == "4 of 6, In [2]"
    assert block["error"] == "ValueError: no flights in June"
    assert block["output"].startswith(".nbmlops/outputs/fails/")
    assert block["said"] == "1"
    assert block["report"] == f"nbmlops report {block['run'][-6:]}"
    assert "go" not in block  # it has no checkpoint to go on from
    assert '          raise ValueError("no flights in June")' in out


def test_the_cells_output_is_printed_as_it_comes_and_without_secrets(typed):
    code, out, err = typed("run", "secret.ipynb", "--log", "-p", "db_password", "correct-horse", "--json")
    assert code == 1
    assert json.loads(out)["status"] == "failed"
    assert "[2/" in err
    assert "using [secret]" in err
    assert "correct-horse" not in err + out


@pytest.mark.parametrize(("words", "code"), [(["dies.ipynb"], 6), (["slow.ipynb", "--timeout", "2"], 7)])
def test_exit_codes(typed, words, code):
    assert typed("run", *words)[0] == code


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["plain.ipynb", "-p", "tres", "1"], 2, "no parameter 'tres'"),
        (["plain.ipynb", "-p", "trees", "x"], 2, "It is an int"),
        (["plain.ipynb", "-p", "trees", "1", "-p", "trees", "2"], 2, "given twice"),
        (["nowhere.ipynb"], 5, "No notebook 'nowhere.ipynb'"),
    ],
)
def test_wrong_usage_is_one_line(typed, words, code, said):
    answer, _, err = typed("run", *words)
    assert answer == code
    assert said in err
    assert len(err.splitlines()) == 1


def test_new_sets_the_data_and_says_what_to_type_next(project, typed):
    code, out, _ = typed("new", "train", "late", "--data", "flights.csv", "--target", "late")
    assert code == 0
    assert "nbmlops run late.ipynb" in out
    source = "".join(json.loads((project / "late.ipynb").read_text())["cells"][1]["source"])
    assert 'data = "flights.csv"  # CSV or Parquet file\ntarget = "late"  # column to predict\n' in source


def test_new_writes_the_job_that_runs_it(project, typed):
    code, out, _ = typed("new", "retrain", "late", "--data", "flights.csv", "--model", "late-flights", "--job")
    assert code == 0
    assert out.splitlines()[0] == "Wrote late.ipynb and jobs/late.yaml."
    assert out.rstrip().endswith("nbmlops retrain late")
    job = (project / "jobs" / "late.yaml").read_text()
    assert 'notebook: "late.ipynb"' in job
    assert "{target: late-flights.roc_auc}" in job  # what else it may wait for can be taken as it stands
    assert 'model_name = \\"late-flights\\"' in (project / "late.ipynb").read_text()
    assert typed("new", "explore", "first", "--job")[0] == 5


def test_new_never_overwrites(project, typed):
    (project / "late.ipynb").write_text("mine")
    code, _, err = typed("new", "train", "late")
    assert code == 2
    assert "stays as it is" in err
    assert (project / "late.ipynb").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian", "x"], "Did you mean 'train'?"),
        (["score", "x", "--target", "late"], "no parameter 'target'"),
        (["train", "gone/x"], "mkdir -p gone"),
    ],
)
def test_new_with_a_mistake(project, typed, words, said):
    code, _, err = typed("new", *words)
    assert code in (2, 5)
    assert said in err
    assert not list(project.glob("*.ipynb"))
