"""What lists show, a page at a time: runs with the metric that counts, and works with their runs."""

from __future__ import annotations

import pytest

from nbmlops.jobs.works import listed
from nbmlops.records import now
from nbmlops.store import ledger, runs, search
from nbmlops.tracking import headlines, session


def tracked(name, notebook="nb.ipynb", **metrics):
    run = session.start(name, kind="cell", notebook=notebook, cell_id="c", params={"C": 1})
    for key, value in metrics.items():
        for one in value if isinstance(value, list) else [value]:
            session.log({key: one})
    session.finish(run)
    return run.run_id


def test_pages_follow_each_other_and_count_all(project):
    for number in range(5):
        tracked(f"r{number}", auc=number / 10)
    tracked("elsewhere", notebook="other.ipynb")
    first, total = search.page(session.store(), notebook="nb.ipynb", limit=2)
    last, _ = search.page(session.store(), notebook="nb.ipynb", limit=2, offset=4)
    assert ([r["name"] for r in first], [r["name"] for r in last], total) == (["r4", "r3"], ["r0"], 5)
    assert {"cause", "author", "cell_id"} <= set(first[0])
    chosen, total = search.page(session.store(), "auc > 0.2", limit=10)
    assert ([r["name"] for r in chosen], total) == (["r4", "r3"], 2)
    assert search.page(session.store(), notebook="gone.ipynb") == ([], 0)


def test_a_page_beyond_the_end_is_empty(project):
    tracked("r")
    assert search.page(session.store(), limit=10, offset=10) == ([], 1)
    assert search.page(session.store(), limit=0) == ([], 1)


@pytest.mark.parametrize("count", [2, 59, 60, 61, 500])
def test_a_curve_keeps_every_nth_value_and_no_more_than_there_is_room_for(project, count):
    tracked("long", loss=[float(n) for n in range(count)], once=1.0)
    (row,), _ = search.page(session.store())
    drawn = runs.curves(session.store(), [(row["no"], "loss", "{}"), (row["no"], "once", "{}")])
    assert list(drawn) == [(row["no"], "loss")]
    curve = drawn[row["no"], "loss"]
    assert curve[0] == 0
    assert 2 <= len(curve) <= 60
    assert curve == sorted(curve)


def test_the_headline_is_measured_on_the_most_honest_split(project):
    run = session.start("forest", kind="cell", notebook="nb.ipynb")
    for split, value in (("train", 0.99), ("test", 0.7)):
        session.log({"auc": value}, context={"split": split})
        session.log({"auc": value}, context={"split": split})
    session.finish(run)
    (line,) = headlines.listed().runs
    assert line["metric"] == {"name": "auc", "value": 0.7, "curve": [0.7, 0.7]}


def test_some_columns_of_some_runs(project):
    one, two = tracked("a"), tracked("b")
    found = runs.heads(session.store(), [two, one, "gone"], ("run_id", "author"))
    assert {row["run_id"] for row in found} == {one, two}
    assert set(found[0]) == {"run_id", "author"}


def test_a_run_is_found_by_any_of_its_attempts(project):
    store = session.store()
    with ledger.changing(store) as change:
        ledger.add(change, [{"key": "nightly", "notebook": "nb.ipynb", "most": 2}])
        (first,) = ledger.claim(change, now(), "here", key="nightly")
        ledger.close(change, first, "failed", "process_gone", now(), retry_at=now())
        (second,) = ledger.claim(change, now(), "here", key="nightly")
    assert ledger.key_of(store, first.run_id) == ledger.key_of(store, second.run_id) == "nightly"
    assert ledger.key_of(store, tracked("a cell")) is None
    (row,) = listed.works(store.project)
    assert (row["status"], row["run_id"], row["live"], row["attempt"]) == ("started", second.run_id, True, 2)


def test_works_that_wait_or_run_are_never_cut_off(project):
    store = session.store()
    with ledger.changing(store) as change:
        ledger.add(change, [{"key": f"due{n}", "notebook": "nb.ipynb"} for n in range(5)])
        ledger.add(change, [{"key": f"done{n}", "notebook": "nb.ipynb", "state": "finished"} for n in range(5)])
    assert len(listed.works(store.project, limit=3)) == 5
    assert [w["key"] for w in listed.works(store.project, limit=6)][-1].startswith("done")
