"""Drive one kernel through one notebook, and tell how each cell ended."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_runtime_dir
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from nbmlops.jobs import ending
from nbmlops.jobs.ending import Ending
from nbmlops.records import new_id
from nbmlops.tracking.statuses import Preempted

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.jobs.manager import Manager

__all__ = ["Client"]

SKIPPED = "skip-execution"
LONGEST_SOCKET = 100  # bytes; the least system we know of ends at 104


class Client(PapermillNotebookClient):  # type: ignore[misc]
    """Executes the cells of a managed notebook and stops at the first that does not end well.

    Parameters
    ----------
    manager : Manager
    secret_code : str
        Code that sets the secret parameters; it goes to the kernel silently, after the injected cell, and
        is written nowhere.
    limit_s : float, optional
        Seconds for the whole notebook; ``timeout`` stays the limit of each cell.
    """

    def __init__(self, manager: Manager, *, secret_code: str = "", limit_s: float | None = None, **traits: Any) -> None:
        traits.setdefault("iopub_timeout", 60)  # papermill's 4 s fail cells that print much
        super().__init__(manager, **traits)
        self.secret_code = secret_code
        self.limit_s = limit_s
        self.deadline = time.monotonic() + limit_s if limit_s else math.inf

    def execute(self, **start: Any) -> NotebookNode:
        """Start the kernel, run the cells, end the kernel.

        Parameters
        ----------
        **start
            ``env`` and ``cwd`` of the kernel's process.
        """
        self.reset_execution_trackers()
        with self.setup_kernel(**start):
            reply = self.wait_for_reply(self.kc.kernel_info())
            self.nb.metadata["language_info"] = reply["content"]["language_info"]
            self.papermill_execute_cells()
            self.set_widgets_metadata()
        return self.nb

    def create_kernel_manager(self) -> Any:
        """Return a manager that talks over sockets in the file system: no ports to race for, nobody else can listen."""
        manager = super().create_kernel_manager()
        folder = Path(jupyter_runtime_dir())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # a fresh home has none
        socket = folder / f"kernel-{manager.kernel_id or new_id()}"
        if os.name == "posix" and len(f"{socket}-ipc-1") <= LONGEST_SOCKET:
            manager.transport, manager.connection_file = "ipc", f"{socket}.json"
        return manager

    def papermill_execute_cells(self) -> None:
        """Run the cells in order up to the first that stops the notebook."""
        for index, cell in enumerate(self.nb.cells):
            if SKIPPED in cell.metadata.get("tags", []):
                continue
            self.nb_man.cell_start(cell, index)
            how = self._run(cell, index)
            self.nb_man.cell_ended(cell, index, how)
            if how.stops:
                return

    def _run(self, cell: NotebookNode, index: int) -> Ending:
        if cell.cell_type != "code":
            return ending.COMPLETED
        try:
            self.execute_cell(cell, index)
            self._set_secrets(cell)
        except CellExecutionError as error:
            return _failure(cell, error)
        except DeadKernelError:
            return ending.death(self.returncode())
        except CellTimeoutError:
            whole = self.limit_s is not None and time.monotonic() >= self.deadline
            return ending.late(self.limit_s if whole and self.limit_s else self.timeout or 0, whole)
        except KeyboardInterrupt as stop:
            how = ending.PREEMPTED if isinstance(stop, Preempted) else ending.CANCELLED
            self.nb_man.cell_ended(cell, index, how)
            raise
        return ending.COMPLETED

    def returncode(self) -> int | None:
        """Return the exit code of a dead kernel's process, where this machine can know it."""
        process = getattr(getattr(self.km, "provisioner", None), "process", None)
        return process.poll() if process else None

    def _set_secrets(self, cell: NotebookNode) -> None:
        if self.secret_code and "injected-parameters" in cell.metadata.get("tags", []):
            self.wait_for_reply(self.kc.execute(self.secret_code, silent=True, store_history=False))

    def _get_timeout(self, cell: NotebookNode | None) -> float | None:
        """Return what is left for a cell: its own limit or the notebook's rest, whichever is less."""
        limits = [self.timeout] if self.timeout and self.timeout > 0 else []
        if self.limit_s is not None:
            limits.append(max(self.deadline - time.monotonic(), 0.01))
        return min(limits, default=None)


def _failure(cell: NotebookNode, error: CellExecutionError) -> Ending:
    """Return a failure as the cell shows it: IPython's reply leaves the name out when a display fails."""
    shown = [o for o in cell.outputs if o.output_type == "error"]
    if not shown:
        return ending.failure(error.ename, error.evalue)
    return ending.failure(shown[-1].ename, shown[-1].evalue, "\n".join(shown[-1].traceback))
