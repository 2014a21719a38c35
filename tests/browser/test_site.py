"""The site opened from a folder, in a real browser: the search finds, and without JavaScript it leads to the lists."""

from __future__ import annotations

import pytest

import nbmlops as nb
from nbmlops.tracking import session

pytestmark = pytest.mark.browser

NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def site(project, tmp_path):
    for name in ("forest", f"boosting {NASTY}", "boosting"):
        with session.run(name):
            nb.log(auc=0.9)
    nb.site(tmp_path / "site")
    return tmp_path / "site"


def opened(browser, path, **settings):
    """Return a page opened from the folder, and what it complained of or asked for outside."""
    tab, wrong = browser.new_context(**settings).new_page(), []
    tab.on("console", lambda said: wrong.append(said.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
    tab.on("request", lambda asked: asked.url.startswith("file:") or wrong.append(asked.url))
    tab.goto(path.as_uri())
    return tab, wrong


def test_the_search_finds_and_leads_there(browser, site):
    tab, wrong = opened(browser, site / "search.html")
    tab.fill("#words", "BOOST finished")
    assert tab.locator("#found").inner_text() == "2 found"
    assert {link.inner_text() for link in tab.locator("#hits a").all()} == {f"boosting {NASTY}", "boosting"}
    tab.fill("#words", "boost nowhere")
    assert tab.locator("#found").inner_text() == "0 found"
    tab.fill("#words", "forest")
    tab.locator("#hits a").click()
    assert tab.locator("h1").inner_text() == "forest"
    tab.get_by_role("link", name="Models").click()
    assert "No model is registered yet." in tab.locator("main").inner_text()
    assert wrong == []


def test_without_javascript_the_search_leads_to_the_lists(browser, site):
    tab, wrong = opened(browser, site / "search.html", java_script_enabled=False)
    assert not tab.locator("#search").is_visible()
    tab.locator("main").get_by_role("link", name="Runs").click()
    assert "boosting" in tab.locator("main").inner_text()
    assert wrong == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_nothing_is_wider_than_the_screen_and_the_look_is_loaded(browser, site, width, scheme):
    for page in [site / "index.html", *site.glob("runs/*"), *site.glob("run/*")]:
        tab, wrong = opened(browser, page, viewport={"width": width, "height": 800}, color_scheme=scheme)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.name
        assert tab.evaluate("getComputedStyle(document.querySelector('.bar')).display") == "flex", page.name
        assert wrong == [], page.name
        tab.close()
