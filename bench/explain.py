"""Explain one flight, beside shap: seconds a row, rows asked, and how far apart the values are. JSON lines.

The pipeline of the example notebooks with 1,000 rows kept as background. shap is looked for in the Python of
``.venv-peers`` (``make bench`` makes it); it is given what it likes best: the rows coded as numbers and the booster
alone, where we ask the whole pipeline of rows as people have them. Both explain against the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROWS = 20
AIM_S = 0.5


def main() -> None:
    """Explain the same flights in every way, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=str(PEERS), help="a Python that has shap")
    parser.add_argument("--shap", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.shap:
        theirs(Path(options.shap))
        return
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        Path("nbmlops.toml").touch()
        values = ours()
        beside(options.peers, values)


def ours() -> Any:
    """Explain flights one by one; leave for shap what it needs; return the values of each column in order."""
    sys.path.insert(0, str(HERE.parent / "example_notebooks"))
    import numpy as np
    from flights import FEATURES, TARGET, load, split

    import nbmlops as nb
    from nbmlops.monitoring.explaining import asked, reasons

    model, (train, held_out) = fitted(), split(load([1, 2, 3]))
    nb.register(model, "late-flights", nb.evaluate(model, held_out, target=TARGET), background=train[FEATURES])
    rows = [held_out[FEATURES].iloc[[i]] for i in range(0, 50 * ROWS, 50)]
    took, found = timed(lambda row: nb.explain("late-flights", row), rows)
    whole, _ = timed(lambda _: nb.explain("late-flights"), rows[:3])
    case = asked.case_of("late-flights")
    against = reasons.drawn(case, len(FEATURES), 0)
    coder = model[0]
    held = {"rows": [coder.transform(r) for r in rows], "against": coder.transform(against), "model": model[-1]}
    order = [str(c).partition("__")[2] for c in coder.get_feature_names_out()]
    Path("given.pickle").write_bytes(pickle.dumps(held))
    line = {"bench": "explain a flight", "s": took, "aim s": AIM_S, "asked": found[0].rows[0]["asked"]}
    print(json.dumps({**line, "background": len(against), "the model as a whole s": whole["median"]}), flush=True)
    by_column = [{c["column"]: c["contribution"] for c in e.rows[0]["contributions"]} for e in found]
    return np.array([[values[name] for name in order] for values in by_column])


def fitted() -> Any:
    """Return the model of the example notebooks."""
    from flights import CATEGORIES, FEATURES, TARGET, load, split
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    train, _ = split(load([1, 2, 3]))
    codes = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES), remainder="passthrough"
    )
    booster = HistGradientBoostingClassifier(max_iter=150, random_state=0)
    return make_pipeline(codes, booster).fit(train[FEATURES], train[TARGET])


def timed(explain: Callable[[Any], Any], rows: list[Any]) -> tuple[dict[str, float], list[Any]]:
    """Return how long explaining took, by the clock and by the processor, and what it said; the first is a warm-up."""
    found, spent = [explain(rows[0])], []
    for row in rows[1:]:
        began = time.perf_counter(), time.process_time()
        found.append(explain(row))
        spent.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    clock, processor = zip(*spent, strict=True)
    numbers = {"median": statistics.median(clock), "worst": max(clock), "median cpu": statistics.median(processor)}
    return {name: round(value, 3) for name, value in numbers.items()}, found


def beside(peers: str, values: Any) -> None:
    """Let shap explain the same rows, and print how far its values are from ours."""
    import numpy as np

    if not Path(peers).exists():
        print(json.dumps({"bench": "explain a flight, shap", "not measured": f"no {peers}"}))
        return
    done = subprocess.run(
        [peers, str(HERE / "explain.py"), "--shap", str(Path.cwd())], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(json.dumps({"bench": "explain a flight, shap", "refused": done.stderr.strip().splitlines()[-1][:200]}))
        return
    for line in done.stdout.splitlines():
        told = json.loads(line)
        far = np.abs(np.array(told.pop("values")) - values).max()
        print(json.dumps({**told, "farthest from ours, points": round(100 * float(far), 4)}), flush=True)


def theirs(place: Path) -> None:
    """Explain with shap: every coalition, and drawn orders."""
    import shap

    given = pickle.loads((place / "given.pickle").read_bytes())
    masker = shap.maskers.Independent(given["against"], max_samples=len(given["against"]))

    def chance(rows: Any) -> Any:
        return given["model"].predict_proba(rows)[:, 1]

    for name in ("Exact", "Permutation"):
        explainer = getattr(shap.explainers, name)(chance, masker)
        took, found = timed(explainer, given["rows"])
        values = [e.values[0].tolist() for e in found]
        print(json.dumps({"bench": f"explain a flight, shap {name}", "s": took, "values": values}), flush=True)


if __name__ == "__main__":
    main()
