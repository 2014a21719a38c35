"""Run a notebook once for a key: what is done is not done again, what was lost is tried again.

The key is a work of the ledger. Whoever asks with it again (a scheduler elsewhere, a person, a pipeline that restarts)
gets the run there is, so ``nbmlops run NB --run-key K`` is safe to call any number of times.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import Secret, holds_secret
from nbmlops.config import disabled
from nbmlops.errors import Conflict, Invalid, NotFound, tell
from nbmlops.records import now
from nbmlops.store import ledger
from nbmlops.store.database import Store, as_json
from nbmlops.store.ledger import Claim, Work

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.jobs.progress import Progress
    from nbmlops.jobs.works.executors import Executor
    from nbmlops.tracking.runs import Run

__all__ = ["Keyed", "StillRunning", "digest_of", "kept", "run_keyed"]

POLL_S = 0.5


class StillRunning(Conflict):
    """Somebody else does what the key stands for right now."""


@dataclass(frozen=True)
class Keyed:
    """The run of a key; ``before`` when it was done by an earlier call, ``error`` what this call's execution raised."""

    run: Run
    before: bool = False
    error: BaseException | None = None


def run_keyed(
    path: str | Path,
    parameters: Mapping[str, Any] | None,
    key: str,
    *,
    typed: bool = False,
    wait_s: float | None = None,
    executor: Executor | None = None,
    retries: int | None = None,
    progress: Progress | None = None,
    log: bool = False,
    **policy: Any,
) -> Keyed:
    """Return the run of a key: the finished one, else that of a new attempt.

    Parameters
    ----------
    path : str or Path
        The notebook.
    parameters : mapping or None
    key : str
        What the run is, such as a date: the same key with another notebook or other parameters is a mistake.
    typed : bool
        The parameters are text, to be read as the types the notebook declares.
    wait_s : float, optional
        How long to wait for an attempt that runs elsewhere. What becomes of it decides: an attempt that is lost
        meanwhile is followed by a new one.
    executor : Executor, optional
        Where the attempt is carried out; in this process when absent.
    retries : int, optional
        How often an executor tries again what was lost; once when absent.
    progress, log
        As :func:`nbmlops.run_notebook` has them.
    **policy
        Of the execution: ``output``, ``cwd``, ``timeout``, ``memory``, ``cpu``.

    Raises
    ------
    Conflict
        The key was used with another notebook or other parameters.
    StillRunning
        An attempt runs elsewhere, and the wait is over.
    Invalid
        A parameter does not fit, or is a secret by its name: a reference to it can be kept, its value not.
    """
    store, row = _asked(path, parameters, key, typed, policy)
    row["most"] = 1 + (retries if retries is not None else int(executor is not None))
    held = _taken(store, row, wait_s, executor is None)
    if isinstance(held, Work):
        if executor is None or held.state == "finished":
            return Keyed(_run(held), before=True)
        return Keyed(_driven(store, key, executor))
    from nbmlops.jobs.works.attempt import attempted

    run, error = attempted(held, progress=progress, project=store.project, log=log)
    return Keyed(run, error=error)


def digest_of(nb: NotebookNode, parameters: Mapping[str, Any]) -> str:
    """Return what makes two executions the same: sources and tags of the cells, and the parameters as they are kept.

    Outputs and other metadata do not count: opening and saving a notebook changes nothing.
    """
    cells = [[c.cell_type, c.source, sorted(c.metadata.get("tags", []))] for c in nb.cells]
    return hashlib.sha256(as_json([cells, kept(parameters)]).encode()).hexdigest()


def kept(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the ledger keeps them: a secret is its name, never its value.

    Raises
    ------
    Invalid
        A value is secret by its name or its shape. A later attempt may run in another process, which could not know it.

    Examples
    --------
    >>> kept({"trees": 100, "months": (1, 2)})
    {'trees': 100, 'months': (1, 2)}
    >>> kept({"db_password": "hunter2"})
    Traceback (most recent call last):
    ...
    nbmlops.errors.Invalid: Parameter 'db_password' is a secret, and would be stored. Write nb.Secret("ITS_VARIABLE").
    """
    return {name: _kept(name, value) for name, value in parameters.items()}


def _kept(name: str, value: Any) -> Any:
    if isinstance(value, Secret):
        return {"$secret": value.name}
    if isinstance(value, Mapping) and set(value) == {"$secret"}:  # a reference already
        return dict(value)
    if isinstance(value, Mapping):
        return {str(key): _kept(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_kept(name, item) for item in value)
    if holds_secret(name, value):
        hint = 'Write nb.Secret("ITS_VARIABLE").'
        raise Invalid(f"Parameter {name!r} is a secret, and would be stored.", hint)
    return value


def _asked(
    path: str | Path, parameters: Mapping[str, Any] | None, key: str, typed: bool, policy: Mapping[str, Any]
) -> tuple[Store, dict[str, Any]]:
    """Return the store of a notebook, and the work a key stands for; what does not fit is refused before."""
    from nbmlops.jobs.execution import opened
    from nbmlops.jobs.parameters import declared, given, required
    from nbmlops.store.database import open_store
    from nbmlops.tracking import session

    if disabled():
        raise Invalid("A run key needs the store, and NBMLOPS_DISABLED switches it off.", "Unset it, or the key.")
    if not key.strip():
        raise Invalid("The run key is empty.", "Write what the run is, such as --run-key 2026-03-01.")
    notebook, nb, kernel, language = opened(path)
    known = declared(nb, kernel, language)
    values = given(notebook.name, parameters or {}, known, typed)
    required(notebook.name, values, known)
    project = session.project(notebook)
    row = {"key": key, "notebook": project.relative(notebook), "trigger": "key", "created_at": now()}
    spec = {name: _absolute(name, value) for name, value in policy.items() if value is not None}
    return open_store(project), {**row, "parameters": kept(values), "digest": digest_of(nb, values), "spec": spec}


def _absolute(name: str, value: Any) -> Any:
    """Return a path of the policy as it is seen from anywhere."""
    local = name == "cwd" or (name == "output" and "://" not in str(value))
    return str(Path(value).absolute()) if local else value


def _taken(store: Store, row: Mapping[str, Any], wait_s: float | None, here: bool) -> Claim | Work:
    """Return a claim to a new attempt, or the work where it has finished; wait while an attempt runs elsewhere."""
    from nbmlops.jobs.works.retry import reconcile

    until, told = time.monotonic() + (wait_s or 0), False
    while True:
        reconcile(store, now())
        held = _claimed(store, row, here)
        if isinstance(held, Claim) or held.state != "started":
            return held
        if time.monotonic() >= until:
            raise StillRunning(
                f"{held.key} is running: attempt {held.attempt}, run {held.run_id}.",
                "Wait for it with --wait S, or look: nbmlops runs show " + (held.run_id or "")[-6:] + ".",
            )
        if not told:
            tell(f"{held.key} runs already (run {held.run_id}); waiting up to {wait_s:g} s for it.")
            told = True
        time.sleep(POLL_S)


def _claimed(store: Store, row: Mapping[str, Any], here: bool) -> Claim | Work:
    """Add the work or open it again, and claim it; return it as it is where it runs, or has finished."""
    with ledger.changing(store) as change:
        ledger.add(change, [row])
        held = ledger.get(change, row["key"])
        assert held is not None
        if held.digest != row["digest"]:
            raise _other(held)
        if held.state in ("started", "finished"):
            return held
        ledger.reopen(change, held.key, row["created_at"], more=row["most"], spec=row["spec"])
        claims = ledger.claim(change, now(), f"{socket.gethostname()}:{os.getpid()}", key=held.key) if here else ()
    return claims[0] if claims else held


def _driven(store: Store, key: str, executor: Executor) -> Run:
    """Have an executor bring a work to its end; return the run of its last attempt."""
    from nbmlops.jobs.works.drive import drive

    faults = drive(store, executor, key=key)
    held = ledger.get(store, key)
    assert held is not None
    if key in faults:
        raise Conflict(f"{key} could not begin: {faults[key]}", f"The work is {held.state}.")
    return _run(held)


def _other(held: Work) -> Conflict:
    what = f"notebook {held.notebook}, parameters {as_json(held.parameters)}"[:300]
    return Conflict(
        f"The run key {held.key!r} stands for another notebook or other parameters ({what}).",
        "Take another key, or give the same notebook and parameters.",
    )


def _run(held: Work) -> Run:
    from nbmlops.tracking.runs import get_run

    try:
        return get_run(held.run_id or "")
    except NotFound:
        gone = f"{held.key} was done, and its run {held.run_id} was deleted since."
        raise Conflict(gone, "Take another key.") from None
