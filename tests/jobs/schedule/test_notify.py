"""Who is told what of a job: once each, through the channels of alerts, with what one needs to know."""

import json
from datetime import UTC, datetime, timedelta

import pytest

import nbmlops as nb
from nbmlops.config import find_project
from nbmlops.jobs.schedule import ticker
from nbmlops.monitoring import alerts
from nbmlops.records import now
from nbmlops.store import ledger
from nbmlops.store.database import open_store
from nbmlops.tracking import session

START = datetime(2026, 3, 1, tzinfo=UTC)
JOB = """
notebook: retrain.ipynb
owner: ann
when: {cron: "0 * * * *"}
policy: {retries: 0, stop_after: 3}
notify: {failed: [manager], missed: [ml_engineer], recovered: [manager]}
"""


@pytest.fixture
def told(project):
    """Tick so many minutes after the start; return the titles of all alerts that were sent, oldest first."""
    (project / "jobs").mkdir()
    (project / "jobs" / "retrain.yaml").write_text(JOB)
    (project / "nbmlops.toml").write_text('[alerts]\nfile = "alerts.jsonl"\n')
    (project / "charter.yaml").write_text("roles: {manager: [mia], ml_engineer: [max]}\n")
    session.reset()

    def tick(minutes, *ended):
        at = (START + timedelta(minutes=minutes)).isoformat()
        ticker.tick(find_project(project), at)
        store = open_store(find_project(project))
        for status in ended:
            with ledger.changing(store) as change:
                (claim,) = ledger.claim(change, at, "here")
                ledger.close(change, claim, status, None if status == "finished" else "error", at)
        sent = project / "alerts.jsonl"
        return [json.loads(line) for line in sent.read_text().splitlines()] if sent.exists() else []

    return tick


def test_failed_then_recovered_each_once(told):
    assert told(0) == told(60, "failed") == []
    (failed,) = told(61)
    assert failed["title"] == "retrain failed: error"
    assert (failed["event"], failed["key"]) == ("failed", "retrain@2026-03-01T01:00:00+00:00")
    assert "To: manager (mia)" in failed["text"]
    assert "Owner: ann" in failed["text"]
    assert len(told(62)) == 1
    told(120, "finished")
    assert [a["event"] for a in told(121)] == ["failed", "recovered"]
    told(180, "finished")
    assert len(told(181)) == 2  # finished again: nobody asked for that


def test_what_was_missed_is_told_in_the_same_tick_as_one_message(told):
    told(0)
    (missed,) = told(5 * 60 + 1)
    assert missed["title"].startswith("retrain was missed: no ticker was there in time")
    assert "retrain@2026-03-01T04:00:00+00:00 and 3 more before it was missed" in missed["text"]
    assert "To: ml_engineer (max)" in missed["text"]


def carried_out(project):
    """Try the work that is due, and return its run."""
    from nbmlops.jobs.works.attempt import carry_out

    with ledger.changing(open_store(find_project(project))) as change:
        (claim,) = ledger.claim(change, now(), "here")
    return carry_out(claim)


def test_the_message_of_a_failed_run_says_cell_error_last_lines_and_report(told, project, notebook):
    import nbformat

    cells = [nbformat.v4.new_code_cell("print('loaded 3 rows')\nraise ValueError('no rows after May')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), project / "retrain.ipynb")
    told(0)
    told(60)
    run = carried_out(project)
    assert run.status == "failed"
    (failed,) = told(61)
    assert failed["title"] == "retrain failed: ValueError: no rows after May"
    for word in ("1 of 1", "loaded 3 rows", "nbmlops report", run.tags["output"]):
        assert word in failed["text"]
    assert nb.alerts().iloc[0]["model"] == "job retrain"


@pytest.mark.parametrize("charter", ["private: [surname]\n", "private: [surname\n"], ids=["private", "unread"])
def test_with_private_columns_the_message_says_neither_a_value_nor_what_was_printed(told, project, notebook, charter):
    import nbformat

    source = "surname = 'Zq' + 'xander'\nprint('worst row', surname)\nraise ValueError(f'unknown customer {surname}')"
    cells = [nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), project / "retrain.ipynb")
    told(0)
    told(60)
    carried_out(project)
    (project / "charter.yaml").write_text(charter)
    (failed,) = told(61)
    assert "Zqxander" not in json.dumps(failed)
    assert failed["title"].startswith("retrain failed: ValueError: ")
    assert ("unknown customer ..." in failed["title"]) == charter.endswith("]\n")
    assert "1 of 1" in failed["text"]
    assert "not shown: what it printed may hold values of private columns" in failed["text"]


def test_why_an_attempt_ended_keeps_the_name_of_the_error_and_no_value(project):
    from nbmlops.report.gathered.outside import of_reason

    assert of_reason("ValueError: unknown customer Zqx") == "ValueError: unknown customer Zqx"
    (project / "charter.yaml").write_text("private: [surname]\n")
    assert of_reason("ValueError: could not convert string to float: 'Zqx'") == (
        "ValueError: could not convert string to float: '...'"
    )
    assert of_reason("no ticker was there in time") == "no ticker was there in time"


def test_the_third_failure_says_that_the_job_stops(told):
    told(0)
    for hour in (1, 2, 3):
        told(60 * hour, "failed")
    said = told(190)
    assert len(said) == 3
    assert "stopped after 3 failures in a row: nbmlops jobs resume retrain" in said[-1]["text"]
    assert "stopped" not in said[0]["text"]


def test_who_wants_to_know_from_now_on_hears_no_old_news(told, project):
    path = project / "jobs" / "retrain.yaml"
    path.write_text(JOB.partition("notify")[0])
    told(0)
    told(60, "failed")
    told(120, "finished")
    told(130)
    path.write_text(JOB.replace("recovered: [manager]", "finished: [manager]"))
    assert told(140) == []
    told(180, "finished")
    assert [a["key"][-14:-9] for a in told(190)] == ["03:00"]
    path.write_text(JOB)
    assert len(told(200)) == 1


def test_without_a_channel_it_is_kept(told, project):
    (project / "nbmlops.toml").write_text("")
    session.reset()
    told(0)
    told(60, "failed")
    assert told(61) == []
    assert [row["state"] for row in alerts.rows()] == ["kept"]
