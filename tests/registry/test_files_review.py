"""A file from outside is looked through in a process of its own, and nothing of it is run."""

import json
import pickle
from pathlib import Path

import pytest

import hostile
import nbmlops as nb
from nbmlops.errors import Invalid, NotFound
from nbmlops.registry import foreign

MARKER = Path("/tmp/nbmlops-review-marker")


@pytest.fixture(autouse=True)
def nothing_ran():
    MARKER.unlink(missing_ok=True)
    yield
    assert not MARKER.exists(), "something in the file was run"


@pytest.fixture
def review(project):
    def look(data, name="model.skops"):
        (project / name).write_bytes(data)
        return foreign.review_file(name)

    return look


def test_a_model_of_reviewed_types_is_trusted(review):
    found = review(hostile.written(hostile.RandomForestClassifier(3)))
    assert (found.verdict, found.format) == ("trusted", "skops")
    tree = next(t for t in found.types if t["name"] == "sklearn.tree._tree.Tree")
    assert tree == {"name": tree["name"], "part": "Tree", "count": 3, "trusted": True, "why": tree["why"]}
    assert found.members > 5


def test_a_copy_lies_in_quarantine_under_its_digest_for_its_owner_only(review, project):
    found = review(b"anything")
    aside = project / found.quarantine
    assert aside.read_bytes() == b"anything"
    assert aside.name == found.digest
    assert aside.stat().st_mode & 0o777 == 0o600


def test_a_pickle_is_spelled_out_and_not_run(review):
    found = review(pickle.dumps(hostile.Marks(MARKER)), "model.pkl")
    assert (found.verdict, found.format) == ("untrusted", "pickle")
    assert [t["name"] for t in found.types] == ["posix.system"]
    assert "runs when it is read" in found.why


def test_a_hidden_call_is_named_with_the_reason(review):
    files = dict(hostile.with_hidden_calls(MARKER))
    found = review(files["a partial"])
    bad = {t["name"]: t["why"] for t in found.types if not t["trusted"]}
    assert bad["functools.partial"] == "a function with arguments hidden in it"
    assert found.verdict == "untrusted"


def test_arrays_that_lead_out_of_memory_are_told(review):
    found = review(dict(hostile.arrays())["a child far away"])
    assert found.verdict == "untrusted"
    assert "a child that is not behind its parent" in found.why


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.kill(os.getpid(), 11)", "ended by signal 11 SIGSEGV"),
        ("raise MemoryError", "needs more memory"),
        ("print('x')", "gave no answer"),
        ("import time; time.sleep(60)", "took longer"),
    ],
)
def test_a_process_that_fails_is_an_answer(review, monkeypatch, code, said):
    import sys

    run = foreign.subprocess.run
    monkeypatch.setattr(foreign, "SECONDS", 1)
    monkeypatch.setattr(foreign.subprocess, "run", lambda command, **how: run([sys.executable, "-c", code], **how))
    found = review(b"x")
    assert found.verdict == "not examined"
    assert said in found.why


def test_the_limit_on_memory_holds(review, monkeypatch):
    monkeypatch.setattr(foreign, "MEMORY_BYTES", 150 * 2**20)
    found = review(hostile.written(hostile.LogisticRegression()))
    assert found.verdict == "not examined"


def test_what_is_no_file(project):
    with pytest.raises(NotFound, match=r"No file 'none\.skops'"):
        nb.review_file("none.skops")
    with pytest.raises(Invalid, match="is no file"):
        nb.review_file(".")


def test_the_command_says_what_the_function_says(project):
    from click.testing import CliRunner

    from nbmlops.cli import main

    (project / "model.skops").write_bytes(hostile.written(hostile.LogisticRegression()))
    (project / "model.pkl").write_bytes(pickle.dumps(hostile.Marks(MARKER)))
    said = CliRunner().invoke(main, ["models", "review", "model.skops", "--json"])
    assert (said.exit_code, json.loads(said.output)) == (0, nb.review_file("model.skops").to_dict())
    refused = CliRunner().invoke(main, ["models", "review", "model.pkl"])
    assert refused.exit_code == 3
    assert "posix.system" in refused.output
    assert "nothing of it was run" in refused.output
    assert CliRunner().invoke(main, ["models", "review", "none.pkl"]).exit_code == 5


def test_what_a_file_says_is_shown_as_text(review):
    node = hostile.hidden_calls(MARKER)["an object of the notebook"] | {"__class__": "<img src=x>"}
    found = review(hostile.changed(hostile.written(hostile.LogisticRegression()), hostile.replace_root(**node)))
    shown = found._repr_mimebundle_()
    assert "<img" not in shown["text/html"]
    assert "&lt;img" in shown["text/html"]
