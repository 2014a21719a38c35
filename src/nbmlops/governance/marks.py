"""Which runs meet the charter: one word a run, from the interval of its evaluation, else from the value it logged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.errors import Invalid, tell
from nbmlops.registry import targets
from nbmlops.registry.targets import Target
from nbmlops.tracking import session

__all__ = ["WORDS", "marked", "unmeasured"]

# The worst first: a run is what the worst of its targets is.
WORDS = ("broken", "missed", "not shown", "not measured", "reached", "meets")
OF_INTERVAL = {"shown": "meets"}
Metrics = Mapping[str, Mapping[str, Any]]


def marked(rows: Sequence[Mapping[str, Any]]) -> list[str | None] | None:
    """Return of each run whether it meets the charter; None where the charter names no target for any of them.

    *meets*, *not shown* and *broken* are said of an interval; a value without one is *reached* or *missed*. The targets
    are those of the models a run registered, else of the model that is called as its experiment, else the project's.

    Parameters
    ----------
    rows : sequence of mapping
        Runs as flat rows, with ``run_id``, ``experiment`` and ``metrics.*``.

    Examples
    --------
    >>> marked([{"run_id": "a", "metrics.roc_auc": 0.7}])  # doctest: +SKIP
    ['reached']
    """
    found = _worded(rows)
    if found is None:
        return None
    return [min((word for _, word in words), key=WORDS.index, default=None) for words in found]


def unmeasured(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the targets that runs marked *not measured* did not measure, the one that most of them lack first.

    Parameters
    ----------
    rows : sequence of mapping
        As :func:`marked` takes them.

    Examples
    --------
    >>> unmeasured([{"run_id": "a", "metrics.roc_auc": 0.7}])  # doctest: +SKIP
    ['log_loss']
    """
    worst = WORDS.index("not measured")
    found = (
        words for words in _worded(rows) or () if min(WORDS.index(w) for _, w in (*words, ("", WORDS[-1]))) == worst
    )
    lacking = Counter(target.name for words in found for target, word in words if word == "not measured")
    return [name for name, _ in lacking.most_common()]


def _worded(rows: Sequence[Mapping[str, Any]]) -> list[list[tuple[Target, str]]] | None:
    """Return of each run its targets, each with its word; None where the charter names none for any of them."""
    agreed = _agreed(rows)
    if not any(agreed):
        return None
    asked = [r["run_id"] for r, own in zip(rows, agreed, strict=True) if any(f"metrics.{t.name}" in r for t in own)]
    judged = _judged(asked)
    return [_words(own, row, judged.get(row["run_id"], {})) for row, own in zip(rows, agreed, strict=True)]


def _agreed(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Target, ...]]:
    """Return the targets of each run; a charter that cannot be read marks nothing, and says so."""
    try:
        known = targets.by_model()
    except Invalid as error:
        tell(f"Runs are not held against the charter. {error}")
        return []
    registered = _registered(rows) if len(known) > 1 else {}
    return [_of_run(row, registered.get(row["run_id"]), known) for row in rows]


def _registered(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    from nbmlops.store.models import names_by_run

    return names_by_run(session.store(), [r["run_id"] for r in rows])


def _of_run(
    row: Mapping[str, Any], registered: Sequence[str] | None, known: Mapping[str, tuple[Target, ...]]
) -> tuple[Target, ...]:
    names = registered or [str(row.get("experiment") or "")]
    return tuple(dict.fromkeys(target for name in names for target in known.get(name, known[""])))


def _judged(run_ids: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of each run's newest evaluation, with their intervals."""
    from nbmlops.store.runs import judged

    return judged(session.store(), run_ids) if run_ids else {}


def _words(agreed: Sequence[Target], row: Mapping[str, Any], judged: Metrics) -> list[tuple[Target, str]]:
    return [(t, _word(t, row.get(f"metrics.{t.name}"), judged.get(t.name))) for t in agreed]


def _word(target: Target, logged: Any, judged: Mapping[str, Any] | None) -> str:
    if judged and judged.get("low") is not None and judged.get("high") is not None:
        state = target.state(judged)
        return OF_INTERVAL.get(state, state)
    if not isinstance(logged, (int, float)) or not math.isfinite(logged):
        return "not measured"
    return "reached" if target.state({"value": logged}) == "shown" else "missed"
