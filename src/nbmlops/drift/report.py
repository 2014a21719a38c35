"""Drift: current rows against a reference, consequence first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops import hooks
from nbmlops.drift import decide, evidence, shown, words
from nbmlops.drift.answers import answered
from nbmlops.drift.profile import Profile
from nbmlops.drift.reference import Reference, load
from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.quality import look
from nbmlops.records import LEVELS, Finding, Level, plain
from nbmlops.stats import counts
from nbmlops.stats.decision import MIN_CHUNKS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DriftReport", "drift", "kept", "report_of"]

DRAWN = 8  # columns whose two distributions are kept for a picture, the worst first
BARS = 12


@dataclass(frozen=True, repr=False)
class DriftReport(Shown):
    """What changed between reference and current rows, and whether it is more than tolerable.

    ``findings`` stand in the order of evidence: contract, performance, prediction and target, columns together,
    features. ``verdict`` is the highest level among them and among the chunks; segments are shown and do not change it.
    """

    shows: ClassVar[str] = "drift"

    subject: str
    reference: str
    verdict: Level
    findings: tuple[Finding, ...]
    rows: int
    reference_rows: int
    chunk: str | None = None
    chunks: tuple[Mapping[str, Any], ...] = ()
    by: str | None = None
    segments: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    episodes: tuple[Mapping[str, Any], ...] = ()
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per finding: level, code, column, effect, direction, message."""
        import pandas as pd

        names = ["level", "code", "column", "outcome", "effect", "direction", "message"]
        return pd.DataFrame([f.to_dict() for f in self.findings], columns=names)


def drift(
    current: Any,
    reference: Any = None,
    target: str | None = None,
    prediction: str | None = None,
    chunk: str | None = None,
    by: str | None = None,
    show: str | Sequence[str] | None = None,
    multivariate: bool = False,
) -> DriftReport:
    """Compare current rows with a reference and say whether any change is larger than tolerable.

    Parameters
    ----------
    current : DataFrame, path or str
        The rows to judge; or only a model, ``"late-flights@champion"``: then what is recorded of that version (inputs,
        answers, outcomes) is held against its reference, by day, or by hour where all was said in under three days.
    reference : DataFrame, Profile or str, optional
        What they are held against; ``"late-flights@champion"`` means the held-out rows that version was judged on,
        and the model is asked for its predictions when the rows bring none.
    target : str, optional
        Column of the truth; with predictions, the realised performance is judged too.
    prediction : str, optional
        Column of what a model said: the probability of the second class, a number, or a class.
    chunk : str, optional
        Column of time periods: one more row of the report each.
    by : str, optional
        Column of segments: each is held against the same segment of the reference.
    show : str or list of str, optional
        Measures to show beside the decision, each with what chance alone makes of it: ``psi``, ``ks``,
        ``wasserstein``, ``hellinger``, ``chi2``.
    multivariate : bool
        Judge the columns together, too: a small classifier tries to tell current rows from those of the reference,
        which has to be a frame.

    Returns
    -------
    DriftReport

    Raises
    ------
    Invalid
        No column in common, a column name there twice, or no frame.
    NotFound
        A column, file, model or measure that does not exist.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> x = np.arange(2000.0)
    >>> drift(pd.DataFrame({"x": x + 900}), pd.DataFrame({"x": x})).verdict
    'alert'
    """
    if reference is None:
        return _recorded(current, target or prediction, chunk, by, show, multivariate)
    measures = shown.asked(show)
    frame = look.as_frame(current)
    against = load(reference, target, prediction, chunk, by)
    for name, role in ((chunk, "chunk"), (by, "segment")):
        look.require(frame, name, role)
    _some_in_common(frame, against)
    frame, against, asked = answered(frame, against, target, prediction)
    return kept(report_of(frame, against, asked, chunk, by, measures, multivariate))


def _recorded(ref: Any, column: str | None, *how: Any) -> DriftReport:
    """Judge what is recorded of a model version."""
    if not isinstance(ref, str) or look.is_file(ref):
        raise Invalid(
            "What are these rows held against?",
            'Name a model or a frame: nb.drift(frame, "late@champion"), or --against late@champion.',
        )
    if column is not None:
        raise Invalid(
            f"Column {column!r} is named, and there are no rows.", "A model knows its target and its answers."
        )
    found: DriftReport = hooks.service("monitoring.observed", "drift")(ref, *how)
    return found


def kept(report: DriftReport, came: Sequence[str] = ()) -> DriftReport:
    """Keep a report; one against a model version with its episodes, what ``came`` back later observed apart."""
    if "@" in report.reference:
        report = hooks.service("monitoring.episodes", "observe")(report, came=came)
    from nbmlops.tracking import session

    session.keep("drift", report.subject, report.to_dict())
    return report


def report_of(
    frame: pd.DataFrame,
    against: Reference,
    before: list[Finding],
    chunk: str | None,
    by: str | None,
    show: Sequence[str],
    together: bool,
) -> DriftReport:
    """Return the report on rows that bring answers and truth; ``before`` is what was found already. Nothing is kept."""
    asked, profile = evidence.examine(frame, against, together)
    (found,) = decide.judged([*before, *asked])
    found = shown.shown(found, show, against.profile, profile)
    chunks = evidence.chunks(frame, against, chunk)
    levels = [decide.verdict(found), *(c["verdict"] for c in chunks)]
    few_chunks = 0 < len(against.profile.chunks) < MIN_CHUNKS
    return DriftReport(
        subject=against.model.partition("@")[0] or against.name,
        reference=against.name,
        verdict=max(levels, key=LEVELS.index),
        findings=found,
        rows=len(frame),
        reference_rows=against.profile.rows,
        chunk=chunk,
        chunks=chunks,
        by=by,
        segments=evidence.segments(frame, against, by),
        notes=(f"uncalibrated: {len(against.profile.chunks)} of {MIN_CHUNKS} reference chunks",) if few_chunks else (),
        columns=_drawn(found, profile, against.profile),
    )


def _effect(finding: Finding) -> float:
    return finding.effect or 0.0


def _some_in_common(frame: pd.DataFrame, against: Reference) -> None:
    if not any(name in frame.columns for name in against.inputs):
        here, there = (words.few(list(n), 5) or "no columns" for n in (frame.columns, against.inputs))
        raise Invalid(
            f"No column in common: the data has {here}; the reference {against.name!r} has {there}.",
            "Compare frames with the same columns.",
        )


def _drawn(found: tuple[Finding, ...], profile: Profile, reference: Profile) -> dict[str, dict[str, Any]]:
    """Return both distributions of prediction, target and the columns that moved furthest, few bars each."""
    shifts = [f for f in found if f.code.endswith("_drift") and f.effect is not None]
    shifts.sort(key=lambda f: (f.code == decide.FEATURES, -LEVELS.index(f.level), -_effect(f)))
    names = [f.column for f in shifts][:DRAWN]
    return {name: _bars(profile, reference, name) for name in names}


def _bars(profile: Profile, reference: Profile, name: str) -> dict[str, Any]:
    bins, before, after = reference.columns[name].bins, reference.total[name], profile.total[name]
    filled = [i for i in range(bins.size) if before.counts[i] or after.counts[i]]
    numeric = isinstance(bins, counts.NumericBins)
    inner = [i for i in filled if i < bins.regular]
    parts = _runs(inner, BARS) if numeric else [[i] for i in inner[:BARS]]
    if not numeric and inner[BARS:]:
        parts.append(inner[BARS:])
    parts += [[i] for i in filled if i >= bins.regular]
    labels = [_label(bins, part) for part in parts]
    sides = [[sum(t.counts[i] for i in part) / max(1, t.rows) for part in parts] for t in (before, after)]
    return {"labels": labels, "reference": [round(v, 4) for v in sides[0]], "current": [round(v, 4) for v in sides[1]]}


def _runs(indices: list[int], most: int) -> list[list[int]]:
    """Split neighbouring bins into at most so many runs of about equal length."""
    size = -(-len(indices) // most) if indices else 1
    return [indices[i : i + size] for i in range(0, len(indices), size)]


def _label(bins: counts.Bins, part: list[int]) -> str:
    if len(part) == 1:
        return bins.labels[part[0]]
    if isinstance(bins, counts.NumericBins):
        return f"{bins.edges[part[0]]:.4g} to {bins.edges[part[-1] + 1]:.4g}"
    return f"{len(part)} more"
