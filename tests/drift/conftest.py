import numpy as np
import pandas as pd
import pytest

import nbmlops as nb

COLUMNS = ["amount", "carrier"]


def bookings(n, seed, shift=0.0, flip=0.0):
    """Rows whose truth depends on ``amount``; ``shift`` moves an input, ``flip`` breaks the truth."""
    rng = np.random.default_rng(seed)
    amount = rng.normal(loc=shift, size=n)
    truth = (rng.random(n) < 1 / (1 + np.exp(-2 * (amount - shift)))).astype(int)
    truth = np.where(rng.random(n) < flip, rng.integers(0, 2, n), truth)
    return pd.DataFrame({"amount": amount, "carrier": rng.choice(["UA", "DL", "MQ"], n), "late": truth})


@pytest.fixture
def champion(project):
    """A registered model, ``late-flights@champion``, with its reference."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]), remainder="passthrough", verbose_feature_names_out=False
    )
    rows = bookings(1500, 0)
    model = make_pipeline(columns, LogisticRegression()).fit(rows[COLUMNS], rows["late"])
    version = nb.register(model, "late-flights", evaluation=nb.evaluate(model, bookings(4000, 1), target="late"))
    nb.promote("late-flights", version.version, to="champion", reason="the first")
    return version
