"""Flags as a table: those of a subject, a state, a role; what is private is masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid, unknown
from nbmlops.governance.charter import ROLES
from nbmlops.governance.flags.counted import by_column
from nbmlops.governance.flags.flag import STATES, Flag, of_row
from nbmlops.governance.flags.masks import Masks
from nbmlops.governance.flags.unsettled import about, concerning
from nbmlops.hooks import Shown
from nbmlops.records import plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "FlagList", "flag_list", "flags", "found", "rows"]

COLUMNS = (
    *("flag_id", "state", "severity", "kind", "subject", "where", "text", "question", "author", "role", "owner"),
    *("at", "closed_at", "answers"),
)

COUNTED = ("value", "n", "flagged", "share", "low", "high")


@dataclass(frozen=True, repr=False)
class FlagList(Shown):
    """Flags as flat rows, the oldest first; or how often is flagged, by a column."""

    shows: ClassVar[str] = "flags"

    subject: str
    by: str
    rows: tuple[Mapping[str, Any], ...]

    def to_frame(self) -> pd.DataFrame:
        """Return what :func:`flags` does."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(COUNTED if self.by else COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found: dict[str, Any] = plain(self)
        return found


def flags(
    subject: Any = None, state: str | None = None, role: str | None = None, by: str | None = None
) -> pd.DataFrame:
    """Return flags as a table, the oldest first; or count them by a column.

    Parameters
    ----------
    subject : str or object, optional
        A model or version (with what concerns its features, predictions, run, reports and data), or whatever
        :func:`flag` takes; all when absent.
    state : {"open", "answered", "accepted", "dismissed"}, optional
    role : str, optional
        For whom they are.
    by : str, optional
        Count the flagged predictions of a model, or rows of a data set, in each value of this column.

    Returns
    -------
    pandas.DataFrame
        One row a flag: ``flag_id state severity kind subject where text question author role owner at closed_at
        answers``; with ``by`` one row a value: ``value n flagged share low high`` (95 % interval).

    Raises
    ------
    NotFound
        Nothing is called so, or no such role.
    Invalid
        No such state.

    Examples
    --------
    >>> nb.flags("late-flights", state="open")[["severity", "text"]]  # doctest: +SKIP
    """
    return flag_list(subject, state, role, by).to_frame()


def flag_list(
    subject: Any = None, state: str | None = None, role: str | None = None, by: str | None = None
) -> FlagList:
    """Return what :func:`flags` does as a record that shows itself."""
    named = (
        ""
        if subject is None
        else str(getattr(subject, "ref", subject) if not hasattr(subject, "columns") else "a frame")
    )
    return FlagList(named, by or "", tuple(rows(subject, state, role, by)))


def rows(
    subject: Any = None, state: str | None = None, role: str | None = None, by: str | None = None
) -> list[dict[str, Any]]:
    """Return flags as flat rows, or their counts by a column."""
    if by is not None:
        if subject is None or state or role:
            raise Invalid("Flags are counted of one model or data set, in every state.", "Name it, and by= alone.")
        return by_column(str(getattr(subject, "ref", subject)), by)
    return [_flat(flag) for flag in found(subject, state, role)]


def found(subject: Any = None, state: str | None = None, role: str | None = None) -> list[Flag]:
    """Return the flags of a subject, a state and a role as records."""
    from nbmlops.store import flags as stored

    if state is not None and state not in STATES:
        raise Invalid(f"{state!r} is no state of a flag.", f"Allowed: {', '.join(STATES)}.")
    if role is not None and role not in ROLES:
        raise unknown("role", str(role), ROLES, where="of a charter")
    if subject is None:
        chosen = stored.listed(session.store(), state=state, role=role)
    else:
        chosen = [r for r in _of(subject) if state in (None, r["state"]) and role in (None, r["role"])]
    masks = Masks.now()
    return [of_row(row, masks) for row in chosen]


def _of(subject: Any) -> list[dict[str, Any]]:
    from nbmlops.governance.flags.subjects import named
    from nbmlops.store import flags as stored

    about_it = named(subject)
    if about_it.kind == "model":
        return concerning(about_it.subject)
    if about_it.kind in ("dataset", "run"):
        return [row for row in stored.listed(session.store()) if about_it.subject in about(row)]
    return stored.listed(session.store(), [about_it.subject])


def _flat(flag: Flag) -> dict[str, Any]:
    about_it = {"answers": len(flag.thread)}
    return {name: about_it[name] if name in about_it else getattr(flag, name) for name in COLUMNS}
