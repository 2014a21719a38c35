"""A job's name is its newest run that ended; what is no job and no run says what is known."""

import pytest

import nbmlops as nb
from nbmlops.errors import NotFound
from nbmlops.report.kinds.kind import subject_of
from nbmlops.store import ledger
from nbmlops.tracking import session

AT = "2026-03-0{}T01:00:00.000000+00:00"


@pytest.fixture
def worked(project):
    """Do a work of a job, on a day: ``worked("nightly", 1)`` returns the id of its run."""

    def do(job, day, status="finished", run=True, experiment="retrain"):
        key = f"{job}-{day}"
        with ledger.changing(session.store()) as change:
            ledger.add(change, [{"key": key, "job": job, "notebook": "a.ipynb", "created_at": AT.format(day)}])
            (claim,) = ledger.claim(change, AT.format(day), "me", key=key)
        if run:
            opened = session.start(experiment, kind="notebook", run_id=claim.run_id)
            session.finish(opened, status)
        if status != "running":
            with ledger.changing(session.store()) as change:
                ledger.close(change, claim, status, None if status == "finished" else "error", AT.format(day))
        return claim.run_id

    return do


def test_a_job_is_its_newest_run_that_ended(worked):
    worked("nightly", 2)
    newest = worked("nightly", 3, "failed")
    worked("nightly", 1)
    worked("other", 4)
    worked("nightly", 5, "running")
    assert subject_of("nightly").key == f"run:{newest}"
    assert "failed" in nb.report("nightly", "r.html").read_text()


def test_a_work_that_never_became_a_run_is_left_out(worked):
    first = worked("nightly", 1)
    worked("nightly", 2, "failed", run=False)
    assert subject_of("nightly").key == f"run:{first}"


def test_an_experiment_of_the_name_counts_where_the_job_has_no_run(worked, project):
    with nb.run("nightly") as opened:
        pass
    assert subject_of("nightly").key == f"run:{opened.run_id}"
    other = worked("nightly", 1)
    assert subject_of("nightly").key == f"run:{other}"


def test_a_model_alone_is_its_newest_version_unless_an_experiment_is_called_so(retrained):
    assert subject_of("late-flights").key == f"run:{retrained.run_id}"
    with nb.run("late-flights") as opened:
        pass
    assert subject_of("late-flights").key == f"run:{opened.run_id}"


def test_a_job_that_has_not_run_says_how_to(worked, project):
    (project / "jobs").mkdir()
    (project / "jobs" / "weekly.yaml").write_text("notebook: a.ipynb\n")
    with pytest.raises(NotFound, match="Job 'weekly' has not run to an end yet"):
        subject_of("weekly")
    with pytest.raises(NotFound, match="Did you mean 'weekly'"):
        subject_of("weakly")


def test_an_unknown_name_lists_jobs_and_experiments(worked):
    worked("nightly", 1, experiment="train")
    with pytest.raises(NotFound, match="Known: nightly, train"):
        subject_of("zzz")
