"""The whole story of a model that six people answer for: from a charter to a review, and to what the log says of it."""

import zipfile
from datetime import date, timedelta

import pytest

import nbmlops as nb
from nbmlops.capture import environment
from nbmlops.config import find_project
from nbmlops.errors import Invalid, NotAllowed
from nbmlops.governance.agreed_on import agree
from nbmlops.store import events, grants
from nbmlops.store.database import Store
from nbmlops.tracking import session

ROLES = {
    "mia": "stakeholder",
    "kim": "expert",
    "ada": "scientist",
    "bob": "ml_engineer",
    "mo": "manager",
    "cleo": "compliance",
}
CHARTER = f"""
problem: Will this trip be late?
questions: [{{id: missed, question: 'Are fewer trips missed?', kpi: trips missed, metric: roc_auc, owner: mia}}]
value:
  unit: EUR
  per: {{true_positive: 10, false_positive: -4, false_negative: 0, true_negative: 0}}
  volume: {{per: month, rows: 1000}}
  prevalence: 0.3
effort: {{people: 1, weeks: 2, per_week: 500}}
metrics: [{{name: roc_auc, at_least: 0.7, viable: 0.55}}]
promotes: better
roles: {{{", ".join(f"{role}: [{person}]" for person, role in ROLES.items())}}}
"""
POLICY = """
policy:
  champion: {approvals: 2, roles: [manager, expert], each: true, evidence: [report, gate], expires: 30d}
"""


@pytest.fixture
def by_git(project, monkeypatch):
    """Be somebody as git says it: ``be("kim")``; any name can be written there."""

    def be(person):
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", person)
        environment.actor.cache_clear()

    for name in ("CI", "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.email")
    yield be
    environment.actor.cache_clear()


@pytest.fixture
def by_account(by_git, postgres, project, monkeypatch):
    """Be somebody as the database says it, on a store with an account for each."""
    address = postgres()
    (project / "nbmlops.toml").write_text(f"[store]\nurl = '{address}'\n")
    store = Store(find_project(project))
    keeper = grants.install(store)["roles"]
    for person, role in ROLES.items():
        grants.grant(store, role, person, ("postgres", "database"))
    store.close()

    def be(person):
        by_git(person)
        session.reset()
        monkeypatch.setenv("NBMLOPS_STORE", address.replace("postgres@", f"{person}@"))

    yield be
    session.reset()
    made = ", ".join([*ROLES, *(f"{keeper}_{group}" for group in ("keeper", *grants.GROUPS))])
    with direct(address) as connection:  # accounts are the server's, not the database's
        connection.execute(f"DROP OWNED BY {made} CASCADE")
        connection.execute(f"DROP ROLE {made}")


def direct(address):
    import psycopg

    return psycopg.connect("postgresql://" + address.partition("://")[2], autocommit=True)


def test_six_people_answer_for_a_model(by_git, fit, train, held_out):
    tell(by_git, fit, train, held_out, known_by="git")


@pytest.mark.slow
@pytest.mark.postgres
def test_six_accounts_answer_for_a_model(by_account, fit, train, held_out):
    tell(by_account, fit, train, held_out, known_by="database")


def tell(be, fit, train, held_out, known_by):
    """Live through all of it; each chapter asserts what it shows."""
    agreed_and_estimated(be)
    first, second = trained(be, fit, train, held_out)
    judged(be, first, second, held_out)
    doubted(be, second)
    report = approved(be, second)
    corrected_data_makes_it_stale(be, second, train)
    third = forced_and_taken_back(be, fit, train, held_out, second)
    reviewed(be, third)
    papers(be, second)
    remembered(be, report, known_by)


def agreed_and_estimated(be):
    be("mia")
    agree(CHARTER)
    worth = nb.worth()
    low, expected, high = (worth.estimated[k] for k in ("low", "expected", "high"))
    assert low <= expected <= high
    assert nb.worth().first["actor"] == "mia"  # kept for ever
    assert nb.status().items[0].phase == "data"


def trained(be, fit, train, held_out):
    be("ada")
    return made(fit, ["noise"], train, held_out), made(fit, ["age", "city"], train, held_out)


def made(fit, columns, rows, held_out):
    """Track what makes a model: its data as a version, its evaluation, itself as a version."""
    with nb.run("late"):
        nb.dataset("trips", rows)
        model = fit(*columns, rows=rows)
        nb.evaluate(model, held_out, target="late")
        return nb.register(model, "late").ref


def promoted(ref, reason, override=False):
    name, _, version = ref.partition("@")
    return nb.promote(name, version, to="champion", reason=reason, override=override)


def judged(be, first, second, held_out):
    be("bob")
    promoted(first, "the first")
    be("mo")
    agree(CHARTER + POLICY)
    be("ada")
    assert nb.gate(second, first, on=held_out).ready
    be("bob")
    with pytest.raises(NotAllowed, match=r"lacks approval by manager \(mo\); approval by expert \(kim\)"):
        promoted(second, "better")


def doubted(be, second):
    be("kim")
    doubt = nb.flag(second, "Is it sure of the old?", where="age > 60", severity="blocking")
    be("bob")
    with pytest.raises(NotAllowed, match=r"held up: kim flagged late@2, .*: Is it sure of the old\? Read"):
        promoted(second, "better")
    be("ada")
    with pytest.raises(NotAllowed, match="does not settle this flag"):
        nb.answer_flag(doubt.flag_id, "it is my own model")
    nb.answer_flag(doubt.flag_id, "few are that old", state="open")
    be("kim")
    assert nb.answer_flag(doubt.flag_id, "then it may go").state == "answered"


def approved(be, second):
    report = nb.report(second)
    be("ada")
    with pytest.raises(NotAllowed, match="nobody answers for their own work"):
        nb.approve(report)
    be("kim")
    condition = f"look again; mo; {date.today() + timedelta(days=14)}"
    assert not nb.approve(report, outcome="approved with conditions", conditions=[condition]).met
    be("mo")
    assert nb.approve(report, comment="worth it").met
    be("bob")
    moved = promoted(second, "better, and two people agree")
    assert len(moved.decision["approvals"]) == 2
    return report


def corrected_data_makes_it_stale(be, second, train):
    assert nb.approvals(second).met
    be("ada")
    nb.dataset("trips", train[train.age < 65])
    found = nb.approvals(second)
    assert {answer["state"] for answer in found.given} == {"stale"}
    assert all("trips" in answer["why"] for answer in found.given)
    assert not found.met


def forced_and_taken_back(be, fit, train, held_out, second):
    be("ada")
    rows = train[train.age < 65]
    third = made(fit, ["age", "city"], rows, held_out)
    be("bob")
    with pytest.raises(NotAllowed):
        promoted(third, "it is Sunday")
    with pytest.raises(Invalid, match="needs a reason"):
        promoted(third, "", override=True)
    promoted(third, "it is Sunday", override=True)
    assert nb.approvals(third).overrides
    with pytest.raises(NotAllowed, match="made this override"):
        nb.review_override("late@champion", "justified", "it was me")
    be("cleo")
    nb.review_override("late@champion", "not justified", "it could have waited")
    assert not nb.approvals(third).overrides
    be("bob")
    with pytest.raises(NotAllowed, match="plays none of the roles"):
        nb.rollback("late", reason="two people have to look first")
    be("mo")
    assert nb.rollback("late", reason="two people have to look first").ref == second
    be("bob")
    return third


def reviewed(be, third):
    be("mo")
    agenda = nb.review_charter(output="agenda.md").read_text(encoding="utf-8")
    assert "Are fewer trips missed?" in agenda
    assert "look again" in agenda  # the open condition
    be("ada")
    with pytest.raises(NotAllowed):
        nb.verdict("missed", "yes", "it is my own model")
    with pytest.raises(NotAllowed):
        nb.decide("continue", "it is my own model")
    be("kim")
    assert nb.verdict("missed", "partly", "not of the old").agenda
    be("mia")
    assert nb.decide("continue", "worth it").answer == "continue"
    (model,) = nb.status().items
    assert (model.version, model.phase) == (third, "deployment")
    assert {"mo", "kim"} <= set(model.people)
    assert model.back["why"] == "two people have to look first"


def papers(be, second):
    be("cleo")
    assert "Are fewer trips missed?" in nb.model_card(second).read_text(encoding="utf-8")
    with zipfile.ZipFile(nb.bundle(second, "evidence.zip").path) as kept:
        assert {"index.html", "model_card.md"} <= set(kept.namelist())


def remembered(be, report, known_by):
    log = nb.audit().to_frame()
    assert set(log.actor) == set(ROLES) | ({"postgres"} if known_by == "database" else set())
    assert set(log.known_by) == {known_by}
    with session.store().reading() as connection:
        assert events.verify(connection) is None
    found = nb.verify_audit(report)
    assert found.verdict == "proven"
