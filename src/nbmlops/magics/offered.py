"""What may be typed as the value of an option or as an argument: names in the store, people, words of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

__all__ = ["argument", "models", "value", "versions"]


def value(name: str, option: str) -> list[str] | None:
    """Return what may follow an option of a magic or command; None where anything may.

    >>> value("report", "--for")[0], value("runs", "--for")
    ('stakeholder', None)
    """
    known = VALUES.get(name, {}).get(option)
    return None if known is None else [f'"{word}"' if " " in word else word for word in known()]


def argument(words: Sequence[str]) -> list[str]:
    """Return what may stand behind the words of a command; nothing where nobody can know.

    >>> argument(["charter", "verdict", "q1"])
    ['yes', 'partly', 'no']
    """
    for known, ask in ARGUMENTS.items():
        if tuple(words[: len(known)]) == known:
            return ask(words[len(known) :])
    return []


def models() -> list[str]:
    """Return the models, and each by its aliases."""
    from nbmlops.store import models as stored
    from nbmlops.tracking import session

    pointing = stored.aliases(session.store())
    return [*(f"{m}@{alias}" for m, aliases in pointing.items() for alias in aliases), *_names()]


def _names() -> list[str]:
    from nbmlops.store import models as stored
    from nbmlops.tracking import session

    return sorted(stored.names(session.store()))


def versions() -> list[str]:
    """Return the newest version of each model, for that is what waits for an answer, and the models."""
    from nbmlops.store import models as stored
    from nbmlops.tracking import session

    newest: dict[str, str] = {}
    for version in stored.listed(session.store()):  # newest first within each name
        newest.setdefault(version.name, version.ref)
    return [*newest.values(), *models()]


def _datasets() -> list[str]:
    from nbmlops.store import datasets
    from nbmlops.tracking import session

    return sorted({str(row["name"]) for row in datasets.listed(session.store())})


def _aliases() -> list[str]:
    """Return the aliases there are, and those the charter has a policy for."""
    from nbmlops.store import models as stored
    from nbmlops.tracking import session

    there = {alias for aliases in stored.aliases(session.store()).values() for alias in aliases}
    return sorted({"champion", "challenger", *there, *_agreed("policy")})


def _people() -> list[str]:
    """Return who the log names, and who plays a role by the charter."""
    played = {person for people in _agreed("roles").values() for person in people}
    return sorted({str(event["actor"]) for event in _events()} | played)


def _agreed(key: str) -> Mapping[str, Sequence[str]]:
    """Return a part of the charter; nothing where it is absent or cannot be read."""
    from nbmlops.errors import NbmlopsError
    from nbmlops.governance.charter import charter

    try:
        found: Mapping[str, Sequence[str]] = getattr(charter(), key, {})
    except NbmlopsError:
        return {}
    return found


def _actions() -> list[str]:
    return sorted({str(event["action"]) for event in _events()})


def _events() -> list[dict[str, object]]:
    from nbmlops.store import events
    from nbmlops.tracking import session

    with session.store().reading() as connection:
        return events.listed(connection)


def _roles() -> list[str]:
    from nbmlops.governance.charter import ROLES

    return [*ROLES, *(role for role in _agreed("roles") if role not in ROLES)]


def _outcomes() -> Sequence[str]:
    from nbmlops.governance.approval.given import OUTCOMES

    return OUTCOMES


def _severities() -> Sequence[str]:
    from nbmlops.governance.flags.flag import SEVERITIES

    return SEVERITIES


def _states() -> Sequence[str]:
    from nbmlops.governance.flags.flag import STATES

    return STATES


def _kinds() -> Sequence[str]:
    return ("model", "dataset", "run")


def _flags() -> list[str]:
    """Return the ids of the flags nobody has settled, the newest first."""
    from nbmlops.store import flags
    from nbmlops.tracking import session

    return [str(row["flag_id"]) for row in reversed(flags.listed(session.store(), state="open"))]


def _of_flag(after: Sequence[str]) -> list[str]:
    return _flags() if list(after) == ["answer"] else [] if after else ["answer", *models(), *_datasets()]


def _of_decision(after: Sequence[str]) -> list[str]:
    from nbmlops.governance.agenda.decided import DECISIONS

    return [] if after else list(DECISIONS)


def _of_verdict(after: Sequence[str]) -> list[str]:
    """Return the questions of the charter, then the answers to one."""
    from nbmlops.governance.agenda.decided import VERDICTS
    from nbmlops.governance.charter import charter

    agreed = charter() if not after else None
    return [q.id for q in agreed.questions] if agreed else list(VERDICTS) if len(after) == 1 else []


def _of_override(after: Sequence[str]) -> list[str]:
    from nbmlops.governance.approval.override import VERDICTS

    return models() if not after else [f'"{v}"' if " " in v else v for v in VERDICTS] if len(after) == 1 else []


def _condition(after: Sequence[str]) -> list[str]:
    """Return the numbers of the approvals that have conditions."""
    if after:
        return []
    found = (e for e in _events() if e["action"] == "approve" and e["data"].get("conditions"))  # type: ignore[attr-defined]
    return [str(event["seq"]) for event in found]


def _stored(deleted: bool) -> list[str]:
    from nbmlops.cli.store import names

    return names(deleted=deleted)


def _first(ask: Callable[[], Sequence[str]]) -> Callable[[Sequence[str]], list[str]]:
    """Return what asks for the first argument alone."""
    return lambda after: [] if after else list(ask())


Asked = Callable[[], Sequence[str]]
VALUES: Mapping[str, Mapping[str, Asked]] = {
    "approve": {"--role": _roles, "--outcome": _outcomes, "--by": _people},
    "approvals": {"--to": _aliases},
    "audit": {"--model": models, "--person": _people, "--action": _actions},
    "flag": {"--to": _roles, "--severity": _severities, "--state": _states, "--kind": _kinds},
    "flags": {"--role": _roles, "--state": _states, "--id": _flags, "--agreement": _people},
    "promote": {"--to": _aliases},
    "report": {"--for": _roles, "--send": _roles},
}
# By the words before; the longer ones first.
ARGUMENTS: Mapping[tuple[str, ...], Callable[[Sequence[str]], list[str]]] = {
    ("approvals", "met"): _condition,
    ("approvals", "override"): _of_override,
    ("approvals",): _first(versions),
    ("approve",): _first(versions),
    ("charter", "check"): _first(models),
    ("charter", "decide"): _of_decision,
    ("charter", "value"): _first(models),
    ("charter", "verdict"): _of_verdict,
    ("charter", "viability"): _first(models),
    ("advise",): _first(_names),
    ("flag",): _of_flag,
    ("flags",): _first(lambda: [*models(), *_datasets()]),
    ("store", "delete"): lambda _: _stored(False),
    ("store", "restore"): lambda _: _stored(True),
}
