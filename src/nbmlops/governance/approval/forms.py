"""A ten-line text form for a reviewer without Jupyter: written for one report, filled in, read back and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.governance.approval.given import OUTCOMES
from nbmlops.governance.approval.reported import reported
from nbmlops.tracking import session

__all__ = ["Form", "approval_form", "read_form"]

# As they stand in a form: what is printed, then what a person fills in.
PRINTED = ("Approval form", "SHA-256", "Question", "Recommended")
FILLED = {
    "Name": "name",
    "Role": "role",
    f"Outcome ({', '.join(OUTCOMES)})": "outcome",
    "Conditions (what; who; YYYY-MM-DD | ...)": "conditions",
    "Comment": "comment",
    "Date (YYYY-MM-DD)": "signed_on",
}
MOST_BYTES = 20_000


@dataclass(frozen=True)
class Form:
    """A form that was filled in: of which report, who says so, in which role, and what."""

    digest: str
    name: str
    role: str
    outcome: str
    conditions: tuple[str, ...]
    comment: str
    signed_on: str
    text: str

    def said(self) -> dict[str, Any]:
        """Return what it says as ``nb.approve`` takes it."""
        about = {"outcome": self.outcome, "role": self.role or None, "comment": self.comment}
        return {**about, "conditions": self.conditions, "expires": None}

    def kept(self) -> str:
        """Keep the form as it was handed in, and return its digest."""
        return session.artifacts().put(self.text.encode("utf-8"))


def approval_form(report: Any, output: str | Path | None = None) -> Path:
    """Write a form for a report, ten lines of text, that anybody can fill in and send back.

    Parameters
    ----------
    report : path, str, Run or ModelVersion
        As :func:`approve` takes it.
    output : str or Path, optional
        The file; ``approval-<hash>.txt`` when absent. One that is there may be filled in and is never replaced.

    Returns
    -------
    Path

    Raises
    ------
    NotFound
        No such report, or no folder to write into.
    Conflict
        The file is there.

    Examples
    --------
    >>> nb.approval_form("late-flights@3")  # doctest: +SKIP
    PosixPath('approval-3f2a91c0de11.txt')
    """
    found = reported(report)
    path = Path(output or f"approval-{found.row.digest[:12]}.txt")
    blank = [*_printed(found.row.digest, found.row.number, found.about), *(f"{label}:" for label in FILLED)]
    if not path.parent.is_dir():
        raise NotFound(f"There is no folder {path.parent}.", "Make it, or name another file.")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(blank) + "\n")
    except FileExistsError:
        raise Conflict(f"{path} is there already and may be filled in.", "Name another file.") from None
    return path


def _printed(digest: str, number: int, about: Mapping[str, str]) -> list[str]:
    values = (f"{_line(about['title'])}, report {number}", digest, _line(about["question"]), _line(about["answer"]))
    return [f"{label}: {value}" for label, value in zip(PRINTED, values, strict=True)]


def _line(text: str) -> str:
    return " ".join(text.split())


def read_form(file: str | Path) -> Form:
    """Read a form back that was filled in, and check that it is of a report of this store, word for word.

    It proves what its paper proves: whoever wrote the file wrote a name on it. ``nb.approve(form)`` records it with the
    name as a claim and with yours as who entered it.

    Parameters
    ----------
    file : str or Path

    Returns
    -------
    Form

    Raises
    ------
    NotFound
        There is no such file, or no report with this hash.
    Invalid
        A line is missing, empty where it may not be, or no such outcome.
    NotAllowed
        What was printed is not what the report says.

    Examples
    --------
    >>> nb.approve(nb.read_form("approval-3f2a91c0de11.txt"))  # doctest: +SKIP
    """
    text = _text(Path(file))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    digest = _value(lines, "SHA-256")
    if len(digest) != 64:
        raise Invalid(f"{file} names no report: its SHA-256 has {len(digest)} characters.", "It has 64.")
    found = reported(digest)
    for line in _printed(found.row.digest, found.row.number, found.about):
        if line not in lines:
            raise NotAllowed(f"{file} was changed: the report says {line[:160]!r}.", "Write a new form and fill it in.")
    if len(lines) != len(PRINTED) + len(FILLED):
        raise Invalid(f"{file} has {len(lines)} lines with text, and a form has 10.", "A comment is one line.")
    said = {key: _value(lines, label) for label, key in FILLED.items()}
    return Form(digest, **_filled(str(file), said), text=text)


def _text(path: Path) -> str:
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r}.", "Name a form that was filled in.")
    if path.stat().st_size > MOST_BYTES:
        raise Invalid(f"{path} is larger than {MOST_BYTES // 1000} kB: no form is.", "Name a form.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"{path} is no text.", "Save it as UTF-8.") from None


def _value(lines: list[str], label: str) -> str:
    """Return what stands behind a label; it may stand once only, for nobody knows which of two is meant."""
    short = label.partition(" (")[0]
    found = [line for line in lines if line.partition(":")[0].partition(" (")[0] == short]
    if len(found) != 1:
        raise Invalid(f"The line {short!r} stands {len(found)} times in the form.", "It stands once in each form.")
    start = f"{label}:" if found[0].startswith(f"{label}:") else f"{short}:"
    if not found[0].startswith(start):
        raise Invalid(f"The line {short!r} does not begin with {label!r}.", "Leave what was printed as it is.")
    return found[0][len(start) :].strip()


def _filled(file: str, said: dict[str, str]) -> dict[str, Any]:
    if empty := [label for label in ("name", "outcome", "signed_on") if not said[label]]:
        raise Invalid(f"{file} is not filled in: {empty[0].replace('signed_on', 'date')} is empty.", "Fill it in.")
    outcome = said["outcome"].lower().rstrip(".")
    if outcome not in OUTCOMES:
        raise Invalid(f"{file}: {said['outcome'][:60]!r} is no outcome.", f"Allowed: {', '.join(OUTCOMES)}.")
    try:
        day = date.fromisoformat(said["signed_on"]).isoformat()
    except ValueError:
        raise Invalid(f"{file}: {said['signed_on'][:20]!r} is no day.", "Write such as 2026-03-31.") from None
    conditions = tuple(c.strip() for c in said["conditions"].split("|") if c.strip())
    return {**said, "outcome": outcome, "conditions": conditions, "signed_on": day}
