"""Where the data of a run comes from: versions of data sets, their windows, sources with owner and licence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nbmlops.errors import NbmlopsError
from nbmlops.records import iso
from nbmlops.report.gathered.masked import private
from nbmlops.tracking import session

__all__ = ["gather"]

Json = Mapping[str, Any]
MOST_VERSIONS = 60


def gather(found: Json) -> dict[str, Any]:
    """Return ``origins``: what is recorded of the data by its fingerprint, and why sources cannot be read."""
    parts = [found["run"], *found["parts"], *(found.get("before") or {}).get("parts", ())]  # then and now
    data = [d for part in parts for d in part.get("datasets") or ()]
    sources, unreadable = _sources()
    known = _origins({d["fingerprint"] for d in data}, sources, private(found))
    return {"origins": {"known": known, "unreadable": unreadable}}


def _origins(fingerprints: set[str], sources: Mapping[str, Any], hidden: list[str]) -> dict[str, dict[str, Any]]:
    """Return what is recorded of data, by its fingerprint; the newest version where it has several."""
    from nbmlops.store import datasets

    if not fingerprints:
        return {}
    chosen = [row for row in datasets.listed(session.store()) if row["fingerprint"] in fingerprints]
    known = {r["fingerprint"]: _about(r, sources, hidden) for r in reversed(chosen[:MOST_VERSIONS])}
    return dict(sorted(known.items()))


def _about(row: Json, sources: Mapping[str, Any], hidden: list[str]) -> dict[str, Any]:
    source = sources.get(row["name"])
    tally = Counter(f["outcome"] for f in row["findings"] or ())
    return {
        "ref": f"{row['name']}@{row['version']}",
        "rows": row["rows"],
        "source": row["source"] or "",
        "author": row["author"],
        "created_at": row["created_at"],
        "kept": row["digest"] is not None,
        "outcomes": dict(sorted(tally.items())),
        "window": _window(str(row["profile"]), source.time if source else "", hidden),
        **{k: getattr(source, k, "") for k in ("owner", "licence", "meaning")},
    }


def _sources() -> tuple[Mapping[str, Any], str]:
    """Return the sources of the project, and why they cannot be read where they cannot."""
    from nbmlops.quality import sources

    try:
        return sources.known(session.project()), ""
    except NbmlopsError as error:
        return {}, str(error)


def _window(profile: str, time: str, hidden: list[str]) -> dict[str, str] | None:
    """Return the first and last time in the data: of the source's time column, else of the first that holds times."""
    from nbmlops.drift.profile import Profile

    try:
        found = Profile.from_json(session.artifacts().get(profile))
    except NbmlopsError:
        return None
    columns = [n for n, c in found.columns.items() if c.kind == "datetime" and n not in hidden]
    columns = [time] if time in columns else columns
    for name in columns:
        low, high = found.total[name].low, found.total[name].high
        if low is not None and high is not None:
            return {"column": name, "first": iso(low), "last": iso(high)}
    return None
