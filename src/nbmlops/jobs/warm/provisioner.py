"""Jupyter's kernel provisioner ``nbmlops-warm``: a kernel forked from a process that has its imports done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool, List, Unicode

from nbmlops.config import find_project
from nbmlops.errors import NbmlopsError
from nbmlops.jobs import leash
from nbmlops.jobs.warm import checks, preload
from nbmlops.jobs.warm.checks import Cold
from nbmlops.jobs.warm.kernel import Process, Talk
from nbmlops.jobs.warm.parents import MOST, Wanted

__all__ = ["WarmProvisioner", "provide"]

READY_S = 10.0
PAUSE_S = 0.002
GONE_S = 0.5  # a killed process is gone sooner
OFF = ("0", "off", "no", "false")

NAME = "nbmlops-warm"  # among the entry points

_said: set[str] = set()


class WarmProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts a kernel warm where that is safe, else as Jupyter does.

    Any Jupyter program uses it: by the kernel specification's ``metadata.kernel_provisioner``, or with
    ``JUPYTER_DEFAULT_PROVISIONER_NAME=nbmlops-warm``.

    Attributes
    ----------
    preload : list of str
        Modules the parent has imported; by default those of ``[warm] preload``, else of the notebook.
    kernel : str
        How the kernel started, ``"warm"`` or ``"cold"``; empty before.
    why : str
        Why it started cold.
    """

    preload = List(Unicode(), default_value=None, allow_none=True, help="Modules to preload.").tag(config=True)
    off = Bool(False, help="Start every kernel cold.").tag(config=True)
    kernel = why = ""
    cells: Sequence[Mapping[str, Any]] = ()
    leashed = False  # a cold kernel ends with the thread that starts it

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start a kernel: forked, or cold when anything speaks against it."""
        try:
            self.process = await self._forked(cmd, kwargs)
        except (Cold, NbmlopsError, OSError, ValueError, KeyError) as no:
            return await self._cold(cmd, kwargs, no)
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd") or Path.cwd()
        self.kernel, self.why = "warm", ""
        return self.connection_info

    async def _cold(self, cmd: list[str], kwargs: dict[str, Any], no: Exception) -> Any:
        self.kernel, self.why = "cold", str(no)
        if self.leashed and (tie := leash.before_exec(kwargs.get("preexec_fn"))):
            kwargs["preexec_fn"] = tie
        if not (isinstance(no, Cold) and no.expected) and self.why not in _said:
            _said.add(self.why)
            self.log.warning("nbmlops starts kernels cold: %s.", self.why)
        return await super().launch_kernel(cmd, **kwargs)

    async def _forked(self, cmd: list[str], kwargs: dict[str, Any]) -> Process:
        command = checks.command(cmd, kwargs)
        env = {**(kwargs.get("env") or os.environ), "JPY_PARENT_PID": str(os.getpid())}
        cwd = str(kwargs.get("cwd") or Path.cwd())
        talk = self._wanted(command, env, cwd).reach()
        try:
            return await _forked(talk, {**_standing(env, cwd), **_words(command, cmd)}, kwargs)
        except BaseException:
            talk.close()  # a kernel that was not told to go ends
            raise

    def _wanted(self, command: checks.Command, env: Mapping[str, str], cwd: str) -> Wanted:
        project = find_project(_notebook(env) or cwd)
        if self.off or project.setting("warm", "off") or env.get("NBMLOPS_WARM", "1").lower() in OFF:
            raise Cold("switched off", expected=True)
        if any(not Path(p).is_absolute() for p in env.get("PYTHONPATH", "/").split(os.pathsep)):
            raise Cold("PYTHONPATH names a folder relative to the kernel's")
        names = self.preload
        if names is None:
            names = preload.chosen(project, self.cells or _cells(_notebook(env)), Path(cwd))
        return Wanted(command, env, sorted(set(names)), int(project.setting("warm", "most", MOST)))

    async def kill(self, restart: bool = False) -> None:
        """End the kernel at once, and wait the moment that takes: Jupyter looks only every tenth of a second."""
        await super().kill(restart=restart)
        await self._gone(GONE_S)

    async def wait(self) -> int | None:
        """Wait until the kernel has ended."""
        await self._gone(None)
        code: int | None = await super().wait()
        return code

    async def _gone(self, limit_s: float | None) -> None:
        until, pause = time.monotonic() + (limit_s or 0), 0.001
        while self.process and self.process.poll() is None and (limit_s is None or time.monotonic() < until):
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)


def provide(manager: Any, cells: Iterable[Mapping[str, Any]]) -> WarmProvisioner | None:
    """Give a kernel manager a provisioner that starts its kernel warm; leave one that has its own way.

    Parameters
    ----------
    manager : KernelManager
        No kernel was started with it.
    cells : iterable of mapping
        The notebook's; what they import is loaded beforehand.

    Returns
    -------
    WarmProvisioner or None
        Says afterwards how the kernel started.

    Examples
    --------
    >>> from jupyter_client import KernelManager
    >>> provide(KernelManager(kernel_name="python3"), []).kernel
    ''
    """
    about = manager.kernel_spec.metadata.get("kernel_provisioner", {})
    if about.get("provisioner_name") != NAME and not leash.started_here(manager):
        return None
    told = about.get("config", {})
    made = WarmProvisioner(kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager, **told)
    made.cells, made.leashed = list(cells), True
    manager.provisioner = made
    return made


async def _forked(talk: Talk, request: Mapping[str, Any], kwargs: Mapping[str, Any]) -> Process:
    """Have a kernel forked; return it when it listens."""
    with _streams(kwargs) as streams:
        talk.ask({"ask": "kernel", **request}, streams)
    answer = talk.hear()
    if not answer or "pid" not in answer:
        raise Cold(*_refusal(answer or {}))
    process = Process(answer["pid"], talk)
    talk.go()
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if answer := talk.hear(0):
            if "ready" in answer:
                break
            raise Cold("the forked kernel ended while it began")
        await _readable(talk.socket, until - time.monotonic())
        await asyncio.sleep(PAUSE_S)  # a conversation that broke off can always be read
    return process


async def _readable(connection: socket.socket, wait_s: float) -> None:
    """Wait until there is something to read; to look every few milliseconds would take time from the kernel."""
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(connection, heard.set)
    except NotImplementedError:  # a loop that watches no descriptors
        return
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), max(0.0, wait_s))
    finally:
        loop.remove_reader(connection)


def _refusal(answer: Mapping[str, Any]) -> tuple[str, bool]:
    """Return why the parent forked nothing, and whether that was to be expected."""
    if "stale" in answer:
        return f"{answer['stale']}: the next kernel has a new process", True
    return answer.get("error", "the process with the imports does not answer"), False


def _standing(env: Mapping[str, str], cwd: str) -> dict[str, Any]:
    """Return what a kernel would inherit from this process."""
    import resource

    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "env": dict(env),
        "cwd": cwd,
        "umask": umask,
        "cpus": sorted(os.sched_getaffinity(0)),
        "ignored": [int(s) for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN],
        "blocked": [int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")},
    }


def _words(command: checks.Command, cmd: Sequence[str]) -> dict[str, Any]:
    return {"module": command.module, "arguments": list(command.arguments), "command": list(cmd)}


@contextlib.contextmanager
def _streams(kwargs: Mapping[str, Any]) -> Iterator[list[int]]:
    """Yield the kernel's descriptors: an input that has ended, and this process's outputs where none are given."""
    read, write = os.pipe()
    os.close(write)
    try:
        yield [read, *(kwargs[n] if kwargs.get(n) is not None else fd for n, fd in (("stdout", 1), ("stderr", 2)))]
    finally:
        os.close(read)


def _notebook(env: Mapping[str, str]) -> str | None:
    """Return the notebook a kernel is started for, where the one who starts it says so."""
    given = env.get("NBMLOPS_NOTEBOOK") or env.get("JPY_SESSION_NAME") or ""
    return given if given.endswith(".ipynb") and Path(given).is_file() else None


def _cells(notebook: str | None) -> list[dict[str, Any]]:
    """Return the cells of a notebook; none of one that cannot be read, which is no fault of the kernel."""
    if notebook is None:
        return []
    try:
        cells = json.loads(Path(notebook).read_text(encoding="utf-8")).get("cells", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [c for c in cells if isinstance(c, dict)]
