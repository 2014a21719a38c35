"""What the charter does not say, or says and nobody can hold it to, and whose that is."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from nbmlops.errors import NotAllowed
from nbmlops.governance.approval import policy
from nbmlops.governance.charter import WANTED, Charter, required
from nbmlops.governance.checks import CHECKS, run
from nbmlops.governance.written.given import near
from nbmlops.governance.written.policy import ROLES
from nbmlops.governance.written.requirements import STANDARD, Requirement
from nbmlops.records import Finding, ModelVersion, Outcome

__all__ = ["check", "requirements"]


def check(path: str | Path | None = None, model: str | None = None) -> tuple[Finding, ...]:
    """Return what the charter says and what is missing, with whose it is to say.

    Parameters
    ----------
    path : path, optional
        As :func:`nbmlops.charter` takes it.
    model : str, optional
        A version, such as ``late-flights@champion``: its requirements are checked too.

    Returns
    -------
    tuple of Finding
        Code ``charter``, ``requirement``, ``question``, ``deliverable``, ``policy`` or ``role``: passed, warning
        (missing), issue (a check says no) or skipped (a check lacks data).

    Raises
    ------
    NotFound
        No charter, or no such model.

    Examples
    --------
    >>> [f.message for f in check() if f.outcome != "passed"]  # doctest: +SKIP
    ['users is missing: who uses the answers (product)']
    """
    found, version = required(path), _version(model)
    return (
        *_said(found),
        *requirements(found, version),
        *_questions(found),
        *_deliverables(found),
        *_policies(found),
        *_roles(found),
    )


def requirements(charter: Charter, version: ModelVersion | None = None) -> Iterator[Finding]:
    """Yield one finding a requirement: checked, answered, or open and whose it is; none is left out.

    Where some are named, so are those of the usual ones that nobody speaks of, and limits that no check holds anything
    against.

    Parameters
    ----------
    charter : Charter
    version : ModelVersion, optional
        Without one, what a check would say is not known, only that it is there.
    """
    for asked in charter.requirements:
        if asked.check and asked.check not in CHECKS:
            yield _requirement(asked, "warning", f"there is no check {asked.check!r}. {near(asked.check, CHECKS)}")
        elif asked.check and version:
            yield run(version, charter, asked)
        elif asked.check:
            yield _requirement(asked, "passed", f"checked by {asked.check}: nbmlops charter check MODEL")
        elif asked.answer:
            yield _answered(charter, asked)
        else:
            whose = _whose(charter, asked.by or "compliance")
            yield _requirement(asked, "warning", f"neither checked nor answered ({whose})")
        yield from _idle_limit(asked)
    yield from _unspoken(charter)


def _unspoken(charter: Charter) -> Iterator[Finding]:
    named = {r.name for r in charter.requirements}
    for name, role in STANDARD.items() if named else ():
        if name not in named:
            says = f"nobody says what is required, or that nothing is ({_whose(charter, role)})"
            yield _requirement(Requirement(name), "warning", says)


def _idle_limit(asked: Requirement) -> Iterator[Finding]:
    if asked.limit is not None and asked.check in ("", *(k for k, c in CHECKS.items() if not c.limit)):
        what = f"the check {asked.check} has no limit" if asked.check else "no check is named"
        yield _requirement(asked, "warning", f"its limit {asked.limit:g} is held against nothing: {what}")


def _answered(charter: Charter, asked: Requirement) -> Finding:
    by = f"{asked.by}{f', {asked.at}' if asked.at else ''}"
    if asked.by in charter.left:
        return _requirement(asked, "warning", f"answered by {asked.by}, who left ({_whose(charter, 'compliance')})")
    if asked.by in ROLES and not charter.roles.get(asked.by):
        return _requirement(asked, "warning", f"answered by {asked.by}, and nobody plays that role (manager)")
    return _requirement(asked, "passed", f"answered by {by}: {asked.answer}")


def _requirement(asked: Requirement, outcome: Outcome, says: str) -> Finding:
    detail = {"check": asked.check, "by": asked.by, "at": asked.at, "says": asked.says}
    return Finding("requirement", outcome, f"requirement {asked.name}: {says}", asked.name, detail=detail)


def _said(charter: Charter) -> Iterator[Finding]:
    missing = {m["key"] for m in charter.missing}
    for key, why, role in WANTED:
        if key in missing:
            says = f"{key} is missing: {why} ({_whose(charter, role)})"
            yield Finding("charter", "warning", says, key, detail={"role": role})
        else:
            yield Finding("charter", "passed", f"{key} is said", key)


def _questions(charter: Charter) -> Iterator[Finding]:
    known = {t.name for metrics in (charter.metrics, *(m.metrics for m in charter.models.values())) for t in metrics}
    for asked in charter.questions:
        if not asked.owner:
            says = f"question {asked.id} is nobody's: write owner ({_whose(charter, 'expert')})"
            yield Finding("question", "warning", says, asked.id, detail={"role": "expert"})
        if asked.metric and asked.metric not in known:
            says = f"question {asked.id} rests on {asked.metric}, which has no target ({_whose(charter, 'scientist')})"
            yield Finding("question", "warning", says, asked.id, detail={"role": "scientist"})


def _deliverables(charter: Charter) -> Iterator[Finding]:
    for due in charter.deliverables:
        if not due.owner and not due.done:
            says = f"deliverable {due.name} is nobody's: write owner ({_whose(charter, 'manager')})"
            yield Finding("deliverable", "warning", says, due.name, detail={"role": "manager"})


def _policies(charter: Charter) -> Iterator[Finding]:
    """Yield the policies that are not understood or ended: by them nothing is approved or promoted."""
    for alias in charter.policy:
        try:
            policy.of(charter, alias)
        except NotAllowed as error:
            says = f"{error} ({_whose(charter, 'manager')})"
            yield Finding("policy", "warning", says, alias, detail={"role": "manager"})


def _roles(charter: Charter) -> Iterator[Finding]:
    """Yield the roles somebody is asked for and nobody plays, those that are none, and people who left."""
    for role, where in dict(_asked_for(charter)).items():
        if role not in ROLES and role not in charter.roles:
            yield _role(role, f"{where} asks for {role!r}, which is no role. {near(role, ROLES)} (manager)")
        elif not set(charter.roles.get(role, ())) - set(charter.left):
            yield _role(role, f"{where} asks for {role}, and nobody plays that role ({_whose(charter, 'manager')})")
    for role, people in charter.roles.items():
        if role not in ROLES and difflib.get_close_matches(role, ROLES, 1, 0.8):
            yield _role(role, f"roles has {role!r}. {near(role, ROLES)} ({_whose(charter, 'manager')})")
        if gone := [p for p in people if p in charter.left]:
            yield _role(role, f"{gone[0]} plays {role} and left ({_whose(charter, 'manager')})")


def _asked_for(charter: Charter) -> Iterator[tuple[str, str]]:
    """Yield the roles that approvals, requirements and owners ask for, and where."""
    for alias, rule in charter.policy.items():
        roles = rule.get("roles")
        yield from ((str(role), f"policy.{alias}") for role in (roles if isinstance(roles, list) else ()))
    owners = [(r.by, f"requirement {r.name}") for r in charter.requirements if not r.answer]
    owners += [(q.owner, f"question {q.id}") for q in charter.questions]
    owners += [(d.owner, f"deliverable {d.name}") for d in charter.deliverables]
    owners += [(who, f"problem {p.name}") for d in charter.deliverables for p in d.problems for who in p.who]
    yield from (owner for owner in owners if owner[0] in ROLES)


def _role(role: str, says: str) -> Finding:
    return Finding("role", "warning", says, role, detail={"role": "manager"})


def _whose(charter: Charter, role: str) -> str:
    """Return a role and who plays it."""
    people = ", ".join(p for p in charter.roles.get(role, ()) if p not in charter.left)
    return f"{role}: {people}" if people else role


def _version(model: str | None) -> ModelVersion | None:
    from nbmlops.registry.models import model_version

    return model_version(model) if model else None
