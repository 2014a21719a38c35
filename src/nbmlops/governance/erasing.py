"""Erase personal rows: what predictions were made of, feedback, flags' words, kept rows of data sets, backgrounds.

Files are written without the rows first, then every table changes with its events in one transaction, then the old
files go. Killed in between, nothing is lost, and the next call takes away what the last one could not.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nbmlops.errors import Invalid, MissingPackage, NotAllowed, NotFound, unknown
from nbmlops.hooks import Shown
from nbmlops.monitoring.predicting import blocks
from nbmlops.records import in_block, plain
from nbmlops.registry import conditions
from nbmlops.store import erasing as stored
from nbmlops.store import governed
from nbmlops.store.database import Transaction
from nbmlops.store.predictions import Block
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "Erased", "erase"]

TABLES = ("predictions", "feedback", "flags", "dataset")
OF_FEEDBACK = ("prediction_id", "model", "key", "source", "actor", "kind", "verdict", "reason", "at")
Mask = np.ndarray[Any, np.dtype[np.bool_]]
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


@dataclass
class _Found:
    """What fits a condition: content without it, and what there was before."""

    blocks: list[tuple[Block, Json | None, bytes | None, bool]] = field(default_factory=list)
    datasets: list[tuple[str, int, str, bytes, int]] = field(default_factory=list)  # rows erased last
    backgrounds: list[tuple[str, int, str, bytes | None, int, int]] = field(default_factory=list)
    feedback: list[Json] = field(default_factory=list)
    flags: list[Json] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)  # of predictions
    keys: set[tuple[str, str]] = field(default_factory=set)  # model and key of these
    places: set[str] = field(default_factory=set)  # flights@7#17
    asked: bool = False  # whether any table has the columns
    predictions: int = 0


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
    found = _found(where, names)
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


def _found(where: str, names: list[str]) -> _Found:
    found = _Found()

    def fits(frame: pd.DataFrame) -> Mask | None:
        if not {*names} <= {*map(str, frame.columns)}:
            return None
        found.asked = True
        return conditions.Rows(frame).where(where)

    _predictions(found, fits)
    _datasets(found, fits)
    _backgrounds(found, fits)
    _feedback(found, fits)
    _flags(found, fits)
    return found


def _predictions(found: _Found, fits: Any) -> None:
    """Find blocks with rows that fit, and what they are without these."""
    from nbmlops.monitoring.predicting.recorded import content
    from nbmlops.store import predictions

    store = session.store()
    for block in (b for model in predictions.models_of(store) for b in predictions.blocks(store, model)):
        try:
            said = content(block)
        except NotFound:  # of a file that is gone nothing is left to take
            continue
        frame = _frame(block, said)
        mask = fits(frame)
        if mask is None:
            continue
        personal = [n for n in frame.columns if n != "prediction_id"]
        known = frame[personal].notna().any(axis=1).to_numpy() if personal else np.zeros(len(frame), bool)
        mask = np.asarray(mask, bool)
        found.ids |= {i for i, m in zip(frame["prediction_id"], mask, strict=True) if m}
        if "key" in frame:
            found.keys |= {
                (block.model, str(k)) for k, m in zip(frame["key"], mask, strict=True) if m and k is not None
            }
        if (mask & known).any():
            found.predictions += int((mask & known).sum())
            found.blocks.append(_block_without(block, said, mask))


def _frame(block: Block, said: Mapping[str, Any]) -> pd.DataFrame:
    """Return what a block holds of people, one row a prediction."""
    import pandas as pd

    inputs = said.get("inputs")
    frame = pd.DataFrame(index=range(block.rows)) if inputs is None else inputs.reset_index(drop=True)
    keys = {n: said[n].reset_index(drop=True) for n in blocks.KEYS if said.get(n) is not None and n not in frame}
    ids = [in_block(block.prediction_id, place) for place in range(block.rows)]
    return frame.assign(**keys, prediction_id=ids)


def _block_without(block: Block, said: Mapping[str, Any], mask: Mask) -> tuple[Block, Json | None, bytes | None, bool]:
    kept, stays = dict(said), ~mask
    for name in blocks.KEYS:
        if kept.get(name) is not None:
            kept[name] = kept[name].astype(object).reset_index(drop=True)[stays].reindex(range(block.rows))
    inputs = kept.get("inputs")
    if inputs is not None:
        inputs = inputs.reset_index(drop=True)[stays].reindex(range(block.rows))
        kept["inputs"] = inputs if inputs.notna().any(axis=None) else None
    there = kept.get("inputs") is not None
    kept = kept if there else blocks.without_inputs(kept)
    return (
        (block, blocks.plainly(kept), None, there)
        if block.digest is None
        else (block, None, blocks.packed(kept), there)
    )


def _datasets(found: _Found, fits: Any) -> None:
    """Find kept rows of data sets that fit: their values become missing, for others are named by their places."""
    from nbmlops.store import datasets

    kept = [row for row in datasets.listed(session.store()) if row["digest"]]
    if not kept:
        return
    pa, parquet = _arrow()
    for row in kept:
        try:
            table = parquet.read_table(io.BytesIO(session.artifacts().get(row["digest"])))
        except NotFound:
            continue
        frame = table.to_pandas().reset_index(drop=True)
        mask = fits(frame)
        mask = None if mask is None else np.asarray(mask, bool) & frame.notna().any(axis=1).to_numpy()
        if mask is None or not mask.any():
            continue
        places = pa.array([None if m else i for i, m in enumerate(mask)], pa.int64())
        buffer = io.BytesIO()
        parquet.write_table(table.take(places), buffer)
        found.places |= {f"{row['name']}@{row['version']}#{i}" for i in np.flatnonzero(mask)}
        found.datasets.append((row["name"], row["version"], row["digest"], buffer.getvalue(), int(mask.sum())))


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackage("pyarrow", "erase rows of data sets") from error
    return pa, parquet


def _backgrounds(found: _Found, fits: Any) -> None:
    """Find rows kept to explain answers against: they go, for nobody names them."""
    import pandas as pd

    for row in stored.backgrounds(session.store()):
        about = row["signature"]["background"]
        try:
            kept = json.loads(session.artifacts().get(about["digest"]))
        except NotFound:
            continue
        frame = pd.DataFrame({c["name"]: pd.Series(c["values"], dtype=object).infer_objects() for c in kept["columns"]})
        mask = fits(frame)
        if mask is None or not np.asarray(mask, bool).any():
            continue
        stays = ~np.asarray(mask, bool)
        columns = [{**c, "values": [v for v, s in zip(c["values"], stays, strict=True) if s]} for c in kept["columns"]]
        data = json.dumps({"columns": columns}, separators=(",", ":")).encode() if stays.any() else None
        left, gone = int(stays.sum()), int((~stays).sum())
        found.backgrounds.append((row["name"], row["version"], about["digest"], data, left, gone))


def _feedback(found: _Found, fits: Any) -> None:
    """Find feedback that fits, is of a prediction that does, or came under its key."""
    import pandas as pd

    rows = stored.every_feedback(session.store())
    if not rows:
        return
    frame = pd.DataFrame([{n: row[n] for n in OF_FEEDBACK} for row in rows], dtype=object)
    mask = fits(frame)
    fit = np.zeros(len(rows), bool) if mask is None else np.asarray(mask, bool)
    found.feedback = [row for row, m in zip(rows, fit, strict=True) if m or _of_found(row, found)]


def _of_found(row: Json, found: _Found) -> bool:
    return row["prediction_id"] in found.ids or (
        not row["prediction_id"] and (row["model"], str(row["key"])) in found.keys
    )


def _flags(found: _Found, fits: Any) -> None:
    """Find flags whose key or author fits, and those on predictions and rows that do."""
    import pandas as pd

    from nbmlops.store import flags

    for row in flags.listed(session.store()):
        said = row["data"].get("said") or {}
        if not said.get("text"):
            continue
        own = {k: row[k] for k in ("flag_id", "subject", "author")}
        mask = fits(pd.DataFrame([{**(said.get("key") or {}), **own}], dtype=object))
        if (mask is not None and bool(mask[0])) or row["subject"] in found.ids | found.places:
            found.flags.append(row)


def _write(found: _Found, chosen: Sequence[str], where: str) -> None:
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


def _contents(found: _Found, chosen: Sequence[str]) -> Iterator[bytes]:
    if "predictions" in chosen:
        yield from (data for _, _, data, _ in found.blocks if data is not None)
    if "dataset" in chosen:
        yield from (data for *_, data, _ in found.datasets)
        yield from (data for _, _, _, data, _, _ in found.backgrounds if data is not None)


def _write_predictions(change: Transaction, found: _Found, made: Mapping[bytes, str]) -> tuple[set[str], int]:
    for block, data, packed, inputs in found.blocks:
        stored.block(change, block, data, None if packed is None else made[packed], inputs)
    return {b.digest for b, *_ in found.blocks if b.digest}, found.predictions


def _write_datasets(change: Transaction, found: _Found, made: Mapping[bytes, str]) -> tuple[set[str], int]:
    before = set()
    for name, version, old, data, _ in found.datasets:
        stored.dataset(change, name, version, old, made[data], len(data))
        before.add(old)
    for name, version, old, kept, left, _ in found.backgrounds:
        new = None if kept is None else {"digest": made[kept], "rows": left}
        before |= {old, stored.signature(change, name, version, old, new)}
    return before, sum(n for *_, n in found.datasets) + sum(n for *_, n in found.backgrounds)


def _write_feedback(change: Transaction, found: _Found, made: Mapping[bytes, str]) -> tuple[set[str], int]:
    stored.forget_feedback(change, [row["id"] for row in found.feedback])
    return set(), len(found.feedback)


def _write_flags(change: Transaction, found: _Found, made: Mapping[bytes, str]) -> tuple[set[str], int]:
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


def _counted(found: _Found, chosen: Sequence[str]) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
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


def _derived(found: _Found, chosen: Sequence[str]) -> Iterator[str]:
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
    if found.flags:
        yield "Of flags who flagged what, when and how it ended; names of rows by their number."
