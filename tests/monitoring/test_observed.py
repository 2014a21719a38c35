"""Drift without data: what is recorded of a version against its own reference, by day or hour."""

import pytest

import nbmlops as nb
from nbmlops.monitoring import observed


@pytest.fixture
def days(late, block, monkeypatch):
    """Record predictions of given days, and let it be late on the last: ``days({"2026-01-05": frame})``."""

    def make(frames, **about):
        ids = {
            day: block(late, frame, f"{day}T12:00:00.000000+00:00" if len(day) == 10 else day, **about)
            for day, frame in frames.items()
        }
        monkeypatch.setattr(observed, "now", lambda: f"{max(frames)[:10]}T23:30:00.000000+00:00")
        return ids

    return make


def test_what_is_recorded_is_held_against_the_versions_reference_by_day(days, people):
    frames = {f"2026-01-0{d}": people(300, d) for d in range(1, 6)}
    frames["2026-01-04"] = frames["2026-01-04"].assign(age=lambda f: f.age + 15)
    days(frames)
    found = nb.drift("late@1")
    assert (found.reference, found.rows, found.chunk) == ("late@1", 1500, "predicted_day")
    assert [c["name"] for c in found.chunks] == [f"2026-01-0{d}" for d in range(1, 5)]  # the fifth is not over
    assert [c["verdict"] for c in found.chunks] == ["ok", "ok", "ok", "alert"]
    assert found.verdict == "alert"
    assert {"age"} <= {e["column"] for e in found.episodes}
