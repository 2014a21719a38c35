"""What the events of one run add up to, kept small however much is logged."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from nbmlops.capture.secrets import redact, redact_value
from nbmlops.records import iso, plain

__all__ = ["Fold", "Points"]

MOST_STRETCHES = 512  # of a metric: of each its least and its largest value are kept
CURVE = 100  # values of a curve in a card
Extreme = tuple[float, int]  # a value, and how many points came before it
NO_POINTS: tuple[Extreme, Extreme] = (math.inf, -1), (-math.inf, -1)
NOTHING: Extreme = (math.nan, -1)
RUN_FIELDS = (
    *("experiment", "name", "kind", "status", "cause", "started_at", "ended_at", "duration_s", "author", "parent"),
    *("previous", "notebook", "cell_id", "order", "source", "error", "git", "environment", "process", "defaults"),
)


class Points:
    """One metric of a run on one context: its newest point, how many there were, and some of them to draw."""

    def __init__(self, start: str, name: str, context: Mapping[str, Any], written: str) -> None:
        self.name, self.context = name, dict(context)
        self.head = f'{start},"name":{_text(name)}' + (f',"context":{written}' if context else "")
        self.count, self.stride, self.not_finite = 0, 1, 0
        self.newest: tuple[float, int | None, float] = (math.nan, None, 0.0)
        self.kept: list[tuple[Extreme, Extreme]] = []  # least and largest of each stretch, as (value, place)
        (self._low, self._low_at), (self._high, self._high_at) = NO_POINTS  # of this stretch
        self._until = 1  # the count at which it ends
        self._lock = threading.RLock()

    def text(self, value: float, step: int | None, at: float) -> str:
        """Return a point as the JSON of its event; the fields every point shares are written once."""
        number = repr(value) if math.isfinite(value) else json.dumps(plain(value))
        return f'{self.head},"value":{number},"step":{"null" if step is None else step},"at":{at!r}}}'

    def add(self, value: float, step: int | None, at: float) -> None:
        """Count a point; of every stretch the least and the largest stay, so that they are few and no peak is lost."""
        with self._lock:
            self.newest = (value, step, at)
            if not self._low <= value <= self._high:
                self._widen(value)
            self.count = count = self.count + 1
            if count == self._until:
                self._next_stretch()

    def _widen(self, value: float) -> None:
        if not math.isfinite(value):
            self.not_finite += 1
            return
        if value < self._low:
            self._low, self._low_at = value, self.count
        if value > self._high:
            self._high, self._high_at = value, self.count

    def _next_stretch(self) -> None:
        self.kept.append(((self._low, self._low_at), (self._high, self._high_at)))
        (self._low, self._low_at), (self._high, self._high_at) = NO_POINTS
        if len(self.kept) == MOST_STRETCHES:
            self.kept = [_joined(self.kept[i : i + 2]) for i in range(0, MOST_STRETCHES, 2)]
            self.stride *= 2
        self._until = self.count + self.stride

    def to_dict(self) -> dict[str, Any]:
        """Return the newest point, how many there were, and a curve where there were several."""
        value, step, at = self.newest
        about = {"name": self.name, "context": self.context, "value": value, "step": step}
        about |= {"at": iso(at), "count": self.count}
        return about | ({"curve": self._curve(), "not_finite": self.not_finite} if self.count > 1 else {})

    def _curve(self) -> list[float]:
        """Return values to draw: the least and the largest of each stretch, NaN where it has none, and the newest."""
        with self._lock:
            begun = ((self._low, self._low_at), (self._high, self._high_at))
            stretches = [*self.kept, *([begun] if self.count + self.stride > self._until else [])]
            newest, last = self.newest[0], self.count - 1
        size = -(-len(stretches) // (CURVE // 2))
        joined = [_joined(stretches[i : i + size]) for i in range(0, len(stretches), size)]
        drawn = [e for pair in joined for e in (sorted(set(pair), key=itemgetter(1)) if pair[0][1] >= 0 else [NOTHING])]
        return [value for value, _ in drawn] + ([] if drawn[-1][1] == last else [newest])


def _joined(stretches: Sequence[tuple[Extreme, Extreme]]) -> tuple[Extreme, Extreme]:
    """Return the least and the largest of stretches that follow each other."""
    return min(least for least, _ in stretches), max(largest for _, largest in stretches)


class Fold:
    """The events of one run so far, as the JSON of a run."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._start = f'{{"t":"metric","run_id":{json.dumps(run_id)}'
        self.fields: dict[str, Any] = dict.fromkeys(RUN_FIELDS)
        self.named: dict[str, dict[str, Any]] = {"param": {}, "tag": {}, "artifact": {}}
        self.listed: dict[str, list[Any]] = {"dataset": [], "model": []}
        self._points: dict[tuple[str, str], Points] = {}
        self._known: dict[Any, Points] = {}  # the same by what the caller wrote, which needs no JSON

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event; points have their own way (see :meth:`points`)."""
        kind, body = event["t"], {k: v for k, v in event.items() if k not in ("t", "run_id")}
        if kind in ("run", "update"):
            self.fields |= body
        elif kind in self.named:
            self.named[kind][body["name"]] = body
        elif kind in self.listed:
            self.listed[kind].append(body)

    def points(self, name: str, context: Mapping[str, Any] | None) -> Points:
        """Return the points of a metric on a context, none as yet where it is new."""
        typed: Any = name
        if context:  # 1 and True are one key, and no one context
            typed = (name, *((k, v) for k, v in context.items() if type(v) is str))
            if len(typed) <= len(context):
                return self._new_points(name, context)
        return self._known.get(typed) or self._known.setdefault(typed, self._new_points(name, context or {}))

    def _new_points(self, name: str, context: Mapping[str, Any]) -> Points:
        name = redact(name)  # here, and not at every point
        simple = plain(redact_value("", {redact(str(k)): v for k, v in context.items()})) if context else {}
        written = _encode(simple) if context else "{}"
        return self._points.setdefault((name, written), Points(self._start, name, simple, written))

    def to_dict(self) -> dict[str, Any]:
        """Return the run's JSON: one entry a metric and context, with the newest point."""
        return {
            "run_id": self.run_id,
            **{k: v for k, v in self.fields.items() if k != "lease"},
            "params": list(self.named["param"].values()),
            "tags": {name: tag["value"] for name, tag in self.named["tag"].items()},
            "artifacts": list(self.named["artifact"].values()),
            "datasets": list(self.listed["dataset"]),
            "models": list(self.listed["model"]),
            "metrics": [p.to_dict() for p in list(self._points.values()) if p.count],
        }


_text = lru_cache(1024)(json.dumps)  # the names of metrics, which few are and come again
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
