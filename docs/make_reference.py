"""Write docs/reference.md from the parsers and docstrings, so that it says what the code does.

python docs/make_reference.py          writes it
python docs/make_reference.py --check  fails when it is not up to date
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import click

import nbmlops
from nbmlops.cli import COMMANDS, main
from nbmlops.magics import magics
from nbmlops.magics.charter import parser as charter_parser
from nbmlops.magics.track import parser as track_parser

TARGET = Path(__file__).with_name("reference.md")


def reference() -> str:
    """Return the whole page."""
    parts = ["# Reference", "", "Made from the code by `make docs`; do not edit."]
    parts += ["", "## Magics", "", "`%load_ext nbmlops` first. `%nbmlops NAME` runs any magic or command by name."]
    for parser in [track_parser(), charter_parser(), *(magics()[name].built for name in sorted(magics()))]:
        parts += ["", f"### `{parser.prog}`", "", "```text", parser.format_help().strip(), "```"]
    parts += ["", "## Python", "", "`import nbmlops as nb`"]
    for name in nbmlops.__all__:
        parts += ["", f"### `nb.{name}`", "", *_function(getattr(nbmlops, name), name)]
    parts += ["", "## Commands"]
    for name, command in _commands():
        parts += ["", f"### `nbmlops {name}`", "", "```text", _help(name, command), "```"]
    return "\n".join(parts) + "\n"


def _function(function: object, name: str) -> list[str]:
    signature = f"nb.{name}{_signature(function)}" if callable(function) else name
    return ["```python", signature, "```", "", (inspect.getdoc(function) or "").split("\n")[0]]


class _Bare(str):
    """An annotation as it is written, without quotes around it."""

    __repr__ = str.__str__


def _signature(function: object) -> inspect.Signature:
    found = inspect.signature(function)
    bare = [p.replace(annotation=_annotation(p.annotation)) for p in found.parameters.values()]
    return found.replace(parameters=bare, return_annotation=_annotation(found.return_annotation))


def _annotation(written: object) -> object:
    return _Bare(written) if isinstance(written, str) else written


def _commands():
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", sub) for inner, sub in command.commands.items())


def _help(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"nbmlops {name}", terminal_width=100, max_content_width=100)
    return command.get_help(context).strip()


if __name__ == "__main__":
    page = reference()
    if "--check" in sys.argv:
        sys.exit(0 if TARGET.read_text(encoding="utf-8") == page else "docs/reference.md is old: make docs")
    TARGET.write_text(page, encoding="utf-8")
