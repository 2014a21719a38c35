"""What a report costs: our page of sixty drifted columns and forty cells, beside nbconvert's page of a notebook.

``python bench/report.py`` draws both in turn in one process and prints one JSON line: medians in seconds of the
processor, and sizes in bytes. ``kept`` draws the page from facts at hand, ``whole`` gathers them first; nbconvert has
thirty of the cells.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

import nbmlops as nb
from nbmlops.report import page, snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session

CELLS, OTHERS, COLUMNS = 40, 30, 60


def main() -> None:
    """Draw both pages several times and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("nbmlops.toml").touch()
        track()
        print(json.dumps(measured(options.repeats)), flush=True)


def track() -> None:
    """Keep a run with a drift check and an executed notebook."""
    drawn = np.random.default_rng(0).normal(size=(3000, COLUMNS))
    before = pd.DataFrame(drawn, columns=[f"column_{i}" for i in range(COLUMNS)])
    run = session.start("large", kind="notebook", params={"months": [1, 2, 3]}, notebook="retrain.ipynb")
    nb.drift(before.iloc[:1500] + np.repeat([1.0, 0.0], [20, COLUMNS - 20]), before)
    session.log_artifact("notebook.ipynb", nbformat.writes(notebook(CELLS)).encode())
    session.finish(run)


def notebook(cells: int) -> Any:
    """Return an executed notebook: each cell shows a frame and prints some lines."""
    frame = pd.DataFrame(np.full((10, 10), 0.123456)).to_html()
    shown = [
        new_output("display_data", {"text/html": frame, "text/plain": "a frame"}),
        new_output("stream", name="stdout", text="epoch 1 loss 0.6\n" * 20),
    ]
    return new_notebook(cells=[new_code_cell("model = fit(flights)\n" * 10, outputs=shown) for _ in range(cells)])


def measured(repeats: int) -> dict[str, Any]:
    """Return medians and sizes; the first round warms up and does not count."""
    taken = snapshot.build(subject_of("large"))
    whole, part = page.appendix(taken), notebook(OTHERS)
    ways: dict[str, Callable[[], str]] = {
        "kept": lambda: page.render(taken, whole),
        "whole": lambda: page.render(snapshot.build(subject_of("large")), whole),
        "nbconvert": lambda: HTMLExporter().from_notebook_node(part)[0],
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    sizes: dict[str, int] = {}
    for turn in range(repeats + 1):
        for way, draw in ways.items():
            began = time.process_time()
            sizes[way] = len(draw().encode())
            if turn:
                seconds[way].append(time.process_time() - began)
    line = {f"{way}_s": round(statistics.median(found), 3) for way, found in seconds.items()}
    line |= {f"{way}_bytes": size for way, size in sizes.items()}
    return {"figure": f"report of {COLUMNS} drifted columns and {CELLS} cells", **line, "repeats": repeats}


if __name__ == "__main__":
    main()
