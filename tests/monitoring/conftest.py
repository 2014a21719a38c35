"""Predictions of a small model as they lie in the store, made at any time, with or without keys and inputs."""

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.monitoring.predicting import blocks
from nbmlops.records import in_block, new_block, now
from nbmlops.registry import models
from nbmlops.tracking import session


@pytest.fixture
def late(project, model, held_out):
    """A registered model that was evaluated on held-out rows."""
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late")


@pytest.fixture
def block(project):
    """Write a block of predictions as ``nb.predict`` does, and return the ids: ``block(version, frame, at, key)``."""

    def make(version, frame, at=None, key=None, key_at=None, batch=None, inputs=True, private=()):
        said, chance = models.score(version, frame)
        columns = {"value": said, "probability": chance, "key": key, "key_at": key_at}
        columns = {name: pd.Series(list(v)) for name, v in columns.items() if v is not None}
        names = [c["name"] for c in version.signature["columns"] if c["name"] not in private]
        columns["inputs"] = frame[names].reset_index(drop=True) if inputs else None
        first, few = new_block(), len(frame) <= blocks.FEW
        where = {
            "data": blocks.plainly(columns) if few else None,
            "digest": None if few else session.artifacts().put(blocks.packed(columns)),
        }
        about = {
            "t": "prediction",
            "model": version.name,
            "version": version.version,
            "at": at or now(),
            "batch": batch,
        }
        about |= {"run_id": None, "caller": "a test", "latency_s": None, "inputs": int(inputs), "rows": len(frame)}
        ids = [in_block(first, n) for n in range(len(frame))]
        session.write({**about, "prediction_id": first, "last_id": ids[-1], **where})
        return ids

    return make
