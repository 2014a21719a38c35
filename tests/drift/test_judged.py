"""Who is judged together: columns within a chunk, and columns over all segments."""

import numpy as np
import pandas as pd

import nbmlops as nb
from nbmlops.drift.decide import Pending, judged
from nbmlops.records import Finding
from nbmlops.stats.decision import Comparison


def pending(p, family="feature_drift"):
    return Pending(family, Comparison(0.2, p, 1.0, 10, 1000, 100, raw=0.2), lambda o: Finding("x", o, ""))


def outcomes(*parts):
    return [[f.outcome for f in part] for part in judged(*parts)]


def test_a_p_value_that_stands_alone_does_not_among_many():
    borderline, nothing = pending(0.008), [pending(0.5) for _ in range(10)]
    assert outcomes([borderline]) == [["warning"]]
    assert outcomes([borderline], nothing)[0] == ["passed"]


def test_families_do_not_dilute_each_other_and_findings_keep_their_places():
    known = Finding("column_kind", "issue", "")
    others = [pending(0.5, "contract") for _ in range(10)]
    assert outcomes([known, pending(0.008), *others]) == [["issue", "warning", *["passed"] * 10]]


def test_segments_are_judged_together_and_chunks_alone(project, monkeypatch):
    from nbmlops.drift import decide

    families = []
    original = decide.judge
    monkeypatch.setattr(decide, "judge", lambda tests: families.append(len(tests)) or original(tests))
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=4000), "b": rng.normal(size=4000), "part": np.arange(4000) % 4})
    nb.drift(frame[:2000], frame[2000:], by="part")
    columns, parts = 3, 4
    assert columns * parts in families
    families.clear()
    nb.drift(frame[:2000], frame[2000:], chunk="part")
    assert columns * parts not in families
