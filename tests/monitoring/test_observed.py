"""Drift without data: what is recorded of a version against its own reference, by day or hour."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.monitoring import observed
from nbmlops.monitoring.voices import Voice, flags, opinions
from nbmlops.tracking import session


@pytest.fixture
def days(late, block, monkeypatch):
    """Record predictions of given days, and let it be late on the last: ``days({"2026-01-05": frame})``."""

    def make(frames, **about):
        ids = {
            day: block(late, frame, f"{day}T12:00:00.000000+00:00" if len(day) == 10 else day, **about)
            for day, frame in frames.items()
        }
        monkeypatch.setattr(observed, "now", lambda: f"{max(frames)[:10]}T23:30:00.000000+00:00")
        return ids

    return make


def test_what_is_recorded_is_held_against_the_versions_reference_by_day(days, people):
    frames = {f"2026-01-0{d}": people(300, d) for d in range(1, 6)}
    frames["2026-01-04"] = frames["2026-01-04"].assign(age=lambda f: f.age + 15)
    days(frames)
    found = nb.drift("late@1")
    assert (found.reference, found.rows, found.chunk) == ("late@1", 1500, "predicted_day")
    assert [c["name"] for c in found.chunks] == [f"2026-01-0{d}" for d in range(1, 5)]  # the fifth is not over
    assert [c["verdict"] for c in found.chunks] == ["ok", "ok", "ok", "alert"]
    assert found.verdict == "alert"
    assert {"age"} <= {e["column"] for e in found.episodes}


def test_outcomes_that_did_not_come_yet_are_not_missing(late, people):
    frame = people(1000, 9)
    said = nb.predict("late", frame)
    nb.feedback(said[:600].assign(outcome=frame.late[:600]))
    found = nb.drift("late")
    assert [f.message for f in found.findings if f.column == "late" and f.outcome == "issue"] == []
    assert "missing" not in " ".join(f.message for f in found.findings if f.column == "late")


def test_under_three_days_it_is_by_hour(days, people):
    days({f"2026-01-01T{h:02}:10:00.000000+00:00": people(200, h) for h in range(4)})
    found = nb.drift("late")
    assert found.chunk == "predicted_hour"
    assert [c["name"] for c in found.chunks] == [f"2026-01-01 0{h}:00" for h in range(4)]
    assert all(c["rows"] == 200 for c in found.chunks)


def test_what_is_not_over_is_no_chunk_and_then_the_check_is_one_observation(late, block, people):
    block(late, people(300, 1))
    found = nb.drift("late")
    assert (found.chunk, found.chunks, found.rows, found.verdict) == (None, (), 300, "ok")


def test_outcomes_are_judged_as_they_come(days, people):
    ids = days({f"2026-01-0{d}": people(300, d) for d in range(1, 6)})
    told = {f.code: f.outcome for f in nb.drift("late").findings}
    assert (told["performance"], told["performance_estimated"]) == ("not_applicable", "passed")
    for d, (_, some) in enumerate(ids.items(), 1):
        nb.feedback(pd.DataFrame({"prediction_id": some, "outcome": people(300, d).late.map({True: "1", False: "0"})}))
    (found,) = [f for f in nb.drift("late").findings if f.code == "performance"]
    assert (found.outcome, found.detail["n"]) == ("passed", 1500)


def test_private_columns_are_not_compared_and_said(days, people, project):
    (project / "charter.yaml").write_text("private: [city]\n")
    frame = people(300, 1)
    days({f"2026-01-0{d}": frame for d in range(1, 6)}, private=["city"])
    found = nb.drift("late")
    assert "private, so not recorded and not compared: city" in found.notes
    assert "column_missing" not in {f.code for f in found.findings if f.outcome == "issue"}
    assert "city" not in {f.column for f in found.findings}
    (repeated,) = [f for f in found.findings if f.code == "rows_repeated"]
    assert repeated.outcome == "not_applicable"


def test_blocks_whose_inputs_are_gone_are_left_out_and_said(late, block, people):
    block(late, people(200, 1), inputs=False)
    bare = nb.drift("late")
    assert "inputs are not kept: answers and outcomes alone are judged" in bare.notes
    assert (bare.rows, bare.verdict) == (200, "ok")
    assert {f.code for f in bare.findings if f.outcome == "passed"} >= {"prediction_drift"}
    block(late, people(300, 2))
    found = nb.drift("late")
    assert "inputs of 200 of 500 predictions are not kept: these are left out" in found.notes
    assert found.rows == 300


def test_small_blocks_and_large_ones_are_one_frame(late, block, people):
    frame = people(300, 3)
    block(late, frame[:200])
    for n in range(200, 300):
        block(late, frame[n : n + 1])
    found = nb.drift("late")
    whole = nb.drift(frame.drop(columns="late"), "late@1")
    assert found.rows == 300
    said, expected = (sorted(told(one), key=repr) for one in (found, whole))
    assert [one[:3] for one in said] == [one[:3] for one in expected]
    effects, others = ([np.nan if one[3] is None else one[3] for one in some] for some in (said, expected))
    np.testing.assert_allclose(effects, others, rtol=1e-12)  # a model asked in parts adds in another order


def told(report):
    return [(f.code, f.column, f.outcome, f.effect) for f in report.findings]


def test_fewer_who_agree_and_a_flood_of_flags_open_episodes(days, people):
    ids = days({f"2026-01-0{d}": people(100, d) for d in range(1, 6)})
    for day, some in ids.items():
        bad = day == "2026-01-04"
        rows = pd.DataFrame({"prediction_id": some[:40], "verdict": "disagree" if bad else "agree", "actor": "ann"})
        nb.feedback(rows, kind="opinion")
        nb.feedback(rows[: 30 if bad else 1].assign(reason="odd"), kind="flag")
    found = nb.drift("late")
    fourth = {f["code"]: f for f in found.chunks[3]["findings"]}
    assert fourth["opinions"]["level"] == "alert"
    assert fourth["opinions"]["message"] == "0 % of 40 opinions agree, 100 % of 120 before"
    assert fourth["flags"]["message"] == "30 of 100 predictions are flagged, 3 of 300 before"
    assert {"opinions", "flags"} <= {e["code"] for e in found.episodes}
    assert found.verdict == "alert"
    again = nb.drift("late")
    assert {e["change"] for e in again.episodes} == {"ongoing"}


def test_nobody_who_speaks_is_no_finding(days, people):
    days({f"2026-01-0{d}": people(100, d) for d in range(1, 6)})
    assert not {"opinions", "flags"} & {f.code for f in nb.drift("late").findings}


@pytest.mark.parametrize(
    ("before", "now", "outcome"),
    [
        ((90, 100), (85, 100), "passed"),
        ((90, 100), (60, 100), "issue"),
        ((90, 100), (21, 30), "warning"),
        ((9, 10), (5, 9), "skipped"),
        ((50, 100), (90, 100), "passed"),
    ],
)
def test_agreement_that_falls(before, now, outcome):
    assert opinions(*(Voice(agree=k, n=n) for k, n in (before, now))).outcome == outcome


@pytest.mark.parametrize(
    ("before", "now", "outcome"),
    [
        ((0, 1000), (2, 100), "passed"),
        ((0, 1000), (5, 100), "issue"),
        ((10, 100), (15, 100), "passed"),
        ((4, 40), (9, 40), "warning"),
        ((0, 20), (20, 100), "skipped"),
    ],
)
def test_flags_that_flood(before, now, outcome):
    assert flags(*(Voice(flagged=k, rows=n) for k, n in (before, now))).outcome == outcome


def test_function_magic_and_command_say_the_same(days, people, shell):
    days({f"2026-01-0{d}": people(200, d) for d in range(1, 6)})

    def same(data):
        return {k: v for k, v in data.items() if k != "episodes"}

    said = [
        same(json.loads(CliRunner().invoke(main, words).output))
        for words in (
            ["drift", "late@1", "--json"],
            ["drift", "--model", "late@1", "--json"],
        )
    ]
    said += [same(shell.run_line_magic("drift", "late@1").to_dict()), same(json.loads(nb.drift("late@1").to_json()))]
    assert all(one == said[0] for one in said)
    assert "predicted_day" in CliRunner().invoke(main, ["drift", "late"]).output


def test_nothing_recorded_is_one_clear_line(late, shell):
    with pytest.raises(NotFound, match=r"^late@1 has made no predictions that were kept\. Make some: nb\.predict"):
        nb.drift("late@1")
    result = CliRunner().invoke(main, ["drift", "late@1"])
    assert (result.exit_code, len(result.output.splitlines())) == (5, 1)
    with pytest.raises(NotFound, match="has made no predictions"):
        shell.run_line_magic("drift", "late")


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"current": "lat@1"}, NotFound, "Did you mean 'late'"),
        ({"current": "rows.csv"}, Invalid, "What are these rows held against"),
        ({"current": pd.DataFrame({"age": [1]})}, Invalid, "What are these rows held against"),
        ({"current": "late", "target": "late"}, Invalid, "there are no rows"),
        ({"current": "late", "chunk": "nix"}, NotFound, "No chunk column 'nix'"),
        ({"current": "late", "by": "city"}, Invalid, "has no segments by 'city'"),
    ],
)
def test_bad_input(late, block, people, how, error, message):
    block(late, people(60, 1))
    with pytest.raises(error, match=message):
        nb.drift(**how)


def test_more_than_fits_is_left_out_and_said(late, block, people, monkeypatch):
    monkeypatch.setattr(observed, "MOST_ROWS", 100)
    for n in range(3):
        block(late, people(100, n))
    found = nb.drift("late")
    assert found.rows == 100
    assert "the newest 100 predictions; earlier ones are left out" in found.notes


def outcomes(ids, frame, opposite=False, which=slice(None)):
    truth = (frame.late != opposite).map({True: "1", False: "0"})
    nb.feedback(pd.DataFrame({"prediction_id": ids, "outcome": truth.to_numpy()})[which])


def test_outcomes_that_come_after_a_days_first_check_open_an_episode_once(days, people):
    frames = {f"2026-01-0{d}": people(600, d) for d in range(1, 6)}
    ids = days(frames)
    assert nb.drift("late").episodes == ()
    for day, frame in frames.items():
        outcomes(ids[day], frame, opposite=True)
    found = {e["code"]: e for e in nb.drift("late").episodes}
    assert (found["performance"]["change"], found["performance"]["checks"]) == ("opened", 4)
    assert len(nb.alerts()) == 1
    again = {e["code"]: e for e in nb.drift("late").episodes}
    assert (again["performance"]["change"], again["performance"]["checks"]) == ("ongoing", 4)
    assert len(nb.alerts()) == 1


def test_what_passes_later_closes_what_came_back_wrong(days, people):
    frames = {f"2026-01-0{d}": people(600, d) for d in range(1, 6)}
    ids = days(frames)
    outcomes(ids["2026-01-01"], frames["2026-01-01"], opposite=True)
    assert [e["change"] for e in nb.drift("late").episodes if e["code"] == "performance"] == ["opened"]
    for day in ("2026-01-02", "2026-01-03"):
        outcomes(ids[day], frames[day])
    changes = [e["change"] for e in nb.drift("late").episodes if e["code"] == "performance"]
    assert changes == ["closed"]


def test_opinions_and_flags_that_come_later_open_episodes(days, people):
    ids = days({f"2026-01-0{d}": people(100, d) for d in range(1, 6)})

    def say(day, verdict, flagged):
        rows = pd.DataFrame({"prediction_id": ids[day][:40], "verdict": verdict, "actor": "ann"})
        nb.feedback(rows, kind="opinion")
        nb.feedback(rows[:flagged].assign(reason="odd"), kind="flag")

    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        say(day, "agree", 1)
    assert nb.drift("late").episodes == ()  # the fourth day was seen, and nobody had spoken of it
    say("2026-01-04", "disagree", 30)
    assert {(e["code"], e["change"], e["checks"]) for e in nb.drift("late").episodes} == {
        ("opinions", "opened", 1),
        ("flags", "opened", 1),
    }
    assert {(e["code"], e["change"], e["checks"]) for e in nb.drift("late").episodes} == {
        ("opinions", "ongoing", 1),
        ("flags", "ongoing", 1),
    }


def test_outcomes_between_two_days_do_not_hide_a_column_that_moves(days, people):
    frames = {f"2026-01-0{d}": people(600, d) for d in range(1, 6)}
    ids = days({day: f.assign(age=f.age + 15) if day > "2026-01-02" else f for day, f in frames.items()})
    for day in ("2026-01-01", "2026-01-02"):
        outcomes(ids[day], frames[day])

    def of_age():
        return [e for e in nb.drift("late").episodes if (e["code"], e["column"]) == ("feature_drift", "age")]

    assert [(e["change"], e["checks"]) for e in of_age()] == [("opened", 2)]
    for day in ("2026-01-03", "2026-01-04"):
        outcomes(ids[day], frames[day])
    assert [(e["change"], e["checks"]) for e in of_age()] == [("ongoing", 2)]


def test_bad_news_that_comes_first_is_no_alarm(days, people):
    frames = {f"2026-01-0{d}": people(600, d) for d in range(1, 6)}
    ids = days(frames)
    for day, frame in frames.items():
        first = frame.late.to_numpy() | (frame.index.to_numpy() % 10 == 0)
        outcomes(ids[day], frame, which=first)
    found = nb.drift("late")
    told = {f.code: (f.outcome, f.message) for f in found.findings}
    assert found.verdict == "ok"
    for code in ("target_drift", "performance"):
        assert told[code][0] == "skipped"
        assert told[code][1].startswith("insufficient data: outcomes are still to come: ")
        assert told[code][1].endswith(" % known")
    assert told["performance_estimated"][0] == "passed"
    assert found.episodes == ()
    assert [c["verdict"] for c in found.chunks] == ["ok"] * 4


def test_where_outcomes_take_so_long_older_predictions_are_judged_alone(days, people, project, monkeypatch):
    (project / "nbmlops.toml").write_text('[predictions]\noutcomes_after = "2d"\n')
    session.reset()
    frames = {f"2026-01-0{d}": people(600, d) for d in range(1, 6)}
    ids = days(frames)
    monkeypatch.setattr("nbmlops.monitoring.performance.now", observed.now)
    for day, frame in frames.items():  # two days are old enough; of these half is known, of the others the bad news
        old = day < "2026-01-03"
        outcomes(ids[day], frame, which=slice(300) if old else frame.late.to_numpy())
    found = nb.drift("late")
    waits = [c["name"] for c in found.chunks if "still to come" in json.dumps(c["findings"])]
    assert waits == ["2026-01-03", "2026-01-04"]
    assert {f.code: f.outcome for f in found.findings}["performance"] == "passed"
    assert "outcomes of predictions at least 2d old are judged: 600 of 1,200 are known (50 %)" in found.notes
    assert found.verdict != "alert"
    assert not [e for e in found.episodes if e["code"] == "target_drift"]


def test_a_span_that_is_none_is_said(days, people, project):
    (project / "nbmlops.toml").write_text("[predictions]\noutcomes_after = 7\n")
    session.reset()
    days({"2026-01-01": people(60, 1)})
    with pytest.raises(Invalid, match=r"^outcomes_after is 7 under \[predictions\]\. Write 7d"):
        nb.drift("late")


def test_rows_that_are_asked_twice_are_no_data_that_came_twice(late, people):
    frame = people(400, 3)
    for _ in range(2):
        nb.predict("late", frame)
    found = nb.drift("late")
    assert [f.outcome for f in found.findings if f.code == "rows_repeated"] == ["not_applicable"]
    assert found.rows == 800
