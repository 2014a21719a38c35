"""The diff of a dirty repository: sources only, secrets masked, never too large, nothing of the machine."""

import json
import subprocess

import pytest

from nbmlops.capture import changes


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        about = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *about, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "work.py").write_text("rate = 1\n")
    (tmp_path / "näme with space.ipynb").write_text(notebook("x = 1", ["old output"]))
    (tmp_path / "same.ipynb").write_text(notebook("x = 1", []))
    git("add", "-A")
    git("commit", "-qm", "first")
    return tmp_path


def notebook(source, outputs):
    cell = {"cell_type": "code", "id": "a", "source": [source], "outputs": outputs}
    return json.dumps({"cells": [cell], "nbformat": 4})


def test_a_clean_repository_has_none(repository):
    assert (changes.state_of(repository), changes.diff(repository)) == ("", "")


def test_files_are_diffed_notebooks_by_their_sources_and_secrets_masked(repository):
    (repository / "work.py").write_text("rate = 2\npassword = 'hunter2hunter2'\n")
    (repository / "näme with space.ipynb").write_text(notebook("x = 2", ["new output"]))
    (repository / "same.ipynb").write_text(notebook("x = 1", ["other output"]))
    (repository / "fresh.csv").write_text("rows of people\n")
    text = changes.diff(repository)
    assert "-rate = 1\n+rate = 2" in text
    assert "# näme with space.ipynb: sources of its cells" in text
    assert "-x = 1\n+x = 2" in text
    assert "# new: fresh.csv" in text
    for absent in ("hunter2", "output", "rows of people", "same.ipynb", str(repository)):
        assert absent not in text


def test_a_state_changes_with_every_change(repository):
    seen = set()
    for rate in (2, 33, 444):
        (repository / "work.py").write_text(f"rate = {rate}\n")
        seen.add(changes.state_of(repository))
    assert len(seen) == 3


def test_a_large_one_is_cut_and_a_broken_notebook_named(repository, monkeypatch):
    monkeypatch.setattr(changes, "MOST_BYTES", 300)
    (repository / "work.py").write_text("rate = 2\n" * 1000)
    assert len(changes.diff(repository)) < 400
    assert "# cut: " in changes.diff(repository)
    monkeypatch.undo()
    (repository / "same.ipynb").write_text("{")
    assert "# same.ipynb: changed, and not readable as a notebook" in changes.diff(repository)


def test_outside_a_repository_there_is_none(tmp_path):
    assert (changes.state_of(tmp_path), changes.diff(tmp_path)) == ("", "")
