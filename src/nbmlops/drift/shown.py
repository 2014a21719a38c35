"""Measures shown on demand beside the decision, each with what chance alone makes of it; they decide nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from nbmlops.drift.profile import Profile
from nbmlops.errors import unknown
from nbmlops.records import Finding
from nbmlops.stats import classic
from nbmlops.stats.counts import NumericBins

__all__ = ["asked", "shown"]


def asked(show: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the measures someone named, as a list or with commas between.

    Raises
    ------
    NotFound
        There is no such measure.

    >>> asked("psi,ks")
    ('psi', 'ks')
    """
    text = show if isinstance(show, str) else ",".join(show or ())
    names = tuple(dict.fromkeys(n for part in text.split(",") if (n := part.strip().lower())))
    for name in names:
        if name not in classic.MEASURES:
            error = unknown("measure", name, classic.MEASURES)
            raise type(error)(error.message.replace(" in this project", ""), error.hint)
    return names


def shown(
    findings: Iterable[Finding], names: Sequence[str], reference: Profile, current: Profile
) -> tuple[Finding, ...]:
    """Return the findings, those on a column's shift with these measures in their detail."""

    def one(finding: Finding) -> Finding:
        if not finding.code.endswith("_drift") or finding.column not in current.columns:
            return finding
        values = {name: _measured(name, finding.column, reference, current) for name in names}
        return replace(finding, detail={**finding.detail, "shown": values})

    return tuple(map(one, findings)) if names else tuple(findings)


def _measured(name: str, column: str, reference: Profile, current: Profile) -> dict[str, float] | None:
    bins = reference.columns[column].bins
    edges = bins.edges if isinstance(bins, NumericBins) else None
    found = classic.measure(name, reference.total[column].counts, current.total[column].counts, edges)
    return None if found is None else found._asdict()
