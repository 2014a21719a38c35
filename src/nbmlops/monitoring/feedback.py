"""What comes back for predictions; rows are added, never changed, and nothing that is handed in is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.monitoring.performance import same
from nbmlops.records import now, plain
from nbmlops.tracking import session

__all__ = ["Received", "feedback"]

SLICE_ROWS = 5000  # rows in one journal event


@dataclass(frozen=True)
class Received:
    """What became of outcomes that were handed in; nothing of it is lost."""

    rows: int
    new: int
    changed: int
    duplicates: int
    unknown: int
    unknown_ids: tuple[str, ...] = ()


def feedback(frame: Any, source: str = "outcome") -> Received:
    """Keep outcomes that came back for predictions; the same one twice counts once.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``prediction_id`` and ``outcome``; a column ``source`` where it differs between rows.
    source : str
        Who says so.

    Returns
    -------
    Received
        How many were new, changed an earlier outcome, were there already, or belong to no prediction known here
        (these are kept, and join should the prediction arrive later).

    Raises
    ------
    Invalid
        A column is missing, or an outcome is.

    Examples
    --------
    >>> nb.feedback(outcomes).new  # doctest: +SKIP
    27004
    """
    from nbmlops.store import predictions as stored

    rows = _outcomes(frame, source)
    ids = list(dict.fromkeys(row["prediction_id"] for row in rows))
    came = [f for f in stored.newest(session.store(), ids) if f["kind"] == "outcome"]
    latest = {(f["prediction_id"], f["source"]): f["outcome"] for f in came}
    strangers = sorted(set(ids) - stored.known(session.store(), ids))
    kept, changed = [], 0
    for row in rows:
        key = (row["prediction_id"], row["source"])
        if key in latest and same(latest[key], row["outcome"]):
            continue
        changed += key in latest
        latest[key] = row["outcome"]
        kept.append(row)
    at = now()
    for start in range(0, len(kept), SLICE_ROWS):
        session.write({"t": "feedback", "at": at, "rows": kept[start : start + SLICE_ROWS]})
    return Received(len(rows), len(kept) - changed, changed, len(rows) - len(kept), len(strangers), tuple(strangers))


def _outcomes(frame: Any, source: str) -> list[dict[str, Any]]:
    from nbmlops.registry.signature import table

    rows = table(frame)
    if missing := [c for c in ("prediction_id", "outcome") if c not in rows.columns]:
        raise Invalid(
            f"Feedback without a column {missing[0]!r}.", "It needs prediction_id and outcome; source is optional."
        )
    if gaps := int(rows[["prediction_id", "outcome"]].isna().any(axis=1).sum()):
        raise Invalid(f"{gaps:,} rows of feedback miss their id or outcome.", "Hand in what is known: frame.dropna().")
    sources = rows["source"].fillna(source) if "source" in rows.columns else [source] * len(rows)
    values = zip(rows["prediction_id"].astype(str), rows["outcome"].tolist(), map(str, sources), strict=True)
    return [{"prediction_id": i, "outcome": plain(o), "source": s} for i, o, s in values]
