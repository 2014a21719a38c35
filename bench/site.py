"""The site of 10,000 runs: its first build, one more run, and nothing new; seconds of the command, start to end.

Each run has 80 settings and 10 metrics. JSON lines.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = Path(sys.executable).with_name("nbmlops")


def main() -> None:
    """Fill a store, make its site three times, and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "nbmlops.toml").touch()
        ours(place, "fill", runs, 80, 10)
        first, found = built(place)
        say(f"site of {runs:,} runs, first build, s", first, aim=60, note=said(found))
        size = sum(path.stat().st_size for path in (place / "site").rglob("*") if path.is_file())
        say("bytes per page", size / found["written"])
        ours(place, "empty", 1)
        again, found = built(place)
        say("one more run, s", again, aim=2, note=said(found))
        nothing, found = built(place)
        say("nothing new, s", nothing, note=said(found))


def ours(place: Path, *words: object) -> None:
    """Do a task of the store's benchmark in a project."""
    command = [sys.executable, str(HERE / "workers" / "ours.py"), *map(str, words)]
    subprocess.run(command, cwd=place, env=environment(), check=True, capture_output=True)


def built(place: Path) -> tuple[float, dict]:
    """Make the site; return the seconds of the whole command, and what it said."""
    began, used = time.perf_counter(), processor()
    command = [str(COMMAND), "site", "-o", "site", "--json"]
    done = subprocess.run(command, cwd=place, env=environment(), check=True, capture_output=True, text=True)
    return time.perf_counter() - began, {**json.loads(done.stdout), "processor_s": processor() - used}


def processor() -> float:
    """Return the seconds of processor that ended commands took: what counts where others work beside."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def said(found: dict) -> str:
    """Return what a build wrote and took."""
    return f"{found['written']:,} pages and files written; processor {found['processor_s']:.2f} s"


def environment() -> dict[str, str]:
    """Return the environment with numerics on one thread and no store of somebody's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NBMLOPS_")}
    return {**kept, "OMP_NUM_THREADS": "1"}


def say(name: str, seconds: float, aim: float | None = None, note: str = "") -> None:
    """Print one figure as a JSON line."""
    line = {"figure": name, "nbmlops": round(seconds, 2)}
    print(json.dumps({**line, **({"aim": aim} if aim else {}), **({"note": note} if note else {})}), flush=True)


if __name__ == "__main__":
    main()
