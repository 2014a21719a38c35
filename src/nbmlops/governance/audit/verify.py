"""Whether the audit log is whole, and how far that is proven by heads that somebody else holds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from nbmlops.governance.audit import heads
from nbmlops.hooks import Shown
from nbmlops.store.audited import Chain, reading
from nbmlops.templates.audit import verify as script
from nbmlops.tracking import session

__all__ = ["AuditCheck", "Head", "head", "verify_audit"]

Verdict = Literal["broken", "consistent, not proven", "proven"]


@dataclass(frozen=True)
class Head:
    """Number and hash of the newest event of a log: who holds it can prove later that nothing before was rewritten."""

    chain_id: str
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"head": dataclasses.asdict(self)}


@dataclass(frozen=True, repr=False)
class AuditCheck(Shown):
    """What became of the audit log: broken (``where`` first, and ``what``), consistent but not proven, or proven.

    ``proven_to`` is the last event that a head from outside vouches for, 0 without one; ``heads`` are all that were
    held against the log, and ``fits`` of each whether it is in it. A row of a table that is not what the events say
    breaks the log too; ``broken_at`` is None then. ``warnings`` are events that say too little to be held against
    anything; they break nothing.
    """

    shows: ClassVar[str] = "audit_check"

    verdict: Verdict
    says: tuple[str, ...]
    events: int
    head: str
    chain_id: str
    proven_to: int = 0
    proven_by: tuple[str, ...] = ()
    broken_at: int | None = None
    where: str = ""
    what: str = ""
    heads: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing wrong was found."""
        return self.verdict != "broken"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        lists = {name: list(getattr(self, name)) for name in ("says", "proven_by", "heads", "warnings")}
        return {**dataclasses.asdict(self), **lists}


def verify_audit(head: str | Path | Iterable[str | Path] | None = None) -> AuditCheck:
    """Tell whether the audit log is whole: no event edited, removed, inserted, moved, and no table says otherwise.

    Each event holds the hash of the one before, so what was changed without computing the rest anew is found. Who can
    write to the store can compute it all anew: against that helps a head that somebody else holds. Those in git (see
    :func:`nbmlops.governance.audit.anchor.anchor`) are found without being named.

    Parameters
    ----------
    head : str, Path or list, optional
        ``SEQ:HASH``, or a file that holds one: a report (HTML, Markdown, JSON), an export of the log, a text.

    Returns
    -------
    AuditCheck
        ``verdict`` is ``broken``, ``consistent, not proven``, or ``proven`` (up to event ``proven_to``).

    Raises
    ------
    Invalid
        What was given is no head, or that of another project.
    Unavailable
        The database is away or damaged.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.verify_audit().verdict  # doctest: +SKIP
    'consistent, not proven'
    """
    named = [head] if isinstance(head, (str, Path)) else list(head or ())
    with reading(session.project()) as chain:
        outside = [*(heads.given(h, chain.chain_id) for h in named), *heads.in_git(chain.chain_id)]
        return checked(chain, [*heads.inside(chain), *outside])


def checked(chain: Chain, known: list[heads.Head]) -> AuditCheck:
    """Return the verdict on a log by the heads that are known, as the script of an export gives it."""
    with contextlib.closing(chain.events()) as events:  # a broken log is not read to its end
        found = script.check(chain.chain_id, events, known, chain.repeated())
    says, lists = tuple(script.sentences(found)), {k: tuple(found[k]) for k in ("proven_by", "heads", "warnings")}
    return AuditCheck(**{**found, **lists}, says=says, chain_id=chain.chain_id)


def head() -> Head:
    """Return the newest event's number and hash; before the first event 0 and what the first will follow.

    Examples
    --------
    >>> str(head())  # doctest: +SKIP
    '12:9f1c...'
    """
    with reading(session.project()) as chain:
        seq, found = chain.head() or (0, script.first(chain.chain_id))
        return Head(chain.chain_id, seq, found)
