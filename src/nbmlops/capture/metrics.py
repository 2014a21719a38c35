"""Results of ``sklearn.metrics`` functions and scorers while something is tracked, however they were imported.

scikit-learn wraps each metric in a validating function that keeps the real one in a closure cell. Replacing the
content of that cell is seen under every name the metric was imported by, rebinds none of them, and is undone.
"""

from __future__ import annotations

import contextlib
import linecache
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import FrameType
from typing import Any

from nbmlops.capture import estimators, watch

__all__ = ["closures", "counted", "metric_name", "patches", "report", "split_of"]

TRAIN = re.compile(r"(?:^|[^a-z])(?:x_|y_)?train", re.I)
TEST = re.compile(r"(?:^|[^a-z])(?:x_|y_)?(?:test|held|holdout|hold_out)", re.I)
VALIDATION = re.compile(r"(?:^|[^a-z])(?:x_|y_)?(?:val(?:id|idation)?|dev)(?:[^a-z]|$)", re.I)
SPLITS = (("train", TRAIN), ("test", TEST), ("validation", VALIDATION))
PARTS = {"precision_recall_fscore_support": ("precision", "recall", "fscore")}
PASS_ON = ("sklearn.metrics._scorer", "sklearn.utils.validation", "sklearn.utils._param_validation")
MOST_CALLERS = 4  # functions of the user's between a metric and its cell that are asked for the split

_counted: ContextVar[list[str] | None] = ContextVar("nbmlops_counted", default=None)


def patches(module: str) -> list[watch.Patch]:
    """Return the closure cells of ``sklearn.metrics`` that are replaced while something is tracked."""
    return [(cell, "cell_contents", _recorded(name)) for name, cell in closures(module)]


def metric_name(function: str, average: Any = None) -> str:
    """Return the name a metric is kept under, as scikit-learn names its scorers.

    >>> metric_name("roc_auc_score"), metric_name("f1_score", "macro"), metric_name("mean_squared_error")
    ('roc_auc', 'f1_macro', 'mean_squared_error')
    """
    name = function.removesuffix("_score")
    return f"{name}_{average}" if isinstance(average, str) and average != "binary" else name


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the names of metrics reported while the block runs."""
    outer, seen = _counted.get(), list[str]()
    _counted.set(seen)
    try:
        yield seen
    finally:
        _counted.set(outer)
        if outer is not None:
            outer += seen


def report(
    name: str,
    value: Any,
    caller: FrameType | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    sink: watch.Sink,
) -> None:
    """Hand a metric to a sink, with the split it was computed on; what is no single number is none.

    Parameters
    ----------
    name : str
    value : object
        What the function returned.
    caller : frame
        The user's, which called it.
    args, kwargs
        What it was called with: the true values, or features and target.
    sink : Sink
    """
    number = scalar(value)
    if number is None or caller is None:
        return
    if (seen := _counted.get()) is not None:
        seen.append(name)
    truth = args[:2] if name == "score" else args[:1]
    split = split_of(caller, [*truth, *(kwargs[k] for k in ("y_true", "X", "y") if k in kwargs)])
    sink.metric(name, number, {"split": split} if split else {})


def scalar(value: Any) -> float | None:
    """Return a number as a float; None for what is none, an array or a boolean."""
    kinds = (float, int, getattr(sys.modules.get("numpy"), "number", float))
    if not isinstance(value, kinds) or isinstance(value, bool):
        return None
    with contextlib.suppress(TypeError, OverflowError):  # complex numbers, and whole ones no float can hold
        return float(value)
    return None


def split_of(caller: FrameType, data: Sequence[Any]) -> str:
    """Return the split some data is: by its memory, by the names it goes by, by the line that called; "" is unknown.

    Parameters
    ----------
    caller : frame
        The user's.
    data : sequence
        True values, features.
    """
    if any(estimators.trained_on(value) for value in data):
        return "train"
    frame: FrameType | None = caller
    for _ in range(MOST_CALLERS):
        if frame is None or _foreign(frame):
            break
        if split := _named(_names(frame, data)) or _named([_call(frame)]):
            return split
        frame = frame.f_back
    return ""


def closures(module: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, closure cell) of every function of a module that scikit-learn wraps to validate its arguments."""
    library = sys.modules[module]
    for name in getattr(library, "__all__", ()):
        function = vars(library).get(name)  # asking for what is loaded late, or not yet to be used, would load it
        free = getattr(getattr(function, "__code__", None), "co_freevars", ())
        if "func" in free and function is not None:
            yield name, function.__closure__[free.index("func")]


def users(frame: FrameType | None) -> FrameType | None:
    """Return the user's frame when they made a call, directly or through a score or a scorer; else None.

    What scikit-learn computes on its way, also by a function of the user's it was given, is not the user's call.
    """
    while frame is not None and (_is_ours(frame) or _passes_on(frame)):
        frame = frame.f_back
    outer = frame
    while outer is not None:
        if estimators.by_sklearn(outer):
            return None
        outer = outer.f_back
    return frame


def _recorded(name: str) -> Callable[[Any], Any]:
    def make(original: Callable[..., Any]) -> Any:
        @wraps(original)
        def record(*args: Any, **kwargs: Any) -> Any:
            value = original(*args, **kwargs)
            sink = watch.current()
            if sink is not None:
                try:
                    _take(name, value, sys._getframe(1).f_back, args, kwargs, sink)
                except Exception as error:
                    sink.error(error)
            return value

        return record

    return make


def _take(name: str, value: Any, frame: FrameType | None, args: Any, kwargs: Any, sink: watch.Sink) -> None:
    caller = users(frame)
    average = kwargs.get("average")
    if name in PARTS and isinstance(value, tuple):
        for part, number in zip(PARTS[name], value, strict=False):
            report(metric_name(part, average), number, caller, args, kwargs, sink)
    else:
        report(metric_name(name, average), value, caller, args, kwargs, sink)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(estimators.OURS)


def _passes_on(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module in PASS_ON or (estimators.by_sklearn(frame) and frame.f_code.co_name == "score")


def _foreign(frame: FrameType) -> bool:
    """Tell whether a frame belongs to an installed package: its variables' names say nothing about the user's data."""
    return "site-packages" in frame.f_code.co_filename or frame.f_code.co_filename.startswith(sys.base_prefix)


def _named(texts: Sequence[str]) -> str:
    """Return the split some names speak of, when it is just one."""
    found = {split for text in texts for split, pattern in SPLITS if pattern.search(text)}
    return found.pop() if len(found) == 1 else ""


def _names(frame: FrameType, data: Sequence[Any]) -> list[str]:
    """Return the names in a frame under which some objects are known."""
    wanted = {id(value) for value in data if value is not None}
    scopes = (frame.f_locals, frame.f_globals) if frame.f_locals is not frame.f_globals else (frame.f_globals,)
    return [name for scope in scopes for name, value in list(scope.items()) if id(value) in wanted]


def _call(frame: FrameType) -> str:
    """Return the text of the call a frame is in, which may span lines."""
    positions = list(frame.f_code.co_positions())
    first, last, begin, end = positions[frame.f_lasti // 2] if frame.f_lasti >= 0 else (None,) * 4
    if first is None or last is None:
        return linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    lines = [linecache.getline(frame.f_code.co_filename, n) for n in range(first, last + 1)]
    if first == last and begin is not None and end is not None:
        return lines[0].encode()[begin:end].decode(errors="replace")
    return "".join(lines)
