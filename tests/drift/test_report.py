import json

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.errors import Invalid, NotFound

from .conftest import bookings


def of(report, code, column=None):
    found = [f for f in report.findings if f.code == code and column in (None, f.column)]
    assert found, f"no finding {code} {column}"
    return found[0]


def clean(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": rng.lognormal(size=n),
            "age": rng.integers(18, 90, n),
            "carrier": rng.choice(["UA", "DL", "MQ"], n, p=[0.6, 0.32, 0.08]),
            "paid": rng.random(n) < 0.3,
        }
    )


def test_rows_of_the_same_kind_raise_nothing(project):
    for seed in range(1, 11):
        report = nb.drift(clean(1000, seed), clean())
        assert report.verdict == "ok", repr(report)
        assert {f.outcome for f in report.findings} <= {"passed", "not_applicable"}


FAULTS = {
    "unit change": (lambda f: f.assign(amount=f.amount * 2.54), "feature_drift", "amount"),
    "null burst": (lambda f: f.assign(age=f.age.where(f.index % 4 > 0)), "missing_share", "age"),
    "swapped code": (lambda f: f.assign(carrier=f.carrier.replace("UA", "UNITED")), "unseen", "carrier"),
    "stuck sensor": (lambda f: f.assign(amount=f.amount.iloc[0]), "feature_drift", "amount"),
    "beyond range": (lambda f: f.assign(age=f.age + 500), "beyond_range", "age"),
    "text": (lambda f: f.assign(amount=f.amount.astype(str) + " USD"), "column_kind", "amount"),
    "gone": (lambda f: f.drop(columns="paid"), "column_missing", "paid"),
    "inverted": (lambda f: f.assign(paid=~f.paid), "feature_drift", "paid"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_injected_fault_is_an_alert_where_it_is_and_nowhere_else(project, fault):
    spoil, code, column = FAULTS[fault]
    report = nb.drift(spoil(clean(1000, 1)), clean())
    assert of(report, code, column).outcome == "issue"
    assert report.verdict == "alert"
    assert {f.column for f in report.findings if f.outcome in ("issue", "warning")} == {column}


@pytest.mark.parametrize("seed", range(5))
def test_a_sensor_that_is_stuck_for_a_fifth_of_the_rows_is_told_with_its_value(project, seed):
    later = clean(1000, seed + 1)
    later["amount"] = later.amount.where(later.index % 5 > 0, 0.731)
    found = of(nb.drift(later, clean()), "stuck", "amount")
    assert found.outcome in ("warning", "issue")
    assert "at exactly 0.731" in found.message


def test_a_value_that_was_as_frequent_before_is_not_stuck(project):
    half = clean().assign(amount=lambda f: f.amount.where(f.index % 2 > 0, 0.0))
    report = nb.drift(half.iloc[:1500], half)
    assert [f for f in report.findings if f.code == "stuck"] == []


def test_unseen_values_and_bad_numbers_are_named(project):
    report = nb.drift(FAULTS["swapped code"][0](clean(1000, 1)), clean())
    assert "(UNITED)" in of(report, "unseen", "carrier").message
    report = nb.drift(FAULTS["text"][0](clean(1000, 1)), clean())
    assert of(report, "column_kind", "amount").direction == "numbers -> text"
    assert "USD'" in of(report, "column_kind", "amount").message


def test_findings_stand_in_the_order_of_evidence(project):
    report = nb.drift(clean(1000, 1), clean(), target="paid")
    codes = list(dict.fromkeys(f.code for f in report.findings))
    assert codes[:3] == ["column_missing", "columns_extra", "column_kind"]
    assert codes[-5:] == [
        *("performance", "performance_estimated", "prediction_drift", "target_drift", "feature_drift")
    ]


def test_a_target_that_moves_is_told_with_its_shares(project):
    later = clean(5000, 1).assign(paid=np.arange(5000) % 2 == 0)
    finding = of(nb.drift(later, clean(), target="paid"), "target_drift")
    assert finding.outcome == "warning"
    assert finding.direction == "share 29 % -> 50 %"
    assert "paid" not in {f.column for f in nb.drift(later, clean(), target="paid").findings if "feature" in f.code}


def test_few_rows_are_insufficient_data(project):
    for n in (0, 1, 40):
        report = nb.drift(clean(n, 1), clean())
        assert report.verdict == "insufficient data"
        assert of(report, "feature_drift").outcome == "skipped"
    assert "40 rows, about 74 needed" in of(report, "feature_drift").message


def test_a_profile_is_a_reference_and_gives_the_same_answer(project):
    data, reference = clean(1000, 1), clean()
    profile = nb.Profile.from_json(nb.profile(reference).to_json())
    assert nb.drift(data, profile).findings == nb.drift(data, reference).findings


def test_each_chunk_has_a_row_and_may_raise_the_verdict(project):
    data = clean(3000, 1).assign(month=np.repeat([1, 2, 3], 1000))
    data.loc[data.month == 3, "amount"] *= 3
    report = nb.drift(data, clean(), chunk="month")
    assert [(c["name"], c["verdict"]) for c in report.chunks] == [("1", "ok"), ("2", "ok"), ("3", "alert")]
    assert of(report, "feature_drift", "amount").outcome == "warning"
    assert report.verdict == "alert"
    assert report.chunks[2]["largest"]["column"] == "amount"


def test_a_reference_with_chunks_says_how_much_it_wanders(project):
    reference = clean(3000, 2).assign(month=np.repeat([1, 2, 3], 1000))
    reference.loc[reference.month == 2, "amount"] *= 1.5
    calm = nb.drift(clean(3000, 1), clean())
    wandering = nb.drift(clean(3000, 1).assign(month=4), reference, chunk="month")
    assert wandering.notes == ("uncalibrated: 3 of 6 reference chunks",)
    assert "tolerable 0.1)" in of(calm, "feature_drift", "amount").message
    assert "tolerable 0.1)" not in of(wandering, "feature_drift", "amount").message


def test_segments_are_held_against_their_own(project):
    data, reference = clean(4000, 1), clean(4000)
    data.loc[data.carrier == "DL", "amount"] *= 3
    data.loc[:20, "carrier"] = "ZZ"
    rows = {s["name"]: s["verdict"] for s in nb.drift(data, reference, by="carrier").segments}
    assert (rows["UA"], rows["DL"], rows["ZZ"]) == ("ok", "alert", "notice")
    with pytest.raises(Invalid, match="no segments by 'carrier'"):
        nb.drift(data, nb.profile(reference), by="carrier")


def test_identifiers_and_times_are_not_compared(project):
    def data(start):
        return clean(1000, 1).assign(row=range(start, start + 1000), at=pd.Timestamp("2020-01-01"))

    report = nb.drift(data(5000), data(0))
    assert {of(report, "feature_drift", c).outcome for c in ("row", "at")} == {"not_applicable"}
    assert report.verdict == "ok"


def test_a_model_is_asked_and_its_performance_judged(champion):
    report = nb.drift(bookings(3000, 2), "late-flights@champion")
    assert report.reference == "late-flights@1"
    assert report.verdict == "ok"
    assert of(report, "performance").outcome == "passed"
    assert of(report, "performance").detail["metric"] == "roc_auc"
    assert of(report, "prediction_drift").outcome == "passed"


def test_predictions_made_before_are_used(champion):
    data = bookings(3000, 2, shift=0.5)
    said = data.join(nb.predict("late-flights@champion", data))
    before, after = (nb.drift(d, "late-flights@champion") for d in (said, data))
    assert [f for f in before.findings if f.code != "columns_extra"] == [
        f for f in after.findings if f.code != "columns_extra"
    ]


def test_answers_that_grow_worse_on_the_same_inputs_are_an_alert(champion):
    report = nb.drift(bookings(3000, 2, flip=0.8), "late-flights@champion")
    assert of(report, "performance").outcome == "issue"
    assert {f.outcome for f in report.findings if f.code == "feature_drift"} == {"passed"}
    assert report.verdict == "alert"


def test_without_truth_the_performance_is_not_known(champion):
    report = nb.drift(bookings(3000, 2).drop(columns="late"), "late-flights@champion")
    assert of(report, "performance").outcome == "not_applicable"
    assert of(report, "target_drift").outcome == "not_applicable"


@pytest.mark.parametrize(
    ("spoil", "needed"),
    [
        (lambda f: f.assign(late=f.late.where(f.index < 150)), "150 rows is known"),
        (lambda f: f.assign(late=1), "only one class"),
    ],
)
def test_too_little_truth_is_insufficient_data(champion, spoil, needed):
    finding = of(nb.drift(spoil(bookings(1000, 2)), "late-flights@champion"), "performance")
    assert finding.outcome == "skipped"
    assert needed in finding.message


def test_a_feature_that_matters_little_raises_a_notice_at_most(champion):
    data = bookings(3000, 2).assign(carrier="UA")
    report = nb.drift(data, "late-flights@champion")
    finding = of(report, "feature_drift", "carrier")
    assert finding.outcome == "issue"
    assert finding.detail["importance"] < 0.1
    assert report.verdict == "notice"


def test_rows_the_model_cannot_answer_are_a_finding(champion):
    data = bookings(3000, 2)
    data.loc[0, "amount"] = np.nan
    assert of(nb.drift(data, "late-flights@champion"), "unanswerable").outcome == "issue"
    gone = nb.drift(data.drop(columns="amount"), "late-flights@champion")
    assert of(gone, "column_missing").column == "amount"
    assert of(gone, "prediction_drift").outcome == "not_applicable"


def test_the_charter_speaks_of_the_model(champion, project):
    (project / "charter.yaml").write_text("metrics:\n- {name: roc_auc, at_least: 0.99}\n")
    report = nb.drift(bookings(3000, 2), "late-flights@champion")
    assert of(report, "charter_target").outcome == "issue"
    assert report.verdict == "alert"


def test_numbers_and_classes_have_their_own_measures(project):
    rng = np.random.default_rng(0)

    def data(noise, seed):
        x = np.random.default_rng(seed).normal(size=2000)
        return pd.DataFrame({"x": x, "y": x * 3, "said": x * 3 + noise * rng.normal(size=2000)})

    report = nb.drift(data(1.0, 1), data(0.2, 0), target="y", prediction="said")
    assert (of(report, "performance").detail["metric"], of(report, "performance").outcome) == ("mae", "issue")
    names = np.array(["a", "b", "c"])
    words = [names[rng.integers(0, 3, 2000)] for _ in range(2)]
    classes = pd.DataFrame({"x": rng.normal(size=2000), "y": words[0], "good": words[0], "poor": words[1]})
    report = nb.drift(classes.assign(said=classes.poor), classes.assign(said=classes.good), "y", "said")
    assert (of(report, "performance").detail["metric"], of(report, "performance").outcome) == ("accuracy", "issue")


def test_two_classes_by_name_are_measured_by_auc(project):
    data = bookings(2000, 0)
    data = data.assign(truth=np.where(data.late == 1, "yes", "no"), said=1 / (1 + np.exp(-2 * data.amount)))
    report = nb.drift(data, data, target="truth", prediction="said")
    assert of(report, "performance").detail["value"] > 0.7


def test_no_common_column_is_one_clear_line(project):
    with pytest.raises(Invalid, match="No column in common: the data has a; the reference 'frame' has b") as error:
        nb.drift(pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}))
    assert error.value.hint


@pytest.mark.parametrize(
    ("data", "reference", "error", "message"),
    [
        (clean(10), "nix@champion", NotFound, "No model 'nix'"),
        (clean(10), "nix.csv", NotFound, "No frame or file 'nix.csv'"),
        (clean(10), 3, Invalid, "A int is no frame"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), clean(10), Invalid, "'a' is there 2 times"),
        ("nix.csv", clean(10), NotFound, "No frame or file"),
    ],
)
def test_bad_input_is_one_clear_line(project, data, reference, error, message):
    with pytest.raises(error, match=message):
        nb.drift(data, reference)


@pytest.mark.parametrize(
    "column",
    [
        [np.nan] * 300,
        [None] * 300,
        [1.0] * 300,
        ["same"] * 300,
        [1, "a", None] * 100,
        [[1], {"b": 2}, None] * 100,
        [np.inf, -np.inf, 0.0] * 100,
    ],
)
def test_odd_columns_are_compared_or_told(project, column):
    rng = np.random.default_rng(0)
    odd, plain = pd.DataFrame({"x": column}), pd.DataFrame({"x": rng.normal(size=300)})
    for current, reference in ((odd, odd), (odd, plain), (plain, odd)):
        report = nb.drift(current, reference)
        assert of(report, "feature_drift", "x") if of(report, "column_kind", "x").outcome == "passed" else True
        json.dumps(report.to_dict(), allow_nan=False)
        assert "Drift" in repr(report)
    assert nb.drift(odd, odd).verdict in ("ok", "insufficient data")


def test_every_check_is_in_the_frame_and_the_json(project):
    report = nb.drift(clean(1000, 1), clean())
    assert list(report.to_frame()["code"]) == [f.code for f in report.findings]
    assert json.loads(report.to_json()) == report.to_dict()
    assert set(report.to_frame()["level"]) == {"ok"}


def test_the_result_is_kept(project):
    from nbmlops.store.runs import results_of
    from nbmlops.tracking import session

    with nb.run("watch") as run:
        report = nb.drift(clean(1000, 1), clean())
    found = results_of(session.store(), [run.run_id], "drift")
    assert [r["data"]["verdict"] for r in found] == [report.verdict]


def test_measures_people_know_stand_beside_the_decision_with_what_chance_makes_of_them(project):
    report = nb.drift(FAULTS["unit change"][0](clean(1000, 1)), clean(), show="psi,ks")
    shown = of(report, "feature_drift", "amount").detail["shown"]
    assert shown["psi"]["value"] > 0.2 > 0.05 > shown["psi"]["noise"]
    assert of(report, "feature_drift", "carrier").detail["shown"]["ks"] is None, "names have no order"
    plain = nb.drift(FAULTS["unit change"][0](clean(1000, 1)), clean())
    assert plain.verdict == report.verdict
    assert "psi" not in repr(plain)
    assert "(chance 0.0" in repr(report)
    assert "(chance 0.0" in report._repr_mimebundle_()["text/html"]


def test_a_measure_nobody_knows_names_the_near_one(project):
    with pytest.raises(NotFound, match=r"psy.*psi"):
        nb.drift(clean(), clean(), show="psy")


def test_a_slow_model_is_asked_of_some_rows_evenly_taken_and_that_is_said(champion, monkeypatch):
    from nbmlops.drift import answers, reference

    monkeypatch.setattr(answers, "MOST_ROWS", 2000)
    monkeypatch.setattr(answers, "MOST_S", 5.0)
    rows = bookings(6000, 3)
    against = reference.load("late-flights@champion", None, None)
    ticks = iter([0.0, 3.0])
    asked, marked, told = answers.answered(rows, against, None, None, clock=lambda: next(ticks))
    assert asked["prediction"].notna().sum() == 2000
    assert marked.awaited == ("prediction",)
    assert told[0].message == "the model was asked of 2,000 of 6,000 rows, evenly taken: all take about 18 s"
    every, _, none = answers.answered(rows, against, None, None, clock=lambda: 0.0)
    assert every["prediction"].notna().all()
    assert none == []
    found = answers.of_those_known(nb.profile(asked, like=against.profile), marked).total["prediction"]
    assert (found.rows, found.missing) == (2000, 0)
    monkeypatch.setattr(answers, "MOST_S", -1.0)
    report = nb.drift(rows, "late-flights@champion")
    assert of(report, "prediction_drift").outcome == "passed"
    assert of(report, "performance").detail["n"] == 2000
    assert of(report, "sampled").outcome == "passed"


@pytest.mark.parametrize("seed", range(8))
def test_a_day_that_was_delivered_twice_is_told(project, seed):
    """Thirty days of which one is there twice: a thirtieth of the rows, and more where fewer days came."""
    rows = clean(1000, seed + 1)
    for days, outcome in ((30, "warning"), (10, "issue")):
        twice = pd.concat([rows, rows[: len(rows) // days]], ignore_index=True)
        report = nb.drift(twice, clean(3000, 99))
        assert of(report, "rows_repeated").outcome == outcome
        assert report.verdict == ("alert" if outcome == "issue" else "notice")
    assert of(nb.drift(rows, clean(3000, 99)), "rows_repeated").outcome == "passed"


def test_rows_that_repeat_by_nature_are_no_fault(project):
    few = clean(4000)[["carrier", "paid"]]
    assert of(nb.drift(few[:2000], few[2000:]), "rows_repeated").outcome == "not_applicable"
    rare = pd.DataFrame({"a": np.random.default_rng(0).integers(0, 20_000, 4000)})
    assert of(nb.drift(rare[:2000], rare[2000:]), "rows_repeated").outcome == "passed"


def test_a_model_remembers_how_many_of_its_rows_repeat(champion):
    rows = bookings(2000, 5)
    assert of(nb.drift(rows, "late-flights@champion"), "rows_repeated").outcome == "passed"
    twice = pd.concat([rows, rows[:300]])
    assert of(nb.drift(twice, "late-flights@champion"), "rows_repeated").outcome == "issue"
    assert of(nb.drift(twice, nb.profile(bookings(2000, 6))), "rows_repeated").outcome == "issue"
    gone = nb.drift(twice.drop(columns="carrier"), "late-flights@champion")
    assert of(gone, "rows_repeated").outcome == "not_applicable"


def test_times_that_lost_their_zone_are_told(project):
    at = pd.date_range("2026-01-01", periods=1000, freq="h")
    plain, zoned = (pd.DataFrame({"at": t, "x": np.arange(1000.0)}) for t in (at, at.tz_localize("Europe/Berlin")))
    found = of(nb.drift(plain, zoned), "column_kind", "at")
    assert (found.outcome, found.direction) == ("warning", "times with a zone -> without one")
    assert of(nb.drift(plain, plain), "column_kind", "at").outcome == "passed"


def test_rows_whose_truth_is_missing_are_left_out_of_the_performance(champion):
    rows = bookings(2000, 5)
    some = rows.assign(late=rows["late"].astype(float).where(rows.index % 2 == 0))
    assert of(nb.drift(some, "late-flights@champion"), "performance").detail["n"] == 1000
    none = nb.drift(rows.assign(late=np.nan), "late-flights@champion")
    assert of(none, "performance").outcome == "skipped"
    assert of(none, "performance_estimated").effect is not None
