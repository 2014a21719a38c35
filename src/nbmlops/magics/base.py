"""What every magic is made of: a name, a parser, and one public function to call."""

from __future__ import annotations

import argparse
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from nbmlops.errors import Invalid

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Magic", "Parser", "typed", "variable"]

typed: dict[int, str] = {}  # the running cell of a thread, as typed


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help of one width, whatever the terminal's."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises our error and never ends the process."""

    def __init__(self, prog: str, description: str, example: str = "") -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"Example:\n  {example}" if example else None,
            formatter_class=_Help,
            add_help=False,
            allow_abbrev=False,
            exit_on_error=False,
        )

    def parse_line(self, line: str) -> argparse.Namespace:
        """Parse what stands behind the magic's name; quotes group words and do not stay."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            self.error(f"{error} in {line.strip()!r}")
        try:
            return self.parse_args(self._joined(words))
        except argparse.ArgumentError as error:
            self.error(str(error))

    def _joined(self, words: list[str]) -> list[str]:
        """Write ``--sort -auc`` as one word: argparse takes a value with a minus for another option."""
        valued = {o for a in self._actions if a.option_strings and a.nargs is None for o in a.option_strings}
        joined: list[str] = []
        for word in words:
            if joined and joined[-1] in valued and word.startswith("-") and word not in valued:
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return joined

    def error(self, message: str) -> NoReturn:
        """Raise one line: what was wrong, what is allowed."""
        usage = " ".join(self.format_usage().split()).removeprefix("usage: ")
        raise Invalid(f"{self.prog}: {message}.", f"Usage: {usage}")


@dataclass(frozen=True)
class Magic:
    """A line magic: parse, call one public function, return its result."""

    name: str
    parser: Callable[[], Parser]
    run: Callable[[InteractiveShell, argparse.Namespace], Any]
    explicit_only: bool = False  # refused when typed without the percent sign
    umbrella_only: bool = False  # reached as %nbmlops NAME, for a bare %NAME would promise something else
    form: bool = False  # typed alone it opens a form

    @cached_property
    def built(self) -> Parser:
        """The parser, made on first use."""
        made = self.parser()
        if self.form:
            made.description = f"{made.description} Without arguments: a form."
        return made

    def __call__(self, shell: InteractiveShell, line: str) -> Any:
        """Run the magic on the text behind its name."""
        words = line.split()
        if {*words[:1], *words[-1:]} & {"--help", "-h"}:
            print(self.built.format_help())  # noqa: T201
            return None
        if self.explicit_only:
            _refuse_automagic(shell, self.name)
        if self.form and not line.strip():
            from nbmlops.magics import forms

            return forms.opened(shell, self.name)
        return self.run(shell, self.built.parse_line(line))


def variable(shell: InteractiveShell, name: str) -> Any:
    """Return the variable of that name, else the text itself: a name in the store."""
    return shell.user_ns.get(name, name)


def _refuse_automagic(shell: InteractiveShell, name: str) -> None:
    """Refuse a governed magic that automagic guessed from a bare word; a call from code is meant."""
    source = typed.get(threading.get_ident())
    if source is None or f"%{name}" in source or "%nbmlops" in source or "run_line_magic" in source:
        return
    raise Invalid(f"`{name}` without the percent sign changes nothing.", f"Type %{name} to mean it.")
