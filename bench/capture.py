"""What tracking costs a cell, beside MLflow's autolog in the same run. JSON lines, milliseconds, medians.

Each task runs in a process of its own, plain and tracked cells in turn, with a git repository around it as users have.
MLflow and IPython are looked for in the Python of ``.venv-peers`` (``make bench`` makes it).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"
FITS = {"logistic": 41, "forest": 11, "grid": 11}


def main() -> None:
    """Run every task and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=str(PEERS), help="a Python that has MLflow and IPython")
    options = parser.parse_args()
    peer = options.peers if Path(options.peers).exists() else ""
    empty(peer)
    for task, repeats in FITS.items():
        fit(task, repeats, peer)
    points(peer)
    fingerprint()


def fingerprint() -> None:
    """A numeric frame of 1 GB, beside BLAKE3 alone on one thread."""
    line = {"figure": "fingerprint of 1 GB, GB/s", **run("fingerprint", 5), "aim": 4}
    print(json.dumps(line), flush=True)


def empty(peer: str) -> None:
    """A cell that does nothing, the first one, and one beside a frame of 1 GB."""
    found, theirs = run("empty", 101), run("empty", 11, peer)
    say("first tracked cell", found["first"], aim=600)
    for name, suffix in (("empty cell", ""), ("empty cell beside 1 GB", "_beside_1_gb")):
        tracked, plain = found[f"tracked{suffix}"], found[f"plain{suffix}"]
        note = f"plain {plain:.1f}; 95th percentile of the tracked one {found[f'tracked_p95{suffix}']:.1f}"
        say(f"{name} adds", tracked - plain, _adds(theirs, "tracked"), aim=5, note=note)


def fit(task: str, repeats: int, peer: str) -> None:
    """A fit: what tracking adds without the model, and with it."""
    found, theirs = run(task, repeats), run(task, 5, peer)
    note = f"plain {found['plain']:.1f}"
    aim = max(10.0, found["plain"] / 10)
    say(f"{task} adds", _adds(found, "tracked"), _adds(theirs, "tracked"), aim=aim, note=note)
    say(f"{task} with its model adds", _adds(found, "with_model"), _adds(theirs, "with_model"))


def points(peer: str) -> None:
    """1,000 points by the natural call."""
    theirs = run("points", 1, peer)
    say("1,000 points", run("points", 21)["points"], theirs.get("points"), aim=10)


def _adds(found: dict[str, float], arm: str) -> float | None:
    return found[arm] - found["plain"] if found else None


def run(task: str, repeats: int, peer: str | None = None) -> dict[str, float]:
    """Run one task in a process, a project and a repository of its own; {} when there is no such peer."""
    if peer == "":
        return {}
    command = [peer or sys.executable, str(HERE / "workers" / "cells.py"), "mlflow" if peer else "ours", task]
    with tempfile.TemporaryDirectory() as place:
        Path(place, "nbmlops.toml").touch()
        subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "IPYTHONDIR": place}
        done = subprocess.run([*command, str(repeats)], cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stderr[-3000:]}\n{done.stdout[-1000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def say(name: str, ours: float | None, theirs: float | None = None, aim: float | None = None, note: str = "") -> None:
    """Print one figure as a JSON line."""
    line = {"figure": f"{name}, ms", "nbmlops": round(ours or 0.0, 2)}
    if theirs:
        line |= {"mlflow": round(theirs, 1), "times": round(theirs / max(ours or 0.0, 1.0))}
    known = {"aim": aim and round(aim, 1), "note": note}
    print(json.dumps(line | {name: value for name, value in known.items() if value}), flush=True)


if __name__ == "__main__":
    main()
