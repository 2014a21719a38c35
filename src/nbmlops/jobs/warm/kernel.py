"""A forked kernel as its runner sees it: what ``subprocess.Popen`` is to one it started itself."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Process", "Talk"]

REPLY_S = 1.0
UNKNOWN = 255  # the parent that would have told the exit code is gone


class Talk:
    """One conversation with a parent process, a line of JSON each."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(REPLY_S)
        self._rest = b""
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise

    def ask(self, request: Mapping[str, Any], streams: Sequence[int]) -> None:
        """Send a request, and descriptors with it."""
        body = json.dumps(request).encode()
        socket.send_fds(self.socket, [b"F"], streams)
        self.socket.sendall(len(body).to_bytes(4, "big") + body)

    def go(self) -> None:
        """Let the kernel begin: its runner knows it."""
        self.socket.sendall(b"g")

    def hear(self, wait_s: float | None = None) -> dict[str, Any] | None:
        """Return the next answer; None when none comes in time, or ever."""
        until = time.monotonic() + (REPLY_S if wait_s is None else wait_s)
        while b"\n" not in self._rest:
            left = max(0.0, until - time.monotonic())
            if not select.select([self.socket], [], [], left)[0]:
                return None
            if not (part := self._part()):
                return None
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _part(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def close(self) -> None:
        """End the conversation."""
        self.socket.close()


class Process:
    """The kernel's process, by its number and a descriptor that stays true when the number is given away."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, talk: Talk) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._talk = talk
        self._fd = os.pidfd_open(pid)
        self._close = weakref.finalize(self, _close, self._fd, talk)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self.returncode if self.returncode is not None else self._look(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it has ended, or as long as given; return what :meth:`poll` does."""
        return self.returncode if self.returncode is not None else self._look(timeout)

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _look(self, timeout: float | None) -> int | None:
        ended = select.poll()
        ended.register(self._fd, select.POLLIN)
        if ended.poll(None if timeout is None else timeout * 1000):
            self.returncode = self._told()
            self._close()
        return self.returncode

    def _told(self) -> int:
        """Return the exit code as the parent tells it, a moment after the end."""
        while answer := self._talk.hear():
            if "exit" in answer:
                return int(answer["exit"])
        return UNKNOWN


def _close(fd: int, talk: Talk) -> None:
    os.close(fd)
    talk.close()
