"""Runs as the parts of nbmlops leave them in the store, made by hand: results in the shapes their JSON has."""

import json
from pathlib import Path

import pytest

from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run

ACTOR = ("ada@example.org", "git")
CHARTER = """
problem: Will this flight arrive late?
users: [travel desk]
decision: A late connection is rebooked.
value:
  unit: EUR
  per: {true_positive: 40, false_positive: -20, false_negative: -30, true_negative: 0}
  volume: {per: month, rows: 27000}
metrics:
  - {name: roc_auc, at_least: 0.65, meaning: ranks well enough}
limits: [Not for cancelled flights.]
"""


def finding(code, outcome, message, column="", effect=None, **detail):
    level = {"passed": "ok", "warning": "notice", "issue": "alert", "skipped": "insufficient data"}.get(outcome, "ok")
    about = {"code": code, "outcome": outcome, "message": message, "column": column, "effect": effect}
    return {**about, "direction": "", "detail": detail, "level": level}


def evaluation(model, low=0.67, high=0.7, findings=()):
    target = finding(
        "target", "passed", "roc_auc at least 0.65 is shown", "roc_auc", 0.685, word="shown", at_least=0.65
    )
    target["detail"] |= {"low": low, "high": high, "at_most": None}
    return {
        "model": model,
        "estimator": "LogisticRegression",
        "task": "binary",
        "target": "late",
        "rows": 5495,
        "metrics": {"roc_auc": {"value": 0.685, "low": low, "high": high, "n": 5495}},
        "findings": [target, *findings],
        "slices": [{"slice": "origin=JFK", "n": 40, "level": "insufficient data", "needs": 50, "metrics": {}}],
        "calibration": [{"predicted": 0.2, "observed": 0.22, "low": 0.2, "high": 0.24, "n": 5495}],
        "importance": {"hour": 0.7, "carrier": 0.3},
        "confusion": {
            "threshold": [0.3, 0.5],
            "true_positive": [800, 300],
            "false_positive": [1200, 200],
            "false_negative": [400, 900],
            "true_negative": [3095, 4095],
        },
        "far_off": {"n": 57, "share": 0.0104, "means": "less than 10 % given to what came true"},
        "data": "abc",
    }


def gate(verdict="better", difference=0.0163, low=0.0081, high=0.0234):
    return {
        "challenger": "late-flights@2",
        "champion": "late-flights@1",
        "verdict": verdict,
        "metric": "roc_auc",
        "difference": difference,
        "low": low,
        "high": high,
        "margin": 0.01,
        "detectable": 0.011,
        "rows": 5495,
        "challenger_value": 0.685,
        "champion_value": 0.669,
        "findings": [finding("gate", "passed" if verdict == "better" else "warning", f"The challenger is {verdict}")],
    }


DUMMY = finding("dummy", "passed", "Better than the best constant answer by 0.04 log loss", "", 0.04)
DRIFT = {
    "subject": "late-flights",
    "reference": "late-flights@champion",
    "verdict": "alert",
    "rows": 27000,
    "findings": [
        finding("feature_drift", "passed", "hour has not moved", "hour", 0.01),
        finding("target_drift", "issue", "late share 22 % to 28 %", "late", 0.07),
        finding("kind", "passed", "late holds booleans", "late"),
    ],
    "columns": {"late": {"labels": ["no", "yes"], "reference": [0.78, 0.22], "current": [0.72, 0.28]}},
    "chunks": [{"name": "2013-04", "rows": 27000, "verdict": "alert", "target": 0.28, "prediction": 0.23}],
    "notes": ["uncalibrated: 3 of 6 chunks"],
}
CHECK = {
    "subject": "flights",
    "rows": 27000,
    "verdict": "notice",
    "findings": [
        finding("range", "warning", "distance above 4,983 in 3 rows", "distance", 3.0),
        finding("unique", "not_applicable", "no key was named"),
        finding("fresh", "skipped", "needs a time column"),
        finding("unit", "muted", "miles are meant", "distance"),
    ],
}


def register(version, run_id, evaluation_id=None):
    from nbmlops.store.models import add_version

    row = {"name": "late-flights", "digest": f"{version:064d}", "format": "skops", "estimator": "LogisticRegression"}
    row |= {"signature": {}, "run_id": run_id, "owner": ACTOR[0], "created_at": f"2013-04-30T10:0{version}:00+00:00"}
    row |= {"metrics": {}, "evaluation": evaluation_id, "profile": None, "environment": None, "size_bytes": 1000}
    with session.store().atomic() as change:
        assert add_version(change, row, [], ACTOR) == version


def promote(version, reason):
    from nbmlops.store.models import set_alias

    with session.store().atomic() as change:
        set_alias(change, "late-flights", "champion", version, {"reason": reason, "policy": "gate: better"}, ACTOR)


@pytest.fixture
def champion(project):
    """A finished run whose model is champion."""
    first = session.start("train", params={"C": 1.0})
    result_id = session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
    session.finish(first)
    register(1, first.run_id, result_id)
    promote(1, "first model")
    return get_run(first.run_id)


@pytest.fixture
def retrained(project, champion):
    """A retraining as a notebook run with a tracked cell, everything kept; its model is not promoted yet."""
    (project / "charter.yaml").write_text(CHARTER)
    job = session.start(
        "retrain", kind="notebook", params={"months": [1, 2, 3, 4]}, origin="papermill", notebook="retrain.ipynb"
    )
    cell = session.start("fit", kind="cell", params={"C": 0.5, "random_state": 0}, origin="assigned")
    columns = [{"name": "hour", "dtype": "int64", "fingerprint": "ff"}]
    about = {"name": "flights", "fingerprint": "95ed46cac0a4fdaa", "strength": "full", "rows": 336776, "role": "read"}
    session.write({"t": "dataset", "run_id": cell.run_id, **about, "columns": columns})
    for step, loss in enumerate([0.6, 0.5, 0.45, 0.44]):
        session.log({"loss": loss}, step=step)
    result_id = session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression", findings=[DUMMY]))
    session.finish(cell)
    register(2, cell.run_id, result_id)
    leak = finding("leak", "passed", "hour explains 3 % of late", "hour", 0.03)
    session.keep("profile", "late", {"rows": 336776, "target": "late", "findings": [leak], "counts": [0] * 10_000})
    session.keep("check", "flights", CHECK)
    session.keep("drift", "late-flights", DRIFT)
    session.keep("gate", "late-flights@2 against late-flights@1", gate())
    listing = json.dumps({"python": "3.11.7", "platform": "Linux", "packages": {"pandas": "3.0", "numpy": "2.4"}})
    digest = session.artifacts().put(listing.encode())
    git = {"commit": "4f2a91c0de" * 4, "branch": "main", "dirty": True}
    session.write({"t": "update", "run_id": job.run_id, "git": git, "environment": digest})
    session.log_artifact("notebook.ipynb", NOTEBOOK, run_id=job.run_id)
    session.finish(job)
    return get_run(job.run_id)


def code(source, *outputs, status="completed"):
    return {
        "cell_type": "code",
        "metadata": {"papermill": {"status": status}},
        "source": source,
        "outputs": list(outputs),
    }


NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": "# Retrain"},
            code(
                "flights.head()",
                {"output_type": "execute_result", "data": {"text/html": "<table><tr><td>1</td></tr></table>"}},
            ),
            code("print('done')", {"output_type": "stream", "name": "stdout", "text": "done\n"}),
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
).encode()


@pytest.fixture
def failed(project, champion):
    """A retraining that failed in its seventh cell."""
    job = session.start("retrain", kind="notebook", name="03_retrain", notebook="03_retrain.ipynb")
    error = {"name": "ValueError", "message": "found 0 rows", "traceback": "Traceback ...\nValueError: found 0 rows"}
    session.finish(job, "failed", "error", {**error, "cell": 7, "cells": 12, "count": 6})
    return get_run(job.run_id)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
