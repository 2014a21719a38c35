"""The project's report: what a stakeholder decides on, from facts alone, the same for the same facts."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import NotFound
from nbmlops.report.kinds import project as kind
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.snapshot import build, canonical

from .conftest import CHARTER, read

PLAN = """
vision: No passenger waits at a gate for nothing.
budget: {amount: 60000, unit: EUR, spent: 21000, per_month: 3000}
deliverables:
  - {name: how-to page, due: 2013-06-30, owner: bo@example.org}
  - {name: first champion, due: 2099-03-31, done: true, owner: ada@example.org}
roles: {stakeholder: [sam@example.org], manager: [mo@example.org]}
"""


def taken():
    return build(subject_of("project"))


def page_one(snapshot):
    return kind.KIND.decide(snapshot)


@pytest.fixture
def planned(project, champion):
    """A project with a champion, a charter, a budget and what is due."""
    (project / "charter.yaml").write_text(CHARTER + PLAN)
    return project


def test_it_asks_whether_to_go_on_and_says_why(planned):
    first = page_one(taken())
    assert first.question == "Continue project, pivot or stop?"
    assert first.answer.word == "Recommended: continue"
    assert first.because.startswith("A gain is shown: late-flights@1 brings ")
    assert (
        "1 of 1 target shown; 39,000 of 60,000 EUR are left, enough for 13 months; 1 deliverable late." in first.because
    )
    assert first.signed


def test_the_page_says_everything_and_the_same_twice(planned):
    path = nb.report("project")
    page = read(path)
    for said in (
        "Project report: project",
        "No passenger waits at a gate for nothing.",
        "EUR per 1,000 rows, against no model",
        "At the start: late-flights@1",
        "Deliverables: 1 of 2 done",
        "how-to page",
        "late-flights@1 became champion: first model (policy: gate: better)",
        "insufficient data: 2 more needed",
        "Nobody is named as expert",
        "ada@example.org owns 1 model.",
        "No source was named",
    ):
        assert said in page, said
    assert canonical(taken()) == canonical(taken())
    assert nb.report("project").read_bytes() == page.encode()
    assert "<script" not in page


def test_as_of_is_the_newest_fact(planned):
    before = taken()["as_of"]
    with nb.run("later"):
        pass
    assert before < taken()["as_of"] == nb.get_run("later").ended_at


def test_an_empty_project_says_what_to_do(project):
    with pytest.raises(NotFound, match="nothing to report"):
        nb.report("project")


def test_a_charter_alone_is_enough(project):
    (project / "charter.yaml").write_text(PLAN)
    snapshot = taken()
    first = page_one(snapshot)
    assert first.answer.word == "Not known yet"
    assert "no model is in use" in first.part("worth").blocks[0].what
    assert len(kind.KIND.sections(snapshot, None)) == 9


def test_without_a_charter_it_says_whose_it_is(project, champion):
    first = page_one(taken())
    assert first.answer.word == "Not known yet"
    gaps = [b for p in first.parts for b in p.blocks if hasattr(b, "do")]
    assert any("nbmlops charter new" in b.do for b in gaps)
    assert any(b.do.startswith("stakeholder: write value") for b in gaps)


def test_a_broken_charter_is_told_and_the_report_is_written(planned):
    (planned / "charter.yaml").write_text("problme: x")
    page = read(nb.report("project"))
    assert "The charter cannot be read." in page
    assert "&#39;problme&#39; is no key of a charter" in page


def test_function_and_command_say_the_same(planned):
    found = CliRunner().invoke(main, ["report", "project", "--json"])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["answer"] == "Recommended: continue"
    assert json.loads(found.stdout)["run_id"] == ""


def test_the_magic_knows_it(planned, shell):
    assert shell.run_line_magic("report", "project").answer == "Recommended: continue"
