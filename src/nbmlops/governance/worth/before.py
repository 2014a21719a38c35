"""What a project is worth before there is any model: low, expected, high, and from which quality on it pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.governance.charter import OUTCOMES, Charter
from nbmlops.governance.value import ROWS, per_outcome, without_model
from nbmlops.governance.worth import errors_to_come
from nbmlops.governance.written.plan import Deliverable
from nbmlops.governance.written.worth import YEAR
from nbmlops.stats import binormal

__all__ = ["deliverables", "estimate", "gaps", "quality"]

AUC = (0.6, 0.7, 0.8)
UNKNOWN: Mapping[str, Any] = dict.fromkeys(("chance", "auc", "recall", "precision", "error", "reached"))
Json = dict[str, Any]


def estimate(charter: Charter, auc: Sequence[float] | None = None) -> Json | None:
    """Return what a model may be worth over the best without one; None where the charter does not say enough.

    Of a model of numbers they are those of errors as large as the charter's target; see :mod:`errors_to_come`.

    Low, expected and high are those of every pair of a quality and a share of positives. The ROC curve is taken as
    binormal, and the best threshold is taken.

    Parameters
    ----------
    charter : Charter
        With ``value.per`` and ``value.prevalence``.
    auc : sequence of three float, optional
        Low, expected and high area under the curve; from the target of ``roc_auc`` when absent, else 0.6, 0.7, 0.8.

    Raises
    ------
    Invalid
        The three are no areas from 0.5 to 1 in order.
    """
    if _of_numbers(charter):
        return _of_errors(charter, auc)
    if _unsaid(charter) or not charter.value.get("prevalence"):
        return None
    areas, assumed = quality(charter, auc)
    shares = charter.value["prevalence"]
    points = [_point(charter, a, s) for a in areas for s in (shares["low"], shares["expected"], shares["high"])]
    gains = [p["gain"] for p in points]
    found = {
        "unit": str(charter.value.get("unit") or ""),
        "per_rows": ROWS,
        "low": min(gains),
        "expected": points[4]["gain"],
        "high": max(gains),
        "against": points[4]["against"],
        "auc": list(areas),
        "prevalence": dict(shares),
        "assumed": [assumed, "the ROC curve is binormal", "rows are acted on by the best threshold"],
        "qualities": [_point(charter, a, shares["expected"]) for a in areas],
    }
    return found | _over_time(charter, found) | {"break_even": _break_even(charter, shares["expected"])}


def quality(charter: Charter, auc: Sequence[float] | None) -> tuple[tuple[float, float, float], str]:
    """Return low, expected and high area under the curve, and where they come from."""
    if auc is not None:
        low, expected, high = _checked(auc)
        return (low, expected, high), "areas under the curve as given"
    target = next((t for t in charter.metrics if t.name == "roc_auc" and t.at_least is not None), None)
    if target is None or not 0.5 < float(target.at_least or 0) < 1:
        return AUC, "areas under the curve of 0.6, 0.7, 0.8, for the charter has no target of roc_auc from 0.5 to 1"
    expected = float(target.at_least or 0)
    low = target.viable if target.viable is not None else 0.5 + (expected - 0.5) / 2
    return (max(0.5, low), expected, expected + (1 - expected) / 3), "areas under the curve around the charter's target"


def gaps(charter: Charter) -> list[Json]:
    """Return what the charter does not say that an estimate needs, and whose it is to say."""
    value, per, left = charter.value, charter.value.get("per"), _unsaid(charter)
    key, worth = "value.per", "what each outcome is worth"
    if per and left:
        key, worth = f"value.per.{left[0]}", f"what a {left[0].replace('_', ' ')} is worth"
    costs = charter.effort is not None and charter.effort.cost is not None
    wanted = [
        *(_gaps_of_errors(charter) if _of_numbers(charter) else [(key, worth, "stakeholder", not left)]),
        ("value.prevalence", "how many of the rows are positive", "expert", value.get("prevalence") or not per),
        ("value.volume", "how many rows there are a month", "product", value.get("volume")),
        ("effort", "people, weeks, and what a person costs a week", "manager", costs),
        ("budget", "how much may be spent", "manager", charter.budget),
    ]
    return [
        {"key": key, "says": says, "role": role, "people": list(charter.roles.get(role, ()))}
        for key, says, role, there in wanted
        if not there
    ]


def _unsaid(charter: Charter) -> list[str]:
    """Return the outcomes of which the charter does not say what they are worth."""
    return [o for o in OUTCOMES if o not in (charter.value.get("per") or {})]


def _of_numbers(charter: Charter) -> bool:
    """Tell whether the charter speaks of a model of numbers alone: of errors, and of no outcome."""
    return bool(charter.value.get("error")) and not charter.value.get("per")


def deliverables(charter: Charter) -> list[Json]:
    """Return the deliverables by value per week of work, the most first; those of which it is not known come last."""
    found = [
        {"name": d.name, "value": d.value, "weeks": d.weeks, "per_week": _per_week(d)} for d in charter.deliverables
    ]
    return sorted(found, key=lambda d: -d["per_week"] if d["per_week"] is not None else float("inf"))


def _gaps_of_errors(charter: Charter) -> list[tuple[str, str, str, Any]]:
    name = errors_to_come.METRICS[charter.value["error"]["per"]]
    today = charter.value.get("without") is not None
    return [
        ("value.without", "what a row is worth today, without a model", "stakeholder", today),
        ("metrics", f"a target of {name}, how large errors may be", "scientist", errors_to_come.target(charter)),
    ]


def _of_errors(charter: Charter, auc: Sequence[float] | None) -> Json | None:
    """Return the estimate of a model of numbers, with the largest error at which it pays within a year."""
    if auc is not None:
        raise Invalid("The charter values errors of numbers, and an area is of two classes.", "Leave --auc out.")
    found = errors_to_come.estimate(charter)
    if found is None:
        return None
    takes = _takes(charter)
    needed = takes["cost"] / takes["rows"] if takes["cost"] is not None and takes["rows"] else None
    error = None if needed is None else errors_to_come.break_even(needed, charter)
    about = {"error": error, "reached": None if needed is None else error is not None}
    return found | _over_time(charter, found) | {"break_even": {**takes, **UNKNOWN, **about}}


def _per_week(deliverable: Deliverable) -> float | None:
    return deliverable.value / deliverable.weeks if deliverable.value is not None and deliverable.weeks else None


def _checked(auc: Sequence[float]) -> tuple[float, float, float]:
    areas = tuple(float(a) for a in auc)
    if len(areas) != 3 or not 0.5 <= areas[0] <= areas[1] <= areas[2] <= 1:
        said = ", ".join(f"{a:g}" for a in areas[:5])
        raise Invalid(f"{said} are no low, expected and high area under the curve.", "Write 0.6,0.7,0.8.")
    return areas


def _point(charter: Charter, auc: float, share: float) -> Json:
    """Return what one quality at one share of positives gains per 1,000 rows over the best without a model."""
    worth = per_outcome(charter)
    hit, alarm, miss, quiet = worth.tolist()
    acting = binormal.best(auc, share, (hit, alarm, miss, quiet))
    way, alone = _without(charter, share)
    about = {"auc": auc, "prevalence": share, "gain": ROWS * (acting.value - alone), "against": way}
    return about | {"recall": acting.recall, "precision": acting.precision}


def _without(charter: Charter, share: float) -> tuple[str, float]:
    """Return the best that can be done without a model, and what a row is worth then."""
    ways = without_model(per_outcome(charter), charter)  # of a row that is positive, and of one that is not
    worth = {way: float(share * each[0] + (1 - share) * each[1]) for way, each in ways.items()}
    best = max(worth, key=lambda way: worth[way])
    return best, worth[best]


def _over_time(charter: Charter, found: Mapping[str, Any]) -> Json:
    """Return what that comes to in a period of the volume, and in a year."""
    volume = charter.value.get("volume") or {}
    rows, per = float(volume.get("rows") or 0), str(volume.get("per") or "")
    if not rows:
        return {"volume": None, "year": None}
    period = {k: found[k] * rows / ROWS for k in ("low", "expected", "high")}
    year = {k: v * YEAR[per] for k, v in period.items()} if per in YEAR else None
    return {"volume": {"per": per, "rows": rows, **period}, "year": year}


def _takes(charter: Charter) -> Json:
    """Return what it takes, the effort, else the budget, over how many rows a year.

    Where the budget is in another unit than the value, that unit is told and no cost: a gain in hours covers no euros,
    and what a person costs is in the unit of the budget.
    """
    volume = charter.value.get("volume") or {}
    a_year = float(volume.get("rows") or 0) * YEAR.get(str(volume.get("per") or ""), 0.0)
    mine, its = (str(side.get("unit") or "") for side in (charter.value, charter.budget))
    if mine and its and mine.casefold() != its.casefold():
        return {"cost": None, "rows": a_year or None, "other_unit": its}
    effort = charter.effort.cost if charter.effort else None
    cost = charter.budget.get("amount") if effort is None else effort
    return {"cost": cost, "rows": a_year or None, "other_unit": ""}


def _break_even(charter: Charter, share: float) -> Json:
    """Return from which quality on a model covers what it takes within a year, and what acting needs to pay."""
    hit, alarm, miss, quiet = per_outcome(charter).tolist()
    up, down = hit - miss, quiet - alarm
    found = {**_takes(charter), **UNKNOWN, "chance": down / (up + down) if up > 0 and down > 0 else None}
    if found["cost"] is None or not found["rows"]:
        return found
    worth = (hit, alarm, miss, quiet)
    auc = binormal.break_even(_without(charter, share)[1] + found["cost"] / found["rows"], share, worth)
    if auc is None:
        return found | {"reached": False}
    acting = binormal.best(auc, share, worth)
    return found | {"auc": auc, "recall": acting.recall, "precision": acting.precision, "reached": True}
