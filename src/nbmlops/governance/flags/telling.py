"""Who is told of a flag: the role it is for, the owner of a question, everybody who answers for one that blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from nbmlops.errors import NbmlopsError, tell
from nbmlops.governance.flags.counted import CODE, OWN, rising
from nbmlops.governance.flags.flag import Flag
from nbmlops.monitoring import notices
from nbmlops.records import now
from nbmlops.tracking import session

__all__ = ["answered", "told"]

MOST = 5  # flags named in one message


def told(found: Sequence[Flag]) -> list[Flag]:
    """Tell each role once of the flags that are for it, and the owner of what was asked or is held up.

    The flags are kept by now: what goes wrong here is said in ``told`` and undoes nothing.
    """
    groups: dict[tuple[str, str], list[Flag]] = {}
    for flag in found:
        if flag.role or ((flag.question or flag.severity == "blocking") and flag.owner):
            groups.setdefault((flag.role or "", "" if flag.role else str(flag.owner)), []).append(flag)
    for name in sorted({name for flag in found for name in _models(flag)}):
        _warn(name)
    became = {flag.flag_id: _tell(role, owner, of) for (role, owner), of in groups.items() for flag in of[:1]}
    first = {flag.flag_id: became[of[0].flag_id] for of in groups.values() for flag in of}
    return [replace(flag, told=first[flag.flag_id]) if flag.flag_id in first else flag for flag in found]


def _models(flag: Flag) -> list[str]:
    """Return the model a flag is about itself, by name."""
    if flag.kind not in OWN:
        return []
    subject = flag.of[0] if flag.kind == "prediction" else flag.subject
    return [subject.partition(":")[0].partition("@")[0]]


def _warn(name: str) -> None:
    """Tell once a week when a model is flagged more often than before."""
    from nbmlops.store import models

    try:
        if name not in models.names(session.store()):  # a segment of a data set
            return
        finding = rising(name)
        year, week, _ = datetime.fromisoformat(now()).isocalendar()
        key = f"{CODE}:{name}:{year}-{week}"
        if finding.outcome != "issue" or notices.said_before(key):
            return
        found = models.find(session.store(), name, "")
        people = [found.owner] if found else []
        people += [p for p in notices.people_of("ml_engineer") if p not in people]
        title = f"{name} is flagged more often than before"
        notices.tell("flag", title, [finding.message], "", people, [f"nbmlops flags {name}"], key)
    except NbmlopsError as error:
        tell(f"It is not known whether {name} is flagged more often than before: {error.message}")


def _tell(role: str, owner: str, flags: Sequence[Flag]) -> dict[str, object]:
    kind = "question" if all(f.question for f in flags) else "flag"
    title = f"{flags[0].author}: a {kind} about {flags[0].subject}" if len(flags) == 1 else f"{len(flags)} {kind}s"
    lines = [f"{f.subject} ({f.severity}): {f.text}" for f in flags[:MOST]]
    lines += [f"and {len(flags) - MOST} more"] if len(flags) > MOST else []
    answer = f'nbmlops flag answer {flags[0].flag_id} "..."' if len(flags) == 1 else "nbmlops flags --state open"
    people = None if role else [owner]
    try:
        return notices.tell("flag", title, lines, role, people, [answer]).to_dict()
    except NbmlopsError as error:
        return {"words": f"Nobody was told: {error.message}"}


def answered(flag: Flag) -> dict[str, object]:
    """Tell who flagged that somebody answered."""
    last = flag.thread[-1]
    title = f"{last['author']}: {flag.subject} is {flag.state}"
    if last["author"] == flag.author:
        return {}
    try:
        return notices.tell("flag", title, [str(last["text"])], "", [flag.author], ["nbmlops flags"]).to_dict()
    except NbmlopsError as error:
        return {"words": f"Nobody was told: {error.message}"}
