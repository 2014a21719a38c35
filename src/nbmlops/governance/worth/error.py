"""What the answers of a regression are worth: what each error costs by the charter, against the best constant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbmlops.errors import Invalid, NotFound
from nbmlops.governance.charter import Charter
from nbmlops.governance.value import ROWS, TODAY, gained, over_best
from nbmlops.registry import values

__all__ = ["cost", "of_answers", "value"]

CONSTANT = {"absolute": "always answering the median", "squared": "always answering the mean"}
Json = Mapping[str, Any]


def value(evaluation: Json, charter: Charter, champion: Json | None = None) -> dict[str, Any]:
    """Return what a regression saves over a constant answer, per 1,000 rows.

    Raises
    ------
    Invalid
        The charter does not say what an error costs.
    NotFound
        The answers of the evaluation were not kept.
    """
    mine = values.of_same_rows(evaluation, evaluation)
    if mine is None:
        raise NotFound("The answers of this evaluation are not kept.", "Evaluate again on held-out rows.")
    _, said, truth = mine[0]
    found = of_answers(said, truth, charter)
    both = values.of_same_rows(evaluation, champion) if champion else None
    if champion:
        found["champion"] = {"same_rows": both is not None, "difference": None}
    if both is not None:
        new, old = (cost(s - t, charter) for _, s, t in both)
        more = gained(old - new)
        found["champion"] |= {"difference": more["expected"], **more, "n": len(new)}
    return found


def of_answers(said: ArrayLike, truth: ArrayLike, charter: Charter) -> dict[str, Any]:
    """Return what answers save over a constant one, from what was said and what came true.

    The constant is the median (the mean where squared errors cost) of what came true on these very rows, which favours
    doing without a model a little.

    Parameters
    ----------
    said, truth : array of shape (n,)
    charter : Charter
        With ``value.error``.
    """
    answers, real = (np.asarray(a, dtype=float) for a in (said, truth))
    if not len(real):
        raise Invalid("There are no rows to judge by.", "Evaluate on held-out rows.")
    mine = -cost(answers - real, charter)
    per = charter.value["error"]["per"]
    constant = float(np.median(real) if per == "absolute" else real.mean())
    ways: dict[str, Any] = {CONSTANT[per]: -cost(constant - real, charter)}
    if charter.value.get("without") is not None:
        ways[TODAY] = np.full(len(real), float(charter.value["without"]))
    told = [
        {"against": way, **gained(mine - other), "alone": ROWS * float(other.mean())} for way, other in ways.items()
    ]
    return over_best(told, len(real), charter)


def cost(errors: ArrayLike, charter: Charter) -> NDArray[np.float64]:
    """Return what each error costs: nothing within what is tolerated, beyond it by unit of absolute or squared error.

    Raises
    ------
    Invalid
        The charter does not say.
    """
    terms = charter.value.get("error")
    if not terms:
        hint = f"Add value.error to {charter.path}, such as {{cost: 3, per: absolute, within: 10}}."
        raise Invalid("The charter does not say what an error costs.", hint)
    beyond = np.maximum(np.abs(np.asarray(errors, dtype=float)) - terms["within"], 0.0)
    return np.asarray(terms["cost"] * (beyond if terms["per"] == "absolute" else beyond**2), dtype=float)
