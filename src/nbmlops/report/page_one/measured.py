"""How good the answers are: the key metrics against target, champion and the run before, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from textwrap import shorten
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Missing, Say, Table, Verdict, verdict
from nbmlops.report.text import as_float, count, finite, measured, number, when

__all__ = ["HEADLINES", "METRIC_HEADS", "blocks", "metric_rows", "targets_of", "tracked", "under"]

Json = Mapping[str, Any]
MOST, LONGEST, MOST_CHANGES = 5, 120, 3
HEADLINES = ("roc_auc", "mae", "accuracy", "share_gap", "rmse", "r2")
METRIC_HEADS = ("Metric", "Measured", "95 % interval", "Rows")
HIGHER = ("roc_auc", "accuracy", "r2")
LOWER = ("log_loss", "brier", "mae", "rmse", "share_gap")
BOUNDS = (("at_least", "at least"), ("at_most", "at most"))
AGAINST = "against"  # what the challenger measured on the rows of a comparison, where its own are others
DO = "%evaluate MODEL FRAME --target COLUMN"


def blocks(snapshot: Json) -> list[Block]:
    """Return what was shown, and the key metrics; what is not there is missing."""
    judged, found = facts.evaluation(snapshot), targets_of(snapshot)
    if judged is None:
        missing = Missing(f"No evaluation on held-out rows{'' if found else ', and no agreed targets'}", DO)
        return [missing, *_tracked(snapshot, found)]
    table = _table(snapshot, judged, found)
    if not found:
        whose = facts.whose(snapshot, "scientist")
        return [
            Missing("No targets were agreed to hold this against", f"write metrics in charter.yaml ({whose})"),
            table,
            *under(snapshot),
        ]
    shown = sum(f.get("outcome") == "passed" for f in found)
    words = f"{shown} of {count(len(found), 'agreed target')} shown on {number(judged.get('rows'))} held-out rows."
    return [Say(words), table, *under(snapshot)]


def tracked(snapshot: Json) -> dict[str, Any]:
    """Return the newest value of each metric the runs tracked, by its name; of two runs the first one's."""
    return {k: v for part in reversed(facts.all_parts(snapshot)) for k, v in (part.get("summary") or {}).items()}


def _tracked(snapshot: Json, targets: list[dict[str, Any]]) -> list[Block]:
    """Return what the runs tracked, those with a target first: a value without an interval shows nothing."""
    values, asked = tracked(snapshot), {str(t.get("column")): t.get("detail") or {} for t in targets}
    names = [*(n for n in asked if n in values), *(n for n in values if n not in asked)]
    rows = [
        (n, number(values[n]), _bound(asked.get(n, {})) or "-", Verdict("not shown" if n in asked else "no target"))
        for n in names[:MOST]
    ]
    if not rows:
        return []
    more = f", {len(names) - MOST} more below" if names[MOST:] else ""
    caption = f"Tracked by the run itself: on which rows is not known, without an interval{more}"
    return [Table(caption, ("Metric", "Tracked", "Target", "Verdict"), rows, numeric=(1,))]


def under(snapshot: Json) -> list[Block]:
    """Say what was judged under a charter of before, and what changed since; nothing where it is that in force."""
    found = (snapshot.get("charter") or {}).get("judged_under") or []
    return [Say(_under(told)) for told in found]


def _under(told: Json) -> str:
    changes = [str(change) for change in told["changed"]]
    more = f"; and {len(changes) - MOST_CHANGES} more" if changes[MOST_CHANGES:] else ""
    said = f": {'; '.join(changes[:MOST_CHANGES])}{more}" if changes else ""
    which = f"the charter of {when(told['at'])}" if told.get("at") else "another charter, which nobody recorded"
    return f"The {told['what']} was made under {which}, since changed{said}."


def targets_of(snapshot: Json) -> list[dict[str, Any]]:
    """Return the targets of the charter as it is now; without any, those the model was judged by when evaluated."""
    return [dict(f) for f in snapshot["targets"] or _then(snapshot)]


def _then(snapshot: Json) -> list[Json]:
    judged = facts.evaluation(snapshot) or {}
    return [f for f in judged.get("findings") or [] if f.get("code") == "target"]


def metric_rows(judged: Json) -> list[tuple[str, ...]]:
    """Return every metric with its interval and rows."""
    metrics = judged.get("metrics") or {}
    first = [name for name in HEADLINES if name in metrics]
    return [
        (name, *measured(m.get("value"), m.get("low"), m.get("high")), number(m.get("n")))
        for name, m in ((n, metrics[n]) for n in dict.fromkeys([*first, *metrics]))
    ]


def _table(snapshot: Json, judged: Json, targets: list[dict[str, Any]]) -> Table:
    compared, previous = snapshot.get("compared") or {}, snapshot.get("previous") or {}
    heads = ["Metric", "Measured [95 %]", "Rows", "Target", "Verdict"]
    heads += ["Champion", "Gain [95 %]"] if compared else []
    heads += ["Run before"] if previous else []
    by_name = {str(t.get("column")): t for t in targets}
    meanings = {t["name"]: str(t.get("meaning") or "") for t in (snapshot["charter"] or {}).get("metrics") or []}
    rows = [
        [
            *_own(name, judged, by_name.get(name), meanings.get(name, "")),
            *(_against(compared, name, judged) if compared else ()),
            *([_before(previous, name)] if previous else ()),
        ]
        for name in _chosen(judged, by_name, compared)
    ]
    caption = _caption(compared, previous)
    if any(f" {AGAINST} " in str(row[5]) for row in rows if compared):
        caption += f"; {AGAINST}: the challenger on the {number(compared.get('rows'))} rows both were compared on"
    gated = (facts.newest(snapshot, "gate") or {}).get("rows")
    if compared and gated and gated != judged.get("rows"):
        caption += f"; the answer above rests on the gate's {number(gated)} rows"
    return Table(caption, heads, rows, numeric=(2,))


def _chosen(judged: Json, targets: Mapping[str, Any], compared: Json) -> list[str]:
    """Return the metrics of the charter, what the gate compared, and the usual ones until there are some."""
    metrics = dict(judged.get("metrics") or {})
    if any(name.endswith("_share_gap") for name in targets):
        metrics.pop("share_gap", None)  # it is there under the name of what is shared
    gated = [n for n, m in (compared.get("metrics") or {}).items() if m.get("difference") and n in metrics]
    usual = [n for n in (*HEADLINES, *HIGHER, *LOWER) if n in metrics]
    return list(dict.fromkeys([*targets, *gated, *usual]))[:MOST]


def _of(known: Json, name: str) -> Json | None:
    """Return what is known of a metric; a share gap may carry the name of what is shared."""
    metrics = known.get("metrics") or {}
    return metrics.get(name) or (metrics.get("share_gap") if name.endswith("_share_gap") else None)


def _own(name: str, judged: Json, target: Json | None, meaning: str) -> tuple[str | Verdict, ...]:
    """Return a metric's name and direction, value, rows, target and verdict."""
    kept = _of(judged, name) or {}
    detail = (target or {}).get("detail") or {}
    value = target.get("effect") if target else kept.get("value")
    bounds = detail if target else kept
    asked, before = _bound(detail), _bound(_asked(judged, name))
    if asked and before not in ("", asked):
        asked = f"{asked} ({before} when evaluated)"
    asked = asked or ("none now" if before else "none agreed")
    judgement = verdict(detail.get("word") or target.get("outcome")) if target else Verdict("no target")
    says = f": {shorten(meaning, LONGEST, placeholder=' …')}" if meaning else ""
    about = f"{name}, {_direction(name, detail)}{says}"
    rows = number(kept.get("n") or judged.get("rows"))
    return about, _with_interval(value, bounds.get("low"), bounds.get("high")), rows, asked, judgement


def _bound(detail: Json) -> str:
    return next((f"{w} {number(detail[k])}" for k, w in BOUNDS if detail.get(k) is not None), "")


def _asked(judged: Json, name: str) -> Json:
    """Return what a target asked of a metric when the model was evaluated."""
    then = (f for f in judged.get("findings") or [] if f.get("code") == "target" and f.get("column") == name)
    return (next(then, None) or {}).get("detail") or {}


def _direction(name: str, detail: Json) -> str:
    if name in HIGHER or detail.get("at_least") is not None:
        return "higher is better"
    return "lower is better" if name in LOWER or detail.get("at_most") is not None else "neither way is better"


def _with_interval(value: Any, low: Any, high: Any, *, sign: bool = False, after: str = "") -> str:
    """Return a value, what is said of it, and its interval where it has one."""
    said, bounds = measured(value, low, high, sign=sign)
    return f"{said}{after}" if bounds == "-" else f"{said}{after} {bounds}"


def _against(compared: Json, name: str, judged: Json) -> tuple[str, str]:
    """Return the champion's value, and by how much the challenger is better; not shown where the interval crosses 0."""
    found = _of(compared, name)
    if found is None or not finite(as_float(found.get("champion"))):
        return "not measured", "-"
    where = _where(found, _of(judged, name) or {})
    gain = found.get("difference") or {}
    low, high = (as_float(gain.get(k)) for k in ("low", "high"))
    if not finite(as_float(gain.get("value"))):
        return f"{number(found['champion'])}{where}", "no interval" if found.get("same_rows") else "not comparable"
    unsure = "" if low > 0 or high < 0 else ", not shown"
    return f"{number(found['champion'])}{where}", _with_interval(gain["value"], low, high, sign=True, after=unsure)


def _where(found: Json, own: Json) -> str:
    """Return on which rows a champion was measured, where they are not those of the column beside it."""
    if not found.get("same_rows"):
        known = found.get("same_rows") is False or found.get("rows") != own.get("n")
        return " on other rows" if known else ", not known whether on the same rows"
    there, here = as_float(found.get("challenger")), as_float(own.get("value"))
    if finite(there, here) and not isclose(there, here, rel_tol=1e-9):
        return f" {AGAINST} {number(there)}"
    return "" if found.get("rows") == own.get("n") else f" on {number(found.get('rows'))} rows"


def _before(previous: Json, name: str) -> str:
    return number((_of(previous, name) or {}).get("value"))


def _caption(compared: Json, previous: Json) -> str:
    parts = ["Key metrics with 95 % intervals"]
    if compared:
        parts.append("a gain above zero speaks for the challenger")
    if previous:
        parts.append(f"the run before is of {when(previous.get('at'))}, on its own rows")
    return "; ".join(parts)
