"""The audit log as a story: who, what, when, why, on what evidence, one sentence an event."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid, unknown
from nbmlops.governance.audit.words import ACTIONS, told
from nbmlops.hooks import Shown
from nbmlops.store.audited import Chain, reading
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "AuditLog", "audit"]

COLUMNS = ("seq", "at", "actor", "known_by", "action", "subject", "what", "why", "evidence", "hash")
LIMIT = 200
AGO = re.compile(r"(\d{1,5})([dhw])")
LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
HOURS = {"h": 1, "d": 24, "w": 168}


@dataclass(frozen=True, repr=False)
class AuditLog(Shown):
    """Events in words, oldest first; ``left_out`` is how many older ones fit too."""

    shows: ClassVar[str] = "audit"

    events: tuple[Mapping[str, Any], ...]
    left_out: int = 0
    asked: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON: of each event also its ``data``, as it is in the chain."""
        return {"events": [dict(e) for e in self.events], "left_out": self.left_out, "asked": dict(self.asked)}

    def to_rows(self) -> list[dict[str, Any]]:
        """Return flat rows, for a table."""
        return [{k: e[k] for k in COLUMNS} for e in self.events]

    def to_frame(self) -> pd.DataFrame:
        """Return the events as a table."""
        import pandas as pd

        return pd.DataFrame(self.to_rows(), columns=list(COLUMNS))


def audit(
    model: str = "",
    person: str = "",
    since: str | datetime = "",
    until: str | datetime = "",
    action: str = "",
    limit: int | None = LIMIT,
) -> AuditLog:
    """Return what was decided: who, what, when, why and on what evidence, one sentence an event.

    Parameters
    ----------
    model : str
        Only of this model or data set: a name, or ``NAME@3`` for one version.
    person : str
        Only by this actor, or entered by this steward for somebody.
    since, until : str or datetime
        A day (the whole of it), a time, or how long ago: ``"7d"``. UTC where no zone is said.
    action : str
        Such as ``"approve"``.
    limit : int or None
        How many of the newest; None is all.

    Returns
    -------
    AuditLog
        ``events``, oldest first; ``to_frame()`` is a table.

    Raises
    ------
    NotFound
        No such model, person or action is in the log.
    Invalid
        ``since`` or ``until`` is no time.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.audit("late-flights", since="7d").events[-1]["what"]  # doctest: +SKIP
    'late-flights@3 became champion (was 1)'
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise Invalid(f"limit is {limit!r}.", "Write a number from 1 on, or None for all.")
    between = {"since": _moment(since, "since"), "until": _moment(until, "until", end=True)}
    name, _, which = model.partition("@")
    with reading(session.project()) as chain:
        _check_known(chain, name, person, action)
        found = chain.found(name, action=action, **between)
    chosen = [e for e in found if _is_about(e, which) and _is_by(e, person)]
    kept = chosen if limit is None else chosen[-limit:]
    asked = {"model": model, "person": person, "since": str(since), "until": str(until), "action": action}
    return AuditLog(tuple(map(_told, kept)), len(chosen) - len(kept), {k: v for k, v in asked.items() if v})


def _check_known(chain: Chain, name: str, person: str, action: str) -> None:
    """Refuse what nobody did anything to, by or as, with the nearest there is."""
    if action and action not in ACTIONS and action not in chain.distinct("action"):
        raise unknown("action", action, set(ACTIONS))
    subjects = {s.partition("@")[0] for s in chain.distinct("subject")} if name else ()
    if name and name not in subjects:
        raise unknown("name in the audit log", name, set(subjects))
    if person and not any(_is_by(e, person) for e in chain.found()):
        raise unknown("person in the audit log", person, set(chain.distinct("actor")))


def _told(event: Mapping[str, Any]) -> dict[str, Any]:
    words = told(event)
    about = {k: v for k, v in event.items() if k != "previous"}
    return {**about, "what": words.what, "why": words.why, "evidence": words.rests_on()}


def _is_about(event: Mapping[str, Any], which: str) -> bool:
    """Tell whether an event of a model is about one version or alias of it; any where none is named."""
    data = event["data"] if isinstance(event["data"], Mapping) else {}
    numbers = [data.get("version"), data.get("from"), *(data.get("versions") or ())]
    return not which or event["subject"].rpartition("@")[2] == which or which in [str(n) for n in numbers]


def _is_by(event: Mapping[str, Any], person: str) -> bool:
    data = event["data"] if isinstance(event["data"], Mapping) else {}
    names: Iterable[Any] = (event["actor"], data.get("entered_by"))
    return not person or person.casefold() in [str(n).casefold() for n in names if n]


def _moment(asked: str | datetime, word: str, end: bool = False) -> str:
    """Return a bound as the store writes times; of a day that ends a period the day after.

    >>> _moment("2026-03-01", "until", end=True)
    '2026-03-02T00:00:00.000000+00:00'
    """
    if not asked:
        return ""
    if isinstance(asked, str) and (ago := AGO.fullmatch(asked.strip())):
        found = datetime.now(UTC) - timedelta(hours=int(ago[1]) * HOURS[ago[2]])
    else:
        found = _read(asked, word)
        if end and isinstance(asked, str) and len(asked.strip()) == len("2026-03-01"):
            found = min(found, LAST) + timedelta(days=1)
    return found.isoformat(timespec="microseconds")


def _read(asked: str | datetime, word: str) -> datetime:
    try:
        found = asked if isinstance(asked, datetime) else datetime.fromisoformat(str(asked).strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "Write a day such as 2026-03-01, a time such as 2026-03-01T14:00, or 7d."
        raise Invalid(f"{word} is {str(asked)[:40]!r}, which is no time.", hint) from None
