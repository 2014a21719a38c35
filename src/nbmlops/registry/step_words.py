"""What one fitted transformer does to its columns, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nbmlops.capture.settings import quotes_data, settings

__all__ = ["DULL", "Flow", "called", "joined", "said", "shown", "some"]

MOST_NAMES = 8
# What says how a thing is computed, not what.
DULL = {
    *("copy", "dtype", "force_int_remainder_cols", "memory", "n_jobs", "pre_dispatch", "random_state", "sparse_output"),
    *("sparse_threshold", "verbose", "verbose_feature_names_out", "warm_start", "max_iter", "tol", "solver"),
    *("validate", "accept_sparse", "check_inverse", "feature_names_out", "feature_name_combiner", "clip", "order"),
}
SCALED = {
    "StandardScaler": "centred and scaled to a spread of 1",
    "MinMaxScaler": "scaled to lie between {0} and {1}",
    "MaxAbsScaler": "divided by the largest size",
    "RobustScaler": "centred at the median and scaled by the quartiles",
    "QuantileTransformer": "replaced by the rank ({output_distribution} in shape)",
    "PowerTransformer": "bent to look normal ({method}), then scaled",
    "Normalizer": "scaled so that each row has length 1",
    "Binarizer": "replaced by whether it is above {threshold}",
}


@dataclass(frozen=True)
class Flow:
    """The columns at one place of a pipeline: their names where they are known, else how many."""

    names: tuple[str, ...]
    count: int | None
    private: frozenset[str] = frozenset()  # columns of which no value is said

    @property
    def discreet(self) -> bool:
        """Whether values of a private column may be among those that are said here."""
        return bool(self.private) and (not self.names or not self.private.isdisjoint(self.names))

    @property
    def words(self) -> str:
        """The columns, as they stand in a sentence."""
        if self.names:
            return joined(self.names)
        return "the columns" if self.count is None else f"these {some(self.count, 'column')}"

    @property
    def subject(self) -> str:
        """The columns with *is* or *are*."""
        return f"{self.words} {'is' if self.count == 1 else 'are'}"

    @property
    def become(self) -> str:
        """The columns with *becomes* or *become*."""
        return f"{self.words} {'becomes' if self.count == 1 else 'become'}"


class Words(NamedTuple):
    """A sentence, the columns behind the step, and which settings the sentence has said already."""

    text: str
    behind: Flow
    told: Iterable[str] = ()


def said(step: Any, flow: Flow) -> tuple[list[str], Flow]:
    """Return the sentence of a transformer, and the columns behind it; an unknown one is named."""
    tell = next((WORDS[k.__name__] for k in type(step).__mro__ if _ours(k)), _unknown)
    try:
        words = tell(step, flow)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # not fitted as usual: its name remains
        words = _unknown(step, flow)
    own = "" if tell is _unknown or type(step).__module__.startswith("sklearn.") else f"{called(step)}: "
    return [f"{own}{words.text}{_rest(step, words.told, flow.discreet)}"], words.behind


def joined(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Return names as a list in a sentence.

    >>> joined(["a", "b", "c"]), joined(["a", "b", "c", "d"], 2)
    ('a, b and c', 'a, b and 2 more')
    """
    shown = [str(n) for n in names[:most]] + ([f"{len(names) - most} more"] if len(names) > most else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def some(count: int, noun: str) -> str:
    """Return an amount with its noun.

    >>> some(1, "column"), some(1600, "column")
    ('1 column', '1,600 columns')
    """
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"


def set_of(step: Any) -> dict[str, Any]:
    """Return what was set of an estimator itself; a default that is NaN is one."""
    if not hasattr(step, "get_params"):
        return {}
    name = f"{type(step).__name__}."
    found = {k.removeprefix(name): v for k, v in settings(step)[0].items() if k.startswith(name)}
    return {k: v for k, v in found.items() if v == v}


def called(step: Any) -> str:
    """Return an estimator's name, with what it is a kind of where it is somebody's own."""
    kind = type(step)
    if kind.__module__.startswith("sklearn."):
        return kind.__name__
    known = next((k.__name__ for k in kind.__mro__ if _ours(k)), "")
    return kind.__name__ if not known else f"{kind.__name__} (a {known})"


def _ours(kind: type) -> bool:
    return kind.__name__ in WORDS and kind.__module__.startswith("sklearn.")


def shown(step: Any, discreet: bool) -> dict[str, Any]:
    """Return what was set of an estimator, where it has to be without what may be values of the data."""
    known = type(step).__module__.startswith("sklearn.")  # of somebody's own class any word may be a value

    def quoted(name: str, value: Any) -> bool:
        return quotes_data(name, value) or (not known and isinstance(value, str))

    return {k: v for k, v in set_of(step).items() if not (discreet and quoted(k, v))}


def _rest(step: Any, told: Iterable[str], discreet: bool) -> str:
    """Return what else was set, in brackets."""
    left = {k: v for k, v in shown(step, discreet).items() if k not in DULL and k not in set(told)}
    return f" ({', '.join(f'{k}={_short(v)}' for k, v in left.items())})" if left else ""


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _unknown(step: Any, flow: Flow) -> Words:
    """Name a step there are no words for, with how many columns it makes where it says so."""
    count = _columns_behind(step)
    made = "" if count is None else f" into {some(count, 'column')}"
    name = type(step).__name__
    everything = {k: v for k, v in shown(step, flow.discreet).items() if k in DULL}
    more = f" with {', '.join(f'{k}={_short(v)}' for k, v in everything.items())}" if everything else ""
    return Words(f"{name} turns {flow.words}{made}{more}", Flow((), count))


def _columns_behind(step: Any) -> int | None:
    try:
        return len(step.get_feature_names_out())
    except Exception:  # somebody's own step may raise anything; how many columns it makes is then not known
        return None


def _one_hot(step: Any, flow: Flow) -> Words:
    counts = [_yes_no(step, i) for i in range(len(step.categories_))]
    unknown = {
        "ignore": "unknown ones are ignored",
        "infrequent_if_exist": "unknown ones count as rare",
        "warn": "unknown ones count as rare, with a warning",
        "error": "an unknown one is an error",
    }[step.handle_unknown]
    rare = _rare(step)
    if len(counts) == 1:
        text = f"{flow.become} {some(counts[0], 'yes/no column')}{rare}, {unknown}"
    else:
        text = f"{flow.words} become {joined([str(c) for c in counts])} yes/no columns{rare}, {unknown}"
    told = ("handle_unknown", "min_frequency", "max_categories") if rare else ("handle_unknown",)
    return Words(text + _left_out(step), Flow((), sum(counts)), (*told, "drop"))


def _yes_no(step: Any, place: int) -> int:
    """Return how many yes/no columns one column becomes."""
    rare = getattr(step, "infrequent_categories_", None)
    few = 0 if rare is None or rare[place] is None else len(rare[place]) - 1
    dropped = getattr(step, "drop_idx_", None)
    return len(step.categories_[place]) - few - int(dropped is not None and dropped[place] is not None)


def _rare(step: Any) -> str:
    rare = [r for r in (getattr(step, "infrequent_categories_", None) or ()) if r is not None]
    if not rare:
        return ""
    limits = [f"seen under {step.min_frequency} times"] if step.min_frequency is not None else []
    limits += [f"beyond the {step.max_categories} most frequent"] if step.max_categories is not None else []
    return f" ({sum(map(len, rare)):,} rare values, {' or '.join(limits)}, share one each)"


def _left_out(step: Any) -> str:
    return f"; one of each is left out (drop={step.drop})" if isinstance(step.drop, str) else ""


def _ordinal(step: Any, flow: Flow) -> Words:
    counts = [len(c) for c in step.categories_]
    unknown = "an unknown one is an error"
    if step.handle_unknown == "use_encoded_value":
        unknown = f"unknown ones are {'missing' if step.unknown_value != step.unknown_value else step.unknown_value}"
    many = f"{counts[0]} values" if len(counts) == 1 else f"{joined([str(c) for c in counts])} values"
    return Words(f"{flow.become} numbers ({many}, in order), {unknown}", flow, ("handle_unknown", "unknown_value"))


def _target(step: Any, flow: Flow) -> Words:
    return Words(f"each value of {flow.words} becomes the mean of the target it had in training, rare ones nearer to"
                 " the mean of all; unknown ones become the mean of all", flow)  # fmt: skip


def _scaled(step: Any, flow: Flow) -> Words:
    kind = next(k.__name__ for k in type(step).__mro__ if _ours(k))
    params = step.get_params(deep=False)
    quiet = {"threshold": "a threshold"} if flow.discreet else {}
    text = SCALED[kind].format(*params.get("feature_range", ()), **{**params, **quiet})
    told = {"feature_range", "output_distribution", "method", "threshold"}
    if kind == "StandardScaler" and not (step.with_mean and step.with_std):
        text = "centred" if step.with_mean else "scaled to a spread of 1" if step.with_std else "passed on unchanged"
        told |= {"with_mean", "with_std"}
    return Words(f"{flow.subject} {text}", flow, told)


def _imputed(step: Any, flow: Flow) -> Words:
    with_what = {"mean": "the mean", "median": "the median", "most_frequent": "the most frequent value"}
    fill = with_what.get(step.strategy) if isinstance(step.strategy, str) else f"{step.strategy}"
    values = [_number(v) for v in step.statistics_]
    which = f" ({joined(values)})" if len(values) <= MOST_NAMES and not flow.discreet else ""
    text = f"missing values of {flow.words} become {fill or 'a constant'}{which}"
    kept = [i for i, v in enumerate(step.statistics_) if _there(v)]
    behind = flow if len(kept) == len(values) or step.keep_empty_features else Flow((), len(kept))
    if step.add_indicator:
        extra = len(step.indicator_.features_)
        text += f", and {some(extra, 'yes/no column')} say where"
        behind = Flow((), None if behind.count is None else behind.count + extra)
    return Words(text, behind, ("strategy", "fill_value", "add_indicator"))


def _there(value: Any) -> bool:
    return not (isinstance(value, float) and np.isnan(value))


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)


def _imputed_by_rows(step: Any, flow: Flow) -> Words:
    text = f"missing values of {flow.words} become the mean of the {step.n_neighbors} most similar training rows"
    return Words(text, flow if not step.add_indicator else Flow((), None), ("n_neighbors",))


def _imputed_by_models(step: Any, flow: Flow) -> Words:
    text = f"missing values of {flow.words} are estimated from the other columns"
    return Words(text, flow if not step.add_indicator else Flow((), None))


def _indicated(step: Any, flow: Flow) -> Words:
    count = len(step.features_)
    return Words(f"{some(count, 'yes/no column')} say where {flow.subject} missing", Flow((), count))


def _binned(step: Any, flow: Flow) -> Words:
    bins = [int(n) for n in step.n_bins_]
    what = {"quantile": "of equally many rows", "uniform": "of equal width", "kmeans": "around clusters"}[step.strategy]
    coded = step.encode.startswith("onehot")
    text = f"{flow.become} {joined([str(b) for b in bins])} bins {what}"
    text += ", each a yes/no column" if coded else ", by their number"
    return Words(text, Flow((), sum(bins)) if coded else flow, ("n_bins", "strategy", "encode"))


def _components(step: Any, flow: Flow) -> Words:
    parts = len(step.components_)
    shares = getattr(step, "explained_variance_ratio_", None)
    held = f" that hold {100 * float(np.sum(shares)):.0f} % of the spread" if shares is not None else ""
    text = f"{flow.become} {some(parts, 'mixture')} of them{held} ({type(step).__name__})"
    return Words(text, Flow((), parts), ("n_components", "svd_solver"))


def _function(step: Any, flow: Flow) -> Words:
    if step.func is None:
        return Words(f"{flow.subject} passed on unchanged", flow, set_of(step))
    name = getattr(step.func, "__name__", type(step.func).__name__)
    more = f" with {step.kw_args}" if step.kw_args and not flow.discreet else ""
    return Words(
        f"{flow.subject} put through the function {name}{more}", Flow((), None), ("func", "kw_args", "inv_kw_args")
    )


def _selected(step: Any, flow: Flow) -> Words:
    mask = np.asarray(step.get_support())
    known = len(flow.names) == len(mask)
    names = tuple(n for n, kept in zip(flow.names, mask, strict=True) if kept) if known else ()
    which = f": {joined(names)}" if names else ""
    text = f"{int(mask.sum()):,} of {len(mask):,} columns are kept by {called(step)}{which}"
    return Words(text, Flow(names, int(mask.sum())))


def _crossed(step: Any, flow: Flow) -> Words:
    count = int(step.n_output_features_)
    what = "products of different ones" if step.interaction_only else f"products up to degree {step.degree}"
    return Words(f"{flow.become} {some(count, 'column')}: {what}", Flow((), count), ("degree", "interaction_only"))


def _splines(step: Any, flow: Flow) -> Words:
    count = int(step.n_features_out_)
    return Words(f"{flow.become} {some(count, 'column')} of smooth curves", Flow((), count))


def _counted(step: Any, flow: Flow) -> Words:
    count = len(step.vocabulary_)
    what = "weighted by how rare each is" if hasattr(step, "idf_") else "counted"
    return Words(
        f"the text of {flow.words} becomes {some(count, 'column')}, one a word, {what}",
        Flow((), count),
        ("vocabulary",),
    )


def _hashed(step: Any, flow: Flow) -> Words:
    count = int(step.n_features)
    return Words(f"{flow.become} {some(count, 'column')}, words and values sharing them by chance", Flow((), count))


WORDS: dict[str, Callable[[Any, Flow], Words]] = {
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "TargetEncoder": _target,
    **dict.fromkeys(SCALED, _scaled),
    "SimpleImputer": _imputed,
    "KNNImputer": _imputed_by_rows,
    "IterativeImputer": _imputed_by_models,
    "MissingIndicator": _indicated,
    "KBinsDiscretizer": _binned,
    "PCA": _components,
    "TruncatedSVD": _components,
    "FastICA": _components,
    "NMF": _components,
    "FunctionTransformer": _function,
    "SelectorMixin": _selected,
    "PolynomialFeatures": _crossed,
    "SplineTransformer": _splines,
    "CountVectorizer": _counted,
    "TfidfVectorizer": _counted,
    "HashingVectorizer": _hashed,
    "FeatureHasher": _hashed,
}
