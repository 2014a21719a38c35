"""Rows to judge: each with its reasons, some drawn by chance, and what these say of all is unbiased."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.monitoring.returning.drawn import Draw, kept_lists
from nbmlops.monitoring.returning.returned import returned
from nbmlops.records import in_block


@pytest.fixture
def late(project, model, held_out):
    return nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))


@pytest.fixture
def said(late, people):
    frame = people(600, 9)
    return nb.predict("late", frame, batch="may").assign(outcome=frame.late)


def reasons(found):
    return {row["prediction_id"]: row["reasons"] for row in found.rows}


def judge(rows, said, right=True):
    """Hand in the outcome of some rows."""
    truth = said.set_index("prediction_id").outcome
    ids = [row["prediction_id"] for row in rows]
    return nb.feedback(pd.DataFrame({"prediction_id": ids, "outcome": truth[ids].tolist()}), source="review")


def test_a_list_holds_uncertain_and_drawn_rows_with_their_inputs(said):
    found = nb.to_review("late", most=50)
    assert len(found.rows) == 50
    assert set(found.reasons) == {"uncertain", "random"}
    assert 8 <= found.reasons["random"] <= 35
    sure = said.set_index("prediction_id").probability
    for row in found.rows:
        assert set(row["inputs"]) == {"age", "city", "noise"}
        assert ("uncertain" in row["reasons"]) <= (0.4 < sure[row["prediction_id"]] < 0.6)
        assert (row["drawn_with"] is not None) == ("random" in row["reasons"])
    assert found.to_frame().shape[0] == 50
    assert "drawn by chance" in repr(found)


def test_asked_again_it_is_the_same_list(said):
    first, again = (nb.to_review("late", most=30) for _ in range(2))
    assert first.to_dict() == again.to_dict()
    assert len(kept_lists("late")) == 1
    assert reasons(nb.to_review("late", most=30, seed=1)) == reasons(first)  # what was drawn waits


def test_another_seed_draws_others(said):
    draw = Draw(returned("late"), ())
    assert ((draw.numbers(0) < 0.1) != (draw.numbers(1) < 0.1)).any()


def test_the_list_is_kept_with_the_probability_of_each_drawn_row(said):
    found = nb.to_review("late", most=50, seed=3)
    (kept,) = kept_lists("late")
    assert kept["ids"] == [row["prediction_id"] for row in found.rows]
    assert kept["seed"] == 3
    drawn = {i: p for i, p in zip(kept["ids"], kept["probability"], strict=True) if p is not None}
    assert list(drawn.values()) == pytest.approx([20 / 600] * len(drawn))


def test_a_row_that_is_judged_leaves_and_others_come(said):
    first = nb.to_review("late", most=40)
    judge(first.rows[:30], said)
    gone = {row["prediction_id"] for row in first.rows[:30]}
    second = nb.to_review("late", most=40)
    listed = {row["prediction_id"]: row["reasons"] for row in second.rows if row["prediction_id"] in gone}
    assert all(r == ["confident_wrong"] for r in listed.values()) or not listed
    assert not listed
    left = {r["prediction_id"] for r in first.rows[30:] if "random" in r["reasons"]}
    assert left <= {r["prediction_id"] for r in second.rows}


def test_an_opinion_on_a_listed_row_is_a_judgement_and_unsure_is_none(said):
    first = nb.to_review("late", most=10)
    ids = [row["prediction_id"] for row in first.rows]
    opinions = [{"prediction_id": i, "verdict": v} for i, v in zip(ids, ["agree", "disagree", "unsure"], strict=False)]
    nb.feedback(opinions, kind="opinion")
    left = {row["prediction_id"] for row in nb.to_review("late", most=100).rows}
    assert {ids[0], ids[1]}.isdisjoint(left)
    assert ids[2] in left


def test_who_is_unsure_after_all_has_not_judged(said):
    first = nb.to_review("late", most=10)
    ids = [row["prediction_id"] for row in first.rows][:2]
    for verdict in ("disagree", "unsure"):
        nb.feedback([{"prediction_id": i, "verdict": verdict} for i in ids[:1]], kind="opinion", actor="ada")
    nb.feedback([{"prediction_id": ids[1], "verdict": "disagree"}], kind="opinion", actor="ada")
    nb.feedback([{"prediction_id": ids[1], "verdict": "unsure"}], kind="opinion", actor="bob")
    left = {row["prediction_id"] for row in nb.to_review("late", most=100).rows}
    assert ids[0] in left
    assert ids[1] not in left


def test_flagged_and_disagreed_rows_come_with_what_was_said(said):
    ids = said.prediction_id.tolist()
    nb.feedback({"prediction_id": ids[0], "reason": "no such city"}, kind="flag")
    nb.feedback({"prediction_id": ids[1], "verdict": "disagree", "reason": "never late"}, kind="opinion")
    nb.feedback({"prediction_id": ids[2], "verdict": "agree"}, kind="opinion")
    found = nb.to_review("late", most=20)
    why = {row["prediction_id"]: row["why"] for row in found.rows}
    assert "flagged: no such city" in why[ids[0]]
    assert "somebody disagrees: never late" in why[ids[1]]
    assert (found.reasons["flagged"], found.reasons["disagreed"]) == (1, 1)


def test_what_is_flagged_by_name_is_listed_until_it_is_settled(said):
    ids = said.prediction_id.tolist()
    flag = nb.flag(ids[3], "no such age", severity="high")
    why = {row["prediction_id"]: row["why"] for row in nb.to_review("late", most=20).rows}
    assert "flagged: no such age" in why[ids[3]]
    nb.answer_flag(flag.flag_id, "there is", state="dismissed")
    assert "flagged" not in nb.to_review("late", most=20).reasons


def test_rows_of_a_flagged_segment_are_listed_of_the_version_it_names(said, people):
    ages = people(600, 9).age
    old = ages.nlargest(5).min()
    nb.flag("late", "too sure of them", where=f"age >= {old}")
    nb.flag("late@1", "named by nobody", where="age > 1000")
    rows = [r for r in nb.to_review("late", most=40).rows if "flagged" in r["reasons"]]
    assert {r["prediction_id"] for r in rows} == set(said.prediction_id[(ages >= old).to_numpy()])
    assert all(f"flagged where age >= {old}: too sure of them" in r["why"] for r in rows)


def test_an_experts_opinion_is_a_judgement_before_any_list(said, project):
    (project / "charter.yaml").write_text("roles: {expert: [ada]}\n")
    opinion = {"prediction_id": said.prediction_id[0], "verdict": "disagree"}
    nb.feedback(opinion, kind="opinion", actor="ada")
    nb.feedback({**opinion, "prediction_id": said.prediction_id[1]}, kind="opinion", actor="bob")
    listed = reasons(nb.to_review("late", most=20))
    assert said.prediction_id[0] not in listed
    assert "disagreed" in listed[said.prediction_id[1]]


def test_sure_and_wrong_rows_come_with_the_outcome_that_came(said):
    nb.feedback(said[["prediction_id", "outcome"]])
    sure = said.probability.where(said.prediction.astype(bool), 1 - said.probability)
    expected = set(said.prediction_id[(said.prediction != said.outcome) & (sure >= 0.9)])
    assert expected
    found = nb.to_review("late", most=50)
    assert set(reasons(found)) == expected
    assert found.reasons == {"confident_wrong": len(expected)}
    assert all(row["outcome"] is not None for row in found.rows)


def test_the_challenger_says_something_else(said, fit, held_out):
    other = fit("noise")
    nb.register(other, "late", evaluation=nb.evaluate(other, held_out, target="late"))
    nb.promote("late", 1, to="champion", reason="first")
    nb.promote("late", 2, to="challenger", reason="tried")
    found = nb.to_review("late", most=60)
    theirs = nb.predict("late@2", said.assign(noise=[r["noise"] for r in _inputs(said)]), log=False)
    differs = set(said.prediction_id[(theirs.prediction != said.prediction).to_numpy()])
    listed = {i for i, r in reasons(found).items() if "disagrees_with_challenger" in r}
    assert listed
    assert listed <= differs
    assert found.to_frame().why.str.contains("late@2 says").sum() == len(listed)


def _inputs(said):
    return [nb.prediction(i)["inputs"] for i in said.prediction_id]


def test_rows_of_a_drifted_segment(late, people):
    frame = people(2000, 5).assign(city="Bern")
    for _ in range(2):
        nb.drift(frame, "late@1")
    assert "city" in nb.episodes("late", state="open")["column"].tolist()
    nb.predict("late", people(300, 6).assign(city=["Bern"] * 250 + ["Ulm"] * 50))
    found = nb.to_review("late", most=30)
    listed = [row for row in found.rows if "drifted_segment" in row["reasons"]]
    assert listed
    assert all(row["inputs"]["city"] == "Bern" for row in listed)
    assert "city is Bern: more of these than at registration" in listed[0]["why"]


def test_private_columns_are_masked(project, late, people):
    (project / "charter.yaml").write_text("private: [city]\n")
    nb.predict("late", people(100, 9))
    found = nb.to_review("late", most=10)
    assert all(row["inputs"]["city"] == "masked" for row in found.rows)
    assert "Bern" not in json.dumps(found.to_dict())


def test_no_reason_names_a_value_that_became_private_later(project, late, people):
    for _ in range(2):
        nb.drift(people(2000, 5).assign(city="Bern"), "late@1")
    nb.predict("late", people(300, 6).assign(city=["Bern"] * 250 + ["Ulm"] * 50))
    assert "city is Bern" in json.dumps(nb.to_review("late", most=10).to_dict())
    (project / "charter.yaml").write_text("private: [city]\n")
    found = nb.to_review("late", most=10)
    assert all(row["inputs"]["city"] == "masked" for row in found.rows)
    assert "Bern" not in json.dumps(found.to_dict())


def test_numbers_are_listed_where_they_are_furthest_off(project, people):
    frame, judging = people(300, 1), people(300, 2)
    model = LinearRegression().fit(frame[["age"]], frame.age * 2 + frame.noise)
    nb.register(model, "n", evaluation=nb.evaluate(model, judging.assign(y=judging.age * 2), target="y"))
    said = nb.predict("n", people(200, 3))
    nb.feedback(said.assign(outcome=said.prediction + np.r_[50.0, np.zeros(199)])[["prediction_id", "outcome"]])
    found = nb.to_review("n", most=10)
    assert [row["prediction_id"] for row in found.rows] == [said.prediction_id[0]]
    assert found.rows[0]["why"].startswith("off by 50")
    assert nb.review_estimate("n").metric == "mae"


def test_an_estimate_of_few_is_insufficient_data(said):
    first = nb.to_review("late", most=50)
    judge([r for r in first.rows if "random" in r["reasons"]][:5], said)
    found = nb.review_estimate("late")
    assert (found.n, found.value) == (5, None)
    assert "insufficient data: 5 drawn rows are judged, 30 are needed" in repr(found)


def test_rows_of_other_reasons_do_not_move_the_estimate(said):
    first = nb.to_review("late", most=150)
    judge([r for r in first.rows if "random" in r["reasons"]], said)
    before = nb.review_estimate("late")
    judge([r for r in first.rows if "random" not in r["reasons"]], said)
    assert nb.review_estimate("late") == before
    assert before.n == before.drawn == first.reasons["random"]
    assert before.low < before.value < before.high


def test_what_is_not_judged_and_what_came_since_is_told(said, people):
    first = nb.to_review("late", most=200)
    judge([r for r in first.rows if "random" in r["reasons"]][:35], said)
    nb.predict("late", people(50, 11))
    found = nb.review_estimate("late")
    assert [f.code for f in found.findings] == ["not_judged", "since"]
    assert (found.population, found.since) == (600, 50)


def test_the_estimate_is_unbiased_over_lists_while_predictions_go_on(said, people):
    """Three lists, each judged, predictions in between, outcomes of wrong rows arriving first: many seeds."""
    from dataclasses import replace

    from nbmlops.monitoring.returning.drawn import Judged
    from nbmlops.monitoring.returning.to_review import _by_chance
    from nbmlops.stats import sampling

    case = returned("late")
    truth = said.set_index("prediction_id").outcome[case.said.prediction_id].to_numpy()
    right = case.said.prediction.to_numpy() == truth
    at = np.array([f"2026-01-0{1 + n // 200}" for n in range(600)])
    ids = [in_block("0190a0b0-0000-7000-8000-000000000000", n) for n in range(600)]  # the same draws in every run
    case = replace(case, said=case.said.assign(at=at, prediction_id=ids))
    values, covered = [], []
    for seed in range(300):
        rng, lists = np.random.default_rng(seed), []
        outcomes = rng.random(600) < np.where(right, 0.05, 0.4)  # what goes wrong is heard of first
        answered = np.zeros(600, dtype=bool)
        for day in (1, 2, 3):
            now = np.flatnonzero(at <= f"2026-01-0{day}")
            part = replace(case, said=case.said.iloc[now])
            flags = Judged(outcomes[now], outcomes[now] & ~right[now], answered[now], answered[now], answered[now])
            drawn, threshold = _by_chance(part, lists, flags, 25, seed)
            more = {"seed": seed, "threshold": threshold, "until": f"2026-01-0{day}", "version": None}
            lists = [*lists, more]
            answered[list(drawn)] = True
        draw = Draw(case, lists)
        rows = draw.drawn & (outcomes | answered)
        assert (rows == draw.drawn).all()
        found = sampling.share(right[rows], draw.probability[rows])
        values.append(found.value)
        covered.append(found.low <= right.mean() <= found.high)
    assert abs(np.mean(values) - right.mean()) < 4 * np.std(values) / np.sqrt(300) + 0.003
    assert np.mean(covered) > 0.92
    assert np.mean(right[outcomes]) < right.mean() - 0.2  # what simply came back says far too little


def test_a_row_that_was_there_before_the_list_arrived_is_counted(said):
    """A journal may arrive late: whether a row is drawn follows from its own number, not from the kept list."""
    nb.to_review("late", most=100)
    draw = Draw(returned("late"), kept_lists("late"))
    assert (draw.drawn == (draw.numbers(0) < draw.probability)).all()


@pytest.fixture
def notebook(shell, said):
    return shell


def test_function_magic_and_command_say_the_same(notebook):
    by_function = nb.to_review("late", most=20).to_dict()
    by_magic = notebook.run_line_magic("review", "late --most 20").to_dict()
    done = CliRunner().invoke(main, ["review", "late", "--most", "20", "--json"], catch_exceptions=False)
    assert by_function == by_magic == json.loads(done.output)
    estimate = nb.review_estimate("late").to_dict()
    assert notebook.run_line_magic("review", "late --estimate").to_dict() == estimate
    done = CliRunner().invoke(main, ["review", "late", "--estimate", "--json"], catch_exceptions=False)
    assert (json.loads(done.output), done.exit_code) == (estimate, 4)


def test_a_file_goes_out_is_filled_in_and_comes_back(said, project):
    done = CliRunner().invoke(main, ["review", "late", "--most", "12", "--csv", "-o", "judge.csv"])
    assert done.exit_code == 0, done.output
    with Path("judge.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"outcome", "verdict", "expected", "reason", "why", "age", "city"} <= set(rows[0])
    truth = said.set_index("prediction_id").outcome
    rows[0] |= {"outcome": str(truth[rows[0]["prediction_id"]])}
    rows[1] |= {"verdict": "disagree", "expected": "True", "reason": "rain"}
    with Path("judge.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    done = CliRunner().invoke(main, ["feedback", "judge.csv", "--json"], catch_exceptions=False)
    assert json.loads(done.output)[0]["new"] == 2
    left = {row["prediction_id"] for row in nb.to_review("late", most=12).rows}
    assert {rows[0]["prediction_id"], rows[1]["prediction_id"]}.isdisjoint(left)
    assert {r["prediction_id"] for r in rows[2:]} & left
    (opinion,) = nb.prediction(rows[1]["prediction_id"])["feedback"]
    assert (opinion["verdict"], opinion["reason"], opinion["source"]) == ("disagree", "rain", "review")


def test_a_confirmed_outcome_leaves_the_list(said, project):
    nb.feedback(said[["prediction_id", "outcome"]])
    CliRunner().invoke(main, ["review", "late", "--csv", "-o", "judge.csv"])
    rows = pd.read_csv("judge.csv")
    assert len(rows)
    rows.assign(outcome=rows.known_outcome).to_csv("judge.csv", index=False)
    assert CliRunner().invoke(main, ["feedback", "judge.csv"]).exit_code == 0
    assert nb.to_review("late").rows == ()
    assert "nothing to review" in repr(nb.to_review("late"))


def test_a_file_that_is_there_stays(said, project):
    (project / "judge.csv").write_text("mine")
    done = CliRunner().invoke(main, ["review", "late", "-o", "judge.csv"])
    assert done.exit_code == 2
    assert "is there already" in done.output
    assert (project / "judge.csv").read_text() == "mine"
    assert CliRunner().invoke(main, ["review", "late", "-o", "no/judge.csv"]).exit_code == 5


def test_bad_input(said):
    for wrong in ({"most": 0}, {"most": "x"}, {"seed": -1}, {"seed": 1.5}):
        with pytest.raises(Invalid):
            nb.to_review("late", **wrong)
    with pytest.raises(NotFound, match="Did you mean 'late'"):
        nb.to_review("lat")
    with pytest.raises(NotFound, match=r"No list of rows of late to review was made"):
        nb.review_estimate("late")


def test_one_version_alone(said, people):
    nb.to_review("late@1", most=10)
    (kept,) = kept_lists("late")
    assert kept["version"] == 1
