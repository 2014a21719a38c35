"""The threads that answer: a store that hangs holds up nobody but who asks it, and no server that is told to stop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from asked import refused, tracked, written
from nbmlops.server import runs, threads

HANGS = "import threading\nfrom nbmlops.server.threads import READS\nREADS.submit(threading.Event().wait)\n"
WRITES = """
import pathlib, threading
from nbmlops.server.threads import CHANGES
begun, go = threading.Event(), threading.Event()
CHANGES.submit(lambda: (begun.set(), go.wait(), pathlib.Path("done").touch()))
begun.wait()
threading.Timer(0.3, go.set).start()
"""


@pytest.fixture
def line(monkeypatch):
    """A line of reading whose patience is short, and that is no other test's."""
    found = threads.Line("short", 1.0, refuses=True)
    monkeypatch.setattr(threads, "READS", found)
    return found


@pytest.fixture
def hangs(notebook, monkeypatch):
    """What lets a store of ``flights`` answer again, which hangs."""
    answers, read = threading.Event(), runs._runs

    def waits(here, **words):
        if here.project.root == notebook.parent:
            answers.wait(60)
        return read(here, **words)

    monkeypatch.setattr(runs, "_runs", waits)
    yield answers
    answers.set()


async def test_a_store_that_hangs_holds_up_no_other_project(ask, notebook, jp_root_dir, line, hangs):
    tracked("x")
    other = jp_root_dir / "trains"
    other.mkdir()
    (other / "nbmlops.toml").touch()
    written(other / "nb.ipynb", "x = 1")
    at_once = [asyncio.ensure_future(refused(ask("runs"))), asyncio.ensure_future(ask("jobs", at="trains/nb.ipynb"))]
    (code, said), found = await asyncio.gather(*at_once)
    assert (code, "nbmlops doctor" in said) == (503, True)
    assert found["works"] == []  # it stood behind the one that hangs
    for _ in range(20):  # they are refused at once, and each holds up nothing
        assert (await refused(ask("models")))[0] == 503
    assert len(line._left) == 1
    hangs.set()
    async with asyncio.timeout(10):
        while line.holds(f"sqlite:///{notebook.parent / '.nbmlops' / 'store.sqlite'}"):
            await asyncio.sleep(0.01)
    assert (await ask("runs"))["total"] == 1


def test_threads_that_are_left_are_few(line):
    waits, busy = threading.Event(), []
    line.patience_s = 1e-9
    for _ in range(30):
        begun = threading.Event()
        busy.append(line.submit(lambda begun=begun: (begun.set(), waits.wait(60))))
        begun.wait(0.2 if len(line._left) == threads.MOST_HELD else 10)
    assert sum(one.running() for one in busy) == threads.MOST_HELD + 1
    waits.set()
    assert [one.result(10)[1] for one in busy] == [True] * 30  # none of them is lost


def test_a_server_stops_though_a_store_hangs():
    subprocess.run([sys.executable, "-c", HANGS], check=True, timeout=30)


def test_a_change_that_is_under_way_ends_before_the_server_does(tmp_path):
    subprocess.run([sys.executable, "-c", WRITES], check=True, timeout=30, cwd=tmp_path)
    assert (tmp_path / "done").exists()


def test_what_goes_wrong_on_a_thread_is_told_to_who_asked_and_ends_no_thread(line):
    with pytest.raises(ZeroDivisionError):
        line.submit(lambda: 1 / 0).result(10)
    first, second = (line.submit(threading.get_ident).result(10) for _ in range(2))
    assert first == second
