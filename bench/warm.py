"""How fast notebooks run: stock papermill, ours with cold kernels, ours with warm ones. JSON lines.

One import-heavy notebook (pandas, scikit-learn, a small fit), the three in turn, in one process that has papermill
imported; then many of them by two processes at a time, papermill's and ours. All must show the same.

    python bench/warm.py --repeats 9 --notebooks 100
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

CELLS = (
    "seed = 1",
    "import numpy as np\nimport pandas as pd\nfrom sklearn.ensemble import RandomForestClassifier\n"
    "from sklearn.linear_model import LogisticRegression\nfrom sklearn.model_selection import train_test_split",
    "rng = np.random.default_rng(seed)\nframe = pd.DataFrame(rng.normal(size=(500, 5)), columns=list('abcde'))\n"
    "frame['late'] = frame.a + rng.normal(size=500) > 0\nframe.describe()",
    "X, T, y, t = train_test_split(frame[list('abcde')], frame.late, random_state=seed)\n"
    "model = LogisticRegression().fit(X, y)\nprint(model.score(T, t), model.coef_)",
    "forest = RandomForestClassifier(5, random_state=seed).fit(X, y)\nprint(forest.score(T, t))\nT.head()",
)
QUIET = {"progress_bar": False, "log_output": False}


def write(path: Path) -> Path:
    """Write the notebook."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [new_code_cell(source, id=f"cell{n}") for n, source in enumerate(CELLS)]
    cells[0].metadata["tags"] = ["parameters"]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=about), path)
    return path


def stock(notebook: Path, output: Path, seed: int) -> None:
    """Execute it as papermill does."""
    import papermill

    papermill.execute_notebook(str(notebook), str(output), {"seed": seed}, **QUIET)


def ours(notebook: Path, output: Path, seed: int, how: str = "") -> None:
    """Execute it as we do, and see that its kernel started as it should."""
    import nbmlops as nb

    run = nb.run_notebook(notebook, {"seed": seed}, output, progress=lambda *_: None, check=True)
    assert run.tags["kernel"] == (how or run.tags["kernel"]), run.tags


def warm(notebook: Path, output: Path, seed: int) -> None:
    """Execute it with a warm kernel."""
    os.environ.pop("NBMLOPS_WARM", None)
    ours(notebook, output, seed, "warm")


def cold(notebook: Path, output: Path, seed: int) -> None:
    """Execute it with a cold kernel."""
    os.environ["NBMLOPS_WARM"] = "0"
    ours(notebook, output, seed, "cold")


WAYS = {"papermill": stock, "nbmlops, cold kernel": cold, "nbmlops, warm kernel": warm}


def shown(path: Path) -> list[object]:
    """Return what a notebook shows, without when."""
    cells = json.loads(path.read_text())["cells"]
    return [_merged(c.get("outputs", [])) for c in cells]


def _merged(outputs: list[dict]) -> list[object]:
    """Return outputs with what was printed in one piece: how it is cut depends on the moment."""
    printed = ["".join(o["text"]) for o in outputs if o["output_type"] == "stream"]
    return ["".join(printed), *(o.get("data") for o in outputs if o["output_type"] != "stream")]


def same(one: Path, other: Path) -> None:
    """Stop where two notebooks show different things."""
    for here, there in zip(shown(one), shown(other), strict=True):
        if here != there:
            raise SystemExit(f"{one.name} shows {here}, {other.name} {there}")


def make_parent(notebook: Path) -> None:
    """Run the notebook until a parent is there."""
    for _ in range(60):
        ours(notebook, notebook.with_name("first.ipynb"), 1)
        if json_tag() == "warm":
            return
        time.sleep(1)
    raise SystemExit("no warm kernel came up: nbmlops doctor says why")


def json_tag() -> str:
    """Return how the newest run's kernel started."""
    import nbmlops as nb

    return str(nb.get_run("heavy").tags["kernel"])


def single(folder: Path, repeats: int) -> dict[str, float]:
    """Return the median seconds of one notebook each way, the ways in turn."""
    notebook, took = folder / "heavy.ipynb", {name: [] for name in WAYS}
    for number in range(repeats + 1):  # the first warms the page cache for all
        for name, way in WAYS.items():
            output = folder / f"{name.replace(' ', '_').replace(',', '')}-{number}.ipynb"
            began = time.perf_counter()
            way(notebook, output, number)
            took[name] += [time.perf_counter() - began] if number else []
            same(output, folder / f"papermill-{number}.ipynb")
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def many(folder: Path, count: int, way: str) -> float:
    """Return the seconds two processes need for many notebooks."""
    (folder / way).mkdir()
    words = [sys.executable, __file__, "--worker", way]
    began = time.perf_counter()
    halves = [subprocess.Popen([*words, *map(str, range(half, count, 2))], cwd=folder) for half in (0, 1)]
    assert [half.wait() for half in halves] == [0, 0]
    return time.perf_counter() - began


def work(way: str, seeds: list[str]) -> None:
    """Be one of the processes."""
    for seed in seeds:
        (stock if way == "papermill" else warm)(Path("heavy.ipynb"), Path(way, f"{seed}.ipynb"), int(seed))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--notebooks", type=int, default=100)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker[0], given.worker[1:])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nbmlops.toml").write_text("")
        os.chdir(folder)
        make_parent(write(folder / "heavy.ipynb"))
        report(
            single(folder, given.repeats),
            {w: many(folder, given.notebooks, w) for w in ("papermill", "ours")},
            given.notebooks,
        )
        for seed in range(given.notebooks):
            same(folder / f"ours/{seed}.ipynb", folder / f"papermill/{seed}.ipynb")
    print(json.dumps({"bench": "results", "same as papermill's": True, "notebooks": given.notebooks}))


def report(one: dict[str, float], many: dict[str, float], count: int) -> None:
    """Print the figures with their bounds."""
    for name, seconds in one.items():
        bound = {"bound": 0.7} if "warm" in name else {}
        print(json.dumps({"bench": "one notebook", "by": name, "seconds": round(seconds, 3), **bound}))
    faster = one["papermill"] / one["nbmlops, warm kernel"]
    print(json.dumps({"bench": "one notebook", "times faster than papermill": round(faster, 2), "least": 5}))
    for name, seconds in many.items():
        per = round(seconds / count, 3)
        print(
            json.dumps(
                {"bench": f"{count} notebooks, 2 processes", "by": name, "seconds": round(seconds, 1), "each": per}
            )
        )
    faster = many["papermill"] / many["ours"]
    print(json.dumps({"bench": f"{count} notebooks", "times faster than papermill": round(faster, 2), "least": 6}))


if __name__ == "__main__":
    main()
