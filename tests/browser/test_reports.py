"""Every kind of page under axe in a real browser: on a dark phone and a light desk, folds open."""

from __future__ import annotations

import itertools
import json
import os
import re

import pytest

import nbmlops as nb
from nbmlops.report import alone
from nbmlops.tracking import session
from report.conftest import CHARTER, NOTEBOOK, champion, failed, retrained  # noqa: F401
from report.test_howto import late  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

GRAVE = ("serious", "critical")
SIZES = {"phone": (360, 740), "desk": (1280, 900)}
SHOTS = os.environ.get("NBMLOPS_TEST_SHOTS")  # taken at once: a project of a test has no such settings
WIDE = "<table><tr>" + "<td>a column of many words</td>" * 40 + "</tr></table>"


@pytest.fixture
def axe(needed):
    return needed("axe_playwright_python.sync_playwright").Axe()


@pytest.fixture
def pages(retrained, failed, champion, late, project, tmp_path):  # noqa: F811
    """Make one page of every kind."""
    with session.run("bare"):
        pass
    (project / "charter.yaml").write_text(CHARTER)
    made = {"retraining": retrained, "failed": failed, "bare": "bare", "project": "project"}
    made["comparison"] = [retrained, champion]
    found = {name: nb.report(ref, tmp_path / f"{name}.html") for name, ref in made.items()}
    found["how to"] = nb.report("late@1", tmp_path / "how-to.html", role="support")
    nb.signatures(retrained, tmp_path / "signatures.html")
    found["signatures"] = tmp_path / "signatures.html"
    nb.site(tmp_path / "site")
    found["site"] = tmp_path / "site" / "index.html"
    content = json.loads(NOTEBOOK)
    content["cells"][1]["outputs"][0]["data"]["text/html"] = WIDE
    found["notebook"] = tmp_path / "notebook.html"
    found["notebook"].write_text(alone.drawn(content, "retrain"), encoding="utf-8")
    return found


def opened(browser, path, size, scheme):
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    )
    tab = context.new_page()
    tab.goto(path.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return tab


def found_by(axe, tab):
    """Return what is grave, and where."""
    return [
        f"{v['id']}: {node['target']} {node['html'][:90]} {[c['message'][:160] for c in node['any']]}"
        for v in axe.run(tab, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
        if v["impact"] in GRAVE
        for node in v["nodes"][:3]
    ]


def test_nobody_is_kept_from_reading(browser, axe, pages):
    wrong = {}
    for (size, scheme), name in itertools.product((("phone", "dark"), ("desk", "light")), pages):
        tab = opened(browser, pages[name], size, scheme)
        if SHOTS:
            tab.screenshot(path=f"{SHOTS}/{name.replace(' ', '-')}-{size}-{scheme}.png", full_page=True)
        grave = found_by(axe, tab)
        if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
            grave.append("wider than the screen")
        if grave:
            wrong[name, size, scheme] = grave
        tab.context.close()
    assert wrong == {}


def test_axe_would_notice(browser, axe, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<html><img src='data:image/png;base64,x'><p style='color:#999;background:#fff'>pale</p></html>")
    found = {line.partition(":")[0] for line in found_by(axe, opened(browser, path, "desk", "light"))}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= found


def test_on_paper_folds_are_open_heads_repeat_and_no_table_is_cut(browser, pages):
    tab = browser.new_context(viewport={"width": 673, "height": 1017}).new_page()  # A4 within its margins
    tab.goto(pages["retraining"].as_uri())
    tab.emulate_media(media="print")
    closed = "[...document.querySelectorAll('.sheet details:not([open])')].map(d => d.scrollHeight)"
    assert tab.evaluate(f"{closed}.length > 3 && Math.min(...{closed}) > 40")
    heads = "[...document.querySelectorAll('.sheet thead')].map(h => getComputedStyle(h).display)"
    assert set(tab.evaluate(heads)) == {"table-header-group"}
    cut = "[...document.querySelectorAll('.table')].filter(t => t.scrollWidth > t.parentElement.clientWidth + 1)"
    assert tab.evaluate(f"{cut}.map(t => t.innerText.slice(0, 80))") == []
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", tab.pdf(prefer_css_page_size=True))) <= 14
