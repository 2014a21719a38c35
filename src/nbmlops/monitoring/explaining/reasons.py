"""What each column adds to an answer, the largest first, as numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.monitoring.explaining.asked import Case, answering
from nbmlops.monitoring.explaining.mixed import Mixed, Question
from nbmlops.records import plain
from nbmlops.stats.shapley import ALL_COALITIONS, SAMPLE_ROWS, Shapley, shapley

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MASKED", "amount", "contributions", "drawn", "reasons", "shown"]

MASKED = "masked"
MIXED_ROWS = 16_000  # of all coalitions with the background; with few columns more of the background is used
FEWEST, MOST = 100, 1_000  # rows of the background, where there are so many
LEAST = 10  # where there are very many columns
TOLD = 5  # columns that get a sentence
LONGEST = 40  # characters of a value


def drawn(case: Case, columns: int, seed: int) -> pd.DataFrame:
    """Return the rows of the background that are used: as many as can be asked quickly, drawn by chance."""
    assert case.background is not None
    if columns <= ALL_COALITIONS:
        wanted = min(max(MIXED_ROWS // 2**columns, FEWEST), MOST)
    else:  # two pairs of orders for each row, in as many steps as there are columns
        wanted = min(max(SAMPLE_ROWS // (4 * columns), LEAST), FEWEST)
    wanted = min(wanted, len(case.background))
    if wanted == len(case.background):
        return case.background
    places = np.random.default_rng(seed).choice(len(case.background), wanted, replace=False)
    return case.background.iloc[np.sort(places)]


def reasons(case: Case, question: Question, row: pd.DataFrame, background: pd.DataFrame, seed: int) -> Shapley:
    """Return what the columns of one row add to an answer, against rows of the background."""
    assert case.background is not None
    mixed = Mixed(background, row, case.open)
    with answering(case, "cannot answer this row mixed with rows of its background"):
        return shapley(
            lambda taken, at: question.ask(mixed.rows(taken, at)),
            len(case.open),
            len(background),
            same=mixed.same,
            kept=len(case.background),
            seed=seed,
        )


def contributions(case: Case, question: Question, row: pd.Series[Any], found: Shapley) -> list[dict[str, Any]]:
    """Return a record for each column, the one that moves the answer most first.

    Each has ``column``, ``value``, ``contribution``, ``standard_error`` (0 where nothing was drawn by chance), and
    ``before`` and ``after``, which lead from what is usual to the answer; ``words`` says so.
    """
    order = np.argsort(-np.abs(found.values), kind="stable")
    told, before = [], found.base
    for place in order.tolist():
        name, part = case.open[place], float(found.values[place])
        told.append(
            {
                "column": name,
                "value": plain(row[name]),
                "contribution": part,
                "standard_error": float(found.errors[place]),
                "before": before,
                "after": before + part,
                "words": sentence(f"{name} = {shown(row[name])}", question, before, before + part),
            }
        )
        before += part
    return told


def sentence(what: str, question: Question, before: float, after: float) -> str:
    """Return one step in words: ``hour = 19 raises the chance of late from 24 % to 41 %``."""
    unit = question.unit
    first, last = amount(before, unit), amount(after, unit)
    if unit != "value" and not all(-1e-9 <= v <= 1 + 1e-9 for v in (before, after)):  # on the way it may be no chance
        points = f"{100 * abs(after - before):.2g} points"
        return f"{what} {'raises' if after > before else 'lowers'} {question.words} by {points}"
    if first == last:
        return f"{what} leaves {question.words} at {first}"
    return f"{what} {'raises' if after > before else 'lowers'} {question.words} from {first} to {last}"


def summary(told: Sequence[dict[str, Any]], question: Question) -> list[str]:
    """Return the steps that matter in words, and what the others do together."""
    first, rest = list(told[:TOLD]), list(told[TOLD:])
    words = [t["words"] for t in first if amount(t["before"], question.unit) != amount(t["after"], question.unit)]
    if rest:
        words.append(_together(rest, question))
    return words


def _together(rest: Sequence[dict[str, Any]], question: Question) -> str:
    if len(rest) == 1:
        return str(rest[0]["words"])
    before, after = rest[0]["before"], rest[-1]["after"]
    return sentence(f"all else ({len(rest)} columns)", question, before, after)


def amount(value: float, unit: str) -> str:
    """Return what is explained as people say it.

    >>> amount(0.4132, "probability"), amount(0.004, "probability"), amount(0.996, "share"), amount(1234.5, "value")
    ('41 %', '0.4 %', '99.6 %', '1,234')
    """
    if unit == "value":
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    percent = 100 * value
    near = min(abs(percent), abs(100 - percent))  # close to never and to always, digits count
    if near < 0.01 or near >= 1:
        return f"{percent + 0.0:.0f} %".replace("-0 ", "0 ")
    return f"{percent:.2g} %" if abs(percent) < 1 else f"{percent:.{1 if near >= 0.1 else 2}f} %"


def shown(value: Any) -> str:
    """Return a value as it stands in a sentence.

    >>> shown(None), shown(19.0), shown("EWR"), shown(0.123456)
    ('missing', '19', 'EWR', '0.1235')
    """
    import pandas as pd

    if pd.isna(value):
        return "missing"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.4g}"
    text = str(plain(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
