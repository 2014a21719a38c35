"""What the service records: each prediction in the journal, before its answer goes out.

``fast`` answers when a crash of the process loses nothing any more, ``audit`` when a loss of power does not either:
one sync of the disk serves all requests that wait for it. ``off`` records nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import Any, Literal

from nbmlops.errors import NbmlopsError
from nbmlops.monitoring.predicting import blocks
from nbmlops.records import ids_of_block, new_block, now
from nbmlops.serving.errors import Refused, problem
from nbmlops.serving.records import Asked
from nbmlops.serving.served import Said, Served
from nbmlops.store import waiting
from nbmlops.tracking import opened, session

__all__ = ["Log", "Mode"]

Mode = Literal["fast", "audit", "off"]
Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


@dataclass(frozen=True)
class Kept:
    """One request as it is recorded."""

    served: Served
    asked: Asked
    said: Said
    caller: str
    latency_s: float


class Log:
    """The record of a service.

    Parameters
    ----------
    mode : {"fast", "audit", "off"}
    inputs : bool
        Also what was predicted of, without private columns.
    """

    def __init__(self, mode: Mode, inputs: bool = True) -> None:
        self.mode, self.inputs = mode, inputs
        self.dropped = 0
        self.failing = False
        self._waiting: list[Waiter] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def write(self, kept: Kept) -> list[str] | None:
        """Record a request; return the id of each prediction, None where nothing is recorded.

        Raises
        ------
        Refused
            503 in ``audit``: it cannot be recorded, so it is not answered.
        """
        if self.mode == "off":
            return None
        rows = len(kept.said.values)
        try:
            ids = self._write(kept)
        except (OSError, NbmlopsError):
            self.failing = True
            self.dropped += rows
            if self.mode == "audit":
                raise _unrecorded() from None
            return None
        self.failing = False
        return ids

    async def settled(self) -> None:
        """Wait until what was written survives power loss, where the mode asks for it.

        Raises
        ------
        Refused
            503: the disk did not take it, or it waits in the temporary folder, which a machine may empty.
        """
        if self.mode != "audit":
            return
        if opened.moved():
            raise _unrecorded()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._changed:
            self._waiting.append((loop, future))
            self._start()
            self._changed.notify()
        await future

    def state(self) -> dict[str, Any]:
        """Return how the record fares: mode, state, how many requests wait for the disk, how many rows are lost."""
        state = "off" if self.mode == "off" else "failing" if self.failing else "elsewhere" if opened.moved() else "ok"
        return {"mode": self.mode, "state": state, "waiting": len(self._waiting), "dropped": self.dropped}

    def close(self) -> None:
        """End the thread, when nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _write(self, kept: Kept) -> list[str]:
        """Write the block of a request; few rows without pandas."""
        first, rows, asked = new_block(), len(kept.said.values), kept.asked
        inputs = self._inputs(kept) if self.inputs else None
        said = {"value": kept.said.values, "probability": kept.said.probability, "key": asked.key}
        columns = {**said, "key_at": asked.key_at, "inputs": inputs}
        columns = {name: column for name, column in columns.items() if column is not None}
        ids = ids_of_block(first, rows)
        version = kept.served.version
        opened.keep(
            {
                "t": "prediction",
                "model": version.name,
                "version": version.version,
                "batch": asked.batch,
                "at": now(),
                "run_id": None,
                "caller": kept.caller,
                "latency_s": kept.latency_s,
                "inputs": int(inputs is not None),
                "prediction_id": first,
                "last_id": ids[-1],
                "rows": rows,
                **(_in_place(columns) if rows <= blocks.FEW else _in_a_file(columns)),
            }
        )
        return ids

    def _inputs(self, kept: Kept) -> dict[str, list[Any]]:
        names = [name for name in kept.served.columns if name not in kept.served.private]
        return {name: [row.get(name) for row in kept.asked.rows] for name in names}

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="nbmlops-settle", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                waiting, self._waiting = self._waiting, []
            error: OSError | None = None
            try:
                opened.settle()
            except OSError as raised:
                error = raised
            self.failing = error is not None
            for loop, future in waiting:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                    loop.call_soon_threadsafe(_tell, future, error)


def _in_place(columns: dict[str, Any]) -> dict[str, Any]:
    return {"data": columns, "digest": None}


def _in_a_file(columns: dict[str, Any]) -> dict[str, Any]:
    import pandas as pd

    content = {**columns, "inputs": pd.DataFrame(columns["inputs"])} if "inputs" in columns else columns
    digest, _ = waiting.keep(session.artifacts(), blocks.packed(content))
    return {"data": None, "digest": digest}


def _tell(future: asyncio.Future[None], error: OSError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(_unrecorded())


def _unrecorded() -> Refused:
    return Refused(503, [problem("unrecorded", "The prediction could not be recorded safely.")], "Try again later.")
