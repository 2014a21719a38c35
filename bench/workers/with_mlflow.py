"""The same tasks as ours.py, done with MLflow on its SQLite back end; needs MLflow in the Python that runs it."""

from __future__ import annotations

import json
import logging
import os
import random
import sqlite3
import sys
import time
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
import mlflow

logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)
FILE = Path("mlflow.db")
SHAPES = {  # MLflow has no `or`, and no `not`: those two of ours have no counterpart
    "broad": "metrics.m2 > 0.1",
    "selective": "metrics.m2 > 0.9999",
    "nothing": "metrics.m2 > 2",
    "anti-correlated": "metrics.m1 < -0.5",
}


def points(count: int) -> dict[str, float]:
    """Log points one call each, and read them back."""
    began = time.perf_counter()
    with mlflow.start_run() as run:
        for step in range(count):
            mlflow.log_metric("loss", 0.5, step=step)
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert len(history) == count
    return {"s": time.perf_counter() - began}


def empty(count: int) -> dict[str, float]:
    """Start and end runs in which nothing happens."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        with mlflow.start_run():
            pass
        times.append(time.perf_counter() - began)
    return {"ms": sorted(times)[len(times) // 2] * 1e3}


def writers(processes: int, runs: int, metrics: int) -> dict[str, float]:
    """Track from several processes at once into one store, until everything can be read."""
    context = get_context("spawn")
    ready, done = context.Barrier(processes + 1), context.Barrier(processes + 1)
    workers = [context.Process(target=_writer, args=(runs, metrics, ready, done)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.perf_counter()
    done.wait()
    with sqlite3.connect(FILE) as connection:
        count = connection.execute("SELECT count(*) FROM metrics").fetchone()[0]
    took = time.perf_counter() - began
    for worker in workers:
        worker.join()
    errors = sum(worker.exitcode != 0 for worker in workers)
    return {"s": took, "errors": errors, "missing": processes * runs * metrics - count}


def _writer(runs: int, metrics: int, ready, done) -> None:
    _begin()
    ready.wait()
    for _ in range(runs):
        with mlflow.start_run():
            for i in range(metrics):
                mlflow.log_metric(f"m{i}", i * 0.5)
    done.wait()


def fill(runs: int, params: int, metrics: int) -> dict[str, float]:
    """Fill its tables directly: through its calls this would take half an hour."""
    with mlflow.start_run():
        mlflow.log_metric("m0", 0.0)
    chance = random.Random(0)
    with sqlite3.connect(FILE) as db:
        experiment = db.execute("SELECT experiment_id FROM runs LIMIT 1").fetchone()[0]
        about = (
            "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, "
            "lifecycle_stage, artifact_uri, experiment_id"
        )
        for i in range(runs):
            run_id, quality = f"{i:032x}", chance.random()
            at = 1_700_000_000_000 + i
            row = (run_id, f"run{i}", "LOCAL", "", "", "me", "FINISHED", at, at + 1000, "active", "", experiment)
            db.execute(f"INSERT INTO runs ({about}) VALUES ({','.join('?' * 12)})", row)
            texts = ["adam", "sgd", "lbfgs"]
            values = [chance.choice(texts) if k % 4 == 0 else str(round(chance.random(), 4)) for k in range(params)]
            db.executemany(
                "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
                [(f"p{k}", v, run_id) for k, v in enumerate(values)],
            )
            numbers = [quality if k == 0 else -quality if k == 1 else chance.random() for k in range(metrics)]
            for table in ("metrics", "latest_metrics"):
                db.executemany(
                    f"INSERT INTO {table} (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, 0, 0)",
                    [(f"m{k}", v, at, run_id) for k, v in enumerate(numbers)],
                )
    return {"bytes_per_run": FILE.stat().st_size / runs}


def query() -> dict[str, float]:
    """Take the top 50 as a DataFrame, sorted by another metric: the median of three of each shape."""
    times = {}
    for name, text in SHAPES.items():
        took = []
        for _ in range(3):
            began = time.perf_counter()
            mlflow.search_runs(filter_string=text, order_by=["metrics.m0 DESC"], max_results=50)
            took.append(time.perf_counter() - began)
        times[name] = sorted(took)[1] * 1e3
    return {"ms": max(times.values()), "each_ms": {k: round(v, 1) for k, v in times.items()}}


def _begin() -> None:
    mlflow.set_tracking_uri(f"sqlite:///{FILE.absolute()}")
    mlflow.set_experiment("bench")


if __name__ == "__main__":
    _begin()
    with mlflow.start_run():  # everything is imported and the tables are there before the clock starts
        pass
    with sqlite3.connect(FILE) as connection:
        connection.execute("DELETE FROM runs WHERE run_uuid NOT IN (SELECT run_uuid FROM metrics)")
    task, *numbers = sys.argv[1:]
    print(json.dumps(globals()[task](*map(int, numbers))))
