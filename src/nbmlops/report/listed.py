"""Which reports there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.hooks import Shown
from nbmlops.report.kinds.kind import subject_of
from nbmlops.store import reports as stored
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Listed", "listed", "reports", "rows"]

COLUMNS = ("kind", "name", "number", "answer", "title", "as_of", "made_at", "question", "because", "subject", "run_id")


@dataclass(frozen=True, repr=False)
class Listed(Shown):
    """Reports as a table, for people; the last made first."""

    shows: ClassVar[str] = "reports"

    reports: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"reports": [dict(row) for row in self.reports]}


def listed(ref: Any = None) -> Listed:
    """Return reports as a table to look at (:func:`reports` returns the same as a DataFrame).

    Examples
    --------
    >>> listed("late-flights@champion")  # doctest: +SKIP
    """
    return Listed(tuple(rows(ref)))


def reports(ref: Any = None) -> pd.DataFrame:
    """Return the reports that were made, or those of one subject, as a table: the last made first.

    Parameters
    ----------
    ref : optional
        What :func:`report` takes; all when absent.

    Returns
    -------
    pandas.DataFrame
        One row a number: ``kind``, ``name``, ``number``, ``answer``, ``title``, ``as_of``, ``made_at``, ``question``,
        ``because``, ``subject``, ``run_id``, ``digest``.

    Raises
    ------
    NotFound
        Nothing is called so.

    Examples
    --------
    >>> nb.reports("late-flights@champion")[["number", "answer", "made_at"]]  # doctest: +SKIP
    """
    import pandas as pd

    return pd.DataFrame(rows(ref), columns=[*COLUMNS, "digest"])


def rows(ref: Any = None) -> list[dict[str, Any]]:
    """Return reports as flat rows."""
    subject = None if ref is None else subject_of(ref).key
    found = stored.listed(session.store(), subject)
    return [{**{c: getattr(r, c, r.data.get(c)) for c in COLUMNS}, "digest": r.digest} for r in found]
