"""What was planned of a project: its budget, and what is to be delivered by when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.registry.targets import FILE

__all__ = ["Deliverable", "budget", "deliverables", "left"]

BUDGET = ("amount", "unit", "spent", "per_month", "since")
DELIVERABLE = ("name", "due", "done", "owner")
MONTH_DAYS = 365.25 / 12
MOST = 1e15  # as an amount; what is more is a slip of the pen, and no float holds all of YAML's integers


@dataclass(frozen=True)
class Deliverable:
    """What is to be handed over: by when, whether or on which day it was, and whose it is."""

    name: str
    due: str = ""
    done: bool | str = False
    owner: str = ""

    def state(self, at: str) -> str:
        """Return *done*, *done late*, *late* or *open* as of a time; what is done on a later day is not done yet."""
        if self.done is True or (self.done and self.done <= at[:10]):
            return "done late" if self.due and isinstance(self.done, str) and self.done > self.due else "done"
        return "late" if self.due and self.due < at[:10] else "open"


def budget(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``budget`` of a charter, every key and number checked.

    Parameters
    ----------
    content : mapping
        ``amount``, ``unit``, and ``spent`` or ``per_month`` with ``since``, the day from which it is spent.

    Raises
    ------
    Invalid
        A key that there is not, what is no number, or what is no day.

    Examples
    --------
    >>> budget({"amount": 60000, "unit": "EUR", "spent": 21000})
    {'amount': 60000.0, 'unit': 'EUR', 'spent': 21000.0}
    """
    _only("budget", content, BUDGET)
    found: dict[str, Any] = {k: _amount(k, v) for k, v in content.items() if k not in ("unit", "since")}
    if content and "amount" not in found:
        raise Invalid(f"{FILE}: budget has no amount.", "Write {amount: 60000, unit: EUR, spent: 21000}.")
    texts = {"unit": str(content["unit"])} if content.get("unit") else {}
    texts |= {"since": _day("budget.since", content["since"])} if content.get("since") else {}
    return {k: {**found, **texts}[k] for k in BUDGET if k in found or k in texts}


def deliverables(content: Any) -> tuple[Deliverable, ...]:
    """Return the ``deliverables`` of a charter, in the order they are due; those without a day come last.

    Raises
    ------
    Invalid
        One without a name, a key that there is not, or what is no day.

    Examples
    --------
    >>> deliverables([{"name": "how-to page", "due": "2013-06-30", "owner": "ada"}])[0].state("2013-07-01")
    'late'
    """
    found = [_deliverable(item) for item in content or ()]
    return tuple(sorted(found, key=lambda d: d.due or "9"))


def left(agreed: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return what is spent and left of a budget as of a time, and for how many months it lasts; None is not known.

    Parameters
    ----------
    agreed : mapping
        As :func:`budget` returns it.
    at : str

    Examples
    --------
    >>> left({"amount": 60000.0, "spent": 21000.0, "per_month": 3000.0}, "2013-06-01")["months"]
    13.0
    """
    spent, rate = agreed.get("spent"), agreed.get("per_month")
    if spent is None and rate is not None and agreed.get("since"):
        days = (date.fromisoformat(at[:10]) - date.fromisoformat(agreed["since"])).days
        spent = max(0.0, rate * days / MONTH_DAYS)
    rest = agreed["amount"] - spent if spent is not None else None
    months = max(0.0, rest) / rate if rate and rest is not None else None
    return {"spent": spent, "left": rest, "months": months}


def _deliverable(item: Any) -> Deliverable:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"].strip():
        raise Invalid(
            f"{FILE}: deliverables holds {str(item)[:60]!r}.", "Write {name: ..., due: 2026-06-30, owner: ...}."
        )
    name = item["name"].strip()
    _only(f"deliverable {name[:40]!r}", item, DELIVERABLE)
    due, done = item.get("due"), item.get("done")
    return Deliverable(
        name,
        _day(f"due of {name[:40]!r}", due) if due is not None else "",
        done if isinstance(done, bool) else _day(f"done of {name[:40]!r}", done) if done is not None else False,
        str(item.get("owner") or ""),
    )


def _amount(key: str, value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= MOST:
        said = f"{value!r:.40}" if not isinstance(value, int) or abs(value) <= MOST else "out of range"
        raise Invalid(f"{FILE}: budget.{key} is {said}.", "Write a number from 0 to 1e15.")
    return float(value)


def _day(where: str, value: Any) -> str:
    """Return a day as YAML or a person writes it, as ISO text."""
    try:
        known = value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise Invalid(f"{FILE}: {where} is {str(value)[:40]!r}.", "Write a day, such as 2026-06-30.") from None
    return (known.date() if isinstance(known, datetime) else known).isoformat()


def _only(where: str, content: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    if strange := [str(k) for k in content if k not in allowed]:
        raise Invalid(f"{FILE}: {where} has {strange[0]!r}.", f"Allowed: {', '.join(allowed)}.")
