"""Open flags stand on page one with their owner, all of them in a section, and nothing private anywhere."""

import functools
import re

import pytest

import nbmlops as nb
from nbmlops.report import snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.page import written
from nbmlops.report.text import count


@pytest.fixture
def late(project, model, held_out, monkeypatch):
    monkeypatch.setattr("nbmlops.capture.environment.actor", functools.cache(lambda: ("sam@x.org", "git")))
    with nb.run("train"):
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    return project


def words(path):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")))


def taken():
    return snapshot.build(subject_of("train"))


def test_without_flags_there_is_no_section(late):
    assert "Flags, the open ones first" not in words(nb.report("train"))
    assert not [r for r in taken()["results"] if r["kind"] == "flags"]


def test_an_open_flag_is_a_finding_with_its_owner_and_a_settled_one_is_listed(late, held_out):
    said = nb.predict("late@1", held_out[:2])
    nb.flag("late@1:age", "ages are guessed", severity="blocking", to="expert")
    nb.flag(said.prediction_id[0], "cannot be", severity="low")
    done = nb.flag("train", "why so late?", question=True)
    nb.answer_flag(done.flag_id, "it was night")
    page = words(nb.report("train"))
    first = page.partition("Tracked parts")[0]
    assert "late@1:age (blocking, owner sam@x.org): ages are guessed" in first
    assert "3 flags, 2 still to settle." in page
    assert "answered, 1 answer" in page
    (result,) = (r for r in taken()["results"] if r["kind"] == "flags")
    assert [f["outcome"] for f in result["data"]["findings"]] == ["issue", "warning"]
    assert result["data"]["flags"][0]["subject"] == "late@1:age"
    actions = [e["action"] for e in taken()["events"]]
    assert (actions.count("flag"), actions.count("flag_answer")) == (3, 1)


def test_flags_stand_alike_in_the_reports_of_what_they_concern(late, train, held_out):
    nb.drift(held_out, "late@1")
    with nb.run("other"):
        nb.log(loss=1.0)
    settled = nb.flag("late", "odd at night")
    nb.answer_flag(settled.flag_id, "as it should be", state="dismissed")
    nb.flag("late@1:age", "ages are guessed", severity="blocking")
    nb.flag("other", "what is this for?", question=True)
    for ref, about in (("drift:late@1", 2), ("project", 3), ("agenda", 3), ("train..other", 3), ("other", 1)):
        page = words(nb.report(ref))
        assert f"{count(about, 'flag')}, {count_open(about)} still to settle." in page, ref
        assert ("ages are guessed" in page) == (ref != "other"), ref


def count_open(about):
    return 1 if about < 3 else 2


def test_more_flags_than_are_shown_are_counted(late):
    from nbmlops.governance.flags.flag import add, checked

    add([checked({"subject": "late@1", "text": f"odd {n}"}) for n in range(130)])
    taken = snapshot.build(subject_of("project"))["flags"]
    assert (taken["count"], taken["open"], len(taken["listed"])) == (130, 130, 100)
    for ref in ("project", "train"):
        assert "30 more flags: nbmlops flags" in words(nb.report(ref)), ref


def test_a_flag_that_its_owner_waved_through_is_still_to_settle(late, someone):
    from nbmlops.store import flags
    from nbmlops.tracking import session

    (late / "charter.yaml").write_text("roles: {scientist: [sam@x.org], expert: [kim@x.org]}")
    said = {
        "at": "2099-01-01T00:00:00+00:00",
        "author": "sam@x.org",
        "known_by": "git",
        "text": "fine",
        "state": "dismissed",
    }
    flagged = nb.flag("late@1", "ages are guessed", severity="blocking")
    with session.store().atomic() as change:
        change.connection.exec_driver_sql("UPDATE flags SET author = 'kim@x.org'")
        flags.answer(change, flagged.flag_id, said, "2099-01-01T00:00:00+00:00", ("sam@x.org", "git"))
    (result,) = (r for r in taken()["results"] if r["kind"] == "flags")
    assert result["data"]["flags"][0]["open"]


def test_page_one_says_what_holds_it_up_until_that_is_settled(late):
    (late / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.5}]")
    assert "Recommended: yes" in words(nb.report("train"))
    grave = nb.flag("late@1", "ages are guessed.", severity="blocking")
    nb.flag("late@1", "odd", severity="high")
    page = words(nb.report("train", refresh=True))
    assert "Held up" in page
    assert "sam@x.org flagged late@1 as blocking: ages are guessed." in page
    nb.answer_flag(grave.flag_id, "asked")
    page = words(nb.report("train", refresh=True))
    assert "with 1 condition" in page
    assert "Before that: the high flag on late@1 settled (sam@x.org)" in page


def test_a_flag_makes_a_report_stale_and_the_same_facts_give_the_same_bytes(late):
    before = written("train")
    nb.flag("late@1", "odd")
    assert written("train").stale
    again = written("train", refresh=True)
    assert again.number == before.number + 1
    assert snapshot.canonical(taken()) == snapshot.canonical(taken())


def test_private_columns_are_not_in_the_page(late):
    (late / "charter.yaml").write_text("private: [city]")
    nb.flag("late@1", "everybody of city Atlantis", where="city = 'Atlantis'")
    path = nb.report("train")
    assert "Atlantis" not in path.read_text(encoding="utf-8")
    assert "something about city, which is private" in words(path)
    assert "Atlantis" not in snapshot.canonical(taken()).decode()


def test_whose_a_flag_is_is_said_where_columns_are_private_too(late):
    (late / "charter.yaml").write_text("private: [city]")
    nb.flag("late@1", "too sure", severity="high")
    nb.flag("late@1:city", "comes too late")
    page = words(nb.report("train"))
    assert "late@1 (high, owner sam@x.org): too sure" in page
    assert "flag of city, which is private" in page


def test_where_the_charter_cannot_be_read_no_text_is_shown(late):
    nb.flag("late@1", "everybody of Atlantis")
    (late / "charter.yaml").write_text("roles: [nonsense]")
    assert "Atlantis" not in words(nb.report("train", refresh=True))
