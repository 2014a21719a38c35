"""Questions through the server: those to who asks first, and answers that count as theirs."""

from __future__ import annotations

import pytest

import nbmlops as nb
from asked import refused

CHARTER = "roles: {expert: [kim@example.org], manager: [bob@example.org], scientist: [ann@example.org]}\n"


@pytest.fixture
def raised(late, notebook, someone):
    """Three flags by ann: one for experts, one that blocks, one of no role."""
    (notebook.parent / "charter.yaml").write_text(CHARTER)
    someone("ann@example.org")
    for_experts = nb.flag("late@1", "is night in local time?", to="expert", question=True)
    nb.flag("late@1", "wrong at night", severity="blocking")
    nb.flag("late@1", "a word on it", severity="low")
    return for_experts.flag_id


async def test_what_is_asked_of_me_comes_first(ask, raised, someone):
    someone("kim@example.org")
    first, second, third = (await ask("questions"))["questions"]
    assert (first["id"], first["to_me"], first["to"], first["question"]) == (raised, True, "expert", True)
    assert (second["blocks"], third["blocks"]) == (True, False)
    someone("bob@example.org")
    found = (await ask("questions"))["questions"]
    assert not any(q["to_me"] for q in found)
    assert found[0]["blocks"]


async def test_an_answer_is_that_of_who_asks_and_settles_it(ask, raised, someone):
    someone("kim@example.org")
    said = await ask(f"questions/{raised}/answer", body={"text": "in local time", "state": "answered"})
    assert said["state"] == "answered"
    assert [(a["by"], a["text"]) for a in said["answers"]] == [("kim@example.org", "in local time")]
    assert raised not in {q["id"] for q in (await ask("questions"))["questions"]}
    everything = (await ask("questions", state="all"))["questions"]
    assert raised == everything[-1]["id"]  # open ones first


async def test_a_word_in_the_thread_settles_nothing(ask, raised, someone):
    someone("eve@example.org")
    said = await ask(f"questions/{raised}/answer", body={"text": "I wonder too"})
    assert said["state"] == "open"


async def test_who_may_not_settle_is_told_who_may(ask, raised, someone):
    someone("bob@example.org")
    code, said = await refused(ask(f"questions/{raised}/answer", body={"text": "no", "state": "dismissed"}))
    assert code == 403
    assert "does not settle this flag: expert decides" in said


@pytest.mark.parametrize(
    ("flag_id", "body", "code"),
    [
        ("nothing", {"text": "x"}, 400),
        ("0" * 32, {"text": "x"}, 404),
        (None, {"text": ""}, 400),
        (None, {"text": 3}, 400),
        (None, {"text": "x", "state": "open"}, 400),
        (None, {"text": "x", "state": "gone"}, 400),
        (None, {"text": "x" * 5000}, 400),
        (None, {"text": "x", "author": "kim@example.org"}, 400),
    ],
)
async def test_what_is_no_answer_is_refused_and_changes_nothing(ask, raised, flag_id, body, code):
    assert (await refused(ask(f"questions/{flag_id or raised}/answer", body=body)))[0] == code
    (found,) = [q for q in (await ask("questions"))["questions"] if q["id"] == raised]
    assert (found["state"], found["answers"]) == ("open", [])


async def test_what_is_private_is_masked(ask, late, notebook, someone):
    (notebook.parent / "charter.yaml").write_text("private: [age]\n")
    someone("ann@example.org")
    nb.flag("late@1", "age seventeen is wrong")
    (found,) = (await ask("questions"))["questions"]
    assert "seventeen" not in str(found)
