"""The main job, end to end, and the notebooks as they are committed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "example_notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_year_promotes_some_challengers_and_refuses_others(tmp_path):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    words = [sys.executable, str(ROOT / "example_notebooks" / "demo.py"), "year"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line for line in done.stdout.splitlines() if re.match(r"(Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", line)]
    assert len(rows) == 9
    assert any("promoted" in row for row in rows)
    assert any("refused" in row for row in rows)
    assert any("kept" in row for row in rows)
    assert "Input columns at alert: 0" in done.stdout
    assert re.search(
        r"Verified: database: SQLite found the file whole; chain: \d+ events.*files: \d+ files", done.stdout
    )
    page = tmp_path / re.search(r"Report of the last retraining: (\S+)", done.stdout)[1]
    assert "Replace champion" in page.read_text(encoding="utf-8")
    assert "How often it is wrong" in (tmp_path / "year" / "late-flights.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_model_in_use_is_asked_disagreed_with_and_learns_from_its_errors(tmp_path):
    said = executed(tmp_path, "01_explore_and_track", "05_in_use")[1]
    assert re.search(r"200 bookings asked one by one", said)
    assert re.search(r"agreement: [\d.]+ % of 50 opinions", said)
    assert re.search(r"the outcome of ([\d,]+) of \1 predictions is known", said)
    assert re.search(r"\d+ of [\d,]+ errors are gone \(.*\), on rows it did not learn from", said)
    assert "service ended with 0" in said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_six_people_review_and_approve_and_a_retraining_waits_for_them(tmp_path):
    story = executed(tmp_path, "01_explore_and_track", "04_review_and_approve")[1]
    assert len(re.findall(r"Refused: ", story)) == 4
    for part in ("late-flights@2: complete", "stale: the data changed", "Recommended: ", "Proven up to event"):
        assert part in story
    (retrained,) = (tmp_path / "use" / ".nbmlops" / "outputs" / "03_retrain").glob("*.ipynb")
    assert "Ready, and waits: late-flights@2 lacks approval" in retrained.read_text(encoding="utf-8")


def executed(folder, *names):
    """Make the demo's project, execute some of its notebooks in order, and return what each showed as text."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    demo = [sys.executable, str(ROOT / "example_notebooks" / "demo.py"), "use", "--only-setup"]
    subprocess.run(demo, cwd=folder, env=env, check=True)
    return [shown(folder / "use", name, env) for name in names]


def shown(folder, name, env):
    words = [str(Path(sys.executable).with_name("nbmlops")), "run", f"{name}.ipynb", f"{name}-done.ipynb"]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = [o for c in nbformat.read(folder / f"{name}-done.ipynb", 4).cells for o in c.get("outputs", [])]
    return "\n".join(str(o.get("text") or o.get("data", {}).get("text/plain", "")) for o in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_committed_notebook_was_executed_and_names_no_machine(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error"]
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 300_000
    assert not re.search(r"/(home|root|tmp|Users)/", text)


def test_every_example_is_shown():
    stems = [p.stem for p in NOTEBOOKS]
    assert stems == ["01_explore_and_track", "02_drift_check", "03_retrain", "04_review_and_approve", "05_in_use"]
