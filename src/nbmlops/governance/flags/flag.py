"""A flag: somebody says that something is doubtful, wrong, or a question; kept with its event, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

from nbmlops.capture.secrets import redact
from nbmlops.errors import Invalid, unknown
from nbmlops.governance import agreed_on
from nbmlops.governance.charter import ROLES, charter
from nbmlops.governance.flags.masks import Masks
from nbmlops.governance.flags.subjects import named
from nbmlops.hooks import Shown
from nbmlops.records import new_ids, now, plain
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor

__all__ = [
    "DISMISSED",
    "OPEN",
    "SEVERITIES",
    "STATES",
    "Flag",
    "add",
    "checked",
    "flag",
    "get",
    "of_row",
    "roles_of",
    "text_of",
]

SEVERITIES = ("low", "medium", "high", "blocking")
OPEN, DISMISSED = "open", "dismissed"
STATES = (OPEN, "answered", "accepted", DISMISSED)
LONGEST = 4000  # characters of a text
MOST = 10_000  # flags at once
Row = Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class Flag(Shown):
    """What somebody flagged, whose it is to answer, and what was answered.

    Where it is about a private column, its texts and values are masked.
    """

    shows: ClassVar[str] = "flag"

    flag_id: str
    subject: str
    kind: str
    state: str
    severity: str
    text: str
    author: str
    at: str
    role: str | None = None  # who is asked
    owner: str | None = None  # of what is flagged
    closed_at: str | None = None
    question: bool = False
    where: str | None = None  # the condition of a segment
    row: int | None = None
    rows: int | None = None  # in the segment, where they can be counted
    of_rows: int | None = None
    of: tuple[str, ...] = ()  # versions and runs it concerns beside its subject
    value: Any = None  # what it should be: a label, once accepted
    evidence: tuple[str, ...] = ()
    known_by: str = ""  # how the author is known
    entered_by: str | None = None  # who entered it for the author
    thread: tuple[Mapping[str, Any], ...] = ()  # at, author, known_by, text, state; oldest first
    digest: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)  # what became of the message to a role

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found: dict[str, Any] = plain(self)
        return found


def flag(
    subject: Any,
    text: str,
    kind: str | None = None,
    severity: str = "medium",
    evidence: str | Sequence[str] | None = None,
    to: str | None = None,
    question: bool = False,
    where: str | None = None,
    row: Any = None,
    value: Any = None,
) -> Flag:
    """Flag a model, feature, row, segment, prediction, data set, run or report, and tell the role it is for.

    Parameters
    ----------
    subject : str, DataFrame, ModelVersion, DatasetVersion, Run or Prediction
        ``late-flights@3``, ``late-flights@3:hour``, ``flights@7#17`` (row 17), ``flights@7#booking=B17`` (its key), the
        id of a prediction, a run, ``report:REF``.
    text : str
        What is doubtful and why, or the question.
    kind : str, optional
        What a name means that may mean several: model, dataset, run.
    severity : {"low", "medium", "high", "blocking"}
        A blocking one lets no alias move to what it concerns until it is settled.
    evidence : str or list of str, optional
        Runs, addresses, files, numbers.
    to : str, optional
        A role of the charter; it is told through the channels of alerts.
    question : bool
        Somebody is asked; the owner where no role is.
    where : str, optional
        A condition on columns, such as ``origin = 'EWR' and hour > 20``: a segment is flagged.
    row : int or mapping, optional
        One row of a data set or frame, by its number from 0 or a key: ``{"booking": "B17"}``.
    value : optional
        What it should be. Accepted, it is a label of the next training set.

    Returns
    -------
    Flag

    Raises
    ------
    NotFound
        Nothing is called so, or no such role.
    Invalid
        No text, no such severity, or a condition or row that does not go with the subject.
    NotAllowed
        Nobody knows who you are.

    Examples
    --------
    >>> nb.flag("late-flights@3", "too sure at night", where="hour > 20", severity="high")  # doctest: +SKIP
    """
    wanted = {"kind": kind, "severity": severity, "evidence": evidence, "to": to, "question": question}
    wanted |= {"subject": subject, "text": text, "where": where, "row": row, "value": value}
    return add([checked(wanted)])[0]


def add(wanted: Sequence[Row], by: str | None = None) -> list[Flag]:
    """Keep flags that were checked, all or none, in the order given; tell each role once.

    Parameters
    ----------
    wanted : sequence of mapping
        As :func:`checked` returns them.
    by : str, optional
        Whose they are, where somebody else enters them: recorded so.
    """
    from nbmlops.governance.flags.telling import told
    from nbmlops.store import flags as stored

    if len(wanted) > MOST:
        raise Invalid(f"{len(wanted):,} flags at once.", f"At most {MOST:,}: flag a segment instead.")
    who = actor()
    ids = sorted(new_ids(len(wanted)))
    rows = [_by(one, flag_id, who, by) for one, flag_id in zip(wanted, ids, strict=True)]
    with session.store().atomic() as change:
        stored.add(change, rows, who, agreed_on.record(change))
    masks = Masks.now()
    return told([of_row(stored_row(row), masks) for row in rows])


def _by(wanted: Row, flag_id: str, who: tuple[str, str], by: str | None) -> dict[str, Any]:
    """Return the row of a checked flag, with who says it."""
    said = {**wanted["said"], "known_by": "entered" if by else who[1]}
    said |= {"entered_by": who[0]} if by else {}
    about = {"flag_id": flag_id, "author": by or who[0], "at": now(), "closed_at": None}
    return {**wanted, **about, "said": said}


def stored_row(row: Row) -> dict[str, Any]:
    """Return a row as it is read back before anybody answered."""
    from nbmlops.store.flags import digest_of

    found = {k: v for k, v in row.items() if k != "said"}
    return {**found, "state": OPEN, "digest": digest_of(row["said"]), "data": {"said": row["said"], "thread": []}}


def get(flag_id: str) -> Flag:
    """Return a flag by its id, or the end of it.

    Raises
    ------
    NotFound
        There is none, or several end so.
    """
    from nbmlops.store import flags as stored

    text = str(flag_id).strip()
    with session.store().reading() as connection:
        row = stored.find(connection, text) if len(text) >= 6 else None
    if row is None:
        known = [r["flag_id"] for r in stored.listed(session.store(), state=OPEN)]
        raise unknown("flag", text[:40], known, "List them: nbmlops flags. An id, or the last 6 or more of it.")
    return of_row(row, Masks.now())


def of_row(row: Row, masks: Masks) -> Flag:
    """Return a stored flag as it may be shown."""
    said = masks.of(row["data"]["said"] or {})
    columns = {k: row[k] for k in ("flag_id", "subject", "kind", "state", "severity", "role", "owner", "author", "at")}
    more = {k: said[k] for k in ("where", "row", "rows", "of_rows", "value", "known_by", "entered_by") if k in said}
    return Flag(
        **columns,
        **more,
        closed_at=row["closed_at"],
        text=said.get("text") or "erased",
        question=bool(said.get("question")),
        of=tuple(said.get("of", ())),
        evidence=tuple(said.get("evidence", ())),
        thread=tuple(masks.of({**answer, "text": answer["text"] or "erased"}) for answer in row["data"]["thread"]),
        digest=row["digest"],
    )


def checked(wanted: Row, rows: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Return what of a flag is stored, everything about it checked; nothing is kept yet.

    Parameters
    ----------
    wanted : mapping
        The parameters of :func:`flag`.
    rows : callable, optional
        Reads the kept rows of a data set version.
    """
    severity, role = wanted.get("severity"), wanted.get("to")
    severity = "medium" if severity is None else severity
    if severity not in SEVERITIES:
        raise Invalid(f"{severity!r} is no severity.", f"Allowed: {', '.join(SEVERITIES)}.")
    if role is not None and role not in ROLES:
        raise unknown("role", str(role), ROLES, where="of a charter")
    about = named(wanted["subject"], wanted.get("kind") or None, wanted.get("where"), wanted.get("row"), rows)
    said = {
        "text": text_of(wanted.get("text"), "A flag"),
        "question": _is_question(wanted.get("question")),
        "evidence": _evidence(wanted.get("evidence")),
        "of": list(about.of),
        **about.exactly,
    }
    said |= {"value": _label(wanted["value"])} if wanted.get("value") is not None else {}
    columns = {"subject": about.subject, "kind": about.kind, "severity": severity, "role": role, "owner": about.owner}
    return {**columns, "said": said}


def text_of(text: Any, what: str) -> str:
    """Return what a person wrote, without secrets.

    Raises
    ------
    Invalid
        It is empty, no text, or too long.
    """
    if not isinstance(text, str) or not text.strip():
        raise Invalid(f"{what} says nothing.", "Say in a sentence what it is about.")
    if len(text) > LONGEST:
        raise Invalid(f"{what} has {len(text):,} characters.", f"At most {LONGEST:,}; name a file as evidence.")
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise Invalid(f"{what} has characters that are no text.", "Write plain text.")
    return redact(text.strip())


def _is_question(asked: Any) -> bool:
    if not isinstance(asked, (bool, type(None))):
        raise Invalid(f"question is {str(asked)[:20]!r}.", "Pass True or False.")
    return bool(asked)


def _label(value: Any) -> Any:
    """Return what something should be as it is kept: a text, a number, true or false."""
    found = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    found = plain(found) if isinstance(found, date) else found
    if isinstance(found, str):
        return text_of(found, "A value")
    if isinstance(found, (bool, int, float)) and abs(found) < float("inf"):  # NaN is below nothing
        return found
    raise Invalid(f"value is {str(value)[:40]!r}.", "Pass what it should be: a text, a number, True or False.")


def _evidence(evidence: Any) -> list[str]:
    given = [evidence] if isinstance(evidence, str) else evidence or ()
    if isinstance(given, Mapping) or not isinstance(given, (Sequence, set)):
        raise Invalid(f"evidence is {str(evidence)[:40]!r}.", "Pass texts: runs, addresses, files.")
    return [text_of(e, "A piece of evidence") for e in given if not (isinstance(e, str) and not e.strip())]


def roles_of(person: str) -> tuple[str, ...] | None:
    """Return the roles in which a person may act, none for who left; None where no charter names any role.

    Raises
    ------
    NbmlopsError
        The charter cannot be read: nobody knows.
    """
    agreed = charter()
    return agreed.acts_as(person) if agreed and agreed.roles else None
