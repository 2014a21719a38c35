"""Personal rows: which predictions, kept rows, backgrounds, feedback and flags fit a condition, and what is left."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import MissingPackage, NotFound
from nbmlops.monitoring.predicting import blocks
from nbmlops.records import in_block
from nbmlops.registry import conditions
from nbmlops.store import erasing as stored
from nbmlops.store.predictions import Block
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Found", "found"]

OF_FEEDBACK = ("prediction_id", "model", "key", "source", "actor", "kind", "verdict", "reason", "at")
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Json = dict[str, Any]


@dataclass
class Found:
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


def found(where: str, names: list[str]) -> Found:
    """Return the rows that fit a condition, each with what is left without them; nothing is written.

    Parameters
    ----------
    where : str
        A condition on columns.
    names : list of str
        The columns it names: it is asked of each table that has them all.
    """
    found = Found()

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


def _predictions(found: Found, fits: Any) -> None:
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


def _datasets(found: Found, fits: Any) -> None:
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
        mask = _of_rows(frame, fits(frame), found) & frame.notna().any(axis=1).to_numpy()
        if not mask.any():
            continue
        places = pa.array([None if m else i for i, m in enumerate(mask)], pa.int64())
        buffer = io.BytesIO()
        parquet.write_table(table.take(places), buffer)
        found.places |= {f"{row['name']}@{row['version']}#{i}" for i in np.flatnonzero(mask)}
        found.datasets.append((row["name"], row["version"], row["digest"], buffer.getvalue(), int(mask.sum())))


def _of_rows(frame: pd.DataFrame, fit: Mask | None, found: Found) -> Mask:
    """Return which rows fit, or were made of predictions that do: an increment has their inputs, and not their key."""
    mask = np.zeros(len(frame), bool) if fit is None else np.asarray(fit, bool)
    return mask | frame["prediction_id"].isin(found.ids).to_numpy() if "prediction_id" in frame else mask


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackage("pyarrow", "erase rows of data sets") from error
    return pa, parquet


def _backgrounds(found: Found, fits: Any) -> None:
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


def _feedback(found: Found, fits: Any) -> None:
    """Find feedback that fits, is of a prediction that does, or came under its key."""
    import pandas as pd

    rows = stored.every_feedback(session.store())
    if not rows:
        return
    frame = pd.DataFrame([{n: row[n] for n in OF_FEEDBACK} for row in rows], dtype=object)
    mask = fits(frame)
    fit = np.zeros(len(rows), bool) if mask is None else np.asarray(mask, bool)
    found.feedback = [row for row, m in zip(rows, fit, strict=True) if m or _of_found(row, found)]


def _of_found(row: Json, found: Found) -> bool:
    return row["prediction_id"] in found.ids or (
        not row["prediction_id"] and (row["model"], str(row["key"])) in found.keys
    )


def _flags(found: Found, fits: Any) -> None:
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
