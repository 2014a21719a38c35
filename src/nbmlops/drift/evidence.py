"""What is asked of rows in the order of evidence, of all of them and of each chunk and segment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbmlops.drift import decide, estimated, multivariate, performance, repeats, words
from nbmlops.drift.answers import of_those_known
from nbmlops.drift.decide import Asked
from nbmlops.drift.profile import Profile, build, groups
from nbmlops.drift.reference import Reference
from nbmlops.errors import Invalid
from nbmlops.records import Finding

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chunks", "examine", "segments"]

Row = dict[str, Any]


def examine(frame: pd.DataFrame, against: Reference, together: bool = False) -> tuple[list[Asked], Profile]:
    """Return what is asked of some rows in the order of evidence, and their profile on the reference's edges.

    Parameters
    ----------
    frame : DataFrame
    against : Reference
    together : bool
        Judge the columns together, too.
    """
    profile = build(frame, like=against.profile.select([n for n in against.profile.columns if n in frame.columns]))
    profile = of_those_known(profile, against)
    asked, comparable = decide.contract(frame, profile, against.profile, against.inputs)
    asked += [_repeated(frame, against), *_performance(frame, against), *_answers(frame, profile, against)]
    asked += [_together(frame, against, comparable)] if together else []
    asked += decide.features(profile, against.profile, comparable, against.importance)
    return asked, profile


def _repeated(frame: pd.DataFrame, against: Reference) -> Finding:
    """Judge whether rows came twice; without all columns rows are alike that were not."""
    if any(name not in frame.columns for name in against.inputs):
        return Finding("rows_repeated", "not_applicable", "columns are missing, so rows cannot be compared")
    return repeats.more(frame, against.inputs, against.repeated)


def _together(frame: pd.DataFrame, against: Reference, comparable: list[str]) -> Finding:
    """Judge the columns together, that of time periods aside: no later row has an earlier period."""
    if against.frame is None:
        why = "the reference's rows are not kept: give a frame to judge columns together"
        return Finding(multivariate.CODE, "not_applicable", why)
    return multivariate.told_apart(frame, against.frame, [n for n in comparable if n != against.profile.chunk])


def chunks(frame: pd.DataFrame, against: Reference, column: str | None) -> tuple[Row, ...]:
    """Return one row per chunk: its verdict, what moved, and what did not pass.

    Each is judged alone, as if it had come alone: what is said of March does not depend on April.
    """
    parts = ((key, frame.iloc[rows], against) for key, rows in groups(frame, column).items())
    return tuple(row for part in parts for row in _rows([part]))


def segments(frame: pd.DataFrame, against: Reference, column: str | None) -> tuple[Row, ...]:
    """Return one row per segment, each against the same one of the reference; false discoveries are those of all."""
    if column is None:
        return ()
    if not against.profile.segments or against.profile.by != column:
        raise Invalid(
            f"The reference {against.name!r} has no segments by {column!r}.",
            f"Give a frame, or nb.profile(frame, by={column!r}), as the reference.",
        )
    parts = ((key, frame.iloc[rows], against.segment(key)) for key, rows in groups(frame, column).items())
    return tuple(_rows(list(parts)))


def _rows(parts: list[tuple[str, pd.DataFrame, Reference | None]]) -> Iterable[Row]:
    """Return one row per part, all of them judged together."""
    asked = [(key, len(frame), against, *_examined(key, frame, against)) for key, frame, against in parts]
    found = decide.judged(*(tests for *_, tests, _ in asked))
    return [
        _row(key, rows, against, findings, profile)
        for (key, rows, against, _, profile), findings in zip(asked, found, strict=True)
    ]


def _examined(key: str, frame: pd.DataFrame, against: Reference | None) -> tuple[list[Asked], Profile | None]:
    if against is None:
        return [Finding("segment_new", "warning", f"{key} is not in the reference")], None
    return examine(frame, against)


def _row(
    key: str, rows: int, against: Reference | None, found: tuple[Finding, ...], profile: Profile | None
) -> dict[str, Any]:
    row = {
        "name": key,
        "rows": rows,
        "verdict": decide.verdict(found),
        "findings": [f.to_dict() for f in found if f.outcome in ("warning", "issue", "skipped")],
    }
    if against is None or profile is None:
        return row
    moved = [f for f in found if f.code == decide.FEATURES and f.effect is not None]
    largest = max(moved, key=lambda f: f.effect or 0.0, default=None)
    metric = next((f for f in found if f.code in ("performance", estimated.CODE) and f.effect is not None), None)
    return row | {
        "target": _mean(profile, against.target),
        "prediction": _mean(profile, against.prediction),
        "performance": dict(metric.detail) if metric else None,
        "largest": {"column": largest.column, "effect": largest.effect} if largest else None,
    }


def _performance(frame: pd.DataFrame, against: Reference) -> list[Finding]:
    """Judge what the model said: by what came true where that is known, else by what can be expected."""
    said, truth = against.prediction, against.target
    lacking = [word for word, name in (("truth", truth), ("prediction", said)) if not name or name not in frame.columns]
    if lacking or truth not in against.profile.columns:
        message = f"no column of the {' and the '.join(lacking or ['truth'])}"
        realised = [Finding("performance", "not_applicable", message)]
    elif why := _to_come(frame, against):
        realised = [Finding("performance", "skipped", f"insufficient data: {why}")]
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


def _to_come(frame: pd.DataFrame, against: Reference) -> str:
    """Return why what came true of these rows is not judged yet; nothing where it is."""
    return against.to_come(frame) if against.to_come else ""


def _answers(frame: pd.DataFrame, profile: Profile, against: Reference) -> list[Asked]:
    """Judge prediction and target by the rule of the features."""
    return [_answer(role, getattr(against, role), profile, against, frame) for role in ("prediction", "target")]


def _answer(role: str, name: str | None, profile: Profile, against: Reference, frame: pd.DataFrame) -> Asked:
    code = f"{role}_drift"
    if not name or name not in profile.columns:
        return Finding(code, "not_applicable", f"no column of the {role}", name or "")
    if against.trained and role == "prediction":
        return _of_training_rows(Finding(code, "passed", "", name), against)
    if role == "target" and (why := _to_come(frame, against)):
        return Finding(code, "skipped", f"insufficient data: {why}", name)
    return decide.one(code, name, profile, against.profile)


def _mean(profile: Profile, name: str | None) -> float | None:
    return words.mean(profile.columns[name], profile.total[name]) if name in profile.columns else None  # type: ignore[index]
