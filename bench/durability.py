"""What survives a kill, a full disk, a locked or damaged file, a fork: nbmlops beside MLflow and Trackio. JSON lines.

MLflow and Trackio are looked for in the Python of ``.venv-peers`` (``--peers``); without it ours stands alone.
``--markdown`` prints the table of docs/durability.md instead. Linux, a C compiler; some ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"
WORKER = HERE / "workers" / "durability_worker.py"
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}
POINTS = 1000
DAMAGES = 60
OURS = "nbmlops"

sys.path.insert(0, str(HERE.parent / "tests"))
import faults  # noqa: E402


class Tracker:
    """One tracker with the Python that has it."""

    def __init__(self, name: str, python: str) -> None:
        self.name, self.python = name, python

    def start(self, folder: Path, *words: object, **env: str) -> subprocess.Popen[str]:
        """Start a task in a folder."""
        (folder / "home").mkdir(parents=True, exist_ok=True)
        (folder / "home" / "nbmlops.toml").touch()
        (folder / "tmp").mkdir(exist_ok=True)
        with (folder / "errors").open("a") as errors:
            return subprocess.Popen(
                [self.python, str(WORKER), self.name, *map(str, words)],
                cwd=folder / "home",
                env={**os.environ, **QUIET, "TMPDIR": str(folder / "tmp"), **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def do(self, folder: Path, *words: object, **env: str) -> list:
        """Do a task and return what it answered."""
        process = self.start(folder, *words, **env)
        try:
            out, _ = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            return [*answers(out), ["hung", 180]]
        return answers(out)

    def read(self, *folders: Path) -> list:
        """Read everything back in a new process, folder by folder."""
        process = self.start(folders[0].parent / "reading", "read")
        out, _ = process.communicate("".join(f"{folder}\n" for folder in folders), timeout=1800)
        return answers(out)


def answers(out: str) -> list:
    return [json.loads(line[1:]) for line in out.splitlines() if line.startswith("@")]


def main() -> None:
    """Try everything on every tracker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=str(PEERS), help="a Python that has MLflow and Trackio")
    parser.add_argument("--markdown", action="store_true", help="print a table")
    parser.add_argument("--only", help="names of tries, with commas")
    options = parser.parse_args()
    trackers = [Tracker(OURS, sys.executable)]
    if Path(options.peers).exists():
        trackers += [Tracker(name, options.peers) for name in ("mlflow", "mlflow-async", "trackio")]
    lines = []
    for tried in TRIES:
        if options.only and tried.__name__ not in options.only.split(","):
            continue
        for tracker in trackers:
            if tracker.name == "mlflow-async" and tried in SAME_FILE:
                lines.append({"try": tried.__name__, "tracker": tracker.name, "found": "as mlflow"})
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found = tried(tracker, Path(folder))
                except Exception as error:
                    found = f"the try itself failed: {type(error).__name__}: {str(error)[:200]}"
            lines.append({"try": tried.__name__, "tracker": tracker.name, "found": found})
            if not options.markdown:
                print(json.dumps(lines[-1]), flush=True)
    if options.markdown:
        table(lines, [tracker.name for tracker in trackers])


def table(lines: list[dict], names: list[str]) -> None:
    """Print one row a try."""
    print("| what was tried | " + " | ".join(names) + " |")
    print("| --- |" + " --- |" * len(names))
    for tried in TRIES:
        if found := {line["tracker"]: line["found"] for line in lines if line["try"] == tried.__name__}:
            print(f"| {(tried.__doc__ or '').strip()} | " + " | ".join(found[name] for name in names) + " |")


def killed(tracker: Tracker, folder: Path) -> str:
    """`kill -9` with 1,000 points just acknowledged: how many can be read, and what the run is called"""
    said = tracker.do(folder / "a", "killed", POINTS)
    if ["acknowledged", POINTS] not in said:
        return f"not acknowledged: {said}"
    return shown(tracker.read(folder / "a" / "home"), POINTS)


def disk_full(tracker: Tracker, folder: Path) -> str:
    """Project's disk full for the middle 100 of 300 points, then room again: points there, exceptions"""
    return _full(tracker, folder / "a", folder / "a" / "home")


def everything_full(tracker: Tracker, folder: Path) -> str:
    """The same with the disk of temporary files full too"""
    return _full(tracker, folder / "a", folder / "a")


def _full(tracker: Tracker, folder: Path, place: Path) -> str:
    said = tracker.do(folder, "full", place, LD_PRELOAD=str(faults.library()))
    went = [line[1:] for line in said if line[0] == "went on"]
    if not went:
        return f"ended: {str(said)[:200]}"
    raised, again, ended = went[0]
    back = shown(tracker.read(folder / "home"), 300)
    return f"{back}; {raised + again} exceptions" + (
        "" if ended == "finished" else f", and one at the end of the run ({ended.split(':')[0]})"
    )


def locked(tracker: Tracker, folder: Path) -> str:
    """Database locked by another process for 10 s while 100 points are logged: points there, longest call"""
    process = tracker.start(folder / "a", "waiting", 110)
    line = ""
    while not line.startswith('@["ready"'):
        line = process.stdout.readline()
        if not line:
            return "ended before it began"
    until = time.monotonic() + 30
    while not (files := stores(folder / "a" / "home")) and time.monotonic() < until:
        time.sleep(0.05)
    if not files:
        process.kill()
        return "made no file in 30 s"
    holder = sqlite3.connect(files[0], isolation_level=None, timeout=30)
    holder.execute("BEGIN EXCLUSIVE")
    process.stdin.write("go\n")
    process.stdin.flush()
    time.sleep(10)
    holder.execute("ROLLBACK")
    holder.close()
    out, _ = process.communicate(timeout=180)
    raised, longest, ended, last = next(line[1:] for line in answers(out) if line[0] == "went on")
    back = shown(tracker.read(folder / "a" / "home"), 110)
    return f"{back}; {raised} exceptions; longest call {longest:.2g} s, end of the run {last:.2g} s ({ended})"


def damaged(tracker: Tracker, folder: Path) -> str:
    """One bit of the store's file flipped at 60 places: read right / refused with an error / wrong without a word"""
    return _damaged(tracker, folder, _flip)


def cut(tracker: Tracker, folder: Path) -> str:
    """The store's file cut short at 60 places: read right / refused with an error / wrong without a word"""
    return _damaged(tracker, folder, _cut)


def _damaged(tracker: Tracker, folder: Path, harm) -> str:
    for name in ("first", "second"):
        tracker.do(folder / "a", "whole", name, POINTS // 2)
    tracker.read(folder / "a" / "home")  # everything is in the database then
    (right,) = tracker.read(folder / "a" / "home")
    (file,) = [f.relative_to(folder / "a" / "home") for f in stores(folder / "a" / "home")]
    chance, places = random.Random(1), []
    for k in range(DAMAGES):
        place = folder / f"case {k}"
        shutil.copytree(folder / "a" / "home", place)
        harm(place / file, chance)
        places.append(place)
    counts: Counter[str] = Counter()
    for place, back in zip(places, tracker.read(*places), strict=True):
        same = back[0] == "read" and comparable(back) == comparable(right)
        told = back[0] == "error" or bool(back[2])
        counts["right" if same else "refused" if told else "wrong"] += 1
        shutil.rmtree(place)
    return f"{counts['right']} / {counts['refused']} / {counts['wrong']}"


def _flip(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        at = chance.randrange(path.stat().st_size)
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ (1 << chance.randrange(8))]))


def _cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(1, path.stat().st_size))


def together(tracker: Tracker, folder: Path) -> str:
    """Two processes start at once on a fresh store, ten times: how often both succeed with every point"""
    good = 0
    for k in range(10):
        place = folder / str(k)
        both = [tracker.start(place, "whole", name, 10) for name in ("one", "two")]
        for process in both:
            process.communicate(timeout=180)
        (back,) = tracker.read(place / "home")
        runs = back[1] if back[0] == "read" else []
        good += [p.returncode for p in both] == [0, 0] and sorted(len(r[2]) for r in runs) == [10, 10]
    return f"{good} of 10"


def clock(tracker: Tracker, folder: Path) -> str:
    """Clock set back an hour in the middle of a run of 20 points: order, newest value, duration"""
    tracker.do(folder / "a", "clock")
    (back,) = tracker.read(folder / "a" / "home")
    if back[0] != "read" or not back[1]:
        return f"nothing: {str(back)[:100]}"
    _, _, values, newest, duration = back[1][0]
    order = "in order" if values == sorted(values) else "out of order"
    lasted = "" if duration is None else f", lasted {duration:.0f} s"
    return f"{len(values)} of 20 {order}, newest {'right' if newest == 19 else f'wrong ({newest})'}{lasted}"


def fork(tracker: Tracker, folder: Path) -> str:
    """Fork in the middle of a run, parent and child log 100 each after 100: points there of 300"""
    said = tracker.do(folder / "a", "fork", 100)
    child = next((line[1] for line in said if line[0] == "child"), "?")
    back = shown(tracker.read(folder / "a" / "home"), 300)
    hung = any(line[0] == "hung" for line in said)
    return (
        back
        + ("" if child == 0 else "; the child hung for 60 s" if child is None else f"; child ended with {child}")
        + ("; the parent hung" if hung else "")
    )


def shown(read: list, wanted: int) -> str:
    """Say how many of the points are there, once each, and what the run is called."""
    (back,) = read
    if back[0] == "error":
        return f"cannot be read ({back[1].split(':')[0]})"
    values = [v for run in back[1] for v in run[2]]
    twice = len(values) - len(set(values))
    status = ", ".join(sorted({str(run[1]).lower() for run in back[1]})) or "no run"
    return f"{len(set(values))} of {wanted}" + (f", {twice} twice" if twice else "") + f", {status}"


def comparable(back: list) -> list:
    return sorted((run[:4] for run in back[1]), key=str)


def stores(folder: Path) -> list[Path]:
    """Return the SQLite files of whichever tracker."""
    files = [p for p in sorted(folder.rglob("*")) if p.suffix in (".db", ".sqlite") and p.stat().st_size]
    return [p for p in files if p.open("rb").read(6) == b"SQLite"]


TRIES = [killed, disk_full, everything_full, locked, damaged, cut, together, clock, fork]
SAME_FILE = (damaged, cut, together)  # nothing of it is asynchronous

if __name__ == "__main__":
    main()
