"""The ledger is exact: a work is tried by one at a time, however many ask, and a stale token changes nothing."""

import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbmlops.config import find_project
from nbmlops.process import identity
from nbmlops.store import lapses, ledger, schedules
from nbmlops.store.database import Store
from nbmlops.store.ledger import Claim

AT = "2026-03-01T01:00:00.000000+00:00"


def at(seconds):
    from nbmlops.store.works import later

    return later(AT, seconds)


def row(key, **more):
    return {"key": key, "notebook": "a.ipynb", "created_at": AT, **more}


@pytest.fixture
def store(project):
    store = Store(find_project())
    yield store
    store.close()


@pytest.fixture
def add(store):
    def added(*rows):
        with ledger.changing(store) as change:
            return ledger.add(change, rows)

    return added


@pytest.fixture
def claim(store):
    def claimed(when=AT, **more):
        with ledger.changing(store) as change:
            return ledger.claim(change, when, "me", **more)

    return claimed


@pytest.fixture
def close(store):
    def closed(claim, status="finished", cause=None, when=AT, **more):
        with ledger.changing(store) as change:
            return ledger.close(change, claim, status, cause, when, **more)

    return closed


@pytest.fixture
def lapse(store):
    def lapsed(when, **more):
        with ledger.changing(store) as change:
            return lapses.lapse(change, when, **more)

    return lapsed


def states(store, **more):
    return {w.key: w.state for w in ledger.list(store, **more)}


def test_a_work_is_added_once_whatever_its_key_says(store, add):
    fire = row("J@1", job="J", scheduled_for="2026-03-01T02:00:00+01:00", parameters={"months": [1, 2]})
    assert add(fire, row("k")) == ["J@1", "k"]
    assert add(fire, row("J@other", job="J", scheduled_for="2026-03-01T01:00:00Z"), row("new")) == ["new"]
    held = ledger.get(store, "J@1")
    assert (held.state, held.scheduled_for, held.parameters) == ("due", AT, {"months": [1, 2]})
    assert ledger.get(store, "J@other") is None
    assert add() == []


def test_a_fire_that_will_not_be_done_is_a_row_with_its_reason(store, add, claim):
    add(row("J@1", job="J", state="skipped", reason="the one before still runs"))
    held = ledger.get(store, "J@1")
    assert (held.state, held.reason, held.ended_at) == ("skipped", "the one before still runs", AT)
    assert claim(at(9)) == []


def test_what_is_due_for_longest_is_claimed_first(store, add, claim):
    add(row("late", not_before=at(20)), row("b", not_before=at(10)), row("a", not_before=at(10)), row("c"))
    assert [c.key for c in claim(at(15), most=2)] == ["c", "b"]
    assert [c.key for c in claim(at(15), most=9)] == ["a"]
    assert claim(at(15)) == []
    assert [c.key for c in claim(at(20), key="late")] == ["late"]


def test_a_claim_begins_an_attempt_with_a_run_of_its_own(store, add, claim):
    add(row("k"))
    (first,) = claim(lease_s=30)
    assert Claim.from_dict(json.loads(json.dumps(first.to_dict()))) == first
    held, (tried,) = ledger.get(store, "k"), ledger.attempts_of(store, "k")
    assert (held.state, held.attempt, held.run_id) == ("started", 1, first.run_id)
    assert (tried.token, tried.run_id, tried.owner, tried.lease_until) == (first.token, first.run_id, "me", at(30))


def test_a_work_that_could_not_start_in_time_is_missed_but_a_retry_is_not(store, add, claim, close):
    add(row("k", deadline=at(60), most=2))
    (first,) = claim(at(59))
    assert close(first, "failed", "timed_out", at(70), retry_at=at(80))
    assert [c.key for c in claim(at(80))] == ["k"]
    add(row("late", deadline=at(60)))
    assert claim(at(61)) == []
    held = ledger.get(store, "late")
    assert (held.state, held.reason) == ("missed", "it could not start before its deadline")


def test_a_stale_token_changes_nothing(store, add, claim, close, lapse):
    add(row("k", most=2))
    (first,) = claim(lease_s=30)
    assert lapse(at(30)) == []
    assert lapse(at(31)) == [Claim(first.key, 1, first.token, first.run_id)]
    (second,) = claim(at(32))
    assert (second.attempt, second.token != first.token, second.run_id != first.run_id) == (2, True, True)
    with ledger.changing(store) as change:
        assert not ledger.renew(change, first, at(33))
        assert ledger.renew(change, second, at(33))
    before = ledger.get(store, "k"), ledger.attempts_of(store, "k")
    assert not close(first, when=at(34))
    assert not close(Claim("k", 2, first.token, second.run_id), when=at(34))
    assert (ledger.get(store, "k"), ledger.attempts_of(store, "k")) == before
    assert close(second, when=at(35))
    assert not close(second, "failed", "error", at(36))
    assert close(second, when=at(36))  # the first answer may have been lost
    assert [(a.status, a.cause) for a in ledger.attempts_of(store, "k")] == [
        ("abandoned", "lease_lapsed"),
        ("finished", None),
    ]
    assert (ledger.get(store, "k").state, ledger.get(store, "k").ended_at) == ("finished", at(35))


def test_a_renewed_lease_does_not_lapse(store, add, claim, lapse):
    add(row("k"))
    (first,) = claim(lease_s=30)
    with ledger.changing(store) as change:
        assert ledger.renew(change, first, at(29))
    assert lapse(at(58)) == []
    assert len(lapse(at(60))) == 1
    held = ledger.get(store, "k")
    assert (held.state, held.reason) == ("failed", "lease_lapsed")  # one attempt was allowed


def test_a_process_proven_gone_need_not_be_waited_for(store, add, claim, lapse):
    add(row("k", most=2), row("lives"), row("far"))
    gone = subprocess.run(
        [sys.executable, "-c", "import json; from nbmlops.process import identity; print(json.dumps(identity()))"],
        capture_output=True,
        text=True,
    )
    owners = {"k": json.loads(gone.stdout), "lives": identity(), "far": {**identity(), "host": "elsewhere"}}
    with ledger.changing(store) as change:
        for c in ledger.claim(change, AT, "me", most=3):
            assert ledger.renew(change, c, AT, process=owners[c.key])
    assert [c.key for c in lapse(at(1))] == ["k"]
    assert ledger.attempts_of(store, "k")[0].cause == "process_gone"
    assert states(store) == {"k": "due", "lives": "started", "far": "started"}


def test_an_attempt_whose_run_had_ended_is_settled_as_its_run_says(store, add, claim, lapse):
    import nbmlops as nb
    from nbmlops.tracking import session

    add(row("won", most=3), row("lost", most=3))
    for c in claim(most=2, lease_s=1):
        opened = session.start("a", kind="notebook", run_id=c.run_id)
        session.finish(opened, *(("finished", None) if c.key == "won" else ("failed", "error")))
    assert len(nb.runs()) == 2
    assert len(lapse(at(2))) == 2
    assert states(store) == {"won": "finished", "lost": "failed"}
    assert ledger.get(store, "lost").reason == "error"


def test_when_an_abandoned_work_is_due_again_may_be_decided(store, add, claim, lapse):
    add(row("k"))
    claim(lease_s=1)
    lapse(at(2), again=lambda held, status, cause: at(100))
    assert (ledger.get(store, "k").state, ledger.get(store, "k").not_before) == ("due", at(100))
    assert claim(at(99)) == []


def test_a_full_slot_keeps_its_works_due_and_lets_the_others_pass(store, add, claim, close):
    add(*[row(f"heavy{n}", slot="heavy") for n in range(5)], row("single1", slot="s"), row("single2", slot="s"))
    add(row("free"))
    first = claim(slots={"heavy": 2}, most=9)
    assert [c.key for c in first] == ["heavy0", "heavy1", "single1", "free"]
    assert claim(slots={"heavy": 2}, most=9) == []
    close(first[0])
    assert [c.key for c in claim(slots={"heavy": 2}, most=9)] == ["heavy2"]
    assert claim(slots={"heavy": 0, "s": 0}, most=9) == []


def test_a_work_can_be_cancelled_whether_it_runs_or_waits(store, add, claim, close):
    add(row("waits"), row("runs"))
    (running,) = claim(key="runs")
    with ledger.changing(store) as change:
        assert [ledger.cancel(change, k, "ann said so", at(5)) for k in ("waits", "runs", "none")] == [
            True,
            True,
            False,
        ]
        assert not ledger.cancel(change, "runs", "again", at(6))
    assert not close(running)
    assert {w.state for w in ledger.list(store)} == {"cancelled"}
    assert ledger.get(store, "runs").reason == "ann said so"
    assert ledger.attempts_of(store, "runs")[0].cause == "cancelled"


@pytest.mark.parametrize(
    ("status", "cause", "state"),
    [
        ("finished", None, "finished"),
        ("failed", "error", "failed"),
        ("interrupted", "cancelled", "cancelled"),
        ("interrupted", "preempted", "failed"),
    ],
)
def test_how_an_attempt_ends_settles_its_work(store, add, claim, close, status, cause, state):
    add(row("k"))
    (first,) = claim()
    assert close(first, status, cause, at(3))
    held = ledger.get(store, "k")
    assert (held.state, held.reason, held.ended_at) == (state, cause, at(3))


def test_a_lost_work_can_be_opened_again_a_finished_one_not(store, add, claim, close):
    add(row("lost", deadline=at(1)), row("won"))
    for c in claim(most=2):
        close(c, *(("failed", "error") if c.key == "lost" else ("finished", None)))
    with ledger.changing(store) as change:
        assert [ledger.reopen(change, k, at(9), more=2) for k in ("lost", "won")] == [True, False]
    assert ledger.get(store, "lost").most == 3
    assert [(c.key, c.attempt) for c in claim(at(9), most=9)] == [("lost", 2)]


def test_works_are_listed_newest_first_and_counted(store, add, claim):
    add(row("p"), *[row(f"p#{n}", parent="p") for n in range(3)], row("j", job="J"))
    claim(key="p#0")
    assert [w.key for w in ledger.list(store, limit=2)] == ["j", "p#2"]
    assert [w.key for w in ledger.list(store, parent="p", state="due")] == ["p#2", "p#1"]
    assert [w.key for w in ledger.list(store, job="J", state=("due", "failed"))] == ["j"]
    assert ledger.counts(store, parent="p") == {"due": 2, "started": 1}
    with store.atomic() as change:
        assert len(ledger.list(change, limit=None)) == 5
    assert json.loads(json.dumps(ledger.get(store, "p").to_dict()))["state"] == "due"


def test_only_the_newest_that_ended_are_kept(store, add, claim, close):
    add(*[row(f"J{n}", job="J") for n in range(6)], row("other", job="K"))
    ended = claim(most=7)
    for c in ended:
        if c.key not in ("J0", "J5"):
            close(c)
    with ledger.changing(store) as change:
        gone = ledger.prune(change, "J", keep=2)
    assert set(gone) == {c.run_id for c in ended if c.key in ("J1", "J2")}
    assert set(states(store)) == {"J0", "J3", "J4", "J5", "other"}
    assert ledger.attempts_of(store, "J1") == []


def test_what_is_known_of_a_schedule_and_of_ticks(store):
    with ledger.changing(store) as change:
        schedules.put(change, "J", digest="d", seen_until="2026-03-01T02:00:00+01:00")
        schedules.put(change, "J", failures=2, state={"episode": "e"})
        schedules.put(change, "K")
        schedules.ticked(change, "here", AT, 0.5, {"started": 1})
        schedules.ticked(change, "here", at(60), 0.25, {"started": 0})
    held = schedules.known(store)["J"]
    assert (held["seen_until"], held["failures"], held["state"], held["digest"]) == (AT, 2, {"episode": "e"}, "d")
    assert list(schedules.known(store, ["K", "none"])) == ["K"]
    assert schedules.tickers(store) == [{"host": "here", "at": at(60), "took_s": 0.25, "what": {"started": 0}}]
    with ledger.changing(store) as change:
        schedules.forget(change, "J")
    assert list(schedules.known(store)) == ["K"]


CLAIMING = """
import sys
from nbmlops.config import find_project
from nbmlops.store import ledger
from nbmlops.store.database import Store
store, at, slots = Store(find_project()), sys.argv[1], {"two": 2}
most, done = int(sys.argv[2]), 0
sys.stdin.read(1)
while True:
    with ledger.changing(store, wait_s=60) as change:
        claims = ledger.claim(change, at, "me", slots=slots, most=most)
        running = [w for w in ledger.list(change, state="started", limit=None) if w.slot == "two"]
        assert len(running) <= 2, running
    if not claims and not ledger.list(store, state="due", limit=1):
        break
    with ledger.changing(store, wait_s=60) as change:
        done += sum(ledger.close(change, c, "finished", None, at) for c in claims)
print(done)
"""


def four_claimers(project, most):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", CLAIMING, AT, str(most)]
    started = [subprocess.Popen(command, cwd=project, **pipes) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda process: process.communicate("x"), started))
    assert all(process.returncode == 0 for process in started), answers
    return [int(out) for out, _ in answers]


@pytest.mark.parametrize(("works", "most"), [(200, 1), pytest.param(1000, 5, marks=pytest.mark.slow)])
def test_four_processes_that_claim_at_once_do_each_work_once(project, store, add, works, most):
    add(*[row(f"k{n}", slot="two" if n % 10 == 0 else None) for n in range(works)])
    assert sum(four_claimers(project, most)) == works
    with store.reading() as connection:
        found = connection.exec_driver_sql(
            "SELECT count(*), count(DISTINCT key), max(attempt), count(ended_at) FROM attempts"
        )
        assert tuple(found.one()) == (works, works, 1, works)
    assert ledger.counts(store) == {"finished": works}


DYING = """
import time
from nbmlops.config import find_project
from nbmlops.process import identity
from nbmlops.store import lapses, ledger
from nbmlops.store.database import Store
store, me = Store(find_project()), identity()
while True:
    with ledger.changing(store, wait_s=60) as change:
        lapses.lapse(change, AT)
        claims = ledger.claim(change, AT, "me", slots={"two": 2}, lease_s=1e6)
        assert all([ledger.renew(change, c, AT, process=me) for c in claims])
        assert len([w for w in ledger.list(change, state="started", limit=None) if w.slot == "two"]) <= 2
    if not claims and not ledger.list(store, state=("due", "started"), limit=1):
        break
    for claim in claims:
        with ledger.changing(store, wait_s=60) as change:
            ledger.close(change, claim, "finished", None, AT)
"""


@pytest.mark.slow
def test_claimers_that_are_killed_cost_tries_and_never_a_second_success(project, store, add):
    add(*[row(f"k{n}", slot="two" if n % 5 == 0 else None, most=99) for n in range(200)])
    code = DYING.replace("AT", repr(AT))
    starting = lambda: subprocess.Popen([sys.executable, "-c", code], cwd=project, stderr=subprocess.PIPE)  # noqa: E731
    running, killed, rng = [starting() for _ in range(4)], 0, random.Random(1)
    while any(process.poll() is None for process in running):
        time.sleep(rng.uniform(0.1, 0.5))
        chosen = rng.randrange(4)
        if killed < 12 and running[chosen].poll() is None:
            running[chosen].kill()
            running[chosen].communicate()
            running[chosen], killed = starting(), killed + 1
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    assert ledger.counts(store) == {"finished": 200}
    with store.reading() as connection:
        query = "SELECT count(*) FROM attempts WHERE status = 'finished' GROUP BY key"
        assert connection.exec_driver_sql(query).scalars().all() == [1] * 200
        query = "SELECT count(*) FROM attempts WHERE status = 'finished' OR cause = 'process_gone'"
        assert connection.exec_driver_sql(query).scalar() == sum(w.attempt for w in ledger.list(store, limit=None))


@pytest.mark.sqlite
def test_a_claim_reads_no_more_where_a_million_works_are_due(store, add):
    """SQLite without statistics would take the index of the states, and sort all that is due."""
    from nbmlops.store.tables import DUE, IN_SLOT, LIMITED, UNDONE

    add(row("k"))
    asked = {
        "work_due": f"SELECT key FROM work WHERE {DUE} AND not_before <= '{AT}' ORDER BY not_before, id LIMIT 1",
        "work_slot": f"SELECT slot, count(*) FROM work WHERE {IN_SLOT} GROUP BY slot",
        "work_undone": f"SELECT key FROM work WHERE job IN ('J') AND {UNDONE}",
        "work_deadline": f"UPDATE work SET state = 'missed' WHERE {LIMITED} AND deadline < '{AT}'",
    }
    with store.reading(sync=False) as connection:
        for index, query in asked.items():
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").fetchall())
            assert f"INDEX {index} " in plan, plan
            assert "TEMP B-TREE" not in plan, plan


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("asked", "index"),
    [({"parent": "p"}, "work_parent"), ({"key": "p#1"}, "work_2 (key"), ({"key": ["p#1", "p#2"]}, "work_2 (key")],
)
def test_a_claim_of_named_works_walks_through_no_others(store, add, claim, asked, index):
    import sqlalchemy as sa

    add(*[row(f"p#{n}", parent="p") for n in range(50)])
    seen = []
    sa.event.listen(store.engine, "after_cursor_execute", lambda _c, _k, sql, values, *_: seen.append((sql, values)))
    assert len(claim(most=2, **asked)) == (1 if asked.get("key") == "p#1" else 2)
    sql, values = next(one for one in seen if one[0].startswith("SELECT") and "not_before" in one[0])
    with store.reading(sync=False) as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())
    assert index in plan, plan
    assert "TEMP B-TREE" not in plan, plan
