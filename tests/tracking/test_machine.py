"""What is noted around a run arrives by a thread, and is looked up once for cells that follow each other closely."""

import json
import subprocess

import nbmlops as nb
from nbmlops.tracking import machine, session


def noted(name):
    run = session.start(name)
    thread = machine.note(run.run_id, session.project().root)
    if thread is not None:
        thread.join(30)
    session.finish(run)
    return nb.get_run(name), thread


def test_commit_diff_and_packages_are_kept_and_looked_up_once(project, monkeypatch):
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    (project / "work.py").write_text("rate = 1\n")
    (project / ".gitignore").write_text(".nbmlops\n")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "first")):
        subprocess.run([*git, *words], check=True, capture_output=True)
    (project / "work.py").write_text("rate = 2\npassword = 'hunter2hunter2'\n")
    monkeypatch.setattr(machine, "FRESH_S", 1000.0)
    first, looked = noted("first")
    again, at_once = noted("again")
    assert looked is not None
    assert at_once is None
    assert first.git["dirty"]
    assert again.git == first.git
    text = first.artifact("git.diff").decode()
    assert "+rate = 2" in text
    assert "hunter2" not in text
    assert again.artifacts == first.artifacts
    assert "numpy" in json.loads(session.artifacts().get(first.environment))["lock"]


def test_a_change_is_seen_when_it_is_looked_up_again(project, monkeypatch):
    monkeypatch.setattr(machine, "FRESH_S", 0.0)
    _, first = noted("first")
    _, again = noted("again")
    assert first is not None
    assert again is not None
