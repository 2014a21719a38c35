"""A report carries the head of the audit log, so that whoever holds it can prove later that nothing was rewritten."""

import json
import sqlite3
from pathlib import Path

import pytest

import nbmlops as nb
from nbmlops.report import kept
from nbmlops.report.kinds.kind import subject_of
from nbmlops.store.database import as_json
from nbmlops.store.events import _hash
from nbmlops.tracking import session

from .conftest import promote


@pytest.fixture
def reported(retrained):
    """A run whose model is champion, with its report in each form."""
    promote(1, "the first")
    for name in ("r.html", "r.md", "r.json"):
        nb.report(retrained.run_id, output=name)
    return nb.verify_audit()


def decide(reason="later"):
    with session.store().atomic() as change:
        return change.event("advice", "late-flights@1", {"advice": "keep", "because": reason}, ("ann", "git"))


def rewrite(seq):
    """Change an event as somebody would who can write to the store: with every hash behind it, and the head beside."""
    with sqlite3.connect(".nbmlops/store.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(r) for r in connection.execute("SELECT * FROM events ORDER BY seq")]
        previous = rows[0]["previous"]
        for row in rows:
            row |= {"previous": previous} | ({"actor": "eve"} if row["seq"] == seq else {})
            row["hash"] = previous = _hash(row)
            sql = "UPDATE events SET actor = :actor, previous = :previous, hash = :hash WHERE seq = :seq"
            connection.execute(sql, row)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'head'", (f"{len(rows)} {previous}",))
    connection.close()


@pytest.mark.parametrize("name", ["r.html", "r.md", "r.json"])
def test_every_form_of_a_report_is_a_head(reported, name):
    decide()
    found = nb.verify_audit(name)
    assert (found.verdict, found.proven_to, found.proven_by) == ("proven", reported.events, (name,))


@pytest.mark.parametrize("name", ["r.html", "r.md", "r.json"])
def test_who_rewrites_all_of_the_log_is_found_by_a_report_that_was_handed_out(reported, name):
    rewrite(1)
    with sqlite3.connect(".nbmlops/store.sqlite") as connection:
        connection.execute("DELETE FROM reports")
    connection.close()
    assert nb.verify_audit().verdict == "consistent, not proven"
    found = nb.verify_audit(Path(name))
    assert found.verdict == "broken"
    assert f"it is not the one in {name}" in found.what


def test_the_reports_of_the_store_find_it_too_and_prove_nothing(reported):
    assert nb.verify_audit().verdict == "consistent, not proven"
    rewrite(1)
    found = nb.verify_audit()
    assert found.verdict == "broken"
    assert "kept here" in found.what


def test_words_of_people_in_a_page_are_no_head(retrained):
    false = f"nbmlops-audit {nb.verify_audit().chain_id} 1:{'0' * 64}"
    decide(false)
    for name in ("r.html", "r.md"):
        nb.report(retrained.run_id, output=name, refresh=True)
        assert nb.verify_audit(name).verdict == "proven"


def test_an_event_elsewhere_makes_no_report_outdated(reported, retrained):
    with session.store().atomic() as change:
        change.event("alias", "price@champion", {"version": 9, "from": None}, ("ann", "git"))
    again = kept.take(subject_of(retrained.run_id))
    assert not again.stale
    assert again.snapshot["head"]["seq"] == reported.events


def test_before_the_first_event_there_is_no_head(project):
    with session.run("alone") as run:
        session.log(loss=0.1)
    nb.report(run.run_id, output="r.json")
    nb.report(run.run_id, output="r.html")
    assert json.loads(Path("r.json").read_text())["head"] is None
    assert "nbmlops-audit" not in Path("r.html").read_text()


def test_what_the_store_keeps_of_a_head_is_that_of_the_facts(reported):
    from nbmlops.store import reports

    row = reports.listed(session.store())[0]
    assert row.data["head"] == kept.load(row.digest)["head"]
    assert as_json(row.data["head"]) == as_json(json.loads(Path("r.json").read_text())["head"])
