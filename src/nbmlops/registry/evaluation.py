"""Evaluate a fitted model on rows it has not seen: every number with its interval and the rows behind it."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nbmlops.capture.settings import outline
from nbmlops.errors import Invalid, NotAllowed
from nbmlops.hooks import Shown
from nbmlops.records import Finding, plain
from nbmlops.registry import measures, segments, signature, targets
from nbmlops.registry.checks import Case
from nbmlops.registry.checks import asked as asked_of
from nbmlops.registry.kept import private
from nbmlops.registry.measures import Answers
from nbmlops.registry.subject import Subject, asked, content_key, rows_for, subject_of, truth_of
from nbmlops.registry.values import packed
from nbmlops.store.waiting import keep
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Evaluation", "evaluate", "newest"]

IMPORTANCE_ROWS = 5000

_newest: weakref.WeakKeyDictionary[Any, Evaluation] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """How well a model answers rows it was not fitted on."""

    shows: ClassVar[str] = "evaluation"

    model: str
    estimator: str
    task: str
    target: str
    rows: int
    metrics: Mapping[str, Mapping[str, Any]]
    findings: tuple[Finding, ...]
    slices: tuple[Mapping[str, Any], ...] = ()
    weakest: tuple[Mapping[str, Any], ...] = ()  # segments nobody named, the surest first
    calibration: tuple[Mapping[str, Any], ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    confusion: Mapping[str, Any] | None = None
    far_off: Mapping[str, Any] = field(default_factory=dict)
    worst: tuple[Mapping[str, Any], ...] = ()  # places of the rows that cost the most, and what they cost
    classes: tuple[Any, ...] = ()
    positive: Any = None
    run_id: str | None = None
    digest: str | None = None  # of the registered model's file
    data: str = ""  # fingerprint of the rows
    charter: str = ""  # digest of the one whose targets it is held against
    values: str = ""  # digest of the true and predicted values, one a row
    result_id: str = ""
    signature: Mapping[str, Any] = field(default_factory=dict)
    profile: Any = None  # of features, target and prediction, in memory until the model is registered
    key: str = ""  # content of the model, so that an evaluation is never taken for that of another

    def worst_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that cost the most, with what they cost, from the frame that was evaluated.

        Examples
        --------
        >>> nb.evaluate(model, held_out).worst_rows(held_out).head(3)  # doctest: +SKIP
        """
        if len(frame) != self.rows:
            raise Invalid(f"This frame has {len(frame):,} rows, and {self.rows:,} were evaluated.", "Pass that frame.")
        return frame.iloc[[w["row"] for w in self.worst]].assign(loss=[w["loss"] for w in self.worst])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON: numbers about rows, never a row."""
        left_out = {"signature", "profile", "key", "result_id"}
        data = {k: plain(v) for k, v in vars(self).items() if k not in left_out}
        return {**data, "findings": [f.to_dict() for f in self.findings]}


def evaluate(model: Any, frame: Any, target: str | None = None, by: str | Iterable[str] | None = None) -> Evaluation:
    """Judge a fitted model on rows it was not fitted on.

    Rows are taken as independent of each other: where they come in groups, the intervals are too narrow. That the
    model did not see these rows is checked as far as its fit was tracked: by the fingerprints of the whole columns.

    Parameters
    ----------
    model : estimator or str
        Anything fitted with ``predict``, or a registered model such as ``"late-flights@champion"``.
    frame : pandas.DataFrame of shape (n, columns)
        Held-out rows with the features and the target.
    target : str, optional
        Column of the truth; that of the fit when it was tracked with a named target.
    by : str or list of str, optional
        Columns whose values make slices.

    Returns
    -------
    Evaluation
        Metrics with 95 % intervals, slices, calibration, importance and findings; kept in the store.

    Raises
    ------
    Invalid
        No fitted model, no such column, a target with gaps.
    NotAllowed
        These are the rows the model was fitted on.

    Examples
    --------
    >>> nb.evaluate(model, held_out, target="late", by="origin").metrics["roc_auc"]  # doctest: +SKIP
    {'value': 0.68, 'low': 0.67, 'high': 0.69, 'n': 27004}
    """
    subject = subject_of(model)
    rows = signature.table(frame)
    target = target or subject.target or _no_target(rows)
    truth = truth_of(rows, target)
    features = rows_for(subject, rows, target)
    groups = segments.groups(rows, [by] if isinstance(by, str) else list(by or ()))
    answers = asked(subject, features, truth)
    found = _judged(subject, rows, features, target, answers, groups)
    told = features.drop(columns=[c for c in private() if c in features])
    return _kept(found, packed(answers, told), subject)


def newest(model: Any) -> Evaluation | None:
    """Return the newest evaluation of a model made in this process, unless it was fitted again since."""
    try:
        found = _newest.get(model)
    except TypeError:
        return None
    return found if found and found.key == content_key(model) else None


def _refuse_most(questions: Iterable[Finding], name: str) -> None:
    """Refuse rows most of which are training rows; fewer are a finding."""
    seen = next(f for f in questions if f.code == "test-rows-in-training")
    if seen.outcome == "issue" and (seen.effect or 0) > 0.5:
        raise NotAllowed(
            f"Most of these rows are rows {name} was fitted on: {seen.message}.",
            "Evaluate on held-out rows: what judges a model never saw its training rows.",
        )


def _judged(
    subject: Subject,
    rows: pd.DataFrame,
    features: pd.DataFrame,
    target: str,
    answers: Answers,
    groups: Mapping[str, Any],
) -> Evaluation:
    from nbmlops.capture.data import describe

    metrics = measures.measure(answers)
    slices = tuple(segments.measured(label, answers.take(places)) for label, places in groups.items())
    importance = _importance(subject.estimator, features, answers)
    weakest, weak = segments.weakest(features, answers, importance)
    mute = session.project().setting("capture", "mute", ())
    case = Case(subject.name, subject.estimator, rows, features, answers, importance, subject.fitted_on)
    questions = asked_of(case, mute)
    _refuse_most(questions, subject.name)
    return Evaluation(
        model=subject.name,
        estimator=outline(subject.estimator),
        task=answers.task,
        target=target,
        rows=len(rows),
        metrics=metrics,
        findings=(
            *questions[:1],
            *targets.judge(targets.agreed(subject.version.name if subject.version else ""), metrics),
            *segments.findings(slices, metrics),
            Finding(weak.code, "muted", f"{weak.code} is muted") if weak.code in mute else weak,
            *questions[1:],
        ),
        slices=slices,
        weakest=weakest,
        calibration=tuple(measures.calibration(answers)),
        importance=importance,
        confusion=measures.confusion(answers),
        far_off=measures.far_off(answers),
        worst=tuple(measures.worst(answers)),
        classes=answers.classes,
        positive=answers.positive,
        run_id=subject.version.run_id if subject.version else (subject.fitted_on or {}).get("run_id"),
        digest=subject.version.digest if subject.version else None,
        data=describe(target, rows[[*features.columns, target]]).fingerprint,
        charter=targets.digest(),
        signature=_signature(subject, features, target, answers),
        profile=_profile(features, rows[target], target, answers),
        key=content_key(subject.estimator),
    )


def _kept(found: Evaluation, values: bytes, subject: Subject) -> Evaluation:
    """Keep the evaluation, its values and its metrics with the run that fitted the model, else with the open run."""
    from dataclasses import replace

    opened = session.current()
    owner = found.run_id or (opened.run_id if opened else None)
    if subject.version:  # judged again later: that belongs to the run which does so, and changes no metric
        owner = opened.run_id if opened else None
    elif not found.run_id and opened and opened.experiment:  # fitted in the cell that is still running
        found = replace(found, run_id=opened.run_id)
    name = f"evaluation-{found.key[-8:]}-{found.data[:8]}.npz"
    digest = session.log_artifact(name, values, run_id=owner) if owner else keep(session.artifacts(), values)[0]
    found = replace(found, values=digest)
    result_id = session.keep("evaluation", found.model, found.to_dict(), run_id=owner)
    found = replace(found, result_id=result_id)
    if found.run_id and not subject.version:
        session.log({k: m["value"] for k, m in found.metrics.items()}, context={"split": "test"}, run_id=found.run_id)
    with contextlib.suppress(TypeError):  # what cannot be referred to weakly is registered with evaluation=
        _newest[subject.estimator] = found
    return found


def _importance(model: Any, features: pd.DataFrame, answers: Answers) -> dict[str, float]:
    """Return each column's share of what permuting columns costs (at most 5,000 rows, seeded, two repeats)."""
    from sklearn.inspection import permutation_importance
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    chosen = np.arange(len(features))
    if len(chosen) > IMPORTANCE_ROWS:
        chosen = np.sort(np.random.default_rng(0).choice(len(features), IMPORTANCE_ROWS, replace=False))
    truth = answers.take(chosen).truth

    def score(estimator: Any, x: Any, y: Any) -> float:
        return measures.quality_of(estimator, x, y, answers)

    with threadpool_limits(limits=1):
        cost = permutation_importance(
            model, features.iloc[chosen], truth, scoring=score, n_repeats=2, random_state=0
        ).importances_mean.clip(0)
    total = float(cost.sum())
    shares = {str(c): float(v / total) if total else 0.0 for c, v in zip(features.columns, cost, strict=True)}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _signature(subject: Subject, features: pd.DataFrame, target: str, answers: Answers) -> dict[str, Any]:
    return {
        "columns": signature.columns_of(features),
        "target": target,
        "task": answers.task,
        "classes": list(answers.classes),
        "positive": answers.positive,
    }


def _profile(features: pd.DataFrame, truth: pd.Series[Any], target: str, answers: Answers) -> Any:
    """Return the profile later data is held against: features, truth, and what the model said."""
    from dataclasses import replace

    from nbmlops.drift.profile import build
    from nbmlops.drift.whole import look_at

    said = answers.predicted if answers.chance is None else answers.chance
    whole = features.copy(deep=False)
    whole[target], whole[PREDICTION] = truth, said
    made = build(whole, target=target)
    return replace(made, whole=look_at(features, {n: c for n, c in made.columns.items() if n in features.columns}))


PREDICTION = "prediction"


def _no_target(rows: pd.DataFrame) -> str:
    raise Invalid(
        "Which column is the truth?", f"Pass target=; the frame has: {', '.join(map(str, rows.columns[:12]))}."
    )
