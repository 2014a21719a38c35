"""How often a gate promotes what it should not, and how often it finds what is better. Prints tables, as docs/gates.md.

Every try draws rows and the answers of two models anew and asks for the verdict; the margin is 2 points of AUC and of
accuracy, 5 % of the loss. *Alike*: two models of equal worth that err independently, in the same way. *Unlike*: of
equal worth, but the challenger is overconfident and has few large errors (one row in twenty, four times as large). *At
the margin*: the challenger is worse by exactly the margin, so that *non-inferior* is false. *Days*: 40 of them, each
with an error in common, models alike.

``--time`` measures whole gates instead, of 100,000 rows with three metrics and ten slices.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from functools import cache

import numpy as np
from scipy import optimize

from nbmlops.governance.differences import gain
from nbmlops.registry.measures import Answers
from nbmlops.stats.intervals import mean_difference, share

SIZES = (100, 300, 1_000, 5_000)
TRIES = 2_000
DAYS = 40
MARGINS = {"accuracy": 0.02, "roc_auc": 0.02, "log_loss": 0.05, "rmse": 0.05}
GAINS = {  # in points; of log loss and RMSE as a share of the champion's
    "accuracy": (0.01, 0.02, 0.04),
    "roc_auc": (0.01, 0.02, 0.04),
    "log_loss": (0.02, 0.05, 0.1),
    "rmse": (0.02, 0.05, 0.1),
}
CENTRE, SPREAD = -1.0, 1.5  # of the true logits: a third of the rows is positive
NOISE = 1.5  # of the champion's logits
ERROR = 0.6  # standard deviation of the champion's error in numbers; the truth's own noise is 1
POPULATION = 1_000_000
RARE, LARGE = 0.05, 4.0  # rows with large errors of a model that is unlike, and how large
SMALL = np.sqrt((1 - RARE * LARGE**2) / (1 - RARE))
Generator = np.random.Generator


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def errors(rng: Generator, n: int, kind: str) -> np.ndarray:
    """Return errors of standard deviation one: normal, or mostly small and a few large."""
    drawn = rng.normal(size=n)
    return drawn if kind != "unlike" else drawn * np.where(rng.random(n) < RARE, LARGE, SMALL)


def said(logits: np.ndarray, error: np.ndarray, scale: float, kind: str) -> np.ndarray:
    """Return the logits a model says: shrunk as far as its errors ask for, or overconfident."""
    shrunk = 0.9 if kind == "unlike" else SPREAD**2 / (SPREAD**2 + scale**2)
    return CENTRE + shrunk * (logits - CENTRE + scale * error)


def expected(metric: str, logits: np.ndarray, spoken: np.ndarray) -> float:
    """Return a metric's value in the population of true logits."""
    p, n = logistic(logits), len(logits)
    if metric == "accuracy":
        return float(np.where(spoken > 0, p, 1 - p).mean())
    if metric == "log_loss":
        return float((p * np.logaddexp(0, -spoken) + (1 - p) * np.logaddexp(0, spoken)).mean())
    p = p[np.argsort(spoken)]
    return float(np.sum(p * (np.cumsum(1 - p) - (1 - p) / 2)) / (p.sum() * (n - p.sum())))


@cache
def population() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    logits = rng.normal(CENTRE, SPREAD, POPULATION)
    return logits, {kind: errors(rng, POPULATION, kind) for kind in ("alike", "unlike")}


@cache
def scale(metric: str, kind: str, better: float) -> float:
    """Return how large the challenger's errors are for it to be better by so much (a share of a loss)."""
    if metric == "rmse":
        return float(np.sqrt((1 - better) ** 2 * (1 + ERROR**2) - 1))
    logits, drawn = population()
    champion = expected(metric, logits, said(logits, drawn["alike"], NOISE, "alike"))
    wanted = champion * (1 - better) if metric == "log_loss" else champion + better
    if (kind, better) == ("alike", 0.0):
        return NOISE
    return float(
        optimize.brentq(
            lambda s: expected(metric, logits, said(logits, drawn[kind], s, kind)) - wanted, 0.01, 6.0, xtol=1e-4
        )
    )


def pair(rng: Generator, n: int, metric: str, kind: str, better: float, days: np.ndarray | None) -> list[Answers]:
    """Return what challenger and champion say of rows drawn anew."""
    scales, kinds = (scale(metric, kind, better), ERROR if metric == "rmse" else NOISE), (kind, "alike")
    drawn = [errors(rng, n, k) for k in kinds]
    if days is not None:  # half of the variance is the day's
        drawn = [np.sqrt(0.5) * (e + rng.normal(size=DAYS)[days]) for e in drawn]
    if metric == "rmse":
        truth = rng.normal(size=n)
        return [Answers("regression", s * e, truth=truth) for s, e in zip(scales, drawn, strict=True)]
    logits = rng.normal(CENTRE, SPREAD, n)
    truth = (rng.random(n) < logistic(logits)).astype(int)
    spoken = [said(logits, e, s, k) for s, e, k in zip(scales, drawn, kinds, strict=True)]
    return [
        Answers("binary", (x > 0).astype(int), np.column_stack([1 - p, p]), p, (0, 1), truth)
        for x in spoken
        for p in [logistic(x)]
    ]


def rates(metric: str, n: int, kind: str, better: float, tries: int, days: bool = False) -> dict[str, int]:
    """Return how often each verdict comes; ``grouped`` are those of *better* where the days are told."""
    rng = np.random.default_rng([n, len(kind), round(1e4 * (1 + better)), days])
    found = dict.fromkeys(("better", "non-inferior", "inconclusive", "worse", "grouped"), 0)
    for _ in range(tries):
        day = rng.permutation(n) % DAYS if days else None
        answers = pair(rng, n, metric, kind, better, day)
        if metric == "roc_auc" and not 0 < answers[0].truth.mean() < 1:
            found["inconclusive"] += 1
            continue
        found[gain(metric, *answers, MARGINS[metric]).verdict] += 1
        found["grouped"] += days and gain(metric, *answers, MARGINS[metric], day).verdict == "better"
    return found


def cell(hits: int, tries: int) -> str:
    rate = share(hits, tries)
    return f"{100 * rate.value:.1f}{' !' if rate.low > 0.025 else ''}"


def false_promotions(tries: int) -> None:
    print(f"| metric | models | {' | '.join(f'n = {n:,}' for n in SIZES)} |")
    print(f"| --- | --- |{' ---: |' * len(SIZES)}")
    for metric, margin in MARGINS.items():
        for kind in ("alike", "unlike"):
            counts = [rates(metric, n, kind, 0.0, tries)["better"] for n in SIZES]
            print(f"| {metric} | {kind}, *better* | {' | '.join(cell(c, tries) for c in counts)} |", flush=True)
        for kind in ("alike", "unlike"):
            found = [rates(metric, n, kind, -margin, tries) for n in SIZES]
            counts = [f["better"] + f["non-inferior"] for f in found]
            print(f"| {metric} | {kind}, at the margin | {' | '.join(cell(c, tries) for c in counts)} |", flush=True)


def student(tries: int) -> None:
    """Print how often a plain t-interval of the squared errors says *better* where models are unlike."""
    counts = []
    for n in SIZES:
        rng = np.random.default_rng([n, 1])
        pairs = (pair(rng, n, "rmse", "unlike", 0.0, None) for _ in range(tries))
        squared = (((a.predicted - a.truth) ** 2, (b.predicted - b.truth) ** 2) for a, b in pairs)
        counts.append(sum(mean_difference(b, a).low > 0 for a, b in squared))
    print(f"| rmse by Student's t | unlike, *better* | {' | '.join(cell(c, tries) for c in counts)} |", flush=True)


def grouped(tries: int) -> None:
    print("\n| metric | *better*, days told | days not told |\n| --- | ---: | ---: |")
    for metric in MARGINS:
        found = rates(metric, 2_000, "alike", 0.0, tries, days=True)
        print(f"| {metric} | {cell(found['grouped'], tries)} | {cell(found['better'], tries)} |", flush=True)


def power(tries: int) -> None:
    print(f"\n| metric | better by | {' | '.join(f'n = {n:,}' for n in SIZES)} |")
    print(f"| --- | --- |{' ---: |' * len(SIZES)}")
    for metric, gains in GAINS.items():
        for better in gains:
            unit = "points" if metric in ("accuracy", "roc_auc") else "%"
            counts = [rates(metric, n, "alike", better, tries)["better"] for n in SIZES]
            cells = " | ".join(f"{100 * c / tries:.0f}" for c in counts)
            print(f"| {metric} | {100 * better:g} {unit} | {cells} |", flush=True)


def timed() -> None:
    """Print how long whole gates take."""
    os.chdir(tempfile.mkdtemp())
    import pandas as pd
    from sklearn.linear_model import LinearRegression, LogisticRegression

    import nbmlops as nb

    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(150_000, 4)), columns=list("abcd"))
    rows["city"] = rng.choice(list("klmnopqrst"), len(rows))
    rows["late"], rows["delay"] = rows.a + rows.b + rng.normal(size=len(rows)) > 1, rows.a + rng.normal(size=len(rows))
    train, held_out = rows[:50_000], rows[50_000:]
    for target, kind, metrics in (
        ("late", LogisticRegression, ["roc_auc", "log_loss", "accuracy"]),
        ("delay", LinearRegression, ["rmse", "mae", "r2"]),
    ):
        models = [kind().fit(train[names], train[target]) for names in (list("abcd"), list("bcd"))]
        times = []
        for _ in range(5):
            start = time.perf_counter()
            nb.gate(*models, on=held_out, target=target, metrics=metrics, by="city")
            times.append(time.perf_counter() - start)
        print(f"{kind.__name__}, {', '.join(metrics)}, 10 slices, {len(held_out):,} rows: {np.median(times):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=TRIES)
    parser.add_argument("--time", action="store_true")
    args = parser.parse_args()
    if args.time:
        timed()
        return
    print(f"{args.tries:,} tries a cell; ! where the 95 % interval of a rate lies above 2.5 %\n")
    false_promotions(args.tries)
    student(args.tries)
    grouped(args.tries)
    power(args.tries // 4)


if __name__ == "__main__":
    main()
