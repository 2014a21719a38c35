"""JupyterLab's Notebook Jobs through our ledger, asked over a real Jupyter server without a browser."""

from __future__ import annotations

import asyncio
import json
import time

import nbformat
import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

import nbmlops as nb
from asked import Company, written
from nbmlops.config import find_project
from nbmlops.errors import NotAllowed, NotFound
from nbmlops.jobs.schedule.ticker import tick
from nbmlops.jobs.works import apart
from nbmlops.records import now
from nbmlops.store import events, ledger
from nbmlops.store.database import open_store
from nbmlops.tracking import session

OURS = "nbmlops.server.scheduler"
ENDED = 90  # s


class Readers(Authorizer):
    """Lets everybody read, and Ann write too."""

    def is_authorized(self, handler, user, action, resource):
        return resource != "nbmlops" or action == "read" or user.username == "ann@example.org"


@pytest.fixture
def jp_server_config(jp_root_dir, needed):
    needed("jupyter_scheduler")
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_scheduler": True},
            "identity_provider_class": Company,
            "authorizer_class": Readers,
        },
        "SchedulerApp": {
            "scheduler_class": f"{OURS}.LedgerScheduler",
            "environment_manager_class": f"{OURS}.Kernels",
            "db_url": "sqlite://",
        },
    }


@pytest.fixture(autouse=True)
def folder(jp_root_dir, tmp_path, monkeypatch):
    """The project is the server's folder; the server was started in another one."""
    for name in ("NBMLOPS_STORE", "NBMLOPS_HOME", "JPY_SESSION_NAME", "NBMLOPS_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NBMLOPS_WARM", "0")
    (jp_root_dir / "nbmlops.toml").write_text("[scheduler]\nworkers = 1\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    session.reset()
    yield jp_root_dir
    session.reset()


@pytest.fixture
def project(folder):
    return find_project(folder)


@pytest.fixture
def notebook(folder):
    return written(folder / "say.ipynb", "print('so far ' * times)", parameters="times = 2  # how often")


@pytest.fixture
def ask(jp_fetch):
    async def fetch(*path, method="GET", body=None, who="ann@example.org", **params):
        text = json.dumps(body) if body is not None else None
        how = {"method": method, "body": text, "params": params, "headers": {"X-User": who}}
        answer = await jp_fetch("scheduler", *path, **how)
        return json.loads(answer.body) if answer.body else None

    return fetch


@pytest.fixture
def create(ask):
    async def made(**more):
        body = {"name": "say it", "input_uri": "say.ipynb", "runtime_environment_name": "python3", **more}
        return (await ask("jobs", method="POST", body=body))["job_id"]

    return made


@pytest.fixture
def define(ask):
    async def made(**more):
        body = {"name": "Every night", "input_uri": "say.ipynb", "runtime_environment_name": "python3", **more}
        return (await ask("job_definitions", method="POST", body=body))["job_definition_id"]

    return made


async def until(ask, job_id, holds):
    end = time.monotonic() + ENDED
    while not holds(job := await ask("jobs", job_id)):
        assert time.monotonic() < end, job
        await asyncio.sleep(0.1)
    return job


async def ended(ask, job_id):
    return await until(ask, job_id, lambda job: job["status"] not in ("CREATED", "QUEUED", "IN_PROGRESS"))


async def downloaded(ask, job_id, folder):
    """Return the texts of a job's files by their format, as they lie in the server's folder."""
    await ask("jobs", job_id, "download_files")
    job = await until(ask, job_id, lambda job: job["downloaded"])
    return {f["file_format"]: (folder / f["file_path"]).read_text() for f in job["job_files"]}


async def refused(waiting) -> str:
    with pytest.raises(HTTPClientError) as caught:
        await waiting
    return json.loads(caught.value.response.body)["message"]


def works(project):
    return ledger.list(open_store(project), limit=None)


def actors(project, action):
    with open_store(project).reading() as connection:
        return [event["actor"] for event in events.listed(connection, action=action)]


async def test_create_run_download(ask, create, notebook, folder, project, tmp_path):
    """Notes of jobs, section 7, number 10."""
    job_id = await create(parameters={"times": "3"}, output_formats=["ipynb", "html"])
    job = await ended(ask, job_id)
    assert (job["status"], job["name"], job["parameters"]) == ("COMPLETED", "say it", {"times": "3"})
    assert job["start_time"] <= job["end_time"]
    assert job["status_message"] is None  # the form would show it in red
    found = await downloaded(ask, job_id, folder)
    assert "so far so far so far" in found["ipynb"]
    assert "so far so far so far" in found["html"]
    assert found["input"].encode() == notebook.read_bytes()
    (work,) = works(project)
    assert (work.state, work.attempt) == ("finished", 1)
    databases = {path.relative_to(folder).as_posix() for path in tmp_path.rglob("*sqlite*") if path.is_file()}
    assert {name for name in databases if name.endswith("sqlite")} == {
        ".nbmlops/store.sqlite"
    }  # there is no second one


async def test_what_the_notebook_does_not_take_is_said_before_anything_runs(create, notebook, folder, project):
    assert "times" in await refused(create(parameters={"tims": "3"}))
    assert "times" in await refused(create(parameters={"times": "often"}))
    assert "away.ipynb" in await refused(create(input_uri="away.ipynb"))
    assert "../" in await refused(create(input_uri="../../etc/passwd"))
    written(folder / "say.ipynb", "1", parameters="months: int\ndb_password = ''")
    assert "needs months" in await refused(create())
    assert "is a secret, and would be stored" in await refused(create(parameters={"months": "1", "db_password": "x7"}))
    assert works(project) == []


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("package_input_folder", True, "a job runs in the folder of its notebook"),
        ("compute_type", "gpu", "a job runs where the project's executor is"),
        ("runtime_environment_parameters", {"cores": 3}, "takes none"),
        ("output_filename_template", "{{name}}", "an output is called as its run"),
        ("output_formats", ["pdf"], "ipynb and html"),
        ("runtime_environment_name", "no-such-kernel", "No kernel 'no-such-kernel' here. Known: "),
    ],
)
async def test_what_the_ledger_has_no_word_for_is_refused(create, define, notebook, folder, project, field, value, why):
    for making in (create, define):
        assert why in await refused(making(**{field: value}))
    assert works(project) == []
    assert not (folder / "jobs").exists()


async def test_a_token_makes_one_job(ask, create, notebook):
    job_id = await create(idempotency_token="once-and-no-more")
    with pytest.raises(HTTPClientError) as caught:
        await create(idempotency_token="once-and-no-more")
    assert caught.value.code == 409
    await ended(ask, job_id)
    assert (await ask("jobs"))["total_count"] == 1


async def test_a_failure_says_why_and_a_stop_stops(ask, create, folder, project):
    written(folder / "say.ipynb", "import time; time.sleep(60)")
    job_id = await create()
    await until(ask, job_id, lambda job: job["status"] == "IN_PROGRESS")
    assert (await ask("jobs", "count"))["count"] == 1
    await ask("jobs", job_id, method="PATCH", body={"status": "STOPPED"})
    stopped = await ask("jobs", job_id)
    assert stopped["status"] == "STOPPED"
    assert stopped["status_message"] == "cancelled: cancelled by ann@example.org: in Notebook Jobs"
    assert actors(project, "job_cancelled") == ["ann@example.org"]
    assert "is due or started" in await refused(ask("jobs", job_id, method="PATCH", body={"status": "STOPPED"}))
    assert "cannot be changed" in await refused(ask("jobs", job_id, method="PATCH", body={"name": "other"}))
    written(folder / "say.ipynb", "1 / 0")
    failed = await ended(ask, await create())
    assert (failed["status"], failed["status_message"]) == ("FAILED", "error: ZeroDivisionError: division by zero")
    assert (await ask("jobs", "count", status="failed"))["count"] == 1
    await ask("jobs", failed["job_id"], method="DELETE")
    assert [j["job_id"] for j in (await ask("jobs"))["jobs"]] == [job_id]


async def test_what_was_begun_elsewhere_is_listed_and_kept(ask, notebook, folder, project, monkeypatch):
    monkeypatch.chdir(folder)
    session.reset()
    alone = nb.run_notebook("say.ipynb", {"times": 1})
    panel = apart.start("say.ipynb", {"times": 4})
    fire = {"key": "nightly@2026-03-01T02:00:00+00:00", "job": "nightly", "notebook": "say.ipynb", "state": "missed"}
    with ledger.changing(open_store(project)) as change:
        ledger.add(change, [{**fire, "reason": "no ticker was there in time"}])
    listed = {job["name"]: job for job in (await ask("jobs"))["jobs"]}
    assert set(listed) == {"say", panel.key, "nightly"}
    assert (listed["nightly"]["status"], listed["nightly"]["status_message"]) == (
        "STOPPED",
        "missed: no ticker was there in time",
    )
    done = await ended(ask, listed[panel.key]["job_id"])
    assert (done["status"], done["parameters"]) == ("COMPLETED", {"times": "4"})
    assert listed["say"]["job_id"] == alone.run_id
    assert "so far so far so far so far" in (await downloaded(ask, done["job_id"], folder))["html"]
    assert "so far" in (await downloaded(ask, alone.run_id, folder))["ipynb"]
    assert "keeps what became of it" in await refused(ask("jobs", done["job_id"], method="DELETE"))
    assert "belongs to no work" in await refused(ask("jobs", alone.run_id, method="DELETE"))
    assert "Nothing was executed yet" in await refused(ask("jobs", listed["nightly"]["job_id"], "download_files"))
    assert len((await ask("jobs"))["jobs"]) == 3


async def test_a_definition_is_a_file_of_the_project(ask, define, notebook, folder, project):
    clock = {"schedule": "0 2 * * *", "timezone": "Europe/Berlin"}
    made = await define(**clock, parameters={"times": "{{ scheduled_for.month }}"}, output_formats=["html"])
    text = (folder / "jobs" / "Every-night.yaml").read_text()
    assert "notebook: say.ipynb" in text
    assert "0 2 * * *" in text
    assert "is there already" in await refused(define())
    (found,) = (await ask("job_definitions"))["job_definitions"]
    assert (found["schedule"], found["timezone"], found["active"]) == ("0 2 * * *", "Europe/Berlin", True)
    await ask("job_definitions", made, method="PATCH", body={"active": False})
    assert not (await ask("job_definitions", made))["active"]
    assert actors(project, "job_paused") == ["ann@example.org"]
    await ask("job_definitions", made, method="PATCH", body={"active": True, "schedule": "30 3 * * *"})
    assert (await ask("job_definitions", made))["schedule"] == "30 3 * * *"
    await ask("job_definitions", made, method="DELETE")
    assert (await ask("job_definitions"))["job_definitions"] == []


async def test_a_definition_has_no_word_for_tags_and_a_file_by_hand_is_its_author_s(ask, define, notebook, folder):
    assert "a job's file has none" in await refused(define(tags=["nightly"]))
    made = await define(parameters={"times": "1"})
    assert "a job is called as its file" in await refused(
        ask("job_definitions", made, method="PATCH", body={"name": "other", "active": False})
    )
    assert (await ask("job_definitions", made))["active"]
    path = folder / "jobs" / "Every-night.yaml"
    path.write_text(path.read_text().partition("\n")[2])
    for method, body in (("PATCH", {"schedule": "0 1 * * *"}), ("DELETE", None)):
        assert "was written by hand" in await refused(ask("job_definitions", made, method=method, body=body))
    assert path.exists()


async def test_an_edited_schedule_keeps_a_notebook_in_a_folder(ask, define, notebook, folder):
    """The form sends the notebook's name without its folder, also where another one is called so."""
    (folder / "deep").mkdir()
    notebook.rename(folder / "deep" / "say.ipynb")
    written(folder / "say.ipynb", "print('another')")
    made = await define(input_uri="deep/say.ipynb", schedule="0 2 * * *")
    changed = {"schedule": "0 3 * * *", "timezone": "UTC", "input_uri": "say.ipynb"}
    await ask("job_definitions", made, method="PATCH", body=changed)
    text = (folder / "jobs" / "Every-night.yaml").read_text()
    assert "notebook: deep/say.ipynb" in text
    assert "0 3 * * *" in text


async def test_a_job_by_hand_is_tried_again_and_never_twice_at_once(ask, folder, project):
    dies = "import os, pathlib, signal\nif not pathlib.Path('seen').exists():\n    pathlib.Path('seen').touch()\n"
    dies += (
        "    os.kill(os.getpid(), signal.SIGKILL)\nimport time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)"
    )
    written(folder / "say.ipynb", dies)
    (folder / "jobs").mkdir()
    (folder / "jobs" / "nightly.yaml").write_text("notebook: say.ipynb\npolicy: {retries: 2, backoff: 1s}\n")
    (found,) = (await ask("job_definitions"))["job_definitions"]
    again = ("job_definitions", found["job_definition_id"], "jobs")
    job_id = (await ask(*again, method="POST", body={}))["job_id"]
    assert "A job does one work at a time" in await refused(ask(*again, method="POST", body={}))
    (folder / "go").touch()
    job = await ended(ask, job_id)
    assert (job["status"], job["job_definition_id"]) == ("COMPLETED", found["job_definition_id"])
    (work,) = works(project)
    assert (work.attempt, work.spec["by"]) == (2, "ann@example.org")
    listed = await ask("jobs", job_definition_id=found["job_definition_id"])
    assert [j["job_id"] for j in listed["jobs"]] == [job_id]


async def test_what_a_tick_fires_is_listed_below_its_definition(ask, define, notebook, project):
    made = await define(schedule="0 2 * * *")
    tick(project, "2026-03-01T01:00:00+00:00")
    tick(project, "2026-03-01T02:00:01+00:00")
    (job,) = (await ask("jobs", job_definition_id=made))["jobs"]
    assert (job["status"], job["name"]) == ("QUEUED", "Every-night")
    await ask("jobs", job["job_id"], method="PATCH", body={"status": "STOPPED"})
    assert [work.state for work in works(project)] == ["cancelled"]


async def test_the_input_is_what_ran_though_the_notebook_was_edited_since(ask, create, notebook, folder):
    job_id = await create(parameters={"times": "3"})
    await ended(ask, job_id)
    written(notebook, "print('something else')")
    cells = nbformat.reads((await downloaded(ask, job_id, folder))["input"], 4).cells
    assert [cell.source for cell in cells] == ["times = 2  # how often", "print('so far ' * times)"]
    assert [cell.outputs for cell in cells] == [[], []]


async def test_of_private_columns_no_value_is_told(ask, create, define, folder):
    (folder / "charter.yaml").write_text("private: [city]\n")
    written(folder / "say.ipynb", "print('from ' + city)", "raise ValueError(city)", parameters="city = 'Bern'")
    job_id = await create(parameters={"city": "Ulm"})
    failed = await ended(ask, job_id)
    assert failed["status_message"] == "error: ValueError"
    await define(parameters={"city": "Ulm"})
    for path in (("jobs",), ("jobs", job_id), ("job_definitions",)):
        assert "Ulm" not in json.dumps(await ask(*path))
    found = await downloaded(ask, job_id, folder)
    assert "Ulm" not in found["html"]
    assert "not shown: what it printed" in found["html"]
    assert "raise ValueError(city)" in found["html"]
    assert "Ulm" not in found["input"]
    assert "Type its value" in await refused(create(parameters=failed["parameters"]))


async def test_who_may_read_alone_reads_alone(ask, create, notebook, folder, project):
    job_id = await create()
    bob = {"who": "bob@example.org"}
    assert (await ask("jobs", job_id, **bob))["job_id"] == job_id
    asked = {"name": "say it", "input_uri": "say.ipynb", "runtime_environment_name": "python3"}
    for path, method, body in (
        (("jobs",), "POST", asked),
        (("jobs", job_id), "PATCH", {"status": "STOPPED"}),
        (("jobs", job_id), "DELETE", None),
        (("job_definitions",), "POST", asked),
        (("jobs", job_id, "download_files"), "GET", None),
    ):
        assert "no right to write jobs" in await refused(ask(*path, method=method, body=body, **bob))
    await ended(ask, job_id)
    (work,) = works(project)
    assert (work.state, work.spec["by"], work.trigger) == ("finished", "ann@example.org", "by hand: ann@example.org")
    assert not (folder / "jobs").exists()


async def test_looking_makes_no_store(ask, folder):
    assert (await ask("jobs"))["jobs"] == []
    assert (await ask("jobs", "count"))["count"] == 0
    for odd in ("no-such-job", "fire-zz", "fire-ff"):
        assert "No job" in await refused(ask("jobs", odd))
    assert not (folder / ".nbmlops").exists()


async def test_a_long_list_comes_in_pages(ask, notebook, project):
    rows = [
        {"key": f"nightly@{n:03}", "job": f"night{n:03}", "notebook": "say.ipynb", "created_at": now()}
        for n in range(30)
    ]
    with ledger.changing(open_store(project)) as change:
        ledger.add(change, rows)
    first = await ask("jobs", max_items="25", sort_by="asc(create_time)")
    rest = await ask("jobs", max_items="25", sort_by="asc(create_time)", next_token=first["next_token"])
    assert (len(first["jobs"]), first["total_count"], len(rest["jobs"])) == (25, 30, 5)
    assert "next_token" not in rest
    both = [job["name"] for job in first["jobs"] + rest["jobs"]]
    assert both == sorted(both)
    assert len(set(both)) == 30
    last = await ask("jobs", max_items="1", sort_by="desc(name)")
    assert [job["name"] for job in last["jobs"]] == both[-1:]
    assert "cannot be sorted by 'color'" in await refused(ask("jobs", sort_by="asc(color)"))


async def test_kernels_are_the_environments(ask, notebook):
    names = [e["name"] for e in await ask("runtime_environments")]
    assert "python3" in names
    features = (await ask("config"))["supported_features"]
    assert features["parameters"]
    assert features["stop_job"]
    assert not features["email_notifications"]


def test_an_output_that_lies_elsewhere_is_named(needed, project):
    needed("jupyter_scheduler")
    from nbmlops.server.scheduler_files import executed

    with pytest.raises(NotFound, match=r"s3://bucket/out\.ipynb"):
        executed({"output": "s3://bucket/out.ipynb", "status": "finished"}, project)


def test_the_forms_class_does_not_execute_a_work_itself(needed):
    needed("jupyter_scheduler")
    from nbmlops.server.scheduler_forms import Features

    with pytest.raises(NotAllowed, match=r"carried out by its executors.*nbmlops scheduler run"):
        Features("job", ".", "", {}).execute()
