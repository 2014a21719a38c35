"""What answers are worth: per outcome, per unit of error, without any model, and at which share of positives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.governance.written import given
from nbmlops.registry.targets import FILE

__all__ = ["OUTCOMES", "YEAR", "value"]

OUTCOMES = ("true_positive", "false_positive", "false_negative", "true_negative")
KEYS = ("unit", "per", "volume", "without", "prevalence", "error")
SHARES = ("low", "expected", "high")
PER = ("absolute", "squared")
YEAR = {"hour": 8766.0, "day": 365.25, "week": 52.18, "month": 12.0, "quarter": 4.0, "year": 1.0}  # of each in a year


def value(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``value`` of a charter.

    ``volume`` is ``{per, rows}``, with a period of ``YEAR``; ``prevalence`` becomes ``{low, expected, high}``, and
    ``error`` ``{cost, per, within}`` (cost of a unit of absolute or squared error, beyond what is tolerated).

    Raises
    ------
    Invalid
        A key that there is not, or what is no number.

    Examples
    --------
    >>> value({"unit": "EUR", "prevalence": 0.2})["prevalence"]
    {'low': 0.2, 'expected': 0.2, 'high': 0.2}
    >>> value({"error": {"cost": 3}})["error"]
    {'cost': 3.0, 'per': 'absolute', 'within': 0.0}
    """
    given.only("value", content, KEYS)
    _check_per(content.get("per") or {})
    found = {k: v for k, v in content.items() if v is not None}
    if "unit" in found:
        found["unit"] = given.text("value.unit", found["unit"])
    if found.get("volume"):
        found["volume"] = _volume(found["volume"])
    if content.get("without") is not None:
        found["without"] = given.number("value.without", content["without"])
    if content.get("prevalence") is not None:
        found["prevalence"] = _prevalence(content["prevalence"])
    if content.get("error") is not None:
        found["error"] = _error(content["error"])
    return found


def _check_per(per: Any) -> None:
    if not isinstance(per, Mapping):
        raise Invalid(f"{FILE}: value.per is {given.shown(per)}.", f"Write a number for each of {', '.join(OUTCOMES)}.")
    given.only("value.per", per, OUTCOMES)
    for outcome, worth in per.items():
        if isinstance(worth, bool) or not isinstance(worth, (int, float)) or not abs(worth) <= given.MOST:
            raise Invalid(
                f"{FILE}: value.per.{outcome} is {given.shown(worth)}.", "Write a number, negative for a cost."
            )


def _volume(said: Any) -> dict[str, Any]:
    """Return how many rows there are in which period: without either nothing comes to anything in a year."""
    volume = given.mapping("value.volume", said, ("per", "rows"), "{per: month, rows: 27000}")
    per = given.text("value.volume.per", volume.get("per"))
    if per not in YEAR:
        raise Invalid(f"{FILE}: value.volume.per is {per!r:.40}.", given.near(per, YEAR))
    return {"per": per, "rows": given.number("value.volume.rows", volume.get("rows"), 0)}


def _prevalence(said: Any) -> dict[str, float]:
    if not isinstance(said, Mapping):
        share = given.number("value.prevalence", said, 0, 1)
        return dict.fromkeys(SHARES, share)
    given.only("value.prevalence", said, SHARES)
    found = {k: given.number(f"value.prevalence.{k}", said.get(k), 0, 1) for k in SHARES}
    if not found["low"] <= found["expected"] <= found["high"]:
        raise Invalid(f"{FILE}: value.prevalence is not in order.", "Write {low: 0.15, expected: 0.2, high: 0.3}.")
    return found


def _error(said: Any) -> dict[str, Any]:
    error = given.mapping("value.error", said, ("cost", "per", "within"), "{cost: 3, per: absolute, within: 10}")
    per = error.get("per", "absolute")
    if per not in PER:
        raise Invalid(f"{FILE}: value.error.per is {given.shown(per)}.", given.near(str(per), PER))
    return {
        "cost": given.number("value.error.cost", error.get("cost"), 0),
        "per": per,
        "within": given.number("value.error.within", error.get("within", 0), 0),
    }
