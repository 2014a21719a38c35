"""Numbers of reports, and what becomes of them when their run goes."""

import dataclasses
import subprocess
import sys

import pytest

import nbmlops as nb
from nbmlops.store import garbage, reports
from nbmlops.tracking import session

WEEK_S = 40 * 86_400.0
ONE = reports.Kept("run:a", 1, "run", "a", None, "A", "2026-01-01", "2026-01-02", "d" * 64, {"answer": "yes"})


def test_each_subject_counts_for_itself_and_no_number_is_given_twice(project):
    store = session.store()
    assert reports.newest(store, "run:a") is None
    assert reports.add(store, ONE)
    assert not reports.add(store, ONE)
    assert reports.add(store, dataclasses.replace(ONE, number=2, made_at="2026-01-03", digest="e" * 64))
    assert reports.add(store, dataclasses.replace(ONE, subject="run:b"))
    assert reports.newest(store, "run:a").number == 2
    assert [(r.subject, r.number) for r in reports.listed(store)] == [("run:a", 2), ("run:a", 1), ("run:b", 1)]
    assert reports.with_digest(store, "e" * 64).data == {"answer": "yes"}
    assert reports.with_digest(store, "0" * 64) is None


def test_reports_of_a_deleted_run_are_not_listed_and_go_with_it(project):
    with nb.run("forest") as run:
        pass
    with nb.run("signed") as signed:
        pass
    store, place = session.store(), session.artifacts()
    kept = {of.run_id: place.put(of.run_id.encode()) for of in (run, signed)}
    for run_id, digest in kept.items():
        assert reports.add(store, dataclasses.replace(ONE, subject=run_id, run_id=run_id, digest=digest))
    with store.atomic() as change:
        change.event("approve", "a report", {"report": kept[signed.run_id]}, ("ann", "git"))
    assert len(reports.listed(store)) == 2
    for run_id in kept:
        nb.delete(run_id)
    assert reports.listed(store) == []
    assert reports.newest(store, run.run_id).number == 1  # until gc takes the run it can come back
    later = garbage.time.time() + WEEK_S
    found = garbage.gc(session.project(), dry_run=False, now_s=later)
    assert found.runs == 2
    assert reports.newest(store, run.run_id) is None
    assert not place.has(kept[run.run_id])
    assert reports.newest(store, signed.run_id).digest == kept[signed.run_id]  # what was signed stays
    assert place.has(kept[signed.run_id])


@pytest.mark.sqlite
def test_two_processes_at_once_get_two_numbers(project):
    with nb.run("forest"):
        pass
    session.drain(30)
    code = (
        "import sys, nbmlops as nb\nfrom nbmlops.report.page import written\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "for _ in range(3): print(written('forest', sys.argv[1], refresh=True).number, flush=True)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    names = ("a.html", "b.html")
    started = [subprocess.Popen([sys.executable, "-c", code, name], cwd=project, **pipes) for name in names]
    assert [p.stdout.readline() for p in started] == ["ready\n"] * 2
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    numbers = [int(n) for p in started for n in p.communicate(timeout=60)[0].split()]
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]
