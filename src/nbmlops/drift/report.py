"""Drift: current rows against a reference, consequence first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.drift import decide, estimated, performance, words
from nbmlops.drift.profile import Profile, build, groups
from nbmlops.drift.reference import Reference, load, prepared
from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.quality import look
from nbmlops.records import LEVELS, Finding, Level, plain
from nbmlops.stats import counts
from nbmlops.stats.decision import MIN_CHUNKS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DriftReport", "drift"]

DRAWN = 8  # columns whose two distributions are kept for a picture, the worst first
BARS = 12


@dataclass(frozen=True, repr=False)
class DriftReport(Shown):
    """What changed between reference and current rows, and whether it is more than tolerable.

    ``findings`` stand in the order of evidence: contract, performance, prediction and target, features. ``verdict``
    is the highest level among them and among the chunks; segments are shown and do not change it.
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
    reference: Any,
    target: str | None = None,
    prediction: str | None = None,
    chunk: str | None = None,
    by: str | None = None,
) -> DriftReport:
    """Compare current rows with a reference and say whether any change is larger than tolerable.

    Parameters
    ----------
    current : DataFrame or path
        The rows to judge.
    reference : DataFrame, Profile or str
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

    Returns
    -------
    DriftReport

    Raises
    ------
    Invalid
        No column in common, a column name there twice, or no frame.
    NotFound
        A column, file or model that does not exist.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> x = np.arange(2000.0)
    >>> drift(pd.DataFrame({"x": x + 900}), pd.DataFrame({"x": x})).verdict
    'alert'
    """
    frame = look.as_frame(current)
    against = load(reference, target, prediction, chunk, by)
    for name, role in ((chunk, "chunk"), (by, "segment")):
        look.require(frame, name, role)
    _some_in_common(frame, against)
    frame, asked = prepared(frame, against, target, prediction)
    report = _report(frame, against, asked, chunk, by)
    from nbmlops.tracking import session

    session.keep("drift", report.subject, report.to_dict())
    return report


def examine(frame: pd.DataFrame, against: Reference) -> tuple[tuple[Finding, ...], Profile]:
    """Return the findings of some rows in the order of evidence, and their profile on the reference's edges."""
    profile = build(frame, like=against.profile.select([n for n in against.profile.columns if n in frame.columns]))
    found, comparable = decide.contract(frame, profile, against.profile, against.inputs)
    found += [*_performance(frame, against), *_answers(profile, against)]
    found += decide.features(profile, against.profile, comparable, against.importance)
    return tuple(found), profile


def _report(
    frame: pd.DataFrame, against: Reference, asked: list[Finding], chunk: str | None, by: str | None
) -> DriftReport:
    found, profile = examine(frame, against)
    found = (*asked, *found)
    chunks = _parts(frame, chunk, lambda key: against)
    segments = _parts(frame, by, _segment_of(against, by)) if by else ()
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
        segments=segments,
        notes=(f"uncalibrated: {len(against.profile.chunks)} of {MIN_CHUNKS} reference chunks",) if few_chunks else (),
        columns=_drawn(found, profile, against.profile),
    )


def _performance(frame: pd.DataFrame, against: Reference) -> list[Finding]:
    """Judge what the model said: by what came true where that is known, else by what can be expected."""
    said, truth = against.prediction, against.target
    lacking = [word for word, name in (("truth", truth), ("prediction", said)) if not name or name not in frame.columns]
    if lacking or truth not in against.profile.columns:
        message = f"no column of the {' and the '.join(lacking or ['truth'])}"
        realised = [Finding("performance", "not_applicable", message)]
    else:
        column = against.profile.columns[str(truth)]
        realised = performance.findings(frame[truth], frame[said], column, against.metrics, bool(against.model))
    if against.trained:
        realised = [_of_training_rows(f, against) for f in realised]
    return [*realised, _expected(frame, against, realised[0])]


def _expected(frame: pd.DataFrame, against: Reference, realised: Finding) -> Finding:
    code, said = estimated.CODE, against.prediction
    if not said or said not in frame.columns:
        return Finding(code, "not_applicable", "no column of the prediction")
    if realised.effect is not None:
        return Finding(code, "not_applicable", "the truth is known")
    if against.trained:
        return _of_training_rows(Finding(code, "passed", ""), against)
    if against.held_out is None:
        return Finding(code, "not_applicable", "the reference holds no answers with their truth")
    return estimated.finding(frame[said], against.held_out, against.metrics)


def _of_training_rows(finding: Finding, against: Reference) -> Finding:
    """Say that nothing can be held against rows a model has seen; what was found without them stands beside it."""
    if finding.outcome == "not_applicable":
        return finding
    seen = f"{finding.message}; " if finding.effect is not None else ""
    why = f"{seen}insufficient data: the reference's rows are those {against.trained} was fitted on"
    return replace(finding, outcome="skipped", message=why)


def _answers(profile: Profile, against: Reference) -> list[Finding]:
    """Judge prediction and target by the rule of the features."""
    found = []
    for code, role in (("prediction_drift", "prediction"), ("target_drift", "target")):
        name = getattr(against, role)
        if not name or name not in profile.columns:
            found.append(Finding(code, "not_applicable", f"no column of the {role}", name or ""))
        else:
            one = decide.one(code, name, profile, against.profile)
            found.append(_of_training_rows(one, against) if against.trained and role == "prediction" else one)
    return found


def _parts(
    frame: pd.DataFrame, column: str | None, reference_of: Callable[[str], Reference | None]
) -> tuple[dict[str, Any], ...]:
    """Return one row per chunk or segment: its verdict, what moved, and what did not pass."""
    return tuple(_part(key, frame.iloc[rows], reference_of(key)) for key, rows in groups(frame, column).items())


def _part(key: str, frame: pd.DataFrame, against: Reference | None) -> dict[str, Any]:
    if against is None:
        new = Finding("segment_new", "warning", f"{key} is not in the reference")
        return {"name": key, "rows": len(frame), "verdict": "notice", "findings": [new.to_dict()]}
    found, profile = examine(frame, against)
    largest = max((f for f in found if f.code == decide.FEATURES and f.effect is not None), key=_effect, default=None)
    metric = next((f for f in found if f.code in ("performance", estimated.CODE) and f.effect is not None), None)
    return {
        "name": key,
        "rows": len(frame),
        "verdict": decide.verdict(found),
        "target": _mean(profile, against.target),
        "prediction": _mean(profile, against.prediction),
        "performance": dict(metric.detail) if metric else None,
        "largest": {"column": largest.column, "effect": largest.effect} if largest else None,
        "findings": [f.to_dict() for f in found if f.outcome in ("warning", "issue", "skipped")],
    }


def _segment_of(against: Reference, by: str | None) -> Callable[[str], Reference | None]:
    if not against.profile.segments or against.profile.by != by:
        raise Invalid(
            f"The reference {against.name!r} has no segments by {by!r}.",
            f"Give a frame, or nb.profile(frame, by={by!r}), as the reference.",
        )
    return against.segment


def _mean(profile: Profile, name: str | None) -> float | None:
    return words.mean(profile.columns[name], profile.total[name]) if name in profile.columns else None  # type: ignore[index]


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
