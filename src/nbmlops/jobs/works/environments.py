"""What the workers of an executor have, against what is here: versions, the project's folder, the store."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbmlops import __version__
from nbmlops.records import Finding

__all__ = ["about", "compared", "plain_about"]

PACKAGES = (
    *("ipykernel", "papermill", "nbclient", "nbformat", "jupyter_client", "pandas", "numpy", "scikit-learn", "scipy"),
    *("pyarrow", "SQLAlchemy", "psycopg", "skops", "cloudpickle", "dask", "distributed"),
)


def about(root: str) -> dict[str, Any]:
    """Return what this process has: Python, packages, the project's folder, and which store it reaches.

    Parameters
    ----------
    root : str
        The project's folder.
    """
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "nbmlops": __version__,
        "packages": {name: _version(name) for name in PACKAGES},
        **_store(root),
    }


def plain_about(answer: Any) -> dict[str, Any]:
    """Return a worker's answer; what it raised instead becomes its ``error``."""
    if isinstance(answer, Mapping):
        return dict(answer)
    return {"error": f"{type(answer).__name__}: {answer}" if answer is not None else "It does not answer."}


def compared(here: Mapping[str, Any], workers: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return a finding for every difference of a worker, and one for each that has none.

    Parameters
    ----------
    here : mapping
        What :func:`about` says on this machine.
    workers : sequence of mapping
        What it said there.

    Examples
    --------
    >>> here = {"python": "3.12.1", "nbmlops": "1.0", "packages": {"pandas": "3.0"}, "store": "a"}
    >>> [f.message for f in compared(here, [{**here, "worker": "w1", "python": "3.11.9"}])]
    ['w1 has python 3.11.9, here it is 3.12.1']
    """
    if not workers:
        return [Finding("executor", "issue", "There is no worker.", detail={"do": "Start one: dask worker ADDRESS"})]
    return [finding for worker in workers for finding in _of_worker(here, worker)]


def _of_worker(here: Mapping[str, Any], worker: Mapping[str, Any]) -> Iterator[Finding]:
    name = str(worker["worker"])
    found = [_finding(name, *said) for said in _differences(here, worker)]
    if not found:
        says = f"{name} has python {worker['python']}, nbmlops {worker['nbmlops']} and all else as it is here"
        found = [Finding("executor", "passed", says, name)]
    yield from found


def _finding(name: str, message: str, do: str) -> Finding:
    return Finding("executor", "issue", f"{name} {message}", name, detail={"do": do})


def _differences(here: Mapping[str, Any], worker: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is different on a worker, and what to do about it."""
    if error := worker.get("error"):
        do = "pip install nbmlops there" if "nbmlops" in str(error) else "Look into the worker's log."
        yield f"cannot be asked: {error}", do
        return
    mine, theirs = _versions(here), _versions(worker)
    for what, version in mine.items():
        if theirs.get(what) != version:
            yield (
                f"has {what} {theirs.get(what) or 'not at all'}, here it is {version or 'not installed'}",
                "Use one image.",
            )
    if missing := worker.get("store_error"):
        yield f"does not reach the store: {missing}", "Set NBMLOPS_STORE there as it is here."
    elif worker.get("store") != here.get("store"):
        yield "uses another store than this machine", "Set NBMLOPS_STORE there as it is here."


def _versions(found: Mapping[str, Any]) -> dict[str, str | None]:
    return {"python": found["python"], "nbmlops": found["nbmlops"], **found["packages"]}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _store(root: str) -> dict[str, Any]:
    """Return which store this process reaches, by what only that one holds, or why it reaches none."""
    from nbmlops.config import find_project
    from nbmlops.store.driver import connect

    if not Path(root).is_dir():
        return {"store_error": f"there is no folder {root}"}
    try:
        with connect(find_project(root), timeout_s=5) as connection:
            return {"store": str(connection.scalar("SELECT value FROM meta WHERE key = 'chain_id'"))}
    except Exception as error:
        return {"store_error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(about(sys.argv[1] if len(sys.argv) > 1 else ".")))
