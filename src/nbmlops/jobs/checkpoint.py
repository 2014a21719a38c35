"""Keep the state of a kernel behind cells tagged ``checkpoint``, as artifacts of the run."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.jobs.injected import INJECTED

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.tracking.runs import Run

__all__ = ["FOLDER", "TAG", "Keeper", "code_cells", "digest", "latest", "wanted"]

TAG, FOLDER, SKIPPED = "checkpoint", "checkpoints", "skip-execution"
MANIFEST = "manifest.json"
MEDIA = {".json": "application/json", ".parquet": "application/vnd.apache.parquet"}
CALL = "__import__('nbmlops.jobs.state', fromlist=['{0}']).{0}(get_ipython(), {1!r}{2})"


@dataclass
class Keeper:
    """Takes checkpoints of one execution.

    Attributes
    ----------
    run_id : str
    home : Path
        Folder of the project's own files.
    parameters : mapping
        As they may be shown.
    previous : str, optional
        Digest of the checkpoint before.
    """

    run_id: str
    home: Path
    parameters: Mapping[str, Any]
    previous: str | None = None

    def take(self, client: Any, cell: NotebookNode, index: int) -> None:
        """Keep the kernel's state, if the cell that just ended is tagged; a fault is one warning, no failed run."""
        if not wanted(cell):
            return
        from papermill.log import logger

        parent = self.home / FOLDER
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=f"{self.run_id[-6:]}-"))
        try:
            if fault := client.silently(call("save", folder)):
                raise OSError(fault)
            about = self._keep(client.nb, folder, index)
        except Exception as error:
            logger.warning(f"No checkpoint behind cell {index + 1}: {str(error)[:300]}")
            cell.metadata.papermill[TAG] = {"fault": str(error)[:300]}
            return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        cell.metadata.papermill[TAG] = about
        told = logger.warning if about["left"] else logger.info
        told(f"Checkpoint behind cell {index + 1}: {_sentence(about)}")

    def _keep(self, nb: NotebookNode, folder: Path, index: int) -> dict[str, Any]:
        """Make the files artifacts, the list of them last; return what is kept and what is not."""
        from nbmlops.jobs.state import FILE
        from nbmlops.tracking import session

        state = json.loads((folder / FILE).read_text(encoding="utf-8"))
        done = [digest(c) for _, c in code_cells(nb, index + 1)]
        files = {p.name: self._artifact(p, index) for p in sorted(folder.iterdir())}
        manifest = {"version": state["version"], "index": index, "cells": done, "parameters": dict(self.parameters)}
        manifest |= {"previous": self.previous, "files": files, "left": state["left"], "code": state["code"]}
        data = json.dumps(manifest, sort_keys=True).encode()
        self.previous = session.log_artifact(f"{FOLDER}/{index}/{MANIFEST}", data, MEDIA[".json"], self.run_id)
        session.write({"t": "tag", "run_id": self.run_id, "name": TAG, "value": str(index + 1)})
        session.drain()
        return {"kept": sorted(state["names"]), "left": state["left"]}

    def _artifact(self, path: Path, index: int) -> str:
        from nbmlops.tracking import session

        media = MEDIA.get(path.suffix, "application/octet-stream")
        return session.log_artifact(f"{FOLDER}/{index}/{path.name}", path, media, self.run_id)


def call(function: str, folder: Path, more: str = "") -> str:
    """Return code that calls a function of :mod:`nbmlops.jobs.state` in the kernel."""
    return CALL.format(function, str(folder), more)


def wanted(cell: NotebookNode) -> bool:
    """Tell whether a cell is tagged ``checkpoint``."""
    return cell.cell_type == "code" and TAG in cell.metadata.get("tags", [])


def code_cells(nb: NotebookNode, most: int | None = None) -> Iterator[tuple[int, NotebookNode]]:
    """Yield the cells that run, with their place: without the injected one, whose content the parameters are."""
    for index, cell in enumerate(nb.cells[:most]):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and INJECTED not in tags and SKIPPED not in tags:
            yield index, cell


def digest(cell: NotebookNode) -> str:
    """Return what a cell's code is known by."""
    return hashlib.sha256(cell.source.rstrip().encode("utf-8", "replace")).hexdigest()


def latest(run: Run) -> dict[str, Any] | None:
    """Return the last checkpoint a run has, as its manifest."""
    names = [a.name.split("/") for a in run.artifacts if a.name.startswith(f"{FOLDER}/")]
    whole = [int(n[1]) for n in names if n[-1] == MANIFEST]
    if not whole:
        return None
    found: dict[str, Any] = json.loads(run.artifact(f"{FOLDER}/{max(whole)}/{MANIFEST}"))
    return found


def _sentence(about: Mapping[str, Any]) -> str:
    left = ", ".join(f"{name} ({why})" for name, why in sorted(about["left"].items()))
    return f"{', '.join(about['kept']) or 'no name'} kept" + (f"; not kept: {left}" if left else "")
