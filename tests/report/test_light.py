"""The first report of a process: what asks no model loads nothing that fits or judges one."""

import subprocess
import sys

import nbmlops as nb

HEAVY = ("scipy", "sklearn", "pandas", "skops")
REPORTS = f"""
import sys
import nbmlops as nb
for ref in ("bare", "project"):
    nb.report(ref, ref + ".html")
    assert not (found := [one for one in {HEAVY} if one in sys.modules]), (ref, found)
"""


def test_a_report_of_a_run_or_project_loads_no_package_that_takes_a_second(project, model, held_out):
    (project / "charter.yaml").write_text("value: {unit: EUR}\nbudget: {amount: 9, unit: EUR}\n")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="first")
    with nb.run("bare"):
        nb.log(loss=0.3)
    nb.runs()
    done = subprocess.run([sys.executable, "-c", REPORTS], capture_output=True, text=True, cwd=project)
    assert not done.returncode, done.stderr[-800:]
