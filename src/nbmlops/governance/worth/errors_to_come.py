"""What a model of numbers is worth before there is one: what errors as large as its target cost, against today."""

from __future__ import annotations

from typing import Any

from nbmlops.governance.charter import Charter
from nbmlops.governance.value import ROWS, TODAY
from nbmlops.registry.targets import Target

__all__ = ["METRICS", "break_even", "estimate", "target"]

METRICS = {"absolute": "mae", "squared": "rmse"}  # what an error costs is told by
Json = dict[str, Any]


def target(charter: Charter) -> Target | None:
    """Return the target that says how large errors may be; None where there is none."""
    name = METRICS[charter.value["error"]["per"]]
    return next((t for t in charter.metrics if t.name == name and t.at_most), None)


def estimate(charter: Charter) -> Json | None:
    """Return what errors as large as the target cost less than what is done today; None where neither is said.

    Low is that of the bound of viability (a third more than the target where none is said), high of a third less.

    Parameters
    ----------
    charter : Charter
        With ``value.error``, ``value.without``, and a target of ``mae`` (``rmse`` where squared errors cost).
    """
    agreed, today = target(charter), charter.value.get("without")
    if agreed is None or today is None:
        return None
    goal = float(agreed.at_most or 0)
    errors = (agreed.viable if agreed.viable is not None else goal * 4 / 3, goal, goal * 2 / 3)
    gains = [ROWS * (-_cost(e, charter) - today) for e in errors]
    assumed = [f"{agreed.name} of {errors[0]:.4g}, {goal:.4g}, {errors[2]:.4g}, from the charter's target"]
    if charter.value["error"]["within"]:
        assumed.append("errors that are tolerated are counted too: it is worth at least so much")
    found = {"unit": str(charter.value.get("unit") or ""), "per_rows": ROWS, "against": TODAY, "assumed": assumed}
    return {**found, **dict(zip(("low", "expected", "high"), gains, strict=True)), "errors": list(errors)}


def break_even(needed: float, charter: Charter) -> float | None:
    """Return the largest error at which a row is worth so much more than today; None where no error is small enough.

    Parameters
    ----------
    needed : float
        A row, in the unit of the charter's value.
    charter : Charter
    """
    terms = charter.value["error"]
    room = -float(charter.value["without"]) - needed
    if room < 0 or not terms["cost"]:
        return None
    size = room / float(terms["cost"])
    return size if terms["per"] == "absolute" else float(size**0.5)


def _cost(error: float, charter: Charter) -> float:
    """Return what a row costs on average where errors are so large: exact where none is tolerated."""
    terms = charter.value["error"]
    return float(terms["cost"] * (error if terms["per"] == "absolute" else error**2))
