"""Rules about time and labels, and the rows that break a rule, written aside."""

import json
import stat

import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid
from nbmlops.quality import rules

AT = "2026-03-10T00:00:00+00:00"
CONTENT = {"dataset": "people", "columns": {"age": {"range": {"min": 0}}, "city": {"set": ["Ulm", "Bern"]}}}


def only(frame, content):
    (finding,) = nb.check(frame, content, at=AT).findings
    return finding.outcome, finding.message


def people():
    return pd.DataFrame({"age": [31, -1, 40, -2], "city": ["Ulm", "Bern", "Bonn", "Bonn"]}, index=list("abcd"))


@pytest.mark.parametrize(
    ("days", "outcome", "message"),
    [
        (["2026-03-01", "2026-03-09"], "passed", "the newest day is 1d old, 2d allowed"),
        (["2026-03-01", "2026-03-02"], "issue", "the newest day is 8d old, 2d allowed"),
        (["2026-03-01", "2026-03-12"], "passed", "the newest day is 2d ahead of now, 2d allowed"),
        ([None, "never"], "issue", "day holds no time"),
    ],
)
def test_freshness_is_judged_by_the_clock_it_is_given(project, days, outcome, message):
    for held in (days, pd.to_datetime(pd.Series(days), errors="coerce")):
        content = {"freshness": {"column": "day", "within": "2d"}}
        assert only(pd.DataFrame({"day": held}), content) == (outcome, message)


def test_order_names_the_rows_that_go_back(project):
    assert only(pd.DataFrame({"at": [1, 2, None, 2, 3]}), {"ordered": "at"})[0] == "passed"
    outcome, message = only(
        pd.DataFrame({"at": pd.to_datetime(["2026-01-02", "2026-01-01", "2026-01-03"])}), {"ordered": "at"}
    )
    assert outcome == "issue"
    assert message.startswith("1 of 3 rows")
    assert only(pd.DataFrame({"x": [1]}), {"ordered": "at"}) == ("issue", "column at is missing")


def test_rows_of_one_kind_with_two_labels_are_in_conflict(project):
    frame = pd.DataFrame({"x": [1, 1, 2, 2], "c": ["a", "a", "b", "b"], "late": [0, 1, 1, 1], "id": range(4)})
    asked = {"target": "late", "columns": ["x", "c"]}
    assert only(frame, {"conflicts": asked})[0] == "issue"
    assert only(frame, {"conflicts": {**asked, "max": 0.5}})[0] == "passed"
    assert only(frame, {"conflicts": {"target": "late"}})[0] == "passed"
    assert rules.bad_rows(frame, {"conflicts": asked}).tolist() == [True, True, False, False]


def test_rows_are_counted_per_chunk(project):
    frame = pd.DataFrame({"month": [1] * 5 + [2] * 9, "at": pd.Timestamp("2026-01-30")})
    limits = {"min": 8, "max": 12, "per": "month"}
    assert only(frame, {"rows": limits}) == (
        "issue",
        "1 of 2 chunks of month have another number of rows: 1 has 5, 8 to 12 expected",
    )
    assert only(frame[5:], {"rows": limits})[0] == "passed"
    assert only(frame.drop(columns="month"), {"rows": {**limits, "time": "at"}})[0] == "issue"


@pytest.mark.parametrize(
    "content",
    [
        {"freshness": {"column": "a", "within": "soon"}},
        {"freshness": {"column": "a"}},
        {"ordered": 3},
        {"conflicts": {"target": 1}},
        {"conflicts": {"target": "a", "max": 2}},
        {"rows": {"min": 1, "per": 2}},
        {"rows": {"min": 1, "per": "fortnight", "time": "a"}},
        {"columns": {"a": {"range": {"rule": {"min": "x"}}}}},
        {"columns": {"a": {"range": {"rule": {"min": 0}, "stat": "proposed"}}}},
    ],
)
def test_a_wrong_setting_is_one_clear_line(project, content):
    with pytest.raises(Invalid):
        nb.check(people(), content)


def test_a_rule_may_have_a_state_of_its_own(project):
    content = {"columns": {"age": {"range": {"rule": {"min": 0}, "state": "proposed"}, "dtype": "text"}}}
    assert {f.code: f.outcome for f in nb.check(people(), content).findings} == {"range": "warning", "dtype": "issue"}


def test_what_a_rule_allows_is_no_bad_row():
    frame = pd.DataFrame({"age": [1.0, None, 3.0, 4.0]})
    assert not rules.bad_rows(frame, {"columns": {"age": {"missing_max": 0.5}}}).any()
    assert rules.bad_rows(frame, {"columns": {"age": {"missing_max": 0.1}}}).tolist() == [False, True, False, False]


def test_broken_rows_go_aside_with_the_reasons_and_only_the_owner_reads_them(project):
    found = nb.check(people(), CONTENT, quarantine=True)
    assert found.quarantine["rows"] == 3
    path = project / found.quarantine["path"]
    assert path.parent == project / ".nbmlops" / "quarantine"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (project / ".nbmlops" / ".gitignore").read_text() == "*\n"
    aside = pd.read_parquet(path)
    assert aside.broken_rules.tolist() == ["range age", "set city", "range age, set city"]
    assert aside.age.tolist() == [-1, 40, -2]
    assert "Quarantine: 3 rows in" in repr(found)
    assert "40" not in repr(found).partition("Quarantine")[0]


def test_a_frame_parquet_cannot_hold_goes_into_a_csv(project):
    frame = people().assign(mixed=[1, "a", None, {}])
    path = nb.check(frame, CONTENT, quarantine=project / "aside").quarantine["path"]
    assert path.endswith(".csv")
    assert len(pd.read_csv(path)) == 3
    assert [p.suffix for p in (project / "aside").iterdir()] == [".csv"]


def test_nothing_is_written_where_nothing_is_broken_or_asked(project):
    good = people().head(1)
    assert nb.check(good, CONTENT, quarantine=True).to_dict()["quarantine"] == {"rows": 0}
    assert "quarantine" not in nb.check(people(), CONTENT).to_dict()
    assert not list(project.rglob("quarantine"))


def test_function_magic_and_command_write_the_same_rows(shell, project):
    (project / "rules").mkdir()
    (project / "rules" / "people.yaml").write_text(json.dumps(CONTENT))
    shell.user_ns["people"] = people()
    people().to_csv("people.csv", index=False)
    by_magic = shell.run_line_magic("check", "people --quarantine aside").to_dict()
    result = CliRunner().invoke(main, ["check", "people.csv", "--quarantine", "aside", "--json"])
    assert result.exit_code == 3
    by_command, by_function = json.loads(result.output), nb.check(people(), "people", quarantine="aside").to_dict()
    assert by_magic["findings"] == by_command["findings"] == by_function["findings"]
    columns = ["age", "city", "broken_rules"]
    kept = [
        pd.read_parquet(d["quarantine"]["path"])[columns].to_dict("list") for d in (by_magic, by_command, by_function)
    ]
    assert kept[0] == kept[1] == kept[2]
    result = CliRunner().invoke(main, ["check", "people.csv", "--quarantine"])
    assert ".nbmlops/quarantine/people-" in result.output
    assert shell.run_line_magic("check", "people --quarantine").quarantine["rows"] == 3
