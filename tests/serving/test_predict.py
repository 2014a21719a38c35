"""A row asked over HTTP gets the answer, the id and the record it gets in a notebook."""

import asyncio
import json
import threading

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.serving import served as module
from nbmlops.store.journal import journals, read
from nbmlops.tracking import session

ROW = {"age": 44.5, "city": "Bern", "noise": 0.5}


def test_the_answer_is_that_of_the_notebook(service):
    said = service.predict({"rows": [ROW]}).json()["predictions"][0]
    here = nb.predict("late", pd.DataFrame([ROW])).iloc[0]
    assert said["prediction"] == bool(here.prediction)
    assert said["probability"] == pytest.approx(here.probability)
    assert (said["model"], said["version"]) == ("late", 1)


def test_one_object_is_one_row(service):
    one, many = service.predict(ROW).json(), service.predict({"rows": ROW}).json()
    assert len(one["predictions"]) == 1
    assert one["predictions"][0]["probability"] == many["predictions"][0]["probability"]


def test_a_prediction_is_found_by_its_id(service):
    said = service.predict({"rows": [ROW, {**ROW, "age": 20}], "batch": "may"}, headers={"X-Caller": "ann"}).json()
    found = nb.prediction(said["predictions"][1]["prediction_id"])
    assert (found["model"], found["version"], found["batch"], found["caller"]) == ("late", 1, "may", "http/ann")
    assert found["inputs"] == {**ROW, "age": 20}
    assert found["latency_s"] > 0


def test_the_record_has_the_form_it_has_from_a_notebook(service):
    nb.predict("late", pd.DataFrame([ROW]))
    service.predict(ROW)
    theirs, ours = (event for path in journals(session.project().home / "journal") for _, event in read(path))
    assert ours.keys() == theirs.keys()
    assert ours["data"].keys() == theirs["data"].keys()
    assert ours["data"]["inputs"] == theirs["data"]["inputs"]


def test_the_key_of_the_business_is_kept(service):
    rows = [{**ROW, "booking": "B-7", "asked": "2013-12-01T06:00"}]
    answer = service.predict({"rows": rows, "key": "booking", "key_at": "asked"}).json()
    assert answer["predictions"][0]["key"] == "B-7"
    assert answer["notes"] == []
    assert nb.prediction(answer["predictions"][0]["prediction_id"])["key"] == "B-7"


def test_what_is_ignored_and_what_is_new_is_noted(service, fit, held_out):
    answer = service.predict({"rows": [{**ROW, "colour": "red"}]}).json()
    assert [n["code"] for n in answer["notes"]] == ["extra_columns"]
    assert "colour" in answer["notes"][0]["message"]


def test_every_problem_is_named_at_once(service):
    rows = b'{"rows": [{"age": "old", "city": "Ulm"}, {"age": 3, "noise": 1e999, "city": "Ulm"}]}'
    answer = service("POST", "/predict", content=rows, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert {(p["row"], p["column"]) for p in answer.json()["detail"]} == {(0, "age"), (0, "noise"), (1, "noise")}
    assert answer.json()["hint"]


def test_many_rows_are_a_file_and_found_again(service):
    rows = [{**ROW, "age": 20 + n / 10} for n in range(200)]
    said = service.predict({"rows": rows}).json()["predictions"]
    assert len({row["prediction_id"] for row in said}) == 200
    assert nb.prediction(said[150]["prediction_id"])["inputs"]["age"] == 35.0


def test_private_columns_are_not_recorded(project, serving):
    (project / "charter.yaml").write_text("private: [city]\n")
    said = serving().predict({"rows": [{**ROW, "age": 4321.125, "city": "Ulm"}]}).json()["predictions"][0]
    written = b"".join(p.read_bytes() for p in (session.project().home / "journal").iterdir())
    assert b"4321.125" in written
    assert b"Ulm" not in written
    assert nb.prediction(said["prediction_id"])["inputs"].keys() == {"age", "noise"}


def test_without_a_log_there_are_no_ids(serving):
    answer = serving(log="off").predict(ROW).json()
    assert answer["predictions"][0]["prediction_id"] is None
    assert answer["predictions"][0]["probability"] > 0
    assert journals(session.project().home / "journal") == []


def test_without_inputs_only_answers_are_kept(serving):
    said = serving(inputs=False).predict(ROW).json()["predictions"][0]
    assert nb.prediction(said["prediction_id"])["inputs"] is None


def test_health_answers_while_the_model_works(serving, monkeypatch):
    client, working, go_on = serving(), threading.Event(), threading.Event()
    ask = module.Served.ask

    def slow(self, frame):
        working.set()
        assert go_on.wait(30)
        return ask(self, frame)

    monkeypatch.setattr(module.Served, "ask", slow)

    async def both():
        predicted = asyncio.create_task(client.ask("POST", "/predict", json=ROW))
        await asyncio.to_thread(working.wait, 30)
        healthy = await client.ask("GET", "/health")
        assert not predicted.done()
        go_on.set()
        return healthy, await predicted

    healthy, predicted = asyncio.run(both())
    assert (healthy.status_code, predicted.status_code) == (200, 200)
    assert healthy.json()["ready"] is True


def test_openapi_has_an_example_that_is_answered(service):
    said = service("GET", "/openapi.json").json()
    example = said["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert set(example["rows"][0]) == {"age", "city", "noise"}
    assert service.predict(example).status_code == 200
    assert json.dumps(said)


def test_metrics_count_what_was_answered(service):
    service.predict({"rows": [ROW, ROW]})
    service.predict({"rows": []})
    from prometheus_client.parser import text_string_to_metric_families

    text = service("GET", "/metrics").text
    families = text_string_to_metric_families(text)
    found = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}
    assert found["nbmlops_rows_total", ()] == 2
    assert found["nbmlops_requests_total", (("code", "200"), ("path", "/predict"))] == 1
    assert found["nbmlops_errors_total", (("code", "422"), ("path", "/predict"))] == 1
    assert found["nbmlops_request_seconds_count", (("path", "/predict"),)] == 2


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_model_of_numbers_is_asked_by_place_and_says_the_same(serving, train, held_out):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = ["age", "noise"]
    numbers = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[names], train.late)
    nb.evaluate(numbers, held_out, target="late")
    nb.register(numbers, "numbers")
    client = serving("numbers")
    assert client.service.served.by_place
    said = client.predict({"rows": held_out[names][:5].to_dict("records")}).json()["predictions"]
    assert [one["probability"] for one in said] == numbers.predict_proba(held_out[names][:5])[:, 1].tolist()


def test_a_model_that_picks_columns_by_name_is_asked_by_name(service):
    assert not service.service.served.by_place
