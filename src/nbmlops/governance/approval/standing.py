"""Which approvals an alias asks for, which are given, which are missing, and why each holds or does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import NbmlopsError, NotAllowed, unknown
from nbmlops.governance.approval import bound as binding
from nbmlops.governance.approval import evidence, given, override, policy, request
from nbmlops.governance.approval.reported import is_version, reported
from nbmlops.governance.charter import Charter, charter
from nbmlops.hooks import Shown, service
from nbmlops.records import Finding, ModelVersion, now
from nbmlops.registry import models
from nbmlops.store import events, reports
from nbmlops.store import models as stored
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.governance.approval.given import Answer, Present
    from nbmlops.governance.approval.policy import Policy

__all__ = ["Approvals", "Counted", "approvals", "count", "judged", "own_work", "present", "with_accounts"]

ALIAS = "champion"
ALIASES = (ALIAS, "challenger")  # that there are before anything is promoted


@dataclass(frozen=True, repr=False)
class Approvals(Shown):
    """What an alias asks for, what people answered, and what is missing.

    ``given`` are the answers, oldest first, each with ``state`` (valid, stale, expired, withdrawn, void) and ``why``;
    ``missing`` are sentences; ``conditions`` are open, met or overdue.
    """

    shows: ClassVar[str] = "approvals"

    subject: str
    alias: str
    asks: str
    policy: Mapping[str, Any]
    given: tuple[Mapping[str, Any], ...]
    missing: tuple[str, ...]
    evidence: tuple[Mapping[str, Any], ...]
    conditions: tuple[Mapping[str, Any], ...]
    overrides: tuple[Mapping[str, Any], ...]
    met: bool
    asked: tuple[Mapping[str, Any], ...] = ()  # who was asked just now, and what became of that

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is missing, overdue, or done without asking: one finding each."""
        missing = [Finding("approval", "warning", f"{self.subject}: missing {what}") for what in self.missing]
        late = [
            Finding("condition", "issue", f"Overdue since {c['due']}: {c['text']} ({_whose(c)})", detail=dict(c))
            for c in self.conditions
            if c["state"] == "overdue"
        ]
        late += [
            Finding("condition", "warning", f"Due {c['due']}: {c['text']} ({_whose(c)})", detail=dict(c))
            for c in self.conditions
            if c["state"] == "open" and c.get("falls_to")
        ]
        loud = [Finding("override", "issue", override.words(o), detail=dict(o)) for o in self.overrides]
        return (*missing, *late, *loud)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        lists = {
            k: [dict(v) for v in getattr(self, k)] for k in ("given", "evidence", "conditions", "overrides", "asked")
        }
        return {
            **{k: getattr(self, k) for k in ("subject", "alias", "asks", "met")},
            "policy": dict(self.policy),
            "missing": list(self.missing),
            **lists,
            "findings": [f.to_dict() for f in self.findings],
        }


@dataclass(frozen=True)
class Counted:
    """What is needed to count approvals again in the transaction that moves an alias."""

    subject: str
    asked: Policy
    now: Present

    def judged(self, connection: Any) -> list[Answer]:
        """Return the answers as a connection sees them, with the state each is in."""
        return given.judged(given.answers(connection, self.subject), self.now, self.asked)

    def missing(self, found: Sequence[Answer]) -> tuple[str, ...]:
        """Return what is missing, in words: people in roles, and answers that say no."""
        if not self.asked.approvals:
            return ()
        yes = given.valid(found, self.asked)
        wanted = self.asked.wanting((a.name, a.role) for a in yes)
        said_no = given.refused(found, self.asked)
        return (
            *(f"approval by {self._of(roles)}" for roles in wanted),
            *(f"another answer of {a.name} ({a.role or 'no role'}), {_who_said(a)}: {a.outcome}" for a in said_no),
        )

    def roles(self, found: Sequence[Answer]) -> list[str]:
        """Return the roles in which somebody still has to approve."""
        wanted = self.asked.wanting((a.name, a.role) for a in given.valid(found, self.asked))
        return list(dict.fromkeys(role for roles in wanted for role in roles))

    def _of(self, roles: Sequence[str]) -> str:
        """Return the roles of which one is missing, with the people who play them."""
        played = self.now.agreed.roles if self.now.agreed else {}
        people = list(dict.fromkeys(person for role in roles for person in played.get(role, ())))
        words = " or ".join(role.replace("_", " ") for role in roles) or "one more person"
        return f"{words} ({', '.join(people)})" if people else words

    def check(self, connection: Any) -> list[int]:
        """Return the events that approve, or refuse.

        Raises
        ------
        NotAllowed
            Something is missing.
        """
        found = self.judged(connection)
        if missing := self.missing(found):
            fell = [f"that of {a.name} is {a.state}: {a.why}" for a in found if a.approves and a.state != "valid"]
            raise NotAllowed(
                f"{self.subject} lacks {'; '.join(missing)}.{f' ({fell[-1]})' if fell else ''}",
                f"Look: nbmlops approvals {self.subject}",
            )
        return [a.seq for a in given.valid(found, self.asked)] if self.asked.approvals else []


def count(version: ModelVersion, alias: str, agreed: Charter | None) -> Counted:
    """Return what is needed to count the approvals of a version for an alias.

    Raises
    ------
    NotAllowed
        The policy is not understood, or has ended.
    """
    asked = policy.of(agreed, alias)
    return Counted(version.ref, asked, present(version.ref, version, agreed, asked))


def approvals(ref: Any, alias: str | None = None, ask: bool = False) -> Approvals:
    """Return which approvals a version or report needs, which it has, and what is missing.

    Parameters
    ----------
    ref : str or ModelVersion
        A version such as ``"late-flights@3"`` or ``"late-flights@challenger"``, else what ``nb.report`` takes.
    alias : str, optional
        What it shall become; champion when absent.
    ask : bool
        Ask the people of each role that is missing, through the channels of alerts; once for a report.

    Returns
    -------
    Approvals

    Raises
    ------
    NotFound
        No such version, run or report; or an alias that neither the charter's policy nor any model knows.
    NotAllowed
        The policy is not understood, or has ended.

    Examples
    --------
    >>> nb.approvals("late-flights@3").missing  # doctest: +SKIP
    ('approval by expert (kim@example.org)',)
    """
    version, agreed = _version(ref), charter()
    alias = _known(alias, agreed) if alias else ALIAS
    named = None if version else reported(ref)  # a name or a report: of which version it is
    version = version or (named.version if named else None)
    subject = version.ref if version else named.subject if named else ""
    asked = policy.of(agreed, alias) if version else policy.Policy(alias)
    counted = Counted(subject, asked, present(subject, version, agreed, asked))
    with session.store().reading() as connection:
        found = counted.judged(connection)
        loud = override.pending(connection, version.name if version else None)
    there = evidence.there(asked.evidence, version, alias, found)
    missing = (*counted.missing(found), *(e["says"] for e in there if not e["there"]))
    return Approvals(
        subject,
        alias,
        asked.words,
        {"approvals": asked.approvals, "roles": list(asked.roles), "each": asked.each, "expires": asked.expires,
         "distinct_from": list(asked.distinct_from), "evidence": list(asked.evidence)},
        tuple(a.to_dict() for a in found),
        missing,
        tuple(there),
        tuple(_conditions(found, counted.now.at, agreed)),
        tuple(loud),
        not missing,
        tuple(t.to_dict() for t in request.ask(reported(version or ref), alias, counted.roles(found))) if ask else (),
    )  # fmt: skip


def judged(subject: str, at: str | None = None) -> list[Answer]:
    """Return the answers about a subject, oldest first, each as it stands now, or would at another time.

    Parameters
    ----------
    subject : str
        As events name it; a deleted version too.
    at : str, optional
        UTC.
    """
    name, _, number = subject.rpartition("@")
    version = stored.recorded(session.store(), name, int(number)) if is_version(subject) else None
    try:
        agreed = charter()
        asked = policy.of(agreed if version else None, ALIAS)
    except NbmlopsError:  # what cannot be read asks for nothing, and every answer is stale by it
        agreed, asked = None, policy.Policy(ALIAS)
    found = Counted(subject, asked, present(subject, version, agreed, asked, at))
    with session.store().reading() as connection:
        return found.judged(connection)


def present(
    subject: str, version: ModelVersion | None, agreed: Charter | None, asked: Policy, at: str | None = None
) -> Present:
    """Return what is now of all that answers about a subject are bound to."""
    store = session.store()
    with store.reading() as connection:
        digests = {a.report for a in given.answers(connection, subject)}
    rows = [row for digest in sorted(digests) if (row := reports.with_digest(store, digest))]
    changed = {row.digest: service("report.since", "changed")(row) for row in rows}
    return given.Present(
        binding.bound(version),
        changed | {digest: ["it is not kept any more"] for digest in digests - set(changed)},
        policy.digest(agreed.policy if agreed else None),
        own_work(version, asked.distinct_from),
        agreed,
        at or now(),
    )


def own_work(version: ModelVersion | None, distinct_from: Iterable[str]) -> dict[str, str]:
    """Return whose own work a version is, and why: authors of its runs, who registered it, its owner where agreed."""
    if version is None:
        return {}
    found = with_accounts({str(run["author"]): f"ran what made {version.ref}" for run in binding.makers(version)})
    with session.store().reading() as connection:
        registered = events.latest(connection, "register", version.ref)
    if registered:
        found.setdefault(str(registered["actor"]), f"registered {version.ref}")
    if "owner" in distinct_from:
        found.setdefault(version.owner, f"owns {version.ref}")
    return found


def with_accounts(own: Mapping[str, str]) -> dict[str, str]:
    """Add the accounts that claimed one of some names: runs say a claimed name, and accounts answer."""
    found = dict(own)
    with session.store().reading() as connection:
        for author, why in own.items():
            found |= dict.fromkeys(events.claimants(connection, author), f"{why}, as {author}")
    return found


def _known(alias: str, agreed: Charter | None) -> str:
    """Return an alias that the charter's policy or any model knows; of another nothing would be missing."""
    pointing = stored.aliases(session.store())
    known = {*ALIASES, *(agreed.policy if agreed else ()), *(a for of_model in pointing.values() for a in of_model)}
    if alias not in known:
        raise unknown("alias", alias, known)
    return alias


def _version(ref: Any) -> ModelVersion | None:
    if isinstance(ref, ModelVersion):
        return ref
    return models.model_version(ref) if isinstance(ref, str) and "@" in ref and ".." not in ref else None


def _who_said(answer: Answer) -> str:
    return f"for whom {answer.entered_by} entered" if answer.entered_by else "who said"


def _whose(condition: Mapping[str, Any]) -> str:
    """Return whose a condition is, and to whom it fell where its owner left."""
    fell = condition.get("falls_to")
    return f"{condition['owner']} left; it falls to {' or '.join(fell)}" if fell else str(condition["owner"])


def _falls_to(agreed: Charter | None, owner: str, by: str) -> dict[str, list[str]]:
    """Return to whom a condition fell whose owner left: the managers, else anybody with a role, else who approved."""
    if agreed is None or owner not in agreed.left:
        return {}
    may = given.meeting(agreed, owner, by)
    managers = [person for person in may if person in agreed.roles.get("manager", ())]
    return {"falls_to": managers or list(may) or ["nobody"]}


def _conditions(found: Iterable[Answer], at: str, agreed: Charter | None) -> Iterable[dict[str, Any]]:
    """Yield what approvals are owed, also of those that are stale or expired by now: the version may be in use."""
    for answer in found:
        for condition in answer.conditions if answer.approves and answer.state not in ("withdrawn", "void") else ():
            state = "met" if condition["met_at"] else "overdue" if str(condition["due"]) < at[:10] else "open"
            fell = {} if condition["met_at"] else _falls_to(agreed, str(condition["owner"]), answer.name)
            yield {"approve": answer.seq, **condition, "state": state, **fell}
