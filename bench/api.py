"""What the panel asks, at a real Jupyter server on loopback, beside the server's own contents service. JSON lines.

A store of 10,000 runs (params, three metrics, every tenth run a curve), four models, works of a ledger. Each address is
asked 50 times over one connection, in turn with ``/api/contents`` of a folder of 100 notebooks: the median of each, as
the client sees it, so HTTP, login and rights are in it; and the processor's time of the server (the mean: it is told
in steps of 10 ms), which other work beside it does not change. The aim is 30 ms for a page of 100 runs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

RUNS, REPEATS, AIM_MS = 10_000, 50, 30
ASKED = (
    ("a page of 100 runs", "/nbmlops/api/runs?notebook=nb.ipynb"),
    ("the hundredth page", "/nbmlops/api/runs?notebook=nb.ipynb&offset=9900"),
    ("100 runs of a query", "/nbmlops/api/runs?notebook=nb.ipynb&q=roc_auc%20%3E%200.8%20and%20depth%20%3C%205"),
    ("models", "/nbmlops/api/models"),
    ("jobs", "/nbmlops/api/jobs"),
    ("questions", "/nbmlops/api/questions"),
    ("drift", "/nbmlops/api/drift"),
    ("status", "/nbmlops/api/status"),
)
BESIDE = "/api/contents/notebooks"


def main() -> None:
    """Fill a store, start a server, ask, and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        fill(options.runs)
        port, token = free_port(), secrets.token_hex()
        server = started(port, token)
        try:
            measure(psutil.Process(server.pid), port, token, options)
        finally:
            server.terminate()
            server.wait(20)


def fill(count: int) -> None:
    """Track runs in a notebook, register models, and write works of a ledger."""
    Path("nbmlops.toml").touch()
    empty = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    Path("notebooks").mkdir()
    for path in (Path("nb.ipynb"), *(Path("notebooks") / f"nb{i}.ipynb" for i in range(100))):
        path.write_text(empty)
    import numpy as np

    from nbmlops.tracking import session

    rng = np.random.default_rng(1)
    for number in range(count):
        params = {"depth": number % 9, "C": float(rng.random()), "kind": f"kind {number % 7}"}
        run = session.start("forest", kind="cell", notebook="nb.ipynb", cell_id=f"c{number % 20}", params=params)
        for _ in range(100 if number % 10 == 0 else 1):
            session.log(loss=float(rng.random()))
        session.log(roc_auc=float(rng.random()), accuracy=float(rng.random()))
        session.finish(run)
    session.drain(120)
    register(4)
    work(100)


def register(count: int) -> None:
    """Register models, small ones."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    import nbmlops as nb

    frame = pd.DataFrame({"a": range(200), "b": [i % 7 for i in range(200)]})
    for number in range(count):
        model = LogisticRegression().fit(frame, frame.a > 100 + number)
        nb.register(model, f"model-{number}")


def work(count: int) -> None:
    """Write works that have ended."""
    from nbmlops.store import ledger
    from nbmlops.tracking import session

    with ledger.changing(session.store()) as change:
        ledger.add(change, [{"key": f"k{n}", "notebook": "nb.ipynb", "state": "finished"} for n in range(count)])


def started(port: int, token: str) -> subprocess.Popen[bytes]:
    """Start a Jupyter server with our extension in this folder, and wait until it answers."""
    options = {"ip": "127.0.0.1", "port": port, "open_browser": False, "allow_root": True, "root_dir": str(Path.cwd())}
    told = [f"--ServerApp.{name}={value}" for name, value in options.items()]
    enabled = "--ServerApp.jpserver_extensions={'nbmlops': True}"
    command = [sys.executable, "-m", "jupyter_server", *told, enabled, f"--IdentityProvider.token={token}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            ask(connected(port), "/nbmlops/api/status", token)
        except (OSError, http.client.HTTPException, RuntimeError):
            time.sleep(0.2)
        else:
            return server
    server.kill()
    raise RuntimeError("The server did not start.")


def measure(server: psutil.Process, port: int, token: str, options: argparse.Namespace) -> None:
    """Ask each address in turn with the server's own, and print the medians."""
    connection = connected(port)
    for what, path in ASKED:
        for warm in (path, BESIDE):
            ask(connection, warm, token)
        ours, theirs, size, spent = [], [], 0, 0.0
        for _ in range(options.repeats):
            before = cpu_s(server)
            took, size = ask(connection, path, token)
            spent += cpu_s(server) - before
            ours.append(took)
            theirs.append(ask(connection, BESIDE, token)[0])
        figure = {
            "what": what,
            "median_ms": ms(statistics.median(ours)),
            "server_cpu_ms": ms(spent / options.repeats),
            "p90_ms": ms(sorted(ours)[int(len(ours) * 0.9)]),
            "contents_median_ms": ms(statistics.median(theirs)),
            "kb": round(size / 1000, 1),
            "runs": options.runs,
        }
        print(json.dumps(figure | ({"aim_ms": AIM_MS} if "100 runs" in what else {})), flush=True)


def cpu_s(process: psutil.Process) -> float:
    """Return the processor's time a process has had, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


def ask(connection: http.client.HTTPConnection, path: str, token: str) -> tuple[float, int]:
    """Return how long an answer took, in seconds, and its bytes."""
    began = time.perf_counter()
    connection.request("GET", path, headers={"Authorization": f"token {token}"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return time.perf_counter() - began, len(body)


def connected(port: int) -> http.client.HTTPConnection:
    """Return a connection that says at once what it has to say."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ms(seconds: float) -> float:
    """Return milliseconds with two digits."""
    return round(seconds * 1000, 2)


if __name__ == "__main__":
    main()
