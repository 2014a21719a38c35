"""The charter: what people agreed before the first model, as one file everybody can read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.governance import plan
from nbmlops.hooks import Shown
from nbmlops.records import Finding, plain
from nbmlops.registry import exceptions, targets
from nbmlops.registry.targets import FILE, Target
from nbmlops.tracking import session

__all__ = ["ROLES", "Charter", "charter", "check", "new", "required"]

OUTCOMES = ("true_positive", "false_positive", "false_negative", "true_negative")
ROLES = ("stakeholder", "expert", "product", "scientist", "data_engineer", "ml_engineer", "software_engineer",
         "backend_engineer", "manager", "compliance", "support", "user")  # fmt: skip
PROMOTES = ("better", "non-inferior", "reason")
DEFAULT_MARGIN = 0.01
TYPES: Mapping[str, tuple[type, ...]] = {
    "project": (str,),
    "problem": (str,),
    "users": (list, str),
    "decision": (str,),
    "value": (dict,),
    "metrics": (list,),
    "promotes": (str,),
    "margin": (int, float),
    "minimum": (int,),
    "rows": (str,),
    "groups": (str,),
    "slices": (list, str),
    "limits": (list,),
    "roles": (dict,),
    "policy": (dict,),
    "exceptions": (list, str),
    "private": (list, str),
    "review_days": (int,),
    "left": (list, str),
    "vision": (str,),
    "budget": (dict,),
    "deliverables": (list,),
    "risk": (dict,),
    "oversight": (str,),
    "standards": (list, str),
    "declaration": (str,),
}
RISK = ("tier", "why", "harms", "tolerated")
# What a charter should say, why, and whose it is to say (the keys of the roles in the design).
WANTED = (
    ("problem", "the question the model answers", "stakeholder"),
    ("users", "who uses the answers", "product"),
    ("decision", "what is done differently because of an answer", "stakeholder"),
    ("value", "what each outcome is worth", "stakeholder"),
    ("metrics", "the targets a model has to keep", "scientist"),
    ("limits", "where the model must not be used", "product"),
    ("risk", "how much harm a wrong answer can do, and why", "compliance"),
    ("oversight", "who can stop an answer or decide otherwise, and how", "product"),
    ("roles", "who plays which role", "manager"),
)


@dataclass(frozen=True, repr=False)
class Charter(Shown):
    """What was agreed: problem, users, value of each outcome, targets, what promotes, limits, roles, policy."""

    shows: ClassVar[str] = "charter"

    path: str
    project: str = ""
    problem: str = ""
    users: tuple[str, ...] = ()
    decision: str = ""
    value: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Target, ...] = ()
    promotes: str = "better"
    margin: float = DEFAULT_MARGIN
    minimum: int | None = None  # rows a gate needs
    groups: str | None = None  # column whose rows belong together, such as day
    slices: tuple[str, ...] = ()  # columns whose values a gate compares one by one
    limits: tuple[str, ...] = ()
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    policy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()  # rules that do not hold here, such as pickle
    private: tuple[str, ...] = ()  # columns nobody is shown a value of
    review_days: int | None = None  # between reviews of a champion
    rows: str | None = None  # version of a data set whose kept rows the gate of a job compares on
    left: tuple[str, ...] = ()  # people who left: what they own has to be handed over
    vision: str = ""
    budget: Mapping[str, Any] = field(default_factory=dict)
    deliverables: tuple[plan.Deliverable, ...] = ()
    risk: Mapping[str, Any] = field(default_factory=dict)  # tier, why, harms, tolerated
    oversight: str = ""  # who can stop an answer or decide otherwise, and how
    standards: tuple[str, ...] = ()  # norms that were applied
    declaration: str = ""  # where the declaration of conformity is kept

    def judge(self, metrics: Mapping[str, Mapping[str, Any]]) -> tuple[Finding, ...]:
        """Return one finding a target: passed (shown), warning (not shown), issue (broken) or skipped (not measured).

        Parameters
        ----------
        metrics : mapping
            Name to ``{"value", "low", "high"}``, as ``Evaluation.metrics`` and ``Performance.metrics`` hold it.
        """
        return targets.judge(self.metrics, metrics)

    @property
    def missing(self) -> tuple[Mapping[str, str], ...]:
        """What the charter does not say, why it matters, and whose it is to say."""
        return tuple({"key": k, "says": why, "role": role} for k, why, role in WANTED if not getattr(self, k))

    def role_of(self, person: str) -> tuple[str, ...]:
        """Return the roles a person plays."""
        return tuple(role for role, people in self.roles.items() if person in people)

    def masked(self, message: str) -> str:
        """Return what was found, without values where it is about a private column."""
        about = [c for c in self.private if re.search(rf"(?<!\w){re.escape(c)}(?!\w)", message)]
        return f"something about {' and '.join(about)}, which is private" if about else message

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            **plain(self),
            "metrics": [{**plain(t), "text": t.text} for t in self.metrics],
            "missing": plain(self.missing),
        }


def charter(path: str | Path | None = None) -> Charter | None:
    """Return the charter of this project, or None when there is none.

    Parameters
    ----------
    path : path, optional
        A file, or the folder to look from; the notebook's when absent, then upward to the project's root.

    Returns
    -------
    Charter or None

    Raises
    ------
    Invalid
        There is one and it is broken: the line names the key and the allowed ones.

    Examples
    --------
    >>> nb.charter().metrics[0].text  # doctest: +SKIP
    'roc_auc at least 0.65'
    """
    found = targets.find(path)
    return None if found is None else _charter(found, targets.read(found))


def required(path: str | Path | None = None) -> Charter:
    """Return the charter, or say how to begin one."""
    found = charter(path)
    if found is None:
        raise NotFound(f"No {FILE} in this project.", "Begin one: nbmlops charter new.")
    return found


def new(folder: str | Path | None = None) -> Path:
    """Write a commented template and return its path; an existing charter is never overwritten.

    Raises
    ------
    Conflict
        There is one already.
    """
    path = Path(folder or session.project().root) / FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(project=session.project().name))
    except FileExistsError:
        raise Conflict(f"{path.name} is there already.", f"Edit {path.name}, or remove it first.") from None
    return path


def check(path: str | Path | None = None) -> tuple[Finding, ...]:
    """Return what the charter says and what is missing, with whose it is to say."""
    found = required(path)
    missing = {m["key"]: m for m in found.missing}
    return tuple(
        Finding("charter", "warning", f"{key} is missing: {why} ({role})", key, detail={"role": role})
        if key in missing
        else Finding("charter", "passed", f"{key} is said", key)
        for key, why, role in WANTED
    )


def _charter(path: Path, content: Mapping[str, Any]) -> Charter:
    for key, value in content.items():
        _check_type(str(key), value)
    promotes = str(content.get("promotes") or "better")
    if promotes not in PROMOTES:
        raise Invalid(f"{FILE}: promotes is {promotes!r}.", f"Allowed: {', '.join(PROMOTES)}.")
    margin = float(DEFAULT_MARGIN if content.get("margin") is None else content["margin"])
    if not 0 <= margin < 1:
        raise Invalid(f"{FILE}: margin is {margin:g}.", "Write how much worse is tolerable, such as 0.01.")
    minimum = content.get("minimum")
    if minimum is not None and minimum < 1:
        raise Invalid(f"{FILE}: minimum is {minimum}.", "Write how many rows a gate needs, such as 1000.")
    days = content.get("review_days")
    if days is not None and days < 1:
        raise Invalid(f"{FILE}: review_days is {days}.", "Write how many days may pass between reviews, such as 90.")
    return Charter(
        session.project().relative(path),
        str(content.get("project") or ""),
        str(content.get("problem") or "").strip(),
        _texts(content.get("users")),
        str(content.get("decision") or "").strip(),
        _value(content.get("value") or {}),
        targets.targets(content),
        promotes,
        margin,
        minimum,
        content.get("groups") or None,
        _texts(content.get("slices")),
        _texts(content.get("limits")),
        {str(role): _texts(people) for role, people in (content.get("roles") or {}).items()},
        _policy(content.get("policy") or {}),
        exceptions.exceptions(content),
        _texts(content.get("private")),
        days,
        content.get("rows") or None,
        _texts(content.get("left")),
        str(content.get("vision") or "").strip(),
        plan.budget(content.get("budget") or {}),
        plan.deliverables(content.get("deliverables")),
        _risk(content.get("risk") or {}),
        str(content.get("oversight") or "").strip(),
        _texts(content.get("standards")),
        str(content.get("declaration") or "").strip(),
    )


def _check_type(key: str, value: Any) -> None:
    if key not in TYPES:
        raise Invalid(f"{FILE}: {key!r} is no key of a charter.", f"Allowed: {', '.join(TYPES)}.")
    if value is not None and (not isinstance(value, TYPES[key]) or isinstance(value, bool)):
        wanted = " or ".join(NAMES[t] for t in TYPES[key])
        raise Invalid(f"{FILE}: {key} is {value!r}.", f"It should be {wanted}.")


NAMES = {str: "text", list: "a list", dict: "keys with values", int: "a number", float: "a number"}


def _value(content: Mapping[str, Any]) -> dict[str, Any]:
    _only("value", content, ("unit", "per", "volume"))
    per = content.get("per") or {}
    if not isinstance(per, dict):
        raise Invalid(f"{FILE}: value.per is {per!r}.", f"Write a number for each of {', '.join(OUTCOMES)}.")
    _only("value.per", per, OUTCOMES)
    for outcome, worth in per.items():
        if isinstance(worth, bool) or not isinstance(worth, (int, float)):
            raise Invalid(f"{FILE}: value.per.{outcome} is {worth!r}.", "Write a number, negative for a cost.")
    volume = content.get("volume") or {}
    if not isinstance(volume, dict):
        raise Invalid(f"{FILE}: value.volume is {volume!r}.", "Write {per: month, rows: 27000}.")
    _only("value.volume", volume, ("per", "rows"))
    return dict(content)


def _risk(content: Mapping[str, Any]) -> dict[str, Any]:
    _only("risk", content, RISK)
    for key, said in content.items():
        if isinstance(said, dict) or (isinstance(said, list) and key != "harms"):
            raise Invalid(f"{FILE}: risk.{key} is {said!r}.", f"It should be {'a list' if key == 'harms' else 'text'}.")
    return {k: _texts(v) if k == "harms" else str(v).strip() for k, v in content.items() if v is not None}


def _policy(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    for alias, rule in content.items():
        if not isinstance(rule, dict):
            raise Invalid(f"{FILE}: policy.{alias} is {rule!r}.", "Write keys, such as {evaluation: required}.")
    return {str(alias): dict(rule) for alias, rule in content.items()}


def _only(where: str, content: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    if strange := [str(k) for k in content if k not in allowed]:
        raise Invalid(f"{FILE}: {where} has {strange[0]!r}.", f"Allowed: {', '.join(allowed)}.")


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value or ())


TEMPLATE = """\
# What people agreed before the first model. Every key may be left out; what is there is held to.
project: {project}

# What it shall be one day, in one sentence; the budget, and what is handed over by when: the project's report holds
# the facts against them (nbmlops report project).
vision:
# budget: {{amount: 60000, unit: EUR, spent: 21000}}      or per_month: 3000 and since: 2026-01-01
# deliverables:
#   - {{name: first champion, due: 2026-03-31, done: 2026-03-20, owner: ada@example.org}}
#   - {{name: how-to page, due: 2026-06-30, owner: ada@example.org}}

# The question, in one sentence, as the stakeholder would ask it.
problem:

# Who uses the answers, and what is done differently because of one.
users: []
decision:

# What each outcome is worth, in one unit (negative is a cost), and how many rows there are.
# value:
#   unit: EUR
#   per: {{true_positive: 20, false_positive: -5, false_negative: -20, true_negative: 0}}
#   volume: {{per: month, rows: 1000}}
value:

# The targets. A target is shown when the whole 95 % interval keeps it. For two classes these are measured:
# roc_auc, log_loss, brier, accuracy, share_gap (predicted against observed share); for numbers: mae, rmse, r2.
# Beyond "viable" a model is not worth having: two reviews in a row below it, and the advice is to stop.
# metrics:
#   - {{name: roc_auc, at_least: 0.65, viable: 0.55, meaning: ranks well enough to act on}}
#   - {{name: share_gap, at_most: 0.05, meaning: predicted and observed share within 5 points}}
metrics: []

# What lets a challenger become champion: better, non-inferior (within the margin), or reason (a person decides).
promotes: better
margin: 0.01

# Where models are compared: how many rows at least, on which a job compares (kept rows of a data set), the column whose
# rows belong together, the columns whose values are compared one by one.
# minimum: 1000
# rows: flights-eval@2
# groups: day
# slices: [country]

# Where the model must not be used.
limits: []

# How much harm a wrong answer can do and why, whom it can harm, and how much of it is borne; who can stop an answer
# or decide otherwise, and how.
# risk: {{tier: low, why: a person checks each answer, harms: [a late warning], tolerated: one in a hundred}}
risk:
oversight:

# Norms that were applied, and where a declaration of conformity is kept; for systems that have to have one.
# standards: [ISO/IEC 42001]
# declaration: register of the company, number 17

# Who plays which role: stakeholder, expert, product, scientist, data_engineer, ml_engineer, software_engineer,
# backend_engineer, manager, compliance, support, user.
roles: {{}}

# Columns nobody is shown a value of; how many days may pass between reviews of a champion; people who left, for what
# they own has to be handed over (nbmlops models handover NAME --to PERSON).
private: []
# review_days: 90
# left: [ada@example.org]

# Rules that do not hold here: pickle lets models that are programs be compared, promoted and asked.
# exceptions: [pickle]

# More for one alias: {{champion: {{evaluation: required, roles: [manager]}}}}
policy: {{}}
"""
