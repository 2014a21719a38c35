"""What was done lately is counted, and the newest fact is found, whatever table it stands in."""

import nbmlops as nb
from nbmlops.store import counted, ledger
from nbmlops.tracking import session

LONG_AGO, AHEAD = "2000-01-01T00:00:00.000000+00:00", "2999-01-01T00:00:00.000000+00:00"


def work(key, state, at, **more):
    return {"key": key, "notebook": "a.ipynb", "parameters": {}, "state": state, "created_at": at, **more}


def add(*rows):
    with ledger.changing(session.store()) as change:
        ledger.add(change, rows)


def test_runs_count_by_status_and_parts_of_a_run_do_not(project):
    with nb.run("train"):
        session.finish(session.start("train", kind="fold"))
    session.finish(session.start("train"), "failed", "error", {"name": "ValueError", "message": "x"})
    assert counted.runs(session.store(), LONG_AGO) == {"failed": 1, "finished": 1}
    assert counted.runs(session.store(), AHEAD) == {}


def test_works_count_by_job_and_state_since_a_time(project):
    may, june = "2013-05-01T00:00:00.000000+00:00", "2013-06-01T00:00:00.000000+00:00"
    add(work("a@1", "finished", may, job="a"), work("a@2", "finished", june, job="a"))
    add(work("a@3", "missed", june, job="a"), work("key", "due", june))
    assert counted.works(session.store(), june) == [
        {"job": "a", "state": "finished", "count": 1, "last_at": june},
        {"job": "a", "state": "missed", "count": 1, "last_at": june},
    ]
    assert counted.works(session.store(), may)[0]["count"] == 2


def test_the_newest_fact_wins_whatever_it_is(project):
    assert counted.last_known(session.store()) is None
    with nb.run("train"):
        pass
    assert counted.last_known(session.store()) == nb.get_run("train").ended_at
    add(work("later", "finished", AHEAD))
    assert counted.last_known(session.store()) == AHEAD
