"""What is noted around a run arrives by a thread, and is looked up once for cells that follow each other closely."""

import json
import os
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

import nbmlops as nb
from nbmlops.capture import changes
from nbmlops.tracking import machine, session

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


def git(*words):
    subprocess.run([*GIT, *words], check=True, capture_output=True)


@pytest.fixture
def repository(project, monkeypatch):
    """A project in a clean repository; what was looked up stays fresh for the whole test."""
    (project / "work.py").write_text("rate = 1\n")
    (project / ".gitignore").write_text(".nbmlops\n")
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "first")
    monkeypatch.setattr(machine, "FRESH_S", 1000.0)
    return project


def noted(name):
    run = session.start(name)
    thread = machine.note(run.run_id, session.project().root)
    if thread is not None:
        thread.join(30)
    session.finish(run)
    return nb.get_run(name), thread


def ended(script, folder, *, timeout_s=60):
    """Run a script in a process of its own; return what it printed, all of it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_commit_diff_and_packages_are_kept_and_looked_up_once(repository):
    (repository / "work.py").write_text("rate = 2\npassword = 'hunter2hunter2'\n")
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


def test_a_change_is_seen_when_it_is_looked_up_again(repository, monkeypatch):
    monkeypatch.setattr(machine, "FRESH_S", 0.0)
    first, _ = noted("first")
    (repository / "work.py").write_text("rate = 22\n")
    again, _ = noted("again")
    assert (first.git["dirty"], again.git["dirty"]) == (False, True)
    assert "+rate = 22" in again.artifact("git.diff").decode()


def test_a_commit_is_seen_however_fresh_the_look_before(repository):
    first, _ = noted("first")
    (repository / "work.py").write_text("rate = 22\n")
    git("commit", "-qam", "second")
    again, looked = noted("again")
    assert looked is not None
    assert again.git["commit"] != first.git["commit"]


def test_files_touched_at_the_same_time_on_another_commit_are_another_diff(repository):
    def change():
        (repository / "work.py").write_text("rate = 3\n")
        os.utime(repository / "work.py", ns=(10**18, 10**18))
        return noted("same")[0].artifact("git.diff").decode()

    first = change()
    (repository / "work.py").write_text("rate = 2\n")
    git("commit", "-qam", "second")
    assert ("-rate = 1\n" in first, "-rate = 2\n" in change()) == (True, True)


def test_a_state_that_did_not_change_is_not_diffed_again(repository, monkeypatch):
    read = []
    diff = changes.diff
    monkeypatch.setattr(machine, "FRESH_S", 0.0)
    monkeypatch.setattr(changes, "diff", lambda folder: read.append(folder) or diff(folder))
    (repository / "work.py").write_text("rate = 22\n")
    for _ in range(3):
        noted("same")
    assert len(read) == 1
    (repository / "work.py").write_text("rate = 333\n")
    noted("other")
    assert len(read) == 2


def test_where_only_outputs_differ_no_diff_is_kept(repository):
    def notebook(output):
        cell = {"cell_type": "code", "source": ["x = 1"], "outputs": [output]}
        (repository / "a.ipynb").write_text(json.dumps({"cells": [cell]}))

    notebook("old")
    git("add", "-A")
    git("commit", "-qm", "a notebook")
    notebook("new output")
    run, _ = noted("outputs")
    assert run.git["dirty"]
    assert not run.artifacts


def test_outside_a_repository_the_packages_are_noted(project):
    run, _ = noted("plain")
    assert run.git is None
    assert run.environment


def test_a_fault_is_one_warning_and_the_run_goes_on(project, monkeypatch):
    def broken(folder):
        raise RuntimeError("a disk that went away")

    monkeypatch.setattr(machine.environment, "git_state", broken)
    monkeypatch.setattr(machine, "_warned", set())
    with pytest.warns(RuntimeWarning, match="Your cell is not affected") as said:
        runs = [noted(name)[0] for name in ("one", "two")]
    assert len(said) == 1
    assert [run.status for run in runs] == ["finished", "finished"]


def test_what_was_noted_arrives_when_the_process_ends_at_once(repository):
    ended(
        """
        import nbmlops as nb
        from nbmlops.tracking import machine, session
        with nb.run("short") as run:
            machine.note(run.run_id, session.project().root)
        """,
        repository,
    )
    run = nb.get_run("short")
    assert len(run.git["commit"]) == 40
    assert run.environment


def test_a_git_that_hangs_does_not_hold_up_the_end_of_the_process_and_ends_too(repository):
    (repository / ".gitattributes").write_text("*.py filter=slow\n")
    git("add", "-A")
    git("commit", "-qm", "slow")
    git("config", "filter.slow.clean", f"echo $$ > '{repository}/.nbmlops/pid'; exec sleep 600")
    (repository / "work.py").write_text("rate = 2\n")
    ended(
        """
        import nbmlops as nb
        from nbmlops.capture import environment
        from nbmlops.tracking import machine, session
        environment.TIMEOUT_S = 600
        with nb.run("short") as run:
            machine.note(run.run_id, session.project().root)
        """,
        repository,
    )
    assert nb.get_run("short").status == "finished"
    slow = int((repository / ".nbmlops" / "pid").read_text())
    until = time.monotonic() + 30
    while alive(slow) and time.monotonic() < until:
        os.sched_yield()
    assert not alive(slow)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_forked_during_a_look_notes_its_own_runs(repository):
    assert "noted\n" in ended(
        """
        import os, threading
        import nbmlops as nb
        from nbmlops.tracking import machine, opened, session
        opened.background = False  # a fork while another thread imports is trouble of its own
        looking, go = threading.Event(), threading.Event()
        look = machine._look
        def slowly(*words):
            looking.set()
            go.wait(30)
            return look(*words)
        machine._look = slowly
        with nb.run("parent") as run:
            thread = machine.note(run.run_id, session.project().root)
            assert looking.wait(30)
            if not (child := os.fork()):
                machine._look = look
                mine = machine.note(run.run_id, session.project().root)
                mine.join(30)
                os.write(1, b"stuck\\n" if mine.is_alive() else b"noted\\n")
                os._exit(0)
            os.waitpid(child, 0)
            go.set()
        """,
        repository,
    )


def test_the_thread_imports_no_heavy_package(repository):
    imported = ended(
        """
        import sys, threading
        import nbmlops as nb
        from nbmlops.tracking import machine, opened, session
        opened.background = False
        class Finder:
            def find_spec(self, name, path=None, target=None):
                if threading.current_thread().name == "nbmlops-about-machine":
                    print(name)
        sys.meta_path.insert(0, Finder())
        open("work.py", "w").write("rate = 2\\n")
        with nb.run("short") as run:
            machine.note(run.run_id, session.project().root).join()
        """,
        repository,
    ).split()
    assert "psutil" in imported
    heavy = {"pyarrow", "numpy", "pandas", "polars", "sklearn", "sqlalchemy", "alembic", "IPython", "papermill"}
    assert not heavy & {name.partition(".")[0] for name in imported}


def test_no_thread_is_left_once_it_wrote(repository):
    noted("once")
    assert not [t for t in threading.enumerate() if t.name == "nbmlops-about-machine"]
    assert not machine._threads
