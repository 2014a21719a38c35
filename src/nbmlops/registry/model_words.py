"""How a fitted model makes its answer, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nbmlops.registry.step_words import DULL, Flow, joined, shown, some

__all__ = ["knows", "said"]


def said(model: Any, flow: Flow) -> str:
    """Return how a model makes its answer; one there are no words for is named with all that was set of it."""
    try:
        words, known = _words(model, flow), True
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # not fitted as usual: its name remains
        words, known = None, False
    name = type(model).__name__
    told = DULL if words and known else set()
    chosen = {} if _is_written(model) else {k: v for k, v in shown(model, flow.discreet).items() if k not in told}
    more = f" ({', '.join(f'{k}={_short(v)}' for k, v in chosen.items())})" if chosen else ""
    return f"{name} {words}{more}" if words else f"{name} makes the answer of {flow.words}{more}"


def knows(model: Any) -> bool:
    """Tell whether the sentence of a model tells the models inside it too."""
    return any(holds(model) for holds in (_is_boosting, _is_hist, _is_ensemble))


def _words(model: Any, flow: Flow) -> str | None:
    return next((tell(model, flow) for holds, tell in KINDS if holds(model)), None)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _rules(model: Any, flow: Flow) -> str:
    if flow.discreet:
        return f"asks {some(len(model.rules), 'rule')} in this order, which name values of what is private"
    told = "; ".join(model.text(n) for n in range(1, min(len(model.rules), 20) + 1))
    more = f"; and {len(model.rules) - 20} more" if len(model.rules) > 20 else ""
    return f"asks {some(len(model.rules), 'rule')} in this order, the first that holds answers: {told}{more}"


def _source(model: Any, flow: Flow) -> str:
    lines = model.source.strip().count("\n") + 1
    return f"runs the {model.outline_}, {some(lines, 'line')} of source that can be read: .to_yaml()"


def _linear(model: Any, flow: Flow) -> str:
    weights = np.atleast_2d(np.asarray(model.coef_, float))
    columns, zero = weights.shape[1], int((weights == 0).all(axis=0).sum())
    none = f" ({zero:,} of them zero)" if zero else ""
    each = f"for each of {len(weights)} classes" if len(weights) > 1 and hasattr(model, "classes_") else ""
    each = each or (f"for each of {len(weights)} answers" if len(weights) > 1 else "")
    linked = any(k == "_GeneralizedLinearRegressor" for k in _kinds(model))
    plain = "puts the sum through its link function" if linked else "adds them up"
    ends = "turns the sum into a chance" if hasattr(model, "predict_proba") else plain
    ends = ends if hasattr(model, "predict_proba") or not hasattr(model, "classes_") else "the sign of the sum decides"
    gives = f"gives each of {some(columns, 'column')} a weight{none}"
    return f"{gives}{f' {each}' if each else ''}, and {ends}"


def _tree(model: Any, flow: Flow) -> str:
    depth, leaves = some(model.get_depth(), "question"), some(model.get_n_leaves(), "answer")
    return f"asks at most {depth} one after another, and has {leaves}"


def _ensemble(model: Any, flow: Flow) -> str:
    inner = list(model.estimators_)
    depths = [m.get_depth() for m in inner if hasattr(m, "get_depth")]
    kind = "tree" if len(depths) == len(inner) else f"{type(inner[0]).__name__}"
    deep = f", at most {some(max(depths), 'question')} deep" if depths else ""
    how = "weighs the answers of" if hasattr(model, "estimator_weights_") else "averages"
    if any(
        k.__name__ in ("OneVsRestClassifier", "OneVsOneClassifier", "OutputCodeClassifier") for k in type(model).__mro__
    ):
        how = "lets the surest decide of"
    return f"{how} {some(len(inner), kind)}{deep}"


def _boosting(model: Any, flow: Flow) -> str:
    trees = model.estimators_.ravel()
    deep = some(max(t.get_depth() for t in trees), "question")
    return f"adds up {some(len(trees), 'tree')}, each at most {deep} deep"


def _hist(model: Any, flow: Flow) -> str:
    trees = [t for stage in model._predictors for t in stage]
    deepest = some(max(int(t.nodes["depth"].max()) for t in trees), "question")
    return f"adds up {some(len(trees), 'tree')}, each at most {deepest} deep"


def _booster(model: Any, flow: Flow) -> str:
    return f"adds up {some(_trees(model), 'tree')}"


def _trees(model: Any) -> int:
    """Return how many rounds of trees xgboost, lightgbm or catboost have learned."""
    if hasattr(model, "get_booster"):
        return int(model.get_booster().num_boosted_rounds())
    if hasattr(model, "booster_"):
        return int(model.booster_.num_trees())
    return int(model.tree_count_)


def _neighbours(model: Any, flow: Flow) -> str:
    how = f"the {model.n_neighbors} most similar" if model.n_neighbors else f"those within a distance of {model.radius}"
    return f"answers as {how} of {model.n_samples_fit_:,} training rows do"


def _vectors(model: Any, flow: Flow) -> str:
    return f"compares a row with {len(model.support_):,} training rows that lie at the border ({model.kernel} kernel)"


def _network(model: Any, flow: Flow) -> str:
    layers = [str(w.shape[1]) for w in model.coefs_[:-1]]
    weights = sum(w.size for w in (*model.coefs_, *model.intercepts_))
    return f"is a network with {joined(layers)} units between input and answer, {weights:,} weights"


def _bayes(model: Any, flow: Flow) -> str:
    return "multiplies how likely each column's value is in each class, as if columns were independent"


def _dummy(model: Any, flow: Flow) -> str:
    return f"looks at no column: it answers from the training rows alone ({model.strategy})"


def _calibrated(model: Any, flow: Flow) -> str:
    count = len(model.calibrated_classifiers_)
    return f"corrects chances ({model.method}), averaged over {some(count, 'fit')} such as:"


def _voting(model: Any, flow: Flow) -> str:
    asked = len(model.named_estimators_)
    if hasattr(model, "final_estimator_"):
        return f"asks {some(asked, 'model')}, and another one decides from what they say:"
    how = "lets the majority decide" if getattr(model, "voting", "") == "hard" else "averages what they say"
    return f"asks {some(asked, 'model')} and {how}:"


def _searched(model: Any, flow: Flow) -> str:
    return f"chose the best of {some(len(model.cv_results_['params']), 'candidate')}:"


def _scale(model: Any, flow: Flow) -> str:
    how = model.func.__name__ if model.func is not None else type(model.transformer_).__name__
    return f"learns and answers on another scale of the target ({how}):"


def _threshold(model: Any, flow: Flow) -> str:
    limit = getattr(model, "best_threshold_", getattr(model, "threshold", "auto"))
    least = f"{limit:.3g}" if isinstance(limit, float) else "half" if limit == "auto" else limit
    return f"says {'yes' if flow.discreet else model.classes_[1]} where the chance is at least {least}:"


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda model: all(hasattr(model, name) for name in names)


def _kinds(model: Any) -> Iterator[str]:
    return (k.__name__ for k in type(model).__mro__)


def _is_boosting(model: Any) -> bool:
    return "BaseGradientBoosting" in _kinds(model)


def _is_hist(model: Any) -> bool:
    return "BaseHistGradientBoosting" in _kinds(model)


def _is_ensemble(model: Any) -> bool:
    return isinstance(getattr(model, "estimators_", None), (list, tuple)) and not hasattr(model, "named_estimators_")


def _is_booster(model: Any) -> bool:
    return type(model).__module__.partition(".")[0] in ("xgboost", "lightgbm", "catboost")


def _is_rules(model: Any) -> bool:
    return "RuleModel" in _kinds(model)


def _is_source(model: Any) -> bool:
    return "FunctionModel" in _kinds(model)


def _is_written(model: Any) -> bool:
    """Tell whether a model is what somebody wrote, so that the sentence has all of it."""
    return _is_rules(model) or _is_source(model)


def _is_bayes(model: Any) -> bool:
    return any(k.endswith("NB") for k in _kinds(model))


def _is_threshold(model: Any) -> bool:
    return any("ThresholdClassifier" in k for k in _kinds(model))


KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Flow], str]], ...] = (
    (_is_rules, _rules),
    (_is_source, _source),
    (_has("cv_results_", "best_estimator_"), _searched),
    (_has("calibrated_classifiers_"), _calibrated),
    (_is_threshold, _threshold),
    (_has("regressor_", "transformer_"), _scale),
    (_has("named_estimators_"), _voting),
    (_is_booster, _booster),
    (_is_hist, _hist),
    (_is_boosting, _boosting),
    (_is_ensemble, _ensemble),
    (_has("tree_", "get_depth"), _tree),
    (_has("coefs_", "intercepts_"), _network),
    (_has("support_vectors_"), _vectors),
    (_has("n_samples_fit_"), _neighbours),
    (_is_bayes, _bayes),
    (_has("strategy", "predict", "n_outputs_"), _dummy),
    (_has("coef_"), _linear),
)
