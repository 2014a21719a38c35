"""In which phase each model is, whose turn it is and for what, and when it went back a phase and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from nbmlops.errors import NbmlopsError
from nbmlops.governance.agenda import overdue
from nbmlops.governance.agenda.decided import AGENDA, decisions
from nbmlops.governance.agenda.known import Known, decided, of_models, why
from nbmlops.governance.approval import given
from nbmlops.governance.charter import Charter, charter
from nbmlops.hooks import Shown
from nbmlops.records import Finding, ModelVersion, now, plain
from nbmlops.tracking import session

__all__ = ["BACK", "BEFORE", "PHASES", "RULES", "Known", "Phase", "Rule", "Status", "rows", "status", "went_back"]

PHASES = ("design", "data", "development", "deployment", "monitoring", "feedback", "retraining")
DESIGN, DATA, DEVELOPMENT, DEPLOYMENT, MONITORING, FEEDBACK, RETRAINING = PHASES
OWNER = "owner"
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One row of the table: when it holds, which phase that is, whose turn, and for what; no role: nobody's."""

    code: str
    when: str
    phase: str
    role: str
    do: str
    holds: Callable[[Known], bool]


def _advised(*words: str) -> Callable[[Known], bool]:
    return lambda k: k.advice in words


# Asked in this order; the first that holds decides. docs/reviews.md shows the same table.
RULES = (
    Rule("stopped", "the project was stopped", FEEDBACK, "manager",
         "nbmlops retire NAME, end its jobs, or: nbmlops charter decide continue", lambda k: k.decided == "stop"),
    Rule("pivoted", "the project was pivoted, and the charter is that of before", DESIGN, "stakeholder",
         "write in charter.yaml what it turns to, then nbmlops charter check", lambda k: k.decided == "pivot"),
    Rule("retired", "its champion was taken out of use, and no newer version is there", FEEDBACK, "stakeholder",
         "decide whether it is trained anew: nbmlops charter review, then charter decide", lambda k: k.retired),
    Rule("turned_down", "the newest version was turned down", DEVELOPMENT, "scientist",
         "train another version, or mend what was asked", lambda k: k.waiting and bool(k.turned_down)),
    Rule("flagged", "a blocking flag on the newest version is open", DEVELOPMENT, OWNER,
         "nbmlops flags {ref}", lambda k: k.waiting and k.flagged),
    Rule("unjudged", "the newest version was never evaluated", DEVELOPMENT, "scientist",
         "nbmlops evaluate {ref}", lambda k: k.waiting and not k.judged),
    Rule("unapproved", "the newest version lacks an approval", DEPLOYMENT, "",
         "nbmlops approve {ref}", lambda k: k.waiting and bool(k.missing)),
    Rule("challenges", "a newer version than the champion is there", RETRAINING, "manager",
         "nbmlops gate {ref} {champion}, then promote or reject", lambda k: k.waiting and bool(k.champion)),
    Rule("waits", "no version is champion", DEPLOYMENT, "manager",
         'nbmlops promote {ref} --to champion --reason "..."', lambda k: k.waiting),
    Rule("stop", "it is advised to stop it", FEEDBACK, "stakeholder",
         "decide: nbmlops charter review, then charter decide", _advised("stop")),
    Rule("fix", "it is advised to fix the data", DATA, "data_engineer",
         "nbmlops sources, nbmlops check", _advised("fix the data")),
    Rule("retrain", "it is advised to retrain or change it", RETRAINING, "scientist",
         "nbmlops new retrain {name}", _advised("retrain", "change the model")),
    Rule("alert", "an episode at alert level is open", MONITORING, "ml_engineer",
         "nbmlops episodes {name}, then nbmlops advise {name}", lambda k: bool(k.alerts)),
    Rule("unchecked", "it was never checked, and an episode of an older version is open at alert level", MONITORING,
         "ml_engineer", "nbmlops drift DATA --model {champion}", lambda k: k.unchecked),
    Rule("review", "its review is overdue", FEEDBACK, "manager",
         "nbmlops charter review", lambda k: k.late),
    Rule("answered", "outcomes or opinions came back", FEEDBACK, "", "", lambda k: k.answered),
    Rule("used", "it predicts, or its data is checked", MONITORING, "", "", lambda k: k.used),
    Rule("unused", "it is champion, and nothing was asked of it yet", DEPLOYMENT, "ml_engineer",
         "nbmlops predict, serve or a job that asks {champion}", lambda k: True),
)  # fmt: skip

# A project without models: the first step that is not done.
BEFORE = (
    ("charter", "nothing was agreed in writing", DESIGN, "manager", "nbmlops charter new"),
    ("problem", "the charter does not say the problem or the targets", DESIGN, "stakeholder", "nbmlops charter check"),
    ("data", "no data was recorded and nothing was run", DATA, "data_engineer", "nbmlops profile FILE, nbmlops check"),
    ("model", "no model was registered", DEVELOPMENT, "scientist", "%register MODEL NAME in the notebook"),
)
# What takes a model back a phase: how the event is told from others of its action, from where and to where.
BACK: tuple[tuple[str, Callable[[Json], bool], str, str], ...] = (
    ("reject", lambda d: True, DEPLOYMENT, DEVELOPMENT),
    ("approve", lambda d: d.get("outcome") in given.OUTCOMES[2:], DEPLOYMENT, DEVELOPMENT),
    ("flag", lambda d: d.get("severity") == "blocking", DEPLOYMENT, DEVELOPMENT),
    ("alias", lambda d: bool(d.get("rollback")) or d.get("version") is None, MONITORING, DEPLOYMENT),
    ("advice", lambda d: d.get("advice") == "change the model", MONITORING, DEVELOPMENT),
    ("advice", lambda d: d.get("advice") == "fix the data", MONITORING, DATA),
    ("decision", lambda d: d.get("decision") == "pivot", FEEDBACK, DESIGN),
)
ACTIONS = tuple(dict.fromkeys((*overdue.ACTIONS, *(action for action, *_ in BACK))))


@dataclass(frozen=True)
class Phase:
    """Where one model is: by which rule, whose turn it is and for what, and when it last went back and why."""

    model: str
    phase: str
    rule: str
    because: str
    version: str = ""
    champion: str = ""
    role: str = ""
    people: tuple[str, ...] = ()
    do: str = ""
    back: Mapping[str, Any] | None = None  # at, from, to, why, by

    @property
    def turn(self) -> str:
        """Whose turn it is, in words."""
        if not self.role:
            return "nobody's"
        who = ", ".join(self.people) or "nobody is named"
        return f"{self.role.replace('_', ' ')} ({who})"


@dataclass(frozen=True, repr=False)
class Status(Shown):
    """Where the project stands: each model's phase; the project's own where there is no model yet."""

    shows: ClassVar[str] = "status"

    project: str
    at: str
    items: tuple[Phase, ...]
    findings: tuple[Finding, ...] = ()  # reviews that are overdue
    decision: Mapping[str, Any] | None = None  # the newest: continue, pivot or stop
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        items = [{**plain(item), "turn": item.turn} for item in self.items]
        return {**plain(self), "items": items, "findings": [f.to_dict() for f in self.findings]}


def status() -> Status:
    """Say in which phase each model is, whose turn it is and for what, and when it went back a phase and why.

    The phases are design, data, development, deployment, monitoring, feedback and retraining; the rules are a table
    asked from the top (docs/reviews.md). Nothing is written.

    Returns
    -------
    Status
        ``items``, one a model; of a project without models one for itself. ``findings`` are reviews that are overdue.

    Raises
    ------
    Unavailable
        The store cannot be read.

    Examples
    --------
    >>> nb.status().items[0].phase  # doctest: +SKIP
    'monitoring'
    """
    from nbmlops.store import models, reports

    store, at = session.store(), now()
    agreed, note = _agreed()
    said = overdue.events_of(ACTIONS)
    agendas = [row.made_at for row in reports.listed(store, AGENDA)]
    late = overdue.due(agreed, said, agendas, at) if agreed else []
    versions: dict[str, list[ModelVersion]] = {}
    for version in models.listed(store):
        versions.setdefault(version.name, []).append(version)
    found = of_models(versions, said, agreed, {f.column for f in late})
    backs = went_back(said, list(versions))
    items = tuple(replace(_phase(k, agreed), back=backs.get(k.name)) for k in found)
    items = items or (_before(agreed, bool(note), decided(said, agreed)),)
    made = decisions(said)
    notes = (note,) if note else ()
    return Status(session.project().name, at, items, tuple(late), made[-1] if made else None, notes)


def rows(found: Status) -> list[dict[str, Any]]:
    """Return the items as flat rows."""
    names = ("model", "version", "champion", "phase", "rule", "because", "role", "turn", "do")
    return [
        {**{k: getattr(i, k) for k in names}, **{f"back_{k}": (i.back or {}).get(k) for k in ("at", "why")}}
        for i in found.items
    ]


def went_back(events: Iterable[Json], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return of each model when it last went back a phase: at, from, to, why, by; of the others nothing.

    Parameters
    ----------
    events : iterable of mapping
        Oldest first.
    names : sequence of str
        The models.
    """
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        for action, holds, before, after in BACK:
            if event["action"] == action and holds(event["data"]) and _of_champion(event):
                about = {"at": event["at"], "from": before, "to": after, "why": why(event), "by": event["actor"]}
                found |= dict.fromkeys(_of(event, names), about)
    return found


def _of_champion(event: Json) -> bool:
    return event["action"] != "alias" or str(event["subject"]).endswith("@champion")


def _of(event: Json, names: Sequence[str]) -> list[str]:
    """Return the models an event is about; a decision is about all, one about rows of data (DATA@7#17) about none."""
    if event["action"] == "decision":
        return list(names)
    ref = str(event["subject"]).partition(":")[0]
    name = ref.rpartition("@")[0]
    return [name] if name in names and "#" not in ref else []


def _agreed() -> tuple[Charter | None, str]:
    try:
        return charter(), ""
    except NbmlopsError as error:
        return None, f"charter.yaml cannot be read: {error}"


def _phase(known: Known, agreed: Charter | None) -> Phase:
    rule = next(r for r in RULES if r.holds(known))
    roles = known.missing if rule.code == "unapproved" else (rule.role,) if rule.role else ()
    role = " or ".join(roles)
    people = (
        [known.owner] if OWNER in roles else [p for r in roles for p in (agreed.roles.get(r, ()) if agreed else ())]
    )
    do = rule.do.format(ref=known.ref, name=known.name, champion=known.champion)
    because = f"{rule.when}: {known.turned_down}" if rule.code == "turned_down" else rule.when
    return Phase(
        known.name,
        rule.phase,
        rule.code,
        because,
        known.ref,
        known.champion,
        role,
        tuple(dict.fromkeys(people or ([known.owner] if roles and known.owner else []))),
        do,
    )


def _before(agreed: Charter | None, unread: bool, chosen: str) -> Phase:
    """Return where a project without models is."""
    from nbmlops.store import datasets, runs

    store, name = session.store(), session.project().name
    if chosen:
        return replace(_phase(Known(name, "", "", decided=chosen), agreed), version="")
    done = {
        "charter": agreed is not None or unread,
        "problem": unread or bool(agreed and agreed.problem and agreed.metrics),
        "data": bool(datasets.listed(store) or runs.newest(store, limit=1)),
        "model": False,
    }
    code, because, phase, role, do = next(step for step in BEFORE if not done[step[0]])
    people = agreed.roles.get(role, ()) if agreed else ()
    return Phase(name, phase, code, because, role=role, people=tuple(people), do=do)
