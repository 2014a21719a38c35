"""Looking is light: what a panel asks again and again loads nothing that fits or judges models into the server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

from asked import tracked
from nbmlops.tracking import session

READY = """
import sys
from nbmlops.registry import files
files.ready()
before = set(sys.modules)
from nbmlops.registry.models import load_model
load_model("late@1")
late = {name.partition(".")[0] for name in set(sys.modules) - before}
assert not late & {"skops", "scipy", "pandas"}, late
"""
HEAVY = ("scipy", "sklearn", "pandas", "skops", "papermill", "IPython.core.interactiveshell")
LOOKS = """
import json, sys
from pathlib import Path
from nbmlops.server import asking, drift, jobs, models, questions, reports, runs, waiting

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
    "waiting": (waiting._waiting, {}),
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


async def test_what_promotes_is_loaded_while_somebody_writes_a_reason(ask, late, notebook, monkeypatch):
    from nbmlops.registry import files
    from nbmlops.server import threads

    loaded = []
    monkeypatch.setattr(files, "ready", lambda: loaded.append(threading.current_thread().name))
    await ask("models/late/1")
    assert loaded == []
    await ask("models/late/1", deciding="1")
    threads.CHANGES.submit(int).result(10)  # it stood in line before
    assert loaded == ["nbmlops changes"]
    done = subprocess.run([sys.executable, "-c", READY], capture_output=True, text=True, cwd=notebook.parent)
    assert done.returncode == 0, done.stderr
