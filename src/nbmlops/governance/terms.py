"""On which terms two models are compared: what was asked for, else what the charter says, else the defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nbmlops.errors import Invalid, NotAllowed
from nbmlops.governance.charter import Charter, charter

__all__ = ["PASSING", "ROLES", "Terms", "agreed", "require_rows"]

FEWEST_ROWS = 50  # below this nothing is concluded, whatever the interval says
PASSING: Mapping[str, tuple[str, ...]] = {
    "better": ("better",),
    "non-inferior": ("better", "non-inferior"),
    "reason": ("better", "non-inferior"),
}
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

    def whose(self, code: str, owner: str | None) -> str:
        """Return whose a finding is: the role, and its people or else the model's owner."""
        role = ROLES[code]
        people = ", ".join(self.roles.get(role, ())) or owner
        return f"{role}: {people}" if people else role


def agreed(
    margin: float | None, metrics: str | Iterable[str] | None, by: str | Iterable[str] | None, groups: str | None
) -> Terms:
    """Return the terms of a comparison; what is not given is the charter's.

    Raises
    ------
    Invalid
        The margin is no share.
    """
    found = charter() or Charter("")
    tolerated = found.margin if margin is None else margin
    if isinstance(tolerated, bool) or not isinstance(tolerated, (int, float)) or not 0 <= tolerated < 1:
        raise Invalid(f"margin is {tolerated!r}.", "Pass how much worse is tolerable, such as 0.01.")
    return Terms(
        margin=float(tolerated),
        metrics=_names(metrics) or tuple(t.name for t in found.metrics),
        asked=bool(metrics),
        by=_names(by) or found.slices,
        groups=groups or found.groups,
        minimum=found.minimum or FEWEST_ROWS,
        promotes=found.promotes,
        roles=found.roles,
        exceptions=found.exceptions,
    )


def require_rows(found: int) -> None:
    """Refuse fewer rows than the charter's minimum."""
    said = charter()
    if said and said.minimum and found < said.minimum:
        raise NotAllowed(
            f"{found:,} rows are fewer than the {said.minimum:,} the charter asks of a gate.",
            f"Pass more held-out rows, or agree on another minimum in {said.path}.",
        )


def _names(given: str | Iterable[str] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())
