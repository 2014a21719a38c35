"""The flights year driven by its own targets: a month fires where a target is lost, and what follows decides."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_month_fires_where_a_target_is_lost_and_the_advice_follows(tmp_path):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    words = [sys.executable, str(ROOT / "bench" / "year.py"), "--json", "--until", "6", "--share", "0.2"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    year = {row["month"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert list(year) == ["2013-04", "2013-05", "2013-06"]
    for row in year.values():
        assert row["roc_auc"]["n"] == row["rows"] > 5000
        assert row["fired"] == [f"retrain-{target}" for target in row["lost"]]
        assert row["states"] == ["finished"] * len(row["fired"])
    april, may, june = year.values()
    assert (april["lost"], april["gate"], april["rule"]) == (["roc_auc"], "inconclusive", "loses")
    assert april["challenger"] == "rejected late-flights@2"
    assert april["advice"] == "change the model"
    assert (may["fired"], may["advice"], may["then"]) == ([], "keep", "late-flights@1")
    assert (june["lost"], june["gate"], june["rule"]) == (["late_share_gap"], "better", "wins")
    assert june["then"] == "late-flights@3"
