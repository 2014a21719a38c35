"""Which report a person answers: a file, its hash, a form or what they type; and of which version it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.hooks import service
from nbmlops.records import ModelVersion
from nbmlops.store import models as stored
from nbmlops.store import reports
from nbmlops.tracking import session

__all__ = ["Reported", "is_version", "reported"]

HASH = re.compile(r"[0-9a-f]{12,64}")
REF = re.compile(r"[^@\s]+@[0-9]+")
FILES = (".html", ".json", ".md")


@dataclass(frozen=True)
class Reported:
    """A report that was kept, the version it asks about (None where it asks about none), and what it says first."""

    row: reports.Kept
    about: Mapping[str, str]
    version: ModelVersion | None

    @property
    def subject(self) -> str:
        """What an answer is about: the version, else the run or the report's own subject."""
        return self.version.ref if self.version else self.about["run_id"] or self.row.subject

    @property
    def named(self) -> str:
        """The report in words."""
        return f"Report {self.row.number} ({self.about['title']})"


def reported(report: Any) -> Reported:
    """Return the report that is meant.

    Parameters
    ----------
    report : path, str or object
        The file of a report, its hash or the first 12 characters of it, what ``nb.report`` takes, or an object with a
        ``digest`` that names one.

    Raises
    ------
    NotFound
        There is none.
    NotAllowed
        The file is not as it was made.
    """
    text = str(getattr(report, "digest", report)) if not hasattr(report, "version") else ""
    if HASH.fullmatch(text):
        return _whole(_with_hash(text))
    if isinstance(report, Path) or (isinstance(report, str) and report.endswith(FILES)):
        return _whole(_of_file(Path(report)))
    return _newest(report)


def is_version(subject: str) -> bool:
    """Tell whether a subject is a version of a model, such as ``late-flights@3``."""
    return REF.fullmatch(subject) is not None


def _whole(row: reports.Kept) -> Reported:
    about = service("report.since", "about")(row.digest)
    name, _, number = about["version"].rpartition("@")
    return Reported(row, about, stored.version(session.store(), name, int(number)) if name else None)


def _with_hash(text: str) -> reports.Kept:
    found = [r for r in reports.listed(session.store()) if r.digest.startswith(text)]
    if len(found) != 1:
        what = "No report of this store has" if not found else f"{len(found)} reports of this store have"
        raise NotFound(f"{what} the hash {text[:12]}.", "List them: nbmlops report list --json")
    return found[0]


def _of_file(path: Path) -> reports.Kept:
    """Return the report a file is, when every byte of it is as it was made here."""
    judged = service("report.verify", "verify_report")(path)
    if judged.verdict != "whole" or not judged.known:
        raise NotAllowed(
            f"{path} is {judged.verdict}, so nobody answers it: {judged.where or judged.says}",
            "Write it again: nbmlops report REF -o FILE, or name it by the hash of its facts.",
        )
    return _with_hash(judged.digest)


def _newest(ref: Any) -> Reported:
    """Return the newest report of what a person typed."""
    if ref is None or (isinstance(ref, str) and not ref.strip()):
        raise Invalid("No report is named.", "Name its file, its hash, or such as late-flights@3.")
    subject = service("report.since", "meant")(ref)
    row = reports.newest(session.store(), subject.key)
    if row is None:
        raise NotFound(f"No report of {_said(ref)} was made yet.", f"Read one first: nbmlops report {_said(ref)}")
    found = _whole(row)
    meant = _version(ref)
    if meant is not None and meant.ref != found.subject:
        raise Conflict(
            f"{found.named} asks about {found.subject}, not about {meant.ref}.", "Answer a report that asks about it."
        )
    return found


def _said(ref: Any) -> str:
    return str(getattr(ref, "ref", None) or getattr(ref, "run_id", None) or ref)[:80]


def _version(ref: Any) -> ModelVersion | None:
    from nbmlops.registry.models import model_version

    if isinstance(ref, ModelVersion):
        return ref
    return model_version(ref) if isinstance(ref, str) and "@" in ref and ".." not in ref else None
