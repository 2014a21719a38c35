"""Who is told of a flag: the role it is for, the owner of a question, everybody who answers for one that blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbmlops.errors import NbmlopsError
from nbmlops.governance.flags.flag import Flag
from nbmlops.monitoring import notices

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
    became = {flag.flag_id: _tell(role, owner, of) for (role, owner), of in groups.items() for flag in of[:1]}
    first = {flag.flag_id: became[of[0].flag_id] for of in groups.values() for flag in of}
    return [replace(flag, told=first[flag.flag_id]) if flag.flag_id in first else flag for flag in found]


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
