"""Feedback that names a business key: the prediction it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.monitoring.predicting import blocks as contents
from nbmlops.quality import look
from nbmlops.quality import moments as instants
from nbmlops.records import in_block
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.store.predictions import Block

__all__ = ["iso", "keys", "matched", "moments"]

NEVER = np.iinfo(np.int64).min  # a time that is missing, as pandas has it
DAY = re.compile(r"\d{4}-\d\d-\d\d")
LAST_OF_DAY_US = 86_400 * 10**6 - 1
Ints = NDArray[np.int64]


class Keyed(NamedTuple):
    """Predictions that have a key: its code among the keys looked for, their time, and where each one is."""

    codes: Ints
    times: Ints
    block: Ints
    place: Ints


def keys(column: pd.Series[Any]) -> NDArray[Any]:
    """Return business keys as text, None where one is missing: 17, 17.0 and "17" are one key.

    >>> import pandas as pd
    >>> keys(pd.Series([17.0, "B1", None], dtype=object)).tolist()
    ['17', 'B1', None]
    """
    codes, names = look.names(column)
    texts = [name.strip() or None for name in names]
    found: NDArray[Any] = np.array([*texts, None], dtype=object)[codes]
    return found


def moments(column: pd.Series[Any], end_of_day: bool = False) -> Ints:
    """Return times as microseconds since 1970 in UTC, the least number where none is given; without a zone it is UTC.

    Parameters
    ----------
    column : Series
        Times, or text as ISO 8601 has it.
    end_of_day : bool
        A date alone is the end of that day: what was predicted on it is before it. Times that are midnight throughout
        are dates, as pandas holds them.

    Raises
    ------
    Invalid
        Something is there that is no time.
    """
    import pandas as pd

    given = column.notna().to_numpy(dtype=bool)
    if not given.any():
        return np.full(len(column), NEVER)
    texts = not pd.api.types.is_datetime64_any_dtype(column.dtype)
    found = instants.read(column.astype(str).where(given), "ISO8601") if texts else instants.read(column)
    if wrong := int((given & found.isna().to_numpy()).sum()):
        raise Invalid(f"{wrong:,} times cannot be read.", "Write 2026-03-01 or 2026-03-01T02:00:00+01:00.")
    ticks: Ints = found.dt.tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    if not end_of_day:
        return ticks
    days = column.map(_is_day).to_numpy(dtype=bool) if texts else given & _all_midnight(column)
    return np.where(days, ticks + LAST_OF_DAY_US, ticks)


def iso(moment: int) -> str | None:
    """Return microseconds since 1970 as text in UTC, None where they are missing.

    >>> iso(0)
    '1970-01-01T00:00:00.000000+00:00'
    """
    if moment == NEVER:
        return None
    return f"{np.datetime_as_string(np.datetime64(int(moment), 'us'))}+00:00"


def matched(model: str, wanted: NDArray[Any], times: Ints) -> list[str]:
    """Return the id of the prediction each key belongs to, empty where there is none.

    With a time it is the one whose own time (``key_at``, else when it was made) is the newest at or before it, of
    several the one made last; without, the one made last. Blocks are read newest first, their keys alone, until every
    key has its prediction for certain.

    Parameters
    ----------
    model : str
    wanted : array of str
    times : array of int
        As :func:`moments` returns them.
    """
    import pandas as pd

    codes, known = pd.factorize(wanted)
    search = _Search(codes.astype(np.int64), pd.Index(known), times)
    for some in _pages(model):
        if not search.open.any():
            break
        search.look(some)
    return search.ids


class _Search:
    """Keys that are looked for in one lot of blocks after another, the newest first."""

    def __init__(self, codes: Ints, known: pd.Index[Any], times: Ints) -> None:
        self.codes, self.known, self.times = codes, known, times
        self.ids = [""] * len(codes)
        self.best = np.full(len(codes), NEVER)
        self.open = np.ones(len(codes), dtype=bool)

    def look(self, some: Sequence[Block]) -> None:
        """Take what fits better than all that was seen before, which was made later."""
        keyed = _keyed(some, self.known)
        if not len(keyed.codes):
            return
        rows = np.flatnonzero(self.open & np.isin(self.codes, np.unique(keyed.codes)))
        found = _newest_at(keyed, self.codes[rows], self.times[rows])
        timed = self.times[rows] != NEVER
        hit = found >= 0
        at = np.where(hit, keyed.times[found], NEVER)
        better = hit & (~timed | (at > self.best[rows]) | np.array([not self.ids[r] for r in rows], dtype=bool))
        for row, place in zip(rows[better].tolist(), found[better].tolist(), strict=True):
            self.ids[row] = in_block(some[int(keyed.block[place])].prediction_id, int(keyed.place[place]))
        self.best[rows[better]] = at[better]
        self.open[rows[hit & (~timed | (at == self.times[rows]))]] = False


def _newest_at(keyed: Keyed, codes: Ints, times: Ints) -> Ints:
    """Return the place in ``keyed`` of the newest at or before each time, of the last made without one; -1 is none."""
    found = np.full(len(codes), -1)
    timed = times != NEVER
    made = np.arange(len(keyed.codes))
    for which, order, limit in ((timed, keyed.times, times), (~timed, made, np.full(len(codes), len(made)))):
        if which.any():
            found[which] = _last_before(keyed.codes, order, codes[which], limit[which])
    return found


def _last_before(codes: Ints, order: Ints, wanted: Ints, limit: Ints) -> Ints:
    """Return for each wanted code the place of the last in an order, at or before a limit; of equals the last made."""
    import pandas as pd

    there = pd.DataFrame({"code": codes, "order": order, "place": np.arange(len(codes))})
    asked = pd.DataFrame({"code": wanted, "order": limit, "row": np.arange(len(wanted))})
    joined = pd.merge_asof(
        asked.sort_values("order", kind="stable"), there.sort_values("order", kind="stable"), on="order", by="code"
    )
    return joined.sort_values("row")["place"].fillna(-1).to_numpy(dtype=np.int64)


def _keyed(some: Sequence[Block], known: pd.Index[Any]) -> Keyed:
    """Return the predictions of some blocks, the newest first, with one of the keys, in the order they were made."""
    import pandas as pd

    parts = [(number, block, _columns(block)) for number, block in reversed(list(enumerate(some)))]
    parts = [(number, block, columns) for number, block, columns in parts if "key" in columns]
    if not parts:
        return Keyed(*(np.empty(0, dtype=np.int64) for _ in range(4)))
    rows = [block.rows for _, block, _ in parts]
    named = pd.concat([columns["key"].astype(object) for *_, columns in parts], ignore_index=True)
    codes = known.get_indexer(pd.Index(keys(named), dtype=object)).astype(np.int64)
    made = moments(pd.Series([block.at for _, block, _ in parts]))
    own = np.concatenate([_own(columns, n) for n, (*_, columns) in zip(rows, parts, strict=True)])
    times = np.where(own == NEVER, np.repeat(made, rows), own)
    number = np.repeat([n for n, *_ in parts], rows)
    place = np.concatenate([np.arange(n) for n in rows])
    there = codes >= 0
    return Keyed(codes[there], times[there], number[there], place[there])


def _columns(block: Block) -> dict[str, Any]:
    return contents.keys_of(session.artifacts().get(block.digest) if block.digest else block.data or {})


def _own(columns: dict[str, Any], rows: int) -> Ints:
    return moments(columns["key_at"]) if "key_at" in columns else np.full(rows, NEVER)


def _pages(model: str) -> Iterator[list[Block]]:
    """Yield blocks, the newest first: one with a file alone, small ones many at a time."""
    from nbmlops.store import predictions as stored

    small: list[Block] = []
    for block in stored.newest_first(session.store(), model):
        if block.digest is None:
            small.append(block)
            if len(small) < MANY:
                continue
        if small:
            yield small
            small = []
        if block.digest is not None:
            yield [block]
    if small:
        yield small


MANY = 1000  # small blocks looked through at once


def _is_day(value: Any) -> bool:
    if isinstance(value, str):
        return bool(DAY.fullmatch(value.strip()))
    return type(value) is date


def _all_midnight(column: pd.Series[Any]) -> bool:
    """Tell whether times are dates: a column of times holds no date alone."""
    known = column.dropna()
    return bool((known.dt.normalize() == known).all())
