"""The fleet at 10,000 versions: list and search it, find one version; the median call and the first one. JSON lines.

The store is filled through the bare driver, so that the bench takes seconds: rows as registering writes them, with
eight metrics, a signature of twenty columns, a drift report for every fourth version. The aim is 50 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

VERSIONS, NAMES, REPEATS = 10_000, 100, 9
METRICS = ("accuracy", "brier", "log_loss", "observed_share", "predicted_share", "roc_auc", "share_gap", "recall")


def main() -> None:
    """Fill a store and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=VERSIONS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("nbmlops.toml").touch()
        import nbmlops as nb
        from nbmlops.registry import fleet

        fill(options.versions)
        count = f"{options.versions:,} versions"
        say(f"list {count}", lambda: nb.models())
        say(f"list {count} as rows", fleet.rows)
        say(f"newest 100 of {count}", lambda: nb.models(sort="-created_at", limit=100))
        say(f"search {count} by a metric", lambda: nb.models("metrics.roc_auc > 0.69"))
        say(f"search {count} by a tag", lambda: nb.models("tags.team = 'team 3'"))
        say(f"search {count} by a data set", lambda: nb.models("dataset = 'flights@2'"))
        say(f"one of {count}", lambda: nb.model_version("model-7@12"))
        say(f"a champion of {count}", lambda: nb.model_version("model-7@champion"))


def fill(count: int) -> None:
    """Write versions, their runs, data sets, aliases and checks."""
    import numpy as np

    from nbmlops.records import new_ids, now
    from nbmlops.store.database import as_json
    from nbmlops.store.driver import connect
    from nbmlops.tracking import session

    rng, at, ids = np.random.default_rng(1), now(), new_ids(count)
    seen = {"kind": "category", "categories": [f"value {i}" for i in range(20)]}
    columns = [{"name": f"c{i}", **seen} for i in range(20)]
    signature = as_json({"columns": columns, "task": "binary", "classes": [False, True]})
    drift = {"verdict": "notice", "findings": [{"code": "feature_drift", "message": "x" * 200} for _ in range(20)]}
    with session.store().atomic() as change:
        for name in range(NAMES):
            change.event("alias", f"model-{name}@champion", {"version": 5, "from": None}, ("ada", "os"))
    with connect(session.project()) as connection, connection.writing():
        versions, runs, datasets, results = [], [], [], []
        for i, run_id in enumerate(ids):
            name, number = f"model-{i % NAMES}", i // NAMES + 1
            values = {m: float(v) for m, v in zip(METRICS, rng.uniform(0.4, 0.9, len(METRICS)), strict=True)}
            metrics = {m: {"value": v, "low": v - 0.01, "high": v + 0.01, "n": 9000} for m, v in values.items()}
            about = (name, number, f"{i:064x}", "skops", "Pipeline", signature, run_id, "ada", at)
            versions.append((*about, as_json(metrics), run_id, "[]", 9))
            runs.append((i + 1, run_id, "forest", "cell", "finished", at, at, as_json({"team": f"team {i % 50}"})))
            datasets.append((run_id, "read", "flights", f"{i % 40:064x}", "full", 9000, "[]"))
            if i % 4 == 0:
                results.append((f"r{i}", "drift", name, at, as_json({**drift, "reference": f"{name}@{number}"})))
        insert(connection, "model_versions", VERSION, versions)
        insert(connection, "runs", RUN, runs)
        insert(connection, "datasets", DATASET, datasets)
        insert(connection, "results", RESULT, results)
        known = [("flights", n, f"{n:064x}", 9000, "[]", "p", "[]", "", "", "ada", at) for n in range(1, 41)]
        insert(connection, "dataset_versions", DATASET_VERSION, known)


VERSION = (
    *("name", "version", "digest", "format", "estimator", "signature", "run_id", "owner", "created_at", "metrics"),
    *("evaluation", "trusted", "size_bytes"),
)
RUN = ("no", "run_id", "experiment", "kind", "status", "started_at", "ended_at", "tags")
DATASET = ("run_id", "role", "name", "fingerprint", "strength", "rows", "columns")
RESULT = ("result_id", "kind", "subject", "at", "data")
DATASET_VERSION = (
    *("name", "version", "fingerprint", "rows", "columns", "profile", "findings", "source", "query", "author"),
    "created_at",
)


def insert(connection: object, table: str, names: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Write rows in one statement."""
    marks = ", ".join("?" * len(names))
    connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)


def say(what: str, ask: Callable[[], object]) -> None:
    """Print how long the first call took, the median of the next ones, and that of their processor time."""
    took, worked = [], []
    for _ in range(REPEATS + 1):
        began, busy = time.perf_counter(), time.process_time()
        ask()
        took.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.process_time() - busy))
    found = {"ms": statistics.median(took[1:]), "cpu_ms": statistics.median(worked[1:]), "first_ms": took[0]}
    print(json.dumps({"what": what, **{k: round(v, 1) for k, v in found.items()}, "aim_ms": 50}), flush=True)


if __name__ == "__main__":
    main()
