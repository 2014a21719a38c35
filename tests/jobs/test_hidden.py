"""No secret is shown anywhere: not in the notebook, the journal, the store, the logs or a message."""

from __future__ import annotations

import signal
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import nbmlops as nb
from nbmlops.jobs.hidden import hidden_texts, without
from nbmlops.store import outbox
from nbmlops.tracking import session

PARAMETER, REFERENCE, READ, ENVIRONMENT = 'corr"ect & horse/1', "staple-battery-22", "tr0ub4dor-and-3", "pl4in-env-44"
SHOWS = """
import html, json, os, sys, urllib.parse, logging
import nbmlops as nb
from IPython.display import HTML, Image, display
read = nb.Secret("DB_PASSWORD")
for secret in (db_password, str(api), str(read), os.environ["SOME_TOKEN"]):
    print(secret, repr(secret), json.dumps({"x": secret}), urllib.parse.quote(secret, safe=""), flush=True)
    print(secret, file=sys.stderr)
    display(HTML(f"<b>{html.escape(secret)}</b>"), {"application/json": {"deep": [secret]}}, display_id="d")
    logging.getLogger("job").warning("logging %s", secret)
os.system("echo " + str(read))
print(dict(os.environ)["SOME_TOKEN"])
str(read)
"""
FAILS = "raise RuntimeError(f'cannot log in with {db_password}, {api!s}, {read!s}')"
WAITS = "open('ready', 'w').close()\nimport time\ntime.sleep(60)"
COMMAND = [sys.executable, "-c", "from nbmlops.cli import main; main()", "run", "secret.ipynb", "--log"]


@pytest.fixture
def written(project, monkeypatch):
    """Write a notebook that shows its secrets in every way there is, then does something else."""
    monkeypatch.setenv("API_KEY_OF_JOB", REFERENCE)
    monkeypatch.setenv("DB_PASSWORD", READ)
    monkeypatch.setenv("SOME_TOKEN", ENVIRONMENT)

    def write(last):
        first = new_code_cell("db_password = ''\napi = ''", metadata={"tags": ["parameters"]})
        node = new_notebook(cells=[first, new_code_cell(SHOWS), new_code_cell(last)])
        nbformat.write(node, project / "secret.ipynb")
        monkeypatch.delenv("PYTEST_CURRENT_TEST")  # with it, a kernel does not take in what its children print
        return "secret.ipynb"

    return write


def holding(project, *texts):
    """Return which files hold a secret, in which spelling."""
    secrets = hidden_texts(dict.fromkeys(["a_password", "b_password", "c_password", "d_password"], "")) | {}
    for value in (PARAMETER, REFERENCE, READ, ENVIRONMENT):
        secrets |= hidden_texts({"password": value})
    found = [(p.name, s) for p in project.rglob("*") if p.is_file() for s in secrets if s.encode() in p.read_bytes()]
    return found + [(text[:40], s) for text in texts for s in secrets if s in text]


def test_section_7_9_a_grep_for_the_secrets_over_everything_that_was_written_finds_nothing(project, written, capfd):
    parameters = {"db_password": PARAMETER, "api": nb.Secret("API_KEY_OF_JOB")}
    run = nb.run_notebook(written(FAILS), parameters, log=True)
    assert (run.status, run.error["name"]) == ("failed", "RuntimeError")
    text = (project / run.tags["output"]).read_text()
    assert text.count("[secret]") > 10
    assert "Secret('API_KEY_OF_JOB')" in text
    assert "logging" in text
    session.reset()
    assert holding(project, *capfd.readouterr()) == []


def test_section_7_9_what_a_killed_runner_leaves_holds_no_secret_either(project, written):
    written(WAITS)
    words = ["-p", "db_password", PARAMETER, "-p", "api", 'Secret("API_KEY_OF_JOB")']
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as runner:
        while not (project / "ready").exists() and runner.poll() is None:
            pass
        runner.send_signal(signal.SIGKILL)
        out, err = runner.communicate()
    (journal,) = (project / ".nbmlops/journal").glob("*.outputs")
    assert b"[secret]" in journal.read_bytes()
    assert holding(project, out, err) == []
    nb.recover(journal.stem)
    session.reset()
    assert holding(project) == []


def test_an_upload_that_fails_tells_no_secret(project, written, monkeypatch):
    monkeypatch.setattr(outbox, "PAUSES_S", (0.0,))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", READ)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.warns(RuntimeWarning, match="waits to be uploaded") as told:
        nb.run_notebook(written("1"), {"db_password": PARAMETER}, output="s3://bucket/out.ipynb")
    session.reset()
    assert holding(project, *(str(w.message) for w in told)) == []


def test_secrets_are_found_at_any_depth_and_in_every_spelling(monkeypatch):
    monkeypatch.setattr("os.environ", {})
    parameters = {
        "conn": {"user": "me", "password": "hunter/2"},
        "tokens": ["abcdef"],
        "url": "db://me:pw12@h/x",
        "n": 3,
    }
    found = hidden_texts(parameters)
    assert {"hunter/2": "[secret]", "hunter%2F2": "[secret]", "abcdef": "[secret]"}.items() <= found.items()
    assert found["db://me:pw12@h/x"] == "db://me:[secret]@h/x"
    assert "me" not in found


def test_what_a_cell_refers_to_is_hidden_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setenv("DB_PW", "correct-horse")
    (tmp_path / "token").write_text("from-a-file\n")
    monkeypatch.setenv("FILED_FILE", str(tmp_path / "token"))
    found = hidden_texts({}, ["x = Secret('DB_PW')", 'y = nb.Secret( "FILED" )', "Secret('NOT_SET')"])
    assert (found["correct-horse"], found["from-a-file"]) == ("Secret('DB_PW')", "Secret('FILED')")
    assert without({"a": ["is correct-horse"]}, found) == {"a": ["is Secret('DB_PW')"]}
