"""How long value and viability of a run and of a version take, and what marks of the charter add to a table of runs.

The model and its evaluation are real (27,000 rows); the table has 1,000 runs, each with an evaluation. JSON lines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROWS, RUNS, REPEATS = 27_000, 1_000, 7
CHARTER = """
metrics: [{name: roc_auc, at_least: 0.7, viable: 0.6}, {name: log_loss, at_most: 0.6}]
models: {late: {metrics: [{name: roc_auc, at_least: 0.75}]}}
value: {unit: EUR, per: {true_positive: 12, false_positive: -4, false_negative: 0, true_negative: 0}}
"""


def main() -> None:
    """Fill a project and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="of the evaluation")
    parser.add_argument("--runs", type=int, default=RUNS, help="in the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("nbmlops.toml").touch()
        Path("charter.yaml").write_text(CHARTER)
        run_id, ref = trained(options.rows)
        judged(run_id, ref)
        marks(options.runs, run_id)


def trained(rows: int) -> tuple[str, str]:
    """Track, evaluate and register a model; return its run and its version."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    import nbmlops as nb

    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(2 * rows, 6)), columns=list("abcdef"))
    frame["late"] = frame["a"] + frame["b"] + rng.normal(size=2 * rows) > 1
    with nb.run("late") as run:
        seen, held = frame[:rows], frame[rows:]
        model = LogisticRegression().fit(seen[list("abcdef")], seen["late"])
        found = nb.evaluate(model, held, target="late")
        nb.log(roc_auc=found.metrics["roc_auc"]["value"])
        version = nb.register(model, "late", evaluation=found)
    return run.run_id, version.ref


def judged(run_id: str, ref: str) -> None:
    """Tell value and viability of the run and of the version."""
    import nbmlops as nb
    from nbmlops.governance.charter import required
    from nbmlops.governance.value import value

    def value_of_run() -> object:
        return value(nb.get_run(run_id).results("evaluation")[-1]["data"], required())

    nb.worth()  # the first estimate is kept
    say("value of a run, s", seconds(value_of_run), aim=0.2)
    say("viability of a run, s", seconds(lambda: nb.viability(run_id)), aim=0.2)
    say("value of a version, s", seconds(lambda: nb.worth(ref)), aim=0.2)
    say("viability of a version, s", seconds(lambda: nb.viability(ref)), aim=0.2)


def marks(count: int, judged: str) -> None:
    """List many runs, each with the evaluation of a judged one, with and without a charter, in turns."""
    import nbmlops as nb
    from nbmlops.tracking import session

    seen = nb.get_run(judged).results("evaluation")[-1]["data"]
    print(json.dumps({"what": "an evaluation, kB", "value": len(json.dumps(seen)) // 1000}))
    for number in range(count):
        with nb.run("many") as run:
            nb.log(roc_auc=0.8, log_loss=0.5, accuracy=0.7)
            session.keep("evaluation", f"many-{number}", seen, run_id=run.run_id)
    took: dict[bool, list[float]] = {True: [], False: []}
    nb.runs(limit=count)
    for _ in range(REPEATS):
        took[True].append(once(lambda: nb.runs(limit=count)))
        Path("charter.yaml").rename("away.yaml")
        took[False].append(once(lambda: nb.runs(limit=count)))
        Path("away.yaml").rename("charter.yaml")
    with_charter, without = (statistics.median(took[k]) for k in (True, False))
    say(f"{count:,} runs without a charter, s", without)
    say(f"{count:,} runs with a charter, s", with_charter)
    say("with a charter, times without", with_charter / without)


def seconds(ask: Callable[[], object]) -> float:
    """Return the median of some calls after the first one."""
    return statistics.median([once(ask) for _ in range(REPEATS + 1)][1:])


def once(ask: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start


def say(what: str, value: float, **more: float) -> None:
    """Print one figure."""
    print(json.dumps({"what": what, "value": round(value, 3), **more}), flush=True)


if __name__ == "__main__":
    main()
