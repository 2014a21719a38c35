"""Compare two frames, by one of several: ours, evidently, nannyml. Prints one JSON object.

Usage: shift.py BY TASK ROWS. ``time``: seconds, memory above the frames, bytes of the page. ``alarms``: the share of
columns that are said to have moved where nothing did. ``faults``: the share of injected faults that are found.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.simplefilter("ignore")
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

NUMERIC, NAMES = 40, 10
TRIES = 20  # of frames where nothing moved


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Return 40 columns of numbers, half of them skewed, and 10 of names."""
    rng = np.random.default_rng(seed)
    numbers = {f"n{i}": rng.normal(size=rows) if i % 2 else rng.lognormal(size=rows) for i in range(NUMERIC)}
    share = 1 / np.arange(1, 13)
    names = {f"c{i}": rng.choice([f"k{j}" for j in range(12)], rows, p=share / share.sum()) for i in range(NAMES)}
    return pd.DataFrame({**numbers, **names})


FAULTS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "n0": lambda f: f.n0 * 1.6,  # another unit
    "n3": lambda f: f.n3.where(np.arange(len(f)) % 10 > 0),  # nothing in a tenth of the rows
    "n5": lambda f: f.n5.where(np.arange(len(f)) >= len(f) // 5, 0.3),  # stuck for a fifth of them
    "c1": lambda f: f.c1.replace({"k0": "k3", "k3": "k0"}),  # 32 % and 8 % of the rows swapped
}


def ours(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[set[str], Callable[[], int]]:
    """Return the columns that moved, and what makes the page and returns its bytes."""
    from nbmlops.drift.report import drift
    from nbmlops.widgets import mimebundle

    report = drift(current, reference)
    moved = {f.column for f in report.findings if f.outcome in ("issue", "warning") and f.column}
    return moved, lambda: len(mimebundle("drift", report.to_dict())["text/html"].encode())


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[set[str], Callable[[], int]]:
    """Return the same of Evidently's preset."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    done = Report([DataDriftPreset()]).run(current, reference)
    found = [m for m in done.dict()["metrics"] if m["config"]["type"].endswith("ValueDrift")]
    distance = {True: lambda v, t: v >= t, False: lambda v, t: v < t}  # of a p value, less is more
    moved = {
        m["config"]["column"]
        for m in found
        if distance["p_value" not in m["config"]["method"]](float(m["value"]), m["config"]["threshold"])
    }
    return moved, lambda: len(done.get_html_str(as_iframe=False).encode())


def nannyml(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[set[str], Callable[[], int]]:
    """Return the same of NannyML's univariate calculator: reference in ten chunks, one of the current rows. No page."""
    import nannyml as nml

    names = list(reference.columns)
    known = nml.UnivariateDriftCalculator(column_names=names, chunk_size=len(reference) // 10).fit(reference)
    found = known.calculate(current.iloc[: len(reference) // 10]).to_df()
    return {n for n in names if found[n, "jensen_shannon", "alert"].iloc[0]}, lambda: 0


def main(by: str, task: str, rows: int) -> dict[str, Any]:
    """Do one task."""
    compare = globals()[by]
    reference, current = frame(rows, 0), frame(rows, 1)
    compare(reference.iloc[:2000], current.iloc[:2000])  # imports
    if task == "alarms":
        pairs = [(frame(rows, 2 * seed), frame(rows, 2 * seed + 1)) for seed in range(TRIES)]
        moved = [len(compare(*pair)[0]) for pair in pairs]
        return {"share": sum(moved) / (TRIES * (NUMERIC + NAMES)), "frames": sum(m > 0 for m in moved) / TRIES}
    if task == "faults":
        missed: dict[str, int] = dict.fromkeys(FAULTS, 0)
        for seed in range(TRIES):
            changed = frame(rows, 2 * seed + 1)
            changed = changed.assign(**{name: make(changed) for name, make in FAULTS.items()})
            moved = compare(frame(rows, 2 * seed), changed)[0]
            missed = {name: n + (name not in moved) for name, n in missed.items()}
        return {"share": 1 - sum(missed.values()) / (TRIES * len(FAULTS)), "missed": missed}
    before = _peak_bytes(reset=True)
    began = time.perf_counter()
    _, page = compare(reference, current)
    took = time.perf_counter() - began
    return {"s": took, "mb": (_peak_bytes() - before) / 2**20, "page_kb": page() / 1000}


def _peak_bytes(reset: bool = False) -> int:
    """Return the most memory the process had, begun anew where asked: the system keeps count."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
