"""What is long or deep on a phone: a keyboard reaches all that scrolls, nothing is wider than the screen."""

from __future__ import annotations

import pytest

import nbmlops as nb
from nbmlops.report import alone
from report.conftest import champion, code, failed  # noqa: F401

pytestmark = pytest.mark.browser

LINES = "\n".join(f"line {i} of what was printed" for i in range(60))
WORDS = "late " * 400
DEEP = "\n".join(f"{'  ' * i}- level {i}" for i in range(18)) + "\n\n" + "> " * 18 + "said"


@pytest.fixture
def axe(needed):
    return needed("axe_playwright_python.sync_playwright").Axe()


def opened(browser, path):
    tab = browser.new_context(viewport={"width": 360, "height": 740}, bypass_csp=True).new_page()
    tab.goto(path.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return tab


def broken(axe, tab, *rules):
    found = axe.run(tab, options={"runOnly": {"type": "rule", "values": list(rules)}}).response["violations"]
    return [node["html"][:100] for violation in found for node in violation["nodes"]]


def test_a_keyboard_reaches_what_scrolls_and_deep_text_stays_on_the_screen(browser, axe, tmp_path):
    printed = [{"output_type": "stream", "name": "stdout", "text": text} for text in (LINES, WORDS, "short")]
    cells = [
        code(LINES, *printed),
        {"cell_type": "markdown", "metadata": {}, "source": f"```\n{LINES}\n```\n\n{DEEP}"},
        {"cell_type": "raw", "metadata": {}, "source": LINES},
    ]
    path = tmp_path / "alone.html"
    path.write_text(alone.drawn({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, "long"))
    tab = opened(browser, path)
    assert tab.evaluate("[...document.querySelectorAll('pre')].some(p => p.scrollHeight > p.clientHeight)")
    assert broken(axe, tab, "scrollable-region-focusable") == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.locator("pre[tabindex]").count() == 4


def test_no_two_parts_of_a_failed_runs_page_are_called_alike(browser, axe, failed, tmp_path):  # noqa: F811
    tab = opened(browser, nb.report(failed, tmp_path / "failed.html"))
    assert broken(axe, tab, "landmark-unique", "scrollable-region-focusable") == []
