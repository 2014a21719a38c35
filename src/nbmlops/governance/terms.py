"""On which terms two models are compared: what was asked for, else what the charter says, else the defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nbmlops.errors import Invalid, NotAllowed
from nbmlops.governance.charter import PROMOTES, Charter, charter
from nbmlops.registry.targets import FILE

__all__ = ["GUARDS", "PASSING", "ROLES", "Terms", "agreed", "guarding", "promoting", "require_rows"]

CHAMPION = "champion"
FEWEST_ROWS = 50  # below this nothing is concluded, whatever the interval says
PASSING: Mapping[str, tuple[str, ...]] = {
    "better": ("better",),
    "non-inferior": ("better", "non-inferior"),
    "reason": ("better", "non-inferior"),
}
GUARDS = ("required", "recorded")
# Whose it is, by the code of a finding (the keys of the roles in the design).
ROLES: Mapping[str, str] = {
    "gate": "scientist",
    "metric": "scientist",
    "slice": "scientist",
    "gap": "product",
    "calibration": "scientist",
    "latency": "ml_engineer",
    "drift": "ml_engineer",
    "rules": "data_engineer",
    "flag": "expert",
    "reuse": "scientist",
    "file": "ml_engineer",
}


@dataclass(frozen=True)
class Terms:
    """Margin, metrics (the first decides, the others are guarded), slices, groups, minimum, and what promotes."""

    margin: float
    metrics: tuple[str, ...] = ()
    asked: bool = False  # by the caller: an unknown metric is then an error; a charter's may be of another task
    by: tuple[str, ...] = ()
    groups: str | None = None
    minimum: int = FEWEST_ROWS
    promotes: str = "better"
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)  # of metrics that have one of their own
    asks: int | None = None  # rows the charter asks for
    guards: str = "required"  # or only recorded
    policy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by alias

    def of_alias(self, alias: str) -> Terms:
        """Return the terms on which this alias moves.

        Raises
        ------
        NotAllowed
            Its policy is not understood.
        """
        rule = self.policy.get(alias, {})
        return replace(self, promotes=promoting(rule, alias, self.promotes), guards=guarding(rule, alias))

    def margin_in(self, metric: str) -> float:
        """Return how much worse is tolerable in a metric."""
        return self.margins.get(metric, self.margin)

    def whose(self, code: str, owner: str | None) -> str:
        """Return whose a finding is: the role, and its people or else the model's owner."""
        role = ROLES[code]
        people = ", ".join(self.roles.get(role, ())) or owner
        return f"{role}: {people}" if people else role


def agreed(
    margin: float | None,
    metrics: str | Iterable[str] | None,
    by: str | Iterable[str] | None,
    groups: str | None,
    model: str = "",
) -> Terms:
    """Return the terms of a comparison; what is not given is the charter's, a model's own where it has some.

    Raises
    ------
    Invalid
        The margin is no share.
    """
    found = (charter() or Charter("")).for_model(model)
    tolerated = found.margin if margin is None else margin
    if isinstance(tolerated, bool) or not isinstance(tolerated, (int, float)) or not 0 <= tolerated < 1:
        raise Invalid(f"margin is {tolerated!r}.", "Pass how much worse is tolerable, such as 0.01.")
    names = _names(metrics) or tuple(t.name for t in found.metrics)
    return Terms(
        margin=float(tolerated),
        margins={t.name: found.margin_in(t.name) for t in found.metrics} if margin is None else {},
        metrics=names,
        asked=bool(metrics),
        by=_names(by) or found.slices,
        groups=groups or found.groups,
        minimum=found.fewest(names) or FEWEST_ROWS,
        asks=found.fewest(names),
        promotes=found.promotes,
        roles=found.roles,
        exceptions=found.exceptions,
        policy=found.policy,
    )


def promoting(rule: Mapping[str, Any], alias: str, promotes: str) -> str:
    """Return which verdict of a gate moves an alias: as its policy says, else for the champion as the charter does.

    Raises
    ------
    NotAllowed
        The policy's word is none.

    Examples
    --------
    >>> promoting({}, "champion", "better"), promoting({}, "staging", "better"), promoting({"gate": "better"}, "s", "")
    ('better', 'reason', 'better')
    """
    found = str(rule.get("gate", promotes if alias == CHAMPION else "reason"))
    return _one_of(PROMOTES, found, alias, "gate")


def guarding(rule: Mapping[str, Any], alias: str) -> str:
    """Return whether the guards of a gate are required, or only recorded, where an alias moves."""
    return _one_of(GUARDS, rule.get("guards", "required"), alias, "guards")


def _one_of(allowed: tuple[str, ...], found: Any, alias: str, key: str) -> str:
    if found not in allowed:
        raise NotAllowed(
            f"policy.{alias}.{key} is {found!r}, so nothing is promoted.", f"Allowed: {', '.join(allowed)}."
        )
    return str(found)


def require_rows(found: int, terms: Terms) -> None:
    """Refuse fewer rows than the charter's minimum."""
    if terms.asks and found < terms.asks:
        raise NotAllowed(
            f"{found:,} rows are fewer than the {terms.asks:,} the charter asks of a gate.",
            f"Pass more held-out rows, or agree on another minimum in {FILE}.",
        )


def _names(given: str | Iterable[str] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())
