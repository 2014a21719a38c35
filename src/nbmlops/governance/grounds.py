"""What is known of a model when advice is asked for: contract, performance, viability, the last gate, episodes, age."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from nbmlops.drift import performance as realised
from nbmlops.governance.charter import Charter, charter
from nbmlops.monitoring import alerts, episodes
from nbmlops.monitoring.reviews import FEWEST, Review, reviews
from nbmlops.records import Finding, ModelVersion, Outcome
from nbmlops.registry import targets
from nbmlops.tracking import session

__all__ = ["Grounds", "Side", "age", "grounds"]

ANSWERS = (*alerts.DO, "charter_target")  # codes of a drift report that speak of answers; the others are the contract's
Json = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One thing advice rests on: its state, the findings that say so, what is needed to know more, and of what."""

    state: str  # an empty one is not known
    findings: tuple[Finding, ...]
    needed: tuple[str, ...] = ()
    rests_on: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grounds:
    """What is known of a model: each a :class:`Side`."""

    version: ModelVersion
    contract: Side  # kept, broken
    performance: Side  # kept, lost
    challenger: Side  # wins, loses, unclear: of the newest gate against this version since the performance was known
    viability: Side  # kept, lost: lost in the last two reviews
    watched: Side  # open episodes, overrides nobody reviewed and age, which decide nothing

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, in the order of evidence."""
        sides = (self.contract, self.performance, self.viability, self.challenger, self.watched)
        return tuple(f for side in sides for f in side.findings)

    @property
    def rests_on(self) -> Json:
        """The results, periods and counts the findings were made of."""
        sides = (self.contract, self.performance, self.viability, self.challenger)
        return {k: v for side in sides for k, v in side.rests_on.items()}


def grounds(version: ModelVersion, at: str) -> Grounds:
    """Return what is known of a model version at a time.

    Parameters
    ----------
    version : ModelVersion
        The champion.
    at : str
        The time, for its age.
    """
    agreed, report = charter(), _newest(version.name, "drift", version.ref)
    days = agreed.review_days if agreed else None
    every = reviews(version, days=days, most=1)
    seen = [r for r in every if not r.to_come]
    performance = _performance(version, agreed, every, report)
    since = seen[0].since if seen else report["at"] if report and _answered(report) else ""
    return Grounds(
        version,
        _contract(version, agreed, report),
        performance,
        _challenger(version, since),
        _viability(version, agreed, days),
        Side("", (*_episodes(version), *_overrides(version, agreed), age(version, days, at))),
    )


def _newest(name: str, kind: str, reference: str) -> Json | None:
    from nbmlops.store.runs import results_of

    found = results_of(session.store(), kind=kind, subject=name)
    return next((r for r in reversed(found) if r["data"].get("reference") == reference), None)


def _contract(version: ModelVersion, agreed: Charter | None, report: Json | None) -> Side:
    """Return what the newest drift report says of the columns, and the newest checks of data the model is made of."""
    checks = _checks(version)
    said = [("the newest drift check", report["data"]["findings"])] if report else []
    said += [(f"rules of {r['subject']}", r["data"]["findings"]) for r in checks]
    if not said:
        nothing = Finding("contract", "skipped", "Contract: no check of its data is known", version.ref)
        return Side("", (nothing,), (f"a check of its data: nbmlops drift DATA --model {version.ref}",))
    found = [_contract_finding(name, findings, agreed) for name, findings in said]
    state = "broken" if any(f.outcome == "issue" for f in found) else "kept"
    return Side(state, tuple(found), rests_on={"drift": report and report["result_id"], "checks": _ids(checks)})


def _contract_finding(name: str, findings: Iterable[Mapping[str, Any]], agreed: Charter | None) -> Finding:
    broken = [f for f in findings if f["outcome"] == "issue" and f["code"] not in ANSWERS]
    if not broken:
        return Finding("contract", "passed", f"Contract: {name} breaks nothing", name)
    more = f" and {len(broken) - 1} more" if broken[1:] else ""
    first = agreed.masked(broken[0]["message"]) if agreed else broken[0]["message"]
    message = f"Contract: {name}: {first}{more}"
    return Finding("contract", "issue", message, name, float(len(broken)), detail={"broken": len(broken)})


def _checks(version: ModelVersion) -> list[Json]:
    """Return the newest check of each subject that was checked where a version of the model was made, or is now."""
    from nbmlops.store.models import listed
    from nbmlops.store.runs import load_many, results_of

    store, opened = session.store(), session.current()
    made = [v.run_id for v in listed(store, version.name) if v.run_id]
    around = [r["parent"] for r in load_many(store, made) if r["parent"]]
    runs = {*made, *around, *([opened.run_id] if opened else [])}
    subjects = {r["subject"] for r in results_of(store, runs, kind="check")} if runs else set()
    return [results_of(store, kind="check", subject=s)[-1] for s in sorted(subjects)]


def _ids(results: Iterable[Mapping[str, Any]]) -> list[str]:
    return [r["result_id"] for r in results]


def _performance(version: ModelVersion, agreed: Charter | None, seen: Sequence[Review], report: Json | None) -> Side:
    """Return the realised performance against the targets, else against the evaluation it was registered with."""
    waits = tuple(_waits(r) for r in seen if r.to_come)
    if ripe := [r for r in seen if not r.to_come]:
        side = _reviewed(version, agreed, ripe[0])
        return replace(side, findings=(*side.findings, *waits))
    if report and (answered := _answered(report)):
        found = tuple(Finding(**{k: v for k, v in f.items() if k != "level"}) for f in answered)
        agreed_on = [f for f in found if f.code == "charter_target"] or found
        return Side(_state(agreed_on), found, rests_on={"drift": report["result_id"]})
    if waits:
        needed = "the outcomes still to come, or how long they take: outcomes_after under [predictions] in nbmlops.toml"
        return Side("", waits, (needed,))
    says = f"Performance: fewer than {FEWEST} outcomes of {version.ref} are known in any period"
    needed = f"{FEWEST} outcomes of what it predicted in one period: nbmlops feedback FILE"
    return Side("", (Finding("performance", "skipped", says, version.ref),), (needed,))


def _waits(review: Review) -> Finding:
    says = f"Performance in {review.name}: {review.to_come}"
    return Finding("performance", "skipped", says, detail={"n": review.known, "review": review.name})


def _answered(report: Json) -> list[Json]:
    """Return what a drift report says of answers that came true."""
    known = [f for f in report["data"]["findings"] if f["code"] in ("performance", "charter_target")]
    return [f for f in known if f["outcome"] in ("passed", "warning", "issue")]


def _reviewed(version: ModelVersion, agreed: Charter | None, review: Review) -> Side:
    judged = [f for f in review.performance.findings if f.outcome != "skipped"]
    rests = {"review": review.name, "known": review.known}
    if judged:
        return Side(_state(judged), tuple(_of_review(f, review) for f in judged), rests_on=rests)
    metric = next((m for m in ("roc_auc", "accuracy", "mae") if m in review.performance.metrics), "")
    if not metric or metric not in version.metrics:
        says = f"Performance: {version.ref} has neither targets nor an evaluation to be held against"
        needed = "targets its performance is held against: nbmlops charter new"
        return Side("", (Finding("performance", "skipped", says, version.ref),), (needed,), rests)
    now: Any = review.performance.metrics[metric]
    found = realised.against("performance", metric, now, version.metrics[metric])
    return Side(_state([found]), (_of_review(found, review),), rests_on=rests)


def _state(found: Iterable[Finding]) -> str:
    return "lost" if any(f.outcome == "issue" for f in found) else "kept"


def _of_review(found: Finding, review: Review) -> Finding:
    message = f"{found.message}, on {review.known:,} outcomes of {review.name}"
    return replace(found, message=message, detail={**found.detail, "n": review.known, "review": review.name})


def _viability(version: ModelVersion, agreed: Charter | None, days: int | None) -> Side:
    """Return whether the last two reviews, whichever version answered, lie wholly beyond what is worth having."""
    bounds = [b for t in (agreed.for_model(version.name).metrics if agreed else ()) if (b := t.viability())]
    if not bounds:
        says = "Viability: the charter says of no metric where the model is not worth having (viable)"
        return Side("", (Finding("viability", "not_applicable", says),))
    seen = [r for r in reviews(version, alone=False, days=days) if not r.to_come]
    found = [(r, f) for r in seen for f in targets.judge(bounds, r.performance.metrics) if f.outcome != "skipped"]
    lost = {r.name for r, f in found if f.outcome == "issue"}
    told = tuple(replace(_of_review(f, r), code="viability") for r, f in found)
    if not told:
        told = (Finding("viability", "skipped", "Viability: no review has enough outcomes"),)
    return Side(
        "lost" if len(lost) > 1 else "kept" if found else "", told, rests_on={"reviews": [r.name for r in seen]}
    )


def _challenger(version: ModelVersion, since: str) -> Side:
    """Return what the newest gate against this very file said, of those made since the performance is known."""
    from nbmlops.store.runs import results_of

    found = [r for r in results_of(session.store(), kind="gate") if _between(version, r["data"]) and r["at"] >= since]
    if not found:
        nothing = f"Gate: no challenger was compared with {version.ref} since its performance is known"
        return Side("", (Finding("gate", "skipped", nothing, version.ref),))
    data = found[-1]["data"]
    state = "wins" if data["ready"] else "unclear" if _too_few(data) else "loses"
    says = "ready" if data["ready"] else f"not ready because {'; and '.join(data['because'])}"
    message = (
        f"Gate: {data['challenger']} is {data['verdict']} than {version.ref}"
        if data["verdict"] in ("better", "worse")
        else f"Gate: {data['challenger']} against {version.ref} is {data['verdict']}"
    )
    low, high = (data[k] for k in ("low", "high"))
    message += (
        f", {data['metric']} {data['difference']:+.4f} [{low:+.4f}, {high:+.4f}] on {data['rows']:,} rows; {says}"
    )
    detail = {k: data[k] for k in ("challenger", "verdict", "ready", "metric", "low", "high", "rows")}
    outcome: Outcome = "passed" if state == "wins" else "warning"
    gate = Finding("gate", outcome, message, version.ref, data["difference"], detail=detail)
    needed = ("more rows to compare on: nbmlops gate CHALLENGER CHAMPION --on ROWS",) if state == "unclear" else ()
    return Side(state, (gate,), needed, {"gate": found[-1]["result_id"], "challenger": data["challenger"]})


def _between(version: ModelVersion, data: Mapping[str, Any]) -> bool:
    """Tell whether a gate held another registered version of the model against this file."""
    own = data["challenger"].rpartition("@")[0] == version.name and data.get("challenger_digest")
    return bool(own) and data.get("champion_digest") == version.digest != data["challenger_digest"]


def _too_few(data: Mapping[str, Any]) -> bool:
    return any(f["code"] == "gate" and "insufficient data" in f["message"] for f in data["findings"])


def _episodes(version: ModelVersion) -> Iterator[Finding]:
    """Yield the open episodes at alert: they tell where to look."""
    for row in episodes.rows(version.ref, "open"):
        if row["level"] == "alert":
            what = f"{row['code']} {row['column']}".strip()
            yield Finding("episode", "warning", f"Episode since {row['opened_on']}: {what}", row["column"])


def _overrides(version: ModelVersion, agreed: Charter | None) -> Iterator[Finding]:
    """Yield the emergencies nobody has reviewed: they are loud wherever a person looks at the model."""
    from nbmlops.governance.approval import override

    with session.store().reading() as connection:
        found = override.pending(connection, version.name)
    for over in found:
        says = override.words(over)
        message = f"Override: {agreed.masked(says) if agreed else says}"
        yield Finding("override", "warning", message, over["subject"], detail={"alias": over["alias"]})


def age(version: ModelVersion, days: int | None, at: str) -> Finding:
    """Return since when the version is champion, and whether its review is due."""
    from nbmlops.governance import history

    moved = [r["at"] for r in history.rows(version.name, "champion") if r["version"] == version.version]
    since = moved[-1] if moved else version.created_at
    age = (datetime.fromisoformat(at) - datetime.fromisoformat(since)).days
    word = "champion" if moved else "registered"
    if days is None:
        return Finding(
            "age", "passed", f"Age: {word} for {age} days, and the charter asks for no review", effect=float(age)
        )
    due = age > days
    says = f"Age: {word} for {age} days, a review is asked every {days}{': it is due' if due else ''}"
    return Finding("age", "warning" if due else "passed", says, effect=float(age), detail={"review_days": days})
