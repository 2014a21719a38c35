"""Heads of the audit log that lie elsewhere: given by a person, in git, in reports that were kept."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nbmlops.capture import environment
from nbmlops.errors import Invalid
from nbmlops.store.audited import Chain, reading
from nbmlops.templates.audit import verify as script
from nbmlops.tracking import session

__all__ = ["TAG", "WORD", "given", "in_git", "inside", "mark", "marked", "now", "of"]

WORD = "nbmlops-audit"  # how the line of a head begins
TAG = f"{WORD}-"
COMMITS = ("log", "--all", "--fixed-strings", "--format=%H%x00%B%x00")
TAGS = ("for-each-ref", "--format=%(refname:short)%00%(contents)%00", f"refs/tags/{TAG}*")
Head = dict[str, Any]


def mark(chain_id: str, seq: int, found: str) -> str:
    """Return the line by which a head is found again in a page or a git tag.

    >>> mark("01978000-0000-7000-8000-000000000000", 12, "9f" * 32)[:53]
    'nbmlops-audit 01978000-0000-7000-8000-000000000000 12'
    """
    return f"{WORD} {chain_id} {seq}:{found}"


def now() -> Head | None:
    """Return chain, number and hash of the newest event, for others to hold; None before the first."""
    with reading(session.project()) as chain:
        found = chain.head()
        return {"chain_id": chain.chain_id, "seq": found[0], "hash": found[1]} if found else None


def of(facts: Mapping[str, Any]) -> str:
    """Return the line by which the head in the facts of a report is found again; an empty text without one."""
    head = facts.get("head")
    return mark(head["chain_id"], head["seq"], head["hash"]) if head else ""


def given(head: str | Path, chain_id: str) -> Head:
    """Return the head a person gives: ``SEQ:HASH``, or a report, an export or a text that holds one.

    Raises
    ------
    Invalid
        There is none, or it is of another project's log.
    """
    try:
        found = script.head_of(str(head))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        said = str(error)
        raise Invalid(f"No head of an audit log: {said}.", "Write SEQ:HASH, as nbmlops audit head prints it.") from None
    if found["chain_id"] not in (None, chain_id):
        raise Invalid(f"{found['where']} is of another project's log.", "This project's: nbmlops audit head")
    return found


def in_git(chain_id: str) -> Iterator[Head]:
    """Yield the heads that tags and commits of the project's repository hold; none outside a repository."""
    root = session.project().root
    for name, text in _pairs(environment.ask_git(root, *TAGS)):
        yield from _heads(text, chain_id, f"git tag {name}")
    for commit, text in _pairs(environment.ask_git(root, *COMMITS, f"--grep={WORD} {chain_id}")):
        yield from _heads(text, chain_id, f"git commit {commit[:12]}")


def inside(chain: Chain) -> Iterator[Head]:
    """Yield the heads that lie in the store itself: who rewrites the chain alone is found by them."""
    if chain.end is not None:
        seq, found = chain.end
        yield {"seq": seq, "hash": found, "where": "the head kept beside the log", "outside": False, "end": True}
    for name, number, data in chain.reports():
        head = _of_report(data)
        if head and head.get("chain_id") == chain.chain_id:
            yield {**head, "where": f"report {number} of {name}, kept here", "outside": False}


def _of_report(data: str) -> Head | None:
    """Return the head in what a kept report says; None where somebody made it unreadable."""
    try:
        head = json.loads(data)["head"]
        return head if isinstance(head["seq"], int) and isinstance(head["hash"], str) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def marked(text: str, chain_id: str) -> list[tuple[int, str]]:
    """Return number and hash of the heads of one log that stand in a text."""
    return [(int(seq), found) for chain, seq, found in script.MARK.findall(text) if chain == chain_id]


def _heads(text: str, chain_id: str, where: str) -> Iterator[Head]:
    for seq, found in marked(text, chain_id):
        yield {"chain_id": chain_id, "seq": seq, "hash": found, "where": where, "outside": True}


def _pairs(answer: bytes | None) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a list that git printed, with NUL behind each of its texts."""
    texts = [text.strip() for text in (answer or b"").decode("utf-8", "replace").split("\0")]
    return zip(texts[0::2], texts[1::2], strict=False)
