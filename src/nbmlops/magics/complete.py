"""Tab completion: flags, variables and names in the store."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["candidates", "commands", "following", "install", "remove"]

MODELS = {"register", "promote", "gate", "report", "drift", "evaluate", "explain", "review", "approve", "flag"}
EXPERIMENTS = {"compare", "report"}
JOBS = {"retrain"}
OTHERS = ("%%track", "%%charter", "%nbmlops")
ROLE_FLAGS = {"report": ("--for", "--send"), "approve": ("--role",), "flag": ("--to",)}


def install(shell: InteractiveShell) -> None:
    """Complete what stands behind our magics."""
    for name in _names():
        shell.set_hook("complete_command", _completer, str_key=f"%{name}")
    for key in OTHERS:
        shell.set_hook("complete_command", _completer, str_key=key)


def remove(shell: InteractiveShell) -> None:
    """Complete them no more."""
    hooks = shell.strdispatchers.get("complete_command")
    if hooks is None:
        return
    for key in [*(f"%{name}" for name in _names()), *OTHERS]:
        hooks.strs.pop(key, None)


def candidates(name: str, namespace: dict[str, Any]) -> list[str]:
    """Return what may follow a magic: its flags, the user's variables, names in the store."""
    from nbmlops.magics import charter, magics, track

    of_cell = {"track": track.parser, "charter": charter.parser}
    built = of_cell[name]() if name in of_cell else magics()[name].built
    flags = [option for action in built._actions for option in action.option_strings]
    variables = [n for n, v in namespace.items() if _worth_naming(n, v)] if name not in of_cell else []
    return [*flags, *variables, *_stored(name)]


def following(name: str, line: str) -> list[str] | None:
    """Return what may follow the flag before the word being typed; None where anything may.

    >>> following("report", "%report late-flights --for ")[0]
    'stakeholder'
    """
    words = line.split() if line.endswith(" ") else line.split()[:-1]
    if name == "approve" and words[-1:] == ["--outcome"]:
        from nbmlops.governance.approval.given import OUTCOMES

        return [f'"{outcome}"' if " " in outcome else outcome for outcome in OUTCOMES]
    if name == "flag" and words[-1:] in (["--severity"], ["--state"]):
        from nbmlops.governance.flags.flag import SEVERITIES, STATES

        return [*(SEVERITIES if words[-1] == "--severity" else STATES)]
    if not words or words[-1] not in ROLE_FLAGS.get(name, ()):
        return None
    from nbmlops.governance.charter import ROLES

    return list(ROLES)


def commands(line: str) -> list[str]:
    """Return what may follow ``%nbmlops``: a magic or command, one of a group's, what a store command is about."""
    import click

    from nbmlops.cli import COMMANDS, main

    words = line.split()[1:] if line.endswith(" ") else line.split()[1:-1]
    if not words:
        return [*_names(), *COMMANDS]
    if roles := following(words[0], line):
        return roles
    found = main.get_command(click.Context(main), words[0])
    if isinstance(found, click.Group) and len(words) == 1:
        return list(found.commands)
    if words[0] == "store" and words[1] in ("delete", "restore"):
        from nbmlops.cli.store import names

        return names(deleted=words[1] == "restore")
    if words[0] == "charter" and words[1] in ("verdict", "decide"):
        return _of_review(words[1:])
    if words == ["advise"]:
        from nbmlops.store import models
        from nbmlops.tracking import session

        return sorted(models.names(session.store()))
    return []


def _of_review(words: list[str]) -> list[str]:
    """Return what may follow ``charter decide`` or ``charter verdict``: decisions; questions, then answers."""
    from nbmlops.governance.agenda.decided import DECISIONS, VERDICTS
    from nbmlops.governance.charter import charter

    if words[0] == "decide":
        return list(DECISIONS) if len(words) == 1 else []
    agreed = charter()
    return [q.id for q in agreed.questions] if agreed and len(words) == 1 else list(VERDICTS) if len(words) == 2 else []


def _worth_naming(name: str, value: Any) -> bool:
    """Tell whether a variable may stand behind a magic: data or a model, no module, class or function."""
    private = name.startswith("_") or name in ("In", "Out", "exit", "quit", "open", "get_ipython")
    return not (private or isinstance(value, (type, ModuleType)) or inspect.isroutine(value))


def _completer(shell: Any, event: Any) -> list[str]:
    """Answer IPython; a fault here must never reach the person who types."""
    try:
        name = event.command.lstrip("%")
        if name == "nbmlops":
            return commands(event.line)
        return following(name, event.line) or candidates(name, shell.user_ns)
    except Exception:
        return []


def _stored(name: str) -> list[str]:
    from nbmlops.store import models, runs
    from nbmlops.tracking import session

    found: list[str] = []
    if name in EXPERIMENTS or name == "track":
        found += runs.experiments(session.store())
    if name in MODELS:
        pointing = models.aliases(session.store())
        found += [f"{m}@{alias}" for m, aliases in pointing.items() for alias in aliases]
        found += models.names(session.store())
    if name == "report":
        from nbmlops.magics.report import VERBS

        found += VERBS
    if name in JOBS:
        from nbmlops.cli.schedule import names

        found += names()
    return found


def _names() -> list[str]:
    from nbmlops.magics import magics

    return list(magics())
