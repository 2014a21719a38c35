"""The contract of a kind of report, the table of kinds, and which one a person means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbmlops.report.blocks import Section
from nbmlops.tracking import machine

if TYPE_CHECKING:
    from nbmlops.report.decision import Decision

__all__ = ["KINDS", "Head", "Kind", "Subject", "kind_of", "subject_of"]

# In the order they are asked whether a name is theirs; the last one takes what is left, or says what is known.
KINDS = ("project", "agenda", "notebook", "drift", "comparison", "job", "run")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Subject:
    """What one report is about: ``key`` is the same for ever and names it in the store, ``about`` is what it needs."""

    kind: str
    key: str
    name: str
    about: Any = None


@dataclass(frozen=True)
class Head:
    """What stands above a page: its title, a line over it and one below."""

    title: str
    over: str
    meta: str


@dataclass(frozen=True)
class Kind:
    """One kind of report.

    ``find`` returns what a person means by a reference, or None where it is not of this kind; ``gather`` returns the
    facts as plain JSON with their ``as_of``; the others draw from that JSON alone.
    """

    find: Callable[[Any], Subject | None]
    gather: Callable[[Subject], dict[str, Any]]
    head: Callable[[Json], Head]
    decide: Callable[[Json], Decision]
    sections: Callable[[Json, bytes | None], Sequence[Section]]


def kind_of(name: str) -> Kind:
    """Return a kind by its name; its module is loaded then."""
    found: Kind = import_module(f"nbmlops.report.kinds.{name}").KIND
    return found


def subject_of(ref: Any) -> Subject:
    """Return what a person means; the last run of this notebook by None.

    Raises
    ------
    NotFound
        Nothing is called so.
    """
    machine.settle()  # what arrives a moment later would make the report out of date
    return next(found for name in KINDS if (found := kind_of(name).find(ref)) is not None)
