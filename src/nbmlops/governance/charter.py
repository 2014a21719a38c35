"""The charter: what people agreed before the first model, as one file everybody can read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from nbmlops.errors import Invalid, NotFound
from nbmlops.governance.written import given, how, places, plan, policy, requirements, why, worth
from nbmlops.governance.written.policy import PROMOTES, ROLES
from nbmlops.governance.written.worth import OUTCOMES
from nbmlops.hooks import Shown
from nbmlops.records import Finding, plain
from nbmlops.registry import exceptions, targets
from nbmlops.registry.targets import FILE, Target
from nbmlops.tracking import session

__all__ = ["OUTCOMES", "PROMOTES", "ROLES", "WANTED", "Charter", "charter", "parsed", "required"]

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
    "context": (str,),
    "goal": (str,),
    "questions": (list,),
    "effort": (dict,),
    "requirements": (dict,),
    "implementation": (dict,),
    "experiments": (list,),
    "models": (dict,),
    "reviews": (dict,),
}
TEXTS = ("project", "problem", "decision", "vision", "oversight", "declaration", "context", "goal")
LISTS = ("slices", "private", "left", "standards")
NAMES = {str: "text", list: "a list", dict: "keys with values", int: "a number", float: "a number"}
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
    ("goal", "the company's goal it serves", "stakeholder"),
    ("questions", "the questions of the business, each with its KPI and the metric that stands for it", "expert"),
    ("deliverables", "what is handed over by when", "manager"),
    ("effort", "what it takes, in people and weeks", "manager"),
    ("requirements", "what is required of speed, accuracy, transparency, regulation, budget, team size", "compliance"),
    ("implementation", "how answers reach who acts on them, and what happens without", "software_engineer"),
    ("experiments", "what shall be tried, and when to stop", "scientist"),
    ("review_days", "how many days may pass between reviews of a champion", "manager"),
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
    context: str = ""
    goal: str = ""  # the company's, which this serves
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of users who say them
    questions: tuple[why.Question, ...] = ()
    effort: plan.Effort | None = None
    requirements: tuple[requirements.Requirement, ...] = ()
    implementation: how.Implementation | None = None
    experiments: tuple[how.Experiment, ...] = ()  # planned
    models: Mapping[str, how.ModelTerms] = field(default_factory=dict)  # what holds for one instead of the default
    limit_owners: Mapping[str, str] = field(default_factory=dict)
    agenda_every: str = ""  # weekly, monthly
    digest: str = ""  # SHA-256 of the file's text

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

    def acts_as(self, person: str) -> tuple[str, ...]:
        """Return the roles in which a person may act now: none for who left."""
        return () if person in self.left else self.role_of(person)

    def for_model(self, name: str) -> Charter:
        """Return the charter with a model's own metrics, minimum and margin, where it has some."""
        own = self.models.get(name.partition("@")[0])
        if own is None:
            return self
        minimum = self.minimum if own.minimum is None else own.minimum
        margin = self.margin if own.margin is None else own.margin
        return replace(self, metrics=own.metrics or self.metrics, minimum=minimum, margin=margin)

    def margin_in(self, metric: str) -> float:
        """Return how much worse a challenger may be in a metric."""
        own = next((t.margin for t in self.metrics if t.name == metric), None)
        return self.margin if own is None else own

    def fewest(self, metrics: Iterable[str]) -> int | None:
        """Return on how many rows metrics have to be measured at least; None where nobody says."""
        said = [t.minimum for t in self.metrics if t.minimum and t.name in set(metrics)]
        return max([*said, *([self.minimum] if self.minimum else [])], default=None)

    def masked(self, message: str) -> str:
        """Return what was found, without values where it is about a private column."""
        about = [c for c in self.private if re.search(rf"(?<!\w){re.escape(c)}(?!\w)", message)]
        return f"something about {' and '.join(about)}, which is private" if about else message

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            **plain(self),
            "metrics": [{**plain(t), "text": t.text} for t in self.metrics],
            "models": {
                name: {**plain(terms), "metrics": [{**plain(t), "text": t.text} for t in terms.metrics]}
                for name, terms in self.models.items()
            },
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
    return None if found is None else parsed(found.read_bytes(), session.project().relative(found))


def parsed(text: bytes, path: str = FILE) -> Charter:
    """Return the text of a charter as a record; it is believed whole or not at all.

    Parameters
    ----------
    text : bytes
        The YAML.
    path : str
        Where it stands, for those who read about it.

    Raises
    ------
    Invalid
        The line names what is wrong.

    Examples
    --------
    >>> parsed(b"{problem: late, margin: 0.02}").margin
    0.02
    """
    return _parsed(text, path)


@lru_cache(maxsize=16)  # a change of an alias asks several times
def _parsed(text: bytes, path: str) -> Charter:
    content = targets.parsed(text, Path(path).name)
    try:
        found = _charter(content, path)
    except Invalid as error:
        line = places.line(text, content, error.message, lambda part: _charter(part, path))
        raise Invalid(error.message, f"{error.hint} (line {line})" if line else error.hint) from None
    return replace(found, digest=hashlib.sha256(text).hexdigest())


def required(path: str | Path | None = None) -> Charter:
    """Return the charter, or say how to begin one."""
    found = charter(path)
    if found is None:
        raise NotFound(f"No {FILE} in this project.", "Begin one: nbmlops charter new.")
    return found


def _charter(content: Mapping[str, Any], path: str) -> Charter:
    for key, value in content.items():
        _check_type(str(key), value)
    said = {k: v for k, v in content.items() if v is not None}
    fields: dict[str, Any] = {k: str(said.get(k) or "").strip() for k in TEXTS}
    fields |= {k: given.texts(k, said.get(k)) for k in LISTS}
    return Charter(path, **fields, **_why(said), **_terms(said), **_plan(said))


def _why(said: Mapping[str, Any]) -> dict[str, Any]:
    users, limits = why.users(said.get("users")), how.limits(said.get("limits"))
    return {
        "users": tuple(u.who for u in users),
        "needs": {u.who: u.needs for u in users if u.needs},
        "questions": why.questions(said.get("questions")),
        "value": worth.value(said.get("value") or {}),
        "limits": tuple(limit.text for limit in limits),
        "limit_owners": {limit.text: limit.owner for limit in limits if limit.owner},
        "risk": policy.risk(said.get("risk") or {}),
    }


def _terms(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metrics": targets.targets(said),
        "promotes": policy.promotes(said.get("promotes")),
        "margin": how.margin("margin", said.get("margin", DEFAULT_MARGIN)),
        "minimum": how.minimum("minimum", said["minimum"]) if "minimum" in said else None,
        "models": how.models(said.get("models") or {}),
        "groups": said.get("groups") or None,
        "rows": said.get("rows") or None,
        "roles": policy.roles(said.get("roles") or {}),
        "policy": policy.policy(said.get("policy") or {}),
        "exceptions": exceptions.exceptions(said),
        "requirements": requirements.requirements(said.get("requirements") or {}),
    }


def _plan(said: Mapping[str, Any]) -> dict[str, Any]:
    agenda, days = how.reviews(said.get("reviews") or {}, said.get("review_days"))
    return {
        "budget": plan.budget(said.get("budget") or {}),
        "effort": plan.effort(said.get("effort") or {}),
        "deliverables": plan.deliverables(said.get("deliverables")),
        "implementation": how.implementation(said.get("implementation") or {}),
        "experiments": how.experiments(said.get("experiments")),
        "agenda_every": agenda,
        "review_days": days,
    }


def _check_type(key: str, value: Any) -> None:
    if key not in TYPES:
        raise Invalid(f"{FILE}: {key[:60]!r} is no key of a charter.", given.near(key, TYPES))
    if value is not None and (not isinstance(value, TYPES[key]) or isinstance(value, bool)):
        wanted = " or ".join(dict.fromkeys(NAMES[t] for t in TYPES[key]))
        raise Invalid(f"{FILE}: {key} is {given.shown(value)}.", f"It should be {wanted}.")
