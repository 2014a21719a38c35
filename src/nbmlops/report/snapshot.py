"""A report as data: what the store knows of its subject, as plain JSON with its as-of time.

The page is drawn from this alone. Nothing in it depends on when, where or by whom it is rendered, so the same facts
give the same bytes, and the SHA-256 of its canonical form is what a person can approve.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nbmlops.governance.audit import heads
from nbmlops.records import plain
from nbmlops.report.kinds.kind import Subject, kind_of
from nbmlops.tracking import session

__all__ = ["SCHEMA", "build", "canonical", "digest"]

SCHEMA = 2


def build(subject: Subject, number: int = 1) -> dict[str, Any]:
    """Return everything a report says, as plain JSON.

    Parameters
    ----------
    subject : Subject
        See :func:`nbmlops.report.kinds.kind.subject_of`.
    number : int
        The how-manyth report of this subject it is.

    Returns
    -------
    dict
        ``schema``, ``kind``, ``subject`` (its key), ``number``, ``project``, ``as_of`` (the newest time among the
        facts, never that of rendering), ``head`` (of the audit log, None before its first event), and the facts of its
        kind.

    Examples
    --------
    >>> build(subject_of("forest"))["schema"]  # doctest: +SKIP
    2
    """
    envelope = {"schema": SCHEMA, "kind": subject.kind, "subject": subject.key, "number": number}
    found = kind_of(subject.kind).gather(subject)
    whole = plain({**found, **envelope, "project": session.project().name, "head": heads.now()})
    read: dict[str, Any] = json.loads(canonical(whole).decode("utf-8", "surrogatepass"))
    return read  # in the order in which it is kept, for that may show


def canonical(snapshot: Mapping[str, Any]) -> bytes:
    """Return the one form in which a snapshot is hashed: sorted keys, no spaces, UTF-8.

    >>> canonical({"b": 1, "a": "é"}).decode()
    '{"a":"é","b":1}'
    """
    text = json.dumps(snapshot, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def digest(snapshot: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a snapshot's canonical form."""
    return hashlib.sha256(canonical(snapshot)).hexdigest()
