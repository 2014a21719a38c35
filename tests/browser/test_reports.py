"""Every kind of page under axe in a real browser: on a phone and a desk, light and dark, folds open."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from pathlib import Path

import pytest

import nbmlops as nb
from nbmlops.report import alone
from nbmlops.tracking import session
from report.conftest import CHARTER, NOTEBOOK, champion, failed, retrained  # noqa: F401
from report.test_howto import late  # noqa: F401
from report.test_job_report import worked  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

GRAVE = ("serious", "critical")
SIZES = {"phone": (360, 740), "desk": (1280, 900)}
SHOTS = os.environ.get("NBMLOPS_TEST_SHOTS")  # taken at once: a project of a test has no such settings
ROLES = ("stakeholder", "expert", "manager", "compliance", "support")
# Words that look alike are looked at once: their colours are the same, and colours take axe most of its time.
ONE_OF_EACH = """known => {
  const sheets = [...document.styleSheets].map(s => s.href || s.ownerNode.textContent.length).join();
  const seen = new Set(known), kept = new Set([document.documentElement, document.body]), text = Node.TEXT_NODE;
  const own = e => '>' + e.tagName + '.' + e.className + e.style.cssText;
  const look = e => e === document.body ? sheets : look(e.parentElement) + own(e);
  for (const e of document.body.querySelectorAll('*')) {
    const says = [...e.childNodes].some(n => n.nodeType === text && n.data.trim());
    if (!says || seen.has(look(e))) continue;
    seen.add(look(e));
    for (let up = e; up; up = up.parentElement) kept.add(up);
  }
  for (const e of document.body.querySelectorAll('*')) if (!kept.has(e)) e.remove();
  return [...seen];
}"""
WIDE = "<table><tr>" + "<td>a column of many words</td>" * 40 + "</tr></table>"


@pytest.fixture
def axe(needed):
    return needed("axe_playwright_python.sync_playwright").Axe().axe_script


@pytest.fixture
def pages(retrained, failed, champion, late, worked, project, tmp_path):  # noqa: F811
    """Make one page of every kind, and that of a retraining for every role that reads one."""
    with session.run("bare"):
        pass
    (project / "charter.yaml").write_text(CHARTER)
    (project / "retrain.ipynb").write_bytes(NOTEBOOK)
    worked("nightly", 1)
    made = {"retraining": retrained, "failed": failed, "bare": "bare", "project": "project", "job": "nightly"}
    made |= {"comparison": [retrained, champion], "drift": "drift:late-flights", "executed": "retrain.ipynb"}
    found = {name: nb.report(ref, tmp_path / f"{name}.html") for name, ref in made.items()}
    found |= {role: nb.report(retrained, tmp_path / f"{role}.html", role=role) for role in ROLES}
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


def test_the_facts_are_saved_from_the_page_as_they_were_hashed(browser, retrained, tmp_path):  # noqa: F811
    """A browser reads the address of the link: blanks and signs of every kind come through it."""
    odd = """two  blanks, 'q' "d" %41 # & <b> ü \\ nbmlops-audit"""
    session.keep("check", "flights", {"findings": [], "subject": odd})
    path = nb.report(retrained, tmp_path / "r.html", refresh=True)
    tab = browser.new_page()
    tab.goto(path.as_uri())
    with tab.expect_download() as saved:
        tab.get_by_text("Save the facts as JSON").click()
    facts = Path(saved.value.path()).read_bytes()
    assert hashlib.sha256(facts).hexdigest() in path.read_text()
    assert saved.value.suggested_filename.endswith(".json")
    assert tab.get_by_text("Save the facts as JSON").get_attribute("href").startswith("data:text/plain,{")


def opened(browser, axe, path):
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(path.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.evaluate(axe)
    return tab


def looked(tab, size, scheme):
    width, height = SIZES[size]
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(color_scheme=scheme)


def found_by(tab, **options):
    """Return what is grave, and where."""
    options |= {"resultTypes": ["violations"], "preload": False}
    return [
        f"{v['id']}: {node['target']} {node['html'][:90]} {[c['message'][:160] for c in node['any']]}"
        for v in tab.evaluate("options => axe.run(options)", options)["violations"]
        if v["impact"] in GRAVE
        for node in v["nodes"][:3]
    ]


def pale(tab):
    return found_by(tab, runOnly={"type": "rule", "values": ["color-contrast"]})


def shaped(tab):
    wide = tab.evaluate("document.documentElement.scrollWidth > innerWidth")
    return found_by(tab, rules={"color-contrast": {"enabled": False}}) + ["wider than the screen"] * wide


def test_nobody_is_kept_from_reading(browser, axe, pages):
    """All rules on every page at both sizes; colours on one of each look, at both sizes in both schemes."""
    wrong, looks = {}, []
    for name, path in pages.items():
        tab = opened(browser, axe, path)
        for size, scheme in (("phone", "dark"), ("desk", "light")):
            looked(tab, size, scheme)
            if SHOTS:
                tab.screenshot(path=f"{SHOTS}/{name.replace(' ', '-')}-{size}-{scheme}.png", full_page=True)
            wrong[name, size] = shaped(tab)
        before, looks = len(looks), tab.evaluate(ONE_OF_EACH, looks)
        for size, scheme in itertools.product(SIZES, ("light", "dark")) if len(looks) > before else ():
            looked(tab, size, scheme)
            wrong[name, size, scheme] = pale(tab)
        tab.context.close()
    assert {where: what for where, what in wrong.items() if what} == {}
    assert len(looks) > 100


def test_axe_would_notice(browser, axe, tmp_path):
    path = tmp_path / "bad.html"
    grey = "<p style='color:#999;background:#fff'>pale</p>"
    path.write_text(f"<html><img src='data:image/png;base64,x'><p>dark</p><p>dark</p>{grey}")
    tab = opened(browser, axe, path)
    looked(tab, "desk", "light")
    assert {"image-alt", "html-has-lang"} <= {line.partition(":")[0] for line in shaped(tab)}
    assert len(tab.evaluate(ONE_OF_EACH, [])) == 2
    assert [line.partition(":")[0] for line in pale(tab)] == ["color-contrast"]


@pytest.mark.parametrize("script", [True, False])
def test_a_link_opens_the_folded_section_it_leads_to(browser, retrained, tmp_path, script):  # noqa: F811
    path = nb.report(retrained, tmp_path / "r.html", role="compliance")
    tab = browser.new_context(viewport={"width": 1000, "height": 700}, java_script_enabled=script).new_page()
    tab.goto(path.as_uri())
    folded = tab.locator("details:has(> #performance)")
    assert folded.get_attribute("open") is None
    tab.locator("nav a[href='#performance']").click()
    assert folded.get_attribute("open") is not None
    heading = tab.locator("#performance-title").bounding_box()
    assert 0 <= heading["y"] < 100  # it is not scrolled away


def test_on_paper_folds_are_open_heads_repeat_and_no_table_is_cut(browser, retrained, tmp_path):  # noqa: F811
    tab = browser.new_context(viewport={"width": 673, "height": 1017}).new_page()  # A4 within its margins
    tab.goto(nb.report(retrained, tmp_path / "r.html").as_uri())
    tab.emulate_media(media="print")
    closed = "[...document.querySelectorAll('.sheet details:not([open])')].map(d => d.scrollHeight)"
    assert tab.evaluate(f"{closed}.length > 3 && Math.min(...{closed}) > 40")
    heads = "[...document.querySelectorAll('.sheet thead')].map(h => getComputedStyle(h).display)"
    assert set(tab.evaluate(heads)) == {"table-header-group"}
    cut = "[...document.querySelectorAll('.table')].filter(t => t.scrollWidth > t.parentElement.clientWidth + 1)"
    assert tab.evaluate(f"{cut}.map(t => t.innerText.slice(0, 80))") == []
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", tab.pdf(prefer_css_page_size=True))) <= 14
