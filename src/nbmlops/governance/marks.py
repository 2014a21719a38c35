"""Which runs meet the charter: one word a run, from the interval of its evaluation, else from the value it logged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nbmlops.errors import Invalid, tell
from nbmlops.registry import targets
from nbmlops.registry.targets import Target
from nbmlops.tracking import session

__all__ = ["WORDS", "marked"]

# The worst first: a run is what the worst of its targets is.
WORDS = ("broken", "missed", "not shown", "not measured", "reached", "meets")
OF_INTERVAL = {"shown": "meets"}
Metrics = Mapping[str, Mapping[str, Any]]


def marked(rows: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """Return of each run whether it meets the charter; None where no charter names targets.

    *meets*, *not shown* and *broken* are said of an interval; a value without one is *reached* or *missed*.

    Parameters
    ----------
    rows : sequence of mapping
        Runs as flat rows, with ``run_id`` and ``metrics.*``.

    Examples
    --------
    >>> marked([{"run_id": "a", "metrics.roc_auc": 0.7}])  # doctest: +SKIP
    ['reached']
    """
    agreed = _targets() if rows else ()
    if not agreed:
        return None
    columns = [f"metrics.{t.name}" for t in agreed]
    judged = _judged(r["run_id"] for r in rows if any(c in r for c in columns))
    return [_mark(agreed, row, judged.get(row["run_id"], {})) for row in rows]


def _targets() -> tuple[Target, ...]:
    """Return the project's targets; a charter that cannot be read marks nothing, and says so."""
    try:
        return targets.agreed()
    except Invalid as error:
        tell(f"Runs are not held against the charter. {error}")
        return ()


def _judged(run_ids: Iterable[str]) -> dict[str, Metrics]:
    """Return the metrics of each run's newest evaluation, with their intervals."""
    from nbmlops.store.runs import results_of

    wanted = list(run_ids)
    found = results_of(session.store(), wanted, "evaluation") if wanted else []
    return {r["run_id"]: r["data"].get("metrics") or {} for r in found}  # the oldest comes first


def _mark(agreed: Sequence[Target], row: Mapping[str, Any], judged: Metrics) -> str:
    return min((_word(t, row.get(f"metrics.{t.name}"), judged.get(t.name)) for t in agreed), key=WORDS.index)


def _word(target: Target, logged: Any, judged: Mapping[str, Any] | None) -> str:
    if judged and judged.get("low") is not None and judged.get("high") is not None:
        state = target.state(judged)
        return OF_INTERVAL.get(state, state)
    if not isinstance(logged, (int, float)) or not math.isfinite(logged):
        return "not measured"
    return "reached" if target.state({"value": logged}) == "shown" else "missed"
