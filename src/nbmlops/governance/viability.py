"""Whether it is still viable: key metrics against targets and bounds, data, what a run takes, reviews, budget."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.governance.charter import Charter, required
from nbmlops.governance.grounds import age
from nbmlops.governance.written.plan import left, rest_in_words, rounded
from nbmlops.hooks import Shown
from nbmlops.records import Finding, Outcome, now, plain
from nbmlops.registry import judged, models, targets
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion
    from nbmlops.tracking.runs import Run

__all__ = ["RULES", "Viability", "as_of", "measured", "metrics_findings", "verdict", "viability"]

VIABLE, AT_RISK, LOST, UNKNOWN = "viable", "at risk", "not viable", "insufficient data"
# Asked in this order; the first that holds decides.
RULES = (
    (LOST, "a key metric is beyond its bound of viability, or the budget is spent"),
    (UNKNOWN, "no key metric is measured"),
    (
        AT_RISK,
        "a target is broken, not shown or not measured, or broken on other rows; data has stopped, a review is due, "
        "or a run takes twice as long",
    ),
    (VIABLE, "nothing of this"),
)
SLOW = 2.0  # times the usual length of a run
FEWEST_RUNS, COMPARED = 3, 20
STALE_DAYS = 90  # where the charter asks for no review
Metrics = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, repr=False)
class Viability(Shown):
    """A verdict with the findings it rests on: viable, at risk, not viable or insufficient data."""

    shows: ClassVar[str] = "viability"

    subject: str
    verdict: str
    because: str
    at: str
    findings: tuple[Finding, ...] = ()
    charter: str = ""  # digest of the one it was judged under

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}


def viability(ref: str | None = None) -> Viability:
    """Tell whether a run, a model version or the project is still viable, by the charter.

    Parameters
    ----------
    ref : str, optional
        A model such as ``late-flights@champion``, or a run; the project with all its champions when absent.

    Returns
    -------
    Viability
        ``verdict`` is *viable*, *at risk*, *not viable* or *insufficient data*; ``findings`` say why.

    Raises
    ------
    NotFound
        There is no charter, or no such run or model.

    Examples
    --------
    >>> nb.viability("late-flights@champion").verdict  # doctest: +SKIP
    'viable'
    """
    return as_of(ref, now())


def as_of(ref: str | None, at: str) -> Viability:
    """Return the viability as it was at a time, by the charter in force now; see :func:`viability`."""
    charter = required()
    if ref is None:
        return _judged(session.project().name, [*_champions(charter, at), *_budget(charter, at)], charter, at)
    version = _version(ref)
    if version is not None:
        found = [*_of_version(version, charter, at), *_budget(charter, at)]
        return _judged(version.ref, found, charter, at)
    from nbmlops.tracking.runs import get_run

    run = get_run(ref)
    found = [*metrics_findings(measured(run), charter), *_data(run, charter, at), *_cost(run), *_budget(charter, at)]
    return _judged(run.run_id, found, charter, at)


def verdict(findings: Iterable[Finding]) -> tuple[str, str]:
    """Return the verdict on some findings, and why.

    Examples
    --------
    >>> verdict([Finding("viable", "issue", "roc_auc at least 0.55 is broken: 0.5")])
    ('not viable', 'roc_auc at least 0.55 is broken: 0.5')
    >>> verdict([])[0]
    'insufficient data'
    """
    known = list(findings)
    lost = [f for f in known if f.code in ("viable", "budget") and f.outcome == "issue"]
    metrics = [f for f in known if f.code in ("target", "viable") and f.outcome != "skipped"]
    risks = [f for f in known if f.outcome in ("warning", "issue") or (f.code == "target" and f.outcome == "skipped")]
    if lost:
        return LOST, "; ".join(f.message for f in lost)
    if not metrics:
        return UNKNOWN, "no key metric is measured"
    if risks:
        return AT_RISK, "; ".join(f.message for f in risks)
    return VIABLE, f"all {len(metrics)} bounds of key metrics are shown, and nothing speaks against it"


def metrics_findings(metrics: Metrics, charter: Charter) -> tuple[Finding, ...]:
    """Return each target of the charter, and each bound of viability, against measured numbers.

    Parameters
    ----------
    metrics : mapping
        Name to ``{"value", "low", "high"}``.
    charter : Charter
        With a model's own targets, where it has some.
    """
    bounds = [v for t in charter.metrics if (v := t.viability()) is not None]
    return (*charter.judge(metrics), *(replace(f, code="viable") for f in targets.judge(bounds, metrics)))


def measured(run: Run) -> dict[str, dict[str, Any]]:
    """Return what a run measured: by the evaluation that stands for it, else as logged: no interval is known then."""
    stands = judged.of_run(run.results("evaluation"), run.run_id)
    logged = {k: {"value": v, "low": math.nan, "high": math.nan} for k, v in run.metrics.items()}
    return {**logged, **(stands["data"].get("metrics") or {})} if stands else logged


def _judged(subject: str, findings: Iterable[Finding], charter: Charter, at: str) -> Viability:
    found = tuple(findings)
    return Viability(subject, *verdict(found), at, found, charter.digest)


def _version(ref: str) -> ModelVersion | None:
    """Return the model version a person means; None where it names no model."""
    from nbmlops.store.models import listed

    known = "@" in ref or bool(listed(session.store(), ref))
    return models.model_version(ref) if known else None


def _of_version(
    version: ModelVersion, charter: Charter, at: str, results: Sequence[Mapping[str, Any]] | None = None
) -> Iterator[Finding]:
    found, own = judged.of_version(version, results), charter.for_model(version.name)
    yield from metrics_findings((found.data or {}).get("metrics") or {}, own)
    yield from (_apart(a, own) for a in found.apart)
    yield replace(age(version, charter.review_days, at), code="review")
    if version.run_id:
        from nbmlops.tracking.runs import get_run

        run = get_run(version.run_id)
        yield from (*_data(run, charter, at), *_cost(run))


def _apart(other: judged.Apart, charter: Charter) -> Finding:
    """Return what was judged on rows that do not stand for the model: a broken target on other rows is a risk."""
    broken = [f for f in charter.judge(other.metrics) if f.outcome == "issue"]
    said = "; ".join(f.message for f in broken) or "no target is broken there"
    outcome: Outcome = ("not_applicable" if other.part else "warning") if broken else "passed"
    return Finding("rows", outcome, f"judged again on {other.on}: {said}", "", float(other.rows))


def _champions(charter: Charter, at: str) -> Iterator[Finding]:
    """Yield what is found of every champion, named; what was kept of evaluations is read once for all of them."""
    from nbmlops.store.models import listed
    from nbmlops.store.runs import results_of

    champions = [v for v in listed(session.store()) if "champion" in v.aliases]
    kept = results_of(session.store(), kind="evaluation") if champions else []
    for champion in champions:
        for finding in _of_version(champion, charter, at, kept):
            yield replace(finding, message=f"{champion.ref}: {finding.message}")


def _data(run: Run, charter: Charter, at: str) -> Iterator[Finding]:
    """Yield of each data set the run read whether new versions of it still come."""
    from nbmlops.store.datasets import listed

    names = dict.fromkeys(d.name for d in run.datasets if d.role == "read")
    versions = listed(session.store()) if names else []
    for name in names:
        newest = max(
            (str(v["created_at"]) for v in versions if v["name"] == name and str(v["created_at"]) <= at), default=""
        )
        if not newest:
            words = f"whether {name} still comes is not known: no version of it is recorded"
            yield Finding("data", "skipped", words, name)
            continue
        days, limit = (datetime.fromisoformat(at) - datetime.fromisoformat(newest)).days, charter.review_days
        stale = days > (limit or STALE_DAYS)
        words = f"the newest version of {name} came {days} days ago{', and none since' if stale else ''}"
        yield Finding("data", "warning" if stale else "passed", words, name, float(days))


def _cost(run: Run) -> Iterator[Finding]:
    """Yield what the run took beside what is usual for its experiment."""
    from nbmlops.store import runs

    if run.duration_s is None:
        return
    about = {k: getattr(run, k) for k in ("kind", "notebook", "experiment", "started_at")}
    rows = runs.load_many(session.store(), runs.earlier(session.store(), about, COMPARED))
    before = [r["duration_s"] for r in rows if r["duration_s"] and r["status"] == "finished"]
    took = float(run.duration_s)
    if len(before) < FEWEST_RUNS:
        yield Finding(
            "cost", "passed", f"it took {rounded(took)} s; fewer than {FEWEST_RUNS} before to compare", "", took
        )
        return
    usual = float(median(before))
    slow = took > SLOW * usual and took > 1
    yield Finding(
        "cost", "warning" if slow else "passed", f"it took {rounded(took)} s; {rounded(usual)} s is usual", "", took
    )


def _budget(charter: Charter, at: str) -> Iterator[Finding]:
    if not charter.budget:
        return
    rest = left(charter.budget, at)["left"]
    if rest is None:
        yield Finding("budget", "skipped", "what is left of the budget is not known: nobody says what is spent")
    else:
        yield Finding("budget", "passed" if rest > 0 else "issue", rest_in_words(charter.budget, rest), "", rest)
