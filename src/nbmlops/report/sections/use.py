"""What a model is for, where it must not be used, and what watches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report import known
from nbmlops.report.blocks import Block, Facts, Missing, Section

__all__ = ["limits"]

Json = Mapping[str, Any]


def limits(snapshot: Json) -> Section:
    """Return what the model is for, and what it is not for, in the words of the charter."""
    title, charter = "Limits and intended use", snapshot["charter"]
    if not charter:
        missing = Missing("What the model is for was not agreed", "nbmlops charter new writes a charter to fill in")
        return Section("limits", title, "No charter: intended use and limits are not known.", [missing])
    if charter.get("unreadable"):
        return Section("limits", title, "The charter cannot be read.", [Missing(str(charter["unreadable"]), "mend it")])
    items = [(label, _prose(charter.get(key))) for key, label in (*CHARTER, *WHERE_SAID) if charter.get(key)]
    items += [(label, said) for label, answer in FOLLOWS if (said := answer(snapshot))]
    gaps: list[Block] = [
        Missing(f"The charter says nothing about: {label.lower()}", f"write `{key}:` in charter.yaml")
        for key, label in CHARTER
        if not charter.get(key)
    ]
    return Section("limits", title, "In the words of the charter.", [Facts(items), *gaps] if items else gaps)


CHARTER = (
    ("problem", "Problem"),
    ("users", "Users"),
    ("decision", "Decision it supports"),
    ("value", "Value"),
    ("limits", "Limits"),
    ("risk", "Risk"),
    ("oversight", "Who can decide otherwise"),
)
# Not every model has these: no gap where they are not said.
WHERE_SAID = (
    ("private", "Columns nobody is shown a value of"),
    ("standards", "Standards applied"),
    ("declaration", "Declaration of conformity"),
    ("roles", "Roles"),
)
FOLLOWS = (("End of use", known.stop), ("Instructions for use", known.how_to))


def _prose(value: Any) -> str:
    """Return what a person wrote in YAML as lines of text."""
    if isinstance(value, Mapping):
        return "\n".join(f"{str(k).replace('_', ' ')}: {_inline(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "\n".join(_prose(v) for v in value)
    return str(value)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{str(k).replace('_', ' ')} {_inline(v)}" for k, v in value.items())
    return ", ".join(map(_inline, value)) if isinstance(value, list) else str(value)
