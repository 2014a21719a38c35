"""The datasheet of a data set: seven parts, every question answered or missing with whose it is; nothing private."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.report.papers.datasheet import QUESTIONS

CHARTER = """
problem: Who comes late?
private: [city]
limits: [Not for groups.]
roles: {compliance: [cleo@example.org]}
"""
RULES = """
meaning: one booking
owner: dora@example.org
columns:
  age: {meaning: age at booking, unit: years, range: {min: 0, max: 60}}
  city: {set: [Ulm], fix: {map: {Bern: Ulm}}}
"""
PARTS = (
    *("Motivation", "Composition", "Collection process", "Preprocessing, cleaning, labeling", "Uses"),
    *("Distribution", "Maintenance"),
)


@pytest.fixture
def bookings(project, train):
    (project / "charter.yaml").write_text(CHARTER)
    (project / "rules").mkdir()
    (project / "rules" / "bookings.yaml").write_text(RULES)
    nb.dataset("bookings", train, keep=True, source="desk.csv")
    return project


def text(ref="bookings@1"):
    return nb.datasheet(ref, ".").read_text(encoding="utf-8")


def test_seven_parts_and_every_question_once(bookings):
    found = text()
    assert [line[3:] for line in found.splitlines() if line.startswith("## ")] == list(PARTS)
    for q in QUESTIONS:
        title = q.title
        assert found.count(f"\n| {title} ") + found.count(f"**Missing:** {title}. Whose:") == 1, q.key


def test_what_is_known_is_there_and_a_gap_says_whose(bookings):
    found = text()
    assert "one booking" in found
    assert "500 rows, 4 columns" in found
    assert "dora@example.org" in found
    assert "Not for groups." in found
    assert "No value is missing" in found
    assert "compliance: cleo@example.org" in found
    assert "**Missing:** Who paid for it. Whose: manager." in found


def test_what_people_write_answers(bookings):
    (bookings / "datasheets").mkdir()
    (bookings / "datasheets" / "bookings.yaml").write_text("funding: the desk\nconsent: [asked, agreed]\n")
    found = text()
    assert "the desk" in found
    assert "asked; agreed" in found
    assert "**Missing:** Who paid for it" not in found


def test_a_model_fitted_on_it_is_a_use(bookings, fit, train, held_out):
    model = fit("age", "noise", rows=train)
    nb.dataset("few", train[["age", "noise"]])
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    found = text("few@1")
    assert "late@1" in found or "**Missing:** What it was used for" in found
    fitted_on = nb.model_version("late@1").signature.get("datasets")
    assert ("late@1" in found) == ("few@1" in (fitted_on or ()))


def test_nothing_private(bookings):
    found = text()
    assert "Ulm" not in found
    assert "Bern" not in found
    assert "city: no value is shown anywhere" in found


def test_a_broken_charter_hides_every_value(bookings):
    (bookings / "charter.yaml").write_text("privat: [city]\n")
    found = text()
    assert "Ulm" not in found
    assert "60" not in found.split("## Composition")[1].split("## Collection")[0].replace("500", "")


def test_the_same_facts_give_the_same_bytes(bookings):
    assert text() == text()


def test_the_command_writes_the_same(bookings):
    done = CliRunner().invoke(main, ["dataset", "sheet", "bookings@1", "-o", "sheet.md", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"path": "sheet.md"}
    assert (bookings / "sheet.md").read_text(encoding="utf-8") == text()


@pytest.mark.parametrize(
    ("written", "says"),
    [("fundng: x", "Did you mean 'funding'"), ("a: [", "not valid YAML"), ("- x", "no keys with values")],
)
def test_a_bad_file_is_one_line(bookings, written, says):
    (bookings / "datasheets").mkdir()
    (bookings / "datasheets" / "bookings.yaml").write_text(written)
    with pytest.raises((Invalid, NotFound), match=says):
        text()
    assert not (bookings / "datasheet-bookings-1.md").exists()


def test_no_such_version(bookings):
    with pytest.raises(NotFound, match="No version"):
        nb.datasheet("bookings@7")
    with pytest.raises(NotFound, match="No dataset"):
        nb.datasheet("nothing")
