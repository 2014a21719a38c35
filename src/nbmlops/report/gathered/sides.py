"""Runs side by side: what each was made of, and by how much one model's answers are better on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nbmlops.errors import NbmlopsError
from nbmlops.report import facts
from nbmlops.report.gathered.changes import cells
from nbmlops.report.text import as_float, number, short

__all__ = ["differing", "gated", "paired", "side"]

Json = Mapping[str, Any]
ABOUT = ("run_id", "experiment", "name", "kind", "status", "started_at", "duration_s", "author", "notebook")
JUDGED = ("model", "estimator", "task", "target", "rows", "metrics", "data")
WHOLE, MOST_FINDINGS = 100_000, 40
OPEN = ("issue", "warning")
METRICS = {"chance": ("roc_auc", "log_loss", "brier"), "number": ("mae", "rmse", "r2"), "class": ("accuracy",)}


def side(found: Json) -> dict[str, Any]:
    """Return what one run is compared by, from the facts of its own report.

    Parameters
    ----------
    found : mapping
        See :func:`nbmlops.report.snapshot.build`.
    """
    parts, judged = facts.all_parts(found), facts.evaluation(found)
    versions = facts.made(found)
    machine, ref = found.get("environment") or {}, versions[0]["ref"] if versions else None
    return {
        **{k: found["run"].get(k) for k in ABOUT},
        "ref": ref,
        "settings": _settings(parts),
        "metrics": {k: v for part in parts for k, v in part["summary"].items()},
        "data": _data(parts),
        "code": cells(parts, [part["run_id"] for part in parts]),
        "environment": _environment(parts, machine),
        "recorded": bool(machine),
        "evaluation": {k: judged.get(k) for k in JUDGED} if judged else None,
        "findings": [_short(f) for f in facts.findings(found) if f.get("outcome") in OPEN and _own(f, ref)][
            :MOST_FINDINGS
        ],
    }


def _settings(parts: Sequence[Json]) -> dict[str, str]:
    kept = [p for part in parts for p in part["params"] if p["origin"] != "default"]
    return {str(p["name"]): short(p["value"], WHOLE) for p in kept}


def _data(parts: Sequence[Json]) -> dict[str, str]:
    return {d["name"]: f"{number(d['rows'])} rows, {d['fingerprint'][:12]}" for part in parts for d in part["datasets"]}


def _environment(parts: Sequence[Json], machine: Json) -> dict[str, str]:
    git = next((part["git"] for part in parts if part.get("git")), None)
    commit = f"{str(git['commit'])[:12]}{', changed since' if git.get('dirty') else ''}" if git else None
    known = {"commit": commit, "Python": machine.get("python"), "platform": machine.get("platform")}
    named = {k: str(v) for k, v in known.items() if v}
    return named | {f"package {k}": str(v) for k, v in (machine.get("packages") or {}).items()}


def _own(finding: Json, ref: str | None) -> bool:
    """Tell whether a finding is of this side: an evaluation of another version in the same run is that one's."""
    return ref is None or finding["kind"] != "evaluation" or finding["subject"] == ref or "@" not in finding["subject"]


def _short(finding: Json) -> dict[str, Any]:
    return {k: finding.get(k) for k in ("outcome", "kind", "column", "message")}


def differing(sides: Sequence[Json], key: str) -> dict[str, list[Any]]:
    """Return what is not the same on every side, by its name: a value a side, None where it has none.

    >>> differing([{"settings": {"C": "1", "n": "3"}}, {"settings": {"C": "2", "n": "3"}}], "settings")
    {'C': ['1', '2']}
    """
    names = list(dict.fromkeys(name for one in sides for name in one[key]))
    rows = {name: [one[key].get(name) for one in sides] for name in names}
    return {name: values for name, values in list(rows.items()) if any(v != values[0] for v in values)}


def paired(challenger: Json | None, champion: Json | None, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """Return how much better one evaluation's model answers than another's, metric by metric on the same rows.

    Parameters
    ----------
    challenger, champion : mapping or None
        Evaluations as JSON.
    wanted : sequence of str
        The charter's metrics: the first that can be compared decides.

    Returns
    -------
    dict
        ``gains`` (metric, both values, difference, low, high, verdict, rows); or ``why`` it cannot be said.
    """
    from nbmlops.registry.values import of_same_rows

    if why := _apart(challenger, champion):
        return {"why": why}
    one, other = challenger or {}, champion or {}
    told = of_same_rows(one, other)
    if told is None:
        return {"why": _other_rows(one, other)}
    (kind, said, truth), (_, before, _) = told
    possible = METRICS[kind]
    names = sorted(possible, key=lambda m: (wanted.index(m) if m in wanted else len(wanted), possible.index(m)))
    try:
        gains = [_gain(name, kind, (said, before), truth) for name in names]
    except (NbmlopsError, ValueError) as error:
        return {"why": f"the difference cannot be computed: {error}".rstrip(".")}
    return {"gains": [{**gain, "rows": len(truth), "by": "evaluations"} for gain in gains]}


def gated(challenger: str | None, champion: str | None, results: Sequence[Json]) -> dict[str, Any] | None:
    """Return what the newest gate between two versions found, whichever of both was the challenger.

    Parameters
    ----------
    challenger, champion : str or None
        Model versions.
    results : sequence of mapping
        Those of all sides.
    """
    kept = sorted((r for r in results if r["kind"] == "gate"), key=lambda r: str(r["at"]), reverse=True)
    for result in kept if challenger and champion else ():
        data = result["data"]
        sides = data.get("challenger"), data.get("champion")
        if sides in ((challenger, champion), (champion, challenger)):
            return _of_gate(data, 1 if sides[0] == challenger else -1)
    return None


def _of_gate(data: Json, sign: int) -> dict[str, Any]:
    """Return a gate's difference, seen from the side that is asked about."""
    names = ("challenger_value", "champion_value", "difference", "low", "high")
    value, before, difference, low, high = (as_float(data.get(name)) for name in names)
    if sign < 0:
        value, before, difference, low, high = before, value, -difference, -high, -low
    about = {"metric": data.get("metric"), "value": value, "before": before, "rows": data.get("rows"), "by": "gate"}
    return about | {"difference": difference, "low": low, "high": high, "verdict": _word(low, high)}


def _word(low: float, high: float) -> str:
    return "better" if low > 0 else "worse" if high < 0 else "not shown"


def _apart(one: Json | None, other: Json | None) -> str:
    """Return why two evaluations answer no common question; nothing where they do."""
    if one is None or other is None:
        return "no evaluation on held-out rows is known of both"
    if one.get("target") != other.get("target"):
        return f"they answer different questions: {one.get('target')} and {other.get('target')}"
    if one.get("task") != other.get("task"):
        return f"one answers with a {one.get('task')} answer, the other with a {other.get('task')} one"
    return ""


def _other_rows(one: Json, other: Json) -> str:
    if not one.get("values") or not other.get("values"):
        return "the answers row by row were not kept of both"
    rows = number(one.get("rows")), number(other.get("rows"))
    return f"they were judged on other rows ({rows[0]} and {rows[1]})"


def _gain(metric: str, kind: str, said: tuple[Any, Any], truth: Any) -> dict[str, Any]:
    from nbmlops.governance.differences import gain

    challenger, champion = (_answers(kind, one, truth) for one in said)
    found = gain(metric, challenger, champion, 0.0)
    decided = found.difference
    word = _word(decided.low, decided.high)
    about = {"metric": metric, "value": found.challenger, "before": found.champion, "verdict": word}
    return about | {"difference": decided.value, "low": decided.low, "high": decided.high}


def _answers(kind: str, said: Any, truth: Any) -> Any:
    from nbmlops.registry.measures import Answers

    if kind == "chance":
        chances = np.column_stack([1 - said, said])
        return Answers("binary", said >= 0.5, chances, said, (False, True), truth)
    return Answers("regression" if kind == "number" else "multiclass", said, truth=truth)
