"""Every kind of report by every door: function, magic and command say the same of the same thing."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.report import page
from nbmlops.report.kinds.kind import KINDS, kind_of
from nbmlops.tracking import session

from .conftest import DRIFT
from .test_notebook_report import FAILED

REFS = ["late-flights@1..late-flights@2", "drift:late-flights", "bare.ipynb", "nightly", "project"]


@pytest.fixture
def everything(retrained, shell):
    """A project in which there is one of every kind."""
    from nbmlops.store import ledger

    shutil.copy(FAILED, "bare.ipynb")
    session.keep("drift", "late-flights", {**DRIFT, "reference": "late-flights@1", "reference_rows": 5495})
    with ledger.changing(session.store()) as change:
        at = "2026-03-01T01:00:00+00:00"
        ledger.add(change, [{"key": "nightly-1", "job": "nightly", "notebook": "a.ipynb", "created_at": at}])
        (claim,) = ledger.claim(change, at, "me", key="nightly-1")
    session.finish(session.start("retrain", kind="notebook", run_id=claim.run_id))
    with ledger.changing(session.store()) as change:
        ledger.close(change, claim, "finished", None, at)
    return shell


@pytest.mark.parametrize("ref", REFS)
def test_function_magic_and_command_say_the_same(everything, ref):
    path = nb.report(ref, "a.html")
    magic = everything.run_line_magic("report", f"{ref} -o b.html").to_dict()
    done = CliRunner().invoke(main, ["report", ref, "-o", "c.html", "--json"])
    assert done.exit_code == 0, done.output
    command = json.loads(done.output)
    assert {k: v for k, v in magic.items() if k != "path"} == {k: v for k, v in command.items() if k != "path"}
    assert path.read_bytes() == Path("b.html").read_bytes() == Path("c.html").read_bytes()
    assert command["number"] == 1
    assert command["note"] == ""


@pytest.mark.parametrize("ref", REFS)
@pytest.mark.parametrize("end", ["html", "md", "json"])
def test_every_kind_is_written_in_every_form_and_small(everything, ref, end):
    content = nb.report(ref, f"a.{end}").read_bytes()
    assert 500 < len(content) < 300_000
    if end == "json":
        assert json.loads(content)["kind"] in KINDS


@pytest.mark.parametrize("ref", REFS)
def test_keys_of_sections_are_anchors_and_differ(everything, ref):
    taken = json.loads(nb.report(ref, "a.json").read_text())
    sections = kind_of(taken["kind"]).sections(taken, page.appendix(taken))
    keys = [s.key for s in sections] + [p.key for p in kind_of(taken["kind"]).decide(taken).parts]
    assert len(keys) == len(set(keys))
    assert all(s.summary for s in sections)


def test_a_variable_of_the_notebook_may_hold_what_is_meant(everything):
    everything.user_ns["both"] = ["late-flights@1", "late-flights@2"]
    found = everything.run_line_magic("report", "both -o b.html")
    assert found.title == "Comparison: late-flights@1 and late-flights@2"


@pytest.mark.parametrize("ref", ["drift:nothing", "a..b", "gone.ipynb", "nothing"])
def test_what_is_not_there_ends_with_the_code_for_no_data(project, ref):
    done = CliRunner().invoke(main, ["report", ref])
    assert done.exit_code == 5
    assert done.output.count("\n") == 1
