"""Reports are made once: the same bytes until another number is asked for; who signed them stands apart."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.capture import environment
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound, Unavailable
from nbmlops.magics.report import MAGICS
from nbmlops.report import decision, kept, snapshot
from nbmlops.report.blocks import Table
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.page import written
from nbmlops.store import reports
from nbmlops.tracking import session

from .conftest import promote
from .test_page import assert_safe


def read(path):
    return Path(path).read_text(encoding="utf-8")


MANAGER = ("ann@example.org", "git")


def answer(digest, outcome="approved", by=MANAGER, **more):
    with session.store().atomic() as change:
        data = {"report": digest, "outcome": outcome, "role": "manager", **more}
        change.event("approve", "late-flights@2", data, by)


def test_asking_again_gives_the_same_bytes_whatever_happens_meanwhile(retrained, tmp_path):
    one = nb.report(retrained, tmp_path / "one.html").read_bytes()
    promote(2, "better on April")
    with pytest.warns(RuntimeWarning, match="--refresh makes report 2"):
        again = nb.report(retrained, tmp_path / "again.html").read_bytes()
    assert again == one
    assert b"Report 1 of notebook run" in one


def test_refresh_makes_the_next_number_and_leaves_the_first_file_alone(retrained):
    one = written(retrained)
    promote(2, "better on April")
    assert (written(retrained).number, written(retrained).stale) == (1, True)
    two = written(retrained, refresh=True)
    assert (two.number, two.stale, two.note) == (2, False, "")
    assert two.path != one.path
    assert "Report 2 of notebook run" in read(two.path)
    assert "better on April" not in read(one.path)
    assert written(retrained).digest == two.digest
    assert written(retrained, refresh=True).number == 3  # also of the same facts


def test_what_is_kept_is_what_was_hashed(retrained):
    found = written(retrained)
    (row,) = reports.listed(session.store())
    assert (row.digest, row.number, row.kind, row.run_id) == (found.digest, 1, "run", retrained.run_id)
    assert snapshot.digest(kept.load(row.digest)) == row.digest


def test_an_approval_makes_no_report_outdated(retrained):
    found = written(retrained)
    answer(found.digest)
    assert not written(retrained).stale


def test_a_store_that_cannot_be_written_leaves_the_report_without_a_number(retrained, monkeypatch, tmp_path):
    def refuse(*_):
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(reports, "add", refuse)
    with pytest.warns(RuntimeWarning, match="not kept, so it has no number: The disk is full"):
        path = nb.report(retrained, tmp_path / "r.html")
    assert "that is not kept" in read(path)
    assert nb.verify_report(path).says.endswith("byte by byte.")
    assert nb.verify_report(path).known is False
    monkeypatch.undo()
    assert written(retrained).number == 1


def test_facts_that_are_gone_are_said_and_the_next_number_made(retrained):
    found = written(retrained)
    session.artifacts().delete(found.digest)
    with pytest.warns(RuntimeWarning, match="The facts of report 1 .* are not among the artifacts"):
        assert written(retrained).number == 2


def test_two_kinds_of_names_of_one_run_are_one_subject(retrained):
    assert written(retrained).number == written(retrained.run_id).number == 1
    assert len(nb.reports()) == 1


def test_the_list_says_the_same_by_function_magic_and_command(retrained, champion):
    written(champion)
    written(retrained)
    written(retrained, refresh=True)
    rows = json.loads(CliRunner().invoke(main, ["report", "list", "--json"]).output)
    assert [(r["number"], r["run_id"]) for r in rows] == [
        (2, retrained.run_id),
        (1, retrained.run_id),
        (1, champion.run_id),
    ]
    magic = MAGICS[0](SimpleNamespace(user_ns={"mine": retrained}), "list mine")
    assert magic.to_dict()["reports"] == rows[:2] == nb.reports(retrained).to_dict("records")
    assert repr(magic).splitlines()[1].split()[:3] == ["Retraining", "report:", "late-flights"]
    assert repr(magic).count("Replace champion late-flights@1 by late-flights@2? Recommended: yes") == 2
    assert rows[0]["digest"][:12] in magic._repr_mimebundle_()["text/html"]
    text = CliRunner().invoke(main, ["report", "list", champion.run_id]).output
    assert "Run report" not in text
    assert champion.run_id[-12:] in text
    assert CliRunner().invoke(main, ["report", "list", "nope"]).exit_code == 5
    assert CliRunner().invoke(main, ["report", "list", "--csv"]).output.startswith("kind,name,number,answer,")


def test_no_reports_is_said(project):
    assert CliRunner().invoke(main, ["report", "list"]).output == "no reports\n"
    assert repr(MAGICS[0](SimpleNamespace(user_ns={}), "list")).startswith("No report was made yet.")
    assert list(nb.reports().columns)[:3] == ["kind", "name", "number"]


def test_signatures_stand_by_their_report_and_say_which_are_outdated(retrained, project, tmp_path):
    (project / "charter.yaml").write_text(
        (project / "charter.yaml").read_text() + "\nroles: {manager: [ann@example.org]}\n"
        "policy: {champion: {roles: [manager, compliance]}}\n"
    )
    one = written(retrained, tmp_path / "one.html")
    before = read(one.path)
    answer(one.digest, "approved with conditions", condition="until May", expires_at="2099-06-01T00:00:00+00:00")
    found = nb.signatures(retrained)
    assert (found.required, found.missing) == (("manager", "compliance"), ())
    (signed,) = found.reports[0]["signatures"]
    assert (signed["role"], signed["name"], signed["known_by"]) == ("manager", *MANAGER)
    assert (signed["outcome"], signed["condition"]) == ("approved with conditions", "until May")
    promote(2, "better on April")
    two = written(retrained, refresh=True)
    found = nb.signatures(retrained, tmp_path / "s.html")
    assert [(r["number"], r["stale"], len(r["signatures"])) for r in found.reports] == [(2, False, 0), (1, True, 1)]
    assert found.missing == ("manager", "compliance")
    text = assert_safe(read(found.path)).text
    for words in (
        "Report 2 is the newest. It has no answer yet.",
        "The charter asks for manager or compliance.",
        "ann@example.org (by git)",
        "What is signed here is outdated",
        one.digest,
        two.digest,
        "until May",
    ):
        assert words in text, words
    assert read(one.path) == before  # what was approved is never written anew


def test_an_approval_that_ended_is_said_and_counts_no_more(retrained, project, tmp_path):
    with (project / "charter.yaml").open("a") as file:
        file.write("\npolicy: {champion: {roles: [manager]}}\n")
    answer(written(retrained).digest, expires_at="2099-06-01T00:00:00+00:00")
    before = nb.signatures(retrained, tmp_path / "before.html", at="2099-05-31T23:59")
    assert (before.missing, before.reports[0]["signatures"][0]["expired"]) == ((), False)
    after = nb.signatures(retrained, tmp_path / "after.html", at="2099-06-01T02:00+02:00")
    assert (after.missing, after.as_of) == (("manager",), "2099-06-01T00:00:00.000000+00:00")
    text = assert_safe(read(after.path)).text
    assert "approved, expired" in text
    assert "The approval by ann@example.org expired on 1 June 2099, 00:00 UTC." in text
    assert "expired" not in read(before.path)
    assert "approved, expired 2099-06-01" in repr(after)
    later = nb.signatures(retrained, tmp_path / "later.html", at="2100-01-01").path
    assert read(later) == read(after.path)  # the same facts, whenever one looks
    with pytest.raises(Invalid, match="'soon' is no time"):
        nb.signatures(retrained, at="soon")


def test_an_answer_to_another_report_or_a_refusal_approves_nothing(retrained, project):
    with (project / "charter.yaml").open("a") as file:
        file.write("\npolicy: {champion: {roles: [manager]}}\n")
    found = written(retrained)
    answer("0" * 64, note=found.digest)
    assert nb.signatures(retrained).reports[0]["signatures"] == []
    answer(found.digest)
    answer(found.digest, "rejected")
    assert nb.signatures(retrained).missing == ("manager",)


def test_a_signature_page_is_the_same_for_the_same_facts_and_escapes(retrained, tmp_path):
    found = written(retrained)
    answer(found.digest, "<b>approved</b>", ("<img src=x>", "git"), comment="<script>\u202e")
    one, two = (nb.signatures(retrained, tmp_path / n).path for n in ("a.html", "b.html"))
    assert read(one) == read(two)
    assert "<img src=x>" not in read(one)
    assert "\u202e" not in read(one)
    assert "<b>approved" not in read(one)


def test_what_was_never_reported_has_no_signatures(retrained):
    with pytest.raises(NotFound, match=r"No report of .* was made yet"):
        nb.signatures(retrained)
    assert CliRunner().invoke(main, ["report", "signatures", retrained.run_id]).exit_code == 5


def test_signatures_are_the_same_by_function_magic_and_command(retrained):
    answer(written(retrained).digest)
    shell = SimpleNamespace(user_ns={})
    said = json.loads(CliRunner().invoke(main, ["report", "signatures", retrained.run_id, "--json"]).output)
    magic = MAGICS[0](shell, f"signatures {retrained.run_id}")
    assert magic.to_dict() == said == nb.signatures(retrained).to_dict()
    assert "ann@example.org (by git)" in repr(magic)
    assert "ann@example.org (by git)" in magic._repr_mimebundle_()["text/html"]
    assert "The charter asks for nobody's approval." in repr(magic)


def test_the_magic_verifies_and_refuses_what_it_cannot_mean(retrained, tmp_path):
    shell = SimpleNamespace(user_ns={})
    path = nb.report(retrained, tmp_path / "r.html")
    assert MAGICS[0](shell, f"verify {path}").to_dict() == nb.verify_report(path).to_dict()
    for line, words in (("verify", "of what"), ("forest birch", "one word too many")):
        with pytest.raises(Invalid, match=re.escape(words)):
            MAGICS[0](shell, line)


def test_the_card_says_its_number_and_what_changed(retrained):
    written(retrained)
    promote(2, "better")
    bundle = written(retrained)._repr_mimebundle_()
    assert bundle["text/plain"].splitlines()[-1] == "What is known has changed since: --refresh makes report 2."
    assert "Report 1. Facts as of" in bundle["text/html"]
    again = CliRunner().invoke(main, ["report", retrained.run_id, "--refresh", "--json"])
    assert json.loads(again.output)["number"] == 2


def test_a_report_is_drawn_from_its_facts_as_they_are_kept(retrained):
    subject = subject_of(retrained)
    taken = kept.take(subject).snapshot
    assert list(taken) == sorted(taken)
    assert taken == kept.take(subject).snapshot


def test_a_bound_answer_shows_its_hashes_and_what_became_stale(retrained, project, tmp_path, someone):
    with (project / "charter.yaml").open("a") as file:
        file.write("\nroles: {manager: [ann@example.org], expert: [kim@example.org]}\npromotes: reason\n")
        file.write("policy: {champion: {approvals: 2, roles: [manager, expert], each: true}}\n")
    found = written(retrained)
    for name in ("ann@example.org", "kim@example.org"):
        someone(name)
        nb.approve(found.digest)
        if name.startswith("ann"):
            said = nb.signatures(retrained)
            assert (said.required, said.missing) == (("manager", "expert"), ("expert",))
            assert "The charter asks for 2 people: manager and expert; missing: expert." in repr(said)
    said = nb.signatures(retrained, tmp_path / "s.html")
    assert said.missing == ()
    signed = said.reports[0]["signatures"][0]
    assert (signed["state"], signed["bound"]["model"]) == ("valid", f"{2:064d}")
    with (project / "charter.yaml").open("a") as file:
        file.write("  # another comment is no other policy\n")
    assert read(nb.signatures(retrained, tmp_path / "t.html").path) == read(said.path)
    text = (project / "charter.yaml").read_text()
    (project / "charter.yaml").write_text(text.replace("approvals: 2", "approvals: 3"))
    late = nb.signatures(retrained, tmp_path / "u.html")
    assert late.missing == ("manager", "expert")  # by the charter as it was for the newest report
    shown = assert_safe(read(late.path)).text
    for words in ("approved, stale", "stale: the policy of the charter changed", f"{2:064d}"[:12]):
        assert words in shown, words
    page = decision.decide(snapshot.build(subject_of(retrained)))
    rows = next(b for b in page.part("decided").blocks if isinstance(b, Table)).rows
    assert [row[2].word for row in rows] == ["stale", "stale", "missing", "missing", "missing"]


@pytest.fixture(autouse=True)
def _forgotten():
    yield
    environment.actor.cache_clear()
