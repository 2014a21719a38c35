"""What the panel's sources promise, read from the sources."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import nbmlops
from nbmlops.server import handlers

EXTENSION = Path(__file__).parents[2] / "extension"
SOURCES = sorted((EXTENSION / "src").rglob("*.ts"))
STYLES = sorted((EXTENSION / "style").glob("*.css"))


def test_panel_and_server_speak_the_same_version():
    stated = re.search(r"export const API = (\d+);", (EXTENSION / "src" / "request.ts").read_text())
    assert stated is not None
    assert int(stated[1]) == handlers.API


def test_panel_and_package_have_the_same_version():
    stated = json.loads((EXTENSION / "package.json").read_text())["version"]
    assert stated.replace("-dev.", ".dev") == nbmlops.__version__


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.name)
def test_nothing_from_a_run_is_ever_read_as_html(source):
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source.read_text())


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.name)
def test_the_panel_runs_nothing_in_the_kernel(source):
    assert not re.search(r"requestExecute|OutputArea\.execute|kernel\?*\.", source.read_text())


def test_colours_and_fonts_are_the_themes():
    style = "".join(re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL) for path in STYLES)
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(|var\(--(?!jp-|nbmlops-)", style)
    assert re.findall(r"var\(--jp-", style)
    assert set(re.findall(r"\.([a-z]+)-[a-z]", style)) <= {"nbmlops", "jp", "lm"}


def test_the_lock_names_no_address():
    lock = (EXTENSION / "yarn.lock").read_text()
    assert "@jupyterlab/application@npm:" in lock
    assert "://" not in lock
