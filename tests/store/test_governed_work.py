"""What people do beside making models, each by an account: the right role may, and the wrong one changes nothing."""

import pandas as pd
import pytest

import nbmlops as nb
from accounts import direct, of, refused
from nbmlops.errors import NotAllowed
from nbmlops.store import events, flags, grants, predictions
from nbmlops.store.database import as_json
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor

pytestmark = [pytest.mark.postgres, pytest.mark.sqlite]  # once: each asks for its own server

CHARTER = """
problem: late flights
roles: {scientist: [ann], manager: [bob], expert: [kim], stakeholder: [mia]}
questions:
  - {id: q1, question: "Are fewer trips missed?", kpi: trips missed, unit: a month, metric: roc_auc, owner: ann}
value:
  unit: EUR
  per: {true_positive: 10, false_positive: -4, false_negative: 0, true_negative: 0}
  volume: {per: month, rows: 1000}
  prevalence: 0.3
"""


@pytest.fixture
def agreed(project, team):
    for role, user in (("expert", "kim"), ("stakeholder", "mia"), ("product", "pat"), ("steward", "sam")):
        grants.grant(team(), role, user, actor())
    (project / "charter.yaml").write_text(CHARTER)
    return team


def told(action):
    with session.store().reading() as connection:
        assert events.verify(connection) is None
        return [(e["actor"], e["subject"], e["data"]) for e in events.listed(connection, action=action)]


def count(owned):
    with direct(owned) as connection:
        return connection.execute("SELECT count(*), max(hash) FROM events").fetchone()


def event(owned, user, action, subject, data):
    """Append an event past nbmlops."""
    with direct(of(owned, user)) as connection:
        return refused(connection, "SELECT nbmlops_event(%s, %s, %s)", (action, subject, as_json(data)))


def test_a_verdict_is_an_experts_and_a_decision_a_managers(agreed, owned):
    be = agreed
    be("kim")
    assert nb.verdict("q1", "partly", "not at night").role == "expert"
    be("mia")
    assert nb.decide("continue", "it pays").role == "stakeholder"
    before = count(owned)
    for user in ("ann", "bob", "eve", "pat", "mia"):
        be(user)
        with pytest.raises(NotAllowed, match=f"{user} is no expert"):
            nb.verdict("q1", "yes", "so")
        assert (
            event(owned, user, "question_verdict", "q1", {"verdict": "yes", "why": "so", "role": "expert"}) == "NBM01"
        )
    for user in ("ann", "eve", "pat", "kim", "sam"):
        be(user)
        with pytest.raises(NotAllowed, match=f"{user} is no stakeholder or manager"):
            nb.decide("stop", "so")
        assert event(owned, user, "decision", "late", {"decision": "stop", "why": "so", "role": "manager"}) == "NBM01"
    assert count(owned) == before
    assert [(who, data["verdict"]) for who, _, data in told("question_verdict")] == [("kim", "partly")]
    assert [(who, data["decision"]) for who, _, data in told("decision")] == [("mia", "continue")]


def test_everybody_reads_the_agenda_and_the_first_estimate_is_whose_it_was(agreed, project, owned):
    be = agreed
    be("eve")
    found = nb.worth(auc=(0.6, 0.7, 0.8))
    assert (found.unrecorded, found.first["actor"]) == ("", "eve")
    be("bob")
    assert nb.worth(auc=(0.8, 0.9, 0.95)).first["auc"] == found.first["auc"]
    said = told("worth")[0][2]
    for lie in ({"expected": "much"}, {"low": None}, {"charter": "x"}):
        assert event(owned, "bob", "worth", session.project().name, said | lie) == "NBM03", lie
    assert event(owned, "bob", "worth", session.project().name, said | {"expected": 9}) == ""
    assert nb.worth().first["expected"] == said["expected"]  # the first one stands
    page = nb.review_charter(output=str(project / "agenda.html"))
    assert "Are fewer trips missed?" in page.read_text(encoding="utf-8")
    be("mia")
    assert nb.decide("continue", "it pays").number == 1  # after that agenda
    be("eve")
    assert nb.review_charter(output=str(project / "later.html")).exists()


@pytest.fixture
def kept(agreed, train, fit, held_out):
    """What is kept of people, each by the account that brings it."""
    be = agreed
    rows = train.assign(booking=[f"zqx{i}" for i in range(len(train))])
    be("ann")
    nb.dataset("bookings", rows, keep=True)
    with nb.run("forest"):
        model = fit("age", "city", "noise")
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    be("eve")
    said = nb.predict("late@1", rows[["booking", "age", "city", "noise"]], key="booking")
    nb.feedback(pd.DataFrame({"prediction_id": said.prediction_id[15:20], "outcome": [True] * 5}))
    nb.flag("bookings@1", "zqx17 is odd", row={"booking": "zqx17"})
    nb.flag(said.prediction_id[17], "zqx17 was on time", severity="blocking")
    return be


def rows_of(owned):
    tables = ("predictions", "feedback", "flags", "dataset_versions", "events")
    with direct(owned) as connection:
        return {t: connection.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables}


def test_a_steward_takes_a_person_out_and_nobody_else_does(kept, owned):
    session.store().catch_up()
    before = rows_of(owned)
    for user in ("ann", "bob", "eve", "mia"):
        kept(user)
        for where in ("booking = 'zqx17'", "key = 'zqx17'"):
            with pytest.raises(NotAllowed, match=f"{user} may not"):
                nb.erase(where, yes=True)
    assert rows_of(owned) == before
    kept("sam")
    assert nb.erase("booking = 'zqx17'", yes=True).rows == {"predictions": 0, "feedback": 0, "flags": 1, "dataset": 1}
    assert nb.erase("key = 'zqx17'", yes=True).rows == {"predictions": 1, "feedback": 1, "flags": 1, "dataset": 0}
    assert nb.load_dataset("bookings@1").iloc[17].isna().all()
    assert len(predictions.feedback_of(session.store(), "late")) == 4
    assert [f["data"]["said"]["text"] for f in flags.listed(session.store())] == ["", ""]
    assert {who for who, *_ in told("erase")} == {"sam"}
    assert "zqx17" not in str(rows_of(owned))
    assert nb.verify_audit().verdict != "broken"


def test_what_is_erased_goes_on_to_block(kept, owned):
    """A blocking flag loses its words with the person it was about, not what it holds up."""
    kept("sam")
    nb.erase("key = 'zqx17'", yes=True)
    kept("bob")
    with pytest.raises(NotAllowed, match="held up: eve flagged"):
        nb.promote("late", 1, to="champion", reason="good")
    (flag,) = [f for f in flags.listed(session.store()) if f["severity"] == "blocking"]
    with direct(of(owned, "sam")) as sam:
        for data in ({"said": None, "thread": []}, {"said": {"text": "", "known_by": "database"}, "thread": []}):
            assert refused(sam, "UPDATE flags SET data = %s WHERE severity = 'blocking'", (as_json(data),)) == "NBM01"
        assert refused(sam, "DELETE FROM flags") == "42501"
    assert nb.answer_flag(flag["flag_id"], "was it?", state="dismissed").text == "erased"
    assert nb.verify_audit().verdict != "broken"
    assert nb.promote("late", 1, to="champion", reason="good").aliases == ("champion",)
