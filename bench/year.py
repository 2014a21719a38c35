"""The flights of 2013 driven by their own targets: jobs, a clock that is set month by month, and a person who decides.

Each month the champion predicts, its outcomes come back, and a tick of the scheduler looks at the targets of the
charter. A job that fires retrains (the template as it ships); what follows is its ``then``. The person promotes where
the advice is *retrain* because a challenger wins. Prints a table; ``--json`` a line of JSON a month.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
EXAMPLES = Path(__file__).resolve().parent.parent / "example_notebooks"
sys.path.insert(0, str(EXAMPLES))

if TYPE_CHECKING:
    from nbmlops.jobs.works.executors import Handle
    from nbmlops.store.works import Claim

MODEL, ROWS = "late-flights", "flights-eval"
TARGETS = ("roc_auc", "late_share_gap")
ROUNDS = 60
CHARTER = """
metrics:
  - {name: roc_auc, at_least: 0.65, viable: 0.55}
  - {name: late_share_gap, at_most: 0.05}
promotes: better
roles: {manager: [mo@example.org]}
"""
JOB = """
notebook: retrain.ipynb
when: {{target: {model}.{target}}}
parameters: {{seed: 0}}
policy: {{catch_up: latest, overlap: skip, retries: 0, cooldown: 1d, per_day: 1}}
then: [{{gate: {{on: {rows}}}}}, challenger, advice, report]
"""


class Here:
    """Carries out what a tick claims, at once, in this process."""

    url = "here"

    def free(self) -> int:
        """Return how many attempts may start: one of each job."""
        return len(TARGETS)

    def submit(self, claim: Claim) -> Handle:
        """Carry out a claim."""
        from nbmlops.jobs.works.attempt import carry_out
        from nbmlops.jobs.works.executors import Handle

        carry_out(claim, progress=lambda *_: None)
        return Handle(claim, done=True)


def main() -> None:
    """Live through the year and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a line of JSON a month")
    parser.add_argument("--until", type=int, default=12, help="the last month")
    parser.add_argument("--share", type=float, default=1.0, help="share of each day's flights, for a quick look")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        year = live(args.until, args.share, (lambda row: print(json.dumps(row), flush=True)) if args.json else None)
        os.chdir("/")
    if not args.json:
        show(year)


def live(until: int, share: float = 1.0, told: Any = None) -> list[dict[str, Any]]:
    """Begin a project in the working folder and live through the months up to one; return a row for each.

    Parameters
    ----------
    until : int
        The last month.
    share : float
        Of each day's flights.
    told : callable, optional
        Given each row as it comes.
    """
    began = time.perf_counter()
    flights = read(until, share)
    begin(flights)
    tick(3)  # the first sight of a job begins it: nothing before counts
    rows = []
    for month in range(4, until + 1):
        rows.append(live_through(month, flights) | {"s": round(time.perf_counter() - began, 1)})
        if told:
            told(rows[-1])
    return rows


def read(until: int, share: float) -> Any:
    """Return the flights up to a month."""
    from flights import load

    flights = load(range(1, until + 1))
    return flights if share == 1.0 else flights.groupby(["month", "day"]).sample(frac=share, random_state=0)


def begin(flights: Any) -> None:
    """Make the project: charter, jobs, the notebook of the template, and a champion of January to March."""
    from flights import TARGET

    import nbmlops as nb
    from nbmlops.jobs.templates import start

    Path("nbmlops.toml").write_text('[project]\nname = "late-flights"\n', encoding="utf-8")
    Path("charter.yaml").write_text(CHARTER, encoding="utf-8")
    Path("jobs").mkdir()
    for target in TARGETS:
        text = JOB.format(model=MODEL, target=target, rows=ROWS)
        Path("jobs", f"retrain-{target}.yaml").write_text(text, encoding="utf-8")
    names = {"data": "flights.parquet", "target": TARGET, "model_name": MODEL, "group_column": "day"}
    start("retrain", Path("retrain.ipynb"), names)
    first(flights[flights["month"] <= 3])
    nb.promote(MODEL, 1, to="champion", reason="the first one")


def first(flights: Any) -> None:
    """Fit and register a model on the days the template does not hold out."""
    from flights import CATEGORIES, FEATURES, TARGET
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    import nbmlops as nb

    held = held_out(flights)
    codes = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES), remainder="passthrough"
    )
    model = make_pipeline(codes, HistGradientBoostingClassifier(max_iter=ROUNDS, random_state=0))
    with nb.run("first"):
        model.fit(flights[~held][FEATURES], flights[~held][TARGET])
    nb.register(model, MODEL, evaluation=nb.evaluate(model, flights[held], target=TARGET))


def held_out(flights: Any) -> Any:
    """Return where the template holds a row out: whole days, by its seed."""
    days = flights["day"].drop_duplicates().sample(frac=0.25, random_state=0)
    return flights["day"].isin(days)


def tick(month: int) -> Any:
    """Let the scheduler look on the first day after a month."""
    from nbmlops.config import find_project
    from nbmlops.jobs.schedule import ticker

    at = datetime(2013 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return ticker.tick(find_project(), at.isoformat(timespec="microseconds"), Here())


def live_through(month: int, flights: Any) -> dict[str, Any]:
    """Predict a month, learn its outcomes, tick, and decide; return what happened."""
    import nbmlops as nb

    now = flights[flights["month"] == month]
    champion, batch = nb.model_version(f"{MODEL}@champion").ref, f"2013-{month:02d}"
    said = nb.predict(champion, now, batch=batch)
    nb.feedback(said.assign(outcome=now["late"])[["prediction_id", "outcome"]])
    known = nb.performance(champion, batch=batch)
    drift = nb.drift(now, champion, target="late")
    so_far = flights[flights["month"] <= month]
    so_far.to_parquet("flights.parquet")
    nb.dataset(ROWS, so_far[held_out(so_far) & (so_far["month"] == month)], keep=True)
    fired = [f for f in tick(month).fires if f["what"] == "started"]
    row = {"month": batch, "rows": known.known, "champion": champion, "drift": drift.verdict}
    row |= {name: known.metrics[name] for name in ("roc_auc", "share_gap")}
    row |= {"lost": list(known.broken), "fired": [f["job"] for f in fired], **followed(fired)}
    return row | decided(nb.advise(MODEL), champion)


def followed(fired: list[Any]) -> dict[str, Any]:
    """Return what followed the run that registered a challenger: gate, challenger or rejection."""
    import nbmlops as nb
    from nbmlops.config import find_project
    from nbmlops.store import ledger
    from nbmlops.store.database import open_store

    store = open_store(find_project())
    found: dict[str, Any] = {"states": [], "gate": None, "gain": None, "challenger": None}
    for fire in fired:
        work = ledger.get(store, fire["key"])
        found["states"].append(work.state if work else None)
        run = nb.get_run(work.run_id) if work and work.run_id else None
        if run is not None and "gate" in run.tags:
            data = run.results("gate")[-1]["data"]
            found |= {"gate": data["verdict"], "challenger": run.tags.get("challenger")}
            found["gain"] = {k: data[k] for k in ("difference", "low", "high", "rows")}
    return found


def decided(advice: Any, champion: str) -> dict[str, Any]:
    """Do as the person does: promote where a challenger wins; return the advice and the champion from then on."""
    import nbmlops as nb

    if advice.rule == "wins":
        nb.promote(MODEL, "challenger", to="champion", reason=advice.because[:200])
    return {"advice": advice.advice, "rule": advice.rule, "then": nb.model_version(f"{MODEL}@champion").ref}


def show(year: list[dict[str, Any]]) -> None:
    """Print the year as a table."""
    print("| month | outcomes | AUC | gap of shares | lost | fired | gate | challenger | advice | champion |")
    print(f"|{' --- |' * 10}")
    for row in year:
        auc, gap = (between(row[name]) for name in ("roc_auc", "share_gap"))
        gain = row["gain"]
        gate = f"{row['gate']} {gain['difference']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]" if gain else "-"
        fired = ", ".join(name.removeprefix("retrain-") for name in row["fired"]) or "none"
        lost = ", ".join(row["lost"]) or "none"
        advice = f"{row['advice']} ({row['rule']})"
        cells = (row["month"], f"{row['rows']:,}", auc, gap, lost, fired, gate, row["challenger"] or "-", advice)
        print(f"| {' | '.join(cells)} | {row['then']} |")
    print(f"\nTook {year[-1]['s']:.0f} s." if year else "")


def between(measured: dict[str, Any]) -> str:
    """Return a metric with its interval."""
    return f"{measured['value']:.3f} [{measured['low']:.3f}, {measured['high']:.3f}]"


if __name__ == "__main__":
    main()
