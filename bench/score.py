"""Scoring a million flights beside asking the model itself: time, memory above the frame. JSON lines.

The flights of 2013, tiled to a million rows, and the booster of the example notebooks. In one process each: the bare
``predict_proba`` on the frame, ``nb.predict`` of the frame, ``nb.score`` of a CSV and of a Parquet file (reading,
checking, answering, recording, writing). Each repeat measures all of them one after the other; a ratio is taken inside
a repeat, so that what else the machine does weighs on both. The aim is 1.3 and 500 MB.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "example_notebooks"))
import pandas as pd
import psutil
from flights import CATEGORIES, FEATURES, TARGET, load, split
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

ROWS, REPEATS = 1_000_000, 3
AIM = {"ratio": 1.3, "memory_mb": 500}


def main() -> None:
    """Make the project and print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        Path("nbmlops.toml").touch()
        model = registered()
        frame = tiled(options.rows)
        frame.to_csv("rows.csv", index=False)
        frame.to_parquet("rows.parquet", index=False)
        measured(model, frame, options.repeats)


def registered() -> Any:
    """Fit and register the booster of the example notebooks."""
    import nbmlops as nb

    train, held_out = split(load([1, 2, 3]))
    codes = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES), remainder="passthrough"
    )
    model = make_pipeline(codes, HistGradientBoostingClassifier(max_iter=150, random_state=0))
    model.fit(train[FEATURES], train[TARGET])
    nb.register(model, "late-flights", evaluation=nb.evaluate(model, held_out, target=TARGET))
    return nb.load_model("late-flights")


def tiled(rows: int) -> pd.DataFrame:
    """Return the year's flights again and again, up to so many rows."""
    year = load(range(1, 13))[FEATURES]
    return pd.concat([year] * -(-rows // len(year)), ignore_index=True)[:rows].copy()


def measured(model: Any, frame: pd.DataFrame, repeats: int) -> None:
    """Run every way in turn, and print the median, the median and best ratio, and the most memory."""
    import nbmlops as nb

    ways: dict[str, Callable[[], object]] = {
        "predict_proba": lambda: model.predict_proba(frame),
        "nb.predict": lambda: nb.predict("late-flights", frame),
        "nb.predict, log=False": lambda: nb.predict("late-flights", frame, log=False),
        "nb.score of CSV": lambda: nb.score("rows.csv", "late-flights", "scored.csv"),
        "nb.score of Parquet": lambda: nb.score("rows.parquet", "late-flights", "scored.parquet"),
    }
    few = frame[:1000]
    nb.predict("late-flights", few)
    model.predict_proba(few)
    turns = [{name: run(way) for name, way in ways.items()} for _ in range(repeats)]
    for name in ways:
        took = [turn[name][0] for turn in turns]
        ratios = [turn[name][0] / turn["predict_proba"][0] for turn in turns]
        line = {
            "bench": f"{name} of {len(frame):,} flights",
            "s": round(statistics.median(took), 2),
            "best_s": round(min(took), 2),
            "ratio": round(statistics.median(ratios), 2),
            "best_ratio": round(min(ratios), 2),
            "memory_mb": round(max(turn[name][1] for turn in turns)),
            "aim": AIM,
        }
        print(json.dumps(line), flush=True)


def run(way: Callable[[], object]) -> tuple[float, float]:
    """Return seconds, and the most memory it took above what was there before, in MB."""
    gc.collect()
    with Peak() as peak:
        began = time.perf_counter()
        way()
        took = time.perf_counter() - began
    return took, peak.above / 2**20


class Peak:
    """The most memory of this process while it is open, looked at every 20 ms."""

    def __enter__(self) -> Peak:
        self._process = psutil.Process()
        self._before = self._most = self._process.memory_info().rss
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def above(self) -> int:
        """Bytes above the beginning."""
        return self._most - self._before

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            self._most = max(self._most, self._process.memory_info().rss)


if __name__ == "__main__":
    main()
