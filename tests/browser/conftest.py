"""A real browser, for every test that looks at a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from browser import labs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("No Chromium on this machine, and CI=true: install the package chromium.")
        pytest.skip("NOT TESTED: no Chromium on this machine. Install the package chromium.")
    return CHROMIUM


@pytest.fixture
def browser(chromium) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def prepare() -> Callable[[Path], dict[str, str]]:
    """Fill a project before its Lab starts, and return the environment that has; a module may have another."""
    return lambda folder: {}


@pytest.fixture(scope="module")
def lab(chromium, notebooks, prepare, tmp_path_factory) -> Iterator[labs.Lab]:
    """A JupyterLab of its own, on a project with the module's ``notebooks``."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "project"
    folder.mkdir()
    (folder / "nbmlops.toml").write_text("")
    labs.write_notebooks(folder, notebooks)
    with labs.running(home, folder, **prepare(folder)) as started:
        yield started


@pytest.fixture
def seen() -> labs.Seen:
    return labs.Seen()


@pytest.fixture
def page(lab, browser, seen) -> Iterator[Page]:
    """A page on that Lab; at the end nothing left the machine and nothing of ours went wrong."""
    page = browser.new_page(viewport={"width": 1400, "height": 950})
    page.set_default_timeout(labs.PATIENCE_MS)
    expect.set_options(timeout=labs.PATIENCE_MS)
    seen.watch(page)
    yield page
    page.close()
    assert seen.hosts <= {"127.0.0.1", "localhost"}
    assert seen.errors == []
