"""Ticks: fires that never lie, whoever ticks, whatever was missed."""

import contextlib
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from nbmlops.config import find_project
from nbmlops.errors import Unavailable
from nbmlops.jobs.schedule import definition, manage, plan, ticker
from nbmlops.jobs.schedule.plan import Fire, Open
from nbmlops.store import ledger, schedules
from nbmlops.store.database import open_store
from spawned import spawning

START = datetime(2026, 3, 1, tzinfo=UTC)


class NoOp:
    """Does nothing, as well as one can: each attempt ends as it is told to."""

    def __init__(self, project, status="finished", cause=None, at=None, lease_s=86400.0):
        self.store, self.how, self.at, self.lease_s, self.done = open_store(project), (status, cause), at, lease_s, []

    def free(self):
        return 1000

    def submit(self, claim):
        self.done.append(claim)
        at = self.at or NOW[0]
        with ledger.changing(self.store) as change:
            if self.how[0] == "running":
                assert ledger.renew(change, claim, at, self.lease_s)
            else:
                assert ledger.close(change, claim, *self.how, at=at)


NOW = [START.isoformat()]


@pytest.fixture
def job(project):
    def write(text, name="retrain", notebook="retrain.ipynb"):
        (project / "jobs").mkdir(exist_ok=True)
        (project / "jobs" / f"{name}.yaml").write_text(f"notebook: {notebook}\n{text}")
        return definition.find(name, find_project(project))

    return write


@pytest.fixture
def at(project):
    """Tick so many minutes after the start."""

    def tick(minutes, executor=None, what_if=False):
        NOW[0] = (START + timedelta(minutes=minutes)).isoformat()
        return ticker.tick(find_project(project), NOW[0], executor, what_if)

    return tick


@pytest.fixture
def works(project):
    def listed(**how):
        found = ledger.list(open_store(find_project(project)), limit=None, **how)
        return {w.key.partition("@")[2][5:16]: w for w in reversed(found)}

    return listed


def states(works):
    return [(key, work.state) for key, work in works.items()]


HOURLY = 'when: {cron: "0 * * * *"}\n'


def test_the_first_sight_starts_now_and_each_fire_comes_once(job, at, works):
    job(HOURLY)
    assert at(0).fires == ()
    assert at(59).fires == ()
    assert [(f["key"], f["what"]) for f in at(60).fires] == [("retrain@2026-03-01T01:00:00+00:00", "due")]
    assert at(60).fires == at(61).fires == ()
    assert states(works()) == [("03-01T01:00", "due")]


def test_a_due_work_is_started_where_there_is_an_executor(job, at, works, project):
    (project / "retrain.ipynb").write_text("{}")
    job(HOURLY + "parameters: {month: '{{ scheduled_for.month }}'}\npolicy: {timeout: 1h, retries: 1, slot: heavy}")
    at(0)
    done = NoOp(find_project(project))
    assert [f["what"] for f in at(60, done).fires] == ["due", "started"]
    (work,) = works().values()
    assert (work.state, work.attempt, work.most, work.slot) == ("finished", 1, 2, "heavy")
    assert work.parameters == {"month": 3}
    assert work.spec["timeout"] == 3600
    assert len(work.digest) == 64
    assert [c.key for c in done.done] == [work.key]


@pytest.mark.parametrize(
    ("catch_up", "due", "missed"),
    [("skip", [], 26), ("latest", ["03-02T02:00"], 25), ("all", 26, 0)],
)
def test_26_hours_of_downtime(job, at, works, catch_up, due, missed):
    """Section 7, 5: under each policy for catching up."""
    job(HOURLY + f"policy: {{catch_up: {catch_up}}}")
    at(0)
    at(26 * 60 + 20)
    found = states(works())
    assert sum(state == "missed" for _, state in found) == missed
    named = [key for key, state in found if state == "due"]
    assert named == due if isinstance(due, list) else len(named) == due
    assert len(found) == 26


def test_a_fire_on_time_supersedes_late_ones_under_latest(job, at, works):
    job(HOURLY)
    at(0)
    at(3 * 60 + 1)
    assert states(works()) == [("03-01T01:00", "missed"), ("03-01T02:00", "missed"), ("03-01T03:00", "due")]
    assert "no ticker was there in time; catch_up is latest" in works()["03-01T01:00"].reason


def test_more_than_100_missed_are_one_row_that_says_how_many(job, at, works):
    job('when: {cron: "* * * * *"}\npolicy: {catch_up: skip}')
    at(0)
    at(300)
    found = works(state="missed")
    assert list(found) == ["03-01T04:44"]
    says = found["03-01T04:44"].reason
    assert "284 fires from 2026-03-01T00:01:00+00:00 to 2026-03-01T04:44:00+00:00" in says


def test_a_start_deadline_makes_a_late_fire_missed(job, at, works):
    job(HOURLY + "policy: {catch_up: all, start_deadline: 90m}")
    at(0)
    at(4 * 60 + 10)
    assert states(works()) == [
        ("03-01T01:00", "missed"),
        ("03-01T02:00", "missed"),
        ("03-01T03:00", "due"),
        ("03-01T04:00", "due"),
    ]
    assert works()["03-01T01:00"].reason == "its start deadline of 1h30m is over"


def test_overlap_skip_is_a_row_that_says_why(job, at, works, project):
    job(HOURLY)
    at(0)
    at(60, NoOp(find_project(project), "running"))
    at(120)
    assert states(works()) == [("03-01T01:00", "started"), ("03-01T02:00", "skipped")]
    assert works()["03-01T02:00"].reason == "retrain@2026-03-01T01:00:00+00:00 is still running; overlap is skip"


def test_overlap_queue_runs_one_after_another(job, at, works, project):
    job(HOURLY + "policy: {overlap: queue}")
    at(0)
    running = NoOp(find_project(project), "running")
    at(60, running)
    assert [f["what"] for f in at(120, running).fires] == ["due"]
    with ledger.changing(running.store) as change:
        ledger.close(change, running.done[0], "finished", None, NOW[0])
    assert [(f["key"][-14:-9], f["what"]) for f in at(121, running).fires] == [("02:00", "started")]


def test_overlap_replace_cancels_what_runs(job, at, works, project):
    job(HOURLY + "policy: {overlap: replace}")
    at(0)
    running = NoOp(find_project(project), "running")
    at(60, running)
    assert [f["what"] for f in at(120, running).fires] == ["cancelled", "due", "started"]
    assert states(works()) == [("03-01T01:00", "cancelled"), ("03-01T02:00", "started")]
    with ledger.changing(running.store) as change:
        assert not ledger.renew(change, running.done[0], NOW[0])  # who did it learns so


def test_a_job_stops_after_failures_in_a_row_and_says_so(job, at, works, project):
    job(HOURLY + "policy: {stop_after: 2, retries: 0}\nnotify: {failed: [manager]}")
    at(0)
    failing = NoOp(find_project(project), "failed", "error")
    at(60, failing)
    at(120, failing)
    at(180, failing)
    assert [w.state for w in works().values()] == ["failed", "failed", "skipped"]
    assert works()["03-01T03:00"].reason == "stopped after 2 failures in a row: nbmlops jobs resume retrain"
    assert schedules.known(failing.store)["retrain"]["failures"] == 2


def test_a_success_between_starts_the_count_anew(job, at, works, project):
    job(HOURLY + "policy: {stop_after: 2, retries: 0}")
    at(0)
    for hour, status in enumerate(["failed", "finished", "failed", "finished"], 1):
        at(60 * hour, NoOp(find_project(project), status))
    assert "skipped" not in [w.state for w in works().values()]


def test_a_paused_job_leaves_a_row_for_each_fire(job, at, works, project):
    job(HOURLY)
    at(0)
    store = open_store(find_project(project))
    with ledger.changing(store) as change:
        schedules.put(change, "retrain", paused_at=NOW[0], paused_by="ann")
    at(60)
    assert works()["03-01T01:00"].reason == "paused by ann on 2026-03-01T00:00"


def test_a_lapsed_lease_is_an_attempt_more(job, at, works, project):
    job(HOURLY + "policy: {retries: 1}")
    at(0)
    at(60, NoOp(find_project(project), "running", lease_s=60))
    found = at(62, NoOp(find_project(project)))
    assert [f["what"] for f in found.fires] == ["lapsed"]  # due again a little later
    found = at(63, NoOp(find_project(project)))
    assert [f["what"] for f in found.fires] == ["started"]
    (work,) = works().values()
    assert (work.state, work.attempt) == ("finished", 2)


def test_what_if_says_the_same_and_changes_nothing(job, at, works, project):
    job(HOURLY)
    at(0)
    asked = at(60, NoOp(find_project(project)), what_if=True)
    assert [f["what"] for f in asked.fires] == ["due", "started"]
    assert works() == {}
    assert [f["what"] for f in at(60, NoOp(find_project(project))).fires] == ["due", "started"]


def test_what_cannot_be_sent_does_not_lose_what_was_begun(job, at, project, monkeypatch):
    from nbmlops.jobs.schedule import notify

    def away():
        raise OSError("no route")

    monkeypatch.setattr(notify, "send", away)
    job(HOURLY)
    at(0)
    found = at(60, NoOp(find_project(project)))
    assert len(found.handles) == found.started == 1
    assert "not all was sent: OSError: no route" in found.findings[0].message


def test_a_broken_file_is_a_finding_and_the_others_fire(job, at, project):
    job(HOURLY)
    at(0)
    (project / "jobs" / "bad.yaml").write_text("notebok: a.ipynb")
    found = at(60)
    assert [f["key"] for f in found.fires] == ["retrain@2026-03-01T01:00:00+00:00"]
    assert "Did you mean 'notebook'" in found.findings[0].message


def test_another_clock_in_the_file_begins_anew(job, at, works):
    job(HOURLY)
    at(0)
    job('when: {cron: "* * * * *"}')
    assert "begins anew" in at(50).findings[0].message
    assert [f["key"][-14:-9] for f in at(51).fires] == ["00:51"]


def test_keep_forgets_the_oldest_that_ended(job, at, works, project):
    job(HOURLY + "policy: {keep: 2 runs}")
    at(0)
    for hour in range(1, 6):
        at(60 * hour, NoOp(find_project(project)))
    assert list(works()) == ["03-01T03:00", "03-01T04:00", "03-01T05:00"]


def test_keep_by_age(job, at, works, project):
    job(HOURLY + "policy: {keep: 2h}")
    at(0)
    for hour in range(1, 6):
        at(60 * hour, NoOp(find_project(project)))
    assert list(works()) == ["03-01T03:00", "03-01T04:00", "03-01T05:00"]


def test_a_secret_reaches_the_ledger_by_its_name_only(job, at, works, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    job(HOURLY + "parameters: {db_password: 'Secret(\"DB_PASSWORD\")'}")
    at(0)
    at(60)
    assert works()["03-01T01:00"].parameters == {"db_password": {"$secret": "DB_PASSWORD"}}


def test_works_of_a_job_that_is_not_here_wait_and_are_shown(job, at, works, project):
    job(HOURLY)
    at(0)
    at(60)
    (project / "jobs" / "retrain.yaml").unlink()
    job(HOURLY, "other")
    assert at(61, NoOp(find_project(project))).started == 0  # a ticker with other files may do it
    rows = {row["job"]: row for row in manage.listed(find_project(project))}
    assert rows["retrain"]["state"] == "gone"
    assert "1 due" in rows["retrain"]["says"]
    assert manage.cancel("retrain", find_project(project)) == ["retrain@2026-03-01T01:00:00+00:00"]


def test_slots_hold_across_jobs(job, at, project):
    (project / "nbmlops.toml").write_text("[slots]\nheavy = 2\n")
    for name in "abc":
        job(HOURLY + "policy: {slot: heavy}", name)
    at(0)
    found = at(60, NoOp(find_project(project), "running"))
    assert [f["what"] for f in found.fires].count("started") == 2


def test_a_tick_shows_itself(job, at, project):
    job(HOURLY)
    at(0)
    found = at(60)
    assert "retrain" in repr(found)
    bundle = found._repr_mimebundle_()
    assert bundle["application/vnd.nbmlops.tick.v1+json"]["fires"][0]["what"] == "due"
    assert "<script" not in bundle["text/html"]
    assert json.dumps(found.to_dict())


def test_decisions_need_no_store(job):
    found = job(HOURLY + "policy: {overlap: replace}")
    fires = [Fire("retrain", START + timedelta(minutes=m)) for m in (1, 2)]
    decided = plan.decide(found, fires, [Open("old", "started")], START + timedelta(minutes=3), 900)
    assert [(f.what, f.why) for f in decided] == [("skipped", f"replaced by {fires[1].key}"), ("due", "")]


def test_the_same_on_postgresql(job, at, works, project, postgres, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    job(HOURLY + "policy: {overlap: replace, keep: 3 runs, stop_after: 2, retries: 0}\nnotify: {failed: [manager]}")
    at(0)
    at(60, NoOp(find_project(project), "running"))
    failing = NoOp(find_project(project), "failed", "error")
    assert [f["what"] for f in at(120, failing).fires] == ["cancelled", "due", "started"]
    at(180, failing)
    assert "stopped after 2 failures" in at(240).fires[0]["why"]
    manage.resume("retrain", find_project(project), at=NOW[0])
    assert [f["what"] for f in at(300, NoOp(find_project(project))).fires] == ["due", "started"]
    assert at(360, what_if=True).fires[0]["what"] == "due"
    manage.pause("retrain", find_project(project), at=NOW[0])
    at(420)
    assert [w.state for w in works().values()] == ["finished", "skipped", "skipped"]
    rows = manage.backfill("retrain", find_project(project), "2026-03-01T01:00", "2026-03-01T02:00", at=NOW[0])
    assert [row["becomes"] for row in rows] == ["due", "due"]
    assert len(manage.cancel("retrain", find_project(project), at=NOW[0])) == 2
    assert [row["event"] for row in _alerts(project)] == ["failed", "failed"]


def _alerts(project):
    from nbmlops.store import episodes

    return [row["data"] for row in episodes.alerted(open_store(find_project(project)))]


def _tick_until_done(root, at, fires, done):
    project = find_project(root)
    executor = NoOp(project, at=at)
    while ledger.counts(executor.store).get("finished", 0) < fires:
        with contextlib.suppress(Unavailable):  # locked by the others for longer than it waits: the next tick does it
            if not ticker.tick(project, at, executor).started:
                time.sleep(0.1)
    done.put(len(executor.done))


def many(project, jobs, fires, processes=4):
    """Let processes tick at one time over jobs that each missed fires; return works, attempts, and who did how many."""
    (project / "jobs").mkdir()
    for number in range(jobs):
        text = 'notebook: a.ipynb\nwhen: {cron: "0 * * * *"}\npolicy: {catch_up: all}'
        (project / "jobs" / f"job{number:03}.yaml").write_text(text)
    ticker.tick(find_project(project), START.isoformat())
    at = (START + timedelta(hours=fires, minutes=30)).isoformat()
    context = spawning()
    done = context.Queue()
    workers = [
        context.Process(target=_tick_until_done, args=(project, at, jobs * fires, done)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    counts = [done.get(timeout=280) for _ in workers]
    for worker in workers:
        worker.join()
    store = open_store(find_project(project))
    found = ledger.list(store, limit=None)
    return found, [a for w in found for a in ledger.attempts_of(store, w.key)], counts


def test_four_tickers_on_one_sqlite_file(project):
    """Section 7, 4, in small."""
    found, attempts, counts = many(project, jobs=20, fires=5)
    assert len(found) == len(attempts) == sum(counts) == 100
    assert {w.state for w in found} == {"finished"}
    assert len({w.key for w in found}) == 100


@pytest.mark.slow
def test_four_tickers_and_1000_due_fires_on_one_sqlite_file(project):
    """Section 7, 4."""
    found, attempts, counts = many(project, jobs=100, fires=10)
    assert len(found) == len(attempts) == sum(counts) == 1000
    assert {w.state for w in found} == {"finished"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_four_tickers_and_1000_due_fires_on_postgresql(project, postgres, monkeypatch):
    """Section 7, 4."""
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    found, attempts, counts = many(project, jobs=100, fires=10)
    assert len(found) == len(attempts) == sum(counts) == 1000
    assert {w.state for w in found} == {"finished"}
