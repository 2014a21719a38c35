"""How metrics of several runs went, to be drawn over each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nbmlops.store.summary import SYSTEM, honest_split
from nbmlops.tracking.runs import Run

__all__ = ["side_by_side"]

MOST_METRICS, MOST_POINTS = 8, 60


def side_by_side(runs: Sequence[Run]) -> tuple[dict[str, Any], ...]:
    """Return of each metric that was logged several times how it went in each run.

    Parameters
    ----------
    runs : sequence of Run

    Returns
    -------
    tuple of dict
        ``name``, and ``runs``: ``steps`` and ``values`` of each run, nothing where it has no such curve; at most 8
        metrics, the most common ones first, and about 60 points of each, which look the same when drawn.

    Examples
    --------
    >>> side_by_side([])
    ()
    """
    logged = [list(dict.fromkeys(_several(run))) for run in runs]
    names = list(dict.fromkeys(name for one in logged for name in one))
    common = sorted(names, key=lambda name: -sum(name in one for one in logged))[:MOST_METRICS]
    return tuple(
        {"name": name, "runs": [_curve(r, name, one) for r, one in zip(runs, logged, strict=True)]} for name in common
    )


def _several(run: Run) -> Iterator[str]:
    """Yield the metrics whose most honest value is the last of several; none of the machine."""
    metrics = run.data["metrics"]
    for m in metrics:
        split = honest_split(metrics, m["name"])
        wanted = {"split": split} if split else {}
        if m.get("count", 1) > 1 and dict(m["context"]) == wanted and not m["name"].startswith(SYSTEM):
            yield m["name"]


def _curve(run: Run, name: str, logged: Sequence[str]) -> dict[str, Any]:
    if name not in logged:
        return {}
    series = run.metric(name).thinned(MOST_POINTS)
    return {"steps": series.steps, "values": series.values}
