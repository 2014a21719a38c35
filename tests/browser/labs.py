"""A JupyterLab of its own for tests in a real browser, and what people do in it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Page, expect

PATIENCE_MS = 60_000
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@dataclass
class Lab:
    """A running JupyterLab and the folder it shows."""

    url: str
    token: str
    folder: Path


@dataclass
class Seen:
    """What the browser asked for and complained about."""

    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", lambda request: self.note(request.url))
        page.on("websocket", lambda socket: self.note(socket.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(f"{said.text} {said.location}") if ours(said) else None)

    def note(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(url).hostname or url)


def ours(said) -> bool:
    return said.type == "error" and "nbmlops" in f"{said.text} {said.location}"


@contextmanager
def running(home: Path, folder: Path, extensions: Path | None = None, **settings: str) -> Iterator[Lab]:
    """Start a JupyterLab on a folder: fresh settings, workspaces, runtime folder and token; end it.

    ``extensions`` is a folder whose Lab extensions go before those that are installed.
    """
    kept = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    kept.parent.mkdir(parents=True)
    kept.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    port, token = free_port(), os.urandom(16).hex()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--ServerApp.{k}={v}" for k, v in {"ip": "127.0.0.1", "port": port, "port_retries": 0}.items()]
    command += [f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={token}"]
    command += [f"--LabApp.user_settings_dir={home / 'settings'}", f"--LabApp.workspaces_dir={home / 'workspaces'}"]
    command += [f"--LabServerApp.extra_labextensions_path={extensions}"] if extensions else []
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NBMLOPS_", "JUPYTER", "JPY_"))}
    places = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    server = subprocess.Popen(
        command,
        cwd=folder,
        env={**inherited, **places, "IPYTHONDIR": str(home / "ipython"), "OMP_NUM_THREADS": "1", **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        reader = wait_until_up(server, home / "lab.log")
        yield Lab(f"http://127.0.0.1:{port}", token, folder)
    finally:
        server.terminate()
        server.wait(30)
    reader.join(30)
    server.stderr.close()


def write_notebooks(folder: Path, notebooks: Mapping[str, list[Any]]) -> None:
    """Write notebooks by name, each a list of sources or cells."""
    v4 = nbformat.v4
    for name, cells in notebooks.items():
        made = [v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        (folder / f"{name}.ipynb").write_text(json.dumps(v4.new_notebook(cells=made, metadata=KERNEL)))


def open_notebook(lab: Lab, page: Page, name: str) -> None:
    page.goto(f"{lab.url}/lab/tree/{name}?token={lab.token}&reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.locator("#jupyterlab-splash").wait_for(state="detached")


def run_all(page: Page) -> None:
    """Run every cell; a command given while the kernel connects may be lost, so it is given until it works."""
    ready = "() => jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(ready)
    done = page.locator(".jp-CodeCell:visible .jp-InputPrompt").first
    next_one = re.compile(rf"^\[(?!{re.escape(done.inner_text().strip(' []:') or '0')}\])\d+\]:$")
    for _ in range(5):
        execute(page, "notebook:run-all-cells")
        try:
            expect(done).to_have_text(next_one, timeout=10_000)
            break
        except AssertionError:
            continue
    expect(done).to_have_text(next_one)
    page.wait_for_function(ready)


def execute(page: Page, command: str, cell: int | None = None) -> None:
    """Give a Lab command, on a cell if one is named, without waiting for what the kernel makes of it."""
    if cell is not None:
        page.evaluate("index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index }", cell)
    page.evaluate("command => { void jupyterapp.commands.execute(command) }", command)


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("NBMLOPS_TEST_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(server: subprocess.Popen[str], log: Path) -> threading.Thread:
    """Read the server's log up to the line that names its address, and let a thread write on what it says."""
    begun = []
    for line in server.stderr:
        begun.append(line)
        if "is running at" in line:
            reader = threading.Thread(target=kept, args=(server, log), daemon=True)
            reader.start()
            return reader
    pytest.fail("JupyterLab did not start:\n" + "".join(begun[-20:]))


def kept(server: subprocess.Popen[str], log: Path) -> None:
    with log.open("w") as written:
        for line in server.stderr:
            written.write(line)
            written.flush()
