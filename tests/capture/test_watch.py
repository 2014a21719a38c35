"""Hooks are there while something is tracked, report to whom they should, and leave no trace."""

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import sklearn.base
import sklearn.metrics
import sklearn.model_selection
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.pipeline import make_pipeline

from nbmlops.capture import watch

X = np.arange(20.0).reshape(10, 2)
Y = np.array([0, 1] * 5)


class Heard(watch.Sink):
    """Keeps what it is told."""

    run_id = "run"

    def __init__(self):
        self.metrics, self.fits, self.folds, self.errors = [], [], [], []

    def metric(self, name, value, context):
        self.metrics.append((name, value, dict(context)))

    def fit(self, fit):
        self.fits.append(fit.estimator)

    def scored(self, scored):
        self.folds.append(scored)

    def error(self, error):
        self.errors.append(error)


class Majority(ClassifierMixin, BaseEstimator):
    """A user's own estimator, whose fit scikit-learn does not announce."""

    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.inner_ = LinearRegression().fit(X, y)
        self.best_ = self.classes_[counts.argmax()]
        return self

    def predict(self, X):
        return np.full(len(X), self.best_)


def traces():
    """Return everything the hooks replace."""
    from nbmlops.capture import estimators, metrics, validation

    patches = [
        *estimators.patches("sklearn.base"),
        *metrics.patches("sklearn.metrics"),
        *validation.patches("sklearn.model_selection"),
    ]
    return [(target, name, watch._raw(target, name)) for target, name, _ in patches]


def test_everything_is_as_it_was_after_the_last_one_has_ended():
    before, path = traces(), list(sys.meta_path)
    with watch.watching(Heard()), watch.watching(Heard()):
        assert [v for _, _, v in traces()] != [v for _, _, v in before]
    assert [(id(t), n, id(v)) for t, n, v in traces()] == [(id(t), n, id(v)) for t, n, v in before]
    assert sys.meta_path == path
    assert watch.current() is None


def test_a_fit_of_the_users_own_is_one_fit_and_what_it_fits_inside_is_none():
    heard = Heard()
    with watch.watching(heard):
        model = Majority().fit(X, Y)
        pipeline = make_pipeline(Majority()).fit(X, Y)
    assert heard.fits == [model, pipeline]
    assert "fit" in vars(Majority)
    assert not isinstance(vars(Majority)["fit"], watch.Method)


def test_a_class_defined_meanwhile_is_watched_until_the_end():
    heard = Heard()
    with watch.watching(heard):

        class Late(Majority):
            def fit(self, X, y):
                return super().fit(X, y)

        model = Late().fit(X, Y)
        assert Late().fit.__name__ == "fit"
    assert heard.fits == [model]
    assert type(vars(Late)["fit"]).__name__ == "function"


def test_a_class_can_be_pickled_by_value_while_it_is_watched():
    cloudpickle = pytest.importorskip("cloudpickle")
    Majority.__module__, module = "__main__", Majority.__module__
    try:
        with watch.watching(Heard()):
            Own = pickle.loads(cloudpickle.dumps(Majority))
            model = pickle.loads(cloudpickle.dumps(Majority().fit(X, Y)))
    finally:
        Majority.__module__ = module
    assert type(vars(Own)["fit"]).__name__ == "function"
    assert (Own().fit(X, Y).predict(X) == model.predict(X)).all()


def test_workers_of_a_pool_fit_a_users_own_class_as_ever():
    heard = Heard()
    with watch.watching(heard):
        scores = sklearn.model_selection.cross_val_score(Majority(), X, Y, cv=2, n_jobs=2)
    assert heard.errors == []
    assert [list(f.test["accuracy"]) for f in heard.folds] == [list(scores)]


def test_a_metric_counts_where_its_execution_is_watched_and_nowhere_else():
    mine, other = Heard(), Heard()

    def unwatched():
        accuracy_score(Y, Y)

    def watched():
        with watch.watching(other):
            accuracy_score(Y, 1 - Y)

    with watch.watching(mine):
        for work in (unwatched, watched):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        accuracy_score(Y, Y)
    assert [m[:2] for m in mine.metrics] == [("accuracy", 1.0)]
    assert [m[:2] for m in other.metrics] == [("accuracy", 0.0)]


def test_executions_that_overlap_keep_the_hooks_until_the_last_ends():
    entered, leave, heard = threading.Event(), threading.Event(), [Heard(), Heard()]

    def first():
        with watch.watching(heard[0]):
            entered.set()
            leave.wait(10)
            accuracy_score(Y, Y)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    with watch.watching(heard[1]):
        accuracy_score(Y, Y)
    leave.set()
    thread.join()
    assert [len(h.metrics) for h in heard] == [1, 1]
    assert not traces()[0][2].__qualname__.startswith("_at_validation")


def test_what_somebody_else_replaces_meanwhile_stays_theirs():
    def theirs(self):
        return None

    original = vars(BaseEstimator)["_validate_params"]
    try:
        with watch.watching(Heard()):
            BaseEstimator._validate_params = theirs
        assert vars(BaseEstimator)["_validate_params"] is theirs
    finally:
        BaseEstimator._validate_params = original


def test_a_scorer_is_a_metric_and_so_is_a_score_that_computes_none():
    from sklearn.mixture import GaussianMixture

    heard, model = Heard(), LogisticRegression().fit(X, Y)
    with watch.watching(heard):
        value = get_scorer("roc_auc")(model, X, Y)
        accuracy = model.score(X, Y)
        mixture = GaussianMixture(random_state=0).fit(X)
        own = mixture.score(X)
    assert [m[:2] for m in heard.metrics] == [("roc_auc", value), ("accuracy", accuracy), ("score", own)]


def test_a_fault_of_ours_reaches_the_sink_and_never_the_user():
    class Broken(Heard):
        def metric(self, name, value, context):
            raise ZeroDivisionError

    heard = Broken()
    with watch.watching(heard):
        assert accuracy_score(Y, Y) == 1.0
    assert [type(e) for e in heard.errors] == [ZeroDivisionError]


LATE = """
import sys
from nbmlops.capture import watch
class Heard(watch.Sink):
    run_id = "r"
    def __init__(self): self.seen = []
    def metric(self, name, value, context): self.seen.append(name)
    def fit(self, fit): self.seen.append(type(fit.estimator).__name__)
    def error(self, error): raise error
heard = Heard()
assert not any(m.startswith("sklearn") for m in sys.modules)
with watch.watching(heard):
    import helper
    helper.work()
import sklearn.base
assert type(sklearn.base.__spec__.loader).__name__ == "SourceFileLoader", sklearn.base.__spec__.loader
assert sklearn.base.__loader__ is sklearn.base.__spec__.loader
print(heard.seen)
"""
HELPER = """
def work():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    accuracy_score([0, 1], model.predict([[0.0], [1.0]]))
"""


def test_a_library_first_imported_by_a_helper_module_is_hooked_on_arrival(tmp_path):
    (tmp_path / "helper.py").write_text(HELPER)
    done = subprocess.run([sys.executable, "-c", LATE], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == "['LogisticRegression', 'accuracy']", done.stderr
