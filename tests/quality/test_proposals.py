"""Rules learnt from data: what is proposed, what stays as people wrote it, and that good data keeps them."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.quality import document, rulebook

CHUNKS = 8


def trips(seed=0, n=4000):
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 1000, n)
    frame = pd.DataFrame(
        {
            "month": np.arange(n) * CHUNKS // n + 1,
            "carrier": rng.choice(["UA", "DL", "AA"], n),
            "start": start,
            "end": start + rng.exponential(50, n),
            "hour": rng.integers(0, 24, n),
            "id": rng.permutation(n),
            "late": rng.integers(0, 2, n),
        }
    )
    return frame.assign(delay=pd.Series(rng.normal(size=n)).where(rng.random(n) > 0.02))


def found(proposal):
    return {(p.column, p.code): p.setting for p in proposal.proposed}


def test_each_rule_has_a_state_and_evidence_in_words(project):
    proposal = nb.propose_rules(trips(), chunk="month", target="late", name="trips")
    rules = found(proposal)
    assert rules["carrier", "set"] == ["AA", "DL", "UA"]
    assert rules["late", "set"] == [0, 1]
    assert rules["hour", "range"] == {"min": 0, "max": 23}
    assert rules["id", "unique"] is True
    assert ("id", "range") not in rules
    assert 0.02 < rules["delay", "missing_max"] < 0.1
    assert rules["", "compare"] == "start <= end"
    assert rules["", "rows"]["per"] == "month"
    assert rules["", "conflicts"]["target"] == "late"
    assert all(p.evidence and p.state == "proposed" for p in proposal.proposed)
    (missing,) = [p for p in proposal.proposed if (p.column, p.code) == ("delay", "missing_max")]
    assert "in 8 months" in missing.evidence
    assert "start <= end" in proposal._repr_mimebundle_()["text/html"].replace("&lt;", "<")
    assert "rules from 4,000 rows" in repr(proposal)


@pytest.mark.parametrize("chunk", ["month", None])
@pytest.mark.parametrize("seed", range(3))
def test_the_other_half_of_the_data_keeps_what_one_half_proposes(project, chunk, seed):
    rows = trips(seed)
    half = rows.sample(frac=0.5, random_state=seed).sort_index()
    nb.propose_rules(half, chunk=chunk, target="late", name="trips").accept()
    check = nb.check(rows.drop(half.index), "trips")
    assert [f.message for f in check.findings if f.outcome not in ("passed", "skipped")] == []


def test_limits_are_wider_without_chunks(project):
    by_month, at_once = (found(nb.propose_rules(trips(), chunk=c)) for c in ("month", None))
    for column in ("start", "hour"):
        one, other = at_once[column, "range"], by_month[column, "range"]
        assert one["max"] - one["min"] > other["max"] - other["min"]
    assert ("", "rows") not in at_once


def test_what_moves_comes_late_or_is_few_is_left_out_and_said(project):
    rows = trips().assign(year=lambda f: 2000 + f.month, kind=lambda f: np.where(f.month > 6, "new", "old"), one=1)
    proposal = nb.propose_rules(rows, chunk="month")
    assert not {("year", "range"), ("kind", "set"), ("one", "set"), ("one", "range")} & set(found(proposal))
    assert {f.column for f in proposal.left_out} >= {"kind", "one"}
    few = nb.propose_rules(trips().head(10))
    assert few.proposed == ()
    assert "insufficient data: 10 rows" in few.left_out[0].message


def test_time_gives_freshness_by_the_clock_and_order(project):
    rows = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=100, freq="D"), "x": range(100)})
    fresh = found(nb.propose_rules(rows, at="2026-04-11T00:00:00+00:00"))
    assert fresh["", "freshness"] == {"column": "at", "within": "2d"}
    assert fresh["", "ordered"] == "at"
    old = nb.propose_rules(rows.sample(frac=1, random_state=0), at="2027-04-11T00:00:00+00:00")
    assert not {("", "freshness"), ("", "ordered")} & set(found(old))
    assert any(f.code == "freshness" for f in old.left_out)


def test_saving_keeps_what_people_wrote(project):
    text = """# the trips of our partners
columns:
  carrier:
    meaning: airline  # two letters
    owner: ann
  start:
    range: {min: 0, max: 5}  # agreed in May
    state: accepted
  hour:
    state: muted
  # nobody knows why
  end:
    range: {min: 0, max: 1}
    state: proposed
"""
    path = project / "rules" / "trips.yaml"
    path.parent.mkdir()
    path.write_text(text)
    proposal = nb.propose_rules(trips(), chunk="month", name="trips")
    assert proposal.save() == path
    kept, columns = path.read_text(), yaml.safe_load(path.read_text())["columns"]
    for line in ("# the trips of our partners", "airline  # two letters", "# agreed in May", "# nobody knows why"):
        assert line in kept
    assert columns["start"]["range"] == {"min": 0, "max": 5}
    assert columns["start"]["missing_max"]["state"] == "proposed"
    assert columns["hour"] == {"state": "muted"}
    assert columns["carrier"]["owner"] == "ann"
    assert columns["carrier"]["state"] == "proposed"
    assert columns["end"]["range"]["max"] > 1000
    proposal.save()
    assert path.read_text() == kept


def test_accepting_names_the_person_and_makes_a_broken_rule_an_issue(project):
    proposal = nb.propose_rules(trips(), chunk="month", name="trips")
    bad = trips().assign(carrier="ZZ")
    proposal.save()
    assert nb.check(bad, "trips").verdict == "notice"
    done = proposal.accept("carrier", "start <= end", by="ann")
    assert {p.code for p in done.proposed if p.state == "accepted"} == {"dtype", "missing_max", "set", "compare"}
    assert {f.code for f in nb.check(bad, "trips").findings if f.outcome == "issue"} == {"set"}
    content = yaml.safe_load((project / "rules" / "trips.yaml").read_text())
    assert content["columns"]["carrier"]["validated_by"].startswith("ann (claimed by ")
    assert content["compare"][0]["state"] == "accepted"
    assert content["columns"]["hour"]["state"] == "proposed"
    assert nb.accept_rules("trips", ["carrier"]) == []
    with pytest.raises(NotFound, match="Did you mean 'carrier'"):
        nb.accept_rules("trips", ["carier"])


def test_the_dictionary_says_what_is_known(project):
    path = project / "rules.yaml"
    path.write_text("columns: {age: {meaning: age at entry, unit: years, owner: ann, missing_max: 0.1}, city: }")
    first, second = rulebook.dictionary("rules.yaml")
    assert (first["meaning"], first["unit"], first["owner"], first["state"]) == (
        "age at entry",
        "years",
        "ann",
        "accepted",
    )
    assert first["rules"] == "at most 10 % missing"
    assert second["meaning"] == second["rules"] == ""


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chunk": "mnth"}, NotFound, "No chunk column 'mnth'.*Did you mean 'month'"),
        ({"target": "lat"}, NotFound, "Did you mean 'late'"),
        ({"time": "at"}, NotFound, "No time column 'at'"),
        ({"chunk": "id"}, Invalid, "4,000 values; chunks are at most"),
    ],
)
def test_a_wrong_name_is_one_clear_line(project, options, error, message):
    with pytest.raises(error, match=message):
        nb.propose_rules(trips(), **options)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("{a: 1}", {"a": 2}),
        (
            "a:\n- 1  # one\n- 2\nb: |\n  # no comment\n  text\n",
            {"a": [1, 2], "b": "# no comment\ntext\n", "c": {"d": 1}},
        ),
        ("a:\n  b: 1\n  c: 2", {"a": {"c": 3, "d": None}}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 2}, "c": {"b": 1}}),
        ("1: {2: 3}\n", {1: {2: 4}}),
    ],
)
def test_an_updated_document_holds_what_it_shall(text, new):
    assert yaml.safe_load(document.updated(text, new)) == new


def test_function_magic_and_command_say_the_same(shell, project):
    trips().to_csv("trips.csv", index=False)
    shell.user_ns["trips"] = trips().assign(hour=99)
    result = CliRunner().invoke(main, ["rules", "propose", "trips.csv", "--chunk", "month", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == nb.propose_rules("trips.csv", chunk="month", name="trips").to_dict()
    accepted = json.loads(CliRunner().invoke(main, ["rules", "accept", "trips", "carrier", "--json"]).output)
    assert {row["rule"] for row in accepted} == {"dtype", "missing_max", "set"}
    assert shell.run_line_magic("check", "trips").verdict == "notice"
    found = shell.run_line_magic("check", "trips --accept hour")
    assert found.verdict == "alert"
    assert found.to_dict() == nb.check(shell.user_ns["trips"], "trips").to_dict()
    printed = CliRunner().invoke(main, ["rules", "dictionary", "trips", "--json"])
    assert json.loads(printed.output) == rulebook.dictionary("trips")
    assert CliRunner().invoke(main, ["rules", "dictionary", "trips", "--csv"]).output.startswith("column,meaning,unit")
    assert CliRunner().invoke(main, ["rules", "accept", "trips", "nix"]).exit_code == 5
