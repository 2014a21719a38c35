"""What keeping a model up takes: whether its data is still there, what a run costs, who does what, until when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nbmlops.errors import NotFound
from nbmlops.hooks import service
from nbmlops.report import facts
from nbmlops.tracking import session

__all__ = ["gather"]

Json = Mapping[str, Any]


def gather(found: Json) -> dict[str, Any]:
    """Return ``viable`` (verdict, data, machine, work, flags, owner, next review), and since when champions serve."""
    return {
        "viable": {
            **_verdict(found),
            "data": _data(found),
            "machine": _machine(found.get("environment") or {}),
            "by_hand": _by_hand(found),
            "owner": (facts.version(found) or next(iter(found["models"]), {})).get("owner"),
            "flags": _flags(found),
            **_review(found),
        },
        "serving_since": _since(found),
    }


def _verdict(found: Json) -> dict[str, Any]:
    """Return the verdict on the version, else on the run, as of the newest fact; nothing where no charter is read."""
    from nbmlops.governance.viability import as_of

    if not found.get("charter") or found["charter"].get("unreadable"):
        return {"verdict": None, "because": []}
    version, run = facts.version(found), found["run"]
    times = [run.get("ended_at") or run["started_at"], *(r["at"] for r in [*found["results"], *found["events"]])]
    told = as_of(f"{version['name']}@{version['version']}" if version else run["run_id"], max(map(str, times)))
    return {"verdict": told.verdict, "because": [f.message for f in told.findings if f.outcome in ("issue", "warning")]}


def _since(found: Json) -> dict[str, str]:
    """Return since when each champion serves."""
    from nbmlops.store.events import latest

    if not found["serving"]:
        return {}
    with session.store().reading() as connection:
        moves = {s["name"]: latest(connection, "alias", f"{s['name']}@{s['alias']}") for s in found["serving"]}
    return {name: str(event["at"]) for name, event in moves.items() if event}


def _data(found: Json) -> list[dict[str, Any]]:
    """Return the data these runs read, and whether a version with its rows is kept."""
    from nbmlops.store.datasets import listed

    read = [d for part in facts.all_parts(found) for d in part.get("datasets") or [] if d.get("role") == "read"]
    used = {str(d.get("fingerprint")): d for d in read}
    versions = {str(v["fingerprint"]): v for v in reversed(listed(session.store()))} if used else {}
    return [_dataset(d, versions.get(fingerprint)) for fingerprint, d in used.items()]


def _dataset(used: Json, version: Json | None) -> dict[str, Any]:
    about = {"name": used.get("name"), "rows": used.get("rows"), "version": None, "kept": False, "source": None}
    if version is None:
        return about
    known = {"version": f"{version['name']}@{version['version']}", "source": version["source"]}
    return {**about, **known, "kept": bool(version["digest"])}


def _machine(environment: Json) -> dict[str, Any]:
    cpu = environment.get("cpu") or {}
    return {"cpu": cpu.get("model"), "cores": cpu.get("cores"), "platform": environment.get("platform")}


def _by_hand(found: Json) -> dict[str, Any]:
    """Return what a person has to do for a run: start it, and say what has no default."""
    run = found["run"]
    kept = found.get("notebook")
    return {"job": (run.get("tags") or {}).get("job"), "needed": _needed(kept["digest"]) if kept else None}


def _needed(digest: str) -> list[str] | None:
    """Return the parameters of an executed notebook that have no default; None where that cannot be told."""
    try:
        content = session.artifacts().get(digest)
    except NotFound:
        return None
    try:
        read = json.loads(content)
        language = read["metadata"].get("language_info", {}).get("name") or "python"
        tagged = [c for c in read["cells"] if "parameters" in c["metadata"].get("tags", [])]
        source = "".join(tagged[0]["source"]) if tagged else ""
    except (ValueError, KeyError, TypeError, AttributeError):  # no notebook of ours, and the appendix says so
        return None
    declared = service("jobs.parameters", "in_python")(source) if language == "python" else None
    return None if declared is None else [p.name for p in declared.values() if p.needed]


def _flags(found: Json) -> int:
    return sum(event["action"] == "flag" for event in found["events"])


def _review(found: Json) -> dict[str, Any]:
    """Return since when the champion is in use, and when it is to be looked at again."""
    days = (found.get("charter") or {}).get("review_days")
    moves = [e for e in found["events"] if e["action"] == "alias" and e["subject"].endswith("@champion")]
    since = moves[-1]["at"] if moves and moves[-1]["data"].get("version") is not None else None
    due = (datetime.fromisoformat(since) + timedelta(days=days)).isoformat() if since and days else None
    return {"champion_since": since, "review_days": days, "review_at": due}
