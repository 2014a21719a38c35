"""What people agreed to except from a rule: ``exceptions`` of the charter, such as pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.registry import targets

__all__ = ["KNOWN", "allows", "exceptions"]

KNOWN = ("pickle",)


def allows(what: str) -> bool:
    """Return whether the charter of this project excepts something; without a charter nothing is.

    Parameters
    ----------
    what : str
        Such as ``pickle``.
    """
    found = targets.find()
    return found is not None and what in exceptions(targets.read(found))


def exceptions(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the exceptions a charter's content names.

    Raises
    ------
    Invalid
        One is not known, so nobody could say what was agreed.

    Examples
    --------
    >>> exceptions({"exceptions": ["pickle"]})
    ('pickle',)
    """
    said = content.get("exceptions") or ()
    names = (said,) if isinstance(said, str) else tuple(str(name) for name in said)
    if strange := [name for name in names if name not in KNOWN]:
        raise Invalid(f"{targets.FILE}: exceptions has {strange[0]!r}.", f"Allowed: {', '.join(KNOWN)}.")
    return names
