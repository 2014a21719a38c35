"""Tips about leakage: planted leaks are found, honest data raises no alarm, and nothing is ever in the way."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import datasets
from sklearn.model_selection import train_test_split

from nbmlops.quality import leakage
from nbmlops.quality.leakage import Fitted, Scored, tips

AGAIN, OVERLAP, COLUMN = "metric-on-training-rows", "test-rows-in-training", "column-determines-target"
OPEN = ("warning", "issue")


def toy(name):
    loaded = getattr(datasets, f"load_{name}")(as_frame=True)
    return loaded.data, loaded.target


def coarse(columns=4, values=3, n=600):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": rng.integers(0, values, n) for i in range(columns)})
    return frame, pd.Series((rng.random(n) < 0.2 + 0.2 * frame.c0).astype(int), name="late")


def rows(n=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    frame["carrier"] = rng.choice(["UA", "DL", "AA"], n)
    return frame, pd.Series((frame.a + rng.normal(size=n) > 0).astype(int), name="late")


def asked(train, truth, test=None, test_truth=None, **options):
    scored = [Scored("X_test", test, test_truth)] if test is not None else []
    return {f.code: f for f in tips([Fitted("model", train, truth)], scored, **options)}


def split(features, target, seed=0, size=0.25):
    train, test, truth, test_truth = train_test_split(features, target, test_size=size, random_state=seed)
    return train, truth, test, test_truth


def planted(features, target, seed=0):
    """Return a split where a tenth of the test rows are copies of training rows."""
    train, truth, test, test_truth = split(features, target, seed)
    n, rng = int(np.ceil(0.1 * len(test))), np.random.default_rng(seed)
    copied = rng.choice(len(train), n, replace=False)
    return (
        train,
        truth,
        pd.concat([test.iloc[n:], train.iloc[copied]]),
        pd.concat([test_truth.iloc[n:], truth.iloc[copied]]),
    )


HONEST = {
    **{name: lambda name=name: toy(name) for name in ("breast_cancer", "iris", "wine", "diabetes")},
    "three yes or no": lambda: coarse(3, 2),
    "coarse": lambda: coarse(4, 6),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_splits_raise_no_alarm(name):
    features, target = HONEST[name]()
    for seed in range(50):
        found = asked(*split(features, target, seed, (0.25, 0.5, 0.1)[seed % 3]))
        assert {f.outcome for f in found.values()} == {"passed"}, (seed, found)


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine", "diabetes"])
def test_a_tenth_of_the_test_rows_copied_from_training_is_found(name):
    for seed in range(10):
        finding = asked(*planted(*toy(name), seed))[OVERLAP]
        assert finding.outcome in OPEN, (seed, finding)
        assert 0.09 < finding.effect < 0.15


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine", "diabetes"])
def test_a_column_that_is_the_target_but_for_noise_is_found(name):
    features, target = toy(name)
    noise = np.random.default_rng(0).normal(size=len(target)) * 1e-6
    finding = asked(features.assign(leak=target + noise), target)[COLUMN]
    assert (finding.outcome in OPEN, finding.column) == (True, "leak")


@pytest.mark.parametrize("rename", [lambda v: f"k{v}", lambda v: 7 - 3 * v, lambda v: v])
@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine", "diabetes"])
def test_the_target_under_another_name_is_an_issue(name, rename):
    features, target = toy(name)
    finding = asked(features.assign(code=target.map(rename)), target)[COLUMN]
    assert (finding.outcome, finding.message) == ("issue", "code is target under another name")


def test_shared_rows_are_counted_and_held_against_chance():
    features, target = rows()
    finding = asked(features[:300], target[:300], features[280:], target[280:])[OVERLAP]
    assert finding.outcome == "issue"
    assert finding.message == "X_test: 20 of 120 rows (16.7 %) are also training rows; chance gives 0 %"
    assert finding.detail["docs"] == "docs/findings.md#test-rows-in-training"
    few = asked(features[:300], target[:300], features[294:], target[294:])[OVERLAP]
    assert few.outcome == "warning"


def test_a_row_with_another_target_is_another_row():
    features, target = rows()
    other = asked(features[:300], target[:300], features[200:], 1 - target[200:])[OVERLAP]
    assert (other.outcome, other.message) == ("passed", "X_test: none of 200 is a training row")
    assert asked(features[:300], target[:300], features[200:])[OVERLAP].outcome == "issue"


def as_other(frame, kind):
    return {
        "floats": lambda: frame.astype({"n": float, "yes": float}),
        "objects": lambda: frame.astype(object),
        "categories": lambda: frame.astype({"carrier": "category"}),
        "columns the other way": lambda: frame[frame.columns[::-1]],
        "polars": lambda: pl.DataFrame({name: frame[name].tolist() for name in frame.columns}),
        "small integers": lambda: frame.astype({"n": "Int32"}),
    }[kind]()


@pytest.mark.parametrize(
    "kind", ["floats", "objects", "categories", "columns the other way", "polars", "small integers"]
)
def test_equal_rows_are_equal_however_they_are_stored(kind):
    features, target = rows()
    features = features.assign(n=np.arange(400) % 97, yes=features.a > 0, day=pd.Timestamp("2013-01-01"))
    finding = asked(features[:300], target[:300], as_other(features[200:], kind), target[200:])[OVERLAP]
    assert finding.detail["rows"] == 100


def test_of_several_fits_only_what_all_of_them_saw_is_shared():
    features, target = rows()
    folds = [Fitted("fold", features[:300], target[:300]), Fitted("fold", features[100:], target[100:])]
    found = tips(folds, [Scored("X_test", features[:100], target[:100])])
    assert [f.outcome for f in found if f.code == OVERLAP] == ["passed"]


@pytest.mark.parametrize("copy", [lambda x: x, lambda x: x[:], lambda x: x.copy(), lambda x: x.to_numpy()])
def test_a_score_on_the_rows_that_were_fitted_is_a_warning(copy):
    features, target = rows()
    found = asked(features, target, copy(features), target)
    assert found[AGAIN].outcome == "warning"
    assert found[AGAIN].message.startswith("X_test: scored on the 400 rows that were fitted")
    assert found[OVERLAP].outcome == "not_applicable"


def test_a_training_score_beside_a_test_score_is_no_warning():
    train, truth, test, test_truth = split(*rows())
    scored = [Scored("X_train", train, truth), Scored("X_test", test, test_truth)]
    found = tips([Fitted("model", train, truth)], scored)
    assert [f.outcome for f in found] == ["passed"] * 3


def test_one_changed_value_makes_other_rows():
    features, target = rows()
    changed = features.copy()
    changed.loc[399, "c"] += 1
    assert asked(features, target, changed, target)[AGAIN].outcome == "passed"


def test_what_names_rows_determines_nothing():
    features, target = rows()
    features, target = features.loc[target.sort_values().index], target.sort_values()
    features = features.assign(number=np.arange(400), floats=np.arange(400.0), key=[f"{i:032x}" for i in range(400)])
    assert asked(features, target)[COLUMN].outcome == "passed"


def test_a_column_that_is_there_only_for_one_class_is_found():
    features, target = rows()
    text = [f"closed because {i}" if late else None for i, late in enumerate(target)]
    assert asked(features.assign(reason=text), target)[COLUMN].column == "reason"
    times = pd.Series(pd.date_range("2013", periods=400)).where(target == 1)
    assert asked(features.assign(closed=times), target)[COLUMN].column == "closed"


def test_numbers_are_judged_by_rank_and_by_r2():
    features, _ = rows()
    target = features.a**3
    assert asked(features.drop(columns="a").assign(size=features.a), target)[COLUMN].column == "size"
    assert asked(features[["b"]].assign(valley=np.abs(features.a)), features.a**2)[COLUMN].column == "valley"
    assert asked(features[["b", "c"]], target)[COLUMN].outcome == "passed"


@pytest.mark.parametrize(
    ("n", "target", "outcome", "message"),
    [
        (29, lambda n: np.arange(n) % 2, "skipped", "insufficient data: 29 rows, 30 needed"),
        (200, lambda n: np.arange(n) == 0, "not_applicable", "one class has 100 % of the rows"),
        (200, lambda n: [f"row {i}" for i in range(n)], "not_applicable", "neither classes nor numbers"),
    ],
)
def test_a_target_that_cannot_be_judged_says_why(n, target, outcome, message):
    finding = asked(rows(n)[0], target(n))[COLUMN]
    assert finding.outcome == outcome
    assert message in finding.message


def test_a_code_that_is_muted_is_not_looked_into():
    features, target = rows()
    features = features.assign(code=target)
    found = asked(features, target, features, target, mute=[COLUMN])
    assert (found[COLUMN].outcome, found[AGAIN].outcome) == ("muted", "warning")


def test_what_is_too_large_is_skipped_with_the_command_that_runs_it():
    large = np.broadcast_to(np.zeros(1), (12_000_000, 20))  # no memory behind it
    found = asked(large, large[:, 0], large[:11_999_999], None)
    assert found[OVERLAP].outcome == "skipped"
    assert found[OVERLAP].message == "skipped (too large): 12,000,000 rows; %check model runs it in full"


def test_budgets_are_kept_and_full_knows_none():
    train, truth, test, test_truth = split(*rows())
    assert [f.outcome for f in asked(train, truth, test, test_truth, budget_s=0).values()].count("skipped") == 2
    assert [f.outcome for f in asked(train, truth, test, test_truth, budget_bytes=0).values()].count("skipped") == 2
    found = asked(train, truth, test, test_truth, budget_s=0, budget_bytes=0, full=True)
    assert {f.outcome for f in found.values()} == {"passed"}


class Hostile(np.ndarray):
    @property
    def shape(self):
        raise ValueError("row 7: secret")


@pytest.mark.parametrize(
    "features",
    [
        sparse.eye(40, format="csr"),
        pl.LazyFrame({"a": [1]}),
        np.zeros((4, 4, 4)),
        np.zeros((0, 3)),
        (i for i in range(3)),
        {"a": 1},
        None,
        np.zeros((3, 3)).view(Hostile),
        pd.DataFrame({"a": [[1], {2}] * 20}),
        pd.DataFrame([[1, 2]] * 40, columns=["a", "a"]),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_does_not_fit_is_not_applicable_and_never_an_error(features):
    found = asked(features, np.arange(40) % 2, features, None)
    assert list(found) == [AGAIN, OVERLAP, COLUMN]
    assert not {"issue"} & {f.outcome for f in found.values()}
    assert "secret" not in str(found)


def test_a_generator_is_left_as_it_was():
    generator = (i for i in range(3))
    asked(generator, [1, 2, 3], generator, generator)
    assert next(generator) == 0


def test_nothing_is_changed_and_the_same_is_said_again():
    train, truth, test, test_truth = planted(*toy("wine"))
    before, state = train.copy(), np.random.get_state()[1].copy()
    first = asked(train, truth, test, test_truth)
    assert first == asked(train, truth, test, test_truth)
    pd.testing.assert_frame_equal(train, before)
    assert (np.random.get_state()[1] == state).all()


def test_messages_hold_no_values_of_rows():
    features, target = rows()
    features["name"] = [f"Jane {i % 7}" for i in range(400)]
    found = asked(features.assign(code=target.map({0: "Doe", 1: "Roe"})), target, features, target)
    assert not any(word in f.message for f in found.values() for word in ("Jane", "Doe", "Roe"))


def test_every_code_has_its_anchor_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")
    for check in leakage.CHECKS:
        assert f"\n## {check.code}\n" in page
