"""Attempts on the workers of a Dask cluster; the one module that imports Dask.

Dask starts a lost task again, and forgets everything when its scheduler dies. Neither decides anything here: an attempt
begins only for whoever takes it first, and what nobody does any more lapses in the ledger and is claimed anew.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.config import Project
from nbmlops.errors import MissingPackage, NotFound, Unavailable
from nbmlops.jobs.works.executors import Handle
from nbmlops.store.works import Claim

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Cluster", "attempt"]

CONNECT_S = 10
LOOK_S = 60


class Cluster:
    """The workers of a Dask cluster.

    Parameters
    ----------
    url : str
        Its scheduler: ``dask://host:port``, ``tcp://host:port``, ``tls://host:port``.
    project : Project
        Its folder must be there on every worker, by the same path.
    most : int
        How many attempts may be handed over while the cluster is smaller than that.
    resources : mapping, optional
        What an attempt needs of what the workers declare.
    """

    def __init__(self, url: str, project: Project, most: int = 0, resources: Mapping[str, float] | None = None) -> None:
        self.url, self.project = url, project
        self.most, self.resources = most, dict(resources or {})
        self.client = _client(url)
        self._changed = threading.Condition()
        self._open: set[Handle] = set()

    def free(self) -> int:
        """Return how many more attempts could start now.

        Raises
        ------
        Unavailable
            The scheduler does not answer.
        """
        room = sum(self._room(worker) for worker in self._workers().values())
        return max(0, max(room, self.most) - len(self._open))

    def submit(self, claim: Claim) -> Handle:
        """Hand a claimed attempt to the cluster."""
        handle = Handle(claim)
        self._open.add(handle)
        name = f"nbmlops-{claim.token}"
        handle.future = self.client.submit(
            attempt, claim.to_dict(), str(self.project.root), key=name, pure=False, resources=self.resources or None
        )
        handle.future.add_done_callback(functools.partial(self._end, handle))
        return handle

    def wait(self, handles: Sequence[Handle], timeout_s: float | None = None) -> list[Handle]:
        """Wait until one of them is done; return those that are."""
        with self._changed:
            self._changed.wait_for(lambda: any(h.done for h in handles) or not handles, timeout_s)
            return [h for h in handles if h.done]

    def cancel(self, handle: Handle) -> None:
        """Take an attempt back that waits; one that runs learns from the ledger that it was cancelled."""
        handle.future.cancel()

    def look(self) -> list[dict[str, Any]]:
        """Return what each worker says of itself, or why it cannot."""
        from nbmlops.jobs.works import environments

        workers = self._workers()
        answers = self.client.run(
            environments.about, str(self.project.root), workers=list(workers), on_error="return", nanny=False
        )
        return [
            {
                "worker": str(worker["name"]),
                "threads": worker["nthreads"],
                **environments.plain_about(answers.get(address)),
            }
            for address, worker in workers.items()
        ]

    def close(self) -> None:
        """Take back what waits, and let go of the cluster; it goes on without us."""
        if self.client.status == "closed":
            return
        for handle in list(self._open):
            self.cancel(handle)
        self.client.close(timeout=CONNECT_S)

    def _workers(self) -> dict[str, Any]:
        """Return what the scheduler says of its workers, found again where it had gone."""
        if self.client.status == "closed":  # it gave up; the handles of that time are done
            self.client = _client(self.url)
        try:
            return dict(self.client.scheduler_info()["workers"])
        except (OSError, TimeoutError, ValueError, KeyError) as error:  # it has just been lost
            raise _away(self.url, error) from error

    def _room(self, worker: Mapping[str, Any]) -> int:
        """Return how many attempts a worker takes at once: a thread each, and what each needs."""
        has = worker.get("resources") or {}
        return int(min([worker["nthreads"], *(has.get(name, 0) // need for name, need in self.resources.items())]))

    def _end(self, handle: Handle, future: Future[Any]) -> None:
        error = _of_future(future)
        with self._changed:
            handle.done, handle.error = True, error
            self._open.discard(handle)
            self._changed.notify_all()


def _of_future(future: Future[Any]) -> str:
    """Return why an attempt ended as it should not have; empty where the ledger says how it ended."""
    try:
        if future.status == "finished":
            return str(future.result().get("error", ""))
        if future.status == "error":
            return _said(future.exception())
    except OSError as error:  # we let go of the cluster while it told: the ledger knows
        return f"Dask says: {type(error).__name__}"
    return f"Dask says: {future.status}"  # cancelled, or lost with its scheduler


def attempt(claim: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Carry out a claim on a worker, unless somebody has begun it already.

    Parameters
    ----------
    claim : mapping
        As JSON.
    root : str
        The project's folder, as the worker sees it.

    Returns
    -------
    dict
        ``run_id`` and ``status`` of the run, ``elsewhere`` where it is not ours to do, or the ``error``.
    """
    from nbmlops.errors import NbmlopsError
    from nbmlops.jobs.works.attempt import carry_out
    from nbmlops.jobs.works.worker import silent
    from nbmlops.tracking import session

    held = Claim.from_dict(claim)
    try:
        enter(root)
        if not _take(held):
            return {"elsewhere": True}
        run = carry_out(held, progress=silent, project=session.project())
    except NbmlopsError as error:  # with its hint, which pickling an exception would lose
        return {"error": str(error)}
    return {"run_id": run.run_id, "status": run.status}


def enter(root: str) -> None:
    """Make a folder the project of this process, which may have served another one before."""
    from nbmlops.tracking import session

    if not Path(root).is_dir():
        raise NotFound(f"This worker has no folder {root!r}.", "Mount it there, or bring it in the image.")
    if session.project(root).root != Path(root):
        session.reset()
        session.project(root)


def _take(claim: Claim) -> bool:
    """Begin an attempt for this process; False where its token is stale or another process began it before.

    Changes of the ledger are made one at a time: of two who ask, one is told yes.
    """
    from nbmlops.process import identity
    from nbmlops.records import now
    from nbmlops.store import ledger
    from nbmlops.tracking import session

    with ledger.changing(session.store()) as change:
        begun = next((a.process for a in ledger.attempts_of(change, claim.key) if a.token == claim.token), None)
        return begun is None and ledger.renew(change, claim, now(), process=identity())


def _client(url: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingPackage("An executor on Dask needs distributed.", "pip install 'nbmlops[dask]'") from error
    try:
        return Client(url.replace("dask://", "tcp://"), timeout=CONNECT_S, set_as_default=False, name="nbmlops")
    except (OSError, TimeoutError) as error:
        raise _away(url, error) from error


def _away(url: str, error: Exception) -> Unavailable:
    return Unavailable(f"No Dask scheduler answers at {url} ({type(error).__name__}).", "Is it running, and reachable?")


def _said(error: BaseException | None) -> str:
    """Return why a task failed; what is told most often is a worker without this package."""
    text = f"{type(error).__name__}: {error}"
    return f"{text}. Is nbmlops installed on the workers?" if isinstance(error, ImportError) else text[:500]
