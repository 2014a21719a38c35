"""Erase personal rows: what predictions were made of, feedback, flags' words, kept rows of data sets, backgrounds.

Files are written without the rows first, then every table changes with its events in one transaction, then the old
files go. Killed in between, nothing is lost, and the next call takes away what the last one could not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nbmlops.errors import Invalid, NotAllowed, unknown
from nbmlops.governance import personal
from nbmlops.governance.personal import Found
from nbmlops.hooks import Shown
from nbmlops.records import plain
from nbmlops.registry import conditions
from nbmlops.store import erasing as stored
from nbmlops.store import governed
from nbmlops.store.database import Transaction
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

__all__ = ["TABLES", "Erased", "erase"]

TABLES = ("predictions", "feedback", "flags", "dataset")
Json = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Erased(Shown):
    """What was erased, or would be; and what was derived from it and stays."""

    shows: ClassVar[str] = "erased"

    what_if: bool
    rows: Mapping[str, int]  # by table
    of: Mapping[str, tuple[str, ...]]  # models and versions they are of, by table
    files: int = 0  # old files that went
    left: int = 0  # old files that could not go yet: the next call takes them
    not_erased: tuple[str, ...] = ()

    def to_dict(self) -> Json:
        """Return plain JSON."""
        found: Json = plain(self)
        return found


def erase(where: str, table: str | None = None, yes: bool = False) -> Erased:
    """Erase the rows that fit a condition from what the store keeps of people; without ``yes`` only count them.

    Of predictions go the inputs and the key, of data sets and backgrounds the values; places and answers stay, so that
    counts do. Feedback goes whole, of flags the words. The events hold how many, and digests, never a value.

    Parameters
    ----------
    where : str
        A condition on columns, such as ``booking = 'B17'``: of inputs and kept rows, or ``key``, ``prediction_id``, and
        of feedback and flags ``actor``, ``author``, ``subject``. It is asked of each table that has the columns.
    table : {"predictions", "feedback", "flags", "dataset"}, optional
        Only this one; a background goes with the data sets. All when absent.
    yes : bool
        Do it.

    Returns
    -------
    Erased
        ``not_erased`` names what was derived from the rows and stays.

    Raises
    ------
    Invalid
        No condition, or nothing in the store has its columns.
    NotFound
        No such table.
    Conflict
        Somebody changed the same rows meanwhile; nothing was erased.

    Examples
    --------
    >>> nb.erase("booking = 'B17'").rows["predictions"]  # doctest: +SKIP
    1
    """
    if table is not None and table not in TABLES:
        raise unknown("table", str(table), TABLES, where="of personal rows")
    names = _names(where)
    if yes:
        with session.store().reading() as connection:
            governed.may(connection, "steward", "erase")
    began = time.time()
    found = personal.found(where, names)
    if not found.asked:
        raise Invalid(f"Nothing that is kept has {_listed(names)}.", "Name columns of inputs, of data sets, or `key`.")
    chosen = TABLES if table is None else (table,)
    if yes:
        _write(found, chosen, where)
    files, left = _swept(began) if yes else (0, 0)
    rows, of = _counted(found, chosen)
    return Erased(not yes, rows, of, files, left, tuple(_derived(found, chosen)))


def _names(where: Any) -> list[str]:
    if not isinstance(where, str) or not where.strip() or len(where) > conditions.LONGEST:
        raise Invalid("There is no condition.", "Name rows by their columns, such as: booking = 'B17'")
    names = conditions.names(where)
    if not names:
        raise Invalid("The condition names no column.", "Name rows by their columns, such as: booking = 'B17'")
    return names


def _listed(names: Sequence[str]) -> str:
    return "the columns " + ", ".join(repr(n) for n in names) if len(names) > 1 else f"a column {names[0]!r}"


def _write(found: Found, chosen: Sequence[str], where: str) -> None:
    """Write new files, then change every table with its events in one transaction."""
    place, actor = session.artifacts(), identity.actor()
    made = {data: place.put(data) for data in _contents(found, chosen)}
    with stored.overwritten(session.store()) as change:
        if found.backgrounds and "dataset" in chosen and governed.installed(change.connection):
            names = ", ".join(f"{name}@{version}" for name, version, *_ in found.backgrounds)
            hint = "Erase the others with --table, and let the owner of the tables register the model again."
            raise NotAllowed(f"Accounts cannot change the background of {names}.", hint)
        for table in chosen:
            before, rows = WRITERS[table](change, found, made)
            if rows:
                about = {"where_digest": stored.digest_of(where), "rows": rows, "digests_before": sorted(before)}
                change.event("erase", table, about, actor)


def _contents(found: Found, chosen: Sequence[str]) -> Iterator[bytes]:
    if "predictions" in chosen:
        yield from (data for _, _, data, _ in found.blocks if data is not None)
    if "dataset" in chosen:
        yield from (data for *_, data, _ in found.datasets)
        yield from (data for _, _, _, data, _, _ in found.backgrounds if data is not None)


def _write_predictions(change: Transaction, found: Found, made: Mapping[bytes, str]) -> tuple[set[str], int]:
    for block, data, packed, inputs in found.blocks:
        stored.block(change, block, data, None if packed is None else made[packed], inputs)
    return {b.digest for b, *_ in found.blocks if b.digest}, found.predictions


def _write_datasets(change: Transaction, found: Found, made: Mapping[bytes, str]) -> tuple[set[str], int]:
    before = set()
    for name, version, old, data, _ in found.datasets:
        stored.dataset(change, name, version, old, made[data], len(data))
        before.add(old)
    for name, version, old, kept, left, _ in found.backgrounds:
        new = None if kept is None else {"digest": made[kept], "rows": left}
        before |= {old, stored.signature(change, name, version, old, new)}
    return before, sum(n for *_, n in found.datasets) + sum(n for *_, n in found.backgrounds)


def _write_feedback(change: Transaction, found: Found, made: Mapping[bytes, str]) -> tuple[set[str], int]:
    stored.forget_feedback(change, [row["id"] for row in found.feedback])
    return set(), len(found.feedback)


def _write_flags(change: Transaction, found: Found, made: Mapping[bytes, str]) -> tuple[set[str], int]:
    for row in found.flags:
        stored.flag(change, row["flag_id"], row["data"])
    return {row["digest"] for row in found.flags}, len(found.flags)


WRITERS = {
    "predictions": _write_predictions,
    "feedback": _write_feedback,
    "flags": _write_flags,
    "dataset": _write_datasets,
}


def _swept(began: float) -> tuple[int, int]:
    """Take away the files that this or an earlier call named; return how many went, and how many are left.

    One that was put since this call began is left: somebody may be about to name it.
    """
    store, place = session.store(), session.artifacts()
    there = [d for d in stored.named(store) if place.has(d)]
    used = stored.referenced(store, there)
    gone = [d for d in there if d not in used and place.delete(d, began)]
    return len(gone), len([d for d in there if d not in used]) - len(gone)


def _counted(found: Found, chosen: Sequence[str]) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    rows = {
        "predictions": found.predictions,
        "feedback": len(found.feedback),
        "flags": len(found.flags),
        "dataset": sum(n for *_, n in found.datasets) + sum(n for *_, n in found.backgrounds),
    }
    of = {
        "predictions": {f"{b.model}@{b.version}" for b, *_ in found.blocks},
        "feedback": {str(row["model"]) for row in found.feedback if row["model"]},
        "flags": {str(row["flag_id"]) for row in found.flags},
        "dataset": {f"{n}@{v}" for n, v, *_ in found.datasets}
        | {f"background of {n}@{v}" for n, v, *_ in found.backgrounds},
    }
    return {t: rows[t] for t in chosen}, {t: tuple(sorted(of[t])) for t in chosen}


def _derived(found: Found, chosen: Sequence[str]) -> Iterator[str]:
    """Yield what was made of the rows and stays, plainly."""
    from nbmlops.store.models import listed

    held = {f"{n}@{v}" for n, v, *_ in found.datasets}
    fitted = [v.ref for v in listed(session.store()) if held.intersection(v.signature.get("datasets") or ())]
    if fitted:
        yield f"Models fitted on them: {', '.join(fitted)}. What they learnt stays; train them again without the rows."
    if held:
        yield f"Profiles, fingerprints and what rules found of {', '.join(sorted(held))}: counts, ranges, categories."
    if found.predictions:
        yield "What was predicted and when: answers, ids and times stay, without what they were made of."
    if any(_counted(found, chosen)[0].values()):
        yield "Evaluations, drift checks and reports that were made: numbers of all rows, answers of the worst ones."
        yield "Files outside the store: backups, exports, bundles, notebooks, and files that runs kept."
    if session.store().set_aside():
        yield "Lines of journals that could not be taken in, whatever they hold: nbmlops doctor."
    if found.flags:
        yield "Of flags who flagged what, when and how it ended; names of rows by their number."
