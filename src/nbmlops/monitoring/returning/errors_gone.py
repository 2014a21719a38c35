"""How many of the errors of an increment are gone with another model, and what it gets wrong that was right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.monitoring.returning.increment import CHECK, LEARN, OWN, SUFFIX, Increment, increment_of, wrong_in
from nbmlops.monitoring.returning.joined import ALIKE, right_then
from nbmlops.monitoring.returning.returned import Returned, returned
from nbmlops.records import Finding, Outcome, plain
from nbmlops.registry import measures, sketch
from nbmlops.registry.subject import Subject, subject_of
from nbmlops.stats import intervals
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ErrorsGone", "errors_gone"]

FEWEST = 10  # errors a share is told of
MOST_RIGHT = 20_000  # rows that were right and are asked again, drawn by chance
FITTED, HELD_OUT, UNKNOWN = "fitted", "held out", "not known"


@dataclass(frozen=True, repr=False)
class ErrorsGone(Shown):
    """What became of the errors of an increment, apart for rows to check with and rows to learn from."""

    shows: ClassVar[str] = "errors_gone"

    model: str
    increment: str
    check: Mapping[str, Any]  # n, gone, share, low, high, seen ("held out", "fitted", "not known")
    learn: Mapping[str, Any]
    right: Mapping[str, Any]  # n, wrong, share, low, high, seen: of rows of that time that were right
    findings: tuple[Finding, ...] = ()
    balance: float | None = None  # wrong rows of that time less, as a share of all whose outcome is known
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def n(self) -> int:
        """Errors that judge: those of the part to check with."""
        return int(self.check["n"])

    @property
    def gone(self) -> int:
        """How many of them are gone."""
        return int(self.check["gone"])

    @property
    def share(self) -> float | None:
        """Their share."""
        found: float | None = self.check["share"]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        more = {"n": self.n, "gone": self.gone, "share": self.share}
        return {**plain(self), **more, "findings": [f.to_dict() for f in self.findings]}


def errors_gone(model: Any, increment: str | None = None) -> ErrorsGone:
    """Say how many errors of a training increment are gone with a model, and what was right and is wrong now.

    Only the half that is to check with judges. Rows the model was fitted on, as far as its fit is known, are told as
    *fitted* and judge nothing; neither do those of which it is *not known*: the fit is not, or most of its rows have a
    twin and some of these rows are equal to them. Any other model errs on other rows: so both sides are told, and their
    balance.

    Parameters
    ----------
    model : estimator or str
        Fitted, or registered such as ``"late-flights@2"``.
    increment : str, optional
        Such as ``"late-flights-increment@2"``; the newest of a registered model when absent.

    Returns
    -------
    ErrorsGone
        ``check``, ``learn`` and ``right``: counts, shares with Wilson's interval, and whether the model saw the rows.

    Raises
    ------
    NotFound
        No such model or increment, or its rows were not kept.
    Invalid
        An estimator without ``increment``, or the increment lacks columns the model takes.

    Examples
    --------
    >>> nb.errors_gone("late-flights@2").check["gone"]  # doctest: +SKIP
    61
    """
    subject = subject_of(model)
    if increment is None and subject.version is None:
        raise Invalid("Which errors?", 'Name the increment: nb.errors_gone(model, "late-flights-increment@1").')
    made = increment_of(increment or f"{subject.version.name}{SUFFIX}")  # type: ignore[union-attr]
    case, frame = returned(made.model), made.to_frame()
    truth, before = (case.labels(frame[c]) for c in (made.target, "prediction"))
    wrong = wrong_in(made, before, truth)
    columns = _columns(subject, [c for c in frame.columns if c not in (*OWN, made.target)])
    parts = {}
    for part in (CHECK, LEARN):
        chosen = wrong & (frame["part"] == part).to_numpy(dtype=bool)
        still = _still_wrong(subject, made, case, frame.loc[chosen, columns], truth[chosen])
        parts[part] = _told("gone", ~still, subject, frame.loc[chosen, columns])
    right, errors, known, notes = _right(subject, made, case, frame, columns)
    balance = _balance(parts[CHECK], right, errors, known)
    found = ErrorsGone(
        subject.name,
        str(made.dataset),
        parts[CHECK],
        parts[LEARN],
        right,
        tuple(_findings(parts, right, balance)),
        balance,
        tuple(notes),
    )
    session.keep("errors_gone", subject.name, found.to_dict())
    return found


def _columns(subject: Subject, there: list[str]) -> list[str]:
    """Return the columns a model takes; an increment without one of them cannot ask it."""
    named = subject.version.signature["columns"] if subject.version else None
    wanted = [c["name"] for c in named] if named else list(getattr(subject.estimator, "feature_names_in_", there))
    if absent := [c for c in wanted if c not in there]:
        raise Invalid(
            f"The increment lacks columns {subject.name} takes: {', '.join(absent)}.",
            "Private columns are not recorded: nb.training_increment(name, data=frame) takes the rows themselves.",
        )
    return [str(c) for c in wanted]


def _still_wrong(
    subject: Subject, made: Increment, case: Returned, features: pd.DataFrame, truth: NDArray[Any]
) -> NDArray[np.bool_]:
    """Ask the model, BLAS and OpenMP pinned to one thread; tell which of its answers are wrong."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if not len(features):
        return np.zeros(0, dtype=bool)
    with threadpool_limits(limits=1):
        said = measures.ask(subject.estimator, features).predicted
    return wrong_in(made, case.labels(said.tolist()), truth)


def _told(what: str, happened: NDArray[np.bool_], subject: Subject, features: pd.DataFrame) -> dict[str, Any]:
    """Return a count with its share and interval, and whether the model was fitted on these rows."""
    n, k = len(happened), int(happened.sum())
    bounds = intervals.share(k, n)._asdict() if n else {"value": None, "low": None, "high": None}
    return {"n": n, what: k, "share": bounds.pop("value"), **bounds, "seen": _seen(subject, features)}


def _seen(subject: Subject, features: pd.DataFrame) -> str:
    """Tell whether a model was fitted on rows: from the rows of its fit where they are at hand, else its sketch."""
    from nbmlops.capture.estimators import training_data

    fit = training_data(subject.estimator)
    known = sketch.made(fit[0], list(features.columns)) if fit else (subject.fitted_on or {}).get("sketch")
    if not known or not len(features):
        return UNKNOWN
    found = sketch.finding(known, features)
    if found.outcome == "passed" and found.effect and known["alike"] >= ALIKE:
        return UNKNOWN  # some equal rows of the fit, as rows of others would
    return {"skipped": UNKNOWN, "passed": HELD_OUT}.get(found.outcome, FITTED)


def _right(
    subject: Subject, made: Increment, case: Returned, frame: pd.DataFrame, columns: list[str]
) -> tuple[dict[str, Any], int, int, list[str]]:
    """Return what is wrong now of rows that were right then, how many were wrong then, of how many, and notes."""
    found = right_then(made, case, frame, 2 * MOST_RIGHT)
    notes = [f"{found.gone:,} rows of that time have no inputs any more"] if found.gone else []
    if absent := [c for c in columns if c not in found.features]:
        notes.append(f"rows that were right cannot be asked again: {', '.join(absent)} is not recorded")
        none = _told("wrong", np.zeros(0, dtype=bool), subject, found.features.iloc[:0])
        return none, found.errors, found.known, notes
    features = found.features.loc[~found.learn, columns]  # the half nothing learnt from
    broken = _still_wrong(subject, made, case, features, found.truth[~found.learn])
    return _told("wrong", broken, subject, features), found.errors, found.known, notes


def _balance(check: Mapping[str, Any], right: Mapping[str, Any], errors: int, known: int) -> float | None:
    """Return by how much the share of wrong rows of that time falls, judged by both sides."""
    if not known or min(check["n"], right["n"]) < FEWEST or {check["seen"], right["seen"]} != {HELD_OUT}:
        return None
    return float((errors * check["share"] - (known - errors) * right["share"]) / known)


def _findings(parts: Mapping[str, Mapping[str, Any]], right: Mapping[str, Any], balance: float | None) -> list[Finding]:
    check = parts[CHECK]
    told = f"{check['gone']:,} of {check['n']:,} errors are gone{_share(check)}"
    if check["n"] < FEWEST:
        found = [Finding("errors_gone", "skipped", f"insufficient data: {told}; {FEWEST} errors are needed")]
    elif check["seen"] == FITTED:
        message = f"{told}, but the model was fitted on these rows: it says nothing of others"
        found = [Finding("errors_gone", "warning", message, "", check["share"])]
    elif check["seen"] == UNKNOWN:
        message = f"{told}; whether the model saw these rows is not known"
        found = [Finding("errors_gone", "skipped", message, "", check["share"])]
    else:
        found = [Finding("errors_gone", "passed", f"{told}, on rows it did not learn from", "", check["share"])]
    if right["n"]:
        words = {FITTED: ", and it was fitted on some of them", UNKNOWN: "; whether it saw them is not known"}
        seen = words.get(right["seen"], "")
        message = f"{right['wrong']:,} of {right['n']:,} rows that were right are wrong now{_share(right)}{seen}"
        quiet: Outcome = "skipped" if right["seen"] == UNKNOWN else "passed"
        found.append(Finding("right_before", "warning" if right["wrong"] else quiet, message, "", right["share"]))
    if balance is not None:
        message = f"on balance {100 * abs(balance):.2g} % of the rows of that time {'fewer' if balance > 0 else 'more'}"
        found.append(Finding("balance", "passed" if balance > 0 else "warning", f"{message} are wrong", "", balance))
    if (learn := parts[LEARN])["n"]:
        words = {FITTED: "fitted: it learnt from them", HELD_OUT: "it did not learn from them"}
        how = words.get(learn["seen"], "whether it saw them is not known")
        message = f"to learn from: {learn['gone']:,} of {learn['n']:,} gone ({how})"
        found.append(Finding("learnt", "passed" if learn["seen"] == HELD_OUT else "not_applicable", message))
    return found


def _share(told: Mapping[str, Any]) -> str:
    if told["share"] is None:
        return ""
    return f" ({100 * told['share']:.3g} % [{100 * told['low']:.3g}, {100 * told['high']:.3g}])"
