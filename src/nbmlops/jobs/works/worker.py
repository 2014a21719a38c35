"""A process of ``local:N``: reads claims line by line, carries each out, answers with a line.

It ends when its input does. What it is doing then is noted as preempted: the process that asked has gone.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, TextIO

from nbmlops.errors import NbmlopsError

__all__ = ["main", "silent"]

LAST_S = 6.0  # between being told to stop and being stopped


def main() -> None:
    """Serve until the input ends."""
    answers = _apart()
    claims: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_read, args=(claims, busy), daemon=True).start()
    while (line := _next(claims)) is not None:
        busy.set()
        answer = _answered(line)
        busy.clear()
        with suppress(BrokenPipeError):  # who asked has gone
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _apart() -> TextIO:
    """Return a stream for the answers alone: whatever prints goes to standard error from now on."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _read(claims: queue.SimpleQueue[str | None], busy: threading.Event) -> None:
    """Pass the lines on; at the end of the input stop what is being done."""
    for line in sys.stdin:
        claims.put(line)
    claims.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Timer(LAST_S, os._exit, (1,)).start()


def _next(claims: queue.SimpleQueue[str | None]) -> str | None:
    while True:
        try:
            return claims.get()
        except KeyboardInterrupt:  # meant for what has just ended
            continue


def _answered(line: str) -> dict[str, Any]:
    from nbmlops.jobs.works.attempt import carry_out
    from nbmlops.store.works import Claim

    claim = Claim.from_dict(json.loads(line))
    try:
        run = carry_out(claim, progress=silent)
    except KeyboardInterrupt:
        return {"key": claim.key, "status": "interrupted"}
    except Exception as error:
        return {"key": claim.key, "error": _said(error)}
    return {"key": claim.key, "run_id": run.run_id, "status": run.status}


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, NbmlopsError) else f"{type(error).__name__}: {error}"


def silent(notebook: str, cell_index: int, cells: int, description: str) -> None:
    """Show nothing: who asked shows how far all of them are."""


if __name__ == "__main__":
    main()
