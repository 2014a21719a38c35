"""The store beside MLflow on its SQLite back end, in one run: points, runs, eight writers, queries, sizes. JSON lines.

MLflow is looked for in the Python of ``.venv-peers`` (``make bench`` makes it); without it our figures stand alone.
What takes MLflow minutes it does a tenth of, and the line says so. ``--postgres`` runs ours on PostgreSQL too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"
REPEATS = 3


def main() -> None:
    """Run every task and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=str(PEERS), help="a Python that has MLflow")
    parser.add_argument(
        "--postgres", nargs="?", const="own", help="address of an empty database; alone: a server of our own"
    )
    parser.add_argument("--large", action="store_true", help="also 100,000 runs and 10 million points (five minutes)")
    options = parser.parse_args()
    peer = options.peers if Path(options.peers).exists() else None
    points(peer)
    empty(peer)
    writers(peer)
    queries(peer, 10_000, points=0)
    if options.large:
        queries(None, 100_000, points=10_000_000)
    if options.postgres == "own":
        on_own_postgres()
    elif options.postgres:
        on_postgres(options.postgres)


def points(peer: str | None) -> None:
    """10,000 points, one call each, readable at the end."""
    ours = [run("points", 10_000) for _ in range(REPEATS)]
    theirs = run("points", 1_000, peer=peer)
    took = statistics.median(r["s"] for r in ours)
    say("10,000 points readable, s", took, theirs and theirs["s"] * 10, aim=0.1, note="MLflow: 1,000 points, times 10")
    say("one nb.log call, us", statistics.median(r["us_per_call"] for r in ours))


def empty(peer: str | None) -> None:
    """Start and end of an empty run."""
    theirs = run("empty", 50, peer=peer)
    say("empty run, ms", run("empty", 500)["ms"], theirs and theirs["ms"], aim=1)


def writers(peer: str | None) -> None:
    """8 processes x 1,000 runs x 10 metrics into one SQLite file."""
    ours = sorted((run("writers", 8, 1_000, 10) for _ in range(REPEATS)), key=lambda r: r["s"])[REPEATS // 2]
    theirs = run("writers", 8, 20, 10, peer=peer)
    note = f"errors {ours['errors']}, missing {ours['missing']}; MLflow: 20 runs a process, times 50"
    say("8 writers x 1,000 runs x 10 metrics, s", ours["s"], theirs and theirs["s"] * 50, aim=2, note=note)


def queries(peer: str | None, runs: int, points: int) -> None:
    """Top 50 of many runs, 80 params and 10 metrics each, worst of six query shapes."""
    with tempfile.TemporaryDirectory() as folder:
        size = run("fill", runs, 80, 10, folder=folder)
        found = run("query", folder=folder)
        theirs = None
        if peer:
            run("fill", runs, 80, 10, folder=folder, peer=peer)
            theirs = run("query", folder=folder, peer=peer)
        aim = 25 if runs == 10_000 else 60
        say(f"top 50 of {runs:,} runs, ms", found["ms"], theirs and theirs["ms"], aim, json.dumps(found["each_ms"]))
        say(
            "bytes per run (80 params, 10 metrics)",
            size["bytes_per_run"],
            note=f"index {size['of_it_index']:.0f} of it",
        )
        if points:
            say("bytes per point", run("more_points", points, folder=folder)["bytes_per_point"])
            again = run("query", folder=folder)
            say(f"the same with {points:,} points, ms", again["ms"], aim=aim, note=json.dumps(again["each_ms"]))


def on_own_postgres() -> None:
    """Do the same on the server the tests start, with its syncs on."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    import servers

    with servers.run_postgres(None, {}) as server:
        server.execute("CREATE DATABASE bench")
        on_postgres(server.url("bench"))


def on_postgres(url: str) -> None:
    """Print our figures once more with the database on PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        say("PostgreSQL: 10,000 points readable, s", run("points", 10_000, folder=folder, store=url)["s"])
        say("PostgreSQL: empty run, ms", run("empty", 300, folder=folder, store=url)["ms"])
        run("fill", 10_000, 80, 10, folder=folder, store=url)
        found = run("query", folder=folder, store=url)
        say("PostgreSQL: top 50 of 10,000 runs, ms", found["ms"], note=json.dumps(found["each_ms"]))


def run(task: str, *numbers: int, peer: str | None = "", folder: str = "", store: str = "") -> dict:
    """Run one task in a process of its own and a project of its own; None when there is no such peer."""
    if peer is None:
        return {}
    worker = HERE / "workers" / ("with_mlflow.py" if peer else "ours.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"NBMLOPS_STORE": store} if store else {})}
    with tempfile.TemporaryDirectory() as fresh:
        place = Path(folder or fresh)
        (place / "nbmlops.toml").touch()
        command = [peer or sys.executable, str(worker), task, *map(str, numbers)]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def say(name: str, ours: float, theirs: float | dict | None = None, aim: float | None = None, note: str = "") -> None:
    """Print one figure as a JSON line."""
    line = {"figure": name, "nbmlops": round(ours, 4)}
    if theirs:
        line |= {"mlflow": round(theirs, 4), "times": round(theirs / ours)}
    print(json.dumps({**line, **({"aim": aim} if aim else {}), **({"note": note} if note else {})}), flush=True)


if __name__ == "__main__":
    main()
