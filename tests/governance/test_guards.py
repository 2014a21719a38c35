"""A better number is not enough: each guard answers, an issue is somebody's, and it keeps the alias where it is."""

import json
import time
import types

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import nbmlops as nb
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.governance import guards, promotion, standing
from nbmlops.governance.terms import Terms
from nbmlops.records import Finding
from nbmlops.tracking import session


class Said:
    """A model that says what a column holds: answers of any quality, without fitting one."""

    def __init__(self, column, sleep_s=0.0):
        self.column, self.sleep_s = column, sleep_s
        self.classes_, self.feature_names_in_ = np.array([0, 1]), np.array([column])

    def predict(self, rows):
        return (self.predict_proba(rows)[:, 1] > 0.5).astype(int)

    def predict_proba(self, rows):
        time.sleep(self.sleep_s)
        chance = rows[self.column].to_numpy()
        return np.column_stack([1 - chance, chance])


@pytest.fixture
def rows():
    """Rows with a truth, and what models of several kinds say of it."""
    rng = np.random.default_rng(0)
    n = 3000
    logit = rng.normal(0, 1.5, n)
    chance = 1 / (1 + np.exp(-logit))
    frame = pd.DataFrame({"good": chance, "city": rng.choice(["Ulm", "Bern", "Rome"], n), "day": np.arange(n) % 30})
    frame["late"] = (rng.random(n) < chance).astype(int)
    frame["weak"] = 1 / (1 + np.exp(-(logit + rng.normal(0, 1.5, n)) / 2))
    frame["partial"] = np.where(frame.city == "Rome", rng.random(n), chance)
    frame["sharp"] = 1 / (1 + np.exp(-3 * logit))
    return frame


def gate(challenger, champion, rows, **terms):
    return nb.gate(Said(challenger), Said(champion), on=rows, target="late", **terms)


def of(found, code, column=None):
    """Return the findings of a code by their column."""
    chosen = {f.column: f for f in found.findings if f.code == code}
    return chosen if column is None else chosen[column]


@pytest.fixture
def late(project, fit, held_out):
    """Two registered versions, the first the champion."""
    for columns in (["noise"], ["age", "city"]):
        model = fit(*columns)
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="the first")
    return project


def test_ready_or_not_and_whose_it_is(project, rows):
    assert (gate("good", "weak", rows).ready, gate("good", "weak", rows).because) == (True, ())
    (project / "charter.yaml").write_text("roles: {scientist: [ada@example.org]}")
    found = gate("weak", "good", rows)
    assert not found.ready
    assert found.because[0] == "It is worse, and what promotes is better (scientist: ada@example.org)"


def test_what_promotes_is_the_charters(project, rows):
    assert gate("good", "good", rows).verdict == "non-inferior"
    assert "what promotes is better" in gate("good", "good", rows).because[0]
    (project / "charter.yaml").write_text("promotes: non-inferior")
    assert gate("good", "good", rows).ready


def test_a_slice_that_got_worse_is_an_issue_though_the_whole_is_better(project, rows):
    found = gate("partial", "weak", rows[rows.city != "Rome"], by="city")
    assert {f.outcome for f in of(found, "slice").values()} == {"passed"}
    most = pd.concat([rows, rows[rows.city != "Rome"]], ignore_index=True)
    found = gate("partial", "weak", most, by="city")
    assert found.verdict == "better"
    assert of(found, "slice", "city=Rome").outcome == "issue"
    assert of(found, "slice", "city=Ulm").outcome == "passed"
    assert not found.ready
    assert any("city=Rome" in b and b.endswith("(scientist)") for b in found.because)


def test_small_slices_say_so(project, rows):
    few = rows.assign(city=np.where(np.arange(len(rows)) < 20, "Oslo", rows.city))
    found = of(gate("good", "weak", few, by="city"), "slice", "city=Oslo")
    assert (found.outcome, found.message) == ("skipped", "city=Oslo: insufficient data, 20 of 50 rows")
    alone = rows.assign(city=np.where((np.arange(len(rows)) < 200) & (rows.late == 1), "Oslo", rows.city))
    assert "only one class" in of(gate("good", "weak", alone, by="city"), "slice", "city=Oslo").message


def test_holm_covers_metrics_and_slices(project, rows):
    """Ten slices of a challenger of equal worth raise an alarm in about 5 of 100 cases."""
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(8):
        some = rows.sample(2000, random_state=int(rng.integers(1e9))).assign(city=rng.integers(0, 10, 2000))
        one, two = (1 / (1 + np.exp(-rng.normal(some.late, 1.5))) for _ in range(2))
        answers = [_answers(some.late, s) for s in (one, two)]
        first = guards.gain("roc_auc", *answers, 0.0)
        slices = guards.parts(some, ["city"], *answers, first, 0.0, None)
        alarms += any(f.outcome in ("warning", "issue") for f in guards.guarded([], slices))
    assert alarms <= 2


def _answers(truth, chance):
    from nbmlops.registry.measures import ask

    frame = pd.DataFrame({"said": chance})
    return ask(Said("said"), frame, truth.to_numpy())


def test_guarded_metrics_come_after_the_one_that_decides(project, rows):
    found = gate("sharp", "weak", rows, metrics=["roc_auc", "log_loss", "accuracy"])
    assert (found.metric, found.metrics, found.verdict) == ("roc_auc", ("roc_auc", "log_loss", "accuracy"), "better")
    assert of(found, "metric", "log_loss").outcome == "issue"  # overconfident
    assert of(found, "metric", "accuracy").outcome == "passed"


def test_the_charter_says_metrics_margin_slices_and_groups(project, rows):
    text = (
        "metrics: [{name: brier, at_most: 0.3}, {name: late_share_gap, at_most: 0.05}, {name: roc_auc, at_least: 0.6}]"
    )
    (project / "charter.yaml").write_text(f"{text}\nmargin: 0.02\nslices: [city]\ngroups: day\nminimum: 1000")
    found = gate("good", "weak", rows)
    assert (found.metrics, found.tolerated, found.groups) == (("brier", "roc_auc"), 0.02, "day")
    assert found.by == ("city",)
    assert found.how == "variance of sums of 30 groups"
    with pytest.raises(NotAllowed, match="900 rows are fewer than the 1,000 the charter asks"):
        gate("good", "weak", rows[:900])


@pytest.mark.parametrize(
    ("key", "message"),
    [("minimum: many", "minimum is 'many'"), ("minimum: 0", "minimum is 0"), ("groups: [a]", "groups is")],
)
def test_a_charter_with_bad_terms_is_refused(project, rows, key, message):
    (project / "charter.yaml").write_text(key)
    with pytest.raises(Invalid, match=message):
        gate("good", "weak", rows)


def test_groups_that_belong_together_widen_the_interval(project, rows):
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 0.15, 30)[rows.day]
    both = rows.assign(swings=np.clip(rows.weak + luck, 0.01, 0.99))
    alone, grouped = (gate("swings", "weak", both, metrics="log_loss", groups=g) for g in (None, "day"))
    assert grouped.high - grouped.low > 1.3 * (alone.high - alone.low)


def test_few_groups_conclude_nothing(project, rows):
    found = gate("good", "weak", rows, groups="city")
    assert found.verdict == "inconclusive"
    assert "insufficient data: 3 groups, and 10 are needed" in found.findings[0].message


def test_a_gap_the_challenger_opens_is_an_issue_and_one_it_inherits_a_warning(project, rows):
    opened = of(gate("partial", "good", rows, by="city"), "gap", "city")
    assert opened.outcome == "issue"
    assert "between city=" in opened.message
    assert opened.message.count("city=Rome") == 1
    inherited = of(gate("partial", "partial", rows, by="city"), "gap", "city")
    assert inherited.outcome == "warning"
    assert inherited.detail["low"] > 0.1
    assert of(gate("good", "good", rows, by="city"), "gap", "city").outcome == "passed"


def test_a_worse_calibration_is_an_issue(project, rows):
    found = of(gate("sharp", "good", rows), "calibration")
    assert found["calibration error"].outcome == "issue"
    assert {f.outcome for f in of(gate("good", "good", rows), "calibration").values()} == {"passed"}
    many = pd.concat([rows] * 8, ignore_index=True)
    assert "by resampling 2,000 groups of rows" in of(gate("good", "weak", many), "calibration", "share gap").message


def test_a_slow_challenger_is_told_and_a_very_slow_one_an_issue(project, rows):
    one = rows[["good"]].iloc[:1]
    quick, slow, slower = Said("good", 0.005), Said("good", 0.02), Said("good", 0.06)
    assert guards.latency([quick, quick], [one, one]).outcome == "passed"
    assert guards.latency([slow, quick], [one, one]).outcome == "warning"
    found = guards.latency([slower, quick], [one, one])
    assert found.outcome == "issue"
    assert "told above 2, an issue above 100 ms as well" in found.message


def drift(reference, verdict):
    session.keep("drift", "late", {"reference": reference, "verdict": verdict, "findings": []})


def test_the_newest_drift_report_counts(late, held_out):
    assert of(nb.gate("late@2", "late@1", on=held_out), "drift", "challenger").outcome == "skipped"
    drift("late@1", "alert")
    drift("late@2", "alert")
    found = nb.gate("late@2", "late@1", on=held_out)
    assert of(found, "drift", "champion").outcome == "warning"
    assert of(found, "drift", "challenger").outcome == "issue"
    assert any("report against late@2 says alert (ml_engineer: " in b for b in found.because)
    drift("late@2", "ok")
    assert nb.gate("late@2", "late@1", on=held_out).ready


def test_rules_the_rows_break(late, held_out):
    assert of(nb.gate("late@2", "late@1", on=held_out), "rules")[""].outcome == "skipped"
    nb.dataset("people", held_out, keep=True, rules={"columns": {"age": {"range": {"max": 50}}}})
    found = nb.gate("late@2", "late@1", on="people@1")
    assert of(found, "rules", "people@1").outcome == "issue"
    assert any("(data_engineer" in b for b in found.because)
    assert of(nb.gate("late@2", "late@1", on=held_out), "rules", "people@1").outcome == "issue"  # the same rows


def test_rules_that_were_checked_in_the_run(late, held_out):
    with nb.run("retrain"):
        nb.check(held_out, {"columns": {"age": {"range": {"max": 50}}}})
        assert not nb.gate("late@2", "late@1", on=held_out).ready


def test_open_flags_when_there_are_some(late, held_out):
    assert of(nb.gate("late@2", "late@1", on=held_out), "flag")[""].outcome == "passed"
    nb.flag("late@2", "odd answers", severity="high")
    found = of(nb.gate("late@2", "late@1", on=held_out), "flag")[""]
    assert found.outcome == "issue"
    assert found.message.startswith("1 open flag on late@2, the worst is high")


@pytest.mark.parametrize(("exceptions", "outcome"), [((), "issue"), (("pickle",), "warning")])
def test_a_pickle_needs_an_exception(exceptions, outcome):
    subject = types.SimpleNamespace(version=types.SimpleNamespace(format="pickle"), name="late@2")
    assert standing.file(subject, Terms(0.01, exceptions=exceptions)).outcome == outcome


def test_how_often_rows_have_judged_is_counted(project, rows, monkeypatch):
    found = [gate("good", "weak", rows) for _ in range(3)]
    assert [f.comparisons for f in found] == [1, 2, 3]
    assert of(found[-1], "reuse")[""].message.startswith("Comparison 3 on these rows: ")
    assert gate("good", "weak", rows.assign(more=1)).comparisons == 4  # another column changes no truth
    assert gate("good", "weak", rows[1:]).comparisons == 1
    told = standing.reused(9)
    assert (told.outcome, told.effect) == ("warning", 10)
    assert told.detail["chance"] == pytest.approx(1 - 0.975**10)


def test_the_same_comparison_again_is_no_new_look(late, held_out):
    assert [nb.gate("late@2", "late@1", on=held_out).comparisons for _ in range(3)] == [1, 2, 2]


def test_a_guard_that_is_an_issue_promotes_nothing(late, held_out):
    (late / "charter.yaml").write_text("promotes: better")
    drift("late@2", "alert")
    assert nb.gate("late@2", "late@1", on=held_out).verdict == "better"
    with pytest.raises(NotAllowed, match="A guard of the gate is an issue for late@2: Drift: the newest report"):
        nb.promote("late", 2, to="champion", reason="better")
    (late / "charter.yaml").write_text("promotes: better\npolicy: {champion: {guards: recorded}}")
    assert nb.promote("late", 2, to="champion", reason="better").decision["policy"] == "gate: better"
    assert "late@2 says alert" in promotion.history("late")[-1]["data"]["compared"]["guards"][0]


def test_without_a_charter_guards_are_recorded(late, held_out):
    drift("late@2", "alert")
    nb.gate("late@2", "late@1", on=held_out)
    assert nb.promote("late", 2, to="champion", reason="better").decision["policy"] == "no policy"
    assert len(promotion.history("late")[-1]["data"]["compared"]["guards"]) == 1


@pytest.mark.parametrize(
    ("charter", "terms", "says"),
    [
        ("metrics: [{name: log_loss, at_most: 1}]", {"metrics": "accuracy"}, "the charter's metric is log_loss"),
        ("groups: city", {"groups": "day"}, "did not group rows by city"),
        ("slices: [city]", {"by": "day"}, "did not slice by city"),
    ],
)
def test_a_gate_on_other_terms_promotes_nothing(late, held_out, charter, terms, says):
    (late / "charter.yaml").write_text(charter)
    nb.gate("late@2", "late@1", on=held_out.assign(day=np.arange(400) % 40), margin=0.01, **terms)
    with pytest.raises(NotAllowed, match=says):
        nb.promote("late", 2, to="champion", reason="better")


@pytest.mark.parametrize("key", ["gate", "guards"])
def test_a_policy_that_is_not_understood_neither_compares_nor_promotes(late, held_out, key):
    nb.gate("late@2", "late@1", on=held_out)
    (late / "charter.yaml").write_text(f"policy: {{champion: {{{key}: maybe}}}}")
    with pytest.raises(NotAllowed, match=rf"policy\.champion\.{key} is 'maybe'"):
        nb.gate("late@2", "late@1", on=held_out)
    with pytest.raises(NotAllowed, match=rf"policy\.champion\.{key} is 'maybe'"):
        nb.promote("late", 2, to="champion", reason="better")


def test_a_dataset_version_is_pinned(late, held_out):
    version = nb.dataset("people", held_out, keep=True)
    found = nb.gate("late@2", "late@1", on="people")
    assert (found.dataset, found.data, found.verdict) == ("people@1", version.fingerprint, "better")
    held_out.to_parquet("held_out.parquet")
    assert nb.gate("late@2", "late@1", on="held_out.parquet").data == version.fingerprint


@pytest.mark.parametrize(
    ("on", "terms", "error", "message"),
    [
        ("people@9", {}, NotFound, "No version of people '9'"),
        ("pepole@1", {}, NotFound, "Did you mean 'people'"),
        ("people@1", {}, NotFound, "The rows of people@1 were not kept"),
        ("nothing.csv", {}, NotFound, "nothing.csv cannot be read"),
        ("rows", {"target": None}, Invalid, "Which column is the truth"),
        ("rows", {"target": "lat"}, Invalid, "No column 'lat'"),
        ("rows", {"by": "town"}, Invalid, "No column 'town' to slice by"),
        ("rows", {"by": "good"}, Invalid, "'good' has over 1,000 values"),
        ("rows", {"groups": "week"}, Invalid, "No column 'week' to group by"),
        ("rows", {"metrics": "rmse"}, Invalid, "'rmse' cannot be compared here"),
        ("rows", {"margin": "much"}, Invalid, "margin is 'much'"),
        ("one class", {}, Invalid, "Every row is of the same class"),
        ("gaps", {}, Invalid, "The target 'late' is missing in 1 of 3,000 rows"),
        ("no number", {}, Invalid, "gives no number for 2 answers"),
    ],
)
def test_bad_input_is_one_line(project, rows, on, terms, error, message):
    nb.dataset("people", rows)
    frames = {
        "rows": rows,
        "one class": rows[rows.late == 1],
        "gaps": rows.assign(late=rows.late.astype(float).mask(rows.index == 3)),
        "no number": rows.assign(good=rows.good.mask(rows.index == 3)),
    }
    with pytest.raises(error, match=message) as raised:
        nb.gate(Said("good"), Said("weak"), on=frames.get(on, on), **{"target": "late", **terms})
    assert "\n" not in str(raised.value)


def test_models_of_other_tasks_are_refused(project, rows):
    numbers = LinearRegression().fit(rows[["weak"]], rows.good)
    with pytest.raises(Invalid, match="different questions"):
        nb.gate(Said("good"), numbers, on=rows, target="late")
    texts = LogisticRegression().fit(rows[["weak"]], rows.city)
    with pytest.raises(Invalid, match=r"different questions|never saw"):
        nb.gate(Said("good"), texts, on=rows, target="late")


def test_a_metric_needs_what_the_models_give(project, rows):
    from sklearn.svm import LinearSVC

    margin = LinearSVC().fit(rows[["weak"]], rows.late)
    with pytest.raises(Invalid, match="log_loss needs probabilities"):
        nb.gate(margin, Said("good"), on=rows, target="late", metrics="log_loss")
    calibration = of(nb.gate(margin, Said("good"), on=rows, target="late"), "calibration")[""]
    assert calibration.outcome == "not_applicable"


def test_numbers_by_every_metric(project, rows):
    near, far = (LinearRegression().fit(rows[[c]], rows.good) for c in ("sharp", "late"))
    found = nb.gate(near, far, on=rows, target="good", metrics=["rmse", "mae", "r2"])
    assert (found.verdict, found.metrics) == ("better", ("rmse", "mae", "r2"))
    assert {f.outcome for f in of(found, "metric").values()} == {"passed"}


def test_classes_by_name(project, rows):
    good, weak = (LogisticRegression().fit(rows[c], rows.city) for c in (["good", "day"], ["weak"]))
    found = nb.gate(good, weak, on=rows, target="city", metrics=["accuracy", "log_loss"])
    assert found.verdict in ("non-inferior", "inconclusive")
    assert found.metric == "accuracy"


def test_text_and_card_say_how_it_ends(project, rows):
    ready, not_ready = gate("good", "weak", rows), gate("partial", "good", rows, by="city")
    assert repr(ready).splitlines()[-1] == "  ready"
    assert "not ready because It is worse" in repr(not_ready)
    html = not_ready._repr_mimebundle_()["text/html"]
    assert "not ready because" in html
    assert "city=Rome" in html
    assert "<script" not in html
    json.dumps(not_ready.to_dict(), allow_nan=False)


def test_a_gate_kept_before_guards_is_still_shown(project):
    from nbmlops.widgets import gate as card

    before = {
        "challenger": "a",
        "champion": "b",
        "verdict": "better",
        "metric": "roc_auc",
        "difference": 0.1,
        "low": 0.0,
    }
    before |= {"high": 0.2, "margin": 0.01, "tolerated": 0.01, "detectable": 0.1, "rows": 10, "challenger_value": 0.7}
    before |= {"champion_value": 0.6, "findings": [Finding("gate", "passed", "better").to_dict()]}
    assert "Gate: better" in card.text(before)
    assert "Gate" in card.html(before)
