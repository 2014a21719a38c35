"""Looking is light: what a panel asks again and again loads nothing that fits or judges models into the server."""

from __future__ import annotations

import json
import subprocess
import sys

from asked import tracked
from nbmlops.tracking import session

HEAVY = ("scipy", "sklearn", "pandas", "skops", "papermill", "IPython.core.interactiveshell")
LOOKS = """
import json, sys
from pathlib import Path
from nbmlops.server import asking, drift, jobs, models, questions, reports, runs

run, other, *heavy = json.loads(sys.argv[1])
asked = {
    "runs": (runs._runs, {"scope": "project", "query": "C > 0", "limit": 100, "offset": 0}),
    "run": (runs._run, {"run_id": run}),
    "source": (runs._source, {"run_id": run}),
    "compare": (runs._compared, {"run_ids": [run, other]}),
    "models": (models._models, {}),
    "model": (models._model, {"name": "late", "version": 1}),
    "questions": (questions._questions, {"state": "open"}),
    "jobs": (jobs._jobs, {}),
    "drift": (drift._drift, {}),
    "reports": (reports._reports, {}),
}
loaded = {}
for name, (ask, words) in asked.items():
    asking.answered(Path.cwd(), "nb.ipynb", None, ask, words)
    if found := [one for one in heavy if one in sys.modules]:
        loaded[name] = found
        break
print(json.dumps(loaded))
"""


def test_looking_loads_no_package_that_takes_a_second(late, notebook):
    import nbmlops as nb

    (notebook.parent / "charter.yaml").write_text("policy: {champion: {gate: reason, approvals: 1}}\n")
    nb.report("late@1", notebook.parent / "r.html")
    other = tracked("other")
    session.drain()
    words = json.dumps([late.run_id, other, *HEAVY])
    done = subprocess.run([sys.executable, "-c", LOOKS, words], capture_output=True, text=True, cwd=notebook.parent)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}
