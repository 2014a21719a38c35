"""What the store knows of a project, as plain JSON: models and what they are worth, what was done, what is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NbmlopsError, NotFound
from nbmlops.records import plain
from nbmlops.registry import judged
from nbmlops.report.gathered import flagged, outside
from nbmlops.report.gathered.masked import hide
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.governance.charter import Charter
    from nbmlops.monitoring.performance import Numbers
    from nbmlops.records import ModelVersion

__all__ = ["gather"]

DAYS = 30
MOST_EVENTS, MOST_EPISODES, MOST_DATASETS, MOST_CHAMPIONS, MOST_EACH = 100, 50, 50, 12, 30
Json = dict[str, Any]
Hider = Callable[[str], str]
UNREAD = "not shown: charter.yaml cannot be read, so what is private is not known"


def gather() -> Json:
    """Return the facts of this project with their ``as_of``.

    Raises
    ------
    NotFound
        Nothing is known of it yet: no run, no event, no charter.
    """
    agreed, unreadable = _charter()
    as_of = _as_of()
    since = _before(as_of, DAYS)
    events = _events()
    hider = _hider(agreed, unreadable)
    models = _models(agreed, events, hider)
    return {
        "charter": {"unreadable": unreadable} if unreadable else agreed and agreed.to_dict(),
        "budget": _budget(agreed, as_of),
        "deliverables": [{**plain(d), "state": d.state(as_of)} for d in (agreed.deliverables if agreed else ())],
        "models": models,
        "episodes": _episodes(hider, {m["name"]: m["champion"] for m in models}),
        "flags": _flags(hider),
        "throughput": _throughput(),
        "lately": {"days": DAYS, "since": since, "runs": _runs(since), "works": _works(since)},
        "sources": _sources(as_of),
        "datasets": _datasets(),
        "events": events[-MOST_EVENTS:],
        "events_before": max(0, len(events) - MOST_EVENTS),
        "as_of": as_of,
    }


def _charter() -> tuple[Charter | None, str]:
    """Return the charter of the project's root, and why it cannot be read where it cannot."""
    from nbmlops.governance.charter import charter

    try:
        return charter(session.project().root), ""
    except NbmlopsError as error:
        return None, str(error)


def _hider(agreed: Charter | None, unreadable: str) -> Hider:
    """Return what takes values of private columns out of a text; nobody knows them where the charter is unread."""
    if unreadable:
        return lambda text: UNREAD if text else ""
    return partial(hide, hidden=outside.columns(agreed))


def _as_of() -> str:
    """Return when anything was last known: by the store, else when the charter was last written."""
    from nbmlops.registry import targets
    from nbmlops.store import counted

    if found := counted.last_known(session.store()):
        return found
    path = targets.find(session.project().root)
    if path is None:
        raise NotFound("There is nothing to report of this project yet.", "Track a cell, or: nbmlops charter new.")
    from datetime import UTC

    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="microseconds")


def _before(at: str, days: int) -> str:
    return (datetime.fromisoformat(at) - timedelta(days=days)).isoformat(timespec="microseconds")


def _budget(agreed: Charter | None, as_of: str) -> Json | None:
    from nbmlops.governance.written.plan import left

    return {**agreed.budget, **left(agreed.budget, as_of)} if agreed and agreed.budget else None


def _models(agreed: Charter | None, events: Sequence[Json], hider: Hider) -> list[Json]:
    """Return each model: its champion, what it was worth at the start and is now, its targets, the newest advice."""
    from nbmlops.store.models import listed
    from nbmlops.store.runs import latest_results, results_of

    versions: dict[str, list[ModelVersion]] = {}
    for version in listed(session.store()):
        versions.setdefault(version.name, []).append(version)
    evaluations = results_of(session.store(), kind="evaluation")
    advice = {r["subject"]: r["data"] for r in latest_results(session.store(), "advice")}
    moves: dict[str, list[Json]] = {}
    for event in events:
        if event["action"] == "alias" and event["data"].get("version") is not None:
            moves.setdefault(event["subject"], []).append(event)
    return [
        {
            **_model(name, found, moves.get(f"{name}@champion", []), evaluations, agreed and agreed.for_model(name)),
            "advice": _told(advice.get(name), hider),
        }
        for name, found in sorted(versions.items())
    ]


def _model(
    name: str,
    versions: Sequence[ModelVersion],
    history: Sequence[Json],
    evaluations: Sequence[Json],
    agreed: Charter | None,
) -> Json:
    champion = next((v for v in versions if "champion" in v.aliases), None)
    newest = max(versions, key=lambda v: v.version)
    last = history[-1] if champion and history else None
    served = _champions(versions, history, evaluations, agreed)
    return {
        "name": name,
        "owner": newest.owner,
        "versions": len(versions),
        "newest": newest.ref,
        "registered_at": min(v.created_at for v in versions),
        "champion": champion and champion.ref,
        "since": last and last["at"],
        "reason": last and last["data"].get("reason"),
        "start": served[0] if served else None,
        "champions": [_brief(s) for s in served],
        "now": _now(champion, evaluations, agreed),
        "check": champion and _check(champion),
    }


def _brief(served: Json) -> Json:
    """Return of a champion what its worth over time is drawn from."""
    kept = ("unit", "per_rows", "low", "expected", "high", "against")
    return {**{k: served[k] for k in ("ref", "since")}, "value": {k: served["value"].get(k) for k in kept}}


def _champions(
    versions: Sequence[ModelVersion], history: Sequence[Json], evaluations: Sequence[Json], agreed: Charter | None
) -> list[Json]:
    """Return each version that was champion, the first first, as its evaluation found it; deleted ones too."""
    from nbmlops.store.models import recorded

    since: dict[int, str] = {}
    for event in history:
        since.setdefault(int(event["data"]["version"]), event["at"])
    here, known = {v.version: v for v in versions}, {r["result_id"]: r for r in evaluations}
    some = [*list(since)[:1], *list(since)[1:][-MOST_CHAMPIONS:]]
    found = [(here.get(n) or recorded(session.store(), versions[0].name, n), since[n]) for n in some]
    return [
        {"ref": v.ref, "since": at, **_judged(known.get(str(v.evaluation)), agreed)} for v, at in found if v is not None
    ]


def _now(champion: ModelVersion | None, evaluations: Sequence[Json], agreed: Charter | None) -> Json | None:
    """Return what the champion is: by what came true of its answers, else by the evaluation that stands for it."""
    if champion is None:
        return None
    if came := _realised(champion, agreed):
        return {"ref": champion.ref, **came}
    found = judged.of_version(champion, evaluations)
    return {"ref": champion.ref, **_judged(found.result, agreed), "apart": [_apart(a, agreed) for a in found.apart]}


def _apart(other: judged.Apart, agreed: Charter | None) -> Json:
    """Return what was judged on a part of the rows or on others: told, and never taken for the model's."""
    targets = [f.to_dict() for f in agreed.judge(other.metrics)] if agreed else []
    return {"at": other.at, "rows": other.rows, "part": other.part, "on": other.on, "targets": targets}


def _realised(champion: ModelVersion, agreed: Charter | None) -> Json | None:
    """Return metrics, targets and worth of the newest period whose outcomes are known, None where there is none."""
    from nbmlops.monitoring.reviews import reviews

    try:
        found = reviews(champion, days=agreed.review_days if agreed else None, most=1)
    except NbmlopsError:  # outcomes that are none of its classes: the evaluation is what is known then
        return None
    review = next((r for r in found if not r.to_come), None)
    if review is None:
        return None
    targets = [f.to_dict() for f in agreed.judge(review.performance.metrics)] if agreed else []
    about = {"at": review.since, "rows": review.known, "rests": "outcomes", "period": review.name, "targets": targets}
    if review.numbers is not None:
        return {**about, "value": _worth(review.numbers, agreed)}
    return {**about, "value": _worth({"confusion": review.confusion}, agreed)}


def _judged(result: Mapping[str, Any] | None, agreed: Charter | None) -> Json:
    """Return metrics, targets and worth of an evaluation; why they are not known where they are not."""
    data = result["data"] if result else {}
    targets = [f.to_dict() for f in agreed.judge(data.get("metrics") or {})] if agreed else []
    if result is None:
        unknown = {"unknown": "it was never evaluated"}
        return {"at": None, "rows": None, "rests": "", "targets": targets, "value": unknown}
    about = {"at": result["at"], "rows": data.get("rows"), "rests": "evaluation", "targets": targets}
    return {**about, "value": _worth(data, agreed)}


def _worth(data: Mapping[str, Any] | Numbers, agreed: Charter | None) -> Json:
    """Return what an evaluation, or what was said and came true of a regression, is worth; why it is not known."""
    from nbmlops.governance.value import value
    from nbmlops.governance.worth.error import of_answers

    if agreed is None:
        return {"unknown": "charter.yaml cannot be read" if _written() else "there is no charter"}
    if not agreed.value:
        return {"unknown": "the charter does not say what an outcome is worth"}
    try:
        return value(data, agreed) if isinstance(data, Mapping) else of_answers(*data, agreed)
    except NbmlopsError as error:
        return {"unknown": error.message.rstrip(".")}


def _written() -> bool:
    from nbmlops.registry import targets

    return targets.find(session.project().root) is not None


def _told(advice: Json | None, hider: Hider) -> Json | None:
    """Return what was advised last, as it was given but for private columns."""
    if not advice:
        return None
    kept = {k: advice.get(k) for k in ("ref", "advice", "rule", "because", "at")}
    return {**kept, "because": hider(str(advice.get("because") or ""))}


def _check(champion: ModelVersion) -> Json | None:
    """Return what the newest drift check against the champion said."""
    from nbmlops.store.runs import results_of

    found = results_of(session.store(), kind="drift", subject=champion.name)
    of_it = [r for r in found if r["data"].get("reference") in (champion.ref, f"{champion.name}@champion")]
    return {"at": of_it[-1]["at"], "verdict": of_it[-1]["data"].get("verdict")} if of_it else None


def _episodes(hider: Hider, champions: Mapping[str, str | None]) -> Json:
    """Return how many episodes are open, and the first of them, alerts before notices; private columns say nothing.

    Those of a version that was replaced are only counted: nobody gets its answers any more.
    """
    from nbmlops.monitoring.episodes import rows

    known = sorted(rows(state="open"), key=lambda e: (e["level"] != "alert", e["opened_at"]))
    found = [e for e in known if champions.get(e["model"]) in (None, f"{e['model']}@{e['version']}")]
    kept = ("model", "version", "code", "column", "level", "opened_on", "opened_at", "checks", "message")
    told = [{**{k: e[k] for k in kept}, "message": hider(e["message"])} for e in found[:MOST_EPISODES]]
    alerts = sum(e["level"] == "alert" for e in found)
    return {"count": len(found), "alerts": alerts, "open": told, "replaced": len(known) - len(found)}


def _flags(hider: Hider) -> Json:
    """Return how many flags there are, how many are still to settle, and the first of them."""
    told = flagged.listed()
    return {**told, "listed": [{**f, "text": hider(f["text"])} for f in told["listed"]]}


def _throughput() -> Json:
    """Return the measures, and of what they rest on the newest."""
    from nbmlops.governance.throughput import throughput

    found = throughput().to_dict()
    kinds = ("time_to_market", "rolled_back", "time_to_restore")
    return {k: {**found[k], "each": found[k]["each"][-MOST_EACH:]} for k in kinds}


def _runs(since: str) -> Json:
    from nbmlops.store import counted

    return dict(counted.runs(session.store(), since))


def _works(since: str) -> list[Json]:
    from nbmlops.store import counted

    return counted.works(session.store(), since)


def _sources(as_of: str) -> Json:
    """Return the sources as they were at a time; why they cannot be read where they cannot."""
    from nbmlops.quality import sources

    at = datetime.fromisoformat(as_of).timestamp()
    try:
        found = sources.rows(session.project(), at)
    except NbmlopsError as error:
        return {"rows": [], "unreadable": str(error)}
    kept = ("name", "state", "owner", "licence", "loaded_at", "newest_at", "rows", "version")  # not where it lies
    return {"rows": [{k: row.get(k) for k in kept} for row in found]}


def _datasets() -> list[Json]:
    """Return the newest version of each data set."""
    from nbmlops.store.datasets import listed

    newest: dict[str, Json] = {}
    for version in listed(session.store()):
        newest.setdefault(version["name"], version)
    kept = ("name", "version", "rows", "fingerprint", "created_at", "source")
    return [{k: v.get(k) for k in kept} for v in list(newest.values())[:MOST_DATASETS]]


def _events() -> list[Json]:
    from nbmlops.store import events

    with session.store().reading() as connection:
        return [{k: v for k, v in e.items() if k != "previous"} for e in events.listed(connection)]
