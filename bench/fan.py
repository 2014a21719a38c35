"""Many notebooks on this machine's cores: our fan-out in two processes and on two Dask workers, against papermill.

``python bench/fan.py`` executes the same notebook with other parameters, 100 times each way, and prints a JSON line a
way: seconds in all, seconds of one process for a run, and how often faster than papermill in two processes. What each
run computed must be the same, or it stops. ``--section FILE`` writes the figures into a page, between its marks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

SPEC = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
BEGIN, END = "<!-- figures of bench/fan.py -->", "<!-- end of figures -->"
NOTEBOOKS = {
    "empty": ["seed = 0", "print(seed)"],
    "fit": [
        "seed = 0",
        "import pandas as pd\nfrom sklearn.datasets import make_classification\n"
        "from sklearn.linear_model import LogisticRegression\nfrom sklearn.model_selection import train_test_split",
        "X, y = make_classification(2000, 20, random_state=seed)\n"
        "train, test, y_train, y_test = train_test_split(pd.DataFrame(X), y, random_state=seed)\n"
        "print(round(LogisticRegression().fit(train, y_train).score(test, y_test), 6))",
    ],
}


def main() -> None:
    """Execute each notebook in every way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--section", type=Path, help="the page to write the figures into")
    options = parser.parse_args()
    lines = [line for name in NOTEBOOKS for line in measured(name, options.runs, options.workers)]
    if options.section:
        write(options.section, lines)


def measured(name: str, runs: int, workers: int) -> Iterator[dict[str, object]]:
    """Yield a line for each way to execute a notebook."""
    ways: dict[str, Callable[[int, int], list[str]]] = {
        "papermill, processes": with_papermill,
        "nbmlops, local": partial(with_us, ""),
        "nbmlops, Dask": with_dask,
    }
    base, said = 0.0, None
    for way, execute in ways.items():
        with tempfile.TemporaryDirectory() as folder, inside(folder):
            nbformat.write(notebook(NOTEBOOKS[name]), "night.ipynb")
            Path("nbmlops.toml").touch()
            began = time.perf_counter()
            found = execute(runs, workers)
            took = time.perf_counter() - began
        said, base = said or found, base or took
        if found != said:
            raise SystemExit(f"{way} computed something else.")
        line = {"notebook": name, "way": way, "runs": runs, "workers": workers, "seconds": round(took, 1)}
        line |= {"a_run_s": round(took * workers / runs, 2), "times_faster": round(base / took, 2)}
        print(json.dumps(line), flush=True)
        yield line


@contextmanager
def inside(folder: str) -> Iterator[None]:
    """Work in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def notebook(cells: list[str]) -> nbformat.NotebookNode:
    """Return a notebook whose first cell holds the parameters."""
    made = [new_code_cell(c) for c in cells]
    made[0].metadata["tags"] = ["parameters"]
    return new_notebook(cells=made, metadata=SPEC)


def with_papermill(runs: int, workers: int) -> list[str]:
    """Execute with stock papermill, one process a core."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(one, range(runs)))
    return [printed(Path(f"out-{seed}.ipynb")) for seed in range(runs)]


def one(seed: int) -> None:
    """Execute one notebook as papermill does."""
    import logging

    import papermill

    logging.disable(logging.WARNING)
    papermill.execute_notebook("night.ipynb", f"out-{seed}.ipynb", {"seed": seed}, progress_bar=False)


def with_us(url: str, runs: int, workers: int) -> list[str]:
    """Execute as a fan-out, by the command a person types."""
    program = Path(sys.executable).with_name("nbmlops")
    seeds = ",".join(map(str, range(runs)))
    command = [
        program,
        "run",
        "night.ipynb",
        "--grid",
        f"seed={seeds}",
        "--executor",
        url or f"local:{workers}",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(done.stdout) if done.stdout else {}
    if done.returncode:
        raise SystemExit(f"{done.stderr}\n{found.get('states')} {[r['why'] for r in found.get('rows', [])][:3]}")
    outputs = Path(".nbmlops/outputs/night")
    return [printed(outputs / f"{row['run_id']}.ipynb") for row in found["rows"]]


def with_dask(runs: int, workers: int) -> list[str]:
    """Execute on workers of Dask, each a process with one thread; what starts them is counted."""
    file = Path("scheduler.json").absolute()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    start = [sys.executable, "-m", "dask"]
    at = ["--scheduler-file", str(file), "--no-dashboard"]
    started = [subprocess.Popen([*start, "scheduler", "--host", "127.0.0.1", "--port", "0", *at], **quiet)]
    worker = [*start, "worker", "--nthreads", "1", "--no-nanny", *at]
    started += [subprocess.Popen(worker, **quiet) for _ in range(workers)]
    try:
        while not file.exists():
            time.sleep(0.05)
        return with_us(json.loads(file.read_text())["address"].replace("tcp:", "dask:"), runs, workers)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def printed(path: Path) -> str:
    """Return what the last cell printed."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    return "".join(o.get("text", "") for o in cells[-1].outputs)


def write(page: Path, lines: list[dict[str, object]]) -> None:
    """Put the figures between the marks of a page."""
    rows = [
        f"| {li['notebook']} | {li['way']} | {li['seconds']} | {li['a_run_s']} | {li['times_faster']} |" for li in lines
    ]
    head = f"| notebook | {lines[0]['runs']} runs, {lines[0]['workers']} at once | s in all | s a run | times faster |"
    table = "\n".join([head, "| --- | --- | ---: | ---: | ---: |", *rows])
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
