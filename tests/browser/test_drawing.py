"""Every kind of object drawn in a real browser, in a notebook nobody trusts, and as pages of nbconvert show it."""

from __future__ import annotations

import json
import re

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from browser.labs import open_notebook, shot, write_notebooks
from widgets.test_views import drawn as drawn_kinds
from widgets.things import standing

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.broken = 1'>"
DRAWN = ".jp-OutputArea-output.nbmlops-output"
PAGE = ".jp-OutputArea-output.jp-RenderedHTML"
LONG = 1500
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 800, "height": 900}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """MIME bundles of real objects by kind."""
    with standing(tmp_path_factory.mktemp("things")) as made:
        return {kind: json.loads(json.dumps(thing._repr_mimebundle_())) for kind, thing in made.items()}


@pytest.fixture(scope="module")
def notebooks(bundles):
    runs = [run(i) for i in range(LONG)]
    data = {"runs": runs, "named": [], "query": None, "overrides": []}
    return {
        "all": [cell(kind, bundle) for kind, bundle in bundles.items()],
        "long": [cell("runs", {"application/vnd.nbmlops.runs.v1+json": data, "text/plain": "runs"})],
        "plain": [cell(kind, {"text/html": b["text/html"], "text/plain": "text"}) for kind, b in bundles.items()],
        "later": [cell("run", {"application/vnd.nbmlops.run.v2+json": runs[0], "text/plain": "a run of a later time"})],
    }


def cell(kind, bundle):
    made = nbformat.v4.new_code_cell(f"# {kind}")
    made.outputs = [nbformat.v4.new_output("display_data", bundle)]
    return made


def run(number):
    about = {"experiment": "late", "status": "finished" if number % 3 else "failed", "duration_s": number / 10}
    name = HOSTILE if number == 7 else f"trial {number:04d}"
    return {"run_id": f"{number:036d}", "name": name, **about, "metrics.auc": (number * 37 % LONG) / LONG}


def output(page, number, kind=DRAWN):
    """Return what a cell shows, scrolled to."""
    page.evaluate("i => jupyterapp.shell.currentWidget.content.scrollToItem(i, 'start')", number)
    drawn = page.locator(f".jp-Cell:nth-of-type({number + 1}) {kind}, [data-windowed-list-index='{number}'] {kind}")
    drawn.first.wait_for()
    return drawn.first


def test_every_kind_is_drawn_in_a_notebook_nobody_trusts(lab, page, bundles):
    open_notebook(lab, page, "all.ipynb")
    output(page, 0)
    assert not page.evaluate("() => jupyterapp.shell.currentWidget.model.cells.get(0).trusted")
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)
            for number, kind in enumerate(bundles):
                drawn = output(page, number, DRAWN if kind in drawn_kinds() else PAGE)
                if kind in drawn_kinds():
                    assert drawn.locator(".nbmlops-card, .nbmlops-runs-view").count() >= 1, kind
                    assert drawn.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), (kind, size)
                assert drawn.locator(".nbmlops-plain, script, style, iframe").count() == 0, kind
                shot(page, f"drawing-{kind}-{theme[11:]}-{size['width']}")


def test_runs_sort_filter_and_stand_side_by_side_by_keyboard_alone(lab, page, bundles):
    open_notebook(lab, page, "all.ipynb")
    drawn = output(page, list(bundles).index("runs"))
    head = drawn.get_by_role("button", name="roc_auc")
    head.focus()
    page.keyboard.press("Enter")
    expect(drawn.locator("th[aria-sort=ascending]")).to_have_text("roc_auc ▲")
    page.keyboard.press("Enter")
    expect(drawn.locator("th[aria-sort=descending]")).to_have_text("roc_auc ▼")
    for box in drawn.locator("tbody input[type=checkbox]").all():
        box.focus()
        page.keyboard.press("Space")
    drawn.get_by_role("button", name="Compare", exact=True).focus()
    page.keyboard.press("Enter")
    beside = drawn.locator(".nbmlops-card")
    expect(beside).to_contain_text("What differs")
    expect(beside).to_contain_text("roc_auc")
    drawn.get_by_label("Filter runs").fill("no such run")
    expect(drawn.get_by_role("status")).to_contain_text("0 of 2 runs")


def test_a_long_table_holds_the_rows_in_sight_and_scrolls_to_the_last(lab, page):
    open_notebook(lab, page, "long.ipynb")
    drawn = output(page, 0)
    table = drawn.locator("table")
    expect(table).to_have_attribute("aria-rowcount", str(LONG + 1))
    assert table.locator("tbody tr").count() < 80
    drawn.get_by_role("button", name="Run", exact=True).press("Enter")
    drawn.locator(".nbmlops-grid").evaluate("e => { e.scrollTop = e.scrollHeight }")
    expect(table.locator("tbody tr[aria-rowindex]").last).to_have_attribute("aria-rowindex", str(LONG + 1))
    expect(table).to_contain_text(f"trial {LONG - 1}")
    assert table.locator("tbody tr").count() < 80
    drawn.get_by_label("Filter runs").fill("onerror")
    expect(table.locator("tbody th")).to_have_text(f"late {HOSTILE}")
    assert page.evaluate("() => window.broken") is None


def test_a_long_table_is_scrolled_by_keyboard_and_the_notebook_stays_where_it_is(lab, page):
    open_notebook(lab, page, "long.ipynb")
    grid = output(page, 0).locator(".nbmlops-grid")
    page.evaluate("() => { jupyterapp.shell.currentWidget.content.mode = 'command'; }")
    before = page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex")
    grid.focus()
    for key in ("ArrowDown", "PageDown", "End"):
        at = grid.evaluate("e => e.scrollTop")
        grid.press(key)
        page.wait_for_function("([e, at]) => e.scrollTop > at", arg=[grid.element_handle(), at])
    assert page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex") == before
    assert grid.evaluate("e => document.activeElement === e")


def test_lineage_is_walked_with_the_arrow_keys(lab, page, bundles):
    open_notebook(lab, page, "all.ipynb")
    drawn = output(page, list(bundles).index("lineage"))
    drawn.locator(".nbmlops-subject").focus()
    expect(drawn.get_by_role("status")).to_contain_text("model late@2; comes from")
    page.keyboard.press("ArrowLeft")
    expect(drawn.locator(".nbmlops-node:focus")).to_have_attribute("data-kind", "run")
    expect(drawn.get_by_role("status")).to_contain_text("leads to late@2")


def test_an_update_is_drawn_in_place(lab, page, bundles):
    open_notebook(lab, page, "all.ipynb")
    drawn = output(page, list(bundles).index("run"))
    drawn.locator("details", has_text="Files").first.locator("summary").click()
    before = drawn.bounding_box()
    page.evaluate(
        """index => {
          const outputs = jupyterapp.shell.currentWidget.content.widgets[index].outputArea.model;
          const model = outputs.get(0);
          const mime = 'application/vnd.nbmlops.run.v1+json';
          document.querySelector('.nbmlops-card').dataset.kept = 'yes';
          const data = {...model.data[mime], status: 'failed'};
          model.setData({data: {...model.data, [mime]: data}});
        }""",
        list(bundles).index("run"),
    )
    expect(drawn.locator(".nbmlops-status").first).to_have_text("■ failed")
    expect(drawn.locator(".nbmlops-card")).to_have_attribute("aria-label", "Run late")
    assert drawn.locator("details[open]").count() == 1
    assert drawn.bounding_box() == before


def test_what_a_lab_without_the_extension_shows_of_a_notebook_nobody_trusts_is_whole(lab, page, bundles):
    open_notebook(lab, page, "plain.ipynb")
    for number, (kind, bundle) in enumerate(bundles.items()):
        shown = output(page, number, ".jp-RenderedHTML")
        for tag in ("img", "tr", "details"):
            assert shown.locator(tag).count() == bundle["text/html"].count(f"<{tag}"), (kind, tag)
        loaded = "e => Array.from(e.querySelectorAll('img')).every(i => i.alt && i.complete && i.naturalWidth > 0)"
        assert shown.evaluate(loaded), kind


def test_a_fold_of_drift_draws_its_distributions_when_it_is_opened(lab, page, bundles):
    open_notebook(lab, page, "all.ipynb")
    drawn = output(page, list(bundles).index("drift"))
    fold = drawn.locator("details", has_text="median up")
    assert fold.locator("svg").count() == 0
    fold.locator("summary").press("Enter")
    expect(fold.locator("svg[role=img]")).to_have_attribute("aria-label", re.compile("age: outlined the reference"))
    shot(page, "drawing-drift-open")


def test_a_version_of_a_later_time_shows_its_text(lab, page):
    open_notebook(lab, page, "later.ipynb")
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("a run of a later time")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing_serious_in_any_drawing(lab, page, bundles, needed, theme):
    axe = needed("axe_playwright_python.sync_playwright").Axe()
    open_notebook(lab, page, "all.ipynb")
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", f"JupyterLab {theme}")
    for number, kind in enumerate(bundles):
        at = DRAWN if kind in drawn_kinds() else PAGE
        shown = output(page, number, at)
        shown.evaluate("e => e.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        page.evaluate("() => new Promise(requestAnimationFrame)")  # what a fold holds is drawn when it opened
        found = axe.run(page, context=at).response
        assert found["passes"], kind  # it looked at something
        worst = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        serious = [(v["id"], v["nodes"][0]["html"]) for v in worst]
        assert serious == [], kind


def test_pages_of_nbconvert_read_without_any_script(bundles, browser, tmp_path):
    write_notebooks(tmp_path, {"all": [cell(kind, bundle) for kind, bundle in bundles.items()]})
    body, _ = HTMLExporter(template_name="basic").from_filename(str(tmp_path / "all.ipynb"))
    page = browser.new_context(java_script_enabled=False).new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    (tmp_path / "all.html").write_text(f"<!doctype html><meta charset=utf-8>{body}")
    page.goto(f"file://{tmp_path}/all.html")
    shown = page.locator("body").inner_text()
    for kind, bundle in bundles.items():
        assert bundle["text/plain"].split()[0].rstrip(":") in shown, kind
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert page.locator("img").count() >= 5
    assert page.locator("img:not([alt])").count() == 0
    shot(page, "drawing-nbconvert")
