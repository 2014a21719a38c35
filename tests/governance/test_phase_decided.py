"""What a decision, a refusal or an evaluation does to where a model is and whose turn it is."""

import nbmlops as nb
from nbmlops.governance.agenda.overdue import due
from nbmlops.governance.charter import parsed
from nbmlops.governance.phase import status, went_back

from .conftest import ANN, CHARTER, KIM


def one():
    return status().items[0]


def test_who_said_no_is_not_answered_for_by_somebody_else(judged, who):
    who(KIM)
    nb.approve("late@1", "rejected", role="expert", comment="it is wrong at night")
    who(ANN)
    nb.approve("late@1", role="manager")
    found = one()
    assert (found.rule, found.phase) == ("turned_down", "development")
    assert found.because.endswith(f"{KIM}: it is wrong at night")
    who(KIM)
    nb.approve("late@1", role="expert", comment="mended")
    assert one().rule == "waits"


def test_a_version_evaluated_later_was_evaluated(project, fit, held_out):
    nb.register(fit("age"), "late")
    assert one().rule == "unjudged"
    nb.evaluate("late@1", held_out, target="late")
    assert one().rule == "waits"


def test_a_project_that_was_stopped_asks_nobody_to_train(judged, who):
    who(ANN)
    assert one().rule == "unapproved"
    nb.decide("stop", "nobody calls")
    found = one()
    assert (found.rule, found.phase, found.turn) == ("stopped", "feedback", f"manager ({ANN})")
    nb.decide("continue", "somebody does")
    assert one().rule == "unapproved"


def test_a_pivot_waits_for_another_charter(judged, who, project):
    who(ANN)
    nb.decide("pivot", "too few", to="cancelled flights")
    found = one()
    assert (found.rule, found.phase, found.role) == ("pivoted", "design", "stakeholder")
    assert found.back["to"] == "design"
    (project / "charter.yaml").write_text(f"{CHARTER}problem: will it be cancelled\n")
    assert one().rule == "unapproved"


def test_of_a_project_without_models_too(project, who):
    (project / "charter.yaml").write_text(CHARTER)
    who(ANN)
    nb.decide("stop", "no data")
    found = one()
    assert (found.model, found.version, found.rule, found.people) == ("project", "", "stopped", (ANN,))


def test_a_flag_on_rows_of_data_takes_no_model_back_that_is_called_alike():
    flag = {"action": "flag", "at": "2026-01-01", "actor": "ann", "data": {"severity": "blocking"}}
    assert went_back([flag | {"subject": "late@7#17"}], ["late"]) == {}
    assert went_back([flag | {"subject": "late@7"}], ["late"])["late"]["to"] == "development"
    assert went_back([flag | {"subject": "late@7:hour"}], ["late"])["late"]["to"] == "development"


def test_a_stopped_project_is_asked_for_no_agenda():
    agreed = parsed(b"{reviews: {agenda: weekly}}")
    charter = {"action": "charter", "at": "2026-01-01T00:00:00+00:00", "subject": "p", "data": {}}
    chosen = {"action": "decision", "at": "2026-01-02T00:00:00+00:00", "subject": "p"}
    at = "2026-03-01T00:00:00+00:00"
    assert [f.code for f in due(agreed, [charter], [], at)] == ["agenda_overdue"]
    assert due(agreed, [charter, chosen | {"data": {"decision": "stop"}}], [], at) == []
    assert due(agreed, [charter, chosen | {"data": {"decision": "continue"}}], [], at) != []
