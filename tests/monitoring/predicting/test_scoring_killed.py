"""A process killed while it scores: no prediction twice, none half, the output whole or not there."""

import subprocess
import sys
import time

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.monitoring.predicting.recorded import content
from nbmlops.store import predictions as stored
from nbmlops.tracking import session

SCORES = """
import os, sys
from nbmlops.monitoring.predicting import predictions, scoring
predictions.PART_ROWS = scoring.PART_ROWS = 200
import nbmlops as nb
for turn in range(9):
    nb.score("rows.csv", "late", f"scored-{turn}.csv", progress=lambda done, total: os.write(1, b"."))
    os.write(1, b"!")
"""


@pytest.fixture
def late(project, model, held_out, people):
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    people(1000, 9).to_csv("rows.csv", index=False)


def killed(progress, wait_s):
    """Kill a scoring process when it has told so much progress, a moment later; return how many files it finished."""
    child = subprocess.Popen([sys.executable, "-c", SCORES], stdout=subprocess.PIPE)
    said = b""
    while len(said) < progress:
        said += child.stdout.read(1)
    deadline = time.perf_counter() + wait_s
    while time.perf_counter() < deadline:  # another place between two lines of progress each time
        pass
    child.kill()
    said += child.stdout.read()
    child.stdout.close()
    child.wait()
    return said.count(b"!")


@pytest.mark.slow
@pytest.mark.parametrize(("progress", "wait_s"), [(3, 0.0), (4, 0.003), (5, 0.001), (5, 0.01), (6, 0.0), (14, 0.002)])
def test_a_killed_process_leaves_whole_blocks_once(late, project, progress, wait_s):
    finished = killed(progress, wait_s)
    blocks = stored.blocks(session.store(), "late")
    ids = [i for block in blocks for i in (block.prediction_id, block.last_id)]
    assert len(set(ids)) == 2 * len(blocks)
    for block in blocks:
        said = content(block)
        assert len(said["value"]) == len(said["probability"]) == len(said["inputs"]) == block.rows == 200
    outputs = sorted(project.glob("scored-*.csv"))
    assert finished <= len(outputs) <= finished + 1
    scored = pd.concat([pd.read_csv(path) for path in outputs]) if outputs else pd.DataFrame({"prediction_id": []})
    assert len(scored) == 1000 * len(outputs)
    known = stored.known(session.store(), scored["prediction_id"].tolist())
    assert known == {*scored["prediction_id"]}  # whoever has an id can ask for it
    assert len(blocks) % 5 == 0  # all blocks of a call or none
    assert 5 * len(outputs) <= len(blocks) <= 5 * (len(outputs) + 1)
    assert nb.score("rows.csv", "late", "again.csv").recorded == 1000
