"""How long what predictions were made of is kept: after so many days it goes, what was said stays."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from nbmlops.config import Project
from nbmlops.errors import Conflict, Invalid, NotFound, tell, unknown
from nbmlops.hooks import Shown
from nbmlops.monitoring.predicting import blocks
from nbmlops.records import now, plain
from nbmlops.store.artifacts import Artifacts
from nbmlops.store.database import Store, open_store
from nbmlops.store.predictions import Block
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

__all__ = ["KEEP_DAYS", "Pruned", "listed", "prune", "prune_daily"]

KEEP_DAYS = 90
DAY_S = 86_400.0
AT_ONCE = 100  # blocks in one transaction


@dataclass(frozen=True, repr=False)
class Pruned(Shown):
    """What predictions were made of, as far as it expired.

    Attributes
    ----------
    before : str
        What was predicted before this time is expired.
    blocks, rows : int
        From how many it was taken, or would be.
    damaged : tuple of str
        Digests of files that could not be read: what is in them stays, and is asked for again the next time.
    """

    shows: ClassVar[str] = "pruned"

    before: str
    keep_days: float
    blocks: int = 0
    rows: int = 0
    models: tuple[str, ...] = ()
    what_if: bool = False
    damaged: tuple[str, ...] = ()

    @property
    def fault(self) -> str:
        """What stays though it expired; "" where nothing does."""
        if not self.damaged:
            return ""
        return (
            f"Files of expired predictions are damaged, {len(self.damaged)} in all, so their inputs are not taken: "
            f"{', '.join(self.damaged[:3])}. Put a good copy there, or delete them."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(plain(self))


def prune(project: Project | None = None, at: str | None = None, what_if: bool = False) -> Pruned:
    """Take the inputs out of predictions older than ``[predictions] keep_days``; doing it again changes nothing.

    Ids, answers, keys and feedback stay. What was taken is counted in an event ``prune``.

    Parameters
    ----------
    project : Project, optional
    at : str, optional
        The time; now when absent.
    what_if : bool
        Only count.

    Raises
    ------
    Invalid
        ``keep_days`` is no number of days.
    """
    from nbmlops.store import predictions as stored

    project = project or session.project()
    store, days = open_store(project), keep_days(project)
    before = _before(at or now(), days)
    counted = Pruned(before, days, what_if=what_if)
    for page in stored.expired(store, before, AT_ONCE):
        counted = _and(counted, page, () if what_if else _taken(store, page))
    if not what_if:
        with store.atomic() as change:
            stored.pruned(change, at or now())
            if counted.blocks:
                about = {"blocks": counted.blocks, "rows": counted.rows, "before": before}
                change.event("prune", "predictions", {**about, "models": list(counted.models)}, identity.actor())
    if counted.damaged:
        tell(counted.fault)
    return counted


def _and(counted: Pruned, page: Sequence[Block], damaged: Collection[Block]) -> Pruned:
    taken = [block for block in page if block not in damaged]
    return replace(
        counted,
        blocks=counted.blocks + len(taken),
        rows=counted.rows + sum(block.rows for block in taken),
        models=tuple(sorted({*counted.models, *(block.model for block in taken)})),
        damaged=(*counted.damaged, *(str(block.digest) for block in damaged)),
    )


def prune_daily(project: Project, at: str) -> Pruned | None:
    """Prune unless it was done in the 24 hours before; None then."""
    from nbmlops.store import predictions as stored

    last = stored.pruned_at(open_store(project))
    return None if last and last > _before(at, 1) else prune(project, at)


def keep_days(project: Project) -> float:
    """Return how many days inputs are kept: ``[predictions] keep_days``, 90 when absent."""
    days = project.setting("predictions", "keep_days", KEEP_DAYS)
    if isinstance(days, bool) or not isinstance(days, (int, float)) or not 0 <= days < 36_500:
        raise Invalid(f"keep_days is {days!r} under [predictions].", "Write a number of days, such as 90.")
    return float(days)


def listed(model: str) -> list[dict[str, Any]]:
    """Return what a model predicted, by batch, or day where there is none.

    Parameters
    ----------
    model : str

    Returns
    -------
    list of dict
        ``version``, ``batch``, ``day``, ``first_at``, ``last_at``, ``rows``, ``known`` (outcomes), ``inputs`` (whether
        they are still kept: all, some, none).

    Raises
    ------
    NotFound
        It predicted nothing.
    """
    from nbmlops.monitoring.predicting.recorded import known_late
    from nbmlops.store import predictions as stored

    found = stored.overview(session.store(), model, known_late(model))
    if not found:
        raise unknown("predictions of a model", model, stored.models_of(session.store()))
    return [_kept(row) for row in found]


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    with_inputs = row["with_inputs"]
    word = "none" if not with_inputs else "all" if with_inputs == row["rows"] else "some"
    return {**{name: value for name, value in row.items() if name != "with_inputs"}, "inputs": word}


def _before(at: str, days: float) -> str:
    return (datetime.fromisoformat(at) - timedelta(days=days)).astimezone(UTC).isoformat(timespec="microseconds")


def _taken(store: Store, found: list[Block]) -> list[Block]:
    """Write blocks without inputs, all or none of these, then let their old files go; return those of damaged files."""
    from nbmlops.store import predictions as stored

    place, without, damaged = store.artifacts, [], []
    for block in found:
        try:
            without.append((block, *_without(block, place)))
        except Conflict:  # what cannot be read cannot be written without inputs
            damaged.append(block)
    with store.atomic() as change:
        for block, data, digest in without:
            stored.replace(change, block, data, digest)
    for digest in {block.digest for block, _, kept in without if block.digest and kept != block.digest}:
        if not stored.holders(store, digest):  # the same answers of the same rows are one file
            place.delete(digest, before=time.time() - DAY_S)  # a younger one may be named by what is on its way: gc's
    return damaged


def _without(block: Block, place: Artifacts) -> tuple[Mapping[str, Any] | None, str | None]:
    """Return data and digest of a block without its inputs; of a file that is gone nothing is left to take."""
    try:
        kept = block.data or {} if block.digest is None else place.get(block.digest)
        said = blocks.without_inputs(blocks.unpacked(kept))
    except NotFound:
        return block.data, block.digest
    if block.digest is None:
        return blocks.plainly(said), None
    return None, place.put(blocks.packed(said))
