"""In which order a role reads a report: what it reads first is open, the rest follows folded; nothing goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from nbmlops.errors import Invalid
from nbmlops.governance.charter import ROLES
from nbmlops.report.blocks import Section

__all__ = ["FIRST", "arranged", "known", "ordered_for"]

# Keys of the sections a role reads after page one; what failed is everybody's.
FIRST: Mapping[str, tuple[str, ...]] = {
    "stakeholder": ("performance", "limits", "monitoring", "glossary"),
    "expert": ("data", "checks", "drift", "performance", "explanations", "limits", "glossary"),
    "product": ("limits", "performance", "monitoring", "glossary"),
    "scientist": ("changed", "parameters", "data", "checks", "drift", "performance", "explanations", "notebook"),
    "data_engineer": ("data", "checks", "drift", "pipeline", "changed"),
    "ml_engineer": ("changed", "parameters", "pipeline", "drift", "performance", "monitoring", "reproducibility"),
    "software_engineer": ("reproducibility", "pipeline", "changed", "parameters", "notebook"),
    "backend_engineer": ("reproducibility", "monitoring", "pipeline", "parameters"),
    "manager": ("changed", "drift", "performance", "explanations", "monitoring", "reproducibility"),
    "compliance": ("changed", "limits", "monitoring", "audit", "fields", "crosswalk", "glossary"),
    "support": ("limits", "performance", "monitoring", "glossary"),
    "user": ("limits", "performance", "explanations", "glossary"),
}
EVERYBODY = ("failure",)


def known(role: str | None) -> str | None:
    """Return a role, or none for none.

    Raises
    ------
    Invalid
        It is no role of a charter.
    """
    if role is not None and role not in ROLES:
        raise Invalid(f"{str(role)[:40]!r} is no role.", f"Roles: {', '.join(ROLES)}.")
    return role


def arranged(sections: Sequence[Section], role: str | None) -> list[Section]:
    """Return the same sections in the order a role reads them: the first ones open, the others folded.

    Parameters
    ----------
    sections : list of Section
    role : str, optional
        As they are without one.

    Examples
    --------
    >>> page = [Section(key, key, "", []) for key in ("data", "audit", "limits")]
    >>> [(s.key, s.folded) for s in arranged(page, "compliance")]
    [('limits', False), ('audit', False), ('data', True)]
    """
    first = FIRST.get(known(role) or "")
    if first is None:
        return list(sections)
    places = {key: place for place, key in enumerate((*EVERYBODY, *first))}
    ahead = sorted((s for s in sections if s.key in places), key=lambda s: places[s.key])
    rest = [dataclasses.replace(s, folded=True) for s in sections if s.key not in places]
    return [*ahead, *rest]


def ordered_for(role: str | None) -> str:
    """Return whom a page is ordered for, as a sentence; nothing where it is in its own order.

    >>> ordered_for("user")
    'Ordered for the role user: what it reads first is open, the rest follows folded. Nothing is left out.'
    """
    words = "what it reads first is open, the rest follows folded. Nothing is left out."
    return f"Ordered for the role {role}: {words}" if role else ""
