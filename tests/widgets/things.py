"""One real object of as many kinds as a small project makes, for tests of what they look like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHARTER = """\
project: late flights
problem: planes are late
users: [dispatchers]
decision: which plane waits
value: {unit: euro, per: {false_positive: -5, false_negative: -50}}
promotes: better
margin: 0.01
metrics: [{name: roc_auc, at_least: 0.6}]
limits: [not for charter flights]
policy: {champion: {roles: [manager], approvals: 1}}
roles: {manager: [ann@example.org], expert: [kim@example.org]}
"""
JOB = """\
notebook: late.ipynb
when: {cron: "0 6 * * *", zone: Europe/Berlin}
parameters: {C: 0.5}
owner: ann@example.org
"""


@contextmanager
def standing(folder: Path) -> Iterator[dict[str, Any]]:
    """Stand in a new project as somebody a hub knows, and give real objects by the kind each shows."""
    from nbmlops.capture import environment
    from nbmlops.tracking import opened, session

    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("NBMLOPS_") or n in ("CI", "JPY_SESSION_NAME")]:
            patch.delenv(name)
        (folder / "nbmlops.toml").write_text("")
        patch.chdir(folder)
        patch.setenv("JUPYTERHUB_USER", "sam@example.org")
        patch.setattr(opened, "background", False)
        environment.actor.cache_clear()
        session.reset()
        yield made(folder)
    environment.actor.cache_clear()
    session.reset()


def made(folder: Path) -> dict[str, Any]:
    """Return objects by the kind each shows; the current folder is an empty project, and somebody is there.

    Model ``late`` has two versions fitted on drawn rows; run ``late`` was logged several times.
    """
    import nbmlops as nb
    from nbmlops.tracking.overview import overview

    (folder / "charter.yaml").write_text(CHARTER)
    train, held_out = people(500, 1), people(400, 2)
    moved = people(600, 3).assign(age=lambda f: f.age + 8, month=lambda f: f.index % 3)
    models = [_tracked(C, train) for C in (0.001, 1.0)]
    evaluations = [nb.evaluate(model, held_out, target="late") for model in models]
    for model in models:
        nb.register(model, "late")
    rules = {"columns": {"age": {"range": {"min": 30}, "missing_max": 0.0}, "city": {"set": ["Ulm"]}}}
    nb.dataset("people", train)
    flag = nb.flag("late@2", "why is Bern late more often?", question=True)
    flag = nb.answer_flag(flag.flag_id, "the airport is small", state="answered")
    return {
        "run": nb.get_run("late"),
        "runs": overview(),
        "comparison": nb.compare(["late", "late~1"]),
        "evaluation": evaluations[-1],
        "model": nb.model_version("late@2"),
        "gate": nb.gate("late@2", "late@1", on=held_out),
        "drift": nb.drift(moved, train, chunk="month"),
        "profile": nb.profile(train, target="late"),
        "check": nb.check(moved, rules),
        "lineage": nb.lineage("late@2"),
        "charter": nb.charter(),
        "approvals": nb.approvals("late@2"),
        "flag": flag,
        "job": _job(folder),
        "explanation": nb.explain(models[-1], held_out[:1].drop(columns="late"), background=train.drop(columns="late")),
        "actor": nb.actor(),
        "status": nb.status(),
        "audit": nb.audit("late@2"),
        "audit_check": nb.verify_audit(),
    }


def people(rows: int, seed: int) -> Any:
    """Return rows of a question with a known answer: one strong column, one weak, one of noise."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    age, city = rng.normal(40, 10, rows), rng.choice(["Ulm", "Bern"], rows)
    frame = pd.DataFrame({"age": age, "city": city, "noise": rng.random(rows)})
    return frame.assign(late=(age - 40) / 10 + (city == "Bern") * 0.5 + rng.normal(0, 1, rows) > 0.5)


def _tracked(C: float, train: Any) -> Any:
    """Fit in a run ``late`` that logs a curve."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    import nbmlops as nb

    columns = ["age", "city", "noise"]
    coded = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    with nb.run("late", params={"C": C}):
        model = make_pipeline(coded, LogisticRegression(C=C)).fit(train[columns], train.late)
        for step in range(20):
            nb.log(loss=C / (step + 1), step=step)
    return model


def _job(folder: Path) -> Any:
    from nbmlops.jobs.schedule import manage
    from nbmlops.tracking import session

    (folder / "jobs").mkdir()
    (folder / "late.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (folder / "jobs" / "late.yaml").write_text(JOB)
    return manage.show("late", session.project())
