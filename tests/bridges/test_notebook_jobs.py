"""JupyterLab's Notebook Jobs through our ledger, asked over a real Jupyter server without a browser."""

from __future__ import annotations

import asyncio
import json

import nbformat
import pytest
from tornado.httpclient import HTTPClientError

from nbmlops.errors import NotAllowed
from nbmlops.store import ledger
from nbmlops.store.database import open_store
from nbmlops.tracking import session

pytest_plugins = ["pytest_jupyter.jupyter_server"]
OURS = "nbmlops.bridges.notebook_jobs"


@pytest.fixture
def jp_server_config(jp_root_dir, needed, monkeypatch):
    needed("jupyter_scheduler")
    for name in ("NBMLOPS_STORE", "NBMLOPS_HOME", "JPY_SESSION_NAME", "NBMLOPS_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    (jp_root_dir / "nbmlops.toml").write_text("[scheduler]\nworkers = 1\n")
    monkeypatch.chdir(jp_root_dir)
    session.reset()
    yield {
        "ServerApp": {"jpserver_extensions": {"jupyter_scheduler": True}},
        "SchedulerApp": {
            "scheduler_class": f"{OURS}.LedgerScheduler",
            "environment_manager_class": f"{OURS}.Kernels",
            "db_url": f"sqlite:///{jp_root_dir}/unused.sqlite",
        },
    }
    session.reset()


@pytest.fixture
def notebook(jp_root_dir):
    cells = [
        nbformat.v4.new_code_cell("times = 2  # how often", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print('so far ' * times)"),
    ]
    path = jp_root_dir / "say.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture
def ask(jp_fetch):
    async def fetch(*path, method="GET", body=None, **params):
        text = json.dumps(body) if body is not None else None
        answer = await jp_fetch("scheduler", *path, method=method, body=text, params=params)
        return json.loads(answer.body) if answer.body else None

    return fetch


def asked(**more):
    return {"name": "say it", "input_uri": "say.ipynb", "runtime_environment_name": "python3", **more}


async def ended(ask, job_id):
    while (job := await ask("jobs", job_id))["status"] in ("CREATED", "QUEUED", "IN_PROGRESS"):
        await asyncio.sleep(0.2)
    return job


async def refused(waiting) -> str:
    with pytest.raises(HTTPClientError) as caught:
        await waiting
    return caught.value.response.body.decode()


async def test_create_run_download(ask, notebook, jp_root_dir):
    """Notes of jobs, section 7, number 10."""
    body = asked(parameters={"times": "3"}, output_formats=["ipynb", "html"])
    job_id = (await ask("jobs", method="POST", body=body))["job_id"]
    job = await ended(ask, job_id)
    assert (job["status"], job["name"], job["parameters"]) == ("COMPLETED", "say it", {"times": "3"})
    assert job["start_time"] <= job["end_time"]
    await ask("jobs", job_id, "download_files")
    while not (job := await ask("jobs", job_id))["downloaded"]:
        await asyncio.sleep(0.1)
    files = {f["file_format"]: jp_root_dir / f["file_path"] for f in job["job_files"]}
    assert "so far so far so far" in files["ipynb"].read_text()
    assert "so far so far so far" in files["html"].read_text()
    assert files["input"].read_bytes() == notebook.read_bytes()
    (work,) = ledger.list(open_store())
    assert (work.state, work.attempt) == ("finished", 1)


async def test_what_the_notebook_does_not_take_is_said_before_anything_runs(ask, notebook):
    assert "times" in await refused(ask("jobs", method="POST", body=asked(parameters={"tims": "3"})))
    assert "times" in await refused(ask("jobs", method="POST", body=asked(parameters={"times": "often"})))
    assert "away.ipynb" in await refused(ask("jobs", method="POST", body=asked(input_uri="away.ipynb")))
    assert "../" in await refused(ask("jobs", method="POST", body=asked(input_uri="../../etc/passwd")))
    assert ledger.list(open_store()) == []


async def test_a_token_makes_one_job(ask, notebook):
    body = asked(idempotency_token="once-and-no-more")
    job_id = (await ask("jobs", method="POST", body=body))["job_id"]
    with pytest.raises(HTTPClientError) as caught:
        await ask("jobs", method="POST", body=body)
    assert caught.value.code == 409
    await ended(ask, job_id)
    assert (await ask("jobs"))["total_count"] == 1


async def test_a_failure_says_why_and_a_stop_stops(ask, jp_root_dir):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time; time.sleep(60)")])
    nbformat.write(nb, jp_root_dir / "say.ipynb")
    job_id = (await ask("jobs", method="POST", body=asked()))["job_id"]
    while (await ask("jobs", job_id))["status"] != "IN_PROGRESS":
        await asyncio.sleep(0.1)
    await ask("jobs", job_id, method="PATCH", body={"status": "STOPPED"})
    assert (await ask("jobs", job_id))["status"] == "STOPPED"
    nb.cells[0].source = "1 / 0"
    nbformat.write(nb, jp_root_dir / "say.ipynb")
    failed = await ended(ask, (await ask("jobs", method="POST", body=asked()))["job_id"])
    assert failed["status"] == "FAILED"
    assert "error" in failed["status_message"]
    assert (await ask("jobs", "count", status="failed"))["count"] == 1
    await ask("jobs", failed["job_id"], method="DELETE")
    assert [j["job_id"] for j in (await ask("jobs"))["jobs"]] == [job_id]


async def test_a_definition_is_a_file_of_the_project(ask, notebook, jp_root_dir):
    body = asked(name="Every night", schedule="0 2 * * *", timezone="Europe/Berlin", parameters={"times": "1"})
    made = (await ask("job_definitions", method="POST", body=body))["job_definition_id"]
    text = (jp_root_dir / "jobs" / "Every-night.yaml").read_text()
    assert "notebook: say.ipynb" in text
    assert "0 2 * * *" in text
    (found,) = (await ask("job_definitions"))["job_definitions"]
    assert (found["schedule"], found["timezone"], found["active"]) == ("0 2 * * *", "Europe/Berlin", True)
    await ask("job_definitions", made, method="PATCH", body={"active": False})
    assert not (await ask("job_definitions", made))["active"]
    await ask("job_definitions", made, method="PATCH", body={"active": True, "schedule": "30 3 * * *"})
    assert (await ask("job_definitions", made))["schedule"] == "30 3 * * *"
    job = await ended(ask, (await ask("job_definitions", made, "jobs", method="POST", body={}))["job_id"])
    assert (job["status"], job["job_definition_id"]) == ("COMPLETED", made)
    await ask("job_definitions", made, method="DELETE")
    assert (await ask("job_definitions"))["job_definitions"] == []


async def test_kernels_are_the_environments(ask, notebook):
    names = [e["name"] for e in await ask("runtime_environments")]
    assert "python3" in names
    features = (await ask("config"))["supported_features"]
    assert features["parameters"]
    assert features["stop_job"]
    assert not features["email_notifications"]


def test_the_forms_class_does_not_execute_a_work_itself(needed):
    needed("jupyter_scheduler")
    from nbmlops.bridges.notebook_forms import Features

    with pytest.raises(NotAllowed, match=r"carried out by its executors.*nbmlops scheduler run"):
        Features("job", ".", "", {}).execute()
