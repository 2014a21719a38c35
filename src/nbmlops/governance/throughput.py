"""How fast a project delivers: time to market, share of promotions rolled back, time to restore."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.hooks import Shown
from nbmlops.records import plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.stats import intervals

__all__ = ["FEWEST", "Delivered", "Throughput", "Went", "measured", "throughput"]

FEWEST = 3  # of a kind, below which no median or share is told
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Went:
    """One thing that took its time: what, from when until when, what began and what ended it; open without an end."""

    what: str
    began_at: str
    ended_at: str | None = None
    begun_by: str = ""
    ended_by: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        if self.ended_at is None:
            return None
        return (datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.began_at)).total_seconds()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "seconds": self.seconds}


@dataclass(frozen=True)
class Delivered:
    """One measure: its value with a 95 % interval and how many it rests on; None where these are too few."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    each: tuple[Went, ...] = ()
    open: int = 0  # begun and not ended: not among the n

    @property
    def needed(self) -> int:
        """How many more it needs to be told."""
        return max(0, FEWEST - self.n)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "each": [e.to_dict() for e in self.each], "needed": self.needed}


@dataclass(frozen=True, repr=False)
class Throughput(Shown):
    """How fast models come into use, how often one is taken back, how long it takes until a loss is mended."""

    shows: ClassVar[str] = "throughput"

    time_to_market: Delivered
    rolled_back: Delivered
    time_to_restore: Delivered
    models: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        kinds = ("time_to_market", "rolled_back", "time_to_restore")
        return {**{k: getattr(self, k).to_dict() for k in kinds}, "models": list(self.models)}


def throughput(name: str | None = None) -> Throughput:
    """Measure how fast a project, or one model of it, delivers; from the log of events, runs and episodes.

    *Time to market* of a version goes from the first run it came from to the time it first became champion. *Rolled
    back* is the share of promotions to champion that a rollback took back. *Time to restore* goes from an episode at
    alert level about the champion of then until all such episodes are closed or another version is champion: a new
    one, or by a rollback the one before. What overlaps is one loss.

    Parameters
    ----------
    name : str, optional
        One model; all when absent.

    Returns
    -------
    Throughput
        Medians in seconds and a share, each with n; under 3 of a kind the value is None: insufficient data.

    Raises
    ------
    NotFound
        No such model was ever registered.

    Examples
    --------
    >>> nb.throughput().time_to_market.n  # doctest: +SKIP
    4
    """
    from nbmlops.registry import past
    from nbmlops.store import episodes, events

    if name:
        past.moves(name)  # an unknown model is an error
    with session.store().reading() as connection:
        said = [*events.listed(connection, action="register"), *events.listed(connection, action="alias")]
    found = [e for e in sorted(said, key=lambda e: int(e["seq"])) if name in (None, _model(e))]
    runs = [e["data"].get("run_id") for e in found if e["action"] == "register"]
    return measured(found, episodes.listed(session.store(), name), _starts(runs))


def measured(events: Sequence[Json], episodes: Iterable[Json], started: Mapping[str, str]) -> Throughput:
    """Return the measures of a history.

    Parameters
    ----------
    events : sequence of mapping
        ``register`` and ``alias`` events, oldest first.
    episodes : iterable of mapping
    started : mapping
        When the first run a version came from began, by the run that registered it.

    Returns
    -------
    Throughput
    """
    moves = [e for e in events if e["action"] == "alias" and e["subject"].endswith("@champion")]
    runs = {e["subject"]: str(e["data"].get("run_id")) for e in events if e["action"] == "register"}
    return Throughput(
        _timed(_marketed(moves, {ref: started[run] for ref, run in runs.items() if run in started})),
        _share(_taken(moves)),
        _timed(_losses(moves, episodes)),
        tuple(sorted({_model(e) for e in events})),
    )


def _marketed(moves: Iterable[Json], began: Mapping[str, str]) -> list[Went]:
    """Return the way of each version from its first run to its first day as champion."""
    first: dict[str, str] = {}
    for event in moves:
        first.setdefault(f"{_model(event)}@{event['data'].get('version')}", event["at"])
    return [Went(ref, began[ref], at, "first run", "champion") for ref, at in first.items() if ref in began]


def _taken(moves: Iterable[Json]) -> list[Went]:
    """Return each promotion, ended by the rollback that took it back."""
    found: list[Went] = []
    for name, history in _by_model(moves):
        standing: list[Went] = []
        for event in history:
            number = event["data"].get("version")
            if event["data"].get("rollback"):
                while standing and standing[-1].what != f"{name}@{number}":
                    undone = standing.pop()
                    found.append(Went(undone.what, undone.began_at, event["at"], "champion", "rolled back"))
            elif number is not None:
                standing.append(Went(f"{name}@{number}", event["at"], None, "champion"))
        found += standing
    return sorted(found, key=lambda w: (w.began_at, w.what))


def _losses(moves: Iterable[Json], episodes: Iterable[Json]) -> list[Went]:
    """Return each time something was lost: what overlaps is one, mended when all is closed or another version came."""
    history = {name: list(found) for name, found in _by_model(moves)}
    return _joined(_of_episode(e, history[e["model"]]) for e in episodes if _serving(e, history.get(e["model"], ())))


def _serving(episode: Json, history: Iterable[Json]) -> bool:
    """Tell whether an episode is at alert level, and about the version that was champion when it opened."""
    before = [e["data"].get("version") for e in history if e["at"] <= episode["opened_at"]]
    return episode["level"] == "alert" and before[-1:] == [episode["version"]]


def _of_episode(episode: Json, history: Iterable[Json]) -> Went:
    opened = episode["opened_at"]
    ends = ((episode["closed_at"], "closed"), _replaced(history, episode))
    at, by = min(((at, by) for at, by in ends if at), default=(None, ""))
    return Went(episode["model"], opened, at, f"{episode['code']} {episode['column']}".strip(), by)


def _replaced(history: Iterable[Json], episode: Json) -> tuple[str | None, str]:
    """Return when another version became champion after an episode opened, and by what."""
    others = (e for e in history if e["data"].get("version") not in (None, episode["version"]))
    event = next((e for e in others if e["at"] > episode["opened_at"]), None)
    if event is None:
        return None, ""
    return str(event["at"]), "rollback" if event["data"].get("rollback") else "promotion"


def _joined(begun: Iterable[Went]) -> list[Went]:
    """Return stretches of each model, those that overlap as one."""
    found: list[Went] = []
    for went in sorted(begun, key=lambda w: (w.what, w.began_at)):
        last = found[-1] if found and found[-1].what == went.what else None
        if last is None or (last.ended_at is not None and last.ended_at < went.began_at):
            found.append(went)
            continue
        longest = max((last, went), key=lambda w: w.ended_at or "~")
        found[-1] = Went(last.what, last.began_at, longest.ended_at, last.begun_by, longest.ended_by)
    return sorted(found, key=lambda w: (w.began_at, w.what))


def _timed(each: Sequence[Went]) -> Delivered:
    """Return the median of what has ended."""
    took = [s for w in each if (s := w.seconds) is not None]
    if len(took) < FEWEST:
        return _delivered(None, len(took), each, len(each) - len(took))
    from nbmlops.stats import intervals

    return _delivered(intervals.median(took), len(took), each, len(each) - len(took))


def _share(each: Sequence[Went]) -> Delivered:
    """Return the share that was taken back."""
    taken = sum(w.ended_at is not None for w in each)
    if len(each) < FEWEST:
        return _delivered(None, len(each), each, 0)
    from nbmlops.stats import intervals

    return _delivered(intervals.share(taken, len(each)), len(each), each, 0)


def _delivered(found: intervals.Interval | None, n: int, each: Iterable[Went], open_: int) -> Delivered:
    value, low, high = (float(b) if isfinite(b) else None for b in found or (nan, nan, nan))
    return Delivered(value, low, high, n, tuple(each), open_)


def _by_model(moves: Iterable[Json]) -> Iterable[tuple[str, Iterable[Json]]]:
    return groupby(sorted(moves, key=lambda e: (_model(e), int(e["seq"]))), key=_model)


def _starts(run_ids: Iterable[str | None]) -> dict[str, str]:
    """Return when the first run behind each of these began: the run itself, or the notebook it is part of."""
    from nbmlops.store.runs import load_many

    store = session.store()
    runs = {r["run_id"]: r for r in load_many(store, [str(i) for i in run_ids if i])}
    around = {r["run_id"]: r for r in load_many(store, sorted({r["parent"] for r in runs.values() if r["parent"]}))}
    both = {i: [r, around.get(r["parent"])] for i, r in runs.items()}
    return {i: min(str(r["started_at"]) for r in found if r) for i, found in both.items()}


def _model(event: Json) -> str:
    return str(event["subject"].rpartition("@")[0])
