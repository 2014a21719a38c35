"""Tab completion: flags, variables and names in the store."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbmlops.magics import offered, places

if TYPE_CHECKING:
    import click
    from IPython.core.interactiveshell import InteractiveShell

    from nbmlops.magics.base import Parser

__all__ = ["candidates", "commands", "following", "install", "remove"]

MODELS = {"register", "promote", "gate", "report", "drift", "evaluate", "explain", "review", "approve", "flag"}
EXPERIMENTS = {"compare", "report"}
JOBS = {"retrain"}
OTHERS = ("%%track", "%%charter", "%nbmlops")


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
    built = _parser(name)
    flags = [option for action in built._actions for option in action.option_strings] if built else []
    variables = [n for n, v in namespace.items() if _worth_naming(n, v)] if name not in ("track", "charter") else []
    return [*flags, *variables, *_stored(name)]


def following(name: str, line: str) -> list[str] | None:
    """Return what may follow the flag before the word being typed; None where anything may.

    >>> following("report", "%report late-flights --for ")[0]
    'stakeholder'
    """
    words = _before(line)
    if name == "flag" and words[1:] == ["answer"]:
        return offered.argument(["flag", "answer"])
    return offered.value(name, words[-1]) if words else None


def commands(line: str) -> list[str]:
    """Return what may follow ``%nbmlops``: a magic or command, one of a group's, its flags, and their values."""
    import click

    from nbmlops.cli import COMMANDS, main

    words = _before(line)[1:]
    if not words:
        return [*_names(), *COMMANDS]
    if (values := offered.value(words[0], words[-1])) is not None:
        return values
    found: click.Command | None = main.get_command(click.Context(main), words[0])
    after = words[1:]
    while isinstance(found, click.Group) and after and after[0] in found.commands:
        found, after = found.commands[after[0]], after[1:]
    if line.split()[-1].startswith("-") and not line.endswith(" "):
        return _options(found, words[0])
    verbs = list(found.commands) if isinstance(found, click.Group) and not after else []
    plain = [word for word in words if not word.startswith("-")]
    return [*verbs, *offered.argument(plain)] or _options(found, words[0])


def _before(line: str) -> list[str]:
    """Return the words before the one being typed; quotes group them."""
    return line.split() if line.endswith(" ") else line.split()[:-1]


def _options(command: click.Command | None, name: str) -> list[str]:
    """Return the flags of a command; of a magic where there is no such command."""
    from nbmlops.magics import magics

    if command is not None:
        return [o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")]
    known = magics().get(name)
    return [option for action in known.built._actions for option in action.option_strings] if known else []


def _worth_naming(name: str, value: Any) -> bool:
    """Tell whether a variable may stand behind a magic: data or a model, no module, class or function."""
    private = name.startswith("_") or name in ("In", "Out", "exit", "quit", "open", "get_ipython")
    return not (private or isinstance(value, (type, ModuleType)) or inspect.isroutine(value))


def _completer(shell: Any, event: Any) -> list[str]:
    """Answer IPython; a fault here must never reach the person who types."""
    try:
        line = event.text_until_cursor
        return _ends(_found(event.command, line, shell.user_ns), line, event.symbol)
    except Exception:
        return []


def _found(command: str, line: str, names: dict[str, Any]) -> list[str]:
    """Return what may follow: what the parser says of the place, else whatever belongs to the magic."""
    name = command.lstrip("%")
    behind = line.partition(" ")[2].lstrip() if name == "nbmlops" else ""
    magic = behind.partition(" ")[0] if " " in behind else name
    built = _parser(magic, command.startswith("%%"))
    placed = places.values(magic, built, f"%{behind}" if behind else line, names) if built else None
    if placed is not None:
        return placed

    def ask() -> list[str]:
        return commands(line) if name == "nbmlops" else following(name, line) or candidates(name, names)

    return places.within(line, ask)


def _parser(name: str, cell: bool = True) -> Parser | None:
    """Return the parser of a magic of a cell or of a line; None where there is none."""
    from nbmlops.magics import charter, magics, track

    of_cell = {"track": track.parser, "charter": charter.parser}
    known = magics().get(name)
    return of_cell[name]() if cell and name in of_cell else known.built if known else None


def _ends(found: list[str], line: str, symbol: str) -> list[str]:
    """Return what IPython puts in place of a word's end: for it the word of ``late@ch`` begins behind the ``@``."""
    typed = "" if line.endswith(" ") else line.split()[-1]
    begun = len(typed) - len(symbol)
    return [word[begun:] for word in found if word.startswith(typed[:begun])]


def _stored(name: str) -> list[str]:
    from nbmlops.store import runs
    from nbmlops.tracking import session

    found: list[str] = []
    if name in EXPERIMENTS or name == "track":
        found += runs.experiments(session.store())
    if name in MODELS:
        found += offered.versions()
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
