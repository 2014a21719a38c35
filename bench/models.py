"""Register a model and read it back verified, beside MLflow: file, signature and digest, then a load. JSON lines.

A forest of 200 trees and a scaler with a logistic regression on 2,000 rows of 10 columns. MLflow's default call is
given a signature and an input example, as its documentation advises; its pinned call is also given the requirements
it else finds out by itself. MLflow is looked for in the Python of ``.venv-peers`` (``make bench`` makes it).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"
REPEATS = 5
AIMS = {"load pipeline ms": 20.0}
CALLS = ("default", "pinned", "cloudpickle")


def main() -> None:
    """Run every way in a process of its own and print one line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=str(PEERS), help="a Python that has MLflow")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        who, kind, repeats = options.run
        json.dump((ours if who == "ours" else theirs)(kind, int(repeats), who), sys.stdout)
        return
    for kind in ("pipeline", "forest"):
        found = {"ours": run(sys.executable, "ours", kind, options.repeats)}
        if Path(options.peers).exists():
            found |= {f"mlflow {c}": run(options.peers, c, kind, options.repeats) for c in CALLS}
        print(
            json.dumps({"bench": f"register and load a {kind}", "ms": found, "aim": AIMS if kind == "pipeline" else {}})
        )


def run(python: str, who: str, kind: str, repeats: int) -> dict[str, Any]:
    """Run one way in a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "nbmlops.toml").touch()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GIT_PYTHON_REFRESH": "quiet"}
        command = [python, str(Path(__file__).resolve()), "--run", who, kind, str(repeats)]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return {"refused": (done.stderr.strip().splitlines() or ["?"])[-1][:200]}
        return json.loads(done.stdout.strip().splitlines()[-1])


def fitted(kind: str) -> tuple[Any, Any]:
    """Return a model and the rows it was fitted on."""
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(2000, 10)), columns=[f"c{i}" for i in range(10)])
    truth = (rows.c0 + rng.normal(size=2000) > 0).astype(int)
    if kind == "forest":
        return RandomForestClassifier(200, random_state=0).fit(rows, truth), rows
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, truth), rows


def timed(register: Any, load: Any, repeats: int) -> dict[str, float]:
    """Return medians in milliseconds, of the clock and of the processor; the first call of a process is left out."""
    turns = []
    for _ in range(repeats + 1):
        began = clocks()
        ref = register()
        middle = clocks()
        load(ref)
        turns.append((began, middle, clocks()))
    found = {}
    for name, start, end in (("register", 0, 1), ("load", 1, 2)):
        for place, clock in enumerate(("", " cpu")):
            spent = [turn[end][place] - turn[start][place] for turn in turns[1:]]
            found[name + clock] = round(statistics.median(spent) * 1e3, 1)
    return {**found, "first of both": round((turns[0][2][0] - turns[0][0][0]) * 1e3, 1)}


def clocks() -> tuple[float, float]:
    """Return the clock, and what the processor gave this process and those it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(u.ru_utime + u.ru_stime for u in used)


def ours(kind: str, repeats: int, who: str) -> dict[str, float]:
    """Register and read back with nbmlops."""
    import nbmlops as nb

    model, _ = fitted(kind)
    return timed(lambda: nb.register(model, "bench").ref, nb.load_model, repeats)


def theirs(kind: str, repeats: int, call: str) -> dict[str, float]:
    """Log, register and read back with MLflow; what it says on the way is left out."""
    import logging
    import warnings

    import mlflow
    from mlflow.models import infer_signature

    warnings.simplefilter("ignore")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    model, rows = fitted(kind)
    ways: dict[str, dict[str, Any]] = {
        "default": {},
        "pinned": {"pip_requirements": ["scikit-learn"]},
        "cloudpickle": {"pip_requirements": ["scikit-learn"], "serialization_format": "cloudpickle"},
    }

    def register() -> str:
        signature = infer_signature(rows, model.predict(rows))
        with mlflow.start_run():
            kept = mlflow.sklearn.log_model(
                model,
                name="model",
                registered_model_name="bench",
                signature=signature,
                input_example=rows.head(5),
                **ways[call],
            )
        return kept.model_uri

    return timed(register, mlflow.sklearn.load_model, repeats)


if __name__ == "__main__":
    main()
