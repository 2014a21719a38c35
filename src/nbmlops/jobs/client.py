"""Drive one kernel through one notebook, and tell how each cell ended."""

from __future__ import annotations

import asyncio
import math
import os
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_runtime_dir
from jupyter_core.utils import ensure_async, run_sync
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from nbmlops.errors import Conflict
from nbmlops.jobs import ending, leash, memory
from nbmlops.jobs.ending import Ending
from nbmlops.jobs.hidden import without
from nbmlops.jobs.limits import Limits, apply_to
from nbmlops.jobs.stray import Stray
from nbmlops.jobs.warm.provisioner import WarmProvisioner, provide
from nbmlops.process import JOB_CELL
from nbmlops.records import new_id
from nbmlops.tracking.statuses import Preempted

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.jobs.checkpoint import Keeper
    from nbmlops.jobs.manager import Manager
    from nbmlops.jobs.resume import Plan

__all__ = ["Client"]

SKIPPED = "skip-execution"
LONGEST_SOCKET = 100  # bytes; the least system we know of ends at 104
LOOK_S = 0.2  # how often it is looked whether the kernel lives, and whether the notebook shall end
GRACE_S = 1.0  # what an interrupted cell has to end by itself
SILENCE_S = 0.2  # after which a dead kernel has nothing more to say


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
    limits : Limits, optional
        Memory and cores of the kernel's process.
    keeper : Keeper, optional
        Keeps the kernel's state behind cells tagged ``checkpoint``.
    plan : Plan, optional
        What an earlier run has done already.
    """

    def __init__(
        self,
        manager: Manager,
        *,
        secret_code: str = "",
        limit_s: float | None = None,
        limits: Limits | None = None,
        keeper: Keeper | None = None,
        plan: Plan | None = None,
        **traits: Any,
    ) -> None:
        traits.setdefault("iopub_timeout", 60)  # papermill's 4 s fail cells that print much
        super().__init__(manager, **traits)
        self.secret_code = secret_code
        self.limit_s = limit_s
        self.limits = limits or Limits()
        self.keeper, self.plan = keeper, plan
        self.deadline = time.monotonic() + limit_s if limit_s else math.inf
        self.stopping: Ending | None = None
        self.starting = True
        self.provisioner: WarmProvisioner | None = None
        self.stray = Stray()
        self._parent: str | None = None  # the message the running cell's outputs answer

    def stop(self, how: Ending) -> None:
        """End the notebook soon, from a signal's handler or another thread: the cell is interrupted, then killed.

        Parameters
        ----------
        how : Ending
            What becomes of the running cell and the run; the first one counts.
        """
        self.stopping = self.stopping or how

    def execute(self, **start: Any) -> NotebookNode:
        """Start the kernel, run the cells, end the kernel.

        Parameters
        ----------
        **start
            ``env`` and ``cwd`` of the kernel's process.
        """
        self.reset_execution_trackers()
        try:
            with self.stray, self.setup_kernel(**self._process(start)):
                reply = self.wait_for_reply(self.kc.kernel_info())
                self.nb.metadata["language_info"] = reply["content"]["language_info"]
                self.starting = False
                self.papermill_execute_cells()
                self.set_widgets_metadata()
        except RuntimeError as error:
            if not (self.starting and (said := without(self.stray.settled(), self.nb_man.hidden))):
                raise
            raise RuntimeError("\n".join([str(error), *said])) from error
        finally:
            self.starting = False
            if self.km is not None and self.km.has_kernel:  # stopped while it started
                self._cleanup_kernel()
        return self.nb

    def _process(self, start: dict[str, Any]) -> dict[str, Any]:
        """Return how the kernel's process is started: it ends with this one, and prints into a pipe of its own."""
        here = leash.started_here(self.km or self.create_kernel_manager())
        if here:
            start["preexec_fn"] = leash.before_exec(start.get("preexec_fn"))
        return {**start, "stdout": self.stray.fd, "stderr": self.stray.fd} if here or self.provisioner else start

    def _kernel_manager_class_default(self) -> Any:
        from nbmlops.jobs.warm.quick import QuickManager

        return QuickManager

    def create_kernel_manager(self) -> Any:
        """Return a manager that talks over sockets in the file system: no ports to race for, nobody else can listen."""
        manager = super().create_kernel_manager()
        folder = Path(jupyter_runtime_dir())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # a fresh home has none
        socket = folder / f"kernel-{manager.kernel_id or new_id()}"
        if os.name == "posix" and len(f"{socket}-ipc-1") <= LONGEST_SOCKET:
            manager.transport, manager.connection_file = "ipc", f"{socket}.json"
        self.provisioner = provide(manager, self.nb.cells)
        return manager

    async def async_start_new_kernel(self, **start: Any) -> None:
        """Start the kernel's process and limit it before it imports anything."""
        await super().async_start_new_kernel(**start)
        if pid := getattr(self.km.provisioner, "pid", None):
            apply_to(pid, self.limits)

    start_new_kernel = run_sync(async_start_new_kernel)

    def papermill_execute_cells(self) -> None:
        """Run the cells in order up to the first that stops the notebook."""
        for index, cell in enumerate(self.nb.cells):
            if self.stopping:
                self.nb_man.ending = self.stopping
                return
            if self._is_done(cell, index):
                continue
            self.nb_man.cell_start(cell, index)
            how = self.limits.explain(self._run(cell, index))
            self.nb_man.cell_ended(cell, index, how)
            if how.stops:
                return
            if self.keeper and not (self.plan and index < self.plan.start):
                self.keeper.take(self, cell, index)

    def _is_done(self, cell: NotebookNode, index: int) -> bool:
        """Tell whether a cell is passed, with the kernel given what an earlier run left for its turn."""
        if self.plan is None:
            return SKIPPED in cell.metadata.get("tags", [])
        code = self.plan.before(index)
        if code and (fault := self.silently(code)):
            raise Conflict(f"What the run before left could not be put back: {fault}", "Run it from the start.")
        return self.plan.done(index) or SKIPPED in cell.metadata.get("tags", [])

    def silently(self, code: str) -> str:
        """Run code in the kernel that no cell shows; return what it raised, or nothing."""
        reply = self.wait_for_reply(self.kc.execute(code, silent=True, store_history=False))
        content = reply["content"] if reply else {"ename": "CellTimeoutError", "evalue": "it took too long"}
        return "" if content.get("status") == "ok" else f"{content.get('ename')}: {content.get('evalue')}"

    def _run(self, cell: NotebookNode, index: int) -> Ending:
        if cell.cell_type != "code":
            return ending.COMPLETED
        killed, self._parent = memory.kills(), None
        self.kc.session.metadata[JOB_CELL] = cell.get("id") or ""
        try:
            self.execute_cell(cell, index)
            self._set_secrets(cell)
        except CellExecutionError as error:
            return _failure(cell, error)
        except DeadKernelError:
            if self.stopping:
                return self._interrupted(cell, index, self.stopping)
            self.drain(cell, index, math.inf)
            said = without(self.stray.settled(), self.nb_man.hidden)
            return ending.death(self.returncode(), memory.kills() != killed, said)
        except CellTimeoutError:
            whole = self.limit_s is not None and time.monotonic() >= self.deadline
            late = ending.late(self.limit_s if whole and self.limit_s else self.timeout or 0, whole)
            return self._interrupted(cell, index, late)
        except KeyboardInterrupt as stop:
            how = ending.PREEMPTED if isinstance(stop, Preempted) else ending.CANCELLED
            self.nb_man.cell_ended(cell, index, how)
            raise
        return ending.COMPLETED

    def _interrupted(self, cell: NotebookNode, index: int, how: Ending) -> Ending:
        """Interrupt the kernel, take what the cell still says, and have the kernel killed if it does not end."""
        self.interrupt(cell, index)
        self.shutdown_kernel = "immediate"
        return how

    async def _async_interrupt(self, cell: NotebookNode, index: int) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(ensure_async(self.km.interrupt_kernel()), GRACE_S)
        await self._async_drain(cell, index, time.monotonic() + GRACE_S, GRACE_S)

    interrupt = run_sync(_async_interrupt)

    async def _async_drain(self, cell: NotebookNode, index: int, until: float, silence_s: float = SILENCE_S) -> None:
        """Process what the cell said and nobody read, up to a time or until it is silent."""
        while (left_s := min(silence_s, until - time.monotonic())) > 0:
            try:
                # Bounded twice: what is ready may have been taken by nbclient's own reader, which is being cancelled.
                waits = ensure_async(self.kc.iopub_channel.get_msg(timeout=left_s))
                message = await asyncio.wait_for(waits, left_s + SILENCE_S)
                if message["parent_header"].get("msg_id") == self._parent:
                    self.process_message(message, cell, index)
            except (Empty, TimeoutError, CellExecutionComplete):
                return

    drain = run_sync(_async_drain)

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: NotebookNode, cell_index: int) -> None:
        self._parent = parent_msg_id
        await super()._async_poll_output_msg(parent_msg_id, cell, cell_index)

    async def _async_poll_kernel_alive(self) -> None:
        """Look more often than nbclient whether the kernel lives, and whether the notebook shall end."""
        try:
            while not self.stopping:
                await asyncio.sleep(LOOK_S)
                await self._async_check_alive()
                self.nb_man.look()
        except DeadKernelError:
            pass
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    def process_message(self, message: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Take a message of the kernel: first into the journal, without secrets, then into the notebook."""
        return super().process_message(self.nb_man.message(message, cell_index), cell, cell_index)

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
