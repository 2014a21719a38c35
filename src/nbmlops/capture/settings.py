"""What an estimator is set to: what was chosen and what is a default, of it and of those inside it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from inspect import Parameter, signature
from typing import Any

__all__ = ["chosen_of", "outline", "quotes_data", "settings", "short"]

MOST_ITEMS = 50
OF_DATA = {  # settings that are values of a column or of the target
    *("categories", "classes", "constant", "fill_value", "kw_args", "inv_kw_args", "labels", "missing_values"),
    *("neg_label", "pos_label", "threshold", "vocabulary"),
}
# Of a share, a distance or an importance, whatever the column.
CHOSEN = {f"{kind}.threshold" for kind in ("FixedThresholdClassifier", "SelectFromModel", "VarianceThreshold")}


def settings(
    estimator: Any, written: Mapping[str, Collection[str]] | None = None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return (what was set, what was written though it is the default, defaults), each as ``Class.keyword``.

    Parameters
    ----------
    estimator : object
        Anything with scikit-learn's ``get_params``.
    written : mapping, optional
        Class name to the keywords the cell wrote in a call of that name.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> settings(LogisticRegression(C=0.5))[0]
    {'LogisticRegression.C': 0.5}
    """
    inner = {name: value for name, value in estimator.get_params(deep=True).items() if hasattr(value, "get_params")}
    found: tuple[dict[str, Any], dict[str, Any], dict[str, Any]] = ({}, {}, {})
    for path, part in {"": estimator, **inner}.items():
        if isinstance(part, type):
            continue
        label = type(part).__name__
        said = (written or {}).get(label, ())
        if any(name.startswith(f"{label}.") for group in found for name in group):
            label = f"{path}:{label}"
        defaults = _defaults(type(part))
        for name, value in part.get_params(deep=False).items():
            if name in inner or _holds_estimators(value):
                continue
            usual = _equal(value, defaults.get(name, None))
            found[0 if not usual else 1 if name in said else 2][f"{label}.{name}"] = short(value)
    return found


def chosen_of(estimator: Any) -> dict[str, Any]:
    """Return only what was set."""
    return settings(estimator)[0]


def quotes_data(name: str, value: Any) -> bool:
    """Tell whether a setting may hold values of the data: by what it is called, or since it lists words.

    Parameters
    ----------
    name : str
        ``Class.keyword``, or the keyword.
    value : object

    Examples
    --------
    >>> quotes_data("OrdinalEncoder.categories", [["Ada"]]), quotes_data("LogisticRegression.C", 0.5)
    (True, False)
    """
    if value is None or isinstance(value, bool) or name in CHOSEN:
        return False
    if isinstance(value, (float, str)) and (value != value or value == "auto"):  # NaN, or left to the estimator
        return False
    if name.rpartition(".")[2] in OF_DATA:
        return True
    if isinstance(value, (list, tuple)):
        return not all(item is None or isinstance(item, (bool, int, float)) for item in value)
    if isinstance(value, str):
        return not value.replace("-", "_").isidentifier()
    return not isinstance(value, (int, float))


def outline(estimator: Any) -> str:
    """Return a model's make in one line: ``Pipeline(StandardScaler, LogisticRegression)``."""
    if isinstance(said := getattr(estimator, "outline_", None), str):
        return said
    steps = getattr(estimator, "steps", None)
    name = type(estimator).__name__
    if isinstance(steps, list):
        return f"{name}({', '.join(type(s[1]).__name__ for s in steps)})"
    searched = getattr(estimator, "estimator", None) if hasattr(estimator, "cv_results_") else None
    return f"{name}({outline(searched)})" if searched is not None else name


def short(value: Any) -> Any:
    """Return a parameter's value as it can be stored: plain values as they are, others by what they are."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)) and len(value) <= MOST_ITEMS:
        return [short(item) for item in value]
    if isinstance(value, dict) and len(value) <= MOST_ITEMS:
        return {str(k): short(v) for k, v in value.items()}
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    if hasattr(value, "get_params"):
        return outline(value)
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__name__)}"
    return f"{type(value).__name__}{getattr(value, 'shape', '')}"


def _defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of a class's keywords, those its parents name too: xgboost passes them on as ``**kwargs``."""
    return _stable_defaults(kind) if kind.__module__.startswith("sklearn.") else _read_defaults(kind)


def _read_defaults(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parent in reversed(kind.__mro__[:-1]):
        if "__init__" in vars(parent):
            named = signature(parent.__init__).parameters.values()  # type: ignore[misc]
            found |= {p.name: p.default for p in named if p.default is not Parameter.empty}
    return found


_stable_defaults = functools.cache(_read_defaults)  # of classes that live as long as the process


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
