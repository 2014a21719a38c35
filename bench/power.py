"""How often a change is found: shifts of every size, by rows. Prints tables, as docs/drift.md has them.

Each cell draws a reference and as many current rows anew, fixes the edges as a profile does, counts, and decides. The
column stands among 49 that did not move, as error control over many columns has its price. ``--alone`` leaves those
out, ``--json`` prints a line per cell with its 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial

import numpy as np

from nbmlops.stats.counts import SAMPLE_ROWS, numeric_bins
from nbmlops.stats.decision import Comparison, compare, judge
from nbmlops.stats.intervals import share

SIZES = (200, 500, 1_000, 2_000, 5_000, 50_000)
TRIES = 400
OTHERS = 49
SHIFTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.8)
LOGNORMAL = (np.exp(0.5), np.sqrt((np.e - 1) * np.e))  # mean and standard deviation
NAMES = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.08, 0.06, 0.04, 0.02])  # the third is the one that grows
CODES = np.array([0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05, 0.0])  # the last one is unseen
RECODED = {
    "renamed": (0, 1, 2, 3, 4, 5, 6, 8, 8),
    "written as another of 5 %": (0, 1, 2, 3, 4, 5, 6, 6, 8),
    "swapped with another of 5 %": (0, 1, 2, 3, 4, 5, 7, 6, 8),
    "swapped with one of 10 %": (0, 1, 2, 3, 7, 5, 6, 4, 8),
    "swapped with one of 20 %": (0, 7, 2, 3, 4, 5, 6, 1, 8),
    "swapped with one of 30 %": (7, 1, 2, 3, 4, 5, 6, 0, 8),
}
Draw = Callable[[np.random.Generator, int], Comparison]


def normal(shift: float, rng: np.random.Generator, n: int) -> Comparison:
    """Compare numbers whose mean moved by so many standard deviations."""
    return numbers(rng.normal(size=n), rng.normal(loc=shift, size=n))


def lognormal(shift: float, rng: np.random.Generator, n: int) -> Comparison:
    """Compare skewed numbers, all larger by the factor that moves their mean by so many standard deviations."""
    mean, spread = LOGNORMAL
    return numbers(rng.lognormal(size=n), rng.lognormal(size=n) * (1 + shift * spread / mean))


def numbers(reference: np.ndarray, current: np.ndarray) -> Comparison:
    """Count two samples on the edges of the first, as a profile does, and compare."""
    ordered = np.sort(reference)
    drawn = ordered[:: max(1, -(-len(ordered) // SAMPLE_ROWS))]
    bins = numeric_bins(drawn, float(ordered[0]), float(ordered[-1]))
    return compare(bins.count(ordered), bins.count(np.sort(current)), bins.regular)


def category(points: float, rng: np.random.Generator, n: int) -> Comparison:
    """Compare names one of which, a tenth of the rows, grew by so many points at the cost of all others."""
    grown = NAMES * (0.9 - points) / 0.9
    grown[2] = 0.1 + points
    return compare(rng.multinomial(n, NAMES), rng.multinomial(n, grown))


def missing(before: float, after: float, rng: np.random.Generator, n: int) -> Comparison:
    """Compare the rows without a value, as the contract does."""
    sides = [rng.binomial(n, s) for s in (before, after)]
    return compare(*([n - k, k] for k in sides))


def recoded(new: tuple[int, ...], rng: np.random.Generator, n: int) -> Comparison:
    """Compare names that are written as others: the place of each of :data:`CODES`, the last one unseen before."""
    shares = np.bincount(new, weights=CODES, minlength=len(CODES))
    return compare(rng.multinomial(n, CODES), rng.multinomial(n, shares))


TABLES: dict[str, dict[str, Draw]] = {
    "mean of a normal column, up by": {f"{s} sd": partial(normal, s) for s in (0.0, *SHIFTS)},
    "mean of a lognormal column, up by": {f"{s} sd": partial(lognormal, s) for s in SHIFTS},
    "a category of 10 %, grown to": {f"{100 * (0.1 + p):.0f} %": partial(category, p) for p in (0.05, 0.1, 0.2, 0.3)},
    "a category of 5 %": {label: partial(recoded, new) for label, new in RECODED.items()},
    "missing values": {
        f"{100 * a:.0f} % to {100 * b:.0f} %": partial(missing, a, b)
        for a, b in ((0.0, 0.01), (0.0, 0.02), (0.0, 0.05), (0.0, 0.1), (0.0, 0.2), (0.1, 0.2), (0.1, 0.3))
    },
}


def found(draw: Draw, n: int, tries: int = TRIES, others: int = OTHERS, seed: int = 0) -> tuple[int, int]:
    """Return how often a change was found at all, and how often at alert."""
    rng = np.random.default_rng([seed, n])
    still = [compare([n // 2, n // 2], [n // 2, n // 2])] * others
    outcomes = [judge([draw(rng, n), *still])[0] for _ in range(tries)]
    return sum(o in ("warning", "issue") for o in outcomes), outcomes.count("issue")


def main() -> None:
    """Print one table for each kind of change, or a line for each cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=TRIES)
    parser.add_argument("--alone", action="store_true", help="the column is the only one")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="tables whose title holds this")
    asked = parser.parse_args()
    others = 0 if asked.alone else OTHERS
    for title, rows in ((t, r) for t, r in TABLES.items() if asked.only in t):
        if not asked.json:
            print(f"\n| {title} | {' | '.join(f'{n:,}' for n in SIZES)} |\n|{' --- |' * (len(SIZES) + 1)}")
        for label, draw in rows.items():
            cells = [found(draw, n, asked.tries, others) for n in SIZES]
            made = lines(title, label, cells, asked.tries) if asked.json else [row(label, cells, asked.tries)]
            print(*made, sep="\n", flush=True)


def row(label: str, cells: list[tuple[int, int]], tries: int) -> str:
    """Return a line of a table: found at all / at alert, in per cent."""
    return f"| {label} | {' | '.join(f'{100 * a / tries:.0f} / {100 * b / tries:.0f}' for a, b in cells)} |"


def lines(title: str, label: str, cells: list[tuple[int, int]], tries: int) -> list[str]:
    """Return a JSON line for each cell."""
    made = []
    for n, (notice, alert) in zip(SIZES, cells, strict=True):
        about = {"change": f"{title} {label}", "rows": n, "tries": tries}
        for name, k in {"found": notice, "alert": alert}.items():
            value, low, high = share(k, tries)
            about |= {name: value, f"{name}_95": [round(low, 4), round(high, 4)]}
        made.append(json.dumps(about))
    return made


if __name__ == "__main__":
    main()
