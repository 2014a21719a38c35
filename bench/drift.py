"""Two frames held against each other, beside Evidently and NannyML in one run. JSON lines.

50 columns, 40 of numbers and 10 of names, the same rows for all; each in a process of its own. The others are looked
for in the Python of ``.venv-peers`` (``make bench`` makes it). ``--large`` adds a million rows: minutes for Evidently.
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
from typing import Any

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"
WHO = ("ours", "evidently", "nannyml")
AIMS = {100_000: 0.25, 1_000_000: 2.0}


def main() -> None:
    """Run every task and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=str(PEERS), help="a Python that has Evidently and NannyML")
    parser.add_argument("--large", action="store_true", help="also a million rows (ten minutes)")
    options = parser.parse_args()
    peer = options.peers if Path(options.peers).exists() else ""
    for rows in (100_000, 1_000_000) if options.large else (100_000,):
        times(rows, peer)
    for rows in (1_000, 5_000):
        shares("columns that are said to have moved where nothing did", "alarms", rows, peer)
        shares("injected faults found", "faults", rows, peer)


def times(rows: int, peer: str) -> None:
    """Seconds, memory above the frames, bytes of the page."""
    ours = sorted((run("ours", "time", rows) for _ in range(3)), key=lambda found: found["s"])
    found = {"ours": ours[1] | {"s": statistics.median(o["s"] for o in ours)}}
    found |= {who: run(who, "time", rows, peer) for who in WHO[1:] if peer}
    for what, unit in (("s", "seconds"), ("mb", "MB above the frames"), ("page_kb", "kB of the page")):
        line = {who: round(value[what], 3) for who, value in found.items() if value[what]}
        times_ = {f"times {who}": round(value / line["ours"], 1) for who, value in line.items() if who != "ours"}
        aim = {"aim": AIMS[rows]} if what == "s" else {}
        say(f"{rows:,} x 50, {unit}", {**line, **times_, **aim})


def shares(figure: str, task: str, rows: int, peer: str) -> None:
    """A share of all columns, or of all faults, in twenty pairs of frames."""
    found = {who: run(who, task, rows, "" if who == "ours" else peer) for who in WHO if who == "ours" or peer}
    say(f"{figure}, {rows:,} rows", {who: round(value["share"], 4) for who, value in found.items()})


def run(who: str, task: str, rows: int, peer: str = "") -> dict[str, Any]:
    """Run one task in a process and a project of its own."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "nbmlops.toml").touch()
        command = [peer or sys.executable, str(HERE / "workers" / "shift.py"), who, task, str(rows)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{who} {task} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def say(figure: str, values: dict[str, Any]) -> None:
    """Print one figure as a JSON line."""
    print(json.dumps({"figure": figure, **values}), flush=True)


if __name__ == "__main__":
    main()
