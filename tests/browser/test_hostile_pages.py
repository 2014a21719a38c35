"""Every hostile notebook in a real browser without a policy: nothing runs, nothing is asked for, all is read."""

from __future__ import annotations

import json

import pytest

from nbmlops.report import alone, page, snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session
from report.hostile import AFTER, NOTEBOOKS

pytestmark = pytest.mark.browser

TOGETHER = 8
# What a reader sees: the heading is not covered, what follows is there, nothing was put into the window.
LOOK = """after => {
  const title = document.querySelector('h1'), place = title.getBoundingClientRect();
  const top = document.elementFromPoint(place.left + 2, place.top + place.height / 2);
  return {
    ran: window.hostile !== undefined,
    covered: top !== title,
    unread: ![...document.querySelectorAll('p')].some(p => p.textContent === after && p.checkVisibility()),
    shaded: document.querySelectorAll('[shadowrootmode], iframe, script, object, embed').length > 0,
    wide: document.documentElement.scrollWidth > innerWidth,
  };
}"""


def looked_at(browser, folder, pages):
    """Return what went wrong on pages, by name; a policy that stops scripts is not what keeps them safe."""
    wrong = {}
    context = browser.new_context(viewport={"width": 1000, "height": 800}, bypass_csp=True)
    for number, (name, markup) in enumerate(pages.items()):
        path = folder / f"{number}.html"
        path.write_text(markup, encoding="utf-8")
        tab, seen = context.new_page(), []
        tab.on("dialog", lambda dialog, seen=seen: (seen.append("dialog"), dialog.dismiss()))
        tab.on("request", lambda asked, seen=seen: seen.append(asked.url))
        tab.goto(path.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = [what for what, is_so in tab.evaluate(LOOK, AFTER).items() if is_so]
        outside = [url[:80] for url in seen if not url.startswith("data:image/") and url != path.as_uri()]
        if found or outside:
            wrong[name] = found + outside
        tab.close()
    context.close()
    return wrong


def several():
    """Give the notebooks by names, several as one; what has metadata of its own stays alone."""
    names = [name for name, content in NOTEBOOKS.items() if not content["metadata"]]
    for some in (names[i : i + TOGETHER] for i in range(0, len(names), TOGETHER)):
        yield " · ".join(some), {"cells": [cell for name in some for cell in NOTEBOOKS[name]["cells"]]}
    yield from ((name, content) for name, content in NOTEBOOKS.items() if content["metadata"])


def test_pages_alone(browser, tmp_path):
    assert looked_at(browser, tmp_path, {name: alone.drawn(content, "hostile") for name, content in several()}) == {}


def test_reports(browser, tmp_path, project):
    run = session.start("hostile", kind="notebook")
    session.finish(run)
    taken = snapshot.build(subject_of(run.run_id))
    taken["notebook"] = {"digest": "0" * 64, "size_bytes": 1}
    pages = {name: page.render(taken, json.dumps(c).encode()) for name, c in several() if not c.get("metadata")}
    assert looked_at(browser, tmp_path, pages) == {}


def test_a_harmful_page_would_be_noticed(browser, tmp_path):
    harm = (
        "<h1>a</h1><img src='http://evil.example/x.png' onerror='window.hostile=1'><div style='position:fixed;inset:0'>"
    )
    assert set(looked_at(browser, tmp_path, {"harm": harm})["harm"]) == {
        *("ran", "covered", "unread", "http://evil.example/x.png"),
    }
