"""What it costs to lose no output: large outputs under nbmlops, stock papermill, and papermill with saving off.

``python bench/outputs.py`` executes the same notebooks in turn in one process and prints JSON lines: medians in
seconds, and how often the time of no saving at all each takes. nbmlops writes a journal of every output, the notebook
now and then, and keeps it with a run; papermill rewrites the whole file twice per cell.
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
from pathlib import Path

import nbformat
import papermill
from nbformat.v4 import new_code_cell, new_notebook

SPEC = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
OFF = {"request_save_on_cell_execute": False, "autosave_cell_every": 0}
WAYS = {
    "no saving": OFF,
    "papermill": {},
    "nbmlops": {"engine_name": "nbmlops"},
}


def main() -> None:
    """Execute every notebook in every way and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--outputs", type=int, default=40)
    parser.add_argument("--megabytes", type=float, default=1.0)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    size = int(options.megabytes * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("nbmlops.toml").touch()
        for name, cells in notebooks(options.outputs, size).items():
            nbformat.write(new_notebook(cells=[new_code_cell(c) for c in cells], metadata=SPEC), "in.ipynb")
            report(name, measure(options.repeats))


def notebooks(outputs: int, size: int) -> dict[str, list[str]]:
    """Return the cells of each notebook: outputs over many cells, in one cell, and none worth the name."""
    shows = f"from IPython.display import display, HTML\nfor _ in range({outputs}): display(HTML('x' * {size}))"
    return {
        f"{outputs} cells print {size / 1e6:g} MB each": [f"print('x' * {size})"] * outputs,
        f"one cell shows {outputs} times {size / 1e6:g} MB": [shows],
        "100 cells print a number": [f"print({i})" for i in range(100)],
    }


def measure(repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each execution, the ways in turn; the first round warms up and does not count."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(repeats + 1):
        for way, options in WAYS.items():
            began = time.perf_counter()
            papermill.execute_notebook("in.ipynb", f"{way}.ipynb", progress_bar=False, **options)
            if turn:
                taken[way].append(time.perf_counter() - began)
    return taken


def report(name: str, taken: dict[str, list[float]]) -> None:
    """Print the medians of one notebook."""
    medians = {way: statistics.median(seconds) for way, seconds in taken.items()}
    line = {"figure": name, **{f"{way}_s": round(s, 2) for way, s in medians.items()}}
    line |= {f"{way}_times": round(s / medians["no saving"], 2) for way, s in medians.items() if way != "no saving"}
    print(json.dumps(line | {"repeats": len(taken["no saving"])}), flush=True)


if __name__ == "__main__":
    main()
