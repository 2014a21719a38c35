"""What goes with predictions over HTTP: reasons, what came true, how to use the model."""

import errno

import pytest

import nbmlops as nb
from nbmlops.store.journal import Journal

ROW = {"age": 44.5, "city": "Bern", "noise": 0.5}


def ids(client, rows):
    return [row["prediction_id"] for row in client.predict({"rows": rows}).json()["predictions"]]


def returned(client, content):
    answer = client("POST", "/feedback", json=content)
    return answer.status_code, answer.json()


def test_outcomes_over_http_are_performance(service, people):
    frame = people(60, 9)
    rows = frame[["age", "city", "noise"]].to_dict("records")
    known = zip(ids(service, rows), frame.late.tolist(), strict=True)
    sent = {"feedback": [{"prediction_id": i, "outcome": late} for i, late in known]}
    first, again = returned(service, sent)[1], returned(service, sent)[1]
    assert (first["new"], again["duplicates"]) == (60, 60)
    found = nb.performance("late")
    assert (found.predictions, found.known) == (60, 60)
    assert found.metrics["accuracy"]["value"] > 0.5


def test_one_object_is_one_outcome(service):
    one = ids(service, [ROW])[0]
    assert returned(service, {"prediction_id": one, "outcome": True})[1]["new"] == 1
    assert returned(service, {"prediction_id": one, "outcome": False})[1]["changed"] == 1
    assert [f["outcome"] for f in nb.prediction(one)["feedback"]] == [True, False]


def test_an_unknown_id_is_counted_and_kept(service):
    status, found = returned(service, {"prediction_id": "not-there", "outcome": 1})
    assert (status, found["unknown"], found["unknown_ids"]) == (200, 1, ["not-there"])


def test_an_opinion_and_a_flag(service):
    one = ids(service, [ROW])[0]
    opinion = {"prediction_id": one, "kind": "opinion", "verdict": "disagree", "expected": False, "reason": "holiday"}
    flag = {"prediction_id": one, "kind": "flag", "reason": "wrong city"}
    assert returned(service, {"feedback": [opinion, flag]})[1]["new"] == 2
    kept = {f["kind"]: f for f in nb.prediction(one)["feedback"]}
    assert (kept["opinion"]["verdict"], kept["opinion"]["outcome"], kept["flag"]["reason"]) == (
        "disagree",
        False,
        "wrong city",
    )


def test_an_outcome_by_the_key_of_the_business(service):
    service.predict({"rows": [{**ROW, "booking": "B-7"}], "key": "booking"})
    assert returned(service, {"key": "B-7", "outcome": True})[1]["new"] == 1
    assert nb.performance("late").known == 1


def test_every_problem_of_feedback_is_named_and_nothing_is_kept(service):
    one = ids(service, [ROW])[0]
    rows = [
        {"prediction_id": one, "outcome": True},
        {"outcome": True},
        {"prediction_id": one},
        {"prediction_id": one, "kind": "opinion", "verdict": "perhaps"},
        {"prediction_id": one, "kind": ["flag"], "reason": "x"},
        {"prediction_id": one, "outcome": [1]},
        {"prediction_id": 7, "outcome": 1, "colour": "red"},
    ]
    status, found = returned(service, {"feedback": rows})
    assert status == 422
    assert {p["row"] for p in found["detail"]} == {1, 2, 3, 4, 5, 6}
    assert not nb.prediction(one)["feedback"]
    for wrong in ([], {"feedback": []}, {"feedback": 3}, {"feedback": [3]}, "x"):
        assert returned(service, wrong)[0] == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "B-7", "at": "soon", "outcome": True},
        {"key": "B-7", "at": "9999-12-31", "outcome": True},
        {"key": "B-7", "at": " ", "outcome": True},
        {"key": " ", "outcome": True},
        {"key": "B" * 401, "outcome": True},
        {"prediction_id": "", "outcome": True},
        {"prediction_id": "x" * 37, "outcome": True},
        {"prediction_id": "a\0b", "outcome": True},
        {"prediction_id": "x", "outcome": " "},
        {"prediction_id": "x", "kind": "flag", "reason": " "},
        {"prediction_id": "x", "kind": "opinion", "verdict": "agree", "reason": "x" * 4001},
    ],
)
def test_one_wrong_row_of_any_kind_keeps_all_others_out(service, wrong):
    one = ids(service, [{**ROW}])[0]
    flag = {"prediction_id": one, "kind": "flag", "reason": "wrong city"}
    status, found = returned(service, {"feedback": [{"prediction_id": one, "outcome": True}, flag, wrong]})
    assert (status, {p["row"] for p in found["detail"]}) == (422, {2})
    assert not nb.prediction(one)["feedback"]


def test_predictions_of_another_model_are_as_unknown_as_to_reasons(late, serving, model, held_out):
    nb.register(model, "other")
    client = serving()
    theirs, own = nb.predict("other", held_out[:1]).prediction_id.iloc[0], ids(client, [ROW])[0]
    rows = [{"prediction_id": own, "outcome": True}, {"prediction_id": theirs, "outcome": True}]
    status, found = returned(client, {"feedback": rows})
    assert (status, [p["row"] for p in found["detail"]]) == (404, [1])
    assert not nb.prediction(own)["feedback"]
    assert not nb.prediction(theirs)["feedback"]


@pytest.mark.parametrize("mode", ["fast", "audit"])
def test_what_comes_back_on_a_full_disk_is_not_acknowledged(serving, monkeypatch, mode):
    client = serving(log=mode)
    sent = {"prediction_id": ids(client, [ROW])[0], "outcome": True}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_put", full)
        assert returned(client, sent)[0] == 503
    assert returned(client, sent)[1]["new"] == 1


def test_reasons_of_a_row_and_of_a_recorded_prediction(service):
    here = service("POST", "/explain", json=ROW)
    assert here.status_code == 200, here.text
    one = ids(service, [ROW])[0]
    later = service("POST", "/explain", json={"prediction_id": one})
    assert later.status_code == 200, later.text
    assert "age" in here.text


def test_reasons_without_a_background(late, serving, model):
    nb.register(model, "plain")
    answer = serving("plain")("POST", "/explain", json=ROW)
    assert (answer.status_code, answer.json()["detail"][0]["code"]) == (503, "no_background")
    assert "background" in answer.json()["hint"]


def test_reasons_for_what_is_wrong_or_another_s(late, serving, model, held_out):
    nb.register(model, "other")
    client = serving()
    theirs = nb.predict("other", held_out[:1]).prediction_id.iloc[0]
    for unknown in (theirs, "not-there", 7, ["x"]):
        assert client("POST", "/explain", json={"prediction_id": unknown}).status_code == 404
    assert client("POST", "/explain", json={"rows": [ROW, ROW]}).status_code == 413
    assert client("POST", "/explain", json={"age": "old"}).status_code == 422


def test_the_model_says_what_it_is_for(project, serving):
    (project / "charter.yaml").write_text("limits: [not for freight]\n")
    answer = serving()("GET", "/model")
    assert answer.status_code == 200
    assert answer.json()["ref"] == "late@1"
    assert "not for freight" in answer.text
