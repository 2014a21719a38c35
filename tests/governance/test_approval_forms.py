"""A reviewer without Jupyter fills in ten lines of text; whoever enters them is recorded as steward."""

from pathlib import Path

import pytest

import nbmlops as nb
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.report.page import written
from nbmlops.tracking import session

from .conftest import ANN, KIM, MO, SAM, approve_events


@pytest.fixture
def form(judged, who):
    """A blank form, in the hands of Mo, who is no author."""
    who(MO)
    return nb.approval_form("late@1", judged / "form.txt")


def filled(path, **said):
    """Fill a form in: each line by the first word of its label."""
    answers = {
        "Name": KIM,
        "Role": "expert",
        "Outcome": "approved",
        "Comment": "reads well",
        "Date": "2026-03-31",
    } | said
    lines = []
    for line in Path(path).read_text().splitlines():
        word = line.split(":")[0].split(" (")[0]
        lines.append(f"{line} {answers[word]}" if word in answers and line.endswith(":") else line)
    Path(path).write_text("\n".join(lines) + "\n")
    return path


def test_a_form_has_ten_lines_and_says_what_is_asked(form):
    lines = form.read_text().splitlines()
    assert len(lines) == 10
    assert lines[1] == f"SHA-256: {nb.reports('late@1').iloc[0].digest}"
    assert lines[0].startswith("Approval form: ")
    assert lines[0].endswith(", report 1")
    assert [line.partition(":")[0] for line in lines[2:5]] == ["Question", "Recommended", "Name"]
    with pytest.raises(Conflict, match="is there already and may be filled in"):
        nb.approval_form("late@1", form)


def test_what_is_on_it_is_recorded_as_a_claim_with_the_steward(form):
    found = nb.approve(nb.read_form(filled(form)))
    (event,) = approve_events()
    assert event["actor"] == MO
    data = event["data"]
    assert (data["by"], data["entered_by"], data["role"], data["signed_on"]) == (KIM, MO, "expert", "2026-03-31")
    assert session.artifacts().get(data["form"]).decode() == form.read_text()
    assert found.given[0]["who"] == f"{KIM} (claimed; entered by {MO}, known by jupyterhub)"
    assert found.missing == (f"approval by manager ({ANN})",)


def test_conditions_stand_on_one_line(form):
    said = {
        "Outcome": "Approved with conditions",
        "Conditions": f"look again; {ANN}; 2999-05-01 | ask; {KIM}; 2999-06-01",
    }
    found = nb.approve(nb.read_form(filled(form, **said)))
    assert [c["owner"] for c in found.conditions] == [ANN, KIM]


def test_whoever_enters_their_own_paper_is_no_steward(form, who):
    who(KIM)
    assert nb.approve(nb.read_form(filled(form))).given[0]["entered_by"] == ""


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.replace("SHA-256: ", "SHA-256: 0"), Invalid, "its SHA-256 has 65 characters"),
        (lambda t: t.replace("SHA-256: ", "SHA-256: 0")[:-1], Invalid, "65 characters"),
        (lambda t: t.replace("Question: ", "Question: not "), NotAllowed, "was changed: the report says 'Question: "),
        (lambda t: t.replace(f"Name: {KIM}", "Name:"), Invalid, "is not filled in: name is empty"),
        (lambda t: t.replace(f"Name: {KIM}", "Name: Anonymous Io"), NotAllowed, "Anonymous Io cannot answer"),
        (lambda t: t.replace(f"Name: {KIM}", f"Name: {SAM}"), NotAllowed, "nobody answers for their own work"),
        (lambda t: t.replace(": approved\n", ": sure\n"), Invalid, "'sure' is no outcome"),
        (lambda t: t.replace("2026-03-31", "yesterday"), Invalid, "'yesterday' is no day"),
        (lambda t: t + "and more\n", Invalid, "has 11 lines with text"),
        (lambda t: t.replace("Comment:", "Remark:"), Invalid, "The line 'Comment' stands 0 times"),
        (lambda t: t.replace("Role: expert", "Role: manager"), NotAllowed, "does not play manager"),
    ],
)
def test_a_form_that_is_not_right_records_nothing(form, change, error, message):
    filled(form)
    form.write_text(change(form.read_text()))
    with pytest.raises(error) as refused:
        nb.approve(nb.read_form(form))
    assert message in str(refused.value)
    assert approve_events() == []


def test_the_hash_of_another_report_or_of_none(form):
    filled(form)
    digest = nb.reports("late@1").iloc[0].digest
    written("late@1", refresh=True)
    with pytest.raises(Conflict, match="is not the newest"):
        nb.approve(nb.read_form(form))
    form.write_text(form.read_text().replace(digest, "0" * 64))
    with pytest.raises(NotFound, match="No report of this store has the hash 000000000000"):
        nb.read_form(form)
    with pytest.raises(NotFound, match="There is no file"):
        nb.read_form("nothing.txt")


def test_the_authors_form_is_entered_by_somebody_else(form, who):
    filled(form)
    who(SAM)
    with pytest.raises(NotAllowed, match=r"sam@example.org ran what made late@1"):
        nb.approve(nb.read_form(form))
