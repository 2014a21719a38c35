"""The flights of 2013, month by month, against the champion of January to March. Prints the table of docs/drift.md."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "example_notebooks"))
import pandas as pd
from flights import CATEGORIES, FEATURES, TARGET, load, split
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

MODEL = "late-flights"


def champion() -> object:
    """Fit and register the model of the example notebooks."""
    import nbmlops as nb

    train, held_out = split(load([1, 2, 3]))
    codes = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES), remainder="passthrough"
    )
    model = make_pipeline(codes, HistGradientBoostingClassifier(max_iter=150, random_state=0))
    model.fit(train[FEATURES], train[TARGET])
    nb.register(model, MODEL, evaluation=nb.evaluate(model, held_out, target=TARGET))
    return model


def month(model: object, number: int) -> str:
    """Return the line of one month: what can be counted in the data, and what drift says of it."""
    import nbmlops as nb

    rows = load([number])
    chance = model.predict_proba(rows[FEATURES])[:, 1]  # type: ignore[attr-defined]
    found = nb.drift(rows, f"{MODEL}@1", target=TARGET)
    inputs = [f for f in found.findings if f.code == "feature_drift" and f.effect is not None]
    largest = max(inputs, key=lambda f: f.effect or 0.0)
    noticed = ", ".join(f"{f.column} ({f.effect:.2f})" for f in inputs if f.outcome in ("warning", "issue")) or "none"
    others = ["performance", "prediction_drift", "target_drift"]
    raised = [f"{f.code}: {f.level}" for f in found.findings if f.code in others and f.outcome in ("warning", "issue")]
    cells = (
        f"{pd.Timestamp(2013, number, 1):%b}",
        f"{len(rows):,}",
        f"{100 * rows[TARGET].mean():.1f} %",
        f"{100 * chance.mean():.1f} %",
        f"{roc_auc_score(rows[TARGET], chance):.3f}",
        f"{largest.column} {largest.effect:.2f}, {largest.direction or 'as before'}",
        noticed,
        ", ".join(raised) or "none",
        found.verdict,
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a line for each month that came after."""
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        Path("nbmlops.toml").touch()
        model = champion()
        print("| month | flights | late | expected late | AUC | furthest column | noticed | answers | verdict |")
        print(f"|{' --- |' * 9}")
        for number in range(4, 13):
            print(month(model, number), flush=True)


if __name__ == "__main__":
    main()
