"""Which flags concern a model version and are not settled: on it, its features, predictions, run, reports and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.governance.flags.flag import Flag
    from nbmlops.records import ModelVersion

__all__ = [
    *("about", "blocking", "concerning", "held_up", "names_of", "newest", "open_flags", "raised", "unsettled"),
    *("holders", "waved_through"),
]

Row = Mapping[str, Any]


def open_flags(ref: str) -> list[Flag]:
    """Return the flags that concern a model version and are not settled, the oldest first.

    Not settled is what is open, and a blocking one that was accepted: it is right, so it stands in the way until it is
    answered.

    Parameters
    ----------
    ref : str
        ``late-flights@3``.

    Returns
    -------
    list of Flag

    Raises
    ------
    NotFound
        No such version.

    Examples
    --------
    >>> [f.severity for f in open_flags("late-flights@3")]  # doctest: +SKIP
    ['blocking']
    """
    from nbmlops.governance.flags.flag import of_row
    from nbmlops.governance.flags.masks import Masks

    masks = Masks.now()
    return [of_row(row, masks) for row in concerning(ref) if unsettled(row) or waved_through(row)]


def blocking(ref: str) -> list[Flag]:
    """Return those of :func:`open_flags` that let no alias move to the version."""
    return [flag for flag in open_flags(ref) if flag.severity == "blocking"]


def held_up(ref: str, by_any: bool = False) -> str:
    """Return in a sentence what flag holds up a version, an empty text where none does.

    Parameters
    ----------
    ref : str
        ``late-flights@3``.
    by_any : bool
        Whether any open flag does, not a blocking one alone.
    """
    found = open_flags(ref) if by_any else blocking(ref)
    if not found:
        return ""
    first, more = found[0], len(found) - 1
    whose = f" (owner: {first.owner})" if first.owner else ""
    said = f"{first.author} flagged {first.subject}, {first.severity}{whose}: {first.text.rstrip('.')}"
    return f"{said}; and {more} more" if more else said


def unsettled(row: Row) -> bool:
    """Tell whether somebody still has to do something about a stored flag.

    >>> unsettled({"state": "accepted", "severity": "blocking"}), unsettled({"state": "accepted", "severity": "low"})
    (True, False)
    """
    return row["state"] == "open" or (row["state"], row["severity"]) == ("accepted", "blocking")


def holders(row: Row, before: str = "") -> set[str]:
    """Return who ran, registered or owns what a stored flag concerns, in small letters, accounts that claimed so too.

    Parameters
    ----------
    row : mapping
        As the store has it.
    before : str, optional
        Only of versions that were registered by then; who was handed one later is left out.
    """
    from nbmlops.governance.approval.standing import own_work
    from nbmlops.store import models

    found = {str(row["owner"] or "")}
    for version in models.listed(session.store()):
        if (not before or version.created_at <= before) and names_of(version) & about(row):
            found |= set(own_work(version, () if before else ("owner",)))
    return {person.casefold() for person in found} - {""}


def waved_through(row: Row) -> bool:
    """Tell whether a blocking flag was settled by nobody who may: who holds what it concerns, or entered it, may not.

    What somebody says after it was settled, in the same state, settles nothing and undoes nothing.
    """
    settling = list(takewhile(lambda a: a.get("state") == row["state"], reversed(row["data"]["thread"])))
    if row["severity"] != "blocking" or row["state"] == "open" or not settling or not _roles():
        return False
    return all(_holds(row, answer) for answer in settling)


def _holds(row: Row, answer: Mapping[str, Any]) -> bool:
    """Tell whether who answered holds what a stored flag concerns, or entered the flag for somebody else."""
    person, entered_by = str(answer["author"]).casefold(), (row["data"]["said"] or {}).get("entered_by")
    if entered_by and person == str(entered_by).casefold():
        return True
    own = not entered_by and person == str(row["author"]).casefold()
    return not own and person in holders(row, str(answer["at"]))


def _roles() -> bool:
    """Tell whether the charter says who settles a flag; one that cannot be read lets nobody through."""
    from nbmlops.errors import NbmlopsError
    from nbmlops.governance.charter import charter

    try:
        agreed = charter()
    except NbmlopsError:
        return True
    return bool(agreed and agreed.roles)


def concerning(ref: str) -> list[dict[str, Any]]:
    """Return the stored flags that concern a model version, or where only a name is given any version of it."""
    from nbmlops.registry.models import model_version
    from nbmlops.store import flags, models

    chosen = model_version(ref)
    versions = [chosen] if "@" in ref else models.listed(session.store(), chosen.name)
    rows = flags.listed(session.store())
    if not rows:
        return []
    names = {chosen.name, *(name for version in versions for name in _names(version))}
    return [row for row in rows if about(row) & names]


def names_of(version: ModelVersion) -> set[str]:
    """Return everything that a flag which concerns a version may name."""
    return {version.name, *_names(version)}


def raised(connection: Any, names: set[str], since: int, by_any: bool = False) -> list[str]:
    """Return the ids of the flags that concern something and were raised or opened again after an event.

    Parameters
    ----------
    connection : Connection
        Of the transaction that moves an alias.
    names : set of str
        As :func:`names_of` returns them.
    since : int
        The number of the newest event when flags were asked before.
    by_any : bool
        Whether any open flag counts, not a blocking one alone.
    """
    from nbmlops.store import flags

    ids = sorted({str(e["data"].get("flag")) for e in _said(connection) if e["seq"] > since})
    rows = [row for flag_id in ids if (row := flags.find(connection, flag_id))]
    return [
        row["flag_id"]
        for row in rows
        if unsettled(row) and (by_any or row["severity"] == "blocking") and about(row) & names
    ]


def newest(connection: Any) -> int:
    """Return the number of the newest event about any flag, 0 where there is none."""
    return max((int(e["seq"]) for e in _said(connection)), default=0)


def _said(connection: Any) -> list[dict[str, Any]]:
    from nbmlops.store import events

    return [e for action in ("flag", "flag_answer") for e in events.listed(connection, action=action)]


def about(row: Row) -> set[str]:
    """Return the names of what a stored flag concerns: versions, runs, data sets."""
    subject = str(row["subject"])
    base = subject if subject.startswith("report:") else subject.partition("#")[0]
    model = base.rpartition(":")[0] if row["kind"] == "feature" else base
    return {model, *((row["data"]["said"] or {}).get("of") or ())}


def _names(version: ModelVersion) -> Sequence[str]:
    """Return what a flag that concerns a version may name: it, the run that made it, the rows it was fitted on."""
    return [version.ref, *filter(None, [version.run_id]), *_data(version)]


def _data(version: ModelVersion) -> list[str]:
    """Return the data that the run of a version read, and the versions of data sets that hold it."""
    from nbmlops.store import datasets, runs

    found = [str(name) for name in version.signature.get("datasets") or ()]
    run = runs.load(session.store(), version.run_id) if version.run_id else None
    prints = {d["fingerprint"] for d in (run or {}).get("datasets", ()) if d.get("role", "read") == "read"}
    if prints:
        kept = datasets.listed(session.store())
        found += [f"{d['name']}@{d['version']}" for d in kept if d["fingerprint"] in prints]
    return [*found, *(f"data:{fingerprint[:32]}" for fingerprint in prints)]
