"""A form as data: what it asks, what may be answered, and the line a person could type instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nbmlops.widgets.forms import static

__all__ = ["Field", "Form", "quoted", "typed"]

PLAIN = re.compile(r"[\w@%+=:,./~-]+", re.A)
# IPython replaces {name} in the line of a magic, and $name where an even number of single quotes follows.
BRACES = re.compile(r"([{}])")
DOLLAR = re.compile(r"\$(?=[\w.]+(?:[^']*'[^']*')*[^']*\Z)")


@dataclass(frozen=True)
class Field:
    """One question of a form.

    ``choices_of`` holds the choices by the answer to another question, ``of``: the columns of each frame.
    """

    name: str
    label: str
    choices: tuple[str, ...] = ()
    value: str = ""
    option: str = ""  # such as --to; without one it stands by its place
    needed: bool = False
    free: bool = False  # something else than the choices may be typed
    tick: bool = False  # the option stands alone, or not at all
    of: str = ""
    choices_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    placeholder: str = ""

    def choices_at(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return what may be answered, given the other answers."""
        return self.choices_of.get(values.get(self.of, ""), ()) if self.of else self.choices

    def said(self, value: str) -> str:
        """Return an answer as a piece of the line; nothing where there is none."""
        if not value:
            return ""
        if self.tick:
            return self.option
        return f"{self.option} {quoted(value)}".strip()


@dataclass(frozen=True)
class Form:
    """What a magic asks when it is typed without arguments; every view of it is a function of this."""

    magic: str  # as typed, with the percent sign
    title: str
    button: str
    fields: tuple[Field, ...]
    notes: tuple[str, ...] = ()
    fresh: bool = False  # what it holds is another after each run

    def values(self) -> dict[str, str]:
        """Return the answers a form begins with."""
        return {one.name: one.value for one in self.fields}

    def line(self, values: Mapping[str, str]) -> str:
        """Return the line that does the same when typed.

        Examples
        --------
        >>> Form("%drift", "", "", (Field("frame", "Frame"), Field("by", "By", option="--by"))).line({"frame": "may"})
        '%drift may'
        """
        said = " ".join(filter(None, (one.said(values.get(one.name, "")) for one in self.fields)))
        return f"{self.magic} {typed(said)}".strip()

    def command(self) -> str:
        """Return the line to type, with a name in capitals for what is not known yet."""
        filled = {one.name: one.value or (one.name.upper() if one.needed else "") for one in self.fields}
        return self.line(filled)

    def missing(self, values: Mapping[str, str]) -> str:
        """Say in one line what has to be answered yet; nothing where all is."""
        gaps = [one for one in self.fields if one.needed and not values.get(one.name, "").strip()]
        if not gaps:
            return ""
        nothing = [one for one in gaps if not (one.free or one.tick or one.choices_at(values))]
        hint = f" Nothing to choose from: {nothing[0].placeholder}." if nothing else ""
        return f"Still to answer: {', '.join(one.label.lower() for one in gaps)}.{hint}"

    def about(self, values: Mapping[str, str]) -> str:
        """Say in one line what a person should know of these answers; here nothing."""
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON: of choices that depend on an answer those of the answer it begins with."""
        begun = self.values()
        fields = [{**asdict(one), "choices": one.choices_at(begun)} for one in self.fields]
        return {
            "magic": self.magic,
            "title": self.title,
            "button": self.button,
            "fields": [{name: value for name, value in one.items() if name != "choices_of"} for one in fields],
            "notes": [*filter(None, [self.about(begun)]), *self.notes],
            "command": self.command(),
        }

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return static.bundle(self.to_dict())

    def __repr__(self) -> str:
        return static.text(self.to_dict())


def quoted(value: str) -> str:
    """Return an answer as one word behind a magic.

    >>> quoted("better on March"), quoted("flights")
    ('"better on March"', 'flights')
    """
    if PLAIN.fullmatch(value):
        return value
    inner = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{inner}"'


def typed(said: str) -> str:
    """Return what stands behind a magic so that IPython replaces nothing in it.

    >>> typed("drift {x} $y costs $ 5")
    'drift {{x}} $$y costs $ 5'
    """
    pieces = BRACES.split(said)
    return "".join(piece * 2 if piece in ("{", "}") else DOLLAR.sub("$$", piece) for piece in pieces)
