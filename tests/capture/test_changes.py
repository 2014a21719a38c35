"""The diff of a dirty repository: sources only, secrets masked, never too large, nothing of the machine."""

import json
import os
import subprocess
import sys

import pytest

from nbmlops.capture import changes


@pytest.fixture
def repository(tmp_path):
    tmp_path = tmp_path / "repository"
    tmp_path.mkdir()

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


def run(folder, *words):
    about = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    more = ("-c", "protocol.file.allow=always")
    subprocess.run(["git", *about, *more, *words], cwd=folder, check=True, capture_output=True)


def test_rows_of_a_tracked_file_of_data_are_not_kept(repository):
    (repository / "people.CSV").write_text("name\n")
    run(repository, "add", "-A")
    run(repository, "commit", "-qm", "data")
    (repository / "people.CSV").write_text("name\nGrace\n")
    assert changes.diff(repository) == "# data: people.CSV\n"


def test_a_large_file_is_named_and_does_not_hide_the_small_ones(repository):
    (repository / "a.txt").write_text("one\n")
    run(repository, "add", "-A")
    run(repository, "commit", "-qm", "text")
    (repository / "a.txt").write_text("a line of a large file\n" * 100_000)
    (repository / "work.py").write_text("rate = 2\n")
    text = changes.diff(repository)
    assert "Binary files a/a.txt and b/a.txt differ" in text
    assert "+rate = 2" in text
    assert "a line of" not in text


def test_files_that_are_too_much_together_are_named(repository, monkeypatch):
    monkeypatch.setattr(changes, "MOST_READ_BYTES", 12)
    (repository / "work.py").write_text("rate = 2\n")
    (repository / "zoo.py").write_text("rate = 2\n")
    run(repository, "add", "-A")
    text = changes.diff(repository)
    assert "# large: zoo.py" in text
    assert "+rate = 2" in text


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_names_that_are_no_text_are_read_all_the_same(repository):
    odd = os.fsencode(repository) + b"/caf\xe9 \"'.ipynb"
    with open(odd, "w") as file:  # noqa: PTH123
        file.write(notebook("x = 1", []))
    run(repository, "add", "-A")
    run(repository, "commit", "-qm", "odd")
    with open(odd, "w") as file:  # noqa: PTH123
        file.write(notebook("x = 2", []))
    before = changes.state_of(repository)
    assert "-x = 1\n+x = 2" in changes.diff(repository)
    os.utime(odd, (1, 1))
    assert changes.state_of(repository) != before


def test_the_users_settings_of_git_shape_no_diff(repository, tmp_path):
    for name in ("diff.noprefix", "diff.mnemonicPrefix", "color.ui"):
        run(repository, "config", name, "always" if name == "color.ui" else "true")
    run(repository, "config", "diff.external", f"touch '{tmp_path}/ran'")
    run(repository, "config", "diff.up.textconv", f"touch '{tmp_path}/ran'; cat")
    (repository / ".git" / "info" / "attributes").write_text("*.py diff=up\n")
    (repository / "work.py").write_text("rate = 2\n")
    assert changes.diff(repository).startswith("diff --git a/work.py b/work.py\n")
    assert not (tmp_path / "ran").exists()


def test_a_submodule_is_named_by_its_commit(repository, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    run(other, "init", "-q")
    (other / "inner.py").write_text("one\n")
    run(other, "add", "-A")
    run(other, "commit", "-qm", "inner")
    run(repository, "submodule", "add", "-q", str(other), "part")
    run(repository, "commit", "-qm", "part")
    (repository / "part" / "inner.py").write_text("two\n")
    text = changes.diff(repository)
    assert "+Subproject commit" in text
    assert "two" not in text


def test_a_worktree_a_detached_head_and_a_folder_in_it_have_their_own_changes(repository, tmp_path):
    run(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "beside"))
    (tmp_path / "beside" / "deep").mkdir()
    (tmp_path / "beside" / "work.py").write_text("rate = 2\n")
    assert "+rate = 2" in changes.diff(tmp_path / "beside" / "deep")
    assert changes.state_of(repository) == ""


def test_before_the_first_commit_nothing_differs(tmp_path):
    run(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("one\n")
    run(tmp_path, "add", "-A")
    assert (changes.state_of(tmp_path), changes.diff(tmp_path)) == ("", "")


def test_new_names_are_few_and_a_new_folder_is_one(repository):
    for number in range(changes.MOST_NAMES + 5):
        (repository / f"new{number}.txt").touch()
    (repository / "folder").mkdir()
    for number in range(3):
        (repository / "folder" / f"{number}.txt").touch()
    text = changes.diff(repository)
    assert text.count("# new: ") == changes.MOST_NAMES
    assert "# and 6 more" in text
    assert "# new: folder/\n" in text


def test_a_link_that_is_called_a_notebook_is_not_followed(repository, tmp_path):
    (tmp_path / "elsewhere.json").write_text(notebook("private = 1", []))
    (repository / "same.ipynb").unlink()
    (repository / "same.ipynb").symlink_to(tmp_path / "elsewhere.json")
    text = changes.diff(repository)
    assert "# same.ipynb: changed, and not readable" in text
    assert "private" not in text


def test_a_notebook_that_is_gone_has_only_lines_less(repository):
    (repository / "same.ipynb").unlink()
    assert "-x = 1" in changes.diff(repository)
