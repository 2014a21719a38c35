"""What the service does not take: one body that lists every problem, and nothing of this machine or its rows."""

import asyncio
import json
import threading
import time

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

import nbmlops as nb
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.serving import app
from nbmlops.serving import served as module
from nbmlops.serving.auth import hosts_for, tokens_of
from nbmlops.serving.errors import Refused
from nbmlops.serving.records import parse
from nbmlops.serving.served import resolve

ROW = {"age": 44.5, "city": "Bern", "noise": 0.5}
JSON = {"Content-Type": "application/json"}
TOKEN = "a-token-of-many-characters"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "json"),
        (b"{", 400, "json"),
        (b"\xff\xfe", 400, "json"),
        (b'{"age": NaN}', 400, "json"),
        (b'{"age": -Infinity}', 400, "json"),
        (b'{"age": 1, "age": 2}', 400, "json"),
        (b'{"age": ' + b"9" * 5000 + b"}", 400, "json"),
        (b"[" * 100_000, 400, "json"),
        (b'{"age": ' + b"[" * 500 + b"]" * 500 + b"}", 422, "nested"),
        (b'{"age": ' + b"9" * 30 + b', "city": "Ulm", "noise": 1}', 422, "too_large"),
        (b'{"age": 1e999, "city": "Ulm", "noise": 1}', 422, "infinite"),
        (b"[]", 422, "shape"),
        (b"null", 422, "shape"),
        (b"{}", 422, "missing_column"),
        (b'{"rows": []}', 422, "no_rows"),
        (b'{"rows": 3}', 422, "shape"),
        (b'{"rows": [3]}', 422, "shape"),
        (b'{"rows": [{}], "bacth": "may"}', 422, "unknown_field"),
        (b'{"rows": [{}], "batch": 5}', 422, "shape"),
        (b'{"rows": [{}], "key": "booking"}', 422, "no_key"),
        (b'{"rows": [{}], "key_at": "at"}', 422, "key_at"),
        (b'{"rows": [{"k": 1, "at": "soon"}], "key": "k", "key_at": "at"}', 422, "no_time"),
        (b'{"rows": [{"k": 1, "at": 20131201}], "key": "k", "key_at": "at"}', 422, "no_time"),
    ],
)
def test_a_body_that_is_refused(service, body, status, code):
    answer = service("POST", "/predict", content=body, headers=JSON)
    assert answer.status_code == status
    found = answer.json()
    assert code in [p["code"] for p in found["detail"]]
    assert set(found) == {"detail", "hint"}
    assert all(set(p) == {"row", "column", "code", "message"} for p in found["detail"])


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_another_content_type(service, kind):
    answer = service("POST", "/predict", content=json.dumps(ROW), headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 415


def test_a_name_twice_among_many_is_found_at_once():
    names = [f'"n{i}": 0' for i in range(100_000)]
    began = time.process_time()
    with pytest.raises(Refused) as refused:
        parse(f"{{{', '.join([*names, names[-1]])}}}".encode())
    assert time.process_time() - began < 5  # comparing each with all takes minutes
    assert "'n99999' twice" in refused.value.problems[0]["message"]


def test_too_many_rows_and_bytes(serving):
    small = serving(max_rows=2, max_bytes=500)
    assert small.predict({"rows": [ROW] * 3}).status_code == 413
    assert small.predict({"rows": [ROW], "batch": "x" * 500}).status_code == 413


def test_a_body_that_does_not_say_how_large_it_is(serving):
    async def parts():
        for _ in range(100):
            yield b" " * 100

    answer = serving(max_bytes=500)("POST", "/predict", content=parts(), headers=JSON)
    assert answer.status_code == 413


def test_text_that_no_encoding_holds(service):
    answer = service("POST", "/predict", content=rb'{"age": 1, "noise": 1, "city": "\ud800"}', headers=JSON)
    assert (answer.status_code, answer.json()["detail"][0]["code"]) == (400, "json")
    nul = service("POST", "/predict", content=rb'{"age": 1, "noise": 1, "city": "a\u0000b"}', headers=JSON)
    assert nul.status_code in (200, 422)


def test_what_is_not_there(service):
    assert service("GET", "/predict").status_code == 405
    assert service("GET", "/nowhere").status_code == 404
    assert service("GET", "/docs").status_code == 404
    assert service("GET", "/nowhere").json()["hint"]


def test_the_model_s_own_words_only_where_nothing_is_private(project, serving, monkeypatch):
    def fails(self, frame):
        raise ValueError("cannot take 'Ulm'")

    monkeypatch.setattr(module.Served, "ask", fails)
    assert "Ulm" in serving().predict(ROW).text
    (project / "charter.yaml").write_text("private: [city]\n")
    answer = serving().predict(ROW)
    assert (answer.status_code, "Ulm" in answer.text) == (422, False)


def test_private_values_are_in_no_refusal(project, serving):
    (project / "charter.yaml").write_text("private: [age]\n")
    answer = serving().predict({**ROW, "age": "fourtyfour"})
    assert answer.status_code == 422
    assert "fourtyfour" not in answer.text


def test_a_fault_is_a_number_here_and_a_trace_there(serving, monkeypatch, capsys):
    def fails(self, frame):
        raise RuntimeError(f"a row held {471147000 + 114}")

    monkeypatch.setattr(module.Served, "ask", fails)
    answer = serving().predict(ROW)
    assert answer.status_code == 500
    said = capsys.readouterr().err
    number = answer.json()["detail"][0]["message"].rpartition("number ")[2].rstrip(").")
    assert number in said
    assert "471147114" not in answer.text + said
    assert "Traceback" not in answer.text
    assert "/" not in answer.json()["detail"][0]["message"]


def test_a_token_is_needed_where_there_is_one(serving):
    client = serving(tokens={"CLINIC": TOKEN})
    refused = client.predict(ROW)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    for wrong in ("Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", f"Bearer {TOKEN[:-1]}"):
        assert client.predict(ROW, headers={"Authorization": wrong}).status_code == 401
    assert client("GET", "/health").status_code == 200
    assert client("GET", "/metrics").status_code == 401
    assert client("GET", "/openapi.json").status_code == 401
    answer = client.predict(ROW, headers={"Authorization": f"Bearer {TOKEN}", "X-Caller": "ann"})
    found = nb.prediction(answer.json()["predictions"][0]["prediction_id"])
    assert found["caller"] == "CLINIC/ann"


def test_another_host_is_refused(serving):
    client = serving(hosts=hosts_for("127.0.0.1", ()))
    for good in ("localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"):
        assert client("GET", "/health", headers={"Host": good}).status_code == 200
    for bad in ("evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:8000"):
        assert client("GET", "/health", headers={"Host": bad}).status_code == 400
    assert serving(hosts=hosts_for("0.0.0.0", ()))("GET", "/health", headers={"Host": "any"}).status_code == 200


def test_no_other_site_may_read(service):
    answer = service("OPTIONS", "/predict", headers={"Origin": "http://evil", "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_off_loopback_a_token_is_needed(monkeypatch):
    with pytest.raises(NotAllowed, match="no token"):
        tokens_of((), "0.0.0.0")
    monkeypatch.setenv("SHORT", "short")
    for name in ("SHORT", "UNSET"):
        with pytest.raises(Invalid, match=name):
            tokens_of((name,), "0.0.0.0")
    monkeypatch.setenv("GOOD", TOKEN)
    assert tokens_of(("GOOD",), "0.0.0.0") == {"GOOD": TOKEN}
    assert tokens_of((), "::1") == {}


class Odd(ClassifierMixin, BaseEstimator):
    """A class nobody has reviewed."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), bool)


def test_a_pickle_is_not_served_even_where_the_charter_excepts_it(project, train, held_out):
    (project / "charter.yaml").write_text("exceptions: [pickle]\n")
    odd = Odd().fit(train[["age"]], train.late)
    odd.feature_names_in_ = np.array(["age"])
    nb.register(odd, "odd", allow_pickle=True)
    with pytest.raises(NotAllowed, match="pickle"):
        resolve("odd")


def test_a_function_nobody_else_read_is_not_served(project):
    def late(frame):
        return frame["age"] > 40

    nb.register(nb.rule_model(late, columns=["age"], classes=[False, True]), "rule")
    with pytest.raises(NotAllowed):
        resolve("rule")


def test_an_unknown_model(project, late):
    for ref in ("early", "late@7", "late@champion"):
        with pytest.raises(NotFound):
            resolve(ref)


def test_too_much_that_waits_is_told_to_come_again(service, monkeypatch):
    inside = service.service
    inside.waiting[inside.asking] = 10_000
    answer = service.predict(ROW)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert service("GET", "/health").status_code == 200


def test_explanations_that_wait_hold_up_no_prediction(service):
    inside, going, go_on = service.service, threading.Event(), threading.Event()
    inside.beside.submit(lambda: (going.set(), go_on.wait(30)))
    assert going.wait(30)

    async def ask():
        asked = [asyncio.create_task(service.ask("POST", "/explain", json=ROW)) for _ in range(300)]
        while sum(task.done() for task in asked) < 300 - app.MOST_BESIDE:
            await asyncio.sleep(0)
        said = await service.ask("POST", "/predict", json=ROW)
        go_on.set()
        return said, await asyncio.gather(*asked)

    said, explained = asyncio.run(ask())
    assert said.status_code == 200
    assert sorted({a.status_code for a in explained}) == [200, 503]
    assert app.MOST_BESIDE < app.MOST_WAITING


def test_bodies_that_are_held_have_a_bound(serving):
    client = serving(max_bytes=500)
    assert client.predict(ROW).status_code == 200
    assert client.predict({"rows": 3}).status_code == 422
    assert client.service.held_bytes == 0
    client.service.held_bytes = 16 * 500
    assert client.predict(ROW).status_code == 503
    assert client.service.held_bytes == 16 * 500


def test_a_store_that_is_away_keeps_no_answer_back(serving, monkeypatch):
    client = serving()
    monkeypatch.setenv("NBMLOPS_STORE", "postgresql+psycopg://nobody:secret@127.0.0.1:1/none?connect_timeout=2")
    said = client.predict(ROW).json()["predictions"][0]
    assert said["prediction_id"]
    answer = client("POST", "/feedback", json={"prediction_id": said["prediction_id"], "outcome": True})
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert "127.0.0.1" not in answer.text
    monkeypatch.delenv("NBMLOPS_STORE")
    assert nb.prediction(said["prediction_id"])["value"] == said["prediction"]


def test_a_client_that_leaves_is_no_fault(service, capsys):
    async def gone():
        return {"type": "http.disconnect"}

    async def sent(message):
        pass

    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "http_version": "1.1"}
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    asyncio.run(service.app({**scope, "headers": headers, "scheme": "http", "asgi": {"version": "3.0"}}, gone, sent))
    assert capsys.readouterr().err == ""


def test_values_of_a_column_made_private_later_are_nowhere(project, serving, late):
    (project / "charter.yaml").write_text("private: [city]\n")
    service = serving()
    described = service("GET", "/openapi.json").text
    assert not [name for name in late.signature["columns"][1]["categories"] if name in described]
    assert "Oslo" not in service.predict({**ROW, "city": "Oslo"}).text


def test_what_was_private_at_registration_stays_so(project, model, held_out, serving, monkeypatch):
    (project / "charter.yaml").write_text("private: [city]\n")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    (project / "charter.yaml").unlink()

    def fails(self, frame):
        raise ValueError("cannot take 'Ulm'")

    assert module.resolve("late").private == {"city"}
    assert serving().predict({"rows": [ROW], "key": "city"}).json()["detail"][0]["code"] == "private"
    monkeypatch.setattr(module.Served, "ask", fails)
    assert "Ulm" not in serving().predict(ROW).text
