"""Results of ``sklearn.metrics`` functions while a cell runs, however they were imported.

scikit-learn wraps each metric in a validating function that keeps the real one in a closure cell. Replacing the
content of that cell is seen under every name the metric was imported by, rebinds none of them, and is undone.
"""

from __future__ import annotations

import linecache
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["metric_name", "watch_metrics"]

TRAIN = re.compile(r"(?:^|[^a-z])(?:x_|y_)?train", re.I)
TEST = re.compile(r"(?:^|[^a-z])(?:x_|y_)?(?:test|held|holdout|hold_out)", re.I)
VALIDATION = re.compile(r"(?:^|[^a-z])(?:x_|y_)?val(?:id|idation)?(?:[^a-z]|$)", re.I)
SPLITS = (("train", TRAIN), ("test", TEST), ("validation", VALIDATION))

Sink = Callable[[str, float, Mapping[str, str]], None]


@contextmanager
def watch_metrics(sink: Sink, on_error: Callable[[Exception], None]) -> Iterator[None]:
    """Hand every metric the user computes in this thread to ``sink`` (name, value, context).

    Parameters
    ----------
    sink : callable
    on_error : callable
        Told of a fault of ours; the user's call returns its value all the same.
    """
    swapped = []
    thread = threading.get_ident()
    try:
        for name, cell in _closures():
            original = cell.cell_contents
            cell.cell_contents = _recorded(original, name, thread, sink, on_error)
            swapped.append((cell, original))
        yield
    finally:
        for cell, original in swapped:
            cell.cell_contents = original


def metric_name(function: str) -> str:
    """Return the name a metric is kept under.

    >>> metric_name("roc_auc_score"), metric_name("mean_squared_error")
    ('roc_auc', 'mean_squared_error')
    """
    return function.removesuffix("_score")


def _closures() -> Iterator[tuple[str, Any]]:
    """Yield (name, closure cell) of every wrapped function in ``sklearn.metrics``, when it is imported."""
    metrics = sys.modules.get("sklearn.metrics")
    for name in getattr(metrics, "__all__", ()):
        function = getattr(metrics, name, None)
        free = getattr(getattr(function, "__code__", None), "co_freevars", ())
        if "func" in free and function is not None:
            yield name, function.__closure__[free.index("func")]


def _recorded(
    original: Callable[..., Any], name: str, thread: int, sink: Sink, on_error: Callable[[Exception], None]
) -> Callable[..., Any]:
    from functools import wraps

    @wraps(original)
    def record(*args: Any, **kwargs: Any) -> Any:
        value = original(*args, **kwargs)
        if threading.get_ident() == thread:
            try:
                number = _scalar(value)
                caller = _caller(sys._getframe(1))
                if number is not None and caller is not None:
                    sink(metric_name(name), number, _context(caller))
            except Exception as error:
                on_error(error)
        return value

    return record


def _scalar(value: Any) -> float | None:
    kinds = (float, int, getattr(sys.modules.get("numpy"), "number", float))
    return float(value) if isinstance(value, kinds) and not isinstance(value, bool) else None


def _caller(wrapper: FrameType) -> FrameType | None:
    """Return the user's frame when they called the metric, directly or through ``estimator.score``; else None."""
    frame = wrapper.f_back
    if frame is not None and _in_sklearn(frame) and frame.f_code.co_name == "score":
        frame = frame.f_back
        while frame is not None and _in_sklearn(frame) and frame.f_code.co_name == "score":  # a pipeline's last step
            frame = frame.f_back
    return None if frame is None or _in_sklearn(frame) else frame


def _in_sklearn(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "sklearn"


def _context(caller: FrameType) -> dict[str, str]:
    """Return the split the line of the call names, when it names just one."""
    line = linecache.getline(caller.f_code.co_filename, caller.f_lineno)
    named = [split for split, pattern in SPLITS if pattern.search(line)]
    return {"split": named[0]} if len(named) == 1 else {}
