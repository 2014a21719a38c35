"""People who answer for a model, the version that one of them made, and what the others said of it."""

import json

import pytest

import nbmlops as nb
from nbmlops.report.page import written
from nbmlops.store import events
from nbmlops.tracking import session

SAM, ANN, KIM, MO = "sam@example.org", "ann@example.org", "kim@example.org", "mo@example.org"
CHARTER = f"""
roles: {{scientist: ['{SAM}'], manager: ['{ANN}'], expert: ['{KIM}', '{MO}']}}
promotes: reason
policy:
  champion: {{approvals: 2, roles: [manager, expert], each: true, evidence: [report, evaluation], expires: 30d}}
"""


@pytest.fixture
def who(someone):
    """Be somebody: ``who(ANN)``; at first Sam."""
    someone(SAM)
    return someone


@pytest.fixture
def judged(project, who, fit, held_out, train):
    """A version that Sam trained in a run, evaluated, registered, and of which a report was made."""
    (project / "charter.yaml").write_text(CHARTER)
    with nb.run("late"):
        nb.dataset("trips", train)
        model = fit("age", "city")
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    written("late@1")
    return project


def agree(project, **policy):
    text = CHARTER.partition("policy:")[0]
    (project / "charter.yaml").write_text(f"{text}policy: {json.dumps({'champion': policy})}\n")


def approve_events():
    with session.store().reading() as connection:
        assert events.verify(connection) is None
        return [e for e in events.listed(connection) if e["action"] == "approve"]


def both(who):
    who(ANN)
    nb.approve("late@1")
    who(KIM)
    return nb.approve("late@1", comment="reads well")
