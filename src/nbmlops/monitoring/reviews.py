"""Reviews: how a model did in one period after another, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbmlops.monitoring.performance import Performance, counted, judged, mature, numbers
from nbmlops.records import ModelVersion
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.monitoring.performance import Numbers

__all__ = ["DAYS", "FEWEST", "Review", "reviews"]

FEWEST = 200  # outcomes below which nothing is said of a period, as drift says nothing of performance
DAYS = 30
LOOKED_BACK = 24  # periods without labels


@dataclass(frozen=True)
class Review:
    """One period of predictions whose outcomes are known: its label or its days, and how well they came true."""

    name: str
    since: str
    performance: Performance
    to_come: str = ""  # why its outcomes cannot be judged yet
    confusion: Mapping[str, Any] | None = None  # what came true at each threshold, as an evaluation counts it
    numbers: Numbers | None = None  # of a regression: what was said, and what came true

    @property
    def known(self) -> int:
        """How many outcomes it rests on."""
        return self.performance.known


def reviews(version: ModelVersion, alone: bool = True, days: int | None = None, most: int = 2) -> list[Review]:
    """Return the newest periods in which enough outcomes are known, the newest first.

    A period is what was predicted under one label; of predictions without any, so many days counted back from the last.

    Parameters
    ----------
    version : ModelVersion
    alone : bool
        Only what this version said; else all versions of the model.
    days : int, optional
        Length of a period without labels; 30 when absent.
    most : int
        How many. A period whose outcomes are still to come stands among them and counts for none.

    Examples
    --------
    >>> [r.name for r in reviews(nb.model_version("late-flights@champion"))]  # doctest: +SKIP
    ['2013-05', '2013-04']
    """
    from nbmlops.monitoring.predicting.recorded import known_late
    from nbmlops.store import predictions as stored

    only = version.version if alone else None
    spans = stored.periods(session.store(), version.name, only, known_late(version.name))
    labelled = [s for s in reversed(spans) if s["batch"] is not None]
    found = _labelled(version, only, labelled) if labelled else _windows(version, only, spans, days or DAYS)
    seen: list[Review] = []
    for review in (r for r in found if r.known >= FEWEST):
        seen.append(review)
        if sum(not r.to_come for r in seen) == most:
            break
    return seen


def _labelled(version: ModelVersion, only: int | None, spans: list[dict[str, Any]]) -> Iterator[Review]:
    for span in (s for s in spans if s["known"] >= FEWEST):
        yield from _review(version, only, span["batch"], span["first_at"], batch=span["batch"])


def _windows(version: ModelVersion, only: int | None, spans: list[dict[str, Any]], days: int) -> Iterator[Review]:
    """Yield so many days after so many days, back from the last prediction."""
    first, end = (spans[0]["first_at"], spans[0]["last_at"]) if spans else ("", "")
    for _ in range(LOOKED_BACK if spans else 0):
        start = _earlier(end, days)
        yield from _review(version, only, f"{start[:10]} to {end[:10]}", start, after=start, until=end)
        if start < first:
            return
        end = start


def _review(version: ModelVersion, only: int | None, name: str, since: str, **which: Any) -> Iterator[Review]:
    from nbmlops.monitoring.predicting.recorded import predicted

    said = predicted(version.name, only, **which).said
    if len(said):
        old, why = mature(said)
        seen = old if len(old) else said
        came = counted(version, seen), numbers(version, seen)
        yield Review(name, since, judged(version, only, name, seen), why, *came)


def _earlier(at: str, days: int) -> str:
    return (datetime.fromisoformat(at) - timedelta(days=days)).isoformat(timespec="microseconds")
