"""Estimators fitted while a cell runs: which, with what set, on which data.

Every ``fit`` of scikit-learn validates its parameters first, through one method of ``BaseEstimator``. Watching
that one method sees every fit without touching a class a user imported; the frames above tell the outermost.
"""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter, signature
from types import FrameType
from typing import Any

from nbmlops.capture.data import column_fingerprints, is_data

__all__ = ["Fit", "bind", "fit_record", "fitted", "remember", "settings", "watch_fits"]

_fits: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
_by_run: dict[str, weakref.ref[Any]] = {}


class Fit:
    """One outermost fit: the estimator and what it was fitted on."""

    def __init__(self, estimator: Any, data: dict[str, Any]) -> None:
        self.estimator = estimator
        self.data = data


@contextmanager
def watch_fits(run_id: str, on_error: Callable[[Exception], None]) -> Iterator[list[Fit]]:
    """Collect the outermost fits of this thread while the block runs.

    Each is bound to the run weakly and at once: the user's variables keep the models alive, not we, and what judges
    a model in the same cell must know its rows.

    Parameters
    ----------
    run_id : str
    on_error : callable
        Told of a fault of ours; the user's fit goes on.

    Yields
    ------
    list of Fit
        Grows as estimators are fitted; one fitted twice stands once, with its last data.
    """
    found: list[Fit] = []
    base = sys.modules.get("sklearn.base")
    original = getattr(getattr(base, "BaseEstimator", None), "_validate_params", None)
    if base is None or original is None:
        yield found
        return
    thread = threading.get_ident()

    @functools.wraps(original)
    def _validate_params(self: Any) -> None:
        original(self)
        if threading.get_ident() == thread:
            try:
                _notice(self, sys._getframe(1), found, run_id)
            except Exception as error:
                on_error(error)

    base.BaseEstimator._validate_params = _validate_params
    try:
        yield found
    finally:
        base.BaseEstimator._validate_params = original


def fit_record(model: Any) -> dict[str, Any] | None:
    """Return what a model was fitted on in a tracked cell of this process, or None.

    Returns
    -------
    dict or None
        ``run_id``, ``rows``, ``columns`` (name to fingerprint) and ``target`` (its name).
    """
    try:
        record = _fits.get(model)
    except TypeError:  # not hashable or not weakly referable: no estimator we watched
        return None
    marked = (record or {}).get("mark")
    if record is None or (marked is not None and marked != _mark(model)):
        return None  # fitted again since, where nobody watched
    return {k: v for k, v in record.items() if k != "mark"}


def fitted(run_id: str) -> Any | None:
    """Return the estimator a run fitted, while it lives in this process."""
    reference = _by_run.get(run_id)
    return reference() if reference else None


def bind(run_id: str, estimator: Any, data: dict[str, Any]) -> None:
    """Let a model say which run fitted it, and on which data, while it lives."""
    _fits[estimator] = {"run_id": run_id, **data}


def remember(run_id: str, fits: list[Fit]) -> None:
    """Let a run's model be found by the run, while it lives, and mark what each holds now that its cell has ended."""
    _by_run[run_id] = weakref.ref(fits[0].estimator)
    for fit in fits:
        _fits[fit.estimator]["mark"] = _mark(fit.estimator)


def _mark(estimator: Any) -> tuple[Any, ...]:
    """Return what tells a fitted estimator from the same fitted again: learned values, the large ones sampled."""
    inner = (v for v in estimator.get_params(deep=True).values() if hasattr(v, "get_params"))
    return tuple((n, _brief(v)) for part in (estimator, *inner) for n, v in sorted(vars(part).items()) if n[-1] == "_")


def _brief(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if hasattr(value, "tobytes") and hasattr(value, "shape") and value.dtype != object:
        return value.shape, hash(value.ravel()[:: max(1, value.size // 1000)].tobytes())
    return [id(item) for item in value] if isinstance(value, (list, tuple)) else id(value)


def settings(estimator: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (what was set, defaults) of an estimator and those inside it, as ``Class.keyword``.

    Parameters
    ----------
    estimator : object
        Anything with scikit-learn's ``get_params``.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> settings(LogisticRegression(C=0.5))[0]
    {'LogisticRegression.C': 0.5}
    """
    inner = {name: value for name, value in estimator.get_params(deep=True).items() if hasattr(value, "get_params")}
    chosen: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for path, part in {"": estimator, **inner}.items():
        if isinstance(part, type):
            continue
        label = type(part).__name__
        if any(name.startswith(f"{label}.") for name in (*chosen, *defaults)):
            label = f"{path}:{label}"
        known = signature(type(part).__init__).parameters
        for name, value in part.get_params(deep=False).items():
            if name in inner or _holds_estimators(value):
                continue
            default = known[name].default if name in known else Parameter.empty
            (defaults if _equal(value, default) else chosen)[f"{label}.{name}"] = _short(value)
    return chosen, defaults


def describe(fit: Fit, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fit as a run keeps it: the variable's name, the class, what was set, the data it saw."""
    names = [n for n, v in namespace.items() if v is fit.estimator and not n.startswith("_")]
    return {
        "name": names[0] if names else type(fit.estimator).__name__,
        "estimator": outline(fit.estimator),
        "params": settings(fit.estimator)[0],
        "fitted_on": fit.data,
    }


def outline(estimator: Any) -> str:
    """Return a model's make in one line: ``Pipeline(StandardScaler, LogisticRegression)``."""
    steps = getattr(estimator, "steps", None)
    name = type(estimator).__name__
    return f"{name}({', '.join(type(s[1]).__name__ for s in steps)})" if steps else name


def _notice(estimator: Any, frame: FrameType, found: list[Fit], run_id: str) -> None:
    """Note a fit whose frame is that of scikit-learn's wrapper, unless another fit stands above it."""
    if not _is_wrapper(frame) or _inside_fit(frame.f_back) or _by_sklearn(frame.f_back, estimator):
        return
    values = frame.f_locals
    args, kwargs = values.get("args", ()), values.get("kwargs", {})
    features = args[0] if args else kwargs.get("X")
    target = args[1] if len(args) > 1 else kwargs.get("y")
    data = {
        "rows": len(features) if hasattr(features, "__len__") else 0,
        "columns": column_fingerprints(features) if is_data(features) else {},
        "target": str(getattr(target, "name", None) or ""),
    }
    bind(run_id, estimator, data)
    found[:] = [f for f in found if f.estimator is not estimator]
    found.append(Fit(estimator, data))


def _is_wrapper(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_name == "wrapper" and frame.f_globals.get("__name__") == "sklearn.base"


def _inside_fit(frame: FrameType | None) -> bool:
    while frame is not None:
        if _is_wrapper(frame):
            return True
        frame = frame.f_back
    return False


def _by_sklearn(frame: FrameType | None, estimator: Any) -> bool:
    """Tell whether scikit-learn fits a copy of its own, as cross-validation does; ``fit_predict`` is the user's fit."""
    while frame is not None and frame.f_locals.get("self") is estimator:
        frame = frame.f_back
    return frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "sklearn"


def _holds_estimators(value: Any) -> bool:
    """Tell whether a parameter is an estimator or a list of named ones: their own parameters say it all."""
    if hasattr(value, "get_params"):
        return True
    return isinstance(value, (list, tuple)) and any(
        isinstance(item, (list, tuple)) and any(hasattr(part, "get_params") for part in item) for item in value
    )


def _equal(value: Any, default: Any) -> bool:
    if value is default:
        return True
    plain = (bool, int, float, str, tuple)
    return isinstance(value, plain) and type(value) is type(default) and value == default


def _short(value: Any) -> Any:
    """Return a parameter's value as it can be stored: plain values as they are, others by what they are."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)) and len(value) <= 50:
        return [_short(item) for item in value]
    if isinstance(value, dict) and len(value) <= 50:
        return {str(k): _short(v) for k, v in value.items()}
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__name__)}"
    return f"{type(value).__name__}{getattr(value, 'shape', '')}"
