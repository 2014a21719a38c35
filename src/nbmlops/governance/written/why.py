"""Why there is a project: who uses the answers and what they need, and the business questions with their KPI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.governance.written import given
from nbmlops.registry.targets import FILE

__all__ = ["Question", "User", "questions", "users"]

QUESTION = ("id", "question", "kpi", "unit", "source", "metric", "owner")
EXAMPLE = "{id: q1, question: 'Are fewer trips missed?', kpi: trips missed, unit: a month, metric: roc_auc, owner: ada}"


@dataclass(frozen=True)
class User:
    """Who uses the answers, and what they need."""

    who: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """A question of the business: its KPI (unit, source), the metric that stands for it, and whose it is."""

    id: str
    question: str
    kpi: str = ""
    unit: str = ""
    source: str = ""
    metric: str = ""
    owner: str = ""


def users(content: Any) -> tuple[User, ...]:
    """Return the ``users`` of a charter: texts, or ``{who, needs}``.

    Raises
    ------
    Invalid
        One is nobody.

    Examples
    --------
    >>> users(["crew", {"who": "travel desk", "needs": "a warning an hour before"}])[1].needs
    ('a warning an hour before',)
    """
    return given.items("users", [content] if isinstance(content, str) else content, _user)


def questions(content: Any) -> tuple[Question, ...]:
    """Return the ``questions`` of a charter; each has an id of its own, by which its verdict is found.

    Raises
    ------
    Invalid
        One without id or question, two of one id, or a key that there is not.

    Examples
    --------
    >>> questions([{"id": "q1", "question": "Are fewer trips missed?", "metric": "roc_auc"}])[0].metric
    'roc_auc'
    """
    found = given.items("questions", content, _question)
    ids = [q.id for q in found]
    if twice := [i for i in ids if ids.count(i) > 1]:
        raise Invalid(f"{FILE}: two questions are {twice[0][:40]!r}.", "Give each an id of its own.")
    return found


def _user(item: Any) -> User:
    if not isinstance(item, Mapping):
        return User(given.text("users", item))
    said = given.mapping("users", item, ("who", "needs"), "{who: travel desk, needs: a warning an hour before}")
    who = given.name("users", said.get("who"), "{who: travel desk, needs: a warning an hour before}")
    return User(who, given.texts(f"needs of {who[:40]!r}", said.get("needs")))


def _question(item: Any) -> Question:
    said = given.mapping("questions", item, QUESTION, EXAMPLE)
    key = given.text("questions.id", said.get("id"))
    if not key:
        raise Invalid(f"{FILE}: a question has no id.", f"Write {EXAMPLE}.")
    texts = {k: given.text(f"{k} of question {key[:40]!r}", v) for k, v in said.items()}
    if not texts.get("question"):
        raise Invalid(f"{FILE}: question {key[:40]!r} asks nothing.", f"Write {EXAMPLE}.")
    return Question(**texts)
