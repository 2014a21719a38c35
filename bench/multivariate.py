"""How often columns together raise an alarm where nothing moved, and where only a relation did; and how long it takes.

``python bench/multivariate.py``; one JSON line each.
"""

from __future__ import annotations

import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from nbmlops.drift.multivariate import told_apart

PAIRS = 40


def table(rows: int, columns: int, seed: int, related: float = 0.0) -> pd.DataFrame:
    """A fifth of names, the rest normal; the first two go together as much as is said."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, columns - columns // 5))
    numbers[:, 1] = related * numbers[:, 0] + np.sqrt(1 - related**2) * numbers[:, 1]
    frame = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(numbers.shape[1])])
    names = [f"v{i}" for i in range(20)]
    return frame.assign(**{f"name{i}": rng.choice(names, rows) for i in range(columns // 5)})


def share(rows: int, columns: int, related: float) -> dict[str, float]:
    """The share of pairs of frames at each level: the relation of two columns turned, or nothing did where it is 0."""
    found = []
    for seed in range(PAIRS):
        current, reference = (table(rows, columns, 2 * seed + i, s * related) for i, s in ((0, -1), (1, 1)))
        found.append(told_apart(current, reference, list(reference)).outcome)
    return {level: found.count(level) / PAIRS for level in ("warning", "issue")}


def seconds(rows: int, columns: int, related: float) -> float:
    """The median of five."""
    current, reference = table(rows, columns, 0, -related), table(rows, columns, 1, related)
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        told_apart(current, reference, list(reference))
        taken.append(time.perf_counter() - start)
    return round(float(np.median(taken)), 2)


def main() -> None:
    for related in (0.0, 0.3, 0.5):
        for columns in (10, 50):
            for rows in (500, 1000, 3000):
                about = {"correlation": [related, -related], "columns": columns, "rows": rows}
                print(json.dumps(about | share(rows, columns, related)), flush=True)
    for rows, columns in ((3000, 50), (3000, 500), (1_000_000, 50)):
        times = {"nothing moved": seconds(rows, columns, 0.0), "told apart": seconds(rows, columns, 0.8)}
        print(json.dumps({"rows": rows, "columns": columns} | times), flush=True)


if __name__ == "__main__":
    main()
