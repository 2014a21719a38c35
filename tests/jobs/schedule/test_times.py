"""Fires: the Berlin clock changes once each, wherever one begins to ask; durations."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from nbmlops.errors import Invalid
from nbmlops.jobs.schedule import times

BERLIN = "Europe/Berlin"
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)


def told(cron, after, until, zone=BERLIN):
    return [f.strftime("%d %H:%M") for f in times.fires(cron, zone, after, until)]


def test_daily_at_half_past_two_comes_right_after_the_hour_that_is_left_out():
    """Section 7, 5: Berlin 2026-03-29."""
    found = told("30 2 * * *", SPRING - timedelta(days=1), SPRING + timedelta(days=2))
    assert found == ["28 01:30", "29 01:00", "30 00:30"]


def test_daily_at_half_past_two_comes_once_when_the_hour_comes_twice():
    """Section 7, 5: Berlin 2026-10-25."""
    found = told("30 2 * * *", AUTUMN - timedelta(days=1), AUTUMN + timedelta(days=2))
    assert found == ["24 00:30", "25 00:30", "26 01:30"]


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25)])
@pytest.mark.parametrize(("cron", "each"), [("0 * * * *", 1), ("*/15 * * * *", 4)])
def test_every_hour_and_every_quarter_follow_real_time(day, hours, cron, each):
    midnight = day - timedelta(hours=1 if day == SPRING else 2)  # in Berlin
    found = list(
        times.fires(cron, BERLIN, midnight - timedelta(seconds=1), midnight + timedelta(hours=hours, seconds=-1))
    )
    assert len(found) == hours * each
    assert {b - a for a, b in pairwise(found)} == {timedelta(hours=1) / each}


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
@pytest.mark.parametrize("cron", ["30 2 * * *", "0,30 2-3 * * *", "0 * * * *", "*/15 * * * *", "59 1,2 * * *"])
def test_where_one_begins_to_ask_changes_no_fire(day, cron):
    start, end = day - timedelta(hours=6), day + timedelta(hours=12)
    whole = list(times.fires(cron, BERLIN, start, end))
    assert whole == sorted(set(whole))
    pieces, at = [], start
    while at < end:
        pieces += times.fires(cron, BERLIN, at, min(at + timedelta(minutes=7), end))
        at += timedelta(minutes=7)
    assert pieces == whole


def test_the_next_fire_is_after_the_instant():
    at = datetime(2026, 3, 1, 1, tzinfo=UTC)
    assert times.next_fire("0 2 1 * *", BERLIN, at) == datetime(2026, 4, 1, tzinfo=UTC)
    assert times.next_fire("0 2 1 * *", BERLIN, at - timedelta(seconds=1)) == at


@pytest.mark.parametrize(
    ("cron", "zone", "word"),
    [
        ("0 2 1 *", "UTC", "cron"),
        ("61 * * * *", "UTC", "minute"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("0 2 * * *", "Mars", "zone"),
    ],
)
def test_what_is_no_cron_or_zone_is_refused(cron, zone, word):
    with pytest.raises(Invalid, match=word):
        times.check(cron, zone)


@pytest.mark.parametrize(
    ("text", "found"), [("2h", 7200), ("90s", 90), ("1d", 86400), ("1h 30m", 5400), (45, 45), ("1w", 604800)]
)
def test_durations(text, found):
    assert times.seconds(text) == found


@pytest.mark.parametrize("text", ["2 hours", "h", "", "-1s", -1, True, None, float("inf"), "1h2"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(Invalid, match="duration"):
        times.seconds(text)
