"""A request that is sent again, for its answer was lost, gets that answer: nothing is done twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from nbmlops.errors import Invalid

__all__ = ["HEADER", "once"]

HEADER = "Idempotency-Key"  # as the draft of the IETF calls it
LONGEST = 100  # characters of a key
KEPT_S = 600.0  # so long an answer is known
MOST = 200  # answers

_known: dict[tuple[object, ...], tuple[float, asyncio.Future[str]]] = {}


async def once(key: str | None, about: tuple[object, ...], do: Callable[[], Awaitable[str]]) -> str:
    """Return what is answered; what was asked before with this key gets the answer it had, or is about to get.

    What was refused is done again when it is asked again: the reason may be gone.

    Parameters
    ----------
    key : str, optional
        Made by who asks, for one decision; without it nothing is remembered.
    about : tuple
        Who asks, and what: another question has another answer, whatever its key.
    do : callable
    """
    if not key:
        return await do()
    if len(key) > LONGEST:
        raise Invalid(f"{HEADER} has {len(key):,} characters.", f"At most {LONGEST}.")
    _forget(time.monotonic())
    if (key, *about) not in _known:
        _known[key, *about] = time.monotonic(), asyncio.ensure_future(do())
    _, answer = _known[key, *about]
    try:
        return await asyncio.shield(answer)
    except BaseException:
        if answer.done():
            _known.pop((key, *about), None)
        raise


def _forget(now: float) -> None:
    """Forget answers that are old, and the oldest of too many."""
    old = [key for key, (at, answer) in _known.items() if answer.done() and now - at > KEPT_S]
    for key in old or [*_known][: max(0, len(_known) - MOST)]:
        del _known[key]
