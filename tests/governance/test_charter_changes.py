"""Every charter there was is kept with its text: who changed what when, and what held at a time."""

import json
import os
import subprocess

import pytest
import yaml
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict
from nbmlops.governance.agreed_on import agree, as_of, changes, digest, note, record, since
from nbmlops.governance.charter import parsed
from nbmlops.governance.written.changed import changed, undone
from nbmlops.tracking import session

FIRST = "problem: late\nmargin: 0.01\n"


def words(old, new):
    return changed(*(parsed(yaml.safe_dump(c).encode()) for c in (old, new)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"margin": 0.01}, {"margin": 0.02}, "margin: 0.02, was 0.01"),
        ({}, {"goal": "fewer nights"}, "goal: fewer nights, not said before"),
        ({"goal": "fewer nights"}, {}, "goal: no longer said, was fewer nights"),
        ({"limits": ["a"]}, {"limits": ["b"]}, ["limits: b added", "limits: a taken away"]),
        (
            {"metrics": [{"name": "auc", "at_least": 0.6}]},
            {"metrics": [{"name": "auc", "at_most": 0.2}]},
            "target auc: at most 0.2, was at least 0.6",
        ),
        ({"metrics": [{"name": "auc", "at_least": 0.6}]}, {}, "target auc: no longer, was at least 0.6"),
        ({}, {"roles": {"manager": "mo"}}, "role manager: new, mo"),
        ({"roles": {"manager": ["mo", "al"]}}, {"roles": {"manager": "mo"}}, "role manager: al taken away"),
        ({}, {"policy": {"champion": {"approvals": 2}}}, "policy of champion: new, approvals 2"),
        (
            {"deliverables": [{"name": "page", "due": "2026-01-01"}]},
            {"deliverables": [{"name": "page", "due": "2026-02-01"}]},
            "deliverable page: due 2026-02-01, was 2026-01-01",
        ),
        (
            {"requirements": {"speed": "fast"}},
            {"requirements": {"speed": {"says": "fast", "check": "latency", "limit": 50}}},
            ["requirement speed: check latency, not said before", "requirement speed: limit 50, not said before"],
        ),
        (
            {"effort": {"people": 1, "weeks": 2}},
            {},
            ["effort people: no longer, was 1", "effort weeks: no longer, was 2"],
        ),
        (
            {"value": {"per": {"true_positive": 3}}},
            {"value": {"per": {"true_positive": 4}}},
            "value per: true_positive 4, was 3",
        ),
    ],
)
def test_what_changed_is_said_in_words(old, new, said):
    assert words(old, new) == tuple([said] if isinstance(said, str) else said)


@pytest.mark.parametrize(
    ("base", "now", "new", "said"),
    [
        ({"margin": 0.1}, {"margin": 0.2}, {"margin": 0.2, "goal": "a"}, []),
        ({"margin": 0.1}, {"margin": 0.2}, {"margin": 0.3}, ["margin: 0.3, was 0.2"]),
        ({}, {"limits": ["a"]}, {"limits": ["b"]}, ["limits: a taken away"]),
        ({"limits": ["a"]}, {}, {"limits": ["a", "b"]}, ["limits: a added"]),
        ({}, {"roles": {"manager": "mo"}}, {"roles": {"expert": "eve"}}, ["role manager: no longer, was mo"]),
        (
            {"roles": {"manager": "mo"}},
            {"roles": {"manager": "mo", "expert": "eve"}},
            {},
            ["role expert: no longer, was eve"],
        ),
        ({}, {"effort": {"people": 1, "weeks": 1}}, {"effort": {"people": 1, "weeks": 1}, "goal": "a"}, []),
        (
            {},
            {"metrics": [{"name": "auc", "at_least": 0.6}]},
            {"metrics": [{"name": "brier", "at_most": 0.2}]},
            ["target auc: no longer, was at least 0.6"],
        ),
    ],
)
def test_what_a_text_would_undo(base, now, new, said):
    assert list(undone(*(parsed(yaml.safe_dump(c).encode()) for c in (base, now, new)))) == said


def test_a_long_change_is_said_briefly():
    found = words({}, {"goal": "x" * 5000, "limits": [f"limit {i}" for i in range(200)]})
    assert len(found) == 61
    assert found[-1] == "and 141 more"
    assert max(map(len, found)) <= 160


def test_who_changed_what_when(project):
    agree(FIRST)
    agree(FIRST.replace("0.01", "0.02"))
    frame = nb.charter_changes()
    assert list(frame.changed) == ["begun", "margin: 0.02, was 0.01"]
    assert [c["before"] for c in changes()] == [None, frame.digest[0]]
    assert digest() == frame.digest[1]
    shown = CliRunner().invoke(main, ["charter", "changes", "--json"])
    assert json.loads(shown.output) == changes()
    assert "margin: 0.02, was 0.01" in CliRunner().invoke(main, ["charter", "changes"]).output
    assert CliRunner().invoke(main, ["charter", "changes", "--csv"]).output.startswith("at,actor,known_by,changed")


def test_without_any_there_is_none(project):
    assert changes() == []
    assert len(nb.charter_changes()) == 0
    assert note() is None
    assert digest() is None
    assert CliRunner().invoke(main, ["charter", "changes"]).exit_code == 0


def test_the_charter_as_it_was(project):
    agree(FIRST)
    between = changes()[0]["at"]
    agree(FIRST.replace("0.01", "0.02"))
    assert as_of("2000-01-01") is None
    assert (as_of(between).margin, as_of("2999-01-01").margin) == (0.01, 0.02)


def test_a_governed_change_records_the_charter_it_meets_once(project):
    (project / "charter.yaml").write_text(FIRST)
    for _ in range(2):
        with session.store().atomic() as change:
            assert record(change) == digest()
    assert len(changes()) == 1
    (project / "charter.yaml").write_text("problem: [\n")
    with session.store().atomic() as change:
        record(change)
    assert changes()[-1]["changed"] == ["cannot be read"]
    (project / "charter.yaml").write_text(FIRST)
    note()
    assert changes()[-1]["changed"] == ["the one before cannot be read"]


def test_who_edited_the_file_is_whom_git_names_and_who_met_it_only_found_it(project, someone):
    def git(*words):
        names = {
            f"GIT_{who}_{what}": "kim@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        return subprocess.run(["git", *words], cwd=project, env=os.environ | names, check=True, capture_output=True)

    someone("ann@example.org")
    (project / "charter.yaml").write_text(FIRST)
    note()  # no git knows it
    agree(FIRST + "goal: fewer nights\n")
    (project / "charter.yaml").write_text(FIRST)
    git("init", "-q")
    git("add", "charter.yaml")
    note()  # not committed yet
    (project / "charter.yaml").write_text(FIRST.replace("0.01", "0.02"))
    git("commit", "-qam", "more margin")
    with session.store().atomic() as change:
        record(change)
    found = [None, "ann@example.org", None, "kim@example.org"]
    assert [c["edited_by"] for c in changes()] == found
    assert {c["actor"] for c in changes()} == {"ann@example.org"}
    shown = CliRunner().invoke(main, ["charter", "changes"]).output.splitlines()[-4:]
    for line, by in zip(shown, found, strict=True):
        assert (by or "found by ann@example.org") in line
    told = [e["what"] for e in nb.audit(action="charter").events]
    assert sum(" was found changed: " in t for t in told) == 1
    commit = git("rev-parse", "HEAD").stdout.decode()[:12]
    assert sum(f" was changed by kim@example.org (git {commit}): margin: 0.02, was 0.01" in t for t in told) == 1


def test_a_change_that_is_undone_records_nothing(project):
    (project / "charter.yaml").write_text(FIRST)
    with pytest.raises(RuntimeError), session.store().atomic() as change:
        record(change)
        raise RuntimeError
    assert changes() == []


def test_the_text_survives_clearing_up(project):
    from nbmlops.store.garbage import gc

    agree(FIRST)
    gc(session.project(), dry_run=False, now_s=4e9)
    assert as_of("2999-01-01").margin == 0.01


def test_comments_alone_are_a_change_without_words(project):
    agree(FIRST)
    assert agree(f"# why\n{FIRST}").changed == ("only comments, order or layout",)


def test_what_was_judged_under_an_older_one_says_so(project):
    agree(FIRST)
    judged = digest()
    assert since(judged) == {"state": "same", "at": None, "changed": []}
    agree(FIRST.replace("0.01", "0.02"))
    assert since(judged) == {"state": "changed", "at": changes()[0]["at"], "changed": ["margin: 0.02, was 0.01"]}
    assert since(None)["state"] == "unknown"
    assert since("0" * 64)["state"] == "changed"


def test_a_registration_and_a_promotion_name_the_charter_they_were_made_under(project, model, held_out):
    from nbmlops.store import events

    (project / "charter.yaml").write_text("problem: late\npromotes: reason\n")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="first")
    with session.store().reading() as connection:
        said = {e["action"]: e["data"].get("charter") for e in events.listed(connection)}
    assert said["register"] == said["alias"] == digest()
    assert len(changes()) == 1


def older(frame):
    return frame.age > 40


def test_what_is_flagged_answered_deleted_and_trusted_names_the_charter_of_its_time(project, model, someone, held_out):
    from nbmlops.store import events

    someone("ann")
    nb.register(model, "late")
    rule = nb.rule_model(older, columns=["age"], classes=[False, True])
    nb.evaluate(rule, held_out, target="late")
    nb.register(rule, "rule")

    def under(text, do):
        (project / "charter.yaml").write_text(text)
        done = do()
        with session.store().reading() as connection:
            (*_, last) = events.listed(connection)
        return (last["action"], last["data"].get("charter") == digest()), done

    said, flag = under("problem: late\n", lambda: nb.flag("late@1", "too sure"))
    assert said == ("flag", True)
    assert under(FIRST, lambda: nb.answer_flag(flag.flag_id, "it is"))[0] == ("flag_answer", True)
    assert under("goal: a\n", lambda: nb.delete("late@1", reason="by mistake"))[0] == ("delete", True)
    assert under("goal: b\n", lambda: nb.restore("late@1"))[0] == ("restore", True)
    someone("ben")
    assert under("goal: c\n", lambda: nb.approve_source("rule@1", "reads one column"))[0] == ("review", True)
    assert len(changes()) == 5


def both_at_once(texts, base):
    """Let each of some people keep a text that was made from the same charter; what became of each."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    together = Barrier(len(texts))

    def one(text):
        together.wait(30)
        try:
            return agree(text, base=base).changed
        except Conflict as error:
            return error

    with ThreadPoolExecutor(len(texts)) as pool:
        return list(pool.map(one, texts))


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_two_people_at_once_lose_nothing(project, request, monkeypatch, where):
    if where == "postgresql":
        monkeypatch.setenv("NBMLOPS_STORE", request.getfixturevalue("postgres")())
        session.reset()
    base = agree(FIRST).digest
    texts = [FIRST.replace("0.01", "0.02"), FIRST.replace("0.01", "0.03")]
    found = both_at_once(texts, base)
    refused = [f for f in found if isinstance(f, Conflict)]
    assert len(refused) == 1
    assert "after this text, which would undo: margin" in str(refused[0])
    assert [c["changed"][0] for c in changes()] == ["begun", next(f for f in found if f not in refused)[0]]
    assert (project / "charter.yaml").read_text() in texts
    assert digest() == changes()[-1]["digest"]
