"""Tab behind a magic: the line says the place, the place its kind, the kind its names; all of it within a limit."""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any

from nbmlops.errors import silently
from nbmlops.magics import offered

if TYPE_CHECKING:
    import click
    from IPython.core.interactiveshell import InteractiveShell

    from nbmlops.magics.base import Parser

__all__ = ["LIMIT_S", "install", "offers", "remove", "within"]

LIMIT_S = 0.12  # nobody waits longer for what may follow
LATE_S = 30.0  # so long an answer that came too late serves who asks again
LONGEST = 5_000  # letters of a line; nobody types more
MOST_WORDS = 500  # that are offered; IPython shows no more
MOST_WAITING = 4  # threads for the store, one after the other

NAME = "nbmlops"
LINE = re.compile(r"(?P<assigned>[\w.,][\w.,\s]*=\s*)?(?P<magic>%{0,2}\w+)(?P<said>\s.*)?\Z", re.S)
LAST = re.compile(r"[\w.`]*\Z")  # what of a query is being typed

Names = Mapping[str, Any]
Turn = Callable[[], None]  # waits; an error where too many do


@dataclass(frozen=True)
class Slot:
    """A place of a magic or command: an argument, or what stands behind an option."""

    name: str
    called: str  # in the usage
    takes: int | None  # so many words; None: any number
    options: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Typed:
    """The word that is being typed: as it stands there, what it means so far, and the quote that is open."""

    text: str = ""
    value: str = ""
    quote: str = ""


@dataclass(eq=False)
class Asking:
    """An answer on its way: it grows in a thread of its own."""

    line: str
    found: list[str] = field(default_factory=list)
    thread: threading.Thread = field(default_factory=threading.Thread)
    began: float = field(default_factory=time.monotonic)


_asking: list[Asking] = []


def install(shell: InteractiveShell, magics: Collection[str]) -> None:
    """Complete what stands behind our magics, such as ``%drift`` and ``%%track``."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    def matched(context: Any) -> Any:
        text, found = "", list[str]()
        with suppress(Exception):  # a fault here must never reach the person who types
            line = _joined(context.full_text.split("\n"), context.cursor_line, context.cursor_position)
            if ours := _ours(shell, magics, line):
                text, found = _answer(ours, shell.user_ns, context.line_with_cursor[context.cursor_position :])
        words = [SimpleCompletion(text=word, type="option" if word.startswith("-") else "name") for word in found]
        return {"completions": words, "matched_fragment": text, "suppress": bool(words), "ordered": True}

    as_matcher: Any = context_matcher(identifier=NAME, priority=1)
    shell.Completer.custom_matchers.append(as_matcher(matched))


def remove(shell: InteractiveShell) -> None:
    """Complete them no more."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [one for one in matchers if getattr(one, "matcher_identifier", "") != NAME]


def offers(line: str, names: Names | None = None) -> list[str]:
    """Return all that may stand where a line ends, each word as it is meant: unquoted, however it begins.

    >>> offers("%report late-flights --for ")[0]
    'stakeholder'
    """
    found: list[str] = []
    _look(found, line, names or {}, lambda: None)
    return _ordered(found)


def within(line: str, ask: Callable[[list[str], Turn], None]) -> list[str]:
    """Return what an answer holds when its time is over; asked again, it is waited for again.

    A thread adds to a list what it finds, and before it asks the store waits for its turn. Where it hangs, as a store
    or somebody's object may, what it knew until then is the answer.
    """
    hang = [one for one in _asking if one.thread.is_alive()]
    late = [one for one in _asking if one.line == line and time.monotonic() - one.began < LATE_S]
    if not late and len(hang) >= 2 * MOST_WAITING:
        return []
    asking = late[0] if late else _begun(Asking(line), ask, hang)
    asking.thread.join(LIMIT_S)
    _asking[:] = [one for one in dict.fromkeys([*hang, asking]) if one.thread.is_alive()]
    return [*asking.found]


def _begun(asking: Asking, ask: Callable[[list[str], Turn], None], before: list[Asking]) -> Asking:
    def turn() -> None:
        if len(before) >= MOST_WAITING:
            raise LookupError
        if before:
            before[-1].thread.join()

    def work() -> None:
        with suppress(Exception), silently():  # somebody who types is told nothing
            ask(asking.found, turn)

    asking.thread = threading.Thread(target=work, name="nbmlops-completion", daemon=True)
    asking.thread.start()
    return asking


# --- the line


def _joined(lines: Sequence[str], number: int, column: int) -> str:
    """Return the line up to the cursor, with those before it that end in a backslash."""
    line = lines[number][:column]
    while number and lines[number - 1].endswith("\\"):
        number -= 1
        line = f"{lines[number][:-1]} {line}"
    return line


def _ours(shell: Any, magics: Collection[str], line: str) -> str | None:
    """Return a line from its magic on, where that is ours and something may follow it."""
    found = LINE.match(line.lstrip()) if len(line) <= LONGEST else None
    if not found or found["said"] is None:
        return None
    magic = found["magic"]
    bare = not found["assigned"] and found["said"].lstrip()[:1] != "="
    if magic[0] != "%" and shell.automagic and bare and magic not in shell.user_ns:
        magic = f"%{magic}"
    return f"{magic} {found['said'][1:]}" if magic in magics else None


def _answer(line: str, names: Names, after: str) -> tuple[str, list[str]]:
    """Return what of a line is replaced, and by what."""
    typed = _split(line)[1]
    before = line[: len(line) - len(typed.text)]
    found = _ordered(within(before, lambda found, turn: _look(found, before, names, turn)))
    last = LAST.search(typed.value) if typed.quote else None
    if last and (parts := _beginning([one for one in found if isinstance(one, offered.Part)], last[0])):
        return last[0], parts
    closed = bool(typed.quote) and after.startswith(typed.quote)
    return typed.text, [_written(one, typed.quote, closed) for one in _beginning(found, typed.value)[:MOST_WORDS]]


def _split(line: str) -> tuple[list[str], Typed]:
    """Return the words behind the magic that are whole, and the one that is being typed."""
    said = line.partition(" ")[2]
    lexer: Any = shlex.shlex(StringIO(said), posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    whole: list[str] = []
    while True:
        begun = lexer.instream.tell()
        try:
            word = lexer.read_token()
        except ValueError:  # a quote is open
            word, lexer.state = lexer.token, None
        if lexer.state is None:  # nothing follows this word
            return _valued(whole, said[begun:].lstrip(), word or "")
        whole.append(word or "")


def _valued(whole: list[str], text: str, value: str) -> tuple[list[str], Typed]:
    """Return the words, and of ``--to=champ`` what is behind the sign as the one that is being typed."""
    option, sign, said = text.partition("=")
    if sign and option.startswith("--"):
        return [*whole, option], Typed(said, said)
    return whole, Typed(text, value, text[0] if text[:1] in ('"', "'") else "")


def _beginning(words: Iterable[str], begun: str) -> list[str]:
    """Return the words that begin so; where none does, those that would in other letters."""
    words = list(words)
    return [one for one in words if one.startswith(begun)] or [
        one for one in words if one.casefold().startswith(begun.casefold())
    ]


def _written(word: str, quote: str, closed: bool) -> str:
    """Return a word as it stands behind a magic, in the quotes that are open; those may be closed already."""
    from nbmlops.widgets.forms.fields import quoted, typed

    if isinstance(word, offered.Part):
        return word
    said = f"'{word}'" if quote == "'" and "'" not in word else quoted(word)
    said = typed(f'"{said}"' if quote and said == word else said)
    return said[:-1] if closed else said


def _ordered(found: Iterable[str]) -> list[str]:
    """Return each word once, options last."""
    return sorted(dict.fromkeys(found), key=lambda word: word.startswith("-"))


# --- the place


def _look(found: list[str], line: str, names: Names, turn: Turn) -> None:
    """Add what may stand where a line ends: first what is known without looking."""
    command, slots, verbs, words = _meant(line.partition(" ")[0], _split(line)[0])
    slot, said = _place(slots, words)
    found += verbs
    if slot is None or not slot.options or slot.takes is None:
        found += [option for one in slots for option in one.options if option not in words]
    if slot is None:
        return
    found += slot.choices
    place = offered.Place(names, words, said, turn)
    for ask in offered.kind(command, slot.name, slot.called):
        with suppress(Exception):  # one kind of name that cannot be had hides no other
            found += ask(place)


def _meant(magic: str, words: list[str]) -> tuple[str, list[Slot], list[str], list[str]]:
    """Return the command a line means, its places, the commands below it, and the words behind it."""
    from nbmlops.magics import is_verb, magics, parser

    if magic != "%nbmlops":
        return magic.lstrip("%"), _of_magic(parser(magic)), [], words
    from nbmlops.cli import COMMANDS

    if not words:
        return "", [], [*magics(), *COMMANDS], []
    name, *rest = words
    if name not in magics() or is_verb(name, " ".join(rest)):
        return _command(words)
    verbs = _command(words)[2] if name in COMMANDS and not rest else []
    return name, _of_magic(parser(f"%{name}")), verbs, rest


def _command(words: list[str]) -> tuple[str, list[Slot], list[str], list[str]]:
    import click

    from nbmlops.cli import main

    command: click.Command = main
    known, rest = list[str](), list(words)
    while isinstance(command, click.Group) and rest and (below := command.get_command(click.Context(command), rest[0])):
        command = below
        known.append(rest.pop(0))
    verbs = list(command.commands) if isinstance(command, click.Group) and known and not rest else []
    return " ".join(known), _of_command(command) if known else [], verbs, rest


def _of_magic(parser: Parser) -> list[Slot]:
    return [_slot(a.dest, a.metavar, a.nargs, a.option_strings, a.choices) for a in parser._actions]


def _of_command(command: click.Command) -> list[Slot]:
    def one(param: click.Parameter) -> Slot:
        takes = 0 if getattr(param, "is_flag", False) else param.nargs
        options = [*param.opts, *param.secondary_opts]
        return _slot(param.name or "", param.metavar, takes, options, getattr(param.type, "choices", None))

    return [one(param) for param in command.params]


def _slot(name: str, called: Any, nargs: Any, options: Iterable[str], choices: Iterable[Any] | None) -> Slot:
    """Return a place; how it is called says nothing of whether it may be left out or repeated."""
    called = called or name
    said = (called if isinstance(called, str) else " ".join(called)).strip("[]").removesuffix("...").strip().upper()
    takes = None if nargs in ("*", "+", -1) else nargs if isinstance(nargs, int) else 1
    return Slot(name, said, takes, tuple(o for o in options if o[0] == "-"), tuple(map(str, choices or ())))


def _place(slots: Sequence[Slot], words: Sequence[str]) -> tuple[Slot | None, dict[str, list[str]]]:
    """Return what the next word would be, and the words that are there by the place each is in."""
    options = {option: slot for slot in slots for option in slot.options}
    places = [slot for slot in slots if not slot.options]
    said: dict[str, list[str]] = {}
    waiting: Slot | None = None
    for word in words:
        if slot := options.get(word):
            waiting, left = slot if slot.takes != 0 else None, slot.takes
            continue
        at = waiting or (places[0] if places else None)
        if at is None:
            continue
        said.setdefault(at.name, []).append(word)
        if at is waiting and left is not None:
            left -= 1
            waiting = waiting if left else None
        elif at is not waiting and at.takes is not None and len(said[at.name]) >= at.takes:
            places.pop(0)
    return waiting or (places[0] if places else None), said
