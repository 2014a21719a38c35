"""What is told after a cell: where its order misleads, and tips about leakage. Warn, do not force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbmlops.capture.judged import Judged, judged
from nbmlops.hooks import service
from nbmlops.records import Finding
from nbmlops.tracking import session
from nbmlops.tracking.log import keep

if TYPE_CHECKING:
    from nbmlops.tracking.cell import TrackedCell

__all__ = ["of_cell", "scored"]


def of_cell(cell: TrackedCell) -> list[Finding]:
    """Return the findings of a cell that ended, and keep them with its run.

    Parameters
    ----------
    cell : TrackedCell
        One whose fits are known and whose run is open.
    """
    muted = session.project().setting("capture", "mute", ())
    found = [cell.order.finding()] if cell.order is not None else []
    if cell.seen.fits:
        fitted = [_fitted(fit, cell) for fit in cell.seen.every_fit]
        tested = [service("quality.leakage", "Scored")(j.name, j.features, j.target) for j in _judged(cell)]
        found += service("quality.leakage", "tips")(fitted, tested, mute=muted)
    found = [f for f in found if f.outcome != "not_applicable"]
    if found:
        keep("cell", "cell", {"findings": [f.to_dict() for f in found]}, cell.run_id)
    return found


def scored(cell: TrackedCell) -> list[tuple[str, Any, Any]]:
    """Return (name, features, target) of the data the cell's models were judged by."""
    return [(j.name, j.features, j.target) for j in _judged(cell)]


def _judged(cell: TrackedCell) -> list[Judged]:
    return judged(cell.python, cell.namespace)


def _fitted(fit: Any, cell: TrackedCell) -> Any:
    name = cell.names().get(id(fit.estimator)) or type(fit.estimator).__name__
    return service("quality.leakage", "Fitted")(name, fit.features, fit.target)
