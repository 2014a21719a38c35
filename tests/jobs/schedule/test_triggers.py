"""Triggers: drift, a missed target, a new version of data, another job; each once for its cause."""

import contextlib
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.config import find_project
from nbmlops.errors import Unavailable
from nbmlops.jobs.schedule import ticker, triggers
from nbmlops.store import episodes, ledger
from nbmlops.store.database import open_store
from spawned import spawning

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(project):
    return open_store(find_project(project))


@pytest.fixture
def job(project):
    def write(text, name="retrain"):
        (project / "jobs").mkdir(exist_ok=True)
        (project / "jobs" / f"{name}.yaml").write_text(f"notebook: retrain.ipynb\n{text}")

    return write


@pytest.fixture
def fired(project):
    """Tick so many minutes after the start, and return the fires as (what, trigger, why)."""

    def tick(minutes):
        found = ticker.tick(find_project(project), (START + timedelta(minutes=minutes)).isoformat())
        tick.findings = [f.message for f in found.findings]
        return [(f["what"], f["trigger"], f["why"]) for f in found.fires]

    return tick


@pytest.fixture
def episode(store):
    def open_(episode_id, level="alert", column="", model="late-flights"):
        when = {"opened_on": "2026-03", "opened_at": "a", "last_on": "2026-03", "last_at": "a"}
        about = {
            "code": "feature_drift",
            "column": column or episode_id,
            "level": level,
            "state": "opened",
            "message": "",
        }
        row = {"episode_id": episode_id, "model": model, "version": 1, **when, **about, "passes": 0}
        with store.atomic() as change:
            episodes.put(change, [{**row, "checks": 1, "message": "", "closed_on": None, "closed_at": None}])

    return open_


def test_an_episode_fires_once_when_it_opens_at_the_level(job, fired, episode):
    episode("before")
    job("when: {drift: late-flights}")
    assert fired(0) == []
    episode("low", "notice")
    episode("other", model="price")
    assert fired(1) == []
    episode("high", column="carrier")
    assert fired(2) == [("due", "episode:high", "late-flights@1: carrier drifted (alert, since 2026-03)")]
    assert fired(3) == []
    episode("low", "alert")  # it rose
    assert [(what, trigger) for what, trigger, _ in fired(4)] == [("skipped", "episode:low")]  # the first is still due


def test_notice_is_enough_where_the_job_says_so(job, fired, episode):
    job("when: {drift: late-flights, level: notice}")
    fired(0)
    episode("low", "notice")
    assert [f[:2] for f in fired(1)] == [("due", "episode:low")]


def test_what_opens_together_is_one_fire(job, fired, episode):
    job("when: {drift: late-flights}")
    fired(0)
    episode("one")
    episode("two", column="origin")
    ((what, trigger, _),) = fired(1)
    assert what == "due"
    assert set(trigger.split(", ")) == {"episode:one", "episode:two"}


def test_each_new_version_of_a_data_set_fires(job, fired, store):
    nb.dataset("flights", pd.DataFrame({"a": [1, 2]}))
    job("when: {dataset: flights}\npolicy: {overlap: queue}")
    assert fired(0) == []
    nb.dataset("flights", pd.DataFrame({"a": [1, 2]}))  # the same data is the same version
    assert fired(1) == []
    nb.dataset("flights", pd.DataFrame({"a": [1, 2, 3]}))
    assert fired(2) == [("due", "dataset:flights@2", "flights@2 is new")]
    assert fired(3) == []
    (work,) = ledger.list(store)
    assert (work.trigger, work.spec["because"]) == ("dataset:flights@2", "flights@2 is new")


def test_a_job_after_another_fires_when_that_has_finished(job, fired, store):
    job('when: {cron: "0 * * * *"}', "ingest")
    job("when: {after: ingest}", "train")
    fired(0)
    fired(60)

    def end(status, minutes):
        at = (START + timedelta(minutes=minutes)).isoformat()
        with ledger.changing(store) as change:
            (claim,) = ledger.claim(change, at, "here")
            ledger.close(change, claim, status, None if status == "finished" else "error", at)

    end("failed", 61)
    assert fired(62) == []
    fired(120)
    end("finished", 121)
    assert [f[:2] for f in fired(122)] == [("due", "work:ingest@2026-03-01T02:00:00+00:00")]
    assert fired(123) == []


def test_cooldown_and_per_day_leave_rows_that_say_why(job, fired):
    job("when: {dataset: flights}\npolicy: {cooldown: 1h, per_day: 2, overlap: queue}")
    fired(0)

    def after(minutes, rows):
        nb.dataset("flights", pd.DataFrame({"a": range(rows)}))
        return [(what, why) for what, _, why in fired(minutes)]

    assert after(1, 1)[0][0] == "due"
    assert after(30, 2) == [("skipped", "cooldown of 1h until 2026-03-01T01:01:00+00:00")]
    assert after(62, 3)[0][0] == "due"
    assert after(130, 4) == [("skipped", "it was triggered 2 times today; per_day is 2")]
    assert after(1441, 5)[0][0] == "due"  # another day


@pytest.fixture
def watched(project, fit, people):
    """A champion whose targets are in the charter; predict a month and hand in what came true."""
    (project / "charter.yaml").write_text("metrics:\n  - {name: roc_auc, at_least: 0.75}\n")
    version = nb.register(fit("age", "city", "noise"), "late")
    nb.promote("late", version.version, to="champion", reason="first")

    def month(name, wrong=False, outcomes=True, seed=5):
        rows = people(400, seed)
        said = nb.predict("late@champion", rows, batch=name)
        truth = ~rows.late if wrong else rows.late
        frame = pd.DataFrame({"prediction_id": said.prediction_id, "outcome": truth})
        if outcomes:
            nb.feedback(frame)
        return frame

    return month


def test_a_missed_target_fires_once_for_each_batch_that_misses_it(job, fired, watched):
    watched("2026-01")
    job("when: {target: late.roc_auc}\npolicy: {overlap: queue}")
    assert fired(0) == []
    truth = watched("2026-02", wrong=True, outcomes=False)
    assert fired(1) == []  # nothing is known of it yet
    nb.feedback(truth)
    ((what, trigger, why),) = fired(2)
    assert (what, trigger) == ("due", "target:late@1/2026-02.roc_auc")
    assert "late@1/2026-02" in why
    assert "0.75" in why
    assert fired(3) == []
    watched("2026-03")
    assert fired(4) == []
    watched("2026-04", wrong=True, seed=6)
    assert [f[1] for f in fired(5)] == ["target:late@1/2026-04.roc_auc"]


def test_outcomes_that_were_there_before_their_predictions_are_judged(job, fired, watched, people):
    job("when: {target: late.roc_auc}")
    assert fired(0) == []
    rows = people(400, 5).assign(booking=range(400))
    nb.feedback(rows.assign(outcome=~rows.late), model="late", key="booking")
    nb.predict("late@champion", rows, batch="2026-02", key="booking")
    assert [f[1] for f in fired(1)] == ["target:late@1/2026-02.roc_auc"]


def test_outcomes_still_to_come_fire_nothing(job, fired, watched):
    job("when: {target: late.roc_auc}")
    fired(0)
    first, second = (watched(name, wrong=True, outcomes=False) for name in ("2026-01", "2026-02"))
    nb.feedback(first[:200])
    assert fired(1) == []
    nb.feedback(second[:10])
    nb.feedback(first)
    assert [f[1] for f in fired(2)] == ["target:late@1/2026-01.roc_auc"]  # the newest that can be judged


def test_a_target_nobody_agreed_on_is_a_finding_and_stops_no_other_job(job, fired, watched):
    watched("2026-01")
    job("when: {target: late.auc}")
    job("when: {dataset: flights}", "other")
    fired(0)
    assert "No target 'auc' in the charter" in fired.findings[0]
    nb.dataset("flights", pd.DataFrame({"a": [1]}))
    assert [f[1] for f in fired(1)] == ["dataset:flights@1"]


def test_a_trigger_that_cannot_be_judged_stops_no_other_job(job, fired, monkeypatch):
    def broken(*_):
        raise KeyError("odd")

    monkeypatch.setitem(triggers.LOOKS, "drift", broken)
    job("when: {drift: late}", "first")
    job("when: {dataset: flights}", "second")
    fired(0)
    assert fired.findings == ["jobs/first.yaml: KeyError: 'odd'"]
    nb.dataset("flights", pd.DataFrame({"a": [1]}))
    assert [f[1] for f in fired(1)] == ["dataset:flights@1"]


def _ticks(root, times):
    for at in times:
        with contextlib.suppress(Unavailable):  # locked by the others: the next tick does it
            ticker.tick(find_project(root), at)


def test_any_number_of_tickers_fire_once_for_a_cause(job, fired, store, project):
    job("when: {dataset: flights}\npolicy: {overlap: queue}")
    fired(0)
    nb.dataset("flights", pd.DataFrame({"a": [1]}))
    times = [(START + timedelta(minutes=m)).isoformat() for m in range(1, 6)]
    context = spawning()
    workers = [context.Process(target=_ticks, args=(project, times)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.trigger for w in ledger.list(store)] == ["dataset:flights@1"]


def test_a_trigger_that_changes_begins_anew(job, fired, episode):
    job("when: {dataset: flights}")
    fired(0)
    episode("before")
    job("when: {drift: late-flights}")
    assert fired(1) == []
    episode("after")
    assert [f[1] for f in fired(2)] == ["episode:after"]
