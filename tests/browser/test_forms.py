"""Forms in a real JupyterLab: opened, filled in by keyboard alone, read again where nothing is live."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from browser.labs import open_notebook, run_all, shot

pytestmark = pytest.mark.browser

FLIGHTS = """\
import numpy as np
import pandas as pd
import nbmlops as nb
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
flights = pd.DataFrame({"hour": rng.uniform(0, 24, 2000), "distance": rng.normal(size=2000)})
flights["late"] = (flights["hour"] + rng.normal(0, 6, 2000) > 16).astype(int)
flights["origin"] = rng.choice(["EWR", "JFK"], 2000)
held_out, spring = flights[:500], flights[500:]
summer = spring.assign(hour=spring["hour"] + 6)
"""
FITTED = """\
%%track late
model = LogisticRegression().fit(spring[["hour", "distance"]], spring["late"])
nb.evaluate(model, held_out, target="late")
"""
USED = """\
nb.register(model, "late")
_ = nb.predict("late@1", held_out)
"""
FIT = """\
import pandas as pd
from sklearn.linear_model import LogisticRegression
fit = LogisticRegression().fit(pd.DataFrame({"x": [0, 1]}), [0, 1])
"""
TYPED = """\
import pandas as pd
from nbmlops.magics import complete
complete.LIMIT_S = 60  # this machine is shared
summer_flights = pd.DataFrame({"day of month": [1], "hour": [2]})
print("ready")
"""
WIDER = """form => {
    const room = form.closest('.jp-OutputArea-child').clientWidth;
    return [...form.querySelectorAll('div, button, code')].filter(e => e.scrollWidth > room).length
}"""
MAGICS = ("%register", "%promote", "%drift", "%track", "%check", "%review")


@pytest.fixture(scope="module")
def notebooks():
    narrow = ["%load_ext nbmlops", FIT, "%register"]
    typed = ["%load_ext nbmlops", TYPED, "%drift"]
    return {"typed": typed, "forms": ["%load_ext nbmlops", FLIGHTS, FITTED, USED, *MAGICS], "narrow": narrow}


def cell(page: Page, magic: str):
    """Return the cell that holds a magic alone; those out of sight are not in the page, so they cannot be counted."""
    source = page.locator(".cm-content").filter(has_text=re.compile(rf"^{magic}$"))
    return page.locator(".jp-CodeCell").filter(has=source)


def opened(page: Page, magic: str):
    """Wait for a form and return its cell, which is the active one in command mode."""
    place = come_to(page, magic)
    place.locator(".nbmlops-form").wait_for()
    place.locator(".jp-InputPrompt").click()
    return place


def come_to(page: Page, magic: str):
    """Bring the cell of a magic into the page, and return it."""
    page.evaluate(
        "n => { const shown = jupyterapp.shell.currentWidget.content;"
        " shown.activeCellIndex = n; return shown.scrollToItem(n, 'start') }",
        4 + MAGICS.index(magic),
    )
    return cell(page, magic)


def back_to(page: Page, label: str) -> None:
    tab_to(page, label, "Shift+Tab")


def tab_to(page: Page, label: str, key: str = "Tab") -> None:
    """Press Tab until the question or button of that name has the focus."""
    named = """() => {
        const at = document.activeElement;
        const label = at.labels?.length ? at.labels[0].textContent : at.textContent;
        return at.closest('.nbmlops-form') ? label.trim() : '';
    }"""
    for _ in range(40):
        page.keyboard.press(key)
        if page.evaluate(named) == label:
            return
    raise AssertionError(f"Tab never came to {label!r}; it is at {page.evaluate(named)!r}.")


def results(place):
    return place.locator(".jp-OutputArea-output").filter(has_not=place.page.locator(".nbmlops-form"))


def answered(page: Page, place, next_row: str) -> None:
    """Press the verdict that has the focus; one that comes too soon after another is passed over, so it is again."""
    for _ in range(9):
        page.keyboard.press("Enter")
        try:
            return expect(place.locator(".nbmlops-form")).to_contain_text(next_row, timeout=3_000)
        except AssertionError:
            continue
    raise AssertionError(f"No row {next_row!r}.")


def themed(page: Page, dark: bool) -> None:
    theme = "JupyterLab Dark" if dark else "JupyterLab Light"
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.locator(f'body[data-jp-theme-light="{str(not dark).lower()}"]').wait_for(state="attached")
    page.locator("#jupyterlab-splash").wait_for(state="detached")


def serious(axe, page: Page) -> list:
    """Return what axe finds serious in the forms that are in the page, and where."""
    found = axe.run(page, context=".nbmlops-form").response["violations"]
    worst = [v for v in found if v["impact"] in ("serious", "critical")]
    return [(v["id"], [n["html"] for n in v["nodes"]]) for v in worst]


def test_a_form_is_filled_in_by_keyboard_alone_and_reads_well_afterwards(lab, page, seen, needed):
    axe = needed("axe_playwright_python.sync_playwright").Axe()
    open_notebook(lab, page, "forms.ipynb")
    run_all(page)
    place = opened(page, "%promote")
    tab_to(page, "Reason")
    page.keyboard.type("better on March")
    tab_to(page, "Promote")
    page.keyboard.press("Enter")
    expect(place.get_by_role("status")).to_contain_text("Done: late@1")
    expect(results(place).first).to_contain_text('Ran: %promote late 1 --to champion --reason "better on March"')
    expect(results(place).nth(1)).to_contain_text("champion")
    page.keyboard.press("Enter")  # nothing: it is done
    shot(page, "promoted")

    place = opened(page, "%drift")
    tab_to(page, "Look again")
    page.keyboard.press("Enter")
    expect(place.locator("option").filter(has_text="late@champion")).not_to_have_count(0)
    back_to(page, "Against")
    page.keyboard.type("late@champion")
    tab_to(page, "Compare")
    page.keyboard.press("Space")
    expect(results(place).first).to_contain_text("Ran: %drift summer --against late@champion")
    expect(results(place).nth(1)).to_contain_text("late@1")
    shot(page, "drifted")

    place = opened(page, "%review")
    tab_to(page, "Begin")
    page.keyboard.press("Enter")
    expect(place.locator(".nbmlops-form")).to_contain_text("1 of 20")
    for n in (2, 3):
        expect(place.get_by_role("button", name="Agree", exact=True)).to_be_focused()
        answered(page, place, f"{n} of 20: said")
    shot(page, "reviewed")
    tab_to(page, "Unsure")
    answered(page, place, "4 of 20: said")

    place = opened(page, "%check")
    tab_to(page, "Propose rules")
    page.keyboard.press("Enter")
    expect(place.get_by_role("status")).to_contain_text("nothing is written yet")
    tab_to(page, "hour")
    page.keyboard.press("Space")
    tab_to(page, "Accept the ticked ones and check")
    shot(page, "ticked")
    page.keyboard.press("Enter")
    expect(results(place).first).to_contain_text("%check summer --accept hour")
    assert "accepted" in (lab.folder / "rules" / "summer.yaml").read_text()
    shot(page, "checked")

    place = opened(page, "%track")
    tab_to(page, "Track")
    page.keyboard.press("Enter")
    expect(results(place).locator(".nbmlops-head")).to_contain_text("late")
    shot(page, "tracked-by-form")
    themed(page, dark=True)
    for magic in MAGICS:
        opened(page, magic)
        shot(page, f"{magic[1:]}-dark")
        assert serious(axe, page) == []
    themed(page, dark=False)
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    saved = json.loads((lab.folder / "forms.ipynb").read_text())
    saved["cells"][0]["source"] = "# somebody else's"
    (lab.folder / "untrusted.ipynb").write_text(json.dumps(saved))

    page.evaluate("jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    place = opened(page, "%promote")
    place.get_by_role("button", name="Look again").click()  # nobody answers, and nothing breaks
    shot(page, "dead")
    seen.errors[:] = [error for error in seen.errors if error != "Cannot send"]  # what the widgets themselves say

    open_notebook(lab, page, "untrusted.ipynb")
    place = come_to(page, "%promote")
    expect(place).to_contain_text("Move an alias to a version, if the charter allows it")
    expect(place).to_contain_text("Type: %promote late 1 --to champion --reason REASON")
    expect(place).to_contain_text('Ran: %promote late 1 --to champion --reason "better on March"')
    assert page.locator(".nbmlops-form").count() == 0
    assert page.locator(".jp-OutputArea").get_by_text("Error displaying widget").count() == 0
    shot(page, "untrusted")


def test_a_form_fits_a_narrow_page_and_axe_finds_nothing_serious(lab, page, needed):
    axe = needed("axe_playwright_python.sync_playwright").Axe()
    page.set_viewport_size({"width": 800, "height": 900})
    open_notebook(lab, page, "narrow.ipynb")
    run_all(page)
    form = page.locator(".nbmlops-form")
    form.get_by_label("Name").fill(
        "a name with blanks, and so many words that one line of this page cannot hold them all"
    )
    form.get_by_role("button", name="Register").click()
    expect(form.get_by_role("alert")).to_contain_text("a name with blanks")
    shot(page, "narrow-error")
    assert form.evaluate(WIDER) == 0
    form.get_by_label("Name").fill("narrow")
    form.get_by_role("button", name="Register").click()
    expect(form.get_by_role("status")).to_contain_text("Done: narrow@1")
    shot(page, "narrow")
    assert form.evaluate(WIDER) == 0
    for dark in (False, True):
        themed(page, dark)
        assert serious(axe, page) == []


def test_tab_completes_in_the_notebook(lab, page, seen):
    offered = page.locator(".jp-Completer:visible .jp-Completer-match")

    def tab(typed: str, wanted: str) -> None:
        """Type behind the magic, press Tab, and see what is offered."""
        page.keyboard.type(typed)
        page.locator(".jp-mod-active .jp-mod-completer-enabled").wait_for()
        page.keyboard.press("Tab")
        expect(offered.filter(has_text=wanted)).to_have_count(1)

    open_notebook(lab, page, "typed.ipynb")
    run_all(page)
    page.locator(".jp-OutputArea-output").filter(has_text="ready").wait_for()
    cell(page, "%drift").locator(".cm-content").click()
    page.keyboard.press("End")
    tab(" summer_f", "summer_flights")
    page.keyboard.press("Enter")
    tab(' --by "day', "day of month")
    shot(page, "completed")
    page.keyboard.press("Enter")
    expect(cell(page, '%drift summer_flights --by "day of month"')).to_have_count(1)
    page.keyboard.press("End")
    tab(" --ag", "--against")
