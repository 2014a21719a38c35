"""What comes back for predictions: outcomes, flags, opinions; by id or business key; appended, never lost."""

import datetime
import errno
import json
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound, Unavailable
from nbmlops.monitoring.predicting.recorded import came, predicted
from nbmlops.monitoring.returning import feedback as fed
from nbmlops.monitoring.returning import matching
from nbmlops.store.tables import feedback as table
from nbmlops.tracking import session

JAN, FEB = (f"2026-0{month}-01T00:00:00.000000+00:00" for month in (1, 2))


@pytest.fixture
def said(late, block, people):
    """Predictions of two batches, one with a file and one without, and what came true."""
    frames = people(60, 9), people(20, 10)
    ids = [i for frame, batch in zip(frames, "ab", strict=True) for i in block(late, frame, batch=batch)]
    return pd.DataFrame({"prediction_id": ids, "outcome": pd.concat(frames).late.to_numpy()})


@pytest.fixture
def keyed(late, block, people):
    """Record predictions under business keys; return their ids."""

    def make(names, times=None, at=None):
        return block(late, people(len(names), 5), at, names, times)

    return make


def outcomes():
    found = predicted("late").said
    return dict(zip(found.prediction_id, found.outcome, strict=True))


def test_twice_counts_once(said):
    first, again = (nb.feedback(said) for _ in range(2))
    assert (first.new, first.duplicates) == (80, 0)
    assert (again.new, again.duplicates) == (0, 80)
    assert len(nb.prediction(said.prediction_id[0])["feedback"]) == 1


def test_a_changed_outcome_is_appended_and_the_newest_counts(said):
    nb.feedback(said)
    one = said[:1].assign(outcome=lambda f: ~f.outcome)
    assert nb.feedback(one).changed == 1
    kept = nb.prediction(one.prediction_id[0])["feedback"]
    assert [f["outcome"] for f in kept] == [not one.outcome[0], one.outcome[0]]
    assert outcomes()[one.prediction_id[0]] == one.outcome[0]


def test_contradicting_sources_are_both_kept(said):
    one = said[:1]
    nb.feedback(one, source="system")
    received = nb.feedback(one.assign(outcome=~one.outcome), source="expert")
    assert (received.new, received.changed) == (1, 0)
    assert {f["source"] for f in nb.prediction(one.prediction_id[0])["feedback"]} == {"system", "expert"}


def test_unknown_ids_are_counted_named_and_kept(said):
    stranger = pd.DataFrame({"prediction_id": ["not-there", said.prediction_id[0][:28] + "zzzzzzzz"], "outcome": True})
    received = nb.feedback(stranger)
    assert received.unknown == 2
    assert set(received.unknown_ids) == {*stranger.prediction_id}
    assert nb.feedback(stranger).duplicates == 2


@pytest.mark.parametrize("odd", ["x" * 37, "a\0b"])
def test_an_id_no_column_holds_is_refused_with_its_row_before_anything_is_kept(said, odd):
    with pytest.raises(Invalid, match=r"prediction_id .* in 1 rows: 80"):
        nb.feedback(pd.concat([said, pd.DataFrame({"prediction_id": [odd], "outcome": [True]})]))
    assert nb.feedback(said).new == 80
    with pytest.raises(NotFound):
        nb.prediction(odd)


def test_a_mixed_list_is_kept_whole_or_not_at_all(said):
    one = said.prediction_id[0]
    rows = [{"prediction_id": one, "outcome": True}, {"prediction_id": one, "verdict": "perhaps"}]
    with pytest.raises(Invalid, match="no verdict"):
        nb.feedback(rows, kind=None)
    assert not nb.prediction(one)["feedback"]


def test_what_cannot_be_written_is_an_error(said, monkeypatch):
    from nbmlops.store.journal import Journal

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_put", full)
        with pytest.raises(Unavailable, match=r"80 rows of feedback are not kept \(No space"):
            nb.feedback(said)
    assert nb.feedback(said).new == 80


def test_a_repeat_inside_one_frame_counts_once(said):
    assert nb.feedback(pd.concat([said[:5], said[:5]])).duplicates == 5


def test_ids_of_which_a_block_holds_many_are_found_like_few(said, monkeypatch):
    from nbmlops.store import predictions as stored

    monkeypatch.setattr(stored, "MOST", 10)
    assert nb.feedback(said).unknown == 0
    assert nb.feedback(said[:70]).duplicates == 70
    assert nb.feedback(said.assign(outcome=True)).changed == int((~said.outcome).sum())


def test_opinions_and_flags_stand_beside_outcomes(said):
    nb.feedback(said)
    one = {"prediction_id": said.prediction_id[3]}
    opinion = {**one, "verdict": " Disagree ", "expected": False, "reason": "it always leaves on time", "actor": "ann"}
    assert nb.feedback(opinion, kind="opinion").new == 1
    assert nb.feedback({**one, "reason": "the gate was closed"}, kind="flag", actor="bob").new == 1
    kept = nb.prediction(said.prediction_id[3])["feedback"]
    about = [(f["kind"], f["outcome"], f["verdict"], f["reason"], f["actor"]) for f in kept[1:]]
    assert about == [
        ("opinion", False, "disagree", "it always leaves on time", "ann"),
        ("flag", None, None, "the gate was closed", "bob"),
    ]
    assert kept[0]["actor"]
    assert outcomes()[said.prediction_id[3]] == said.outcome[3]


def test_each_persons_newest_opinion_counts(said):
    rows = pd.DataFrame(
        {"prediction_id": said.prediction_id[0], "verdict": ["agree", "agree"], "actor": ["ann", "bob"]}
    )
    assert nb.feedback(rows, kind="opinion").new == 2
    again = nb.feedback(rows.assign(verdict="unsure")[:1], kind="opinion")
    assert (again.new, again.changed) == (0, 1)
    assert nb.feedback(rows[1:], kind="opinion").duplicates == 1


def test_what_a_row_holds_tells_its_kind(said):
    rows = pd.DataFrame(
        {
            "prediction_id": said.prediction_id[:5],
            "outcome": [True, None, None, None, False],
            "verdict": [None, "agree", "", None, "disagree"],
            "reason": [None, None, "odd", None, "late anyway"],
        }
    )
    assert nb.feedback(rows, kind=None).rows == 5
    kinds = [[f["kind"] for f in nb.prediction(i)["feedback"]] for i in rows.prediction_id]
    assert [sorted(k) for k in kinds] == [["outcome"], ["opinion"], ["flag"], [], ["opinion", "outcome"]]


def test_kinds_may_differ_between_rows(said):
    ids = said.prediction_id
    rows = [
        {"prediction_id": ids[0], "kind": "flag", "reason": "odd"},
        {"prediction_id": ids[1], "kind": "opinion", "verdict": "agree"},
        {"prediction_id": ids[2], "outcome": True},
    ]
    assert nb.feedback(rows).new == 3
    assert [nb.prediction(i)["feedback"][0]["kind"] for i in ids[:3]] == ["flag", "opinion", "outcome"]


def test_a_key_finds_the_newest_prediction_at_or_before_a_time(keyed):
    first, second = keyed(["B1", "B2"], at=JAN), keyed(["B1", 17], at=FEB)
    rows = pd.DataFrame({"booking": ["B1", "B1", "B2", 17.0], "at": ["2026-01-15", None, "2026-03-01", None]})
    found = nb.feedback(rows.assign(outcome=[True, False, True, False]), model="late", key="booking")
    assert (found.new, found.unknown) == (4, 0)
    assert outcomes() == dict(zip([*first, *second], [True, True, False, False], strict=True))


@pytest.mark.parametrize("rows", [3, 60])  # as JSON in the store, and as a file
def test_a_key_with_a_time_of_its_own_is_matched_by_it(keyed, rows):
    days = pd.date_range("2026-05-01", periods=rows)
    last = keyed(["UA1"] * rows, days)
    keyed(["UA1"], [pd.Timestamp("2026-04-01")])  # predicted later, of an earlier day
    at = pd.Series([days[1], days[2] + pd.Timedelta("5h"), days[-1] + pd.Timedelta("900D")])
    found = nb.feedback(pd.DataFrame({"flight": "UA1", "at": at, "outcome": True}), model="late@1", key="flight")
    assert found.unknown == 0
    assert {i for i, outcome in outcomes().items() if outcome} == {last[1], last[2], last[-1]}


def test_a_date_alone_is_the_end_of_its_day(keyed):
    (one,) = keyed(["B1"], at="2026-01-05T18:00:00.000000+00:00")
    assert nb.feedback({"b": "B1", "at": "2026-01-05", "outcome": True}, model="late", key="b").unknown == 0
    assert outcomes()[one] is True
    before = nb.feedback({"b": "B1", "at": "2026-01-05T17:00:00Z", "outcome": False}, model="late", key="b")
    assert before.unknown == 1


@pytest.mark.parametrize("zone", [None, "Europe/Zurich"])
def test_times_that_are_midnight_throughout_are_dates(keyed, zone):
    earlier = keyed(["B1"], at="2026-01-02T18:00:00.000000+00:00")[0]
    one, two = keyed(["B1", "B2"], at="2026-01-05T18:00:00.000000+00:00")
    days = pd.Series(pd.to_datetime(["2026-01-05", "2026-01-06", None])).dt.tz_localize(zone)
    rows = pd.DataFrame({"b": ["B1", "B2", "B1"], "at": days, "outcome": [True, False, True]})
    assert nb.feedback(rows[:2], model="late", key="b").unknown == 0
    assert outcomes() == {earlier: None, one: True, two: False}
    assert matching.moments(days, end_of_day=True)[2] == matching.NEVER
    times = days + pd.to_timedelta([0, 1, 0], unit="h")
    nb.feedback(rows.assign(at=times)[:2], model="late", key="b")  # of times that are none, midnight is midnight
    assert outcomes()[earlier] is True


def test_what_matches_nothing_joins_when_the_prediction_comes(keyed):
    rows = pd.DataFrame({"booking": ["B1", "B2", "B3"], "outcome": [True, False, True]})
    received = nb.feedback(rows, model="late", key="booking")
    assert (received.new, received.unknown, set(received.unknown_ids)) == (3, 3, {"B1", "B2", "B3"})
    assert nb.feedback(rows, model="late", key="booking").duplicates == 3
    assert nb.feedback(rows[:1].assign(outcome=False), model="late", key="booking").changed == 1
    ids = keyed(["B1", "B2", "B9"])
    assert outcomes() == dict(zip(ids, [False, False, None], strict=True))
    assert nb.performance("late").known == 2


def test_what_joined_late_counts_like_all_the_rest(late, block, people):
    from nbmlops.monitoring.predicting.retention import listed
    from nbmlops.monitoring.reviews import reviews

    frame = people(200, 5)
    names, truth = [f"B{n}" for n in range(200)], ~frame.late.to_numpy()
    rows = pd.DataFrame({"booking": names, "outcome": truth})
    nb.feedback(rows, model="late", key="booking")
    nb.feedback({"booking": "B7", "reason": "look at it"}, kind="flag", model="late", key="booking")
    ids = block(late, frame, key=names, batch="may")
    said = predicted("late").said
    again = nb.feedback(rows, model="late", key="booking")
    assert (again.new, again.changed, again.duplicates) == (0, 0, 200)
    assert nb.feedback(rows.assign(outcome=~truth)[:9], model="late", key="booking").changed == 9
    assert [row["known"] for row in listed("late")] == [200]
    assert [review.known for review in reviews(late)] == [200]
    why = {row["prediction_id"]: row["why"] for row in nb.to_review("late", most=10).rows}
    assert "flagged: look at it" in why[ids[7]]
    found = nb.training_increment("late")
    assert found.why["revised"] == 9
    assert found.known == 200
    assert found.why["wrong"] == int((said.prediction != np.r_[~truth[:9], truth[9:]]).sum())


def test_an_id_beats_a_key_and_each_row_may_have_either(keyed):
    one, two = keyed(["B1", "B2"])
    rows = [{"prediction_id": one, "b": "B2", "outcome": True}, {"prediction_id": None, "b": "B2", "outcome": False}]
    assert nb.feedback(rows, model="late", key="b").new == 2
    assert outcomes() == {one: True, two: False}


def test_blocks_are_read_newest_first_and_no_more_than_needed(keyed, monkeypatch):
    for month in (1, 2, 3):
        keyed([f"B{n}" for n in range(60)], at=f"2026-0{month}-01T00:00:00.000000+00:00")
    read, get = [], session.artifacts().get
    monkeypatch.setattr(type(session.artifacts()), "get", lambda _, digest: read.append(digest) or get(digest))
    nb.feedback({"b": "B7", "outcome": True}, model="late", key="b")
    assert len(read) == 1
    nb.feedback({"b": "not there", "outcome": True}, model="late", key="b")
    assert len(read) == 4


def test_a_key_that_is_everywhere_is_quick(keyed):
    keyed(["same"] * 5_000)
    rows = pd.DataFrame({"b": ["same"] * 5_000, "at": "2999-01-01", "outcome": True})
    assert nb.feedback(rows, model="late", key="b").duplicates == 4_999


BAD = [
    (pd.DataFrame({"outcome": [1]}), {}, "without a column 'prediction_id'"),
    (pd.DataFrame({"prediction_id": ["a"]}), {}, "without a column 'outcome'"),
    (pd.DataFrame({"prediction_id": ["a"], "outcome": [np.nan]}), {}, "1 rows of feedback miss"),
    (pd.DataFrame({"prediction_id": ["a", " "], "outcome": [True, True]}), {}, "1 rows of feedback miss"),
    (pd.DataFrame({"prediction_id": ["a"], "outcome": [np.inf]}), {}, "1 rows of feedback have an infinite outcome"),
    ([1, 2], {}, "list is no table"),
    ({"prediction_id": "a", "verdict": "perhaps"}, {"kind": "opinion"}, "'perhaps' is no verdict.*agree, disagree"),
    ({"prediction_id": "a", "verdict": None}, {"kind": "opinion"}, "1 rows of feedback miss their id or verdict"),
    (
        {"prediction_id": "a", "reason": "  "},
        {"kind": "flag"},
        "1 rows of feedback miss their id or an expert's reason",
    ),
    ({"prediction_id": "a"}, {"kind": "flag"}, "without a column 'reason'"),
    ({"prediction_id": "a", "reason": "x" * 4001}, {"kind": "flag"}, "longer than 4,000"),
    ({"b": "B1", "outcome": 1}, {"key": "b"}, "predictions of which model"),
    ({"b": "B1", "outcome": 1}, {"key": "c", "model": "late"}, "without a column 'c'"),
    ({"b": None, "outcome": 1}, {"key": "b", "model": "late"}, "1 rows of feedback miss"),
    ({"b": "B1", "outcome": 1, "at": "soon"}, {"key": "b", "model": "late"}, "1 times cannot be read"),
]


@pytest.mark.parametrize(("rows", "how", "message"), BAD)
def test_bad_feedback_is_refused_whole(late, rows, how, message):
    with pytest.raises(Invalid, match=message):
        nb.feedback(rows, **how)
    assert came("late", kind=None) == []


@pytest.mark.parametrize(
    ("how", "message"),
    [({"kind": "guess"}, "No kind 'guess'"), ({"key": "b", "model": "lat"}, "Did you mean 'late'")],
)
def test_unknown_kinds_and_models_are_named(late, how, message):
    with pytest.raises(NotFound, match=message):
        nb.feedback({"prediction_id": "a", "b": "B1", "outcome": True}, **how)


def test_no_rows_are_no_feedback(late):
    empty = pd.DataFrame({"prediction_id": [], "outcome": []})
    assert nb.feedback(empty) == fed.Received(0, 0, 0, 0, 0)


def test_the_command_says_what_the_function_says(keyed, said, tmp_path):
    keyed(["B1", "B2"])
    rows = pd.DataFrame({"booking": ["B1", "B9"], "outcome": [True, False]})
    rows.to_csv("came.csv", index=False)
    words = ["feedback", "came.csv", "--key", "booking", "--model", "late", "--source", "desk", "--json"]
    (typed,) = json.loads(CliRunner().invoke(main, words).output)
    assert typed == {"rows": 2, "new": 2, "changed": 0, "duplicates": 0, "unknown": 1, "unknown_ids": ["B9"]}
    called = nb.feedback(rows, source="desk", model="late", key="booking")
    assert (called.duplicates, called.unknown_ids) == (2, ("B9",))
    pd.DataFrame({"prediction_id": said.prediction_id[:2], "verdict": ["agree", None], "outcome": [None, True]}).to_csv(
        "judged.csv", index=False
    )
    assert json.loads(CliRunner().invoke(main, ["feedback", "judged.csv", "--json"]).output)[0]["new"] == 2


@pytest.mark.parametrize(
    ("content", "words", "code", "said_"),
    [
        ("", [], 5, "cannot be read"),
        ("prediction_id,outcome\n", [], 0, "0"),
        ("booking,outcome\nB1,1\n", [], 2, "without a column 'prediction_id'"),
        ("booking,outcome\nB1,1\n", ["--key", "booking", "--model", "nix"], 5, "No model 'nix'"),
        ("prediction_id,verdict\na,maybe\n", ["--kind", "opinion"], 2, "'maybe' is no verdict"),
        ("prediction_id\na\n", ["--kind", "flag"], 2, "without a column 'reason'"),
    ],
)
def test_the_command_on_bad_input(late, content, words, code, said_):
    Path("came.csv").write_text(content)
    result = CliRunner().invoke(main, ["feedback", "came.csv", *words])
    assert result.exit_code == code
    assert said_ in result.output


def test_times_are_read_whatever_they_are():
    rows = pd.Series([None, "1970-01-01", "1970-01-01T01:00+01:00", datetime.date(1970, 1, 1), pd.Timestamp(0)])
    assert matching.moments(rows).tolist() == [matching.NEVER, 0, 0, 0, 0]
    assert matching.moments(pd.Series(pd.to_datetime(["1970-01-01", None]))).tolist() == [0, matching.NEVER]
    assert matching.iso(matching.NEVER) is None


NUMBERS = count()
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from("xy")), max_size=5)


def every():
    """Return all rows of the table, by id."""
    with session.store().reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(table).order_by(table.c.id))]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, order=st.permutations("abc"))
def test_rows_are_only_added_the_newest_counts_and_keys_join_whenever_they_come(keyed, rows, order):
    """Feedback before its predictions are known or after, these in any order: the same answer."""
    expected, latest = {}, {}
    for name, value, source in rows:
        if latest.get((name, source)) is not value:
            expected[name] = latest[name, source] = value
    for before in (True, False):
        run = str(next(NUMBERS))
        if not before:
            _ = [keyed([run + name]) for name in order]
        for name, value, source in rows:
            kept = every()
            nb.feedback({"k": run + name, "outcome": value}, source=source, model="late", key="k")
            assert every()[: len(kept)] == kept
        if before:
            _ = [keyed([run + name]) for name in order]
        found = predicted("late").said.set_index("key").outcome
        assert [found[run + name] for name in "abc"] == [expected.get(name) for name in "abc"]
