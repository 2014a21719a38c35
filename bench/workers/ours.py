"""What nbmlops does in the benchmarks of the store; one task a process, figures as JSON on the last line."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import nbmlops as nb
from nbmlops.tracking import session


def points(count: int) -> dict[str, float]:
    """Log points one call each, and read them back as an array."""
    with nb.run("warm"):
        nb.log(loss=1.0, step=0)
    nb.get_run("warm").metric("loss")  # everything is imported and the tables are there before the clock starts
    began = time.perf_counter()
    with nb.run("points"):
        for step in range(count):
            nb.log(loss=0.5, step=step)
    logged = time.perf_counter()
    values = nb.get_run("points").metric("loss").values
    took = time.perf_counter() - began
    assert len(values) == count
    return {"s": took, "us_per_call": (logged - began) / count * 1e6}


def empty(count: int) -> dict[str, float]:
    """Start and end runs in which nothing happens."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        with nb.run("empty"):
            pass
        times.append(time.perf_counter() - began)
    return {"ms": sorted(times)[len(times) // 2] * 1e3, "ms_95": sorted(times)[int(len(times) * 0.95)] * 1e3}


def writers(processes: int, runs: int, metrics: int) -> dict[str, float]:
    """Track from several processes at once into one store, until everything can be read in another."""
    context = get_context("spawn")
    ready, done = context.Barrier(processes + 1), context.Barrier(processes + 1)
    workers = [context.Process(target=_writer, args=(i, runs, metrics, ready, done)) for i in range(processes)]
    for worker in workers:
        worker.start()
    session.store().engine.dispose()  # the store is made before the clock starts, as MLflow's is
    ready.wait()
    began = time.perf_counter()
    done.wait()
    from nbmlops.store.driver import connect

    store = session.store()
    store.sync()
    with connect(store.project) as connection:
        count = connection.scalar("SELECT count(*) FROM points")
        finished = connection.scalar(
            "SELECT count(*) FROM runs WHERE status = 'finished' AND experiment LIKE 'writer%'"
        )
    took = time.perf_counter() - began
    for worker in workers:
        worker.join()
    errors = sum(worker.exitcode != 0 for worker in workers)
    return {"s": took, "errors": errors, "missing": processes * runs * (metrics + 1) - count - finished}


def _writer(number: int, runs: int, metrics: int, ready, done) -> None:
    with nb.run(f"warm-{number}"):
        pass
    session.store().sync()
    ready.wait()
    for _ in range(runs):
        with nb.run(f"writer-{number}"):
            for i in range(metrics):
                nb.log({f"m{i}": i * 0.5})
    session.drain(60)
    done.wait()


def fill(runs: int, params: int, metrics: int) -> dict[str, float]:
    """Fill a store through its own way in, without the calls: events as the journal holds them."""
    from nbmlops.records import new_id
    from nbmlops.store import columns, ingest
    from nbmlops.store.driver import connect

    chance = random.Random(0)
    with connect(session.project()) as connection:
        for start in range(0, runs, 500):
            part = range(start, min(runs, start + 500))
            events = [e for i in part for e in _events(new_id(), i, params, metrics, chance)]
            with connection.writing():
                ingest.write(connection, events)
        before = _size()
        columns.refresh(connection)
    return {"bytes_per_run": _size() / runs, "of_it_index": (_size() - before) / runs}


def _events(run_id: str, i: int, params: int, metrics: int, chance: random.Random):
    quality = chance.random()
    started = f"2026-01-{1 + i % 28:02d}T{i // 28 % 24:02d}:00:00.{i % 10**6:06d}+00:00"
    about = {"experiment": f"exp{i % 20}", "name": f"run{i}", "kind": "script", "status": "finished", "duration_s": 1.0}
    yield {"t": "run", "run_id": run_id, "started_at": started, **about}
    for k in range(params):
        value = chance.choice(["adam", "sgd", "lbfgs"]) if k % 4 == 0 else round(chance.random(), 4)
        yield {"t": "param", "run_id": run_id, "name": f"p{k}", "value": value, "origin": "logged"}
    for k in range(metrics):
        value = quality if k == 0 else -quality if k == 1 else chance.random()
        point = {"name": f"m{k}", "value": value, "step": None, "context": {}, "at": 1.7e9 + i}
        yield {"t": "metric", "run_id": run_id, **point}


def more_points(count: int) -> dict[str, float]:
    """Add points to a store, in series of 10,000, and say what one costs on disk."""
    from nbmlops.store import ingest
    from nbmlops.store.driver import connect

    before = _size()
    with connect(session.project()) as connection:
        ids = [row[0] for row in connection.execute("SELECT run_id FROM runs LIMIT ?", (count // 10_000,)).fetchall()]
        for run_id in ids:
            shared = {"t": "metric", "run_id": run_id, "name": "long", "context": {}}
            with connection.writing():
                points = ({**shared, "value": s * 0.1, "step": s, "at": 1.7e9 + s} for s in range(10_000))
                ingest.write(connection, points)
    return {"bytes_per_point": (_size() - before) / count}


QUERIES = {
    "broad": "m2 > 0.1",
    "selective": "m2 > 0.9999",
    "nothing": "m2 > 2",
    "anti-correlated": "m1 < -0.5",
    "or": "m2 > 0.99 or p1 < 0.01",
    "not like": "p4 not like '%a%'",
}


def query() -> dict[str, float]:
    """Take the top 50 as a DataFrame, sorted by another metric: the median of five of each shape."""
    nb.runs(limit=1)
    times = {}
    for name, text in QUERIES.items():
        took = []
        for _ in range(5):
            began = time.perf_counter()
            found = nb.runs(text, sort="-m0", limit=50)
            took.append(time.perf_counter() - began)
        assert len(found) == 0 if name == "nothing" else len(found) > 0
        times[name] = sorted(took)[2] * 1e3
    return {"ms": max(times.values()), "each_ms": {k: round(v, 1) for k, v in times.items()}}


def _size() -> int:
    home = session.project().home
    return sum(f.stat().st_size for f in Path(home).glob("store.sqlite*"))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    task, *numbers = sys.argv[1:]
    print(json.dumps(globals()[task](*map(int, numbers))))
