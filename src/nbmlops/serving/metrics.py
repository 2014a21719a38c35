"""What the service counts, as Prometheus reads it: requests, errors, seconds, rows, what is new to the model."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Measured", "Metrics"]

BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PATHS = ("/predict", "/explain", "/feedback", "/health", "/metrics", "/model", "/openapi.json")
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counts since the process began; written from the event loop only."""

    def __init__(self, model: str, version: int) -> None:
        self.about: Labels = (("model", model), ("version", str(version)))
        self.requests: Counter[Labels] = Counter()
        self.errors: Counter[Labels] = Counter()
        self.rows = 0
        self.unknown: Counter[Labels] = Counter()
        self.buckets: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count one answer."""
        path = path if path in PATHS else "other"
        labels = (("path", path), ("code", str(status)))
        self.requests[labels] += 1
        if status >= 400:
            self.errors[labels] += 1
        self.buckets.setdefault(path, [0] * (len(BOUNDS_S) + 1))[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds[path] = self.seconds.get(path, 0.0) + seconds

    def predicted(self, rows: int, unknown: Mapping[str, int]) -> None:
        """Count rows that were answered, and values of a column the model never saw."""
        self.rows += rows
        for column, count in unknown.items():
            self.unknown[(("column", column),)] += count

    def text(self, log: Mapping[str, Any]) -> str:
        """Return everything in the text format of Prometheus.

        Parameters
        ----------
        log : mapping
            What the log says of itself: ``waiting`` and ``dropped``.
        """
        lines = [
            *_family("info", "gauge", "What is served.", [(self.about, 1)]),
            *_family("requests_total", "counter", "Answers by path and status.", self.requests.items()),
            *_family("errors_total", "counter", "Refusals and failures by path and status.", self.errors.items()),
            *self._latency(),
            *_family("rows_total", "counter", "Rows that were predicted.", [((), self.rows)]),
            *_family("unknown_categories_total", "counter", "Values the model never saw.", self.unknown.items()),
            *_family("log_queue", "gauge", "Requests that wait for the disk.", [((), log["waiting"])]),
            *_family("log_dropped_total", "counter", "Predictions that were not recorded.", [((), log["dropped"])]),
        ]
        return "\n".join(lines) + "\n"

    def _latency(self) -> Iterator[str]:
        yield from _family("request_seconds", "histogram", "Seconds until the answer was sent.", ())
        for path, counts in self.buckets.items():
            total = 0
            for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), counts, strict=True):
                total += count
                yield _line("request_seconds_bucket", (("path", path), ("le", bound)), total)
            yield _line("request_seconds_sum", (("path", path),), self.seconds[path])
            yield _line("request_seconds_count", (("path", path),), total)


class Measured:
    """Count what goes through an application, refusals at its door too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count how it was answered."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self.metrics.request(scope["path"], status, time.perf_counter() - began)


def _family(name: str, kind: str, about: str, samples: Iterable[tuple[Labels, float]]) -> Iterator[str]:
    yield f"# HELP nbmlops_{name} {about}"
    yield f"# TYPE nbmlops_{name} {kind}"
    yield from (_line(name, labels, value) for labels, value in samples)


def _line(name: str, labels: Labels, value: float) -> str:
    said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"nbmlops_{name}{{{said}}} {value}" if said else f"nbmlops_{name} {value}"


def _escaped(text: str) -> str:
    safe = text.encode("utf-8", "replace").decode()
    return safe.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
