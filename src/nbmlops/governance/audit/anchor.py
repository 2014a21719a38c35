"""Write the head of the audit log into git: a tag or a commit that others fetch, and so hold."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nbmlops.capture import environment
from nbmlops.errors import Conflict, NotAllowed, NotFound
from nbmlops.governance.audit import heads
from nbmlops.governance.audit.verify import verify_audit
from nbmlops.hooks import Shown
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor

__all__ = ["Anchor", "anchor"]

TIMEOUT_S = 60.0  # a signed tag may ask an agent for its key
UNDERWAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG")
HOLDS = "It holds the log once somebody else has it: git push origin {}"


@dataclass(frozen=True, repr=False)
class Anchor(Shown):
    """Where in git the head of the audit log stands; ``made`` is False where nothing had happened since the last."""

    shows: ClassVar[str] = "audit_anchor"

    seq: int
    hash: str
    where: str
    made: bool
    says: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dataclasses.asdict(self)


def anchor(commit: bool = False) -> Anchor:
    """Write the head of the audit log into an annotated tag ``nbmlops-audit-N``, or into a commit without changes.

    The index and the working tree are not touched, and nothing is pushed: an anchor proves something to those who have
    fetched it. It is an event of the log itself. A log that is broken is not anchored.

    Parameters
    ----------
    commit : bool
        A commit on the branch that is checked out, in place of a tag.

    Returns
    -------
    Anchor

    Raises
    ------
    NotFound
        The project is in no git repository, or nothing governed has happened yet.
    NotAllowed
        The log is broken.
    Conflict
        There is no commit yet, git is in the middle of something, or refuses.

    Examples
    --------
    >>> from nbmlops.governance.audit.anchor import anchor
    >>> anchor().where  # doctest: +SKIP
    'git tag nbmlops-audit-12'
    """
    root = session.project().root
    if environment.ask_git(root, "rev-parse", "--git-dir") is None:
        raise NotFound(f"{root} is in no git repository.", "git init, or hand the head out: nbmlops audit head")
    found = verify_audit()
    if not found.whole:
        raise NotAllowed(f"The log is not anchored. {found.says[0]}", "Look at it: nbmlops audit verify")
    seq, _, hashed = found.head.partition(":")
    if seq == "0":
        raise NotFound("Nothing governed has happened, so there is no event to anchor.", "Register a model first.")
    if (last := _unchanged(int(seq), "git commit" if commit else "git tag")) is not None:
        return last
    return _write(root, found.chain_id, int(seq), hashed, commit)


def _unchanged(seq: int, form: str) -> Anchor | None:
    """Return the anchor that is the newest event itself, if it has this form and git still has it."""
    from nbmlops.store import events

    with session.store().reading() as connection:
        newest = events.listed(connection, action="anchor")[-1:]
    data = newest[0]["data"] if newest else {}
    if not newest or newest[0]["seq"] != seq or not str(data.get("where")).startswith(form):
        return None
    found = str(data.get("chain_id"))
    kept = any(h["seq"] == data.get("seq") and h["hash"] == data.get("hash") for h in heads.in_git(found))
    if not kept:
        return None
    says = f"Nothing has happened since: {data['where']} holds event {data['seq']}."
    return Anchor(data["seq"], data["hash"], data["where"], False, says)


def _write(root: Path, chain_id: str, seq: int, hashed: str, commit: bool) -> Anchor:
    person = actor()  # asked first: nothing is written for nobody
    text = f"Audit log of {session.project().name} up to event {seq}\n\n{heads.mark(chain_id, seq, hashed)}\n"
    if not environment.ask_git(root, "rev-parse", "--verify", "HEAD"):
        raise Conflict("This repository has no commit yet.", "Commit something first; then: nbmlops audit anchor")
    where = _commit(root, text) if commit else _tag(root, seq, chain_id, text)
    with session.store().atomic() as change:
        about = {"chain_id": chain_id, "seq": seq, "hash": hashed, "where": where}
        change.event("anchor", "head", about, person)
    pushed = "HEAD" if commit else where.rpartition(" ")[2]
    return Anchor(seq, hashed, where, True, f"{where} holds event {seq}. {HOLDS.format(pushed)}")


def _tag(root: Path, seq: int, chain_id: str, text: str) -> str:
    """Make an annotated tag; where another project of the repository has the name, with the end of the chain's id."""
    name = f"{heads.TAG}{seq}"
    if environment.ask_git(root, "rev-parse", "--verify", f"refs/tags/{name}"):
        name = f"{name}-{chain_id[-6:]}"
    _git(root, "tag", "--annotate", name, "HEAD", f"--message={text}")
    return f"git tag {name}"


def _commit(root: Path, text: str) -> str:
    """Make a commit with the files of the last one; the branch moves only from where it was read."""
    folder = Path(_git(root, "rev-parse", "--absolute-git-dir"))
    if busy := next((name for name in UNDERWAY if (folder / name).exists()), None):
        raise Conflict(f"git is in the middle of something ({busy}).", "Finish it, or make a tag: nbmlops audit anchor")
    if environment.ask_git(root, "symbolic-ref", "--quiet", "HEAD") is None:
        raise Conflict("No branch is checked out, so a commit would be lost.", "Make a tag: nbmlops audit anchor")
    parent = _git(root, "rev-parse", "HEAD")
    made = _git(root, "commit-tree", f"{parent}^{{tree}}", "-p", parent, "-m", text)
    _git(root, "update-ref", "-m", "nbmlops audit anchor", "HEAD", made, parent)
    return f"git commit {made[:12]}"


def _git(root: Path, *words: str) -> str:
    """Run git; what it refuses is an error with its own words."""
    environ = {k: v for k, v in os.environ.items() if k not in environment.ELSEWHERE} | {"GIT_TERMINAL_PROMPT": "0"}
    command = ["git", *environment.QUIET, *words]
    try:
        done = subprocess.run(
            command, cwd=root, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Conflict(f"git did not answer: {error}.", "Try it in a terminal.") from None
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
        raise Conflict(f"git {words[0]} refused: {said}", "Mend that, then again: nbmlops audit anchor")
    return done.stdout.decode("utf-8", "replace").strip()
