"""Flags lie in their table, their digests in the chain: what does not fit is found, whatever was changed."""

import subprocess
import sys

import pytest

from nbmlops.errors import NotFound
from nbmlops.records import new_id
from nbmlops.store import driver, erasing, flags
from nbmlops.store.health import verify
from nbmlops.tracking import session

ANN, BOB = ("ann", "git"), ("bob", "git")


def row(subject="late@1", text="odd", **more):
    said = {"text": text, "question": False, "evidence": ["x"]}
    about = {"kind": "model", "severity": "high", "role": None, "owner": "eve", "author": "ann"}
    about |= {"flag_id": new_id(), "subject": subject, "at": "2026-01-01", "closed_at": None}
    return {**about, **more, "said": said}


def kept(*rows):
    with session.store().atomic() as change:
        flags.add(change, rows, ANN)
    return [r["flag_id"] for r in rows]


def answered(flag_id, state="answered"):
    said = {"at": "2026-01-02", "author": "bob", "known_by": "git", "text": "so it is", "state": state}
    with session.store().atomic() as change:
        flags.answer(change, flag_id, said, "2026-01-02", BOB)


def sql(text):
    with session.store().atomic() as change:
        change.connection.exec_driver_sql(text)


def unfit():
    with driver.connect(session.project()) as connection, connection.reading():
        return flags.unfit(connection)


def test_what_was_said_and_answered_is_found_by_subject_state_and_the_end_of_its_id(project):
    one, two = kept(row(), row("late@2", role="expert", at="2026-01-02"))
    answered(two[-12:])
    store = session.store()
    assert [r["flag_id"] for r in flags.listed(store)] == [one, two]
    assert [r["flag_id"] for r in flags.listed(store, ["late@2", "gone@1"])] == [two]
    assert [r["state"] for r in flags.listed(store, state="answered", role="expert")] == ["answered"]
    with store.reading() as connection:
        found = flags.find(connection, two[-8:])
        assert flags.find(connection, "") is None  # both end so
    assert [a["author"] for a in found["data"]["thread"]] == ["bob"]
    assert unfit() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE flags SET state = 'dismissed'",
        "UPDATE flags SET severity = 'low'",
        "UPDATE flags SET kind = 'row'",
        "UPDATE flags SET author = 'eve'",
        "UPDATE flags SET owner = 'ann'",
        "UPDATE flags SET owner = NULL",
        "UPDATE flags SET role = 'expert'",
        "UPDATE flags SET subject = 'late@2'",
        "UPDATE flags SET at = '2025-01-01'",
        "UPDATE flags SET closed_at = NULL",
        "UPDATE flags SET closed_at = '2027-01-01'",
        "UPDATE flags SET digest = 'd'",
        "UPDATE flags SET data = replace(data, 'odd', 'all right')",
        "UPDATE flags SET data = replace(data, 'so it is', 'it is not so')",
        "UPDATE flags SET flag_id = 'another'",
        "DELETE FROM flags",
    ],
)
def test_whatever_is_changed_behind_the_chain_does_not_fit(project, change):
    (one,) = kept(row())
    answered(one)
    sql(change)
    assert one in unfit() or "another" in unfit()


def test_an_event_of_before_repeats_less_and_fits(project):
    (one,) = kept(row())
    with session.store().reading() as connection:
        found = flags.find(connection, one)
    with session.store().atomic() as change:
        change.connection.exec_driver_sql("UPDATE flags SET flag_id = 'old'")
        about = {"flag": "old", **{k: found[k] for k in ("kind", "severity", "role", "digest")}, "question": False}
        change.event("flag", "late@1", about, ANN)
    assert unfit() == [one]  # its row is gone; the old one fits


def test_what_was_erased_on_purpose_fits(project):
    (one,) = kept(row())
    sql('UPDATE flags SET data = \'{"said": null, "thread": []}\'')
    assert unfit() == [one]
    digest = flags.listed(session.store())[0]["digest"]
    with session.store().atomic() as change:
        change.event("erase", "flags", {"digests_before": [digest]}, ANN)
    assert unfit() == []


def test_what_was_erased_is_answered_all_the_same_and_is_not_removed(project):
    (one,) = kept(row())
    answered(one)
    with session.store().atomic() as change:
        found = flags.find(change.connection, one)
        erasing.flag(change, one, found["data"])
        change.event("erase", "flags", {"digests_before": [found["digest"]]}, ANN)
    assert unfit() == []
    answered(one)
    (found,) = flags.listed(session.store())
    assert [bool(a["text"]) for a in found["data"]["thread"]] == [False, True]
    assert unfit() == []
    sql("DELETE FROM flags")  # erasing takes words, never the flag
    assert unfit() == [one]


def test_open_flags_of_a_model_that_is_handed_over_are_the_new_owners(project):
    at = "2026-01-01"
    about = [("late", "model"), ("late@1", "segment"), ("late@1:age", "feature"), ("id", "prediction")]
    mine = [row(subject, kind=kind, at=at) for subject, kind in about]
    mine[-1]["said"]["of"] = ["late@1"]
    others = [row("later@1"), row("late@1", kind="dataset"), row("late@1#3", kind="row")]
    (closed,) = kept(row())
    answered(closed)
    kept(*mine, *others)
    with session.store().atomic() as change:
        change.event("handover", "late", {"to": "grace", "from": None, "reason": ""}, ANN)
    (newer,) = kept(row(at="9999-01-01"))
    whose = {r["flag_id"]: r["owner"] for r in flags.listed(session.store())}
    assert {whose[r["flag_id"]] for r in mine} == {"grace"}
    assert {whose[r["flag_id"]] for r in others} | {whose[closed], whose[newer]} == {"eve"}
    with session.store().reading() as connection:
        assert flags.find(connection, mine[0]["flag_id"])["owner"] == "grace"
    assert unfit() == []


def test_verify_names_a_flag_that_was_changed(project):
    (one,) = kept(row())
    assert {c.what: c.right for c in verify(session.project())}["flags"]
    sql("UPDATE flags SET data = replace(data, 'odd', 'fine')")
    found = {c.what: c for c in verify(session.project())}
    assert not found["flags"].right
    assert one in found["flags"].says
    assert found["chain"].right


def test_all_are_kept_or_none(project):
    twice = row()
    with pytest.raises(Exception, match=r"(?i)unique"):
        kept(row(), twice, twice)
    assert flags.listed(session.store()) == []
    with pytest.raises(NotFound, match="No flag 'nix'"):
        answered("nix")


@pytest.mark.sqlite
def test_two_who_answer_at_once_are_both_heard(project):
    (one,) = kept(row())
    code = (
        "import sys\nfrom nbmlops.store import flags\nfrom nbmlops.tracking import session\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "with session.store().atomic() as change:\n"
        "    flags.answer(change, sys.argv[1], {'text': sys.argv[2], 'state': 'open'}, None, (sys.argv[2], 'os'))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    people = [subprocess.Popen([sys.executable, "-c", code, one, name], **pipes) for name in ("ann", "bob")]
    for process in people:
        process.stdout.readline()
    for process in people:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait(60) for process in people] == [0, 0]
    (found,) = flags.listed(session.store())
    assert sorted(a["text"] for a in found["data"]["thread"]) == ["ann", "bob"]
    assert unfit() == []
