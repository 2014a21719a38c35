"""Runs from start to end, for scripts, cells and jobs; what they log is in ``log``."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from nbmlops.capture import environment, secrets
from nbmlops.process import identity
from nbmlops.records import Origin, RunKind, RunStatus, new_id, now
from nbmlops.tracking import opened as state
from nbmlops.tracking.log import keep, log, log_artifact, log_figure, log_params
from nbmlops.tracking.opened import OpenRun, artifacts, as_run, current, drain, moved, project, reset, store, write
from nbmlops.tracking.statuses import ending

if TYPE_CHECKING:
    from nbmlops.tracking.block import Block

__all__ = [
    "OpenRun",
    "abandon",
    "artifacts",
    "as_run",
    "current",
    "describe",
    "drain",
    "finish",
    "keep",
    "log",
    "log_artifact",
    "log_figure",
    "log_params",
    "moved",
    "project",
    "reset",
    "run",
    "start",
    "store",
    "track",
    "write",
]

P = ParamSpec("P")
R = TypeVar("R")


def start(
    experiment: str,
    *,
    kind: RunKind = "script",
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    origin: Origin = "logged",
    tags: Mapping[str, Any] | None = None,
    parent: str | None = None,
    run_id: str | None = None,
    **about: Any,
) -> OpenRun:
    """Open a run.

    Parameters
    ----------
    experiment : str
        What the run belongs to.
    kind : {"cell", "script", "notebook", "trial", "fold", "search"}
    name : str, optional
        The run's own name; the experiment's when absent.
    params, tags : mapping, optional
    origin : str
        Where the params came from.
    parent : str, optional
        The run this one is part of; the open one, or the notebook's, when absent.
    run_id : str, optional
        A UUIDv7 made by the caller.
    **about
        More columns of a run: ``notebook``, ``cell_id``, ``source``, ``previous``, ``order``.

    Returns
    -------
    OpenRun
    """
    outer = current()
    opened = OpenRun(run_id or new_id(), experiment)
    named = {"kind": kind, "name": secrets.redact(name or experiment)}
    state.begin(opened, _begun(opened, {**named, "parent": parent or (outer.run_id if outer else None), **about}))
    try:
        log_params(opened.run_id, params or {}, origin)
        _log_tags(opened.run_id, tags or {})
    except BaseException as error:  # nothing that follows is filed under a run that never began
        finish(opened, "failed", "error", describe(error))
        raise
    state.enter(opened)
    return opened


def _begun(opened: OpenRun, about: dict[str, Any]) -> dict[str, Any]:
    """Return the journal's record of a run that begins here and now, its secrets masked."""
    if about.get("source"):
        about["source"] = secrets.redact(about["source"])
    return {
        "t": "run",
        "run_id": opened.run_id,
        "experiment": secrets.redact(opened.experiment),
        "status": "running",
        "started_at": now(),
        "author": environment.actor()[0],
        "process": identity(),
        "lease": state.lease(),
        **about,
    }


def _log_tags(run_id: str, tags: Mapping[str, Any]) -> None:
    for key, value in tags.items():
        said = secrets.redact_value(key, value if isinstance(value, str) else str(value))
        write({"t": "tag", "run_id": run_id, "name": secrets.redact(key), "value": said})


def finish(
    opened: OpenRun, status: RunStatus = "finished", cause: str | None = None, error: Any = None, **about: Any
) -> float:
    """Close a run and return its duration in seconds; its events are safe from power loss then."""
    duration_s = time.perf_counter() - opened.began
    end = {"status": status, "cause": cause, "error": error, "ended_at": now(), "duration_s": duration_s}
    if opened.pid == os.getpid():  # a forked child that leaves the block ends nothing: the run is its parent's
        write({"t": "update", "run_id": opened.run_id, **end, **about})
    state.end(opened)
    return duration_s


def abandon(opened: OpenRun) -> None:
    """Forget an open run whose tracking broke; nothing more is filed under it."""
    state.end(opened, synced=False)


@contextlib.contextmanager
def run(
    experiment: str, params: Mapping[str, Any] | None = None, tags: Mapping[str, Any] | None = None
) -> Iterator[OpenRun]:
    """Track what happens inside a ``with`` block as one run.

    Parameters
    ----------
    experiment : str
        What the run belongs to.
    params, tags : mapping, optional

    Yields
    ------
    OpenRun

    Examples
    --------
    >>> import nbmlops as nb
    >>> with nb.run("forest", params={"trees": 100}) as run:  # doctest: +SKIP
    ...     nb.log(loss=0.3)
    """
    path = environment.notebook_name()
    opened = start(experiment, params=params, tags=tags, notebook=project().relative(path) if path else None)
    block = block_of(opened)
    try:
        with block.watching():
            yield opened
    except BaseException as error:
        status, cause = ending(error)
        finish(opened, status, cause, describe(error) if cause else None, **block.about())
        raise
    finish(opened, **block.about())
    block.keep()


def block_of(opened: OpenRun) -> Block:
    """Return what watches the block of a run; loaded when a run begins, for it needs what is above this module."""
    from nbmlops.tracking.block import Block

    return Block(opened)


def track(experiment: str | Callable[P, R]) -> Any:
    """Track every call of a function as a run; its plain arguments become params.

    Parameters
    ----------
    experiment : str or callable
        The experiment's name, or the function itself when the decorator has no brackets.

    Examples
    --------
    >>> import nbmlops as nb
    >>> @nb.track("forest")
    ... def fit(trees): ...
    """
    if callable(experiment):
        return _tracked(experiment, getattr(experiment, "__name__", "function"))
    return lambda function: _tracked(function, experiment)


def _tracked(function: Callable[..., Any], experiment: str) -> Callable[..., Any]:
    def opened(*args: Any, **kwargs: Any) -> contextlib.AbstractContextManager[OpenRun]:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        params = {k: v for k, v in bound.arguments.items() if isinstance(v, (bool, int, float, str, type(None)))}
        return run(experiment, params=params)

    def call(*args: Any, **kwargs: Any) -> Any:
        with opened(*args, **kwargs):
            return function(*args, **kwargs)

    async def wait(*args: Any, **kwargs: Any) -> Any:
        with opened(*args, **kwargs):
            return await function(*args, **kwargs)

    def each(*args: Any, **kwargs: Any) -> Any:
        with opened(*args, **kwargs):
            return (yield from function(*args, **kwargs))

    # The run lasts as long as the work, not as long as the call that only prepares it.
    wrapped = wait if inspect.iscoroutinefunction(function) else each if inspect.isgeneratorfunction(function) else call
    return functools.wraps(function)(wrapped)


def describe(error: BaseException) -> dict[str, str]:
    """Return an exception as it is stored: name, message and traceback, secrets masked."""
    import traceback

    lines = secrets.redact("".join(traceback.format_exception(error))[-200_000:])[-8000:]
    return {
        "name": type(error).__name__,
        "message": secrets.redact(_said(error)[:20_000])[:2000],  # what is cut is far behind what is shown
        "traceback": lines,
    }


def _said(error: BaseException) -> str:
    """Return an exception's message; one that cannot say it has none."""
    try:
        return str(error)
    except Exception as fault:
        return f"(its message raises {type(fault).__name__})"
