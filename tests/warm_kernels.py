"""Warm kernels for the tests: a folder of parents that only they use, and kernels as Jupyter starts them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager

import nbmlops as nb
from nbmlops.jobs.warm import checks, keys, parents
from nbmlops.jobs.warm import kernel as talk
from nbmlops.jobs.warm.checks import Cold
from nbmlops.jobs.warm.provisioner import provide


@pytest.fixture(scope="module")
def warm_folder():
    """A folder of parents that only these tests use; they end with them."""
    place = tempfile.mkdtemp(prefix="warm", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", place)
        yield keys.folder()
        there = [psutil.Process(p["pid"]) for p in parents.running()]
        for one in parents.running():
            parents.stop(one["path"])
    psutil.wait_procs(there, timeout=10)
    shutil.rmtree(place)


@pytest.fixture
def warm(warm_folder, project, monkeypatch):
    """A project whose kernels start warm; returns a function that starts one."""
    monkeypatch.delenv("NBMLOPS_WARM")
    monkeypatch.setattr(talk, "REPLY_S", 10.0)  # a machine busy with other tests answers late
    with contextlib.ExitStack() as stack:

        def start(preload=(), how="warm", **options):
            kernel = stack.enter_context(Kernel(preload, how, **options))
            assert kernel.provisioner.kernel == how, kernel.provisioner.why
            return kernel

        yield start


class Kernel:
    """A kernel as Jupyter starts it, and what it answers."""

    def __init__(self, preload=(), how="warm", wait=True, **options):
        self.manager = KernelManager(kernel_name="python3", transport="ipc")
        self.manager.connection_file = f"{tempfile.mkdtemp(dir='/tmp')}/k.json"
        self.provisioner = provide(self.manager, [])
        self.provisioner.preload, self.provisioner.off = list(preload), how == "cold" and wait
        if wait and how == "warm":
            parent(self.provisioner)
        self.manager.start_kernel(**options)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)

    def run(self, code, **options):
        """Return what a cell prints and shows."""
        told = []

        def take(message):
            content = message["content"]
            shown = content.get("data", {}).get("text/plain", "")
            told.append(content.get("text", "") + shown + "\n".join(content.get("traceback", [])))

        self.client.execute_interactive(textwrap.dedent(code), output_hook=take, timeout=30, **options)
        return "".join(told).strip()


def parent(provisioner):
    """Have a parent for a provisioner, and return it."""
    command = checks.command([sys.executable, "-m", "ipykernel_launcher"], {})
    for _ in range(300):
        try:
            wanted = provisioner._wanted(command, dict(os.environ), str(Path.cwd()))
            wanted.reach().close()
        except Cold as no:
            if not no.expected:
                raise
            time.sleep(0.05)
        else:
            return wanted
    raise AssertionError("no parent came up")


def module(folder, name, text):
    """Write a module where every Python process finds it."""
    (folder / f"{name}.py").write_text(textwrap.dedent(text))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder modules are imported from."""
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(place))
    return place


def run_warm(notebook, **options):
    """Execute a notebook until its kernel starts warm; return that run."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        run = nb.run_notebook(notebook, progress=lambda *_: None, **options)
        if run.tags["kernel"] == "warm":
            return run
    raise AssertionError(run.tags)
