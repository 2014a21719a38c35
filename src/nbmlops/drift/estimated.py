"""Estimated performance: what to expect of answers whose truth is not known yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.drift import performance
from nbmlops.drift.performance import MIN_ROWS, Known, Metrics
from nbmlops.errors import NbmlopsError
from nbmlops.quality import look
from nbmlops.records import Finding
from nbmlops.stats import estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CODE", "HeldOut", "finding"]

CODE = "performance_estimated"
ALERT_ROWS = 500  # fewer rows give an interval, and no alert
ASSUMED = {
    "chance": "assumed: a score means what it did on the held-out rows (CBPE; concept drift is not seen)",
    "number": "assumed: answers of one size are as far off as on the held-out rows (concept drift is not seen)",
    "class": "assumed: each answer is right as often as on the held-out rows (concept drift is not seen)",
}


@dataclass(frozen=True)
class HeldOut:
    """Answers and truth of rows no model was fitted on, and what is learned from them once.

    Parameters
    ----------
    load : callable
        Returns :class:`~nbmlops.drift.performance.Known`, or what is lacking.
    judged : bool
        They come from an evaluation, which checked that its rows are no training rows. Of any other frame it is not
        known, and an estimate from it raises no alert.
    """

    load: Callable[[], Known | str]
    judged: bool

    @cached_property
    def known(self) -> Known | str:
        """The rows, or what is lacking."""
        try:
            found = self.load()
        except NbmlopsError as error:  # an evaluation whose values are gone says so
            return str(error)
        if isinstance(found, str) or len(found.said) >= MIN_ROWS:
            return found
        return f"{len(found.said):,} held-out rows, {MIN_ROWS} are needed"

    @cached_property
    def learned(self) -> Any:
        """Calibration, error model, or the answers and whether each was right."""
        known = self.known
        assert isinstance(known, Known)
        if known.kind == "chance":
            return estimate.calibrate(known.said, known.truth)
        if known.kind == "number":
            return _errors(known)
        return known.said, known.said == known.truth


def finding(said: pd.Series[Any], held_out: HeldOut, reference: Mapping[str, Any] | None) -> Finding:
    """Return the finding on what can be expected of answers without truth, against the reference's metric.

    Parameters
    ----------
    said : Series of shape (n,)
        The probability of the positive class, a number, or a class; rows without an answer are left out.
    held_out : HeldOut
    reference : mapping or None
        Metric name to ``{"value", "low", "high"}``.

    Returns
    -------
    Finding
        Its detail holds the metrics, and what is assumed.
    """
    found = _expected(said.dropna(), held_out)
    if isinstance(found, str):
        return Finding(CODE, "skipped", f"insufficient data: {found}")
    name, kind = next(iter(found)), held_out.known.kind  # type: ignore[union-attr]
    first = performance.against(CODE, name, found[name], (reference or {}).get(name))
    small = found[name]["n"] < ALERT_ROWS
    if first.outcome == "issue" and (small or not held_out.judged):
        first = replace(first, outcome="warning")
    why = "" if held_out.judged else "; that the reference's rows are no training rows is not known"
    detail = {**first.detail, "estimated": True, "assumed": ASSUMED[kind], "expected": found}
    return replace(first, message=f"expected {first.message}; {ASSUMED[kind]}{why}", detail=detail)


def _expected(said: pd.Series[Any], held_out: HeldOut) -> Metrics | str:
    known, n = held_out.known, len(said)
    if n < MIN_ROWS:
        return f"{n:,} answers, {MIN_ROWS} are needed"
    if isinstance(known, str):
        return known
    if known.kind == "class":
        return {"accuracy": performance.plain(_accuracy(performance.texts(said), *held_out.learned), n)}
    if lacking := _unlike(said, known):
        return lacking
    values = look.numbers(said)
    if known.kind == "number":
        return {"mae": performance.plain(held_out.learned.absolute_error(values[:, None]), n)}
    return {k: performance.plain(v, n) for k, v in held_out.learned.performance(values).items()}


def _unlike(said: pd.Series[Any], known: Known) -> str:
    """Say why answers cannot be held against the held-out ones; classes are no probabilities, whatever their type."""
    what = "probabilities" if known.kind == "chance" else "numbers"
    if look.holds(said) not in ("numbers", "booleans"):
        return f"the answers are no {what}, those of the reference are"
    classes = {*np.unique(look.numbers(said)).tolist()} <= {0.0, 1.0}
    if known.kind == "chance" and classes and not {*np.unique(known.said).tolist()} <= {0.0, 1.0}:
        return "the answers are classes, those of the reference probabilities"
    return ""


def _errors(known: Known) -> estimate.ErrorModel:
    """Return the error model; its fits are pinned to one thread, for they are small."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1):
        return estimate.fit_errors(known.said[:, None], np.abs(known.said - known.truth))


def _accuracy(now: NDArray[Any], said: NDArray[Any], right: NDArray[Any]) -> Any:
    _, codes = np.unique(np.concatenate([said, now]), return_inverse=True)
    return estimate.accuracy(codes[: len(said)], right, codes[len(said) :])
