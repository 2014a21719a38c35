"""How it is done: implementation, planned experiments, terms of one model, limits with owner, reviews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.governance.written import given
from nbmlops.registry import targets
from nbmlops.registry.targets import FILE, Target

__all__ = [
    "Experiment",
    "Implementation",
    "Limit",
    "ModelTerms",
    "experiments",
    "implementation",
    "limits",
    "margin",
    "minimum",
    "models",
    "reviews",
]

KINDS = ("batch", "service")
AGENDA = ("weekly", "monthly")
RUNS = "{name: forest, hypothesis: trees see the hour, metric: roc_auc, split: test, runs: 12, stop: no gain in 4}"


@dataclass(frozen=True)
class Implementation:
    """How answers reach who acts on them: in batches or as a service, for whom, where, and what happens without."""

    kind: str
    caller: str = ""
    where: str = ""
    fallback: str = ""


@dataclass(frozen=True)
class Experiment:
    """What shall be tried: the hypothesis, what tells (metric, split), in how many runs, and when to stop."""

    name: str
    hypothesis: str = ""
    metric: str = ""
    split: str = ""
    runs: int | None = None
    stop: str = ""


@dataclass(frozen=True)
class ModelTerms:
    """What holds for one model instead of the default; None is the default."""

    metrics: tuple[Target, ...] = ()
    minimum: int | None = None
    margin: float | None = None


@dataclass(frozen=True)
class Limit:
    """Where a model must not be used, and who sees to it."""

    text: str
    owner: str = ""


def implementation(content: Mapping[str, Any]) -> Implementation | None:
    """Return the ``implementation`` of a charter, None where it says nothing.

    Raises
    ------
    Invalid
        Its kind is neither batch nor service, or a key that there is not.

    Examples
    --------
    >>> implementation({"kind": "batch", "fallback": "the timetable"}).fallback
    'the timetable'
    """
    if not content:
        return None
    said = given.mapping("implementation", content, ("kind", "caller", "where", "fallback"), "{kind: batch}")
    kind = given.text("implementation.kind", said.get("kind"))
    if kind not in KINDS:
        raise Invalid(f"{FILE}: implementation.kind is {kind!r:.40}.", given.near(kind, KINDS))
    return Implementation(**{k: given.text(f"implementation.{k}", v) for k, v in said.items()})


def experiments(content: Any) -> tuple[Experiment, ...]:
    """Return the ``experiments`` of a charter, named as behind ``%%track``.

    Raises
    ------
    Invalid
        One without a name, two of one name, or a number of runs that is none.

    Examples
    --------
    >>> experiments([{"name": "forest", "runs": 12}])[0].runs
    12
    """
    found = given.items("experiments", content, _experiment)
    names = [e.name for e in found]
    if twice := [n for n in names if names.count(n) > 1]:
        raise Invalid(f"{FILE}: two experiments are {twice[0][:40]!r}.", "Give each a name of its own.")
    return found


def models(content: Mapping[str, Any]) -> dict[str, ModelTerms]:
    """Return the terms of single models under ``models``.

    Raises
    ------
    Invalid
        A key that there is not, or a target, minimum or margin that is none.

    Examples
    --------
    >>> models({"late-flights": {"minimum": 5000}})["late-flights"].minimum
    5000
    """
    return {str(name): _terms(f"models.{str(name)[:40]}", said) for name, said in content.items()}


def limits(content: Any) -> tuple[Limit, ...]:
    """Return the ``limits`` of a charter: texts, or ``{text, owner}``.

    Examples
    --------
    >>> limits(["not for cargo", {"text": "not abroad", "owner": "ada"}])[1].owner
    'ada'
    """
    return given.items("limits", content, _limit)


def reviews(content: Mapping[str, Any], days: Any) -> tuple[str, int | None]:
    """Return how often there is an agenda (weekly, monthly or nothing), and how many days lie between reviews.

    Raises
    ------
    Invalid
        The cadence is another, the days are none, or ``review_days`` says otherwise.

    Examples
    --------
    >>> reviews({"agenda": "weekly", "champion_days": 90}, None)
    ('weekly', 90)
    """
    said = given.mapping("reviews", content, ("agenda", "champion_days"), "{agenda: weekly, champion_days: 90}")
    agenda = given.text("reviews.agenda", said.get("agenda"))
    if agenda and agenda not in AGENDA:
        raise Invalid(f"{FILE}: reviews.agenda is {agenda!r:.40}.", given.near(agenda, AGENDA))
    every = given.whole("reviews.champion_days", said["champion_days"]) if "champion_days" in said else None
    if days is not None and days < 1:
        raise Invalid(f"{FILE}: review_days is {days}.", "Write how many days may pass between reviews, such as 90.")
    if days is not None and every is not None and days != every:
        raise Invalid(f"{FILE}: review_days is {days} and reviews.champion_days {every}.", "Say it once.")
    return agenda, days if every is None else every


def margin(where: str, value: Any) -> float:
    """Return how much worse is tolerable.

    >>> margin("margin", 0.01)
    0.01
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise Invalid(f"{FILE}: {where} is {given.shown(value)}.", "Write how much worse is tolerable, such as 0.01.")
    return float(value)


def minimum(where: str, value: Any) -> int:
    """Return how many rows a gate needs.

    >>> minimum("minimum", 1000)
    1000
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Invalid(f"{FILE}: {where} is {given.shown(value)}.", "Write how many rows a gate needs, such as 1000.")
    return value


def _experiment(item: Any) -> Experiment:
    said = given.mapping("experiments", item, ("name", "hypothesis", "metric", "split", "runs", "stop"), RUNS)
    name = given.name("an experiment", said.get("name"), RUNS)
    where = f"experiment {name[:40]!r}"
    texts = {k: given.text(f"{k} of {where}", v) for k, v in said.items() if k not in ("name", "runs")}
    return Experiment(name, runs=given.whole(f"runs of {where}", said["runs"]) if "runs" in said else None, **texts)


def _terms(where: str, said: Any) -> ModelTerms:
    found = given.mapping(where, said, ("metrics", "minimum", "margin"), "{minimum: 5000, margin: 0.02}")
    return ModelTerms(
        targets.targets(found),
        minimum(f"{where}.minimum", found["minimum"]) if "minimum" in found else None,
        margin(f"{where}.margin", found["margin"]) if "margin" in found else None,
    )


def _limit(item: Any) -> Limit:
    if not isinstance(item, Mapping):
        return Limit(given.text("limits", item))
    said = given.mapping("limits", item, ("text", "owner"), "{text: not for cargo, owner: ada@example.org}")
    text = given.text("limits.text", said.get("text"))
    if not text:
        raise Invalid(f"{FILE}: a limit has no text.", "Write {text: not for cargo, owner: ada@example.org}.")
    return Limit(text, given.text(f"owner of {text[:40]!r}", said.get("owner")))
