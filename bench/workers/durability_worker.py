"""One tracker put to one task of durability.py; run by the Python that has it. Its answers begin with @."""

from __future__ import annotations

import ctypes
import json
import math
import multiprocessing
import os
import sys
import time
import warnings
from pathlib import Path

# Trackers print; what this program says goes where the first output went, theirs to the errors.
SAYS = os.dup(1)
os.dup2(2, 1)


def say(word: str, *facts) -> None:
    """Answer with one line."""
    os.write(SAYS, ("@" + json.dumps([word, *facts]) + "\n").encode())


class Nbmlops:
    """nbmlops, in the folder it is started in."""

    def start(self, name: str) -> None:
        from nbmlops.tracking import session

        self.session = session
        self.run = session.start(name)

    def log(self, step: int) -> None:
        self.session.log(loss=float(step), step=step)

    def finish(self) -> None:
        self.session.finish(self.run)

    def read(self) -> list:
        import nbmlops as nb
        from nbmlops.tracking import session

        session.reset()
        found = []
        for run_id in list(nb.runs(limit=None, children=True)["run_id"]):
            run = nb.get_run(run_id)
            values = list(run.metric("loss").values) if run.metrics else []
            found.append([run.experiment, run.status, values, values[-1] if values else None, run.duration_s])
        return found


class MLflow:
    """MLflow on a SQLite file in the folder it is started in."""

    asynchronous = False

    def _load(self):
        import logging

        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        if self.asynchronous:
            mlflow.config.enable_async_logging()
        return mlflow

    def start(self, name: str) -> None:
        self.mlflow = self._load()
        self.mlflow.start_run(run_name=name)

    def log(self, step: int) -> None:
        self.mlflow.log_metric("loss", float(step), step=step)

    def finish(self) -> None:
        self.mlflow.end_run()

    def read(self) -> list:
        client = self._load().MlflowClient()
        found = []
        for run in client.search_runs(["0"]):
            history = client.get_metric_history(run.info.run_id, "loss")
            ends = (run.info.end_time - run.info.start_time) / 1000 if run.info.end_time else None
            newest = run.data.metrics.get("loss")
            found.append([run.info.run_name, run.info.status, [m.value for m in history], newest, ends])
        return found


class MLflowAsync(MLflow):
    """The same with its asynchronous logging."""

    asynchronous = True


class Trackio:
    """Trackio, with its files in the folder it is started in."""

    def _load(self):
        os.environ["TRACKIO_DIR"] = str(Path.cwd())
        import trackio

        return trackio

    def start(self, name: str) -> None:
        self.trackio = self._load()
        self.trackio.init(project="p", name=name)

    def log(self, step: int) -> None:
        self.trackio.log({"loss": float(step)}, step=step)

    def finish(self) -> None:
        self.trackio.finish()

    def read(self) -> list:
        self._load()
        from trackio.sqlite_storage import SQLiteStorage

        found = []
        for name in SQLiteStorage.get_runs("p"):
            values = [row["loss"] for row in SQLiteStorage.get_logs("p", name)]
            found.append([name, "none kept", values, values[-1] if values else None, None])
        return found


TRACKERS = {"nbmlops": Nbmlops, "mlflow": MLflow, "mlflow-async": MLflowAsync, "trackio": Trackio}


def log(tracker, begin: int, end: int) -> tuple[int, float]:
    """Log points as a user's loop does; return how many calls raised, and the longest one in seconds."""
    raised, longest = 0, 0.0
    for step in range(begin, end):
        began = time.perf_counter()
        try:
            tracker.log(step)
        except Exception as error:
            raised += 1
            say("raised", f"{type(error).__name__}: {str(error)[:150]}")
        longest = max(longest, time.perf_counter() - began)
    return raised, longest


def killed(tracker, count: str) -> None:
    """Log points, and die with the last of them acknowledged."""
    tracker.start("killed")
    log(tracker, 0, int(count))
    say("acknowledged", int(count))
    os.kill(os.getpid(), 9)


def whole(tracker, name: str, count: str) -> None:
    """A whole run."""
    tracker.start(name)
    log(tracker, 0, int(count))
    tracker.finish()


def waiting(tracker, count: str) -> None:
    """Begin a run, say so, and go on when told."""
    tracker.start("waiting")
    log(tracker, 0, 10)
    say("ready")
    sys.stdin.readline()
    raised, longest = log(tracker, 10, int(count))
    began, ended = time.perf_counter(), "finished"
    try:
        tracker.finish()
    except Exception as error:
        ended = f"{type(error).__name__}: {str(error)[:150]}"
    say("went on", raised, round(longest, 3), ended, round(time.perf_counter() - began, 3))


def full(tracker, place: str) -> None:
    """Log 100 points on a good disk, 100 on a full one, 100 when there is room again; then end the run."""
    shim = ctypes.CDLL(None)
    shim.faults_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, *[ctypes.c_int] * 4, ctypes.c_char_p]
    tracker.start("full")
    log(tracker, 0, 100)
    shim.faults_arm(place.encode(), 1, 2, 28, 0, 1, b"")
    raised, _ = log(tracker, 100, 200)
    if isinstance(tracker, (Trackio, MLflowAsync)):
        time.sleep(2)  # their threads shall meet the full disk too: without it they write when it is gone
    shim.faults_arm(b"", 0, 0, 0, 0, 0, b"")
    again, _ = log(tracker, 200, 300)
    ended = "finished"
    try:
        tracker.finish()
    except Exception as error:
        ended = f"{type(error).__name__}: {str(error)[:150]}"
    say("went on", raised, again, ended)


def clock(tracker) -> None:
    """Set the clock back by an hour in the middle of a run."""
    tracker.start("clock")
    log(tracker, 0, 10)
    real, real_ns = time.time, time.time_ns
    time.time, time.time_ns = lambda: real() - 3600, lambda: real_ns() - 3600 * 10**9
    log(tracker, 10, 20)
    tracker.finish()


def fork(tracker, count: str) -> None:
    """Log from a parent and its forked child into one run."""
    half = int(count)
    tracker.start("fork")
    log(tracker, 0, half)
    child = multiprocessing.get_context("fork").Process(target=log, args=(tracker, half, 2 * half))
    child.start()
    log(tracker, 2 * half, 3 * half)
    child.join(60)
    say("child", child.exitcode)
    child.kill()
    tracker.finish()


def read(tracker) -> None:
    """Read everything back, for each folder named on the input, in a fork: a crash is an answer too."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.chdir(line.strip())
            try:
                with warnings.catch_warnings(record=True) as told:
                    warnings.simplefilter("always")
                    found = tracker.read()
                shown = [
                    [n, s, [None if math.isnan(v) else v for v in values], last, d] for n, s, values, last, d in found
                ]
                ours = [str(w.message)[:200] for w in told if issubclass(w.category, RuntimeWarning)]
                say("read", shown, ours)
            except BaseException as error:
                say("error", f"{type(error).__name__}: {str(error)[:200]}")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            say("error", f"ended with {os.waitstatus_to_exitcode(status)}")


TASKS = {f.__name__: f for f in (killed, whole, waiting, full, clock, fork, read)}


def main() -> None:
    """Do one task: durability_worker.py TRACKER TASK ARGUMENT..."""
    TASKS[sys.argv[2]](TRACKERS[sys.argv[1]](), *sys.argv[3:])


if __name__ == "__main__":
    main()
