"""Is the challenger better than the champion, and may it go? Both answer the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.governance import guards, standing
from nbmlops.governance.differences import Gain, chosen, gain
from nbmlops.governance.terms import CHAMPION, FEWEST_ROWS, PASSING, Terms, agreed, require_rows
from nbmlops.hooks import Shown
from nbmlops.records import Finding, Outcome, plain
from nbmlops.registry import signature, targets
from nbmlops.registry.measures import Answers
from nbmlops.registry.subject import Subject, asked, rows_for, subject_of, truth_of
from nbmlops.stats.paired import ALPHA
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion

__all__ = ["GateResult", "gate", "held"]

POWER_80 = 0.8416212  # standard normal quantile of 80 %
TWO_SIDED = 1.959964
FEWEST_GROUPS = 10
CHALLENGER = "challenger"
FILES = (".csv", ".parquet")
OUTCOMES: Mapping[str, Outcome] = {
    "better": "passed",
    "non-inferior": "passed",
    "inconclusive": "warning",
    "worse": "issue",
}


@dataclass(frozen=True, repr=False)
class GateResult(Shown):
    """The comparison of two models on the same rows, what guards it, and whether the challenger may go."""

    shows: ClassVar[str] = "gate"

    challenger: str
    champion: str
    verdict: str
    metric: str
    difference: float
    low: float
    high: float
    margin: float
    tolerated: float
    detectable: float
    rows: int
    challenger_value: float
    champion_value: float
    findings: tuple[Finding, ...]
    ready: bool = False
    because: tuple[str, ...] = ()  # why it is not ready, and whose that is
    promotes: str = "better"
    reserve: float = 0.0  # lower bound of difference plus margin
    how: str = ""
    alpha: float = ALPHA
    metrics: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    groups: str | None = None
    comparisons: int = 1  # on these rows so far, this one counted
    challenger_digest: str | None = None
    champion_digest: str | None = None
    target: str = ""
    dataset: str = ""  # flights-eval@2 where a version was named
    data: str = ""  # fingerprint of the rows
    truth: str = ""  # of the target's column alone
    charter: str = ""  # digest of the one whose terms were taken
    result_id: str = ""

    @property
    def refused(self) -> bool:
        """Whether the challenger is worse, or a guard is an issue."""
        return any(f.outcome == "issue" for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}


@dataclass(frozen=True)
class Case:
    """Everything a comparison rests on."""

    subjects: tuple[Subject, Subject]
    features: tuple[Any, Any]
    answers: tuple[Answers, Answers]
    rows: pd.DataFrame
    target: str
    dataset: str
    terms: Terms
    groups: NDArray[Any] | None


def gate(
    challenger: Any,
    champion: Any,
    on: Any,
    target: str | None = None,
    margin: float | None = None,
    metrics: str | Iterable[str] | None = None,
    by: str | Iterable[str] | None = None,
    groups: str | None = None,
) -> GateResult:
    """Compare two models on the same rows, which neither was fitted on, and say whether the challenger may go.

    What is not given is taken from ``charter.yaml``, and what promotes from the policy of the champion's alias. Beside
    the deciding metric stand guards, each a finding: other metrics and slices (Holm over all of them), the gap between
    slices, calibration, the time of one row, the newest drift report and check, open flags, the file, and how often
    these rows have judged before.

    Parameters
    ----------
    challenger, champion : estimator or str
        Fitted, or registered: ``"late-flights@challenger"``. Only registered ones count as evidence for a promotion.
    on : pandas.DataFrame of shape (n, columns), or str
        Held-out rows with every feature and the target; a data set version whose rows were kept
        (``"flights-eval@2"``), or a CSV or Parquet file.
    target : str, optional
        Column of the truth; that of the registered models when absent.
    margin : float, optional
        How much worse is tolerable: in points of AUC, accuracy or R2, else as a share of the champion's loss; 0.01
        where nobody says.
    metrics : str or list of str, optional
        The first decides, the others are guarded. Two classes: ``roc_auc``, ``log_loss``, ``brier``, ``accuracy``;
        more: ``log_loss``, ``accuracy``; numbers: ``mae``, ``rmse``, ``r2``. The first possible when absent.
    by : str or list of str, optional
        Columns whose values make slices.
    groups : str, optional
        Column whose rows belong together, such as ``"day"``: without it rows are taken as independent of each other.

    Returns
    -------
    GateResult
        ``verdict``: *better* (the whole interval is above zero), *non-inferior* (above minus the margin), *worse*
        (below zero), else *inconclusive*; with the smallest difference these rows could show. ``ready``, or
        ``because``: why not, and whose it is. Kept in the store.

    Raises
    ------
    NotAllowed
        Either model was fitted on these rows, or they are fewer than the charter's minimum.
    NotFound
        No such data set version or file, or its rows were not kept.
    Invalid
        No table, the models answer different questions, or a column or metric does not fit.

    Examples
    --------
    >>> nb.gate("late-flights@challenger", "late-flights@champion", on="flights-eval@2").verdict  # doctest: +SKIP
    'better'
    """
    model = next((m for m in (challenger, champion) if isinstance(m, str)), "")
    return held(challenger, champion, on, target, agreed(margin, metrics, by, groups, model))


def held(
    challenger: Any, champion: Any, on: Any, target: str | None, terms: Terms, run_id: str | None = None
) -> GateResult:
    """Compare like :func:`gate`, on terms that are agreed, and keep the result with a run; the open one by default."""
    case = _case(challenger, champion, on, target, terms)
    found = _compared(replace(case, terms=terms.of_alias(_alias(champion, case.subjects[1].version))))
    result_id = session.keep("gate", f"{found.challenger} against {found.champion}", found.to_dict(), run_id)
    return replace(found, result_id=result_id)


def _alias(champion: Any, version: ModelVersion | None) -> str:
    """Return the alias that is asked for: the one that is named, else one that points to the version, else champion."""
    name = champion.partition("@")[2] if isinstance(champion, str) else ""
    if name and not name.isdigit():
        return name
    pointing = sorted(set(version.aliases) - {CHALLENGER, CHAMPION}) if version else []
    return pointing[0] if version and pointing and CHAMPION not in version.aliases else CHAMPION


def _case(challenger: Any, champion: Any, on: Any, target: str | None, terms: Terms) -> Case:
    rows, dataset = _rows(on)
    require_rows(len(rows), terms)
    subjects = subject_of(challenger), subject_of(champion)
    target = target or subjects[0].target or subjects[1].target
    if target is None:
        raise Invalid("Which column is the truth?", "Pass target=.")
    truth = truth_of(rows, target)
    features = tuple(rows_for(s, rows, target) for s in subjects)
    answers = tuple(asked(s, f, truth) for s, f in zip(subjects, features, strict=True))
    _comparable(subjects, answers)
    return Case(subjects, features, answers, rows, target, dataset, terms, _codes(rows, terms.groups))  # type: ignore[arg-type]


def _rows(on: Any) -> tuple[pd.DataFrame, str]:
    """Return the rows and, where a data set version was named, which."""
    if not isinstance(on, str):
        return signature.table(on), ""
    if on.endswith(FILES) or Path(on).is_file():
        return signature.read(on), ""
    from nbmlops.quality.versions import dataset_version, load_dataset

    ref = dataset_version(on).ref
    return load_dataset(ref), ref


def _comparable(subjects: tuple[Subject, Subject], answers: tuple[Answers, ...]) -> None:
    """Refuse models of different questions, rows of one class, and answers that are no numbers."""
    one, two = answers
    if (one.task, one.classes) != (two.task, two.classes):
        names = " and ".join(s.name for s in subjects)
        raise Invalid(f"{names} answer different questions.", "Compare models of one target.")
    if one.task != "regression" and len(np.unique(np.asarray(one.truth))) < 2:
        raise Invalid("Every row is of the same class.", "Pass rows of more than one class.")
    for subject, answer in zip(subjects, answers, strict=True):
        said = answer.predicted if answer.task == "regression" else answer.probability
        if said is not None and (odd := int((~np.isfinite(said.astype(float))).sum())):
            raise Invalid(
                f"{subject.name} gives no number for {odd:,} answers.", "Mend the model, or leave the rows out."
            )


def _codes(rows: pd.DataFrame, column: str | None) -> NDArray[Any] | None:
    """Return which group each row belongs to."""
    if column is None:
        return None
    if column not in rows.columns:
        raise Invalid(f"No column {column!r} to group by.", f"The rows have: {', '.join(map(str, rows.columns[:12]))}.")
    return np.asarray(rows[column].factorize(use_na_sentinel=False)[0])


def _compared(case: Case) -> GateResult:
    from nbmlops.capture.data import describe

    first, second = case.subjects
    terms, about = case.terms, describe(case.target, case.rows)
    names = chosen(*case.answers, terms)
    gains = [gain(m, *case.answers, terms.margin_in(m), case.groups) for m in names]
    truth = next(c["fingerprint"] for c in about.columns if c["name"] == case.target)
    before = standing.earlier(truth)
    verdict, doubt = _verdict(gains[0], case)
    findings = (_finding(verdict, gains[0], doubt), *_guards(case, gains, about.fingerprint, before))
    because = _because(verdict, findings, terms, first)
    decided = gains[0].difference
    return GateResult(
        challenger=first.name,
        champion=second.name,
        verdict=verdict,
        metric=names[0],
        difference=decided.value,
        low=decided.low,
        high=decided.high,
        margin=gains[0].margin,
        tolerated=terms.margin_in(names[0]),
        detectable=(TWO_SIDED + POWER_80) * (decided.high - decided.low) / (2 * TWO_SIDED),
        rows=len(case.rows),
        challenger_value=gains[0].challenger,
        champion_value=gains[0].champion,
        findings=findings,
        ready=not because,
        because=because,
        promotes=terms.promotes,
        reserve=gains[0].reserve,
        how=gains[0].how,
        metrics=names,
        by=terms.by,
        groups=terms.groups,
        comparisons=before + 1,
        challenger_digest=first.version.digest if first.version else None,
        champion_digest=second.version.digest if second.version else None,
        target=case.target,
        dataset=case.dataset,
        data=about.fingerprint,
        truth=truth,
        charter=targets.digest(),
    )


def _guards(case: Case, gains: list[Gain], fingerprint: str, before: int) -> Iterator[Finding]:
    first, second = case.subjects
    terms, decided = case.terms, gains[0]
    slices = guards.parts(case.rows, terms.by, *case.answers, decided, terms.margin_in(decided.metric), case.groups)
    yield from guards.guarded(gains[1:], slices)
    yield from guards.gaps(slices, terms.by, decided.margin)
    yield from guards.calibration(*case.answers, terms.margin, case.groups)
    yield guards.latency([first.estimator, second.estimator], [f.iloc[:1] for f in case.features])
    yield from standing.drifted(first, second)
    yield from standing.ruled(first, case.dataset, fingerprint)
    yield standing.flagged(first)
    yield standing.file(first, terms)
    yield standing.reused(before)


def _verdict(decided: Gain, case: Case) -> tuple[str, str]:
    """Return the verdict, and why nothing is concluded where there is too little."""
    if len(case.rows) < FEWEST_ROWS:
        return "inconclusive", f"fewer than {FEWEST_ROWS} rows"
    if case.groups is not None and (count := len(np.unique(case.groups))) < FEWEST_GROUPS:
        return "inconclusive", f"{count} groups, and {FEWEST_GROUPS} are needed"
    return decided.verdict, ""


def _finding(verdict: str, decided: Gain, doubt: str) -> Finding:
    d = decided.difference
    message = (
        f"The challenger is {verdict}: {decided.metric} better by {d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}] on "
        f"{decided.rows:,} rows ({decided.how}), margin {decided.margin:.3g}"
    )
    message += f"; insufficient data: {doubt}" if doubt else ""
    return Finding("gate", OUTCOMES[verdict], message, decided.metric, d.value, detail=plain(decided))


def _because(verdict: str, findings: tuple[Finding, ...], terms: Terms, first: Subject) -> tuple[str, ...]:
    """Return why the challenger may not go yet, each with whose it is."""
    owner = first.version.owner if first.version else None
    guarded = findings if terms.guards == "required" else ()
    reasons = [(f.code, f.message) for f in guarded if f.outcome == "issue" and f.code != "gate"]
    if verdict not in PASSING[terms.promotes]:
        wanted = " or ".join(PASSING[terms.promotes])
        reasons.insert(0, ("gate", f"It is {verdict}, and what promotes is {wanted}"))
    return tuple(f"{message} ({terms.whose(code, owner)})" for code, message in reasons)
