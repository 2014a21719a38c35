"""How fast a project delivers, of histories made by hand."""

import pytest

import nbmlops as nb
from nbmlops.errors import NotFound
from nbmlops.governance.throughput import measured
from nbmlops.store.models import add_version, set_alias
from nbmlops.tracking import session

DAY = 86_400


def at(day, hour=0):
    return f"2013-05-{day:02d}T{hour:02d}:00:00.000000+00:00"


class History:
    """Events and episodes as the store gives them."""

    def __init__(self):
        self.events, self.episodes, self.started = [], [], {}

    def register(self, ref, started):
        self._event("register", ref, started, run_id=f"run of {ref}")
        self.started[f"run of {ref}"] = started

    def promote(self, number, when, name="late", **data):
        self._event("alias", f"{name}@champion", when, version=number, **data)

    def lost(self, opened, closed=None, version=1, name="late", level="alert", column="hour"):
        about = {"model": name, "version": version, "level": level, "code": "feature_drift", "column": column}
        self.episodes.append({**about, "opened_at": opened, "closed_at": closed})

    def _event(self, action, subject, when, **data):
        self.events.append(
            {"seq": len(self.events) + 1, "action": action, "subject": subject, "at": when, "data": data}
        )

    @property
    def measured(self):
        return measured(self.events, self.episodes, self.started)


@pytest.fixture
def history():
    return History()


def test_nothing_yet_is_insufficient_data(history):
    found = history.measured
    for measure in (found.time_to_market, found.rolled_back, found.time_to_restore):
        assert (measure.value, measure.n, measure.needed) == (None, 0, 3)


def test_time_to_market_is_the_median_from_first_run_to_first_day_as_champion(history):
    for number, days in enumerate((2, 4, 9), 1):
        history.register(f"late@{number}", at(1))
        history.promote(number, at(1 + days))
    history.promote(1, at(20))  # again: it was on the market before
    found = history.measured.time_to_market
    assert (found.value, found.n, found.low) == (4 * DAY, 3, None)
    assert [e.seconds / DAY for e in found.each] == [2, 4, 9]


def test_two_are_too_few_and_are_still_listed(history):
    for number in (1, 2):
        history.register(f"late@{number}", at(1))
        history.promote(number, at(3))
    found = history.measured.time_to_market
    assert (found.value, found.n, found.needed, len(found.each)) == (None, 2, 1, 2)


def test_six_have_an_interval(history):
    for number in range(1, 7):
        history.register(f"late@{number}", at(1))
        history.promote(number, at(1 + number))
    found = history.measured.time_to_market
    assert (found.low, found.value, found.high) == (DAY, 3.5 * DAY, 6 * DAY)


def test_a_version_of_no_known_run_has_no_time_to_market(history):
    history.promote(1, at(2))
    assert history.measured.time_to_market.each == ()


def test_a_rollback_takes_back_what_was_promoted_since(history):
    for number, day in ((1, 1), (2, 3), (3, 5)):
        history.promote(number, at(day))
    history.promote(1, at(6), rollback=True)  # over 3 and 2
    history.promote(4, at(8))
    found = history.measured.rolled_back
    assert (found.value, found.n) == (0.5, 4)
    assert found.low < 0.5 < found.high
    assert [e.what for e in found.each if e.ended_by == "rolled back"] == ["late@2", "late@3"]


def test_taking_an_alias_away_is_no_promotion(history):
    history.promote(1, at(1))
    history.promote(None, at(2))
    assert history.measured.rolled_back.n == 1


def test_models_do_not_mix(history):
    history.promote(1, at(1))
    history.promote(1, at(1), name="early")
    history.promote(2, at(2))
    history.promote(1, at(3), rollback=True)
    taken = [e.what for e in history.measured.rolled_back.each if e.ended_by]
    assert taken == ["late@2"]
    assert history.measured.models == ("early", "late")


def test_a_loss_lasts_until_all_is_closed(history):
    history.promote(1, at(1))
    history.lost(at(2), at(4))
    history.lost(at(3), at(6), column="carrier")
    (loss,) = history.measured.time_to_restore.each
    assert (loss.began_at, loss.ended_at, loss.ended_by) == (at(2), at(6), "closed")


def test_a_new_champion_ends_a_loss(history):
    history.promote(1, at(1))
    history.lost(at(3))
    history.promote(1, at(4))  # said again: nothing is mended by it
    history.promote(2, at(9))
    (loss,) = history.measured.time_to_restore.each
    assert (loss.began_at, loss.ended_at, loss.ended_by) == (at(3), at(9), "promotion")


def test_a_rollback_ends_the_loss_of_the_version_it_took_back(history):
    history.promote(1, at(1))
    history.promote(2, at(2))
    history.lost(at(3, 12), version=2)
    history.promote(1, at(3, 13), rollback=True)
    history.promote(3, at(28))
    (loss,) = history.measured.time_to_restore.each
    assert (loss.ended_at, loss.ended_by, loss.seconds) == (at(3, 13), "rollback", 3600)


def test_a_rollback_without_an_alert_begins_no_loss(history):
    history.promote(1, at(1))
    history.promote(2, at(2))
    history.promote(1, at(3), rollback=True)
    assert history.measured.time_to_restore.each == ()
    assert [e.what for e in history.measured.rolled_back.each if e.ended_by] == ["late@2"]


def test_what_is_not_mended_is_open_and_not_among_the_n(history):
    history.promote(1, at(1))
    for day in (2, 6, 10):
        history.lost(at(day), at(day, 12))
    history.lost(at(20))
    found = history.measured.time_to_restore
    assert (found.value, found.n, found.open) == (DAY / 2, 3, 1)


def test_notices_and_versions_nobody_is_served_by_are_no_loss(history):
    history.promote(2, at(1))
    history.lost(at(3), at(4), version=1)
    history.lost(at(3), at(4), version=2, level="notice")
    history.lost(at(3), at(4), name="never")
    assert history.measured.time_to_restore.each == ()


def register(number, run_id):
    row = {"name": "late", "digest": "0" * 64, "format": "skops", "estimator": "E", "signature": {}, "run_id": run_id}
    row |= {"owner": "ada", "created_at": at(1), "metrics": {}, "evaluation": None, "profile": None}
    row |= {"environment": None, "size_bytes": 1}
    with session.store().atomic() as change:
        add_version(change, row, [], ("ada", "git"))
        set_alias(change, "late", "champion", number, {"reason": "x"}, ("ada", "git"))


def test_the_store_is_asked_and_the_notebook_around_a_cell_counts(project):
    notebook = session.start("retrain", kind="notebook")
    cell = session.start("fit", kind="cell")
    session.finish(cell)
    session.finish(notebook)
    register(1, cell.run_id)
    found = nb.throughput("late")
    (went,) = found.time_to_market.each
    assert went.what == "late@1"
    assert went.began_at == nb.get_run(notebook.run_id).started_at
    assert "insufficient data: 2 more needed" in repr(found)
    assert "insufficient data" in found._repr_mimebundle_()["text/html"]


def test_an_unknown_model_is_an_error(project):
    register(1, None)
    with pytest.raises(NotFound, match="No model 'lte'"):
        nb.throughput("lte")


def test_an_empty_project_says_so(project):
    assert "no model yet" in repr(nb.throughput())
