"""The shares that docs/drift.md prints, by the simulation that made them; and faults the size the project promises."""

import importlib.util
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb

BENCH = Path(__file__).resolve().parents[2] / "bench" / "power.py"
SPEC = importlib.util.spec_from_file_location("bench_power", BENCH)
power = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(power)
TRIES = 60


@pytest.mark.parametrize(
    ("draw", "rows", "found", "alert"),
    [
        (partial(power.normal, 0.1), 5000, (0, 0), (0, 0)),
        (partial(power.normal, 0.2), 5000, (0, 0.02), (0, 0)),
        (partial(power.normal, 0.4), 1000, (0.2, 0.65), (0, 0.02)),
        (partial(power.normal, 0.4), 5000, (1, 1), (0, 0.02)),
        (partial(power.normal, 0.8), 1000, (1, 1), (0.9, 1)),
        (partial(power.lognormal, 0.5), 1000, (0.9, 1), (0, 0.05)),
        (partial(power.category, 0.05), 5000, (0, 0), (0, 0)),
        (partial(power.category, 0.3), 1000, (1, 1), (0.85, 1)),
        (partial(power.missing, 0.0, 0.1), 1000, (0.95, 1), (0, 0.1)),
        (partial(power.missing, 0.0, 0.2), 1000, (1, 1), (0.95, 1)),
    ],
)
def test_a_change_is_found_as_often_as_the_table_says(draw, rows, found, alert):
    noticed, alerted = (k / TRIES for k in power.found(draw, rows, TRIES, seed=7))
    assert found[0] <= noticed <= found[1]
    assert alert[0] <= alerted <= alert[1]


def test_a_column_alone_is_found_more_often_than_one_among_fifty():
    among, alone = (power.found(partial(power.normal, 0.4), 1000, TRIES, others)[0] for others in (49, 0))
    assert among < alone


def rows(seed, n=1000):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": rng.lognormal(size=n),
            "level": rng.normal(20, 3, n),
            "carrier": rng.choice(["UA", "DL", "MQ", "EV"], n, p=[0.6, 0.3, 0.05, 0.05]),
        }
    )


FAULTS = {
    "another unit": (lambda f: f.assign(amount=f.amount * 1.6), {"feature_drift amount"}),
    "nothing in a tenth": (lambda f: f.assign(level=f.level.where(f.index % 10 > 0)), {"missing_share level"}),
    "a code renamed": (lambda f: f.assign(carrier=f.carrier.replace("UA", "U2")), {"unseen carrier"}),
    "two names swapped": (
        lambda f: f.assign(carrier=f.carrier.replace({"UA": "MQ", "MQ": "UA"})),
        {"feature_drift carrier"},
    ),
    "stuck for a fifth": (lambda f: f.assign(level=f.level.where(f.index >= 200, 21.5)), {"stuck level"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_in_every_one_of_eight_frames(fault, project):
    change, expected = FAULTS[fault]
    for seed in range(8):
        report = nb.drift(change(rows(2 * seed)), rows(2 * seed + 1))
        raised = {f"{f.code} {f.column}" for f in report.findings if f.outcome in ("warning", "issue")}
        assert expected <= raised
