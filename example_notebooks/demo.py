"""The main job on a year of flights: explore, check drift, retrain where answers went wrong, explain, tell support.

python example_notebooks/demo.py                 runs all of it in demo/
python example_notebooks/demo.py --only-setup    makes demo/ to work in by hand
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # unpinned fits take many times longer on two shared cores

HERE = Path(__file__).resolve().parent
FILES = (
    "flights.py",
    "charter.yaml",
    "rules",
    "01_explore_and_track.ipynb",
    "02_drift_check.ipynb",
    "03_retrain.ipynb",
    "04_review_and_approve.ipynb",
    "05_in_use.ipynb",
)
# One warm process for all notebooks: what they import, and what nbmlops itself imports when it is asked to judge.
SETTINGS = """[project]
name = "late-flights"

[warm]
preload = ["nbmlops", "numpy", "pandas", "scipy.stats", "skops.io", "sklearn.compose", "sklearn.ensemble",
           "sklearn.inspection", "sklearn.linear_model", "sklearn.metrics", "sklearn.pipeline", "sklearn.preprocessing"]
"""
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
MODEL = "late-flights"


def main() -> None:
    """Make the project, run the notebooks, then live through the year."""
    parser = argparse.ArgumentParser(description="The main job on a year of flights.")
    parser.add_argument("folder", nargs="?", default="demo", type=Path)
    parser.add_argument("--only-setup", action="store_true", help="make the folder and stop")
    args = parser.parse_args()
    began = time.perf_counter()
    set_up(args.folder)
    if args.only_setup:
        return
    os.chdir(args.folder)
    sys.path.insert(0, str(Path.cwd()))
    import sklearn  # first: it sets variables of OpenMP, and kernels given others would need another warm process

    import nbmlops as nb

    execute(nb, "01_explore_and_track.ipynb")
    execute(nb, "02_drift_check.ipynb")
    year = [live_through(month) for month in range(4, 13)]
    used = in_use(nb)
    show(year, nb, used, time.perf_counter() - began)


def set_up(folder: Path) -> None:
    """Copy the notebooks, the charter and the rules into a fresh project."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name in FILES:
        source = HERE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "nbmlops.toml").write_text(SETTINGS, encoding="utf-8")


def execute(nb, name: str, parameters: dict | None = None) -> None:
    """Execute a notebook and leave it open at what it showed."""
    run = nb.run_notebook(name, parameters=parameters, check=True)
    Path(name).write_bytes(run.artifact("notebook.ipynb"))


def live_through(month: int) -> dict:
    """Predict a month, learn its outcomes, and retrain where a target broke or drift is at alert."""
    from flights import load

    import nbmlops as nb

    flights, batch = load([month]), f"2013-{month:02d}"
    champion = nb.model_version(f"{MODEL}@champion")
    said = nb.predict(champion.ref, flights, batch=batch)
    nb.feedback(said.assign(outcome=flights["late"])[["prediction_id", "outcome"]])
    performance = nb.performance(MODEL, batch=batch)
    drift = nb.drift(flights, champion.ref, target="late")
    why = reasons(performance, drift)
    if not why:
        action = f"kept v{champion.version}"
        outcome = "every target holds"
    else:
        execute(nb, "03_retrain.ipynb", {"months": list(range(1, month + 1))})
        action, outcome = decision(nb, champion.version), ", ".join(why)
    return {
        "month": MONTHS[month - 1],
        "late": f"{performance.metrics['observed_share']['value']:.1%}",
        "predicted": f"{performance.metrics['predicted_share']['value']:.1%}",
        "AUC": f"{performance.metrics['roc_auc']['value']:.3f}",
        "drift": drift.verdict,
        "done": action,
        "why": outcome,
        "_late": performance.metrics["observed_share"]["value"],
        "_moved": max((f.effect for f in inputs(drift)), default=0.0),
        "_alerts": sum(f.level == "alert" for f in inputs(drift)),
    }


def in_use(nb) -> str:
    """Write the page for support; return why the champion says what it says of a late evening flight."""
    from flights import FEATURES, load

    nb.report(f"{MODEL}@champion", "late-flights.html", role="support")
    december = load([12])
    evening = december[december["hour"] >= 20][FEATURES]
    return repr(nb.explain(f"{MODEL}@champion", evening[:1], most=3))


def inputs(drift) -> list:
    """Return what the report found of the columns the model uses."""
    return [f for f in drift.findings if f.code == "feature_drift" and f.effect is not None]


def reasons(performance, drift) -> list[str]:
    """Return, in words, what calls for a retraining: a target the month's truth breaks, or drift at alert.

    Every outcome of the month is known, so its AUC is a fact about the month; no interval is asked.
    """
    broken = [f"{f.column} {f.effect:.3f}" for f in performance.findings if breaks(f)]
    return broken + (["drift at alert"] if drift.verdict == "alert" else [])


def breaks(finding) -> bool:
    """Tell whether a measured value lies beyond its target."""
    least, most = finding.detail.get("at_least"), finding.detail.get("at_most")
    return (least is not None and finding.effect < least) or (most is not None and finding.effect > most)


def decision(nb, before: int) -> str:
    """Return what the retraining decided."""
    challenger = nb.model_version(f"{MODEL}@challenger")
    now = nb.model_version(f"{MODEL}@champion")
    return f"promoted v{now.version}" if now.version != before else f"refused v{challenger.version}"


def show(year: list[dict], nb, used: str, seconds: float) -> None:
    """Print the year, the report of the last retraining and what to type next."""
    names = [k for k in year[0] if not k.startswith("_")]
    widths = {k: max(len(k), *(len(row[k]) for row in year)) for k in names}
    print()
    for row in [{k: k for k in names}, *year]:
        print("  ".join(row[k].ljust(widths[k]) for k in names).rstrip())
    print(f"\n{moral(year)}")
    print(f"\n{used}")
    print(f"\nReport of the last retraining: {Path.cwd().name}/{os.path.relpath(nb.report('03_retrain'))}")
    print(f"How to use the model: {Path.cwd().name}/late-flights.html")
    print(f"Verified: {verified()}")
    print(f"Took {seconds:.0f} s. Next: make lab, or: cd {Path.cwd().name} && ../.venv/bin/nbmlops models")


def verified() -> str:
    """Read everything that was kept once more; return what was found, as `nbmlops store verify` says it."""
    from nbmlops.config import find_project
    from nbmlops.store import health

    return "; ".join(f"{look.what}: {look.says}" for look in health.verify(find_project()))


def moral(year: list[dict]) -> str:
    """Return in words what the year showed of inputs and answers."""
    shares, alerts = [row["_late"] for row in year], sum(row["_alerts"] for row in year)
    moved = max(row["_moved"] for row in year)
    said = f"Input columns at alert: {alerts} (largest distance {moved:.2f}). "
    said += f"The late share moved between {min(shares):.0%} and {max(shares):.0%}."
    return said + ("\nThe inputs look the same, the answers do not." if not alerts else "")


if __name__ == "__main__":
    main()
