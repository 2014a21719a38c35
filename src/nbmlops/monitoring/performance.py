"""How well predictions came true, on those whose outcome is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid, NotFound, unknown
from nbmlops.hooks import Shown
from nbmlops.records import Finding, now, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from nbmlops.records import ModelVersion
    from nbmlops.registry.measures import Answers

    Numbers = tuple[NDArray[np.float64], NDArray[np.float64]]

__all__ = [
    *("Performance", "ago", "agreement", "canonical", "counted", "early", "judged", "mature", "outcomes_after"),
    *("numbers", "performance", "same", "settled", "to_come", "verdicts"),
]

FEWEST = 10  # opinions below which no share of agreement is told
FEWEST_COMPARED = 30  # predictions on either side, to tell that outcomes of the newest are still to come
KNOWN = 0.8  # share of outcomes from which those of some predictions are judged, where nothing says how long they take
LONGEST_S = 100 * 365 * 86_400.0


@dataclass(frozen=True, repr=False)
class Performance(Shown):
    """How well predictions came true, on the rows whose outcome is known."""

    shows: ClassVar[str] = "performance"

    model: str
    version: int | None
    batch: str | None
    predictions: int
    known: int
    coverage: float
    task: str
    metrics: Mapping[str, Mapping[str, Any]]
    findings: tuple[Finding, ...] = ()
    coverage_low: float | None = None
    coverage_high: float | None = None
    older_than: str | None = None
    agreement: Mapping[str, Any] | None = (
        None  # agree, disagree, unsure, people, n (who agrees or does not), share, low, high
    )

    @property
    def broken(self) -> tuple[str, ...]:
        """The targets that are broken, by name."""
        return tuple(f.column for f in self.findings if f.outcome == "issue")

    @property
    def early(self) -> str:
        """Why outcomes cannot be judged yet; empty where they can."""
        return next((f.message for f in self.findings if f.code == "early"), "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}


def performance(
    name: str, version: int | None = None, batch: str | None = None, older_than: str | None = None
) -> Performance:
    """Tell how well a model's predictions came true and how many people agree, against the targets of the charter.

    Parameters
    ----------
    name : str
        The model's name, or ``NAME@3`` / ``NAME@champion`` for one version.
    version : int, optional
    batch : str, optional
        The label the predictions were made under.
    older_than : str, optional
        Only predictions at least so old, such as ``7d``: outcomes that come early are not like the others.

    Returns
    -------
    Performance
        Metrics with intervals and the rows behind them, the share of predictions whose outcome is known, and that of
        opinions that agree; each target is *shown*, *not shown* or *broken*.

    Raises
    ------
    NotFound
        No such model, or it made no such predictions.
    Invalid
        ``older_than`` is no span of time.

    Examples
    --------
    >>> nb.performance("late-flights", batch="2013-04").metrics["roc_auc"]  # doctest: +SKIP
    """
    from nbmlops.monitoring.predicting import recorded
    from nbmlops.registry import models

    chosen = models.model_version(name if version is None else f"{name.partition('@')[0]}@{version}")
    version = chosen.version if "@" in name or version is not None else None
    until = None if older_than is None else ago(older_than)
    said = recorded.predicted(chosen.name, version, batch, until=until).said
    if said.empty:
        raise _no_predictions(chosen.name, version, batch, older_than)
    agreed = agreement(recorded.came(chosen.name, version, batch, until=until, kind="opinion"), said["prediction_id"])
    found = judged(chosen, version, batch, said, agreed)
    return replace(found, older_than=older_than, findings=(*found.findings, *early(said)))


def settled(name: str, batch: str | None = None) -> Performance:
    """Return the performance on the outcomes that had time to come, with the finding ``early`` where they had not.

    Parameters
    ----------
    name : str
        As in :func:`performance`.
    batch : str, optional

    Raises
    ------
    NotFound
        No such model, or it made no such predictions.
    """
    after = outcomes_after()
    try:
        found, ripe = performance(name, batch=batch, older_than=after), True
    except NotFound:
        if after is None:
            raise
        found, ripe = performance(name, batch=batch), False
    why = to_come(found.known, found.predictions if ripe else 0, after) or ("" if after else found.early)
    rest = tuple(f for f in found.findings if f.code != "early")
    waits = (Finding("early", "warning", why, "", found.coverage),) if why else ()
    return replace(found, findings=(*rest, *waits))


def mature(said: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return those of some predictions whose outcomes had time to come, and why they cannot be judged where it is so.

    Parameters
    ----------
    said : DataFrame
        As :func:`recorded.predicted` returns it.
    """
    after = outcomes_after()
    old = said if after is None else said[(said["at"] <= ago(after)).to_numpy(dtype=bool)]
    why = to_come(int(old["outcome"].notna().sum()), len(old), after)
    return old, why or ("" if after else next((f.message for f in early(old)), ""))


def to_come(known: int, rows: int, after: str | None) -> str:
    """Return why the outcomes of some predictions are not judged yet; nothing where they are.

    Parameters
    ----------
    known, rows : int
        Outcomes, and the predictions that are old enough.
    after : str, optional
        How long outcomes take: then every prediction that is so old is judged, however many outcomes are known.

    Examples
    --------
    >>> to_come(48, 100, None), to_come(80, 100, None), to_come(48, 100, "7d")
    ('outcomes are still to come: 48 % known', '', '')
    """
    if after is not None:
        return "" if rows else f"outcomes are still to come: no prediction is {after} old"
    share = known / rows if rows else 0.0
    return "" if share >= KNOWN else f"outcomes are still to come: {100 * share:.0f} % known"


def outcomes_after() -> str | None:
    """Return how long outcomes take to come: ``[predictions] outcomes_after``, None where the project does not say."""
    span = session.project().setting("predictions", "outcomes_after")
    if span is None:
        return None
    try:
        ago(span)
    except Invalid as error:
        raise Invalid(f"outcomes_after is {span!r} under [predictions].", error.hint) from error
    return str(span)


def judged(
    chosen: ModelVersion,
    version: int | None,
    batch: str | None,
    said: pd.DataFrame,
    agreed: Mapping[str, Any] | None = None,
) -> Performance:
    """Return the performance of predictions, as :func:`recorded.predicted` returns them.

    Parameters
    ----------
    chosen : ModelVersion
        Whose signature says what the answers mean.
    version : int, optional
        The version that made all of them.
    batch : str, optional
        What they are called together.
    said : DataFrame
        ``prediction``, ``probability`` and ``outcome``, missing where none is known.
    agreed : mapping, optional
        As :func:`agreement` returns it; a target of the charter called ``agreement`` is held against it.
    """
    from nbmlops.registry import measures, targets
    from nbmlops.stats import intervals

    known = said[said["outcome"].notna()]
    metrics = measures.measure(_answers(known, chosen)) if len(known) else {}
    covered = intervals.share(len(known), len(said))
    shared = {"agreement": {**agreed, "value": agreed["share"]}} if agreed and agreed["share"] is not None else {}
    return Performance(
        model=chosen.name,
        version=version,
        batch=batch,
        predictions=len(said),
        known=len(known),
        coverage=covered.value,
        coverage_low=covered.low,
        coverage_high=covered.high,
        task=str(chosen.signature["task"]),
        metrics=metrics,
        findings=targets.judge(targets.agreed(chosen.name), {**metrics, **shared}),
        agreement=agreed,
    )


def counted(chosen: ModelVersion, said: pd.DataFrame) -> dict[str, list[float]] | None:
    """Return what came true of predictions as the four counts at each threshold, for what acting on them is worth.

    Parameters
    ----------
    chosen : ModelVersion
        Whose signature says what the answers mean.
    said : DataFrame
        As :func:`recorded.predicted` returns it.

    Returns
    -------
    dict or None
        As ``Evaluation.confusion``; None where the model has not two classes with probabilities, or nothing came true.
    """
    from nbmlops.registry import measures

    known = said[said["outcome"].notna()]
    return measures.confusion(_answers(known, chosen)) if len(known) else None


def numbers(chosen: ModelVersion, said: pd.DataFrame) -> Numbers | None:
    """Return what a regression said and what came true, for what its errors cost; None of another model.

    Parameters
    ----------
    chosen : ModelVersion
    said : DataFrame
        As :func:`recorded.predicted` returns it.
    """
    known = said[said["outcome"].notna()]
    if chosen.signature["task"] != "regression" or known.empty:
        return None
    return known["prediction"].to_numpy(dtype=float), known["outcome"].to_numpy(dtype=float)


def agreement(came: Iterable[Mapping[str, Any]], ids: Iterable[str] | None = None) -> dict[str, Any]:
    """Return how many opinions agree: the newest of each person on each prediction counts, unsure ones stand apart.

    Parameters
    ----------
    came : iterable of mapping
        Opinions, oldest first.
    ids : iterable of str, optional
        The predictions that are spoken of; all when absent.

    Returns
    -------
    dict
        ``agree``, ``disagree``, ``unsure``, ``people``, ``n`` (the first two), and where n is at least 10 ``share``
        of n that agree, with Wilson's interval ``low`` and ``high``; None where there are fewer.
    """
    from nbmlops.stats import intervals

    spoken = None if ids is None else set(ids)
    newest = verdicts(row for row in came if spoken is None or row["prediction_id"] in spoken)
    counts = {verdict: sum(v == verdict for v in newest.values()) for verdict in ("agree", "disagree", "unsure")}
    n = counts["agree"] + counts["disagree"]
    found = intervals.share(counts["agree"], n) if n >= FEWEST else None
    ends = {end: None if found is None else float(getattr(found, end)) for end in ("low", "high")}
    people = len({(source, actor) for _, source, actor in newest})
    return {**counts, "people": people, "n": n, "share": None if found is None else float(found.value), **ends}


def verdicts(came: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str | None], str]:
    """Return the newest verdict by prediction, source and person, of opinions that come oldest first."""
    return {(row["prediction_id"], row["source"], row["actor"]): row["verdict"] for row in came}


def early(said: pd.DataFrame) -> list[Finding]:
    """Return the finding that outcomes of the newest predictions are still to come, where their coverage says so.

    The newest are those made last, a quarter of all or the least more that were made at one time. Told where the share
    of known outcomes among them is less than half of that among the others, and its interval lies below theirs.
    """
    from nbmlops.stats import intervals

    known, at = said["outcome"].notna(), said["at"]
    since = at.sort_values(kind="stable").iloc[len(at) - max(1, len(at) // 4)]
    new = (at >= since).to_numpy(dtype=bool)
    if min(new.sum(), (~new).sum()) < FEWEST_COMPARED:
        return []
    late, before = (intervals.share(int(known[which].sum()), int(which.sum())) for which in (new, ~new))
    if late.high >= before.low or late.value >= before.value / 2:
        return []
    message = (
        f"outcomes are still to come: known for {100 * late.value:.0f} % of the {int(new.sum()):,} predictions since "
        f"{since[:16].replace('T', ' ')}, for {100 * before.value:.0f} % of those before: see older_than"
    )
    return [Finding("early", "warning", message, "", late.value, detail={"since": since, "before": before.value})]


def ago(span: str) -> str:
    """Return the time so long ago, as text in UTC.

    Raises
    ------
    Invalid
        It is no span of time.
    """
    from nbmlops.quality.answers import seconds

    length = seconds(span) if isinstance(span, str) else 0.0
    if not 0 < length < LONGEST_S:
        raise Invalid(f"{span!r} is no span of time.", "Write 7d, 36h, 30min or 2w.")
    return (datetime.fromisoformat(now()) - timedelta(seconds=length)).isoformat(timespec="microseconds")


def same(one: Any, other: Any) -> bool:
    """Tell whether two outcomes are one: a number is its value (True is 1), anything else its text.

    >>> same(True, 1.0), same("late", "late"), same("1", 1)
    (True, True, True)
    """
    return bool(one == other or canonical(one) == canonical(other))


def canonical(value: Any) -> Any:
    """Return a label so that equal ones are equal: numbers and truth values by value, anything else as text."""
    text = str(value).strip()
    named = {"True": 1.0, "true": 1.0, "False": 0.0, "false": 0.0}
    if text in named:
        return named[text]
    try:
        return float(text)
    except ValueError:
        return text


def _answers(known: pd.DataFrame, version: ModelVersion) -> Answers:
    """Return predictions and outcomes as answers, labels brought to those of the signature."""
    import numpy as np

    from nbmlops.registry.measures import Answers

    task, classes = version.signature["task"], tuple(version.signature["classes"])
    if task == "regression":
        said, truth = (known[k].to_numpy(dtype=float) for k in ("prediction", "outcome"))
        return Answers(task, said, truth=truth)
    said, truth = (_labels(known[k], classes, version.name) for k in ("prediction", "outcome"))
    chance = known["probability"].to_numpy(dtype=float)
    if task != "binary" or np.isnan(chance).any():
        return Answers(task, said, classes=classes, truth=truth)
    return Answers(task, said, np.column_stack([1 - chance, chance]), chance, classes, truth)


def _labels(column: pd.Series[Any], classes: tuple[Any, ...], model: str) -> Any:
    """Return answers as the classes of a signature; a few distinct values are looked at, not each row."""
    import numpy as np

    label = {canonical(c): c for c in classes}
    found = {value: label.get(canonical(value)) for value in column.unique()}
    if strange := sorted(str(value) for value, known in found.items() if known is None):
        raise Invalid(
            f"Outcomes of {model} hold {', '.join(strange[:5])}, which is none of its classes.",
            f"It knows: {', '.join(map(str, classes[:8]))}.",
        )
    return np.array([found[value] for value in column.tolist()])


def _no_predictions(name: str, version: int | None, batch: str | None, older_than: str | None) -> NotFound:
    from nbmlops.store.predictions import batches

    if batch is not None and batch not in (known := batches(session.store(), name)) and known:
        return unknown(f"batch of predictions of {name}", batch, known)
    which = name if version is None else f"{name}@{version}"
    if older_than is not None:
        return NotFound(
            f"{which} made no predictions older than {older_than} that were kept.", "Ask for a shorter span."
        )
    return NotFound(f"{which} has made no predictions that were kept.", f'Make some: nb.predict("{name}", frame).')
