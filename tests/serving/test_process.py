"""The service as a process on a port of its own: started, asked, ended, killed."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, closing

import pytest

import nbmlops as nb
from nbmlops.tracking import session

ROW = {"age": 44.5, "city": "Bern", "noise": 0.5}


@pytest.fixture
def start(late):
    """Start ``nbmlops serve late`` and return (process, port); what is left is killed by its number."""
    started = []

    def run(*words, **variables):
        command = [sys.executable, "-c", "from nbmlops.cli import main; main()", "serve", "late", "--port", "0", *words]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables}
        )
        started.append(process)
        line = process.stdout.readline()
        found = re.search(r":(\d+) \(", line)
        assert found, line + process.stderr.read()
        return process, int(found[1])

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def connected():
    """Open a connection that is kept, and closed with the test."""
    with ExitStack() as stack:
        yield lambda port: stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)))


def post(connection, content, path="/predict", **headers):
    connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def found_by_another_process(prediction_id):
    """Return what a process that shares nothing with this one is told, within seconds."""
    code = f"import nbmlops as nb; print(nb.prediction({prediction_id!r})['value'])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout.strip()


def test_serve_predict_end(start, connected):
    process, port = start()
    connection = connected(port)
    status, said = post(connection, ROW)
    assert status == 200
    one = said["predictions"][0]
    assert found_by_another_process(one["prediction_id"]) == str(one["prediction"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stderr.read() == ""


def test_two_services_of_one_project(start, connected):
    connections = [connected(start()[1]) for _ in range(2)]
    said = [post(connection, ROW)[1]["predictions"][0] for connection in connections * 20]
    assert len({row["prediction_id"] for row in said}) == 40
    assert all(nb.prediction(row["prediction_id"])["inputs"] == ROW for row in said)


def test_a_token_is_in_no_output(start, connected):
    token = "a-token-of-many-characters"
    process, port = start("--token-env", "CLINIC", CLINIC=token)
    connection = connected(port)
    assert post(connection, ROW)[0] == 401
    assert post(connection, ROW, Authorization=f"Bearer {token}")[0] == 200
    assert post(connection, "x", Authorization=f"Bearer {token}")[0] == 422
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert token not in out + err


@pytest.mark.slow
@pytest.mark.parametrize("log", ["audit", "fast"])
def test_what_was_answered_survives_a_kill(start, connected, log):
    process, port = start("--log", log)
    answered, enough = [], threading.Event()

    def ask():
        connection = connected(port)
        try:
            while True:
                rows = [{**ROW, "age": float(len(answered))}] * 3
                answered.extend(post(connection, {"rows": rows})[1]["predictions"])
                if len(answered) > 900:
                    enough.set()
        except (OSError, http.client.HTTPException):
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(120)
    process.kill()
    for thread in threads:
        thread.join(60)
    session.reset()
    from nbmlops.monitoring.predicting.recorded import predicted

    kept = predicted("late", inputs=True)
    ids = kept.said.prediction_id.tolist()
    assert len(ids) == len(set(ids))
    assert len(ids) % 3 == 0
    by_id = dict(zip(ids, kept.said.probability, strict=True))
    assert {row["prediction_id"]: row["probability"] for row in answered}.items() <= by_id.items()
    assert kept.inputs.notna().all().all()
