"""When a job fires: cron in a time zone, the same wherever one begins to ask; durations as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from nbmlops.errors import Invalid

__all__ = ["check", "fires", "moment", "next_fire", "seconds", "span", "zone_of"]

BACK = timedelta(hours=3)  # more than any clock is set back: where one begins to ask changes no answer
UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?[wdhms])+")
PART = re.compile(r"(\d+(?:\.\d+)?)([wdhms])")


def check(cron: str, zone: str) -> None:
    """Refuse what is no cron expression or no time zone.

    Raises
    ------
    Invalid
        It says which of the two, and what is wanted.

    Examples
    --------
    >>> check("0 2 1 * *", "Europe/Berlin")
    """
    try:
        next(CronSim(cron, datetime.now(zone_of(zone))))
    except CronSimError as error:
        raise Invalid(f"cron is {cron!r} ({error}).", "Write minute hour day month weekday: 0 2 1 * *.") from None
    except StopIteration:
        raise Invalid(f"cron is {cron!r}, which never comes.", "Write a day there is: 0 2 1 * *.") from None


def fires(cron: str, zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the moments (UTC) a cron expression names after one instant and up to another.

    Clock changes are those of Debian's cron: what would fall into the hour that is left out comes right after it, what
    falls into the hour that comes twice comes once. Expressions for every hour or minute follow real time.

    Parameters
    ----------
    cron : str
        Five fields.
    zone : str
        Such as ``Europe/Berlin``.
    after, until : datetime
        With a time zone; ``after`` itself is not told again.

    Examples
    --------
    >>> spring = [datetime(2026, 3, d, tzinfo=UTC) for d in (28, 31)]
    >>> [f.isoformat()[5:16] for f in fires("30 2 * * *", "Europe/Berlin", *spring)]
    ['03-28T01:30', '03-29T01:00', '03-30T00:30']
    """
    last = after
    for local in CronSim(cron, (after - BACK).astimezone(zone_of(zone))):
        found = local.astimezone(UTC)
        if found > until:
            return
        if found > last:
            last = found
            yield found


def next_fire(cron: str, zone: str, after: datetime) -> datetime | None:
    """Return the first moment after an instant; None where there is none in fifty years.

    >>> next_fire("0 2 1 * *", "UTC", datetime(2026, 3, 1, 2, tzinfo=UTC)).isoformat()
    '2026-04-01T02:00:00+00:00'
    """
    return next(fires(cron, zone, after, datetime.max.replace(tzinfo=UTC)), None)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises
    ------
    Invalid
        There is none of this name, or this machine knows no zones.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f"zone is {name!r}.", "Write one such as Europe/Berlin or UTC (pip install tzdata).") from None


def moment(text: str) -> datetime:
    """Return stored text as an instant in UTC; one without a zone is UTC.

    >>> moment("2026-03-01").isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is no time.", "Write 2026-03-01 or 2026-03-01T02:00:00+01:00.") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def seconds(value: object) -> float:
    """Return a duration such as ``2h``, ``90s`` or ``1h30m`` in seconds; a bare number is seconds already.

    >>> seconds("1h30m"), seconds(90)
    (5400.0, 90.0)
    """
    text = str(value).replace(" ", "")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    if not isinstance(value, str) or not DURATION.fullmatch(text):
        raise Invalid(f"{value!r} is no duration.", "Write 90s, 15m, 2h, 1d, 1w or 1h30m.")
    return sum(float(n) * UNITS[unit] for n, unit in PART.findall(text))


def span(duration_s: float) -> str:
    """Return seconds as people write them.

    >>> span(5400), span(86400), span(0.5)
    ('1h30m', '1d', '0.5s')
    """
    if duration_s < 1:
        return f"{duration_s:g}s"
    left, parts = round(duration_s), []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, UNITS[unit])
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts[:2])
