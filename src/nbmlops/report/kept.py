"""Reports are made once: a numbered snapshot of facts, kept in the store, that later readings return unchanged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.errors import NbmlopsError, NotFound, tell
from nbmlops.records import now
from nbmlops.report import snapshot
from nbmlops.report.kinds.kind import Subject, kind_of
from nbmlops.report.text import visible
from nbmlops.store import reports
from nbmlops.tracking import session

__all__ = ["Taken", "facts_digest", "load", "run_of", "take"]


@dataclass(frozen=True)
class Taken:
    """A snapshot as it is kept; ``stale`` when more is known by now, ``unkept`` says why it could not be kept."""

    snapshot: dict[str, Any]
    stale: bool = False
    unkept: str = ""


def take(subject: Subject, refresh: bool = False) -> Taken:
    """Return the newest report of a subject as it was made; make the first, or with ``refresh`` the next.

    A report that cannot be kept has the number 0.

    Parameters
    ----------
    subject : Subject
        See :func:`nbmlops.report.kinds.kind.subject_of`.
    refresh : bool
        Make the next number of what is known now.

    Returns
    -------
    Taken

    Examples
    --------
    >>> take(subject_of("forest")).snapshot["number"]  # doctest: +SKIP
    1
    """
    newest = reports.newest(session.store(), subject.key)
    facts = snapshot.build(subject, 0)
    for report in () if newest is None or refresh else _alike(newest, facts):
        if (said := _said(report)) is not None and _file(said) == _file(facts):
            return Taken(said, facts_digest(facts) != report.data.get("facts"))
    try:
        return Taken(_keep(subject, facts, newest))
    except (NbmlopsError, OSError) as error:
        return Taken(facts, unkept=getattr(error, "message", str(error)))


def _alike(newest: reports.Kept, facts: Mapping[str, Any]) -> list[reports.Kept]:
    """Return the kept reports that may be the one asked for: of a file's copies each has its own."""
    return reports.listed(session.store(), newest.subject) if _file(facts) else [newest]


def _file(facts: Mapping[str, Any]) -> str | None:
    """Return the name of the file a report is of, None for a report of none."""
    return (facts.get("file") or {}).get("name")


def load(digest: str) -> dict[str, Any]:
    """Return the facts of a report that was kept.

    Raises
    ------
    NotFound
        They are not among the artifacts.
    """
    found: dict[str, Any] = json.loads(session.artifacts().get(digest).decode("utf-8", "surrogatepass"))
    return found


def facts_digest(taken: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a snapshot knows: the same for two reports that say the same.

    Left out are its number, what people answered to a report, when the data was last looked at, and the head of the
    audit log: none of these makes a report outdated.
    """
    facts = {k: v for k, v in taken.items() if k not in ("number", "as_of", "looked_at", "head")}
    if "events" in facts:
        facts["events"] = [e for e in facts["events"] if not _is_answer(e)]
    return hashlib.sha256(snapshot.canonical(facts)).hexdigest()


def run_of(taken: Mapping[str, Any]) -> str:
    """Return the id of the run a report is about, an empty text for another kind."""
    return str(taken["subject"]).partition(":")[2] if taken["kind"] == "run" else ""


def _is_answer(event: Mapping[str, Any]) -> bool:
    return event.get("action") == "approve" and bool((event.get("data") or {}).get("report"))


def _said(kept: reports.Kept) -> dict[str, Any] | None:
    """Return what a kept report says; where its file is gone, say so and let the next be made."""
    try:
        return load(kept.digest)
    except NotFound:
        tell(f"The facts of report {kept.number} of {kept.name} are not among the artifacts: the next one is made.")
        return None


def _keep(subject: Subject, facts: dict[str, Any], newest: reports.Kept | None) -> dict[str, Any]:
    """Keep facts under the next number; another process may be faster, then under the one after."""
    while True:
        numbered = {**facts, "number": newest.number + 1 if newest else 1}
        if reports.add(session.store(), _row(subject, numbered)):
            return numbered
        newest = reports.newest(session.store(), subject.key)


def _row(subject: Subject, taken: dict[str, Any]) -> reports.Kept:
    kind = kind_of(subject.kind)
    first = kind.decide(taken)
    says = {"question": first.question, "answer": first.answer.word, "because": first.because}
    says = {key: visible(text) for key, text in says.items()}  # half a character can be kept nowhere
    return reports.Kept(
        subject=subject.key,
        number=taken["number"],
        kind=subject.kind,
        name=visible(subject.name),
        run_id=run_of(taken) or None,
        title=visible(kind.head(taken).title),
        as_of=taken["as_of"],
        made_at=now(),
        digest=session.artifacts().put(snapshot.canonical(taken)),
        data={**says, "facts": facts_digest(taken), "head": taken["head"]},
    )
