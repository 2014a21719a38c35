"""The IPython extension: parse, call a public function, show its result. Nothing else."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nbmlops.errors import unknown
from nbmlops.magics.base import Magic, Parser

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbmlops.magics.track import Tracker

__all__ = ["is_verb", "load", "magics", "parser", "tracker", "unload"]

MODULES = ("agenda", "approvals", "data", "explain", "flags", "jobs", "models", "report", "review", "runs", "track")

_loaded: dict[int, tuple[Tracker, dict[str, Any], dict[str, Any]]] = {}


def magics() -> dict[str, Magic]:
    """Return every line magic by name."""
    return {m.name: m for name in MODULES for m in importlib.import_module(f"{__name__}.{name}").MAGICS}


def parser(magic: str) -> Parser:
    """Return the parser of a magic as it is typed: ``%drift``, ``%%track``."""
    name = magic.lstrip("%")
    if magic.startswith("%%"):
        made: Parser = importlib.import_module(f"{__name__}.{name}").parser()
        return made
    return magics()[name].built


def tracker(shell: InteractiveShell) -> Tracker:
    """Return the hooks of a shell that loaded the extension."""
    return _loaded[id(shell)][0]


def load(shell: InteractiveShell) -> None:
    """Register magics and hooks in a shell, once; a magic somebody else registered stays theirs."""
    from nbmlops.capture import colab
    from nbmlops.magics import charter, complete, front
    from nbmlops.magics.track import Tracker

    if id(shell) in _loaded:
        return
    tracker = Tracker(shell)
    tracker.install()
    registry = shell.magics_manager.magics
    ours: dict[str, Any] = {"nbmlops": _umbrella(shell)}
    ours |= {name: _line_magic(shell, magic) for name, magic in magics().items()}
    taken = sorted(name for name in ours if name in registry["line"])
    for name in set(ours) - set(taken) - _hidden():
        shell.register_magic_function(ours[name], "line", name)
    cells = {"track": _track_help(), "charter": charter.cell()}
    theirs = [name for name in cells if name != "track" and name in registry["cell"]]
    for name in set(cells) - set(theirs):
        shell.register_magic_function(cells[name], "cell", name)
    taken += [f"%%{name}" for name in theirs]
    if taken:
        print(f"nbmlops keeps the magics that were there: {', '.join(taken)}. Type %nbmlops NAME for ours.")  # noqa: T201
    ours = {name: ours[name] for name in set(ours) - set(taken) - _hidden()}
    complete.install(shell, {*(f"%{name}" for name in ours), *(f"%%{name}" for name in set(cells) - set(theirs))})
    colab.ask()
    front.hint(shell)
    _loaded[id(shell)] = (tracker, ours, cells)


def unload(shell: InteractiveShell) -> None:
    """Remove every magic and hook this package added to a shell."""
    from nbmlops.magics import complete

    if id(shell) not in _loaded:
        return
    tracker, ours, cells = _loaded.pop(id(shell))
    tracker.remove()
    complete.remove(shell)
    for name in ours:
        shell.magics_manager.magics["line"].pop(name, None)
    for name, function in cells.items():
        if shell.magics_manager.magics["cell"].get(name) is function:
            del shell.magics_manager.magics["cell"][name]


def _hidden() -> set[str]:
    """Return the magics that are reached through ``%nbmlops`` only."""
    return {magic.name for magic in magics().values() if magic.umbrella_only}


def _line_magic(shell: InteractiveShell, magic: Magic) -> Any:
    def run(line: str) -> Any:
        return magic(shell, line)

    run.__doc__ = magic.built.format_help()
    run.__name__ = magic.name
    run.of_nbmlops = True  # type: ignore[attr-defined]  # a form asks whose a name is
    return run


def _umbrella(shell: InteractiveShell) -> Any:
    """Return ``%nbmlops``: any magic or command by name."""

    def nbmlops(line: str) -> Any:
        """Run one of nbmlops' magics or commands.

        Without a name it lists them. ``%nbmlops doctor`` is the command ``nbmlops doctor``.

        Example:
          %nbmlops doctor
        """
        from nbmlops import cli
        from nbmlops.magics import listing

        name, _, rest = line.strip().partition(" ")
        known = magics()
        if not name:
            print(listing.text())  # noqa: T201
            return None
        if name in known and not is_verb(name, rest):
            return known[name](shell, rest)
        if name not in cli.COMMANDS:
            raise unknown("magic or command", name, {*known, *cli.COMMANDS}, where="here (%nbmlops lists them)")
        return cli.call(line)

    return nbmlops


def is_verb(name: str, rest: str) -> bool:
    """Tell whether the first word behind a name is a command of its own, as in ``approvals met``."""
    import click

    from nbmlops import cli

    word = rest.split(maxsplit=1)[:1]
    found = cli.main.get_command(click.Context(cli.main), name) if word and name in cli.COMMANDS else None
    return isinstance(found, click.Group) and word[0] in found.commands


def _track_help() -> Any:
    from nbmlops.magics.track import parser

    def track(line: str, cell: str) -> None:
        from nbmlops.errors import Invalid

        hint = f"Make it the first line of the cell; in a script write: with nb.run({(line.split() or ['NAME'])[0]!r}):"
        raise Invalid("%%track stands below another line, or in a script.", hint)

    track.__doc__ = parser().format_help()
    return track
