"""One row over HTTP with checks, record and counts on, beside a bare FastAPI app and MLflow's server. JSON lines.

The same model in all three: numbers (a scaler and a logistic regression on ten columns) and mixed (two columns of text
coded one-hot besides). MLflow's model has a signature; its server is looked for in the Python of ``.venv-peers``
(``make bench`` makes it). A connection is kept; the client has one core for itself, the servers the other, and they
take turns, so that a busy machine is as bad for each. ``cpu ms`` is what the server itself used for one request.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve()
PEERS = HERE.parents[1] / ".venv-peers" / "bin" / "python"
CONNECTIONS = 4
START_S = 240.0
BOUNDS = {"p50 beside bare": 2.0, "requests beside MLflow": 3.0}
KINDS = ("numbers", "mixed")


def main() -> None:
    """Start the servers of each model, ask them in turns, print one line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=str(PEERS), help="a Python that has MLflow")
    parser.add_argument("--requests", type=int, default=400, help="one after the other, of one turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        who, kind, port = options.serve
        {"ours": ours, "audit": ours, "bare": bare, "mlflow": mlflow}[who](who, kind, int(port))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # also then the servers are ended
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    for kind in KINDS:
        measure(kind, options, cores)


def measure(kind: str, options: argparse.Namespace, cores: list[int]) -> None:
    """Print what the servers of one model did."""
    python = {"ours": sys.executable, "audit": sys.executable, "bare": sys.executable}
    if Path(options.peers).exists():
        python["mlflow"] = options.peers
    with contextlib.ExitStack() as stack:
        servers = {w: stack.enter_context(started(p, w, kind, cores[-1:])) for w, p in python.items()}
        if cores:
            os.sched_setaffinity(0, cores[:1])
        rounds: dict[str, list[dict[str, float]]] = {w: [] for w in servers}
        for turn in range(options.rounds + 1):
            for who, server in servers.items():
                found = ask(server, request(who, kind), options.requests)
                if turn:  # the first warms up
                    rounds[who].append(found)
        if cores:
            os.sched_setaffinity(0, cores)
    medians = {
        w: {k: round(statistics.median(r[k] for r in turns), 3) for k in turns[0]} for w, turns in rounds.items()
    }
    ratios = {"p50 beside bare": round(medians["ours"]["p50 ms"] / medians["bare"]["p50 ms"], 2)}
    ratios["cpu beside bare"] = round(medians["ours"]["cpu ms"] / medians["bare"]["cpu ms"], 2)
    if "mlflow" in medians:
        ratios["requests beside MLflow"] = round(medians["ours"]["per s"] / medians["mlflow"]["per s"], 2)
    print(json.dumps({"bench": f"one row over HTTP, {kind}", **medians, **ratios, "bounds": BOUNDS}), flush=True)


@contextlib.contextmanager
def started(python: str, who: str, kind: str, cores: list[int]) -> Iterator[tuple[int, psutil.Process]]:
    """Start a server in a folder of its own; end what was started."""
    with tempfile.TemporaryDirectory() as place, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        Path(place, "nbmlops.toml").touch()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GIT_PYTHON_REFRESH": "quiet"}
        environment["PATH"] = f"{Path(python).parent}{os.pathsep}{environment['PATH']}"
        command = [python, str(HERE), "--serve", who, kind, str(port)]
        with Path(place, "said.txt").open("w") as said:
            process = subprocess.Popen(
                command, cwd=place, env=environment, stdout=said, stderr=said, start_new_session=True
            )
            try:
                wait(port, process, Path(place, "said.txt"))
                running = psutil.Process(process.pid)
                for one in (running, *running.children(recursive=True)):
                    if cores:
                        one.cpu_affinity(cores)
                yield port, running
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)


def wait(port: int, process: subprocess.Popen[bytes], said: Path) -> None:
    """Return when a server listens."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if connection.recv(1):
                return
        time.sleep(0.2)
    raise SystemExit(f"the server did not start: {said.read_text()[-2000:]}")


def request(who: str, kind: str) -> bytes:
    """Return the bytes of a request."""
    row = rows(kind, 1)[0]
    path = "/invocations" if who == "mlflow" else "/predict"
    body = json.dumps({"dataframe_records" if who == "mlflow" else "rows": [row]}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def ask(server: tuple[int, psutil.Process], sent: bytes, count: int) -> dict[str, float]:
    """Return p50 of one connection, requests a second of several, and the server's processor time for one."""
    port, process = server
    before = used(process)
    times = sorted(talk(port, sent, count))
    cpu = (used(process) - before) / count
    threads = [
        threading.Thread(target=talk, args=(port, sent, count // CONNECTIONS), daemon=True) for _ in range(CONNECTIONS)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    per_s = (count // CONNECTIONS) * CONNECTIONS / (time.perf_counter() - began)
    return {
        "p50 ms": times[count // 2] * 1e3,
        "p99 ms": times[int(count * 0.99)] * 1e3,
        "cpu ms": cpu * 1e3,
        "per s": per_s,
    }


def used(process: psutil.Process) -> float:
    """Return the seconds a server and its children had of the processor."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def talk(port: int, sent: bytes, count: int) -> list[float]:
    """Ask so often on one connection; return the seconds of each answer."""
    found = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            connection.sendall(sent)
            receive(connection)
            found.append(time.perf_counter() - began)
    return found


def receive(connection: socket.socket) -> None:
    """Read one answer, which has to be a good one."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), data
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += more(connection)


def more(connection: socket.socket) -> bytes:
    """Return what came; a server that hung up is no answer."""
    data = connection.recv(65536)
    if not data:
        raise SystemExit("the server hung up")
    return data


def rows(kind: str, count: int) -> list[dict[str, Any]]:
    """Return rows of ten numbers, and two texts."""
    import random

    chance = random.Random(0)
    made = [{f"c{i}": chance.gauss(0, 1) for i in range(10)} for _ in range(count)]
    if kind == "mixed":
        made = [
            {**r, "carrier": chance.choice("ABCDEFGH"), "origin": chance.choice(["JFK", "LGA", "EWR"])} for r in made
        ]
    return made


def fitted(kind: str) -> tuple[Any, Any]:
    """Return a model and the rows it was fitted on."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pd.DataFrame(rows(kind, 2000))
    numbers = [name for name in frame if name.startswith("c") and name != "carrier"]
    texts = [name for name in frame if name not in numbers]
    scaled = StandardScaler()
    if texts:
        scaled = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), texts))
    return make_pipeline(scaled, LogisticRegression()).fit(frame, frame.c0 > 0), frame


def ours(who: str, kind: str, port: int) -> None:
    """Serve with nbmlops."""
    import nbmlops as nb
    from nbmlops.serving.command import serve

    model, frame = fitted(kind)
    held_out = frame[:500].assign(c1=lambda f: f.c1 + 0.01).assign(late=lambda f: f.c0 > 0)
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "bench")
    serve("bench", port=port, log="audit" if who == "audit" else "fast")


def bare(_who: str, kind: str, port: int) -> None:
    """Serve with FastAPI as its tutorial does: types checked by pydantic, nothing recorded, nothing counted."""
    import pandas as pd
    import uvicorn
    from fastapi import FastAPI
    from pydantic import create_model

    model, frame = fitted(kind)
    types = {name: (float if frame[name].dtype.kind == "f" else str, ...) for name in frame}
    row = create_model("Row", **types)
    body = create_model("Body", rows=(list[row], ...))
    app = FastAPI()

    async def predict(asked: Any) -> dict[str, Any]:
        probability = model.predict_proba(pd.DataFrame([r.model_dump() for r in asked.rows]))[:, 1]
        return {"predictions": [{"prediction": bool(p >= 0.5), "probability": float(p)} for p in probability]}

    predict.__annotations__["asked"] = body
    app.post("/predict")(predict)
    app.get("/health")(lambda: {})  # noqa: PIE807
    uvicorn.run(app, port=port, access_log=False, log_level="warning")


def mlflow(_who: str, kind: str, port: int) -> None:
    """Serve with MLflow, its model with a signature."""
    import mlflow as peer
    from mlflow.models import infer_signature

    model, frame = fitted(kind)
    signature = infer_signature(frame, model.predict(frame))
    peer.sklearn.save_model(model, "model", signature=signature, serialization_format="cloudpickle")
    command = ["mlflow", "models", "serve", "-m", "model", "--env-manager", "local", "-p", str(port), "--workers", "1"]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
