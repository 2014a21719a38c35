"""Start a notebook in a process of its own that outlives whoever asked: a work of the ledger, as any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nbmlops.capture import environment, visit
from nbmlops.capture.secrets import redact
from nbmlops.config import Project, disabled
from nbmlops.errors import Conflict, Invalid, NotFound, Unavailable
from nbmlops.records import now, plain
from nbmlops.store import ledger
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.jobs.parameters import Parameter
    from nbmlops.store.database import Store, Transaction
    from nbmlops.store.works import Claim

__all__ = ["again", "by", "row_of", "start"]

COMMAND = (sys.executable, "-m", "nbmlops.jobs.works.attempt")  # reads a claim from its input
MOST_SAID = 400  # characters of what a process said last
FORGOTTEN = ("JPY_SESSION_NAME", "NBMLOPS_RUN_ID", "NBMLOPS_NOTEBOOK")  # of whoever started us


def start(path: str | Path, parameters: Mapping[str, Any] | None = None) -> Claim:
    """Execute a notebook in a process of its own and return at once with the claim, which names the run to come.

    Parameters
    ----------
    path : str or Path
    parameters : mapping, optional
        A text for a parameter of another type is read as that type.

    Returns
    -------
    Claim

    Raises
    ------
    NotFound
        There is no such notebook.
    Invalid
        A parameter is unknown, missing or of another type, or the kernel is not here.
    Unavailable
        No process can be started, or the store cannot be written.

    Examples
    --------
    >>> start("retrain.ipynb", {"months": 3}).run_id  # doctest: +SKIP
    """
    from nbmlops.store.database import open_store

    row = row_of(path, parameters or {})
    store = open_store(session.project())
    with ledger.changing(store) as change:
        ledger.add(change, [row])
        claim = _claimed(change, row["key"], store.project)
    _begin(store, claim)
    return claim


def again(key: str) -> Claim:
    """Try a work that ended without success once more, in a process of its own.

    Raises
    ------
    NotFound
        There is no such work.
    Conflict
        It is running, has finished, or its slot is full.

    Examples
    --------
    >>> again("retrain@2026-03-01T01:00:00+00:00").attempt  # doctest: +SKIP
    2
    """
    store = session.store()
    with ledger.changing(store) as change:
        held = ledger.get(change, key)
        if held is None:
            raise NotFound(f"No work {key[:80]!r}.", "List them: nbmlops jobs history")
        if held.state in ("started", "finished"):
            raise Conflict(f"{key} is {held.state}, so it is not tried again.", "Start its notebook anew.")
        ledger.reopen(change, key, now(), spec={**held.spec, **by()})
        claim = _claimed(change, key, store.project)
    _begin(store, claim)
    return claim


def row_of(path: str | Path, parameters: Mapping[str, Any], kernel_name: str | None = None) -> dict[str, Any]:
    """Return a notebook with its parameters as a row for the ledger; what does not fit is refused.

    Parameters
    ----------
    path : str or Path
    parameters : mapping
        A text for a parameter of another type is read as that type.
    kernel_name : str, optional
        In place of the notebook's own.
    """
    from nbmlops.jobs.execution import opened
    from nbmlops.jobs.parameters import declared, required
    from nbmlops.jobs.works.keys import digest_of, kept

    if disabled():
        raise Invalid("A job needs the store, and NBMLOPS_DISABLED switches it off.", "Unset it.")
    notebook, nb, kernel, language = opened(path, kernel_name)
    known = declared(nb, kernel, language)
    values = _values(notebook.name, parameters, known)
    required(notebook.name, values, known)
    at = now()
    return {
        "key": f"{notebook.stem}@{at}",
        "notebook": session.project(notebook).relative(notebook),
        "parameters": plain(kept(values)),
        "digest": digest_of(nb, values),
        "trigger": f"by hand: {environment.acting()[0]}",
        "created_at": at,
        "spec": by(),
    }


def _visitor() -> tuple[str, str]:
    """Return (name, how known) of whom a server let in, which a process of its own cannot know; else empty texts."""
    from nbmlops.tracking.actor import INVENTED

    asked = visit.here()
    return asked.who if asked and asked.who and not INVENTED.match(asked.who[0]) else ("", "")


def by() -> dict[str, str]:
    """Return whose run an attempt is, for the spec of its work: who asked a server, where it knows them."""
    name, _ = _visitor()
    return {"by": name} if name else {}


def _values(name: str, given: Mapping[str, Any], known: dict[str, Parameter] | None) -> dict[str, Any]:
    """Return the values as the notebook gets them; a form sends text."""
    from nbmlops.jobs import parameters

    texts = {k: v for k, v in given.items() if isinstance(v, str) and known is not None}
    others = {k: v for k, v in given.items() if k not in texts}
    return {**parameters.given(name, others, known, False), **parameters.given(name, texts, known, True)}


def _claimed(change: Transaction, key: str, project: Project) -> Claim:
    from nbmlops.jobs.schedule.fires import slots_of
    from nbmlops.jobs.schedule.ticker import ticker

    claims = ledger.claim(change, now(), ticker(), key=key, slots=slots_of(project))
    if not claims:
        held = ledger.get(change, key)
        raise Conflict(f"Slot {held.slot if held else ''!r} is full.", "See who holds it: nbmlops jobs history")
    return claims[0]


def _begin(store: Store, claim: Claim) -> None:
    """Start the process of an attempt; where that cannot be, the attempt has failed."""
    said = tempfile.TemporaryFile()  # noqa: SIM115  # a pipe would break when this process ends first
    try:
        process = _process(store.project, said)
    except OSError as error:
        said.close()
        _failed(store, claim, f"no process could be started: {error.strerror}")
        raise Unavailable(f"No process can be started ({error.strerror}).", "Look at memory and limits.") from error
    assert process.stdin is not None
    # Somebody has to take its exit code, or it stays as a zombie.
    threading.Thread(target=_ended, args=(store, claim, process, said), daemon=True, name="nbmlops job").start()
    with suppress(BrokenPipeError), process.stdin as pipe:  # it has ended already, and its exit code says so
        pipe.write(json.dumps(claim.to_dict()).encode())


def _process(project: Project, said: IO[bytes]) -> subprocess.Popen[bytes]:
    own = {name: value for name, value in os.environ.items() if name not in FORGOTTEN}
    name, known_by = _visitor()
    own |= {"JUPYTERHUB_USER": name} if known_by == "jupyterhub" else {}
    return subprocess.Popen(
        COMMAND,
        cwd=project.root,
        env=own,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=said,
        start_new_session=True,  # it outlives us, and a Ctrl-C here is not meant for it
    )


def _ended(store: Store, claim: Claim, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    """Wait for the end of a process; one that never said how its attempt ended has failed, with what it said last."""
    code = process.wait()
    with said:
        said.seek(0)
        last = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()][-1:]
    if code and ledger.holds(store, claim):
        told = f"said: {redact(last[0][-MOST_SAID:])}" if last else f"its process ended with exit code {code}"
        _failed(store, claim, told)


def _failed(store: Store, claim: Claim, reason: str) -> None:
    with ledger.changing(store) as change:
        ledger.close(change, claim, "failed", "process_gone", now(), reason=reason)
