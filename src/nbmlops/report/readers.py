"""In which order a role reads a report: what it reads first is open, the rest follows folded; nothing goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from nbmlops.errors import Invalid
from nbmlops.governance.charter import ROLES
from nbmlops.report.blocks import Section

__all__ = ["FIRST", "arranged", "known", "ordered_for"]

# Keys of the sections a role reads after page one, of whatever kind the report is; what failed is everybody's, and
# which runs are compared.
EVERYBODY = ("failure", "runs")
ORDER: Mapping[str, str] = {
    "stakeholder": "performance metrics throughput limits flags monitoring glossary",
    "expert": "data checks findings flags drift earlier performance metrics explanations limits glossary",
    "product": "limits performance metrics throughput monitoring glossary",
    "scientist": "changed parameters settings data checks findings flags drift earlier performance metrics "
    "explanations code cells notebook",
    "data_engineer": "data checks findings flags drift earlier pipeline changed cells",
    "ml_engineer": "changed parameters settings code cells pipeline drift earlier performance metrics activity "
    "throughput monitoring reproducibility",
    "software_engineer": "reproducibility environment pipeline changed parameters settings code cells notebook",
    "backend_engineer": "reproducibility environment activity monitoring pipeline parameters settings cells",
    "manager": "changed drift earlier findings flags performance metrics explanations activity throughput roles "
    "monitoring reproducibility",
    "compliance": "changed limits roles findings flags monitoring audit fields crosswalk glossary",
    "support": "limits flags performance metrics drift monitoring glossary",
    "user": "limits performance metrics explanations glossary",
}
FIRST: Mapping[str, tuple[str, ...]] = {role: tuple(keys.split()) for role, keys in ORDER.items()}


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

    Where a report has none of those a role reads first, it stays as it is.

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
    first = FIRST.get(known(role) or "", ())
    if not any(s.key in first for s in sections):
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
