"""How often something is flagged: in each value of a column, and now against before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid
from nbmlops.governance.flags.flag import DISMISSED
from nbmlops.governance.flags.unsettled import concerning
from nbmlops.records import Finding, Outcome, now
from nbmlops.registry.kept import private
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CODE", "by_column", "rising"]

CODE = "flags_rising"
DAYS, DAYS_BEFORE = 7, 28
FEWEST = 5  # flags of the newest days, below which nothing is said of a rate
ALPHA = 0.01
TIMES = 2.0  # a rate below so many times that of before is no alert
OWN = ("model", "feature", "segment", "prediction")  # kinds that are about a model itself


def by_column(subject: str, by: str) -> list[dict[str, Any]]:
    """Return of each value of a column how many predictions or rows there are and how many are flagged.

    Parameters
    ----------
    subject : str
        A model (its predictions whose inputs are kept) or a data set version (its kept rows).
    by : str
        A column; not a private one.

    Returns
    -------
    list of dict
        ``value n flagged share low high``, the most frequent value first; 95 % intervals.

    Raises
    ------
    NotFound
        Nothing is called so, or no rows of it are kept.
    Invalid
        The column is private, is not there, or has too many values.
    """
    from nbmlops.governance.flags.subjects import named
    from nbmlops.registry.segments import groups
    from nbmlops.stats import intervals

    if by in private():
        raise Invalid(f"{by} is private, so nothing is counted by it.", "Count by another column.")
    about = named(subject)
    if about.kind not in ("model", "dataset"):
        raise Invalid(f"{about.subject} is a {about.kind}.", "Count by a column of a model or data set.")
    rows, flagged = _predictions(subject) if about.kind == "model" else _rows(about.subject)
    found = []
    for label, places in groups(rows, [by]).items():
        k, n = int(flagged[places].sum()), len(places)
        share = intervals.share(k, n)
        about_it = {"value": label.removeprefix(f"{by}="), "n": n, "flagged": k}
        found.append({**about_it, "share": share.value, "low": share.low, "high": share.high})
    return found


def _predictions(ref: str) -> tuple[pd.DataFrame, Any]:
    """Return the inputs of a model's predictions, and which of these are flagged, by experts or in feedback."""
    from nbmlops.monitoring.returning.returned import returned

    case = returned(ref)
    of = {r["subject"] for r in _flags(kind="prediction")}
    of |= set(case.came.loc[case.came["kind"] == "flag", "prediction_id"])
    ids = case.said["prediction_id"]
    inputs, kept = case.inputs_of(ids.tolist())
    return inputs[kept].reset_index(drop=True), ids.isin(of).to_numpy(bool)[kept]


def _rows(ref: str) -> tuple[pd.DataFrame, Any]:
    """Return the kept rows of a data set version, and which of these are flagged."""
    import numpy as np

    from nbmlops.quality.versions import load_dataset

    rows = load_dataset(ref)
    flagged = np.zeros(len(rows), dtype=bool)
    start = f"{ref}#"
    for row in _flags(kind="row"):
        if str(row["subject"]).startswith(start):
            flagged[int(str(row["subject"]).removeprefix(start))] = True
    return rows, flagged


def _flags(**equal: str) -> list[dict[str, Any]]:
    from nbmlops.store import flags

    return [row for row in flags.listed(session.store(), **equal) if row["state"] != DISMISSED]


def rising(name: str, at: str | None = None) -> Finding:
    """Return whether a model is flagged more often in the last 7 days than in the 28 before.

    Flags are counted in proportion to the predictions made in both periods, or to the days where these are not kept; a
    subject counts once in each. An alert is at least twice the rate, at p < 0.01 (exact, one-sided).

    Parameters
    ----------
    name : str
        The model's name.
    at : str, optional
        An ISO time: the end of the newest period; now when absent.

    Examples
    --------
    >>> rising("late-flights").outcome  # doctest: +SKIP
    'skipped'
    """
    from nbmlops.registry.models import model_version
    from nbmlops.stats.rate import ratio
    from nbmlops.store import models

    end = at or now()
    middle, start = _earlier(end, DAYS), _earlier(end, DAYS + DAYS_BEFORE)
    made = models.listed(session.store(), model_version(name).name)
    start = max(start, min(v.created_at for v in made))
    rows = [r for r in concerning(name) if r["kind"] in OWN and r["state"] != DISMISSED]
    count_now, before = _counted(rows, middle, end), _counted(rows, start, middle)
    detail: dict[str, Any] = {"now": count_now, "before": before}
    if count_now < FEWEST:
        return _unknown(name, f"{count_now} flags in {DAYS} days, {FEWEST} are needed", detail)
    exposed, unit = _exposed(name, start, middle, end)
    detail |= {"exposed": exposed, "unit": unit}
    if min(exposed) <= 0:
        return _unknown(name, f"there is nothing before the last {DAYS} days", detail)
    found = ratio(count_now, exposed[0], before, exposed[1])
    more = found.value >= TIMES and found.p < ALPHA
    outcome: Outcome = "issue" if more else "passed"
    times = f"{found.low:.2g} to {found.high:.2g} times as often" if before else f"at least {found.low:.2g} times"
    message = f"Flags of {name}: {count_now} in the last {DAYS} days, {before} in those before ({times}, by {unit})"
    return Finding(CODE, outcome, message, "", found.value, "up" if found.value > 1 else "down", detail)


def _unknown(name: str, needed: str, detail: Mapping[str, Any]) -> Finding:
    return Finding(CODE, "skipped", f"Flags of {name}: insufficient data: {needed}", detail=detail)


def _counted(rows: list[dict[str, Any]], after: str, until: str) -> int:
    return len({(r["subject"], (r["data"]["said"] or {}).get("where")) for r in rows if after < r["at"] <= until})


def _exposed(name: str, start: str, middle: str, end: str) -> tuple[tuple[float, float], str]:
    """Return what the flags of both periods are in proportion to, the newest first, and its unit."""
    from nbmlops.store import predictions

    spans = ((middle, end), (start, middle))
    made = [predictions.made(session.store(), name, *span) for span in spans]
    if min(made) > 0:
        return (float(made[0]), float(made[1])), "predictions"
    return (_days(*spans[0]), _days(*spans[1])), "days"


def _days(start: str, end: str) -> float:
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 86_400)


def _earlier(at: str, days: int) -> str:
    return (datetime.fromisoformat(at) - timedelta(days=days)).isoformat(timespec="microseconds")
