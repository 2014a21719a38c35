"""What people install carries the panel, its settings and the templates."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WANTED = (
    "share/jupyter/labextensions/nbmlops/static/style.js",
    "share/jupyter/labextensions/nbmlops/package.json",
    "etc/jupyter/jupyter_server_config.d/nbmlops.json",
    "nbmlops/templates/notebooks/retrain.ipynb",
    "nbmlops/templates/report/",
    "nbmlops/templates/report/notebook.html.j2",
    "entry_points.txt",
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_wheel_carries_the_built_panel_and_the_templates(tmp_path):
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (wheel,) = tmp_path.glob("nbmlops-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert [w for w in WANTED if not any(w in name for name in names)] == []
    (points,) = (name for name in names if name.endswith("entry_points.txt"))
    assert "nbmlops = nbmlops.report.exporter:NbmlopsExporter" in zipfile.ZipFile(wheel).read(points).decode()
    assert wheel.stat().st_size < 2_000_000


def test_the_oldest_jupyterlab_is_the_same_wherever_it_is_named():
    """What pip may install, what the panel asks of its host, and what `make elsewhere` lets the browser's tests see."""
    package = json.loads((ROOT / "extension" / "package.json").read_text())
    asked = {name: one["requiredVersion"] for name, one in package["jupyterlab"]["sharedPackages"].items()}
    assert asked == {n: v for n, v in package["dependencies"].items() if n != "@jupyterlab/rendermime-interfaces"}
    named = re.search(r"jupyterlab>=([\d.]+),", (ROOT / "pyproject.toml").read_text())
    assert named
    assert asked["@jupyterlab/application"] == f"^{named[1]}.0"
    assert f'"jupyterlab=={named[1]}.0"' in (ROOT / "Makefile").read_text()
