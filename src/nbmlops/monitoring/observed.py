"""Drift without data: what a model version was asked and said, as it is recorded, against its own reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbmlops.drift import report as reports
from nbmlops.drift import shown
from nbmlops.drift.answers import is_chance
from nbmlops.drift.reference import Reference, load
from nbmlops.errors import NotFound
from nbmlops.monitoring import voices
from nbmlops.monitoring.episodes import CAME, OUTCOMES
from nbmlops.monitoring.performance import ago, canonical, outcomes_after, to_come
from nbmlops.quality import look
from nbmlops.records import LEVELS, Finding, now
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.drift.report import DriftReport
    from nbmlops.monitoring.predicting.recorded import Predicted
    from nbmlops.records import ModelVersion
    from nbmlops.store.predictions import Block

__all__ = ["DAY", "HOUR", "drift"]

MOST_ROWS = 2_000_000  # the newest; what was said before is left out, and so it is told
MANY = 1000  # small blocks read at once
FEW = timedelta(days=3)  # a shorter span is chunked by hour
DAYS = 366  # chunks of a report are at most 400
AT, DAY, HOUR = "predicted_at", "predicted_day", "predicted_hour"
LENGTH = {DAY: len("2026-01-01"), HOUR: len("2026-01-01T00")}


@dataclass(frozen=True)
class Read:
    """What was recorded: a frame for each lot of blocks, the newest first, and what was said of single predictions."""

    kept: Sequence[pd.DataFrame]  # with the inputs
    bare: Sequence[pd.DataFrame]  # without: they are no longer kept
    when: Mapping[str, str]  # when a prediction was made of which an opinion or a flag came
    left_out: bool


def drift(
    ref: str,
    chunk: str | None = None,
    by: str | None = None,
    show: str | Sequence[str] | None = None,
    multivariate: bool = False,
) -> DriftReport:
    """Hold what was recorded of a model version against its reference; the arguments are those of :func:`nb.drift`.

    Without ``chunk`` it is chunked by the day a prediction was made, by the hour where all were made in under three
    days; a day or hour that is not over is no chunk yet.

    Raises
    ------
    NotFound
        No such model, or nothing is recorded of it.
    """
    from nbmlops.registry import models

    measures = shown.asked(show)
    version = models.model_version(ref)
    against = load(version.ref, None, None, chunk, by)
    came = voices.came(version)
    read = _read(version, against, {row["prediction_id"] for row in came})
    unit, over = _unit(read)
    frame, notes = _frame(read)
    at = frame.pop(AT)
    frame, ripe, told = _outcomes(frame, at, unit, against.target)
    frame = frame.assign(**{unit: _chunks(at, unit, over)})
    for name, role in ((chunk, "chunk"), (by, "segment")):
        look.require(frame, name, role)
    against, more = _comparable(frame, against)
    against = replace(against, awaited=tuple(filter(None, (against.target, against.prediction))), to_come=ripe)
    heard = voices.counted(came, read.when, _rows_of(read, unit), lambda at: _chunk(at, unit))
    own = unit if chunk is None and frame[unit].notna().any() else None
    frame = frame if own else frame.drop(columns=unit)
    report = reports.report_of(frame, against, voices.whole(heard), own or chunk, by, measures, multivariate)
    report = _with_voices(report, voices.by_chunk(heard)) if own else report
    return reports.kept(
        replace(report, notes=(*report.notes, *notes, *told, *more)), came=tuple(CAME) if own else (OUTCOMES,)
    )


def _read(version: ModelVersion, against: Reference, spoken: set[str]) -> Read:
    from nbmlops.monitoring.predicting import recorded

    outcomes = {row["prediction_id"]: row["outcome"] for row in recorded.came(version.name, version.version)}
    kept: list[pd.DataFrame] = []
    bare: list[pd.DataFrame] = []
    when: dict[str, str] = {}
    rows = 0
    for lot in _lots(version):
        if rows >= MOST_ROWS:
            return Read(kept, bare, when, True)
        made = recorded.frame_of(reversed(lot), inputs=True)
        rows += len(made.said)
        (kept if lot[0].inputs else bare).append(_part(made, version, against, outcomes))
        told = made.said[made.said["prediction_id"].isin(spoken)]
        when |= dict(zip(told["prediction_id"], told["at"], strict=True))
    if not rows:
        raise NotFound(
            f"{version.ref} has made no predictions that were kept.",
            f'Make some: nb.predict("{version.ref}", frame); or hand rows in: nb.drift(frame, "{version.ref}").',
        )
    return Read(kept, bare, when, False)


def _lots(version: ModelVersion) -> Iterator[list[Block]]:
    """Yield blocks newest first: one with a file alone, small ones many at a time, those without inputs apart."""
    from nbmlops.store import predictions as stored

    since = (datetime.fromisoformat(now()) - timedelta(days=DAYS)).isoformat(timespec="microseconds")
    lot: list[Block] = []
    for block in stored.newest_first(session.store(), version.name, version.version, since):
        if lot and (block.digest or lot[0].digest or block.inputs != lot[0].inputs or len(lot) == MANY):
            yield lot
            lot = []
        lot.append(block)
    if lot:
        yield lot


def _part(made: Predicted, version: ModelVersion, against: Reference, outcomes: Mapping[str, Any]) -> pd.DataFrame:
    """Return the inputs, the answer, the outcome and the time of some predictions; text as categories, for size."""
    import pandas as pd

    said, inputs = made
    times = {c["name"] for c in version.signature["columns"] if c.get("kind") == "time"}
    columns: dict[str, Any] = {
        str(name): look.times(column.astype(object)) if name in times else _small(column)
        for name, column in (inputs if inputs is not None else pd.DataFrame()).items()
        if name in against.inputs
    }
    answer = said["probability"] if is_chance(against) else said["prediction"]
    if against.prediction:
        columns[against.prediction] = _small(answer.infer_objects())
    if against.target and outcomes:
        columns[against.target] = _labels(said["prediction_id"].map(outcomes), version)
    return pd.DataFrame({**columns, AT: said["at"].astype("category")})


def _small(column: pd.Series[Any]) -> pd.Series[Any]:
    text = column.dtype.kind == "O" or str(column.dtype) in ("str", "string")
    return column.astype("category") if text else column


def _labels(outcomes: pd.Series[Any], version: ModelVersion) -> pd.Series[Any]:
    """Return outcomes as the classes of the signature or as numbers; what is neither is not known."""
    import pandas as pd

    if version.signature["task"] == "regression":
        return pd.to_numeric(outcomes, errors="coerce").astype(float)
    label = {canonical(c): c for c in version.signature["classes"]}
    known = {value: label.get(canonical(value)) for value in outcomes.dropna().unique()}
    return outcomes.map(known).astype("category")


def _unit(read: Read) -> tuple[str, str]:
    """Return what is chunked by, and the chunk that is not over."""
    times = [at for frame in (*read.kept, *read.bare) for at in frame[AT].cat.categories]
    span = datetime.fromisoformat(max(times)) - datetime.fromisoformat(min(times))
    unit = HOUR if span < FEW else DAY
    return unit, _chunk(now(), unit)


def _chunk(at: str, unit: str) -> str:
    """Return the day or hour of a time.

    >>> _chunk("2026-01-01T05:59:00+00:00", HOUR), _chunk("2026-01-01T05:59:00+00:00", DAY)
    ('2026-01-01 05:00', '2026-01-01')
    """
    found = at[: LENGTH[unit]].replace("T", " ")
    return f"{found}:00" if unit == HOUR else found


def _chunks(at: pd.Series[Any], unit: str, over: str) -> pd.Series[Any]:
    """Return the chunk of each row, missing in the one that is not over."""
    named = {one: _chunk(one, unit) for one in at.cat.categories}
    return at.astype(object).map({one: name for one, name in named.items() if name != over}).astype("category")


def _rows_of(read: Read, unit: str) -> dict[str, int]:
    """Return how many predictions each chunk holds, the one that is not over too."""
    found: dict[str, int] = {}
    for frame in (*read.kept, *read.bare):
        for at, rows in frame[AT].value_counts().items():
            name = _chunk(str(at), unit)
            found[name] = found.get(name, 0) + int(rows)
    return found


def _frame(read: Read) -> tuple[pd.DataFrame, list[str]]:
    """Return what can be judged, oldest first, and what has to be said of the rest."""
    notes = [f"the newest {MOST_ROWS:,} predictions; earlier ones are left out"] if read.left_out else []
    gone = sum(map(len, read.bare))
    if not read.kept:
        return _joined(read.bare), [*notes, "inputs are not kept: answers and outcomes alone are judged"]
    frame = _joined(read.kept)
    if gone:
        notes.append(f"inputs of {gone:,} of {gone + len(frame):,} predictions are not kept: these are left out")
    return frame, notes


def _outcomes(
    frame: pd.DataFrame, at: pd.Series[Any], unit: str, target: str | None
) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], str], list[str]]:
    """Return the frame with the outcomes that had time to come, what says why some rows wait, and notes."""
    after = outcomes_after()
    until = None if after is None else _chunk(ago(after), unit)
    old = at.isin([one for one in at.cat.categories if until is None or _chunk(str(one), unit) < until])

    def ripe(rows: pd.DataFrame) -> str:
        return to_come(int(rows[target].notna().sum()), int(old.loc[rows.index].sum()), after)

    if after is None or target not in frame:
        return frame, ripe, []
    frame = frame.assign(**{str(target): frame[target].where(old)})
    known, rows = int(frame[target].notna().sum()), int(old.sum())
    share = f" ({100 * known / rows:.0f} %)" if rows else ""
    note = f"outcomes of predictions at least {after} old are judged: {known:,} of {rows:,} are known{share}"
    return frame, ripe, [note]


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return parts one below the other, the last one first; categories stay categories."""
    import pandas as pd

    names = list(dict.fromkeys(name for part in parts for name in part.columns))
    return pd.DataFrame({name: _column([part.get(name, _nothing(part)) for part in reversed(parts)]) for name in names})


def _nothing(part: pd.DataFrame) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series([None] * len(part), dtype=object).astype("category")


def _column(parts: list[pd.Series[Any]]) -> pd.Series[Any]:
    import pandas as pd

    if (
        all(isinstance(p.dtype, pd.CategoricalDtype) for p in parts)
        and len({p.cat.categories.dtype for p in parts}) == 1
    ):
        return pd.Series(pd.api.types.union_categoricals(parts))
    plain = [p.astype(object) if isinstance(p.dtype, pd.CategoricalDtype) else p for p in parts]
    known = [p for p in plain if p.notna().any()] or plain[:1]
    if len(known) == len(plain):
        return pd.concat(plain, ignore_index=True)
    return pd.concat([p.astype(object) for p in plain], ignore_index=True).infer_objects()


def _comparable(frame: pd.DataFrame, against: Reference) -> tuple[Reference, list[str]]:
    """Return the reference with the inputs that are recorded, and the note on those that are not.

    Rows are not compared with each other: whoever asks twice delivers no data twice, and without all columns rows are
    alike where they were not.
    """
    from nbmlops.registry.kept import private

    against = replace(against, profile=replace(against.profile, whole=None))
    lacking = [name for name in against.inputs if name not in frame.columns]
    if not lacking:
        return against, []
    inputs = tuple(name for name in against.inputs if name in frame.columns)
    against = replace(against, inputs=inputs)
    hidden = [name for name in lacking if name in private()]
    others = [name for name in lacking if name not in hidden]
    said = [f"private, so not recorded and not compared: {', '.join(hidden)}"] if hidden else []
    return against, [*said, *([f"not recorded, so not compared: {', '.join(others)}"] if others and inputs else [])]


def _with_voices(report: DriftReport, told: Mapping[str, Sequence[Finding]]) -> DriftReport:
    """Return a report whose chunks also say what people said of their predictions."""
    chunks = tuple(_with_voice(row, told.get(str(row["name"]), ())) for row in report.chunks)
    verdict = max([report.verdict, *(row["verdict"] for row in chunks)], key=LEVELS.index)
    return replace(report, chunks=chunks, verdict=verdict)


def _with_voice(row: Mapping[str, Any], told: Sequence[Finding]) -> dict[str, Any]:
    levels = [row["verdict"], *(f.level for f in told)]
    heard = [f.to_dict() for f in told if f.outcome != "passed"]
    return {**row, "verdict": max(levels, key=LEVELS.index), "findings": [*row["findings"], *heard]}
