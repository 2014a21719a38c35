"""A flag has a subject, an owner, an answer and a state; a blocking one holds up what it concerns."""

import dataclasses
import functools
import json
from datetime import date

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.capture.data import describe
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.governance.flags import blocking, open_flags
from nbmlops.governance.flags.flag import get
from nbmlops.governance.flags.from_file import from_form
from nbmlops.monitoring import alerts
from nbmlops.store import events
from nbmlops.store import flags as stored
from nbmlops.tracking import session

CHARTER = """\
roles: {expert: [ann@x.org, eve@x.org], scientist: [sam@x.org], manager: [max@x.org]}
private: [city]
"""


@pytest.fixture
def be(monkeypatch):
    """Take the place of a person: ``be("ann@x.org")``."""

    def take(name):
        monkeypatch.setattr("nbmlops.capture.environment.actor", functools.cache(lambda: (name, "git")))

    return take


@pytest.fixture
def late(project, model, held_out, be):
    """Version 1 of a model that sam registered, after an evaluation."""
    be("sam@x.org")
    with nb.run("train"):
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    return project


def agree(project, text=CHARTER):
    (project / "charter.yaml").write_text(text)


def chained(action):
    with session.store().reading() as connection:
        return events.listed(connection, action=action)


def test_a_flag_on_a_version_is_kept_with_its_event_and_owner(late, be):
    be("ann@x.org")
    found = nb.flag("late@1", "too sure of old people", severity="high", evidence=["run train", " "], to="scientist")
    assert (found.kind, found.subject, found.owner, found.state) == ("model", "late@1", "sam@x.org", "open")
    assert (found.author, found.known_by, found.evidence) == ("ann@x.org", "git", ("run train",))
    (event,) = chained("flag")
    assert (event["subject"], event["actor"]) == ("late@1", "ann@x.org")
    about = {"flag": found.flag_id, "kind": "model", "severity": "high", "role": "scientist", "question": False}
    whose = {"author": "ann@x.org", "owner": "sam@x.org", "at": found.at}
    assert event["data"] == {**about, **whose, "digest": found.digest}
    assert "sure" not in json.dumps(event)
    assert get(found.flag_id[-6:]) == get(found.flag_id)
    assert nb.flags().loc[0, ["flag_id", "text", "answers"]].tolist() == [found.flag_id, found.text, 0]


@pytest.mark.parametrize(
    ("subject", "more", "kind", "named"),
    [
        ("late", {}, "model", "late"),
        ("late@1:age", {}, "feature", "late@1:age"),
        ("late:late", {}, "feature", "late:late"),
        ("late@1", {"where": "age > 40 and city = 'Ulm'"}, "segment", "late@1"),
        ("train", {}, "run", None),
    ],
)
def test_what_is_named_is_what_is_meant(late, subject, more, kind, named):
    found = nb.flag(subject, "odd", **more)
    assert found.kind == kind
    assert found.subject == (named or nb.get_run("train").run_id)


def test_a_row_is_named_by_its_number_or_its_key_and_the_chain_holds_no_value(project, needed, people):
    needed("pyarrow")
    rows = people(30, 1).assign(booking=[f"B{n}" for n in range(30)])
    ref = nb.dataset("bookings", rows, keep=True).ref
    assert nb.flag(f"{ref}#17", "no such city").subject == f"{ref}#17"
    by_key = nb.flag(f"{ref}#booking=B17", "no such city", value=True)
    assert (by_key.subject, by_key.row, by_key.value) == (f"{ref}#17", 17, True)
    assert nb.flag(rows, "again", row={"booking": "B3"}).subject == f"{ref}#3"  # a frame of which a version is known
    segment = nb.flag(ref, "all of it", where="booking = 'B1' or booking = 'B2'")
    assert (segment.kind, segment.rows, segment.of_rows) == ("segment", 2, 30)
    unknown = nb.flag(rows.assign(x=1), "not kept", row=0)
    assert (unknown.kind, unknown.subject[:5], unknown.subject[-2:]) == ("row", "data:", "#0")
    assert "B17" not in json.dumps(chained("flag"))
    assert len(nb.flags(ref)) == 4


def test_a_prediction_is_flagged_by_its_id(late, held_out):
    said = nb.predict("late@1", held_out[:3])
    found = nb.flag(said.prediction_id[1], "cannot be", value=False)
    assert (found.kind, found.of, found.owner) == ("prediction", ("late@1",), "sam@x.org")
    assert [f.flag_id for f in open_flags("late@1")] == [found.flag_id]


def test_a_report_is_flagged_by_what_it_is_about_and_its_number(late):
    nb.report("train")
    found = nb.flag("report:train", "page one says too little", to="product")
    run_id = nb.get_run("train").run_id
    assert (found.kind, found.subject, found.of) == ("report", f"report:run:{run_id}#1", (run_id,))
    assert [f.flag_id for f in open_flags("late@1")] == [found.flag_id]  # of the run that made the version
    with pytest.raises(NotFound, match="No report of train was made as number 7"):
        nb.flag("report:train#7", "odd")


def test_what_the_model_was_fitted_on_concerns_it_too(project, needed, fit, train, held_out):
    needed("pyarrow")
    ref = nb.dataset("people", train, keep=True).ref
    model = fit("age", "city")
    with nb.run("train") as run:
        about = dataclasses.asdict(describe("people", train))
        session.write({"t": "dataset", "run_id": run.run_id, **about, "columns": []})
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    row = nb.flag(f"{ref}#3", "not a person", severity="blocking")
    assert [f.flag_id for f in open_flags("late@1")] == [row.flag_id]


@pytest.mark.parametrize(
    ("subject", "more", "message"),
    [
        ("nix", {}, "Nothing to flag is called 'nix'"),
        ("late@9", {}, "version"),
        ("", {}, "Nothing to flag is named"),
        (7, {}, "Nothing to flag is named"),
        ("x" * 401, {}, "A subject of 401 characters"),
        ("late@1", {"severity": "worst"}, "'worst' is no severity"),
        ("late@1", {"to": "boss"}, "No role 'boss'"),
        ("late@1", {"kind": "thing"}, "'thing' is no kind"),
        ("late@1", {"kind": "run"}, "Nothing to flag is called"),
        ("late@1:hour", {}, "late@1 has no column 'hour'"),
        ("late@1", {"where": "hour > 3"}, "late@1 has no column 'hour'"),
        ("late@1", {"where": "age >"}, ""),
        ("late@1", {"where": " "}, "A segment needs a condition"),
        ("late@1#3", {}, "is a model and has no rows"),
        ("late@1#x", {}, "'x' is no place of a row"),
        ("late@1", {"where": "age > 3", "row": 1}, "A condition and a row at once"),
        ("00000000-0000-7000-8000-000000000000", {}, "No prediction and no run has the id"),
    ],
)
def test_bad_input_is_one_line_and_keeps_nothing(late, subject, more, message):
    with pytest.raises((Invalid, NotFound)) as error:
        nb.flag(subject, "odd", **more)
    assert message in error.value.message
    assert "\n" not in str(error.value)
    assert chained("flag") == []
    assert nb.flags().empty


@pytest.mark.parametrize("text", ["", "  ", None, 3, "x" * 4001, "a\0b", "\ud800"])
def test_a_flag_says_something(late, text):
    with pytest.raises(Invalid):
        nb.flag("late@1", text)
    assert nb.flags().empty


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"evidence": 5}, "evidence is '5'"),
        ({"evidence": {"a": 1}}, "evidence is"),
        ({"value": float("nan")}, "value is 'nan'"),
        ({"value": [1]}, "value is"),
        ({"value": {"late": True}}, "value is"),
        ({"value": "\ud800"}, "A value has characters that are no text"),
        ({"where": ""}, "A segment needs a condition"),
        ({"severity": ""}, "'' is no severity"),
        ({"question": "no"}, "question is 'no'"),
    ],
)
def test_what_is_no_evidence_label_or_answer_is_refused(late, said, message):
    with pytest.raises(Invalid, match=message):
        nb.flag("late@1", "odd", **said)
    assert nb.flags().empty


def test_a_label_is_kept_as_it_was_said(late):
    import numpy as np

    values = [
        nb.flag("late@1", "odd", value=v).value for v in (True, np.float64(0.5), np.int64(3), "late", date(2026, 5, 1))
    ]
    assert values == [True, 0.5, 3, "late", "2026-05-01"]


def test_a_word_after_a_blocking_flag_was_settled_changes_nothing(late, be):
    agree(late)
    be("ann@x.org")
    flag = nb.flag("late@1", "ages are guessed", severity="blocking")
    be("eve@x.org")
    nb.answer_flag(flag.flag_id, "they are measured")
    assert blocking("late@1") == []
    be("sam@x.org")  # owns it, and may not settle it
    nb.answer_flag(flag.flag_id, "thank you")
    assert blocking("late@1") == []
    nb.promote("late", 1, to="champion", reason="settled")


def test_a_name_that_is_two_things_has_to_be_said(late, held_out):
    nb.dataset("late", held_out)
    with pytest.raises(Invalid, match="late is a model and a data set"):
        nb.flag("late", "odd")
    assert nb.flag("late", "odd", kind="dataset").subject == "late@1"
    assert nb.flag("late", "odd", kind="model").subject == "late"
    assert nb.flag("late", "odd", kind="dataset", where="noise > 0.5").kind == "segment"
    assert nb.flag("late@1", "odd", kind="dataset", row=3).subject == "late@1#3"


def test_nobody_is_no_author(late, be):
    be("Anonymous Themisto")
    with pytest.raises(NotAllowed, match="is nobody"):
        nb.flag("late@1", "odd")
    assert nb.flags().empty


def test_a_thread_grows_and_the_flag_is_settled_by_who_may(late, be):
    agree(late)
    be("ann@x.org")
    found = nb.flag("late@1", "wrong at night", severity="blocking")
    be("sam@x.org")
    with pytest.raises(NotAllowed, match=r"sam@x.org owns what is held up, and does not settle this flag: expert or"):
        nb.answer_flag(found.flag_id, "it is fine")  # his own model, and it blocks
    assert nb.answer_flag(found.flag_id, "which nights?", state="open").state == "open"
    be("ann@x.org")
    with pytest.raises(NotAllowed, match="Nobody accepts a flag of their own"):
        nb.answer_flag(found.flag_id, "yes", state="accepted")
    be("eve@x.org")
    accepted = nb.answer_flag(found.flag_id, "I see it too", state="accepted")
    assert [(a["author"], a["state"]) for a in accepted.thread] == [("sam@x.org", "open"), ("eve@x.org", "accepted")]
    assert [f.flag_id for f in blocking("late@1")] == [found.flag_id]  # it is right, so it goes on blocking
    be("ann@x.org")
    assert nb.answer_flag(found.flag_id[-8:], "mended in version 2").closed_at
    assert open_flags("late@1") == []
    assert [e["data"]["state"] for e in chained("flag_answer")] == ["open", "accepted", "answered"]


def test_the_owner_settles_what_does_not_block_and_a_role_what_is_for_it(late, be):
    agree(late)
    be("ann@x.org")
    mild, asked = nb.flag("late@1", "a typo"), nb.flag("late@1", "may we?", question=True, to="manager")
    be("sam@x.org")
    assert nb.answer_flag(mild.flag_id, "mended").state == "answered"
    assert nb.answer_flag(asked.flag_id, "I may not").state == "answered"  # his model
    other = nb.flag("late@1", "is it worth it?", question=True, to="manager", severity="blocking")
    be("eve@x.org")
    with pytest.raises(NotAllowed, match="manager decides"):
        nb.answer_flag(other.flag_id, "yes")
    be("max@x.org")
    assert nb.answer_flag(other.flag_id, "no", state="dismissed").state == "dismissed"
    assert nb.answer_flag(other.flag_id, "yes after all", state="open").closed_at is None


def test_an_owner_who_plays_the_role_lets_nothing_of_his_own_through(late, be):
    agree(late, "roles: {expert: [ann@x.org, sam@x.org], scientist: [sam@x.org]}")
    be("ann@x.org")
    found = [nb.flag("late@1", "odd", severity="blocking", to=to) for to in (None, "scientist")]
    be("sam@x.org")
    for flag in found:
        with pytest.raises(NotAllowed, match="owns what is held up"):
            nb.answer_flag(flag.flag_id, "it is not", state="dismissed")
    own = nb.flag("late@1", "I made a mistake", severity="blocking")
    assert nb.answer_flag(own.flag_id, "mended").state == "answered"


@pytest.mark.parametrize("subject", ["late", "rows@1"])
def test_who_made_a_version_settles_no_blocking_flag_on_its_name_or_data(project, fit, held_out, train, be, subject):
    agree(project, "roles: {expert: [ann@x.org, sam@x.org, eve@x.org]}")
    be("eve@x.org")
    nb.dataset("rows", train)
    be("sam@x.org")
    with nb.run("train"):
        model = fit("age")
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    be("eve@x.org")
    nb.register(other := fit("city"), "late")
    assert other is not None
    be("ann@x.org")
    found = nb.flag(subject, "odd", severity="blocking", kind="model" if subject == "late" else "dataset")
    be("sam@x.org")
    with pytest.raises(NotAllowed, match=r"sam@x.org owns what is held up"):
        nb.answer_flag(found.flag_id, "it is not", state="dismissed")
    said = {"at": "2999-01-01T00:00:00.000000+00:00", "author": "sam@x.org", "known_by": "git", "text": "no"}
    with session.store().atomic() as change:  # as somebody does it who asks no function
        stored.answer(change, found.flag_id, {**said, "state": "dismissed"}, said["at"], ("sam@x.org", "git"))
    assert [f.flag_id for f in blocking("late@1")] == [found.flag_id]


def test_who_enters_a_flag_for_another_does_not_accept_it(late, be):
    agree(late)
    be("ann@x.org")
    (late / "form.txt").write_text("about: late@1\nsays: odd\nby: eve@x.org\n")
    found = from_form("form.txt")
    assert (found.author, found.entered_by) == ("eve@x.org", "ann@x.org")
    for state in ("accepted", "dismissed", "answered"):
        with pytest.raises(NotAllowed, match=r"ann@x.org entered this flag for eve@x.org, and does not settle it"):
            nb.answer_flag(found.flag_id, "so it is", state=state)
    be("max@x.org")
    assert nb.answer_flag(found.flag_id, "so it is", state="accepted").state == "accepted"


def test_who_left_settles_nothing_and_has_no_role(late, be):
    agree(late)
    be("eve@x.org")
    own = nb.flag("late@1", "odd")
    be("ann@x.org")
    found = nb.flag("late@1", "a typo")
    agree(late, CHARTER + "left: [eve@x.org, sam@x.org]\n")
    for person, flag in (("eve@x.org", found), ("sam@x.org", found), ("eve@x.org", own)):
        be(person)
        assert nb.actor().roles == ()
        with pytest.raises(NotAllowed, match=f"{person} left by the charter, and settles no flag: expert or manager"):
            nb.answer_flag(flag.flag_id, "it is not", state="dismissed")
    assert nb.answer_flag(found.flag_id, "I knew of it", state="open").state == "open"
    be("max@x.org")
    assert nb.answer_flag(found.flag_id, "it is not", state="dismissed").state == "dismissed"


def test_without_roles_anybody_settles(late, be):
    be("ann@x.org")
    found = nb.flag("late@1", "odd", severity="blocking")
    assert nb.answer_flag(found.flag_id, "no", state="dismissed").state == "dismissed"


def test_where_the_charter_cannot_be_read_nothing_is_settled_and_nothing_shown(late, be):
    found = nb.flag("late@1", "odd", where="city = 'Ulm'", value=True)
    agree(late, "roles: [not, this]")
    with pytest.raises(Invalid):
        nb.answer_flag(found.flag_id, "no", state="dismissed")
    shown = get(found.flag_id)
    assert shown.text.startswith("not shown: the charter cannot be read")
    assert (shown.value, "Ulm" in repr(shown)) == (None, False)


def test_answers_that_say_nothing_and_flags_that_are_not_there(late):
    found = nb.flag("late@1", "odd")
    with pytest.raises(Invalid, match="An answer says nothing"):
        nb.answer_flag(found.flag_id, " ")
    with pytest.raises(Invalid, match="'shut' is no state"):
        nb.answer_flag(found.flag_id, "x", state="shut")
    for strange in ("nix", "", found.flag_id[-3:], None):
        with pytest.raises(NotFound, match="No flag"):
            nb.answer_flag(strange, "x")
    assert chained("flag_answer") == []


def test_who_was_overtaken_looks_again(late, monkeypatch):
    found = nb.flag("late@1", "odd")
    nb.answer_flag(found.flag_id, "yes")
    monkeypatch.setattr("nbmlops.governance.flags.thread.get", lambda flag_id: found)  # as it was read before
    with pytest.raises(Conflict, match="The flag is answered by now"):
        nb.answer_flag(found.flag_id, "no", state="dismissed")


def test_private_columns_are_masked_wherever_a_flag_is_shown(late, be):
    (late / "nbmlops.toml").write_text('[alerts]\nfile = "alerts.jsonl"\n')
    session.reset()
    agree(late)
    be("ann@x.org")
    found = nb.flag("late@1", "everybody of city Ulm", where="city = 'Ulm'", to="scientist", evidence="city=Ulm")
    assert found.where == "something about city, which is private"
    nb.answer_flag(found.flag_id, "city Ulm indeed", state="open")
    shown = [repr(get(found.flag_id)), get(found.flag_id)._repr_mimebundle_()["text/html"], nb.flags().to_csv()]
    shown += [(late / "alerts.jsonl").read_text(), json.dumps(chained("flag"))]
    assert not [text for text in shown if "Ulm" in text]
    assert stored.listed(session.store())[0]["data"]["said"]["where"] == "city = 'Ulm'"  # kept for who may


def test_a_question_goes_to_the_role_through_the_channels_and_its_answer_back(late, be):
    (late / "nbmlops.toml").write_text('[alerts]\nfile = "alerts.jsonl"\n')
    session.reset()
    agree(late)
    be("sam@x.org")
    found = nb.flag("late@1", "is 3 a.m. night?", question=True, to="expert")
    assert found.told["words"] == "Sent to expert (ann@x.org, eve@x.org) through file:alerts.jsonl."
    be("ann@x.org")
    nb.answer_flag(found.flag_id, "until five")
    sent = [json.loads(line) for line in (late / "alerts.jsonl").read_text().splitlines()]
    assert [m["title"] for m in sent] == ["sam@x.org: a question about late@1", "ann@x.org: late@1 is answered"]
    assert "is 3 a.m. night?" in sent[0]["text"]
    assert sent[1]["notice"]["people"] == ["sam@x.org"]
    assert nb.flag("late@1", "nobody asked").told == {}


def test_a_channel_that_fails_undoes_no_flag(late):
    (late / "nbmlops.toml").write_text('[alerts]\nfile = "no/such/folder.jsonl"\n')
    session.reset()
    found = nb.flag("late@1", "why?", question=True, to="expert")
    assert "kept and sent later" in found.told["words"]
    assert [row["state"] for row in alerts.rows()] == ["failed"]
    assert len(nb.flags()) == 1


def test_the_gate_warns_of_mild_flags_and_calls_grave_ones_an_issue(late, held_out, fit):
    nb.evaluate(strong := fit("age"), held_out, target="late")
    nb.register(strong, "late")

    def of_gate():
        return next(f for f in nb.gate("late@2", "late@1", on=held_out).findings if f.code == "flag")

    assert of_gate().outcome == "passed"
    nb.flag("late@2", "a typo", severity="low")
    assert of_gate().outcome == "warning"
    grave = nb.flag("late@2:age", "ages are guessed", severity="high")
    finding = of_gate()
    assert (finding.outcome, finding.effect) == ("issue", 2)
    assert "2 open flags on late@2, the worst is high (owner: sam@x.org): ages are guessed" in finding.message
    nb.answer_flag(grave.flag_id, "asked and corrected")
    assert of_gate().outcome == "warning"


def test_flags_are_listed_by_subject_state_and_role(late, be):
    agree(late)
    be("ann@x.org")
    nb.flag("late", "of all versions")
    nb.flag("late@1:age", "odd", to="scientist")
    nb.flag("train", "of the run")
    done = nb.flag("late@1", "done", severity="low")
    nb.answer_flag(done.flag_id, "yes")
    assert len(nb.flags("late@1")) == 4
    assert nb.flags("late", state="open", role="scientist").subject.tolist() == ["late@1:age"]
    assert nb.flags(state="answered").text.tolist() == ["done"]
    assert isinstance(nb.flags("late@1:noise"), pd.DataFrame)
    with pytest.raises(Invalid, match="'shut' is no state"):
        nb.flags(state="shut")
    with pytest.raises(NotFound, match="No role 'boss'"):
        nb.flags(role="boss")


def test_a_blocking_flag_lets_no_alias_move_until_it_is_settled(late, be):
    be("ann@x.org")
    found = nb.flag("late@1:age", "ages are guessed.", severity="blocking")
    be("sam@x.org")
    with pytest.raises(NotAllowed) as error:
        nb.promote("late", 1, to="champion", reason="the first")
    held = r"late@1 is held up: ann@x.org flagged late@1:age, blocking (owner: sam@x.org): ages are guessed."
    assert error.value.message == held
    assert chained("alias") == []
    nb.flag("late@1", "a typo", severity="high")
    nb.answer_flag(found.flag_id, "asked", state="dismissed")
    assert nb.promote("late", 1, to="champion", reason="the first").aliases == ("champion",)


def test_the_charter_may_let_any_open_flag_hold_up(late):
    agree(late, "policy: {champion: {flags: any}}")
    found = nb.flag("late@1", "a typo", severity="low")
    with pytest.raises(NotAllowed, match="late@1 is held up"):
        nb.promote("late", 1, to="champion", reason="the first")
    agree(late, "policy: {champion: {flags: some}}")
    with pytest.raises(NotAllowed, match=r"policy.champion.flags is 'some', so nothing is promoted"):
        nb.promote("late", 1, to="champion", reason="the first")
    agree(late, "policy: {champion: {flags: any}}")
    nb.answer_flag(found.flag_id, "mended")
    assert nb.promote("late", 1, to="champion", reason="the first").aliases == ("champion",)
