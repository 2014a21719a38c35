"""Jupyter's kernel manager and client without their pauses: they wait for what is to come, not for a while."""

from __future__ import annotations

import asyncio
import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async
from traitlets import Type

__all__ = ["QuickClient", "QuickManager"]

LOOK_S = 0.005
REPLY_S = 1.0  # after which a kernel that starts is asked again, as Jupyter does
IDLE_S = 0.2  # what a kernel has to say that it is idle, as Jupyter does


class QuickClient(AsyncKernelClient):  # type: ignore[misc]
    """Takes a kernel for ready when it says it is idle again; Jupyter's own waits until it is silent for 0.2 s."""

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while not await self._answered(self.kernel_info()):
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > until:
                raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")

    wait_for_ready = _async_wait_for_ready

    async def _answered(self, request: str) -> bool:
        """Tell whether the kernel answered a request, and its other channel is connected and has been read."""
        try:
            while not _answers(reply := await ensure_async(self.shell_channel.get_msg(timeout=REPLY_S)), request):
                pass
        except Empty:
            return False
        self._handle_kernel_info_reply(reply)
        return await self._emptied(request)

    async def _emptied(self, request: str) -> bool:
        heard = False
        try:
            while not _idle(await ensure_async(self.iopub_channel.get_msg(timeout=IDLE_S)), request):
                heard = True
        except Empty:  # a kernel that never says it is idle is ready when it is silent
            return heard
        return True


class QuickManager(AsyncKernelManager):  # type: ignore[misc]
    """Sees within milliseconds that a kernel has ended."""

    client_factory = Type(QuickClient, klass=AsyncKernelClient, config=True)

    async def _async_wait(self, pollinterval: float = LOOK_S) -> None:
        while await self.is_alive():
            await asyncio.sleep(LOOK_S)


def _answers(message: dict[str, Any], request: str) -> bool:
    return bool(message["msg_type"] == "kernel_info_reply" and message["parent_header"].get("msg_id") == request)


def _idle(message: dict[str, Any], request: str) -> bool:
    """Tell whether a message says that the kernel is done with a request."""
    state, parent = message["content"].get("execution_state"), message["parent_header"].get("msg_id")
    return bool(state == "idle" and parent == request)
