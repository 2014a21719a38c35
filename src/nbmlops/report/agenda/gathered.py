"""What an agenda is made of, as plain JSON: what the project's report knows, and what is of a period of time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NbmlopsError, NotFound
from nbmlops.governance import phase
from nbmlops.governance.agenda import decided, overdue
from nbmlops.governance.approval import given, override
from nbmlops.governance.written.plan import left
from nbmlops.hooks import service
from nbmlops.records import Finding, now, plain
from nbmlops.registry import judged
from nbmlops.report.project import gathered as whole
from nbmlops.store import events as chain
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.governance.charter import Charter
    from nbmlops.records import ModelVersion

__all__ = ["Period", "gather", "newest", "next_one"]

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")  # of UTC
MOST, MOST_POINTS = 50, 24
OF_PEOPLE = ("alias", "reject", "approve", "condition_met", "override_reviewed", "charter", "flag", "question_verdict",
             "decision", "handover", "delete", "restore")  # fmt: skip
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Period:
    """From when on an agenda tells, and which agenda was the last one then: its number, as_of and digest."""

    since: str
    last: dict[str, Any] | None = None


def gather(period: Period) -> dict[str, Any]:
    """Return the facts of the agenda for the time from the beginning of a period until now.

    Parameters
    ----------
    period : Period

    Raises
    ------
    NotFound
        Nothing is known of the project yet.
    """
    at, facts = now(), whole.gather()
    agreed, said = _charter(), _events()
    lately = [e for e in said if e["at"] > period.since]
    due = [{**plain(d), "state": d.state(at)} for d in (agreed.deliverables if agreed else ())]
    return {
        **facts,
        "deliverables": due,
        "budget": {**agreed.budget, **left(agreed.budget, at)} if agreed and agreed.budget else None,
        "since": period.since,
        "last": period.last,
        "every": agreed.agenda_every if agreed else "",
        "changed": _changed(period.since, lately),
        "over_time": _over_time(agreed),
        "first_worth": _first_worth(),
        "questions": _questions(agreed, said),
        "decided": decided.decisions(said)[-MOST:],
        "asked": _asked(),
        "conditions": _conditions(said, at),
        "overrides": override.of_events(said),
        "overdue": [f.to_dict() for f in _overdue(agreed, said, at)],
        "status": [plain(i) | {"turn": i.turn} for i in phase.status().items],
        "as_of": at,
    }


def newest() -> Period | None:
    """Return the period of the agenda that was made last, None without one or where its facts are lost."""
    from nbmlops.report.kept import load
    from nbmlops.store import reports

    kept = reports.newest(session.store(), decided.AGENDA)
    try:
        said = load(kept.digest) if kept else None
    except NotFound:
        return None
    return Period(said["since"], said["last"]) if said else None


def next_one(day: str | None = None) -> Period:
    """Return the period of the next agenda: from a day that is asked for, else since the last one, else as it is due.

    Raises
    ------
    Invalid
        No such day, or one that is to come.
    """
    from nbmlops.registry.past import instant
    from nbmlops.store import reports

    kept = reports.newest(session.store(), decided.AGENDA)
    before = {"number": kept.number, "as_of": kept.as_of, "digest": kept.digest} if kept else None
    if day is not None:
        return Period(instant(f"{day}T00:00:00+00:00" if DAY.fullmatch(str(day)) else day), before)
    if kept is not None:
        return Period(kept.as_of, before)
    agreed = _charter()
    days = overdue.DAYS.get(agreed.agenda_every if agreed else "", overdue.DAYS["monthly"])
    return Period((datetime.fromisoformat(now()) - timedelta(days=days)).isoformat(timespec="microseconds"))


def _charter() -> Charter | None:
    """Return the charter; None also where it cannot be read, which the facts of the project say."""
    from nbmlops.governance.charter import charter

    try:
        return charter(session.project().root)
    except NbmlopsError:
        return None


def _events() -> list[dict[str, Any]]:
    with session.store().reading() as connection:
        found = override.marked(connection, chain.listed(connection))
    return [{k: v for k, v in e.items() if k != "previous"} for e in found]


def _changed(since: str, lately: Sequence[Json]) -> dict[str, Any]:
    """Return what was done in the period: runs and works by state, versions, moves, charters, and what people did."""
    from nbmlops.store import counted

    told = {
        "versions": [e["subject"] for e in lately if e["action"] == "register"],
        "charter": [line for e in lately if e["action"] == "charter" for line in e["data"].get("changed") or ()],
        "events": [e for e in lately if e["action"] in OF_PEOPLE],
    }
    return {
        "runs": dict(counted.runs(session.store(), since)),
        "works": counted.works(session.store(), since),
        "counts": dict(sorted(Counter(str(e["action"]) for e in lately).items())),
        **{key: found[-MOST:] for key, found in told.items()},
        "left_out": {key: max(0, len(found) - MOST) for key, found in told.items()},
    }


def _over_time(agreed: Charter | None) -> list[dict[str, Any]]:
    """Return each target of each model in use with what was measured: evaluated, then as it came true."""
    from nbmlops.store.models import listed
    from nbmlops.store.runs import results_of

    if agreed is None:
        return []
    versions: dict[str, list[ModelVersion]] = {}
    for version in listed(session.store()):
        versions.setdefault(version.name, []).append(version)
    results = results_of(session.store(), kind="evaluation")
    found = []
    for name, of_it in sorted(versions.items()):
        champion = next((v for v in of_it if "champion" in v.aliases), None)
        if champion is not None:
            points = [*_evaluated(of_it, results), *_came_true(champion, agreed)]
            found += [_series(name, t, points) for t in agreed.for_model(name).metrics]
    return [series for series in found if series["points"]]


def _evaluated(versions: Iterable[ModelVersion], results: Sequence[Json]) -> list[dict[str, Any]]:
    known = [(v, r) for v in versions if (r := judged.of_version(v, results).result)]
    found = [{"at": r["at"], "of": v.ref, "metrics": r["data"].get("metrics") or {}} for v, r in known]
    return sorted(found, key=lambda p: p["at"])


def _came_true(champion: ModelVersion, agreed: Charter) -> list[dict[str, Any]]:
    from nbmlops.monitoring.reviews import reviews

    try:
        found = reviews(champion, days=agreed.review_days, most=MOST_POINTS)
    except NbmlopsError:  # outcomes that are none of its classes: the evaluations are what is known then
        return []
    done = [r for r in reversed(found) if not r.to_come]
    return [{"at": r.since, "of": r.name, "metrics": r.performance.metrics} for r in done]


def _series(name: str, target: Any, points: Sequence[Json]) -> dict[str, Any]:
    kept = [
        {"at": p["at"], "of": p["of"], **{k: m.get(k) for k in ("value", "low", "high")}}
        for p in points
        if (m := p["metrics"].get(target.name))
    ]
    about = {"model": name, "metric": target.name, "text": target.text}
    return {**about, "at_least": target.at_least, "at_most": target.at_most, "points": kept[-MOST_POINTS:]}


def _first_worth() -> dict[str, Any] | None:
    """Return the first estimate of the project's worth, with who made it when; None without one."""
    found: dict[str, Any] | None = service("governance.worth.told", "first")()
    return found


def _questions(agreed: Charter | None, said: Sequence[Json]) -> list[dict[str, Any]]:
    """Return each question of the business with its newest verdict."""
    answered = decided.verdicts(said)
    return [{**plain(q), "answered": answered.get(q.id)} for q in (agreed.questions if agreed else ())]


def _asked() -> list[dict[str, Any]]:
    """Return the flags that are questions and that nobody has answered; what is private is masked in them."""
    found = service("governance.flags.listed", "found")(state="open")
    kept = ("flag_id", "subject", "severity", "text", "author", "role", "owner", "at")
    return [{k: getattr(f, k) for k in kept} for f in found if f.question][:MOST]


def _conditions(said: Sequence[Json], at: str) -> list[dict[str, Any]]:
    """Return the conditions of approvals that nobody has met; of each person's answers about a version the newest."""
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    subjects = {e["seq"]: e["subject"] for e in said if e["action"] == "approve"}
    for answer in given.of_events(said):
        of = subjects[answer.seq]
        asked = [
            {"subject": of, "approve": answer.seq, "by": answer.name, "late": str(c["due"]) < at[:10],
             **{k: c.get(k) for k in ("condition", "text", "owner", "due")}}
            for c in answer.conditions
            if answer.approves and not c["met_at"]
        ]  # fmt: skip
        newest[of, answer.name, answer.role] = {"asked": asked}
    return [c for found in newest.values() for c in found["asked"]]


def _overdue(agreed: Charter | None, said: Sequence[Json], at: str) -> list[Finding]:
    """Return the reviews of champions that are overdue; the agenda's own is this one."""
    return overdue.due(agreed, said, [at], at) if agreed else []
