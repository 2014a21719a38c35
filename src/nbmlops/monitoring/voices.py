"""What people say of predictions, over time: whether fewer agree than before, and whether more is flagged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmlops.monitoring.performance import FEWEST, verdicts
from nbmlops.records import Finding, Outcome

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["FLAGS", "OPINIONS", "Voice", "by_chunk", "came", "counted", "flags", "opinions", "whole"]

OPINIONS, FLAGS = "opinions", "flags"
TOLERABLE = 0.05  # a share of agreement that is lower by less is no finding
FLOOD = 2.0  # a rate of flags below so many times that of before is no finding
FEWEST_FLAGS = 3
FEWEST_ROWS = 30


@dataclass(frozen=True)
class Voice:
    """Counts of some predictions: how many, how many were flagged, and of opinions that agree or do not."""

    rows: int = 0
    flagged: int = 0
    agree: int = 0
    n: int = 0

    def __add__(self, other: Voice) -> Voice:
        return Voice(self.rows + other.rows, self.flagged + other.flagged, self.agree + other.agree, self.n + other.n)


def came(version: ModelVersion) -> list[dict[str, Any]]:
    """Return the opinions and flags of a version's predictions, each kind oldest first."""
    from nbmlops.monitoring.predicting.recorded import came as fed

    return [row for kind in ("opinion", "flag") for row in fed(version.name, version.version, kind=kind)]


def counted(
    rows: Iterable[Mapping[str, Any]],
    when: Mapping[str, str],
    predictions: Mapping[str, int],
    chunk: Callable[[str], str],
) -> dict[str, Voice]:
    """Return the counts of each chunk, in the order of time; none where nobody said anything.

    Parameters
    ----------
    rows : iterable of mapping
        Opinions and flags, oldest first.
    when : mapping
        The time of each prediction they are of.
    predictions : mapping
        How many predictions each chunk holds.
    chunk : callable
        Returns the chunk of a time.
    """
    known = [row for row in rows if row["prediction_id"] in when]
    if not known:
        return {}
    found = {name: Voice(rows=n) for name, n in sorted(predictions.items())}
    for (prediction_id, *_), verdict in verdicts(r for r in known if r["kind"] == "opinion").items():
        if verdict != "unsure":
            found[chunk(when[prediction_id])] += Voice(agree=int(verdict == "agree"), n=1)
    for prediction_id in {row["prediction_id"] for row in known if row["kind"] == "flag"}:
        found[chunk(when[prediction_id])] += Voice(flagged=1)
    return found


def by_chunk(heard: Mapping[str, Voice]) -> dict[str, list[Finding]]:
    """Return what is found of each chunk, held against all that came before it."""
    found, before = {}, Voice()
    for name, voice in heard.items():
        found[name] = _both(before, voice)
        before += voice
    return found


def whole(heard: Mapping[str, Voice]) -> list[Finding]:
    """Return what is found of the later half of the chunks, held against the earlier; nothing where nobody spoke."""
    if not heard:
        return []
    names = list(heard)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    return _both(*(sum((heard[name] for name in half), Voice()) for half in halves))


def _both(before: Voice, now: Voice) -> list[Finding]:
    return [opinions(before, now), flags(before, now)]


def opinions(before: Voice, now: Voice) -> Finding:
    """Return whether fewer agree than before: an alert where the intervals lie apart.

    >>> opinions(Voice(agree=90, n=100), Voice(agree=30, n=60)).outcome
    'issue'
    """
    from nbmlops.stats import intervals

    if min(before.n, now.n) < FEWEST:
        return Finding(
            OPINIONS, "skipped", f"insufficient data: {now.n:,} opinions now, {before.n:,} before; {FEWEST} are needed"
        )
    was, is_ = intervals.share(before.agree, before.n), intervals.share(now.agree, now.n)
    message = f"{_percent(is_.value)} of {now.n:,} opinions agree, {_percent(was.value)} of {before.n:,} before"
    fell = was.value - is_.value
    apart, below = is_.high < was.low, is_.high < was.value
    outcome: Outcome = "passed" if fell < TOLERABLE or not below else "issue" if apart else "warning"
    return Finding(OPINIONS, outcome, message, "", fell, "down" if fell > 0 else "up", {"n": now.n, "before": before.n})


def flags(before: Voice, now: Voice) -> Finding:
    """Return whether more is flagged than before: an alert where the intervals lie apart.

    >>> flags(Voice(rows=1000, flagged=2), Voice(rows=200, flagged=20)).outcome
    'issue'
    """
    from nbmlops.stats import intervals

    if min(before.rows, now.rows) < FEWEST_ROWS:
        return Finding(
            FLAGS,
            "skipped",
            f"insufficient data: {now.rows:,} predictions now, {before.rows:,} before; {FEWEST_ROWS} are needed",
        )
    was, is_ = intervals.share(before.flagged, before.rows), intervals.share(now.flagged, now.rows)
    message = f"{now.flagged:,} of {now.rows:,} predictions are flagged, {before.flagged:,} of {before.rows:,} before"
    more = is_.value - was.value
    flood = now.flagged >= FEWEST_FLAGS and is_.value >= FLOOD * was.value and is_.low > was.value
    outcome: Outcome = "passed" if not flood else "issue" if is_.low > was.high else "warning"
    return Finding(
        FLAGS, outcome, message, "", more, "up" if more > 0 else "down", {"n": now.rows, "before": before.rows}
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
