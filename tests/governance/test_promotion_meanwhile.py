"""What changes between the judgement and the move stops the move, and the log has no words of flags and no secrets."""

import pytest

import nbmlops as nb
from nbmlops.errors import Conflict, NotAllowed
from nbmlops.governance import promotion
from nbmlops.store import events
from nbmlops.tracking import session

from .conftest import KIM, SAM, agree


@pytest.fixture
def approved(judged, who):
    agree(judged, approvals=1, roles=["manager", "expert"])
    who(KIM)
    nb.report("late@1", refresh=True)
    nb.approve("late@1")
    who(SAM)
    return judged


@pytest.fixture
def meanwhile(monkeypatch):
    """Do something after the move was judged, before it is made."""

    def put(act):
        original = promotion.models.check_loadable
        monkeypatch.setattr(promotion.models, "check_loadable", lambda version: (original(version), act())[0])

    return put


def chained():
    with session.store().reading() as connection:
        return str(events.listed(connection))


def test_a_blocking_flag_that_lands_meanwhile_stops_it(approved, who, meanwhile):
    meanwhile(lambda: nb.flag("late@1", "it leaks", severity="blocking"))
    with pytest.raises(Conflict, match="It was flagged meanwhile"):
        nb.promote("late", 1, to="champion", reason="first")
    assert not nb.model_version("late@1").aliases


def test_a_mild_flag_or_one_on_something_else_does_not(approved, meanwhile, people):
    nb.dataset("other", people(20, 3))

    def act():
        nb.flag("late@1", "a typo", severity="low")
        nb.flag("other@1", "odd", severity="blocking")

    meanwhile(act)
    assert nb.promote("late", 1, to="champion", reason="first").aliases == ("champion",)


def test_a_policy_that_is_tightened_meanwhile_stops_it(approved, meanwhile):
    meanwhile(lambda: agree(approved, approvals=2, roles=["manager", "expert"]))
    with pytest.raises(Conflict, match="The charter was changed meanwhile"):
        nb.promote("late", 1, to="champion", reason="first")
    assert not nb.model_version("late@1").aliases


def test_an_override_names_flags_and_does_not_say_what_they_say(approved):
    flag = nb.flag("late@1", "patient Jane Doe is in it", severity="blocking")
    moved = nb.promote("late", 1, to="champion", reason="token=hunter2hunter2 is lost", override=True)
    assert moved.decision["override"]["refused"] == f"late@1 is held up by 1 flag ({flag.flag_id})."
    assert "Jane" not in chained()
    assert "hunter2" not in chained()


def test_a_gate_whose_guard_is_a_flag_brings_no_words_of_it_into_the_log(approved, fit, held_out):
    nb.promote("late", 1, to="champion", reason="first")
    other = fit("age")
    nb.evaluate(other, held_out, target="late")
    nb.register(other, "late")
    nb.flag("late@2", "patient Jane Doe is in it", severity="high")
    agree(approved, gate="better")
    nb.gate("late@2", "late@1", on=held_out)
    with pytest.raises(NotAllowed):
        nb.promote("late", 2, to="champion", reason="simpler")
    nb.promote("late", 2, to="champion", reason="simpler", override=True)
    assert "Jane" not in chained()
