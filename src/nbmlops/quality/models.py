"""Check a fitted model: the tips about leakage in full, on what this process remembers of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.quality import leakage
from nbmlops.records import Check

__all__ = ["check_model", "is_model", "too_good"]


def is_model(value: Any) -> bool:
    """Tell whether a value is something that can be fitted, rather than data.

    >>> import pandas as pd
    >>> is_model(pd.DataFrame()), is_model("flights")
    (False, False)
    """
    return not isinstance(value, type) and callable(getattr(value, "fit", None))


def check_model(model: Any, rules: Any = None) -> Check:
    """Check a model for leakage, whatever it costs.

    Parameters
    ----------
    model : estimator
        Fitted in a tracked cell of this kernel, on rows that a variable still holds.
    rules : None
        A model has none.

    Returns
    -------
    Check
        A finding for each question of `nbmlops.quality.leakage`.

    Raises
    ------
    NotFound
        This kernel does not remember the rows.
    Invalid
        Rules were given.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> try:
    ...     check_model(LogisticRegression())
    ... except NotFound as error:
    ...     print(error)
    This kernel does not remember the rows the model was fitted on. Fit it in a %%track cell, its rows in a variable.
    """
    from nbmlops.capture import estimators
    from nbmlops.tracking import session

    if rules is not None:
        raise Invalid("A model has no rules.", "nb.check(model) looks for leakage; rules are for a frame.")
    known = estimators.training_data(model)
    if known is None:
        raise NotFound(
            "This kernel does not remember the rows the model was fitted on.",
            "Fit it in a %%track cell, its rows in a variable.",
        )
    name = type(model).__name__
    scored = [leakage.Scored(*one) for one in estimators.scored_data(model)]
    muted = session.project().setting("capture", "mute", ())
    findings = leakage.tips([leakage.Fitted(name, *known)], scored, mute=muted, full=True)
    return Check(name, tuple(findings), int((getattr(known[0], "shape", None) or [len(known[0])])[0]))


def too_good(issues: Sequence[str], subject: str) -> NotAllowed:
    """Return the error that stops a notebook whose model knows what it should not.

    >>> print(too_good(["late is the target under another name"], "Ridge"))
    The score of Ridge may be too good: late is the target under another name. Split again, or leave the column out.
    """
    return NotAllowed(
        f"The score of {subject} may be too good: {'; '.join(issues)}.", "Split again, or leave the column out."
    )
