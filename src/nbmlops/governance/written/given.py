"""Values as people write them in ``charter.yaml``: read, or refused with one line that names the place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from nbmlops.errors import Invalid
from nbmlops.registry.targets import FILE

__all__ = ["MOST", "day", "items", "mapping", "name", "near", "number", "only", "shown", "text", "texts", "whole"]

MOST = 1e15  # what is more is a slip of the pen, and no float holds all of YAML's integers
NAMED = 12  # a list that is read; of a longer one the beginning is said
Read = TypeVar("Read")


def shown(value: Any) -> str:
    """Return a value as a refusal names it: short, and never thousands of digits.

    >>> shown("much")
    "'much'"
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MOST:
        return "out of range"
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."


def near(word: str, known: Iterable[str]) -> str:
    """Return the hint that names what may have been meant, then what is allowed: the first of many.

    >>> near("metrik", ("metric", "split"))
    "Did you mean 'metric'? Allowed: metric, split."
    """
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (f"Did you mean {close[0]!r}? " if close else "") + f"Allowed: {', '.join(names[:NAMED])}{more}."


def only(where: str, content: Mapping[Any, Any], allowed: tuple[str, ...]) -> None:
    """Refuse a key that there is not.

    Raises
    ------
    Invalid
        With the nearest key that there is.
    """
    if strange := [str(k) for k in content if k not in allowed]:
        raise Invalid(f"{FILE}: {where} has {strange[0][:60]!r}.", near(strange[0], allowed))


def mapping(where: str, value: Any, allowed: tuple[str, ...], example: str) -> dict[str, Any]:
    """Return keys with values, those without a value left out."""
    if not isinstance(value, Mapping):
        raise Invalid(f"{FILE}: {where} is {shown(value)}.", f"Write {example}.")
    only(where, value, allowed)
    return {k: v for k, v in value.items() if v is not None}


def items(where: str, value: Any, read: Callable[[Any], Read]) -> tuple[Read, ...]:
    """Return a list, each item read; nothing where there is none."""
    if value is not None and not isinstance(value, (list, tuple)):
        raise Invalid(f"{FILE}: {where} is {shown(value)}.", "Write a list: - one item a line.")
    return tuple(read(item) for item in value or ())


def text(where: str, value: Any) -> str:
    """Return words, or a number or day written as words; empty where there is nothing."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, date)):
        raise Invalid(f"{FILE}: {where} is {shown(value)}.", "It should be text.")
    if not isinstance(value, str) and shown(value) == "out of range":
        raise Invalid(f"{FILE}: {where} is out of range.", "It should be text.")
    return str(value).strip()


def texts(where: str, value: Any) -> tuple[str, ...]:
    """Return some texts; one alone need not be a list."""
    return items(where, value, lambda v: text(where, v)) if isinstance(value, (list, tuple)) else _alone(where, value)


def name(where: str, value: Any, example: str) -> str:
    """Return a name that has to be there."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f"{FILE}: {where} has no name.", f"Write {example}.")
    return value.strip()


def number(where: str, value: Any, low: float = -MOST, high: float = MOST) -> float:
    """Return a number within its bounds.

    Raises
    ------
    Invalid
        It is none, or beyond a bound.
    """
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not known or not low <= value <= high:
        raise Invalid(f"{FILE}: {where} is {shown(value)}.", f"Write a number from {low:g} to {high:g}.")
    return float(value)


def whole(where: str, value: Any) -> int:
    """Return a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise Invalid(f"{FILE}: {where} is {shown(value)}.", "Write a whole number from 1.")
    return value


def day(where: str, value: Any) -> str:
    """Return a day as YAML or a person writes it, as ISO text."""
    try:
        known = value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise Invalid(f"{FILE}: {where} is {str(value)[:40]!r}.", "Write a day, such as 2026-06-30.") from None
    return (known.date() if isinstance(known, datetime) else known).isoformat()


def _alone(where: str, value: Any) -> tuple[str, ...]:
    found = text(where, value)
    return (found,) if found else ()
