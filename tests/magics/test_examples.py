"""The example of every help, pasted into a notebook that has what it names, in a real kernel."""

import nbformat
import pytest

import nbmlops as nb
from magics.test_kernel import Kernel
from nbmlops.magics import magics, parser

# What the examples name: frames, fitted models, versions, aliases, data sets, predictions, runs.
BEGUN = """
import numpy as np, pandas as pd, nbmlops as nb
from sklearn.linear_model import LogisticRegression
from sklearn.ensemble import RandomForestClassifier
def flown(rows, seed):
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({"hour": rng.uniform(0, 24, rows), "distance": rng.normal(size=rows)})
    made["origin"] = rng.choice(["EWR", "JFK"], rows)
    made["day"] = pd.Timestamp("2026-04-01") + pd.to_timedelta(np.arange(rows) % 20, "D")
    made["late"] = (made.hour + rng.normal(0, 6, rows) > 16).astype(int)
    return made
flights, january, held_out, april, evaluated, bookings = (flown(600, seed) for seed in range(6))
columns = ["hour", "distance"]
nb.dataset("flights-eval", held_out, keep=True)
nb.dataset("flights-eval", evaluated, keep=True)
nb.propose_rules(flights, name="flights").save()
"""
TRACKED = """%%track {0}
{0} = {1}.fit(january[columns], january.late)
judged = nb.evaluate({0}, evaluated, target="late")
nb.register({0}, "late-flights", evaluation=judged, background=january[:100])"""
USED = """
nb.promote("late-flights", 1, to="champion", reason="the first")
nb.promote("late-flights", 2, to="challenger", reason="the second")
_ = nb.predict("late-flights@champion", april.drop(columns="late"))
_ = nb.report("late-flights@3")
_ = nb.report("late-flights@champion")
"""
ANN = """
import os
from nbmlops.capture import environment
os.environ["JUPYTERHUB_USER"] = "ann@example.org"
environment.actor.cache_clear()"""
FITS = {"forest": "RandomForestClassifier(9, random_state=0)", "logistic": "LogisticRegression()"}


def examples():
    """Yield each example of each help, a cell each; what needs another's result stands behind it."""
    known = [*(magic.built for magic in magics().values()), parser("%%track"), parser("%%charter")]
    for built in sorted(known, key=lambda one: one.prog == "%%charter"):  # the charter changes what is allowed
        lines = [line.removeprefix("  ") for line in built.epilog.splitlines()[1:]]
        if built.prog.startswith("%%"):
            yield "\n".join(lines)
        else:
            yield from lines


@pytest.mark.slow
def test_the_example_of_every_help_runs_when_it_is_pasted(project, someone):
    someone("sam@example.org")
    cell = nbformat.v4.new_code_cell("months: int = 1", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell("print(months)")])
    nbformat.write(notebook, project / "retrain.ipynb")
    (project / "jobs").mkdir()
    (project / "jobs" / "retrain.yaml").write_text("notebook: retrain.ipynb\n")
    kernel = Kernel(project)
    try:
        kernel.run(BEGUN)
        for name in ("forest", "logistic", "forest"):
            kernel.run(TRACKED.format(name, FITS[name]))
        kernel.run(USED)
        kernel.run(ANN)  # nobody approves what is their own
        wrong = {}
        for example in examples():
            answer = kernel.reply(kernel.send(example))
            if answer["status"] != "ok":
                wrong[example] = f"{answer['ename']}: {answer['evalue']}"
        assert wrong == {}
    finally:
        kernel.end()
    assert nb.model_version("late-flights@champion").version == 3
