"""What ``%nbmlops`` alone says: each magic and command in one line."""

from __future__ import annotations

import textwrap

__all__ = ["commands", "magics", "text"]

WIDTH = 80  # of what is said of each


def magics() -> dict[str, str]:
    """Return what each magic does, by how it is typed."""
    from nbmlops.magics import charter, track
    from nbmlops.magics import magics as known

    built = [track.parser(), charter.parser(), *(magic.built for magic in known().values())]
    return {parser.prog: _sentence(parser.description or "") for parser in built}


def commands() -> dict[str, str]:
    """Return what each command does, by its name."""
    import click

    from nbmlops.cli import COMMANDS, main

    context, found = click.Context(main), {}
    for name in COMMANDS:
        command = main.get_command(context, name)
        found[name] = command.get_short_help_str(WIDTH) if command else ""
    return found


def text() -> str:
    """Return the list as people read it."""
    return "\n".join(
        [
            "Magics (a question mark behind one shows its usage, such as %drift?; behind %nbmlops NAME it is --help)",
            *_aligned(magics()),
            "",
            "Commands (%nbmlops NAME here, nbmlops NAME in a terminal, --help behind it for its usage)",
            *_aligned(commands()),
        ]
    )


def _aligned(told: dict[str, str]) -> list[str]:
    width = max(map(len, told))
    return [f"  {name.ljust(width)}  {words}" for name, words in told.items()]


def _sentence(words: str) -> str:
    first = words.split(". ")[0].rstrip(".") + "."
    return textwrap.shorten(first, WIDTH, placeholder="...")
