"""Time cells of one IPython shell, plain and tracked in turn; the Python that runs it decides by whom: ours or MLflow.

Usage: cells.py ours|mlflow TASK [REPEATS]. Prints one JSON object of medians in milliseconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
from IPython.terminal.interactiveshell import TerminalInteractiveShell

IMPORTS = """
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
import sklearn.metrics
X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
"""
BODIES = {
    "empty": "x = 1",
    "logistic": "model = LogisticRegression(max_iter=500).fit(X, y)",
    "forest": "model = RandomForestClassifier(100, random_state=0).fit(X, y)",
    "grid": "model = GridSearchCV(LogisticRegression(max_iter=500), {'C': [0.1, 1, 10, 100]}, cv=5).fit(X, y)",
    "points": "for i in range(1000):\n    nb.log(loss=0.5, step=i)",
}
shell = TerminalInteractiveShell.instance(colors="nocolor")


def cell(source: str) -> float:
    """Run a cell, its card swallowed, and return how long it took in milliseconds."""
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        result = shell.run_cell(source)
    took = (time.perf_counter() - began) * 1e3
    result.raise_error()
    return took


def interleaved(repeats: int, arms: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Return the median of each arm; they take turns, so that a slow moment slows them all."""
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(repeats):
        for name, once in arms.items():
            times[name].append(once())
    medians = {name: statistics.median(values) for name, values in times.items()}
    slow = {f"{name}_p95": sorted(values)[int(0.95 * (len(values) - 1))] for name, values in times.items()}
    return medians | slow


def ours(task: str, repeats: int) -> dict[str, float]:
    """Time the cell plain, tracked without its model, and tracked."""
    shell.run_line_magic("load_ext", "nbmlops")
    cell("import nbmlops as nb")
    if task == "empty":
        first = cell("%%track first\nx = 1")
        return {"first": first, **_large(repeats)}
    if task == "points":
        return {"points": statistics.median(_points() for _ in range(repeats))}
    if task == "fingerprint":
        return _fingerprint(repeats)
    cell(IMPORTS)
    cell(f"%%track {task}\n{BODIES[task]}")
    arms = {
        "plain": lambda: cell(BODIES[task]),
        "tracked": lambda: cell(f"%%track {task} --no-model\n{BODIES[task]}"),
        "with_model": lambda: cell(f"%%track {task}\n{BODIES[task]}"),
    }
    return interleaved(repeats, arms)


def _large(repeats: int) -> dict[str, float]:
    """Time the empty cell alone, and with a frame of 1 GB alive in the kernel that it does not touch."""
    arms = {"plain": lambda: cell("x = 1"), "tracked": lambda: cell("%%track empty\nx = 1")}
    alone = interleaved(repeats, arms)
    cell("import numpy, pandas\nlarge = pandas.DataFrame(numpy.ones((1_000_000, 125)))")
    return alone | {f"{name}_beside_1_gb": took for name, took in interleaved(repeats, arms).items()}


def _fingerprint(repeats: int) -> dict[str, float]:
    """Return how fast a frame of 1 GB is hashed, and BLAKE3 alone on one thread beside it, in GB a second."""
    import numpy as np
    import pandas as pd
    from blake3 import blake3

    from nbmlops.capture.data import describe

    large = pd.DataFrame(np.random.default_rng(0).normal(size=(1_000_000, 125)))
    columns = [large[name].to_numpy().data.cast("B") for name in large]

    def timed(once: Callable[[], object]) -> float:
        began = time.perf_counter()
        once()
        return time.perf_counter() - began

    arms = {"ours": lambda: describe("large", large), "blake3": lambda: [blake3(c).digest() for c in columns]}
    took = interleaved(repeats, {name: lambda once=once: timed(once) for name, once in arms.items()})
    return {name: 1 / took[name] for name in arms}


def _points() -> float:
    """Return the milliseconds of the loop that logs 1,000 points, as the cell itself sees them."""
    timed = f"import time\nbegan = time.perf_counter()\n{BODIES['points']}\ntook = time.perf_counter() - began"
    cell(f"%%track points\n{timed}")
    return shell.user_ns["took"] * 1e3


def mlflow(task: str, repeats: int) -> dict[str, float]:
    """Time the cell plain and in a run of MLflow with autolog, without the model and with it."""
    import logging

    cell("import mlflow\nmlflow.set_tracking_uri('sqlite:///mlflow.db')")
    logging.disable(logging.WARNING)
    if task == "points":
        body = "with mlflow.start_run():\n    for i in range(1000):\n        mlflow.log_metric('loss', 0.5, step=i)"
        return {"points": statistics.median(cell(body) for _ in range(repeats))}
    cell(IMPORTS)
    indented = BODIES[task].replace("\n", "\n    ")
    run = f"with mlflow.start_run():\n    {indented}"

    def logged(models: bool) -> Callable[[], float]:
        def once() -> float:
            cell(f"mlflow.sklearn.autolog(log_models={models}, silent=True)")
            try:
                return cell(run)
            finally:
                cell("mlflow.sklearn.autolog(disable=True, silent=True)")

        return once

    arms = {"plain": lambda: cell(BODIES[task]), "tracked": logged(False), "with_model": logged(True)}
    arms["tracked"]()  # its first run makes the database
    return interleaved(repeats, arms)


if __name__ == "__main__":
    done = {"ours": ours, "mlflow": mlflow}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    print(json.dumps({name: round(ms, 3) for name, ms in done.items()}))
