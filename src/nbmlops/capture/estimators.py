"""Estimators fitted while something is tracked: which, on what, and what a kernel still knows of their rows.

Every ``fit`` of scikit-learn validates its parameters first, through one method of ``BaseEstimator``. Watching
that one method sees every such fit without touching a class a user imported; the frames above tell the outermost.
Classes that bring a ``fit`` of their own (the user's, xgboost's, lightgbm's) are watched at that method.
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from nbmlops.capture import watch
from nbmlops.capture.data import MOST_S, column_fingerprints, is_data
from nbmlops.capture.settings import outline

__all__ = [
    *("Fit", "bind", "describe", "fit_record", "fitted", "living", "mark", "patches", "remember"),
    *("scored_data", "trained_on", "training_data"),
]

OURS = "nbmlops.capture."  # frames of our hooks, which stand between a library's and the user's
MOST_SCORED = 8

_fits: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
_by_run: dict[str, Any] = {}


@dataclass(eq=False)
class Fit:
    """One outermost fit: the estimator, and what it was fitted on."""

    estimator: Any
    features: Any
    target: Any
    data: dict[str, Any]
    began: float = field(default_factory=time.perf_counter)


def patches(module: str) -> list[watch.Patch]:
    """Return what of ``sklearn.base`` is replaced while something is tracked."""
    base = sys.modules[module].BaseEstimator
    methods = [
        (kind, name, functools.partial(_watched, kind, name))
        for kind in _subclasses(base)
        for name in ("fit", "score")
        if name in vars(kind)
    ]
    return [(base, "_validate_params", _at_validation), (base, "__init_subclass__", _at_birth(base)), *methods]


def fit_record(model: Any) -> dict[str, Any] | None:
    """Return what a model was fitted on in this process while it was tracked, or None.

    Returns
    -------
    dict or None
        ``run_id``, ``rows``, ``columns`` (name to fingerprint) and ``target`` (its name).
    """
    record = _record(model)
    return None if record is None else {k: record[k] for k in ("run_id", "rows", "columns", "target")}


def living() -> list[tuple[str, dict[str, Any]]]:
    """Return (type, what it was fitted on) of every tracked model that lives in this process."""
    return [(type(model).__name__, record) for model, record in list(_fits.items())]


def training_data(model: Any) -> tuple[Any, Any] | None:
    """Return the features and the target a model was fitted on, while somebody else in this kernel holds them."""
    record = _record(model) or {}
    features, target = (record[k]() if k in record else None for k in ("features_ref", "target_ref"))
    return None if features is None else (features, target)


def scored_data(model: Any) -> list[tuple[str, Any, Any]]:
    """Return (name, features, target) of data a model was judged by, while somebody else in this kernel holds it."""
    found = [(name, x(), y()) for name, x, y in (_record(model) or {}).get("scored", ())]
    return [(name, x, y) for name, x, y in found if x is not None]


def trained_on(value: Any) -> bool:
    """Tell whether a model of this kernel was fitted on the very values given, in the same memory."""
    place = _place(value)
    if place is None:
        return False
    return any(r["place"] == place and r["owner"]() is not None for r in list(_fits.values()) if r.get("place"))


def fitted(run_id: str) -> Any | None:
    """Return the estimator a run fitted, while it lives in this process."""
    reference = _by_run.get(run_id)
    return reference() if reference else None


def bind(run_id: str, estimator: Any, data: dict[str, Any]) -> None:
    """Let a model say which run fitted it, and on which data, while it lives."""
    _fits[estimator] = {"run_id": run_id, **data}


def remember(run_id: str, fits: Sequence[Fit], scored: Sequence[tuple[str, Any, Any]] = (), keep: bool = False) -> None:
    """Let a run's model be found by the run, while it lives, and mark what each holds now that its cell has ended.

    Parameters
    ----------
    run_id : str
    fits : sequence of Fit
        The run's own model first.
    scored : sequence of (name, features, target)
        Data the models were judged by.
    keep : bool
        Hold the model while the process lives, also when the user's variables no longer do.
    """
    first = fits[0].estimator
    _by_run[run_id] = (lambda: first) if keep else weakref.ref(first)
    for fit in fits:
        record = _fits[fit.estimator]
        record["mark"] = mark(fit.estimator)
        record["scored"] = [(n, _weak(x), _weak(y)) for n, x, y in scored[:MOST_SCORED]]


def mark(estimator: Any) -> tuple[Any, ...]:
    """Return what tells a fitted estimator from the same fitted again: learned values, the large ones sampled."""
    inner = (v for v in estimator.get_params(deep=True).values() if hasattr(v, "get_params"))
    parts = (p for p in (estimator, *inner) if hasattr(p, "__dict__") and not isinstance(p, type))
    return tuple((n, _brief(v)) for part in parts for n, v in sorted(vars(part).items()) if n[-1] == "_")


def describe(fit: Fit, names: Mapping[int, str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fit as a run keeps it: the variable's name, the class, what was set, the data it saw."""
    return {
        "name": names.get(id(fit.estimator)) or type(fit.estimator).__name__,
        "estimator": outline(fit.estimator),
        "params": dict(params),
        "fitted_on": fit.data,
    }


def by_sklearn(frame: FrameType | None) -> bool:
    """Tell whether a frame is scikit-learn's, or one of our hooks."""
    return frame is not None and _package(frame) == "sklearn"


def skipped(frame: FrameType | None) -> FrameType | None:
    """Return a frame, or the first below it that is none of our hooks'."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(OURS):
        frame = frame.f_back
    return frame


def _record(model: Any) -> dict[str, Any] | None:
    try:
        record = _fits.get(model)
    except TypeError:  # not hashable or not weakly referable: no estimator we watched
        return None
    marked = (record or {}).get("mark")
    if record is None or (marked is not None and marked != mark(model)):
        return None  # fitted again since, where nobody watched
    return record


def _weak(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: None


def _array(value: Any) -> Any:
    """Return the NumPy array that holds a column's values, without a copy; None where there is none."""
    held = getattr(value, "_values", value)  # of a pandas Series
    held = getattr(held, "_ndarray", held)
    return held if hasattr(held, "__array_interface__") and held.dtype != object else None


def _place(value: Any) -> tuple[Any, ...] | None:
    """Return where in memory the values of a column lie."""
    held = _array(value)
    return None if held is None else (held.__array_interface__["data"][0], held.shape, held.strides)


def _owner(value: Any) -> Any:
    """Return the array whose memory a column shares: while it lives, nobody else's values lie there."""
    held = _array(value)
    while getattr(held, "base", None) is not None and hasattr(held.base, "__array_interface__"):
        held = held.base
    return held


def _brief(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if hasattr(value, "tobytes") and hasattr(value, "shape") and value.dtype != object:
        return value.shape, hash(value.ravel()[:: max(1, value.size // 1000)].tobytes())
    if getattr(getattr(value, "dtype", None), "kind", "") == "O" and all(isinstance(n, str) for n in value.flat):
        return value.shape, tuple(value.flat)  # the names of columns
    return [id(item) for item in value] if isinstance(value, (list, tuple)) else id(value)


def _subclasses(base: type) -> Iterator[type]:
    seen: dict[type, None] = {}
    pending = [base]
    while pending:
        below: list[type] = pending.pop().__subclasses__()
        fresh = [kind for kind in below if kind not in seen]
        seen.update(dict.fromkeys(fresh))
        pending += fresh
    return iter(seen)


def _watched(kind: type, name: str, original: Any) -> Any:
    """Return what stands in for a ``fit`` scikit-learn does not announce, or for a ``score``; None for others."""
    if not hasattr(original, "__get__") or isinstance(original, (staticmethod, classmethod, watch.Method)):
        return None
    if name == "score":
        return watch.Method(original, _score)
    return None if _announced(original) else watch.Method(original, _fit)


def _announced(method: Any) -> bool:
    """Tell whether scikit-learn's own wrapper is around a ``fit``, which validates the parameters first."""
    code = getattr(method, "__code__", None)
    return code is not None and code.co_name == "wrapper" and method.__globals__.get("__name__") == "sklearn.base"


def _at_birth(base: Any) -> Callable[[Any], Any]:
    """Return the maker of a hook that watches classes defined while something is tracked."""

    def make(original: Any) -> Any:
        def born(cls: Any, /, **kwargs: Any) -> None:
            if original is watch.MISSING:
                super(base, cls).__init_subclass__(**kwargs)
            else:
                original.__get__(None, cls)(**kwargs)
            for name in ("fit", "score"):
                if name in vars(cls):
                    watch.hook(cls, name, functools.partial(_watched, cls, name))

        return classmethod(born)

    return make


def _at_validation(original: Any) -> Any:
    @functools.wraps(original)
    def _validate_params(self: Any) -> None:
        original(self)
        sink = watch.current()
        if sink is not None:
            try:
                _notice(self, sys._getframe(1), sink)
            except Exception as error:
                sink.error(error)

    return _validate_params


def _fit(function: Any, estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a ``fit`` of the user's or another library's; it is one fit, whatever it fits inside."""
    sink = watch.current()
    frame = skipped(sys._getframe(1))
    if sink is None or _inside_fit(frame) or by_sklearn(frame):
        return function(estimator, *args, **kwargs)
    try:
        _report(estimator, args, kwargs, sink)
    except Exception as error:
        sink.error(error)
    with watch.inner():
        return function(estimator, *args, **kwargs)


def _score(function: Any, estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a ``score``; what it returns is a metric, when it computes none of ``sklearn.metrics`` itself."""
    from nbmlops.capture import metrics

    sink = watch.current()
    frame = skipped(sys._getframe(1))
    if sink is None or by_sklearn(frame):
        return function(estimator, *args, **kwargs)
    with metrics.counted() as seen:
        value = function(estimator, *args, **kwargs)
    try:
        if not seen:
            metrics.report("score", value, frame, args, kwargs, sink)
    except Exception as error:
        sink.error(error)
    return value


def _notice(estimator: Any, frame: FrameType, sink: watch.Sink) -> None:
    """Note a fit whose frame is that of scikit-learn's wrapper, unless another fit stands above it."""
    if not _is_wrapper(frame) or _inside_fit(frame.f_back) or _of_a_copy(frame.f_back, estimator):
        return
    _report(estimator, frame.f_locals.get("args", ()), frame.f_locals.get("kwargs", {}), sink)


def _report(estimator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sink: watch.Sink) -> None:
    features = args[0] if args else kwargs.get("X")
    target = args[1] if len(args) > 1 else kwargs.get("y")
    data = {
        "rows": _rows(features),
        "columns": column_fingerprints(features, MOST_S) if is_data(features) else {},
        "target": str(getattr(target, "name", None) or ""),
    }
    alive = {"features_ref": _weak(features), "target_ref": _weak(target), "owner": _weak(_owner(target))}
    bind(sink.run_id, estimator, data | alive | {"place": _place(target)})
    sink.fit(Fit(estimator, features, target, data))


def _rows(features: Any) -> int:
    shape = getattr(features, "shape", None)
    return int(shape[0]) if shape else len(features) if hasattr(features, "__len__") else 0


def _is_wrapper(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_name == "wrapper" and frame.f_globals.get("__name__") == "sklearn.base"


def _inside_fit(frame: FrameType | None) -> bool:
    while frame is not None:
        if _is_wrapper(frame):
            return True
        frame = frame.f_back
    return False


def _of_a_copy(frame: FrameType | None, estimator: Any) -> bool:
    """Tell whether scikit-learn fits a copy of its own, as cross-validation does; ``fit_predict`` is the user's fit."""
    while frame is not None and frame.f_locals.get("self") is estimator:
        frame = frame.f_back
    return by_sklearn(skipped(frame))


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
