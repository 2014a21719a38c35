"""Blocks and what came back for them, in the SQL of both databases."""

import pytest

from nbmlops.records import in_block, new_block
from nbmlops.store import predictions as stored
from nbmlops.tracking import session

AT = "2026-01-{:02}T00:00:00.000000+00:00"


@pytest.fixture
def made(project):
    """Seven blocks of ten rows on as many days, by two versions; their first ids, oldest first."""
    firsts = [new_block() for _ in range(7)]
    about = {"t": "prediction", "run_id": None, "caller": "a test", "latency_s": None, "inputs": 0, "digest": None}
    for day, first in enumerate(firsts, 1):
        ends = {"prediction_id": first, "last_id": in_block(first, 9), "rows": 10, "at": AT.format(day)}
        of = {"model": "late", "version": 1 + day % 2, "batch": "a" if day < 4 else "b"}
        session.write({**about, **ends, **of, "data": {"value": [True] * 10, "probability": [0.75] * 10}})
    return firsts


def say(*rows):
    more = {"source": "outcome", "outcome": True, "kind": "outcome"}
    session.write({"t": "feedback", "at": AT.format(9), "rows": [{**more, **row} for row in rows]})


@pytest.mark.parametrize("most", [500, 2])
def test_blocks_come_newest_first_in_pages(made, monkeypatch, most):
    monkeypatch.setattr(stored, "MOST", most)
    assert [b.prediction_id for b in stored.newest_first(session.store(), "late")] == made[::-1]
    assert [b.prediction_id for b in stored.newest_first(session.store(), "late", 2, AT.format(2))] == [
        *(made[6], made[4], made[2])
    ]
    assert list(stored.newest_first(session.store(), "early")) == []


@pytest.mark.parametrize("most", [500, 2])
def test_ids_are_known_or_not(made, monkeypatch, most):
    monkeypatch.setattr(stored, "MOST", most)
    there = [in_block(first, n) for first in made for n in (0, 5, 9)]
    strange = [in_block(made[0], 10), made[0][:28] + "zzzzzzzz", made[0][:28] + "0x000001", made[0][:30], "", "é" * 36]
    assert stored.known(session.store(), [*there, *strange]) == {*there}
    assert all(stored.find(session.store(), i) is None for i in strange)


@pytest.mark.parametrize("most", [500, 2])
def test_feedback_is_found_by_ids_and_by_blocks(made, monkeypatch, most):
    monkeypatch.setattr(stored, "MOST", most)
    ids = [in_block(made[n], place) for n in (0, 6) for place in range(4)]
    say(
        *({"prediction_id": i} for i in ids),
        {"prediction_id": ids[0], "kind": "flag", "outcome": None, "reason": "odd"},
    )
    found = stored.newest(session.store(), ids)
    assert [f["prediction_id"] for f in found] == [*ids, ids[0]]
    assert (found[-1]["kind"], found[-1]["outcome"], found[-1]["reason"]) == ("flag", None, "odd")
    assert [f["prediction_id"] for f in stored.feedback_of(session.store(), "late", batch="b")] == ids[4:]
    assert len(stored.feedback_of(session.store(), "late", kind=None)) == 9
    assert stored.feedback_of(session.store(), "late", until=AT.format(1), kind="flag")[0]["reason"] == "odd"


def test_what_names_a_key_only_waits(made):
    key = {"prediction_id": "", "model": "late", "key": "B1", "key_at": AT.format(1)}
    say(key, {**key, "kind": "opinion", "verdict": "agree", "outcome": None}, {**key, "model": "early"})
    assert [f["kind"] for f in stored.unmatched(session.store(), "late")] == ["outcome", "opinion"]
    assert [f["verdict"] for f in stored.unmatched(session.store(), "late", "opinion")] == ["agree"]
