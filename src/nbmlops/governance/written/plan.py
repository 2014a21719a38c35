"""What was planned of a project: budget and effort, and what is to be delivered by when, out of which problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.governance.written import given
from nbmlops.governance.written.given import MOST
from nbmlops.registry.targets import FILE

__all__ = ["Deliverable", "Effort", "Problem", "budget", "deliverables", "effort", "left", "rest_in_words", "rounded"]

BUDGET = ("amount", "unit", "spent", "per_month", "since")
DELIVERABLE = ("name", "due", "done", "owner", "needs", "metrics", "problems", "data", "state", "value", "weeks")
EXAMPLE = "{name: ..., due: 2026-06-30, owner: ...}"
MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True)
class Problem:
    """A smaller problem of a deliverable, who is in it, and how it stands."""

    name: str
    who: tuple[str, ...] = ()
    state: str = ""


@dataclass(frozen=True)
class Effort:
    """What it takes: people, weeks, and what a person costs a week."""

    people: float
    weeks: float
    per_week: float | None = None

    @property
    def person_weeks(self) -> float:
        """People times weeks."""
        return self.people * self.weeks

    @property
    def cost(self) -> float | None:
        """What that costs; None where nobody says what a person costs a week."""
        return None if self.per_week is None else self.person_weeks * self.per_week


@dataclass(frozen=True)
class Deliverable:
    """What is to be handed over: by when, whether or on which day it was, whose it is, and what it is made of."""

    name: str
    due: str = ""
    done: bool | str = False
    owner: str = ""
    needs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    data: tuple[str, ...] = ()
    progress: str = ""  # the key ``state``: how it stands, in people's words
    value: float | None = None  # a year, in the unit of the charter's value
    weeks: float | None = None

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
    given.only("budget", content, BUDGET)
    found: dict[str, Any] = {k: _amount(k, v) for k, v in content.items() if k not in ("unit", "since")}
    if content and "amount" not in found:
        raise Invalid(f"{FILE}: budget has no amount.", "Write {amount: 60000, unit: EUR, spent: 21000}.")
    texts = {"unit": str(content["unit"])} if content.get("unit") else {}
    texts |= {"since": given.day("budget.since", content["since"])} if content.get("since") else {}
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


def effort(content: Mapping[str, Any]) -> Effort | None:
    """Return the ``effort`` of a charter, None where it says nothing.

    Raises
    ------
    Invalid
        People or weeks are missing or no numbers, or a key that there is not.

    Examples
    --------
    >>> effort({"people": 2, "weeks": 6, "per_week": 2000}).cost
    24000.0
    """
    if not content:
        return None
    said = given.mapping("effort", content, ("people", "weeks", "per_week"), "{people: 2, weeks: 6, per_week: 2000}")
    return Effort(
        given.number("effort.people", said.get("people"), 0),
        given.number("effort.weeks", said.get("weeks"), 0),
        given.number("effort.per_week", said["per_week"], 0) if "per_week" in said else None,
    )


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


def rounded(value: float) -> str:
    """Return a number to three digits, never as a power of ten.

    >>> rounded(1234.5), rounded(0.0421)
    ('1,234', '0.0421')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def rest_in_words(agreed: Mapping[str, Any], rest: float) -> str:
    """Return what is left of a budget in words; one of which nothing is left is spent.

    >>> rest_in_words({"unit": "EUR"}, -5.0)
    'the budget is overspent by 5 EUR'
    """
    unit = f" {agreed['unit']}" if agreed.get("unit") else ""
    if rest > 0:
        return f"{rest:,.0f}{unit} of the budget are left"
    return f"the budget is overspent by {-rest:,.0f}{unit}" if rest < 0 else "the budget is spent"


def _deliverable(item: Any) -> Deliverable:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"].strip():
        raise Invalid(f"{FILE}: deliverables holds {str(item)[:60]!r}.", f"Write {EXAMPLE}.")
    name = item["name"].strip()
    said = given.mapping(f"deliverable {name[:40]!r}", item, DELIVERABLE, EXAMPLE)
    of = f"of {name[:40]!r}"
    done = said.get("done", False)
    return Deliverable(
        name,
        given.day(f"due {of}", said["due"]) if "due" in said else "",
        done if isinstance(done, bool) else given.day(f"done {of}", done),
        given.text(f"owner {of}", said.get("owner")),
        given.texts(f"needs {of}", said.get("needs")),
        given.texts(f"metrics {of}", said.get("metrics")),
        given.items(f"problems {of}", said.get("problems"), _problem),
        given.texts(f"data {of}", said.get("data")),
        given.text(f"state {of}", said.get("state")),
        given.number(f"value {of}", said["value"]) if "value" in said else None,
        given.number(f"weeks {of}", said["weeks"], 0) if "weeks" in said else None,
    )


def _problem(item: Any) -> Problem:
    example = "{name: delays are known late, who: [ada@example.org], state: open}"
    said = given.mapping("problems", item, ("name", "who", "state"), example)
    name = given.name("a problem", said.get("name"), example)
    who, state = (f"{k} of problem {name[:40]!r}" for k in ("who", "state"))
    return Problem(name, given.texts(who, said.get("who")), given.text(state, said.get("state")))


def _amount(key: str, value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= MOST:
        said = f"{value!r:.40}" if not isinstance(value, int) or abs(value) <= MOST else "out of range"
        raise Invalid(f"{FILE}: budget.{key} is {said}.", "Write a number from 0 to 1e15.")
    return float(value)
