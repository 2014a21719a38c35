"""How to use a model, for people who help the business apply it; what is not known is said, and whose it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from nbmlops.errors import Invalid, NbmlopsError
from nbmlops.governance.charter import Charter, charter
from nbmlops.hooks import Shown
from nbmlops.records import ModelVersion, plain
from nbmlops.report.blocks import Tone
from nbmlops.report.gathered.masked import hide
from nbmlops.tracking import session

__all__ = ["Facts", "Gap", "HowTo", "Part", "digest", "gathered", "how_to", "meant", "version_of"]

MODEL = re.compile(r"[^@\s:/]+@(?:(?!\.\.)[^@\s])+")

POSITIVE, OTHER = "the positive answer", "the other answer"  # of a private target

Json = dict[str, Any]


class Gap(NamedTuple):
    """A fact a reader would look for and that is not known, whose it is to say, and what to do."""

    what: str
    whose: str
    do: str


@dataclass(frozen=True)
class Part:
    """One titled part of the page: sentences, a table where there is one, and what is missing."""

    key: str
    title: str
    says: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    missing: tuple[Gap, ...] = ()

    def to_dict(self) -> Json:
        """Return plain JSON."""
        return {**plain(self), "missing": [gap._asdict() for gap in self.missing]}


@dataclass(frozen=True, repr=False)
class HowTo(Shown):
    """How to use a model: what it answers, what it takes and gives, how often it is wrong, when not to use it."""

    shows: ClassVar[str] = "how_to"

    model: str
    version: int
    project: str
    state: str  # in use, in use with care, or not in use
    tone: Tone
    because: str
    limits: tuple[str, ...]
    parts: tuple[Part, ...]
    as_of: str  # the newest time among the facts

    @property
    def ref(self) -> str:
        """The version it is about: ``late-flights@3``."""
        return f"{self.model}@{self.version}"

    def part(self, key: str) -> Part:
        """Return one part by its key: answers, inputs, outputs, wrong, not_for, state, problems, people or opinion."""
        return next(part for part in self.parts if part.key == key)

    def to_dict(self) -> Json:
        """Return plain JSON."""
        data = {name: plain(value) for name, value in vars(self).items() if name != "parts"}
        return {"ref": self.ref, **data, "parts": [part.to_dict() for part in self.parts]}


@dataclass(frozen=True)
class Facts:
    """What is known of a version, read once."""

    version: ModelVersion
    agreed: Charter | None
    evaluation: Mapping[str, Any] | None
    words: Mapping[str, Mapping[str, str]]  # of the data dictionaries, by column
    unreadable: str  # why the data dictionaries could not be read
    fleet: Mapping[str, Any]
    moves: Sequence[Mapping[str, Any]]
    episodes: Sequence[Mapping[str, Any]]
    flags: Sequence[Mapping[str, Any]]
    performance: Any
    no_performance: str
    used: Sequence[Mapping[str, Any]]  # periods of recorded predictions

    @property
    def people(self) -> Mapping[str, tuple[str, ...]]:
        """Who plays which role."""
        return self.agreed.roles if self.agreed else {}

    def whose(self, role: str) -> str:
        """Return a role with its people, where the charter names them."""
        named = ", ".join(self.people.get(role, ()))
        return f"{role} ({named})" if named else role

    def gap(self, what: str, role: str, do: str) -> Gap:
        """Return what is missing, and whose it is."""
        return Gap(what, self.whose(role), do)

    def told(self, message: str) -> str:
        """Return what was found, without values where it is about a private column."""
        return hide(message, self.private)

    @property
    def private(self) -> frozenset[str]:
        """The columns nobody is shown a value of: the charter's, and what they were when it was registered."""
        agreed = self.agreed.private if self.agreed else ()
        return frozenset({*agreed, *(self.version.signature.get("private") or ())})

    @property
    def masked_target(self) -> bool:
        """Whether nobody is shown what it answers: its classes are values of a private column."""
        return self.version.signature.get("target") in self.private

    @property
    def positive(self) -> str:
        """What the answer of interest of two is called."""
        return POSITIVE if self.masked_target else str(self.version.signature["positive"])

    @property
    def classes(self) -> tuple[str, ...]:
        """What its answers are called; of a private target only two have a name, which says which one it is."""
        known = tuple(str(c) for c in self.version.signature.get("classes") or ())
        return (OTHER, POSITIVE) if self.masked_target and len(known) == 2 else known

    @property
    def as_of(self) -> str:
        """The newest time among the facts."""
        rows = [(self.moves, "at"), (self.episodes, "last_at"), (self.flags, "at"), (self.used, "last_at")]
        times = [row[name] for found, name in rows for row in found if row.get(name)]
        return str(max([self.version.created_at, *times, *filter(None, [self.fleet.get("checked_at")])]))


def how_to(ref: str | ModelVersion) -> HowTo:
    """Say how to use a model, in words for who helps others to use it.

    Everything is read from what was agreed, measured and recorded; what nobody wrote down is named as missing, with
    whose it is.

    Parameters
    ----------
    ref : str or ModelVersion
        ``NAME@champion``, ``NAME@3``; ``NAME`` alone is its champion, or the newest version while there is none.

    Returns
    -------
    HowTo
        What it answers, inputs and outputs in words, how often it is wrong, when not to use it, its state, known
        problems, whom to ask, how to give an opinion.

    Raises
    ------
    NotFound
        No such model.
    Invalid
        The charter is broken, so that nobody knows what was agreed or is private.

    Examples
    --------
    >>> nb.how_to("late-flights").part("not_for").says  # doctest: +SKIP
    """
    from nbmlops.report import manual

    facts = gathered(version_of(ref))
    state, tone, because = manual.standing(facts)
    return HowTo(
        model=facts.version.name,
        version=facts.version.version,
        project=session.project().name,
        state=state,
        tone=tone,
        because=because,
        limits=facts.agreed.limits if facts.agreed else (),
        parts=tuple(write(facts) for write in manual.PARTS),
        as_of=facts.as_of,
    )


def version_of(ref: str | ModelVersion) -> ModelVersion:
    """Return the version a person means: of a name alone its champion, else the newest."""
    from nbmlops.registry.models import model_version
    from nbmlops.store import models

    if isinstance(ref, ModelVersion):
        return ref
    if not isinstance(ref, str) or not ref.strip():
        raise Invalid(f"{type(ref).__name__} is no model.", "Type NAME, NAME@champion or NAME@3.")
    name = ref.strip()
    found = None if "@" in name else models.find(session.store(), name, "champion")
    return found or model_version(name)


def meant(ref: Any) -> ModelVersion | None:
    """Return the version a person means where it is a model they name; None for a run, a project or anything else.

    Raises
    ------
    NotFound
        It reads like a model, and there is none.
    """
    from nbmlops.store import models

    if isinstance(ref, ModelVersion):
        return ref
    if not isinstance(ref, str) or ref.endswith(".ipynb"):
        return None
    named = MODEL.fullmatch(ref.strip()) or ref.strip() in models.names(session.store())
    return version_of(ref) if named else None


def digest(data: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a page's facts: sorted keys, no spaces."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def gathered(version: ModelVersion) -> Facts:
    """Return what the store, the charter and the data dictionaries know of a version."""
    from nbmlops.monitoring import episodes
    from nbmlops.registry import fleet, models, past
    from nbmlops.store import predictions

    agreed = charter()
    words, unreadable = _words()
    performance, no_performance = _performance(version)
    rows = fleet.rows(f"name = '{version.name}'")
    return Facts(
        version=version,
        agreed=agreed,
        evaluation=models.evaluation_of(version),
        words=words,
        unreadable=unreadable,
        fleet=next((row for row in rows if row["version"] == version.version), {}),
        moves=past.moves(version.name),
        episodes=episodes.rows(version.ref, "open"),
        flags=_flags(version),
        performance=performance,
        no_performance=no_performance,
        used=predictions.periods(session.store(), version.name, version.version),
    )


def _words() -> tuple[Mapping[str, Mapping[str, str]], str]:
    from nbmlops.quality import rulebook

    try:
        return rulebook.words(), ""
    except NbmlopsError as error:
        return {}, str(error)


def _performance(version: ModelVersion) -> tuple[Any, str]:
    """Return how a version's predictions came true, or why that cannot be said."""
    from nbmlops.monitoring.performance import settled

    try:
        return settled(version.ref), ""
    except NbmlopsError as error:
        return None, str(error)


def _flags(version: ModelVersion) -> list[Mapping[str, Any]]:
    """Return the flags on a version and its predictions that nobody has answered, the newest first."""
    from nbmlops.monitoring.predicting.lookup import open_flags
    from nbmlops.monitoring.predicting.recorded import came
    from nbmlops.store import predictions as stored

    flagged = {row["id"]: row for row in came(version.name, version.version, kind="flag")}
    ids = list(dict.fromkeys(row["prediction_id"] for row in flagged.values()))
    said = flagged | {row["id"]: row for row in stored.newest(session.store(), ids)}
    of: dict[str, list[Mapping[str, Any]]] = {}
    for _, row in sorted(said.items()):
        of.setdefault(row["prediction_id"], []).append(row)
    found = [flag for one, rows in of.items() if (flags := open_flags(rows)) and _is_of(version, one) for flag in flags]
    return sorted([*found, *_governed(version)], key=lambda flag: (str(flag["at"]), str(flag["id"])), reverse=True)


def _governed(version: ModelVersion) -> list[Mapping[str, Any]]:
    """Return the flags that concern a version and are not settled, as feedback is said."""
    from nbmlops.governance.flags import open_flags

    found = open_flags(version.ref)
    return [{"id": f.flag_id, "at": f.at, "actor": f.author, "reason": f.text, "about": f.subject} for f in found]


def _is_of(version: ModelVersion, prediction_id: str) -> bool:
    """Tell whether a version made a prediction: what came under a key may belong to another's."""
    from nbmlops.store import predictions as stored

    found = stored.find(session.store(), prediction_id)
    return found is not None and found[0].version == version.version
