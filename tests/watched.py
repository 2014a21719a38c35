"""A model that is watched, and rows that moved, for tests of monitoring; here so that other processes can use it."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import nbmlops as nb


def rows(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    amount = rng.normal(size=n) + shift
    return pd.DataFrame({"amount": amount, "late": (rng.random(n) < 1 / (1 + np.exp(-amount))).astype(int)})


def registered():
    history = rows(1000, 0)
    model = LogisticRegression().fit(history[["amount"]], history["late"])
    nb.register(model, "late-flights", evaluation=nb.evaluate(model, rows(3000, 1), target="late"))


def months(*shifts):
    return pd.concat([rows(1500, 10 + i, s).assign(month=i) for i, s in enumerate(shifts)], ignore_index=True)


def check(chunk, name):
    """Check the rows of ``moved.parquet`` as soon as others are ready to do so, too."""
    frame = pd.read_parquet("moved.parquet")
    Path(f"ready-{name}").touch()
    while not Path("go").exists():
        time.sleep(0.001)
    nb.drift(frame, "late-flights@1", chunk=chunk)
