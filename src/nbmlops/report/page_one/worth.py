"""What acting on the answers is worth, in the charter's unit: against what can be done without, and the champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Fold, Missing, Say, Table
from nbmlops.report.text import as_float, finite, number, percent, signed

__all__ = ["blocks"]

Json = Mapping[str, Any]
OUTCOMES = ("true_positive", "false_positive", "false_negative", "true_negative")
NO_INTERVAL = {True: "answers not kept", False: "on other rows", None: "not known whether on the same rows"}
MEANS = ("acted on, and it came true", "acted on, and it did not", "not acted on, and it came true", "neither")


def blocks(snapshot: Json) -> list[Block]:
    """Return value with low, expected and high, what doing nothing costs, and how it was reckoned."""
    value = snapshot["value"]
    if not value or value.get("unknown"):
        return [_unknown(snapshot, value)]
    champion = value.get("champion")
    found: list[Block] = [_table(value), *_volume(value)]
    if not champion:
        found.append(_no_champion(snapshot))
    return [*found, _how(snapshot, value)]


def _unknown(snapshot: Json, value: Json | None) -> Missing:
    whose = facts.whose(snapshot, "stakeholder")
    if value:
        return Missing(f"What it is worth is not known: {value['unknown']}".rstrip("."), "mend it and report again")
    if not snapshot["charter"]:
        return Missing("What it is worth is not known", f"nbmlops charter new ({whose})")
    return Missing("What it is worth is not known", f"write value in charter.yaml ({whose}), and evaluate")


def _no_champion(snapshot: Json) -> Missing | Say:
    if rival := "" if facts.newest(snapshot, "gate") else facts.rival(snapshot):
        return Missing(f"Value against the champion, {rival}", "%gate compares them on the same rows, in this notebook")
    if facts.newest(snapshot, "gate"):
        return Missing("Value against the champion", "%evaluate the champion on the same rows in this notebook")
    return Say("There was no champion to compare it with.")


def _table(value: Json) -> Table:
    """Return the value per so many rows, each against something."""
    unit, per = str(value.get("unit") or "units"), number(value.get("per_rows"))
    rows = [_way(value, value)]  # the other ways without a model are in the fold: page one is one sheet
    if champion := value.get("champion"):
        rows.append(_against(champion))
    heads = (f"{unit} per {per} rows", "Low", "Expected", "High")
    return Table("Added value by the charter; low and high bound 95 % of cases", heads, rows, numeric=(1, 2, 3))


def _way(value: Json, way: Json) -> list[str]:
    """Return the row against a way to do without a model; a gain is claimed only over the best of them."""
    best = way.get("against") == value.get("against")
    several = len(value.get("alternatives") or ()) > 1
    name = f"against {way.get('against')}" + (", the best without a model" if best and several else "")
    name += "" if _sure(way) or not best else ": not shown"
    return [name, *(number(_rounded(way.get(k))) for k in ("low", "expected", "high"))]


def _against(champion: Json) -> list[str]:
    """Return the row against the champion; without an interval where the rows were not the same or are not known."""
    if finite(as_float(champion.get("low"))):
        name = "against the champion, on the same rows" + ("" if _sure(champion) else ": not shown")
        return [name, *(signed(_rounded(champion[k])) for k in ("low", "expected", "high"))]
    why = NO_INTERVAL[champion.get("same_rows")]
    return [f"against the champion (no interval: {why})", "-", signed(_rounded(champion.get("difference"))), "-"]


def _sure(difference: Json) -> bool:
    """Tell whether the interval of a difference is known and does not cross zero."""
    return as_float(difference.get("low")) > 0 or as_float(difference.get("high")) < 0


def _volume(value: Json) -> list[Block]:
    """Return what it comes to at the charter's volume, and what is lost where nothing is done."""
    volume, unit = value.get("volume"), str(value.get("unit") or "units")
    if not volume:
        return []
    about = f"At {number(volume.get('rows'))} rows a {volume.get('per')}"
    said = f"{about}: about {signed(_rounded(volume.get('expected')))} {unit} a {volume.get('per')}, "
    said += f"against {value.get('against')}{'' if _sure(value) else ', which is not shown'}."
    champion = value.get("champion") or {}
    more = as_float(champion.get("difference")) * as_float(volume.get("rows")) / as_float(value.get("per_rows"))
    if finite(more) and more:
        less = f"{number(_rounded(abs(more)))} {unit} a {volume.get('per')} {'less' if more > 0 else 'more'}"
        unsure = "" if _sure(champion) else ", which is not shown"
        said += f" If the champion stays: about {less}{unsure}."
    return [Say(said)]


def _how(snapshot: Json, value: Json) -> Fold:
    """Return formula and inputs: what each outcome is worth, and how often it came."""
    per = ((snapshot["charter"] or {}).get("value") or {}).get("per") or {}
    counts = value.get("outcomes") or _counts(facts.evaluation(snapshot) or {}, value.get("threshold"))
    total = sum(counts.values())
    rows = [
        [means, number(per.get(o)), number(counts.get(o)), percent(counts[o] / total) if total and o in counts else "-"]
        for o, means in zip(OUTCOMES, MEANS, strict=True)
    ]
    per_rows, threshold = (number(value.get(k)) for k in ("per_rows", "threshold"))
    words = [
        f"Value = how often each outcome came times what it is worth, summed, per {per_rows} rows, less the same "
        f"{value.get('against')}.{_others(value)}",
        _chosen(value, threshold) + " The interval takes rows as independent of each other.",
    ]
    heads = ("Outcome", f"Worth in {value.get('unit') or 'units'}", "Rows", "Share")
    table = Table("Inputs: worth from the charter, rows from the evaluation", heads, rows, numeric=(1, 2, 3))
    return Fold("How the value is reckoned", [Say(" ".join(words)), table])


def _others(value: Json) -> str:
    """Return what the model gains over each way without a model that is not the best one."""
    unit = str(value.get("unit") or "units")
    said = ""
    for way in (value.get("alternatives") or ())[1:]:
        low, expected, high = (number(_rounded(way.get(k))) for k in ("low", "expected", "high"))
        said += f" Against {way.get('against')} it is {expected} {unit} ({low} to {high})."
    return said


def _chosen(value: Json, threshold: str) -> str:
    """Return how the threshold was chosen."""
    if how := value.get("threshold_chosen"):
        return f"Each half of the rows is acted on by the threshold chosen {how}; the best on all is {threshold}."
    return f"Rows are acted on from {threshold}: the best on these same rows, so the figure is a little optimistic."


def _counts(judged: Json, threshold: Any) -> dict[str, int]:
    """Return how often each outcome came at a threshold."""
    confusion = judged.get("confusion") or {}
    places = confusion.get("threshold") or []
    if threshold not in places:
        return {}
    place = places.index(threshold)
    return {o: int(confusion[o][place]) for o in OUTCOMES if confusion.get(o)}


def _rounded(value: Any) -> Any:
    """Return a sum without cents, where it is large enough for that."""
    known = as_float(value)
    return float(f"{known:.3g}") if finite(known) else None
