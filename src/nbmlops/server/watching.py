"""Jobs as they change: server-sent events, for which no thread waits."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import tornado.web
from jupyter_server.auth.decorator import authorized
from tornado.iostream import StreamClosedError

from nbmlops.config import Project
from nbmlops.server.base import Handler, Here
from nbmlops.server.jobs import works

__all__ = ["EventsHandler"]

LOOK_S = 1.0  # between two looks at the ledger
IDLE_S = 5.0  # where nothing runs and a database elsewhere has to be asked
AWAY_S = 10.0  # at most, where it could not be read: each time twice as long as before
SHARED_S = 0.5  # so long one look serves everybody who listens
LIVES_S = 3600.0  # then who listens asks anew, and is asked anew who they are
PING_S = 15.0  # so that a proxy keeps the connection, and a client that has gone is noticed
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventsHandler(Handler):
    """``GET jobs/events``: each work whenever it changed, until the client goes away."""

    listening: ClassVar[set[EventsHandler]] = set()
    gone: asyncio.Event
    seen: Mapping[str, str]  # what the store's files, and the works, were when they were looked at last
    pause_s: float  # until the next look

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send events: ``job`` with a work of ``GET jobs``, ``ping`` every 15 s; for an hour, while one may read."""
        self.gone, self.seen, self.pause_s = asyncio.Event(), {"stamp": "", "mark": ""}, LOOK_S
        try:
            known = await self._look() or {}
        except Exception as error:
            self.fault(error)
            return
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.listening.add(self)
        try:
            await self._tell("ping", "{}")
            await self._follow(known)
        except StreamClosedError:
            return
        finally:
            self.listening.discard(self)

    def on_connection_close(self) -> None:
        """Stop looking: nobody listens any more."""
        super().on_connection_close()
        if hasattr(self, "gone"):
            self.gone.set()

    async def _follow(self, known: Mapping[str, str]) -> None:
        loop = asyncio.get_running_loop()
        pinged = begun = loop.time()
        while loop.time() - begun < LIVES_S and not await self._waited(self.pause_s):
            try:
                now = await self._look()
            except Exception as error:  # away for a moment: said once it is there again
                self.log.debug("nbmlops could not look at jobs: %s", type(error).__name__)
                now, self.pause_s = None, min(2 * self.pause_s, AWAY_S)
            for key, work in (now or {}).items():
                if work != known.get(key):
                    await self._tell("job", work)
            known = known if now is None else now
            if loop.time() - pinged >= PING_S:
                pinged = loop.time()
                if not await self.may("read"):
                    return
                await self._tell("ping", "{}")

    async def _waited(self, seconds: float) -> bool:
        """Wait; return whether the client went away meanwhile."""
        try:
            await asyncio.wait_for(self.gone.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _look(self) -> dict[str, str] | None:
        """Return each work as text, by its key or run; None where nothing can have changed since the last look."""
        found = json.loads(await self.ask(_works, lambda: {"seen": self.seen}, needs_store=False))
        self.seen = {"stamp": found["stamp"], "mark": found["mark"]}
        self.pause_s = IDLE_S if found["idle"] else LOOK_S
        if found["works"] is None:
            return None
        return {row["work_id"] or row["run_id"]: json.dumps(row, ensure_ascii=False) for row in found["works"]}

    async def _tell(self, event: str, data: str) -> None:
        self.write(f"event: {event}\ndata: {data}\n\n")
        await self.flush()


@dataclass(frozen=True)
class _Look:
    """Works as they were at a moment, and what tells them from others."""

    stamp: str  # of the store's files; empty while something runs, whose lease may lapse
    mark: str
    runs: bool
    works: list[dict[str, Any]] = field(default_factory=list)
    at: float = 0.0


_looks: dict[Path, _Look] = {}  # the last one of each project


def _works(here: Here, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the works, None where they are as they were seen; a hundred who listen cost little more than one."""
    now = _stamp(here.project)
    if now and now == seen["stamp"]:
        return {**seen, "idle": False, "works": None}
    look = _looks.get(here.project.root)
    if look is None or time.monotonic() - look.at > SHARED_S:
        look = _looks[here.project.root] = _looked(here, now)
    works = None if look.mark == seen["mark"] else look.works
    return {"stamp": look.stamp, "mark": look.mark, "idle": not (now or look.runs), "works": works}


def _looked(here: Here, stamp: str) -> _Look:
    found = works(here)
    mark = hashlib.sha256(json.dumps(found, sort_keys=True, default=str).encode()).hexdigest()
    runs = any(work["status"] == "started" for work in found)
    return _Look("" if runs else stamp, mark, runs, found, time.monotonic())


def _stamp(project: Project) -> str:
    """Return what changes with the files of a store and its journals; an empty text for a database elsewhere."""
    from nbmlops.store.driver import is_sqlite, sqlite_path

    if not is_sqlite(project.store_url):
        return ""
    store, journal = sqlite_path(project.store_url), project.home / "journal"
    files = [store, store.with_name(f"{store.name}-wal"), *(sorted(journal.iterdir()) if journal.is_dir() else ())]
    return json.dumps([_state(path) for path in files])


def _state(path: Path) -> list[Any]:
    try:
        found = path.stat()
    except OSError:
        return [path.name]
    return [path.name, found.st_ino, found.st_size, found.st_mtime_ns]
