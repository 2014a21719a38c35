"""The runs this process has open, and the journal everything tracked goes to first."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from nbmlops.capture import environment, secrets
from nbmlops.config import Project, find_project
from nbmlops.errors import Invalid
from nbmlops.records import Origin, RunKind, RunStatus, new_id, now
from nbmlops.store.artifacts import Artifacts
from nbmlops.store.journal import Journal

if TYPE_CHECKING:
    from nbmlops.store.database import Store

__all__ = [
    "OpenRun",
    "current",
    "finish",
    "keep",
    "log",
    "log_artifact",
    "log_figure",
    "project",
    "run",
    "start",
    "store",
    "track",
    "write",
]

P = ParamSpec("P")
R = TypeVar("R")
NOTEBOOK_RUN = "NBMLOPS_RUN_ID"  # set by the papermill engine: the run of the notebook this kernel executes
RUN_FIELDS = (
    *("experiment", "name", "kind", "status", "cause", "started_at", "ended_at", "duration_s", "author", "parent"),
    *("previous", "notebook", "cell_id", "order", "source", "error", "git", "environment", "process", "defaults"),
)


@dataclass(eq=False)
class OpenRun:
    """A run that has started and not ended."""

    run_id: str
    experiment: str
    began: float = field(default_factory=time.perf_counter)
    events: list[Mapping[str, Any]] = field(default_factory=list, repr=False)

    def log(self, values: Mapping[str, Any] | None = None, **named: Any) -> None:
        """Log metrics into this run; the same words as :func:`log`."""
        log(values, run_id=self.run_id, **named)


class _Session:
    """This process's project and journal, found once."""

    def __init__(self) -> None:
        self.project: Project | None = None
        self.journal: Journal | None = None
        self.opened: list[OpenRun] = []
        self.lock = threading.Lock()


_session = _Session()
_open: ContextVar[tuple[OpenRun, ...]] = ContextVar("nbmlops_open_runs", default=())


def project(start: str | Path | None = None) -> Project:
    """Return this process's project: that of its notebook, else of the working directory at first use."""
    with _session.lock:
        if _session.project is None:
            _session.project = find_project(start or environment.notebook_path())
        return _session.project


def reset() -> None:
    """Forget project and journal: for tests, and for a process that moves to another project."""
    with _session.lock:
        if _session.journal:
            _session.journal.close()
        _session.project = _session.journal = None
        _session.opened.clear()
    _open.set(())
    environment.actor.cache_clear()


def moved() -> bool:
    """Tell whether the journal waits elsewhere because the project's folder cannot be written."""
    return _session.journal is not None and _session.journal.folder != project().home / "journal"


def store() -> Store:
    """Return the store of this process's project."""
    from nbmlops.store.database import open_store

    return open_store(project())


def write(event: Mapping[str, Any], opening: OpenRun | None = None) -> None:
    """Append one tracking event to the journal; it survives the process when this returns.

    The event that opens a run makes it open once it is written: a run that could not begin is none.
    """
    home = project().home
    if _session.journal is None:
        _session.journal = Journal(home / "journal")
    _session.journal.append(dict(event))
    if opening is not None:
        _session.opened.append(opening)
    for opened in _session.opened:
        if opened.run_id == event.get("run_id"):
            opened.events.append(event)


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
    if about.get("source"):
        about["source"] = secrets.redact(about["source"])
    write(
        {
            "t": "run",
            "run_id": opened.run_id,
            "experiment": experiment,
            "name": name or experiment,
            "kind": kind,
            "status": "running",
            "started_at": now(),
            "author": environment.actor()[0],
            "parent": parent or (outer.run_id if outer else None),
            "process": environment.process(),
            **about,
        },
        opened,
    )
    log_params(opened.run_id, params or {}, origin)
    for key, value in (tags or {}).items():
        write({"t": "tag", "run_id": opened.run_id, "name": key, "value": secrets.redact_value(key, str(value))})
    _open.set((*_open.get(), opened))
    return opened


def finish(
    opened: OpenRun, status: RunStatus = "finished", cause: str | None = None, error: Any = None, **about: Any
) -> float:
    """Close a run and return its duration in seconds; its events are safe from power loss then."""
    duration_s = time.perf_counter() - opened.began
    write(
        {
            "t": "update",
            "run_id": opened.run_id,
            "status": status,
            "cause": cause,
            "error": error,
            "ended_at": now(),
            "duration_s": duration_s,
            **about,
        }
    )
    if _session.journal:
        _session.journal.sync()
    _open.set(tuple(r for r in _open.get() if r is not opened))
    _session.opened[:] = [r for r in _session.opened if r is not opened]
    return duration_s


def abandon(opened: OpenRun) -> None:
    """Forget an open run whose tracking broke; nothing more is filed under it."""
    _session.opened[:] = [r for r in _session.opened if r is not opened]
    _open.set(tuple(r for r in _open.get() if r is not opened))


def current() -> OpenRun | None:
    """Return the innermost open run, else the run of the notebook this kernel executes."""
    opened = [r for r in _open.get() if r in _session.opened] or _session.opened  # a new thread has no context
    if opened:
        return opened[-1]
    run_id = os.environ.get(NOTEBOOK_RUN)
    return OpenRun(run_id, "") if run_id else None


def as_run(opened: OpenRun) -> dict[str, Any]:
    """Fold what this process wrote of a run into the run's JSON, without asking the database."""
    whole: dict[str, Any] = {"params": {}, "metrics": [], "tags": {}, "datasets": [], "models": [], "artifacts": {}}
    lists = {"metric": "metrics", "dataset": "datasets", "model": "models"}
    fields = dict.fromkeys(RUN_FIELDS)
    for event in opened.events:
        kind, body = event["t"], {k: v for k, v in event.items() if k not in ("t", "run_id")}
        if kind in ("run", "update"):
            fields |= body
        elif kind in lists:
            whole[lists[kind]].append(body)
        elif kind == "tag":
            whole["tags"][body["name"]] = body["value"]
        elif kind in ("param", "artifact"):
            whole[f"{kind}s"][body["name"]] = body
    whole |= {"params": list(whole["params"].values()), "artifacts": list(whole["artifacts"].values())}
    return {"run_id": opened.run_id, **fields, **whole}


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
    path = environment.notebook_path()
    opened = start(experiment, params=params, tags=tags, notebook=project().relative(path) if path else None)
    try:
        yield opened
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        finish(opened, "interrupted" if interrupted else "failed", None if interrupted else "error", describe(error))
        raise
    finish(opened)


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


def _tracked(function: Callable[P, R], experiment: str) -> Callable[P, R]:
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        params = {k: v for k, v in bound.arguments.items() if isinstance(v, (bool, int, float, str, type(None)))}
        with run(experiment, params=params):
            return function(*args, **kwargs)

    return call


def log(
    values: Mapping[str, Any] | None = None,
    *,
    step: int | None = None,
    context: Mapping[str, str] | None = None,
    run_id: str | None = None,
    **named: Any,
) -> None:
    """Log metrics into the open run.

    Parameters
    ----------
    values : mapping, optional
        Metric name to number; names that are no Python names go here.
    step : int, optional
    context : mapping, optional
        What tells two series of one name apart, such as ``{"split": "test"}``.
    **named
        Metric name to number.

    Raises
    ------
    Invalid
        A value is no number, or no run is open.

    Examples
    --------
    >>> nb.log(loss=0.3, step=1)  # doctest: +SKIP
    """
    target = run_id or _target("nb.log(loss=0.3)")
    if step is not None and not (isinstance(step, int) and abs(step) < 2**63):
        raise Invalid(f"The step is {step!r}.", "A step is a whole number of at most 64 bits.")
    for name, value in {**(values or {}), **named}.items():
        if not isinstance(name, str) or not name:
            raise Invalid(f"A metric's name is text, not {name!r}.", "Write nb.log(loss=0.3).")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise Invalid(
                f"Metric {name!r} is {str(value)[:60]!r}.", "A metric is a number; text belongs in tags."
            ) from None
        write(
            {
                "t": "metric",
                "run_id": target,
                "name": name,
                "value": number,
                "step": step,
                "context": dict(context or {}),
                "at": now(),
            }
        )


def log_params(run_id: str, params: Mapping[str, Any], origin: Origin = "logged") -> None:
    """Write params of a run, secrets masked."""
    for name, value in params.items():
        write(
            {"t": "param", "run_id": run_id, "name": name, "value": secrets.redact_value(name, value), "origin": origin}
        )


def log_artifact(name: str, data: bytes | str | Path, media_type: str = "", run_id: str | None = None) -> str:
    """Keep a file with the open run and return its digest.

    Parameters
    ----------
    name : str
        The name it is found by, such as ``confusion.png``.
    data : bytes, str or Path
        The content, or the path of a file.
    media_type : str, optional
        Guessed from the name when absent.

    Examples
    --------
    >>> nb.log_artifact("notes.txt", b"tried a lower rate")  # doctest: +SKIP
    """
    import mimetypes

    target = run_id or _target("nb.log_artifact('notes.txt', b'...')")
    content = data if isinstance(data, bytes) else Path(data).read_bytes()
    kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    digest = artifacts().put(content)
    write(
        {
            "t": "artifact",
            "run_id": target,
            "name": name,
            "digest": digest,
            "size_bytes": len(content),
            "media_type": kind,
        }
    )
    return digest


def log_figure(name: str, figure: Any) -> str:
    """Keep a matplotlib figure with the open run, as PNG; return its digest.

    Examples
    --------
    >>> nb.log_figure("roc", figure)  # doctest: +SKIP
    """
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return log_artifact(name if name.endswith(".png") else f"{name}.png", buffer.getvalue(), "image/png")


def keep(kind: str, subject: str, data: Mapping[str, Any], run_id: str | None = None) -> str:
    """Keep the JSON of a result (evaluation, drift, check, gate, profile) with the open run; return its id.

    A result outside any run is kept too, without one.
    """
    opened = current()
    result_id = new_id()
    target = run_id or (opened.run_id if opened else None)
    write(
        {
            "t": "result",
            "result_id": result_id,
            "run_id": target,
            "kind": kind,
            "subject": subject,
            "at": now(),
            "data": dict(data),
        }
    )
    return result_id


def artifacts() -> Artifacts:
    """Return the place of this project's artifacts; needs no database."""
    return Artifacts(project().artifacts_url)


def describe(error: BaseException) -> dict[str, str]:
    """Return an exception as it is stored: name, message and traceback, secrets masked."""
    import traceback

    lines = "".join(traceback.format_exception(error))[-8000:]
    return {
        "name": type(error).__name__,
        "message": secrets.redact(str(error))[:2000],
        "traceback": secrets.redact(lines),
    }


def _target(example: str) -> str:
    opened = current()
    if opened is None:
        raise Invalid("No run is open.", f"Write {example} in a %%track cell or inside `with nb.run('name'):`.")
    return opened.run_id
