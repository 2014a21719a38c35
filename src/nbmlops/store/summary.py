"""A run as one row: which params are columns, and which value of a metric is its headline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["COLUMNS", "IN_FILE", "flat", "flat_metrics", "headlines", "honest_split", "lower_is_better", "short_param"]

HIDDEN = ("default", "argument")  # params that are what they are anyway are no columns
SPLITS = ("", "test", "validation", "cv")  # the most honest first; never train
COLUMNS = ("run_id", "experiment", "name", "status", "started_at", "duration_s", "notebook", "order")
LOWER = re.compile(r"loss|error|deviance|rmse|(?:^|_)(?:mse|mae|mape|brier|hamming|perplexity)(?:_|$)", re.I)
IN_FILE = "nbmlops.artifact"  # the key of a param too long for its row: the digest of the file that holds it
SYSTEM = "system."  # samples of memory and processor: kept with the run, not a column


def flat(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's JSON as one flat row: what was set and assigned, every metric, every tag.

    Parameters
    ----------
    run : mapping
        As :func:`nbmlops.store.runs.load_many` returns it.
    """
    row = {name: run.get(name) for name in COLUMNS}
    row |= {f"params.{p['name']}": short_param(p["value"]) for p in run["params"] if p["origin"] not in HIDDEN}
    row |= {f"metrics.{name}": value for name, value in flat_metrics(run["metrics"]).items()}
    return row | {f"tags.{name}": value for name, value in run["tags"].items()}


def short_param(value: Any) -> Any:
    """Return a param's value, of a long one that lies in a file how it begins."""
    return value.get("begins") if isinstance(value, dict) and IN_FILE in value else value


def lower_is_better(metric: str) -> bool:
    """Tell by its name whether a metric is better when it is lower; scikit-learn's ``neg_`` ones are not.

    >>> lower_is_better("log_loss"), lower_is_better("neg_log_loss"), lower_is_better("roc_auc")
    (True, False, False)
    """
    return not metric.startswith("neg_") and bool(LOWER.search(metric))


def honest_split(metrics: Sequence[Mapping[str, Any]], name: str) -> str | None:
    """Return the split a metric's headline was measured on: none, test, validation or cross-validation."""
    values = _by_split([m for m in metrics if m["name"] == name])
    return next((s for s in SPLITS if s in values), None)


def flat_metrics(metrics: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return metric columns: the headline under the name, the rest under ``name[key=value]``.

    >>> flat_metrics([{"name": "auc", "value": 0.9, "context": {"split": "train"}}])
    {'auc[split=train]': 0.9}
    """
    if not any(m["context"] for m in metrics):  # most runs: nothing to choose between
        return {m["name"]: m["value"] for m in metrics if not m["name"].startswith(SYSTEM)}
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for m in metrics:
        if not m["name"].startswith(SYSTEM):
            grouped.setdefault(m["name"], []).append(m)
    headlines: dict[str, float] = {}
    others: dict[str, float] = {}
    for name, mine in grouped.items():
        values = _by_split(mine)
        split = next((s for s in SPLITS if s in values), None)
        if split is not None:
            headlines[name] = values[split]
        for m in mine:
            if m["context"] and m["context"] != {"split": split}:
                inner = ",".join(f"{k}={v}" for k, v in sorted(m["context"].items()))
                others[f"{name}[{inner}]"] = m["value"]
    return headlines | others


def headlines(names: Iterable[str]) -> list[str]:
    """Return the metric columns to show first: every name once, on other contexts only where it has no headline.

    >>> headlines(["auc", "auc[split=train]", "loss[set=val]"])
    ['auc', 'loss[set=val]']
    """
    known = dict.fromkeys(names)
    return [name for name in known if "[" not in name or name.partition("[")[0] not in known]


def _by_split(metrics: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the last value on each split, where nothing but the split is its context."""
    plain = [m for m in metrics if set(m["context"]) <= {"split"}]
    return {str(m["context"].get("split", "")): float(m["value"]) for m in plain}
