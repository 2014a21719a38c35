"""How a project stands: what a decision about it rests on, and the rules by which one is recommended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.report.blocks import Tone
from nbmlops.report.text import as_float, count, finite, joined, number

__all__ = ["RULES", "TONES", "Rule", "Standing", "because", "recommended", "rounded", "sentence", "standing", "worth"]

Json = Mapping[str, Any]
CONTINUE, PIVOT, STOP, UNKNOWN = "continue", "pivot", "stop", "insufficient data"
TONES: Mapping[str, Tone] = {CONTINUE: "good", PIVOT: "warn", STOP: "bad", UNKNOWN: "warn"}


@dataclass(frozen=True)
class Standing:
    """What is known of a project, each as short sentences; an empty tuple is nothing of that kind."""

    in_use: tuple[str, ...]  # champions
    gains: tuple[str, ...]  # models whose whole interval of worth lies above nothing
    costs: tuple[str, ...]  # models whose whole interval lies at or below nothing
    lost: tuple[str, ...]  # models worth less than at the start, their intervals apart
    shown: tuple[str, ...]  # targets
    open: tuple[str, ...]  # targets that are not shown
    broken: tuple[str, ...]  # targets
    unmeasured: tuple[str, ...]  # targets
    stop: tuple[str, ...]  # models that are advised to be stopped
    change: tuple[str, ...]  # models that are advised to be changed
    budget: str  # what is left, in a sentence
    spent: bool  # nothing is left of the budget
    late: tuple[str, ...]  # deliverables
    alerts: int  # open episodes at alert level
    unread: bool  # the charter cannot be read: worth, targets, budget and what is due are not known


@dataclass(frozen=True)
class Rule:
    """One row of the table: when it holds, in words and in code, and what is recommended then."""

    code: str
    when: str
    recommends: str
    holds: Callable[[Standing], bool]


def _all_shown(found: Standing) -> bool:
    return bool(found.shown) and not (found.open or found.unmeasured)


# Asked in this order; the first that holds decides. docs/project-report.md shows the same table.
RULES = (
    Rule("costs", "what is in use costs more than it brings", STOP, lambda s: bool(s.costs) and not s.gains),
    Rule("not_viable", "a model was below viability twice in a row", STOP, lambda s: bool(s.stop)),
    Rule("spent", "the budget is spent, and no gain is shown", STOP, lambda s: s.spent and not s.gains),
    Rule("broken", "a target is broken", PIVOT, lambda s: bool(s.broken)),
    Rule("lost", "the gain is less than at the start", PIVOT, lambda s: bool(s.lost)),
    Rule("change", "another model is advised", PIVOT, lambda s: bool(s.change)),
    Rule("mixed", "one model costs more than it brings", PIVOT, lambda s: bool(s.costs)),
    Rule("overspent", "the budget is spent, though there is a gain", PIVOT, lambda s: s.spent),
    Rule("gains", "a gain is shown, and nothing of this", CONTINUE, lambda s: bool(s.gains)),
    Rule("targets", "all targets are shown, and nothing of this", CONTINUE, _all_shown),
    Rule("unknown", "neither a gain nor the targets are shown", UNKNOWN, lambda s: True),
)


def recommended(found: Standing) -> Rule:
    """Return the first rule that holds.

    Examples
    --------
    >>> nothing = dict.fromkeys(Standing.__dataclass_fields__, ())
    >>> recommended(Standing(**nothing)).recommends
    'insufficient data'
    """
    return next(rule for rule in RULES if rule.holds(found))


def standing(snapshot: Json) -> Standing:
    """Return how the project of a snapshot stands."""
    used = [m for m in snapshot["models"] if m.get("champion")]
    known = [(m, w) for m in used if (w := worth(m.get("now")))]
    return Standing(
        in_use=tuple(str(m["champion"]) for m in used),
        gains=tuple(_named(m, w) for m, w in known if w["low"] > 0),
        costs=tuple(_named(m, w) for m, w in known if w["high"] <= 0),
        lost=tuple(_fallen(m, w) for m, w in known if _less(m, w)),
        shown=tuple(_targets(used, "passed")),
        open=tuple(_targets(used, "warning")),
        broken=tuple(_targets(used, "issue")),
        unmeasured=tuple(_targets(used, "skipped")),
        stop=tuple(_advised(used, "stop")),
        change=tuple(_advised(used, "change the model")),
        budget=_left(snapshot.get("budget") or {}),
        spent=_is_spent(snapshot.get("budget") or {}),
        late=tuple(str(d["name"]) for d in snapshot.get("deliverables") or () if d["state"] == "late"),
        alerts=int((snapshot.get("episodes") or {}).get("alerts") or 0),
        unread=bool((snapshot.get("charter") or {}).get("unreadable")),
    )


def worth(judged: Json | None) -> dict[str, Any] | None:
    """Return what a model is worth with its interval, None where it is not known."""
    found = (judged or {}).get("value") or {}
    bounds = [as_float(found.get(k)) for k in ("low", "expected", "high")]
    return {**found, **dict(zip(("low", "expected", "high"), bounds, strict=True))} if finite(*bounds) else None


def sentence(found: Json) -> str:
    """Return what something is worth in words: ``356 EUR per 1,000 rows (310 to 401)``."""
    unit, per = str(found.get("unit") or "units"), number(found.get("per_rows"))
    low, expected, high = (rounded(found[k]) for k in ("low", "expected", "high"))
    return f"{expected} {unit} per {per} rows ({low} to {high})"


def rounded(amount: float) -> str:
    """Return an amount to three digits: more would say more than is known.

    >>> rounded(240123.4)
    '240,000'
    """
    return number(float(f"{amount:.3g}"))


def _named(model: Json, found: Json) -> str:
    return f"{model['champion']} {'brings' if found['low'] > 0 else 'is worth'} {sentence(found)}"


def _less(model: Json, now: Json) -> bool:
    start = worth(model.get("start"))
    return bool(start) and now["high"] < start["low"]  # type: ignore[index]


def _fallen(model: Json, now: Json) -> str:
    start = worth(model.get("start")) or {}
    before = f"{model['start']['ref']} brought {sentence(start)} at the start"
    return f"{model['champion']} brings {sentence(now)}, and {before}"


def _targets(used: list[Json], outcome: str) -> Iterator[str]:
    for model in used:
        for found in (model.get("now") or {}).get("targets") or ():
            if found.get("outcome") == outcome:
                yield f"{found.get('column')} of {model['champion']}"


def _advised(used: list[Json], advice: str) -> Iterator[str]:
    """Yield the champions of which this was advised last; advice on an earlier version is history."""
    for model in used:
        found = model.get("advice") or {}
        if found.get("advice") == advice and found.get("ref") == model["champion"]:
            yield str(model["champion"])


def _left(budget: Json) -> str:
    if not budget:
        return ""
    unit, whole = str(budget.get("unit") or "units"), number(float(budget["amount"]))
    if budget.get("left") is None:
        return f"of {whole} {unit} it is not known what is left"
    months = f", enough for {_months(budget['months'])}" if budget.get("months") else ""
    rest = float(budget["left"])
    if rest < 0:
        return f"{number(-rest)} {unit} more than the {whole} of the budget are spent"
    return f"{number(rest)} of {whole} {unit} are left{months}"


def _months(amount: float) -> str:
    return count(int(amount), "month") if amount >= 1 else "less than a month"


def _is_spent(budget: Json) -> bool:
    return budget.get("left") is not None and float(budget["left"]) <= 0


def _few(said: tuple[str, ...]) -> str:
    return joined(said) if len(said) < 3 else f"{', '.join(said[:2])} and {len(said) - 2} more"


def _of_targets(found: Standing) -> str:
    missing = len(found.unmeasured)
    targets = len(found.shown) + len(found.open) + len(found.broken) + missing
    if not targets:
        return ""
    return f"{len(found.shown)} of {count(targets, 'target')} shown" + (f", {missing} not measured" if missing else "")


def because(found: Standing, rule: Rule) -> str:
    """Return why, in one or two sentences: the rule, what it rests on, and what else is known."""
    rests = {
        "costs": found.costs, "not_viable": found.stop, "broken": found.broken, "lost": found.lost,
        "change": found.change, "mixed": found.costs, "gains": found.gains,
    }.get(rule.code, ())  # fmt: skip
    when = rule.when.removesuffix(", and nothing of this")
    first = f"{when[0].upper()}{when[1:]}" + (f": {_few(rests)}" if rests else "")
    facts = [said] if (said := _of_targets(found)) else []
    facts += [found.budget] if found.budget else []
    facts += [f"{count(len(found.late), 'deliverable')} late"] if found.late else []
    facts += [f"{count(found.alerts, 'open alert')}"] if found.alerts else []
    facts += ["the charter cannot be read"] if found.unread else []
    rest = "; ".join(facts)
    return f"{first}. {rest[0].upper()}{rest[1:]}." if rest else f"{first}."
