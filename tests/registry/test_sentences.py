"""A fitted pipeline in sentences: every kind of step, and nothing in silence."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import RFE, SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import nbmlops as nb
from nbmlops.registry import files
from nbmlops.registry.sentences import sentences

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "carrier": RNG.choice(["UA", "DL", "B6"], 90),
        "origin": RNG.choice(["EWR", "JFK"], 90),
        "hour": RNG.integers(5, 23, 90).astype(float),
        "distance": RNG.uniform(100, 3000, 90),
    }
)
LATE = (ROWS.hour + RNG.normal(0, 4, 90) > 14).astype(int)
NUMBERS = ROWS[["hour", "distance"]]
GAPS = NUMBERS.mask(NUMBERS > 2500)


@pytest.mark.parametrize(
    ("step", "rows", "sentence"),
    [
        (
            OneHotEncoder(handle_unknown="ignore"),
            ROWS[["carrier"]],
            "carrier becomes 3 yes/no columns, unknown ones are ignored",
        ),
        (
            OneHotEncoder(),
            ROWS[["carrier", "origin"]],
            "carrier and origin become 3 and 2 yes/no columns, an unknown one is an error",
        ),
        (
            OneHotEncoder(drop="first"),
            ROWS[["origin"]],
            "origin becomes 1 yes/no column, an unknown one is an error; one of each is left out (drop=first)",
        ),
        (
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            ROWS[["carrier"]],
            "carrier becomes numbers (3 values, in order), unknown ones are -1",
        ),
        (
            TargetEncoder(),
            ROWS[["origin"]],
            "each value of origin becomes the mean of the target it had in training, rare ones nearer to the mean of"
            " all; unknown ones become the mean of all",
        ),
        (StandardScaler(), NUMBERS, "hour and distance are centred and scaled to a spread of 1"),
        (StandardScaler(with_mean=False), NUMBERS[["hour"]], "hour is scaled to a spread of 1"),
        (MinMaxScaler((0, 2)), NUMBERS[["hour"]], "hour is scaled to lie between 0 and 2"),
        (
            SimpleImputer(strategy="constant", fill_value=7.0, add_indicator=True),
            GAPS[["distance"]],
            "missing values of distance become a constant (7), and 1 yes/no column say where",
        ),
        (
            KBinsDiscretizer(4, strategy="uniform", encode="ordinal"),
            NUMBERS[["hour"]],
            "hour becomes 4 bins of equal width, by their number",
        ),
        (PCA(1), NUMBERS, "hour and distance become 1 mixture of them that hold 100 % of the spread (PCA)"),
        (FunctionTransformer(np.log1p), NUMBERS[["hour"]], "hour is put through the function log1p"),
        (FunctionTransformer(), NUMBERS[["hour"]], "hour is passed on unchanged"),
        (SelectKBest(k=1), NUMBERS, "1 of 2 columns are kept by SelectKBest: hour (k=1)"),
        (RFE(LogisticRegression(), n_features_to_select=1), NUMBERS, "1 of 2 columns are kept by RFE: hour"),
        (PolynomialFeatures(2), NUMBERS, "hour and distance become 6 columns: products up to degree 2"),
    ],
)
def test_a_step(step, rows, sentence):
    found = sentences(step.fit(rows, LATE))
    assert len(found) == 1
    assert found[0].partition(" (n_features_to_select")[0] == sentence


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (LogisticRegression(C=0.5), "gives each of 2 columns a weight, and turns the sum into a chance (C=0.5)"),
        (Lasso(1000.0), "gives each of 2 columns a weight (2 of them zero), and adds them up (alpha=1000.0)"),
        (PoissonRegressor(), "(2 of them zero), and puts the sum through its link function"),
        (
            RandomForestClassifier(7, max_depth=2),
            "averages 7 trees, at most 2 questions deep (max_depth=2, n_estimators=7)",
        ),
        (GradientBoostingClassifier(n_estimators=5), "adds up 5 trees, each at most 3 questions deep (n_estimators=5)"),
        (HistGradientBoostingClassifier(max_iter=6), "adds up 6 trees, each at most"),
        (
            DecisionTreeClassifier(max_depth=1),
            "asks at most 1 question one after another, and has 2 answers (max_depth=1)",
        ),
        (KNeighborsClassifier(3), "answers as the 3 most similar of 90 training rows do (n_neighbors=3)"),
        (SVC(), "training rows that lie at the border (rbf kernel)"),
        (GaussianNB(), "multiplies how likely each column's value is in each class"),
        (MLPClassifier((5, 3), max_iter=5), "is a network with 5 and 3 units between input and answer, 37 weights"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_model(model, sentence):
    assert sentence in sentences(model.fit(NUMBERS, LATE))[0]


def of_flights():
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=40), ["carrier"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["hour"]),
        ("drop", ["origin"]),
        remainder="passthrough",
    )
    return make_pipeline(columns, LogisticRegression(max_iter=300)).fit(ROWS, LATE)


def test_a_pipeline_step_by_step():
    found = sentences(of_flights())
    assert found[0].startswith("carrier becomes ")
    assert "rare values, seen under 40 times, share one each), unknown ones are ignored" in found[0]
    assert found[1].startswith("missing values of hour become the mean (")
    assert found[2:5] == [
        "hour is centred and scaled to a spread of 1",
        "origin is dropped",
        "distance is passed on unchanged",
    ]
    assert found[5].startswith("LogisticRegression gives each of ")


def test_read_back_from_its_file_it_says_the_same():
    model = of_flights()
    data, trusted = files.dump(model)
    assert sentences(files.load(data, trusted, "late")) == sentences(model)


def test_parts_beside_each_other():
    found = sentences(make_pipeline(make_union(StandardScaler(), PCA(1)), LogisticRegression()).fit(NUMBERS, LATE))
    assert found[0] == "first (standardscaler): hour and distance are centred and scaled to a spread of 1"
    assert found[1].startswith("beside it (pca): hour and distance become 1 mixture")
    assert found[2].startswith("LogisticRegression gives each of 3 columns a weight")


def test_models_inside_models():
    inner = [("lr", LogisticRegression()), ("tree", DecisionTreeClassifier(max_depth=1))]
    voting = sentences(VotingClassifier(inner, voting="soft").fit(NUMBERS, LATE))
    assert voting[0].startswith("VotingClassifier asks 2 models and averages what they say:")
    assert [s.partition(":")[0] for s in voting[1:]] == ["lr", "tree"]
    stacked = sentences(StackingClassifier(inner, cv=2).fit(NUMBERS, LATE))
    assert stacked[-1].startswith("then: LogisticRegression gives each of 2 columns")
    assert len(sentences(CalibratedClassifierCV(LogisticRegression(), cv=2).fit(NUMBERS, LATE))) == 2
    searched = sentences(GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 2.0]}, cv=2).fit(NUMBERS, LATE))
    assert "chose the best of 3 candidates:" in searched[0]
    assert searched[1].startswith("LogisticRegression gives")
    scaled = sentences(
        TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1).fit(NUMBERS, LATE)
    )
    assert "on another scale of the target (log1p):" in scaled[0]


def test_text():
    words = make_column_transformer((TfidfVectorizer(), "note"))
    model = make_pipeline(words, LogisticRegression()).fit(
        pd.DataFrame({"note": ["late again", "in time"] * 5}), [1, 0] * 5
    )
    assert sentences(model)[0] == "the text of note becomes 4 columns, one a word, weighted by how rare each is"


class Wind(TransformerMixin, BaseEstimator):
    """Somebody's own step."""

    def __init__(self, knots=3, random_state=None):
        self.knots, self.random_state = knots, random_state

    def fit(self, rows, truth=None):
        return self

    def transform(self, rows):
        return rows


class Mine(OneHotEncoder):
    """Somebody's own kind of a known step."""


class Guess(BaseEstimator):
    """Somebody's own model."""

    def __init__(self, luck=1):
        self.luck = luck

    def fit(self, rows, truth):
        return self

    def predict(self, rows):
        return np.zeros(len(rows))


def test_what_nobody_has_words_for_is_named_with_what_was_set():
    found = sentences(
        make_pipeline(Wind(knots=5, random_state=3), Guess(luck=7)).fit(NUMBERS, LATE), ["hour", "distance"]
    )
    assert found == [
        "Wind turns hour and distance with random_state=3 (knots=5)",
        "Guess makes the answer of the columns (luck=7)",
    ]


def test_a_kind_of_a_known_step_says_whose_it_is():
    assert sentences(Mine().fit(ROWS[["origin"]]))[0].startswith("Mine (a OneHotEncoder): origin becomes 2 yes/no")


def test_without_names_columns_are_counted():
    assert sentences(StandardScaler().fit(NUMBERS.to_numpy())) == [
        "these 2 columns are centred and scaled to a spread of 1"
    ]


def test_rules_are_told_as_they_are():
    rules = nb.rule_model([{"if": "hour > 18", "then": "late"}, {"else": "on time"}])
    assert sentences(rules)[0].endswith("the first that holds answers: if hour > 18 then late; else on time")


def test_a_step_that_was_not_fitted_is_named():
    assert sentences(OneHotEncoder(min_frequency=3)) == ["OneHotEncoder turns the columns (min_frequency=3)"]


@pytest.mark.parametrize("package", ["xgboost", "lightgbm"])
def test_boosters_count_their_trees(needed, package):
    kind = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier"}[package]
    model = getattr(needed(package), kind)(n_estimators=4, n_jobs=1, verbosity=-1 if package == "lightgbm" else 0)
    assert "adds up 4 trees" in sentences(model.fit(NUMBERS, LATE))[0]
