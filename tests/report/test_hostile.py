"""The hostile notebooks of ``hostile.py`` on both pages they can reach: a report's appendix, and a page alone."""

import json
import re
import time

import pytest

from nbmlops.report import alone, page, snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.text import HIDDEN
from nbmlops.tracking import session

from .hostile import AFTER, NOTEBOOKS, markdown, notebook
from .test_page import Page, assert_safe

PARTS = ("answer", "bad", "note", "output", "cell", "prose", "table", "outline", "level-2", "level-3", "level-4")
TOGETHER = 8  # on one page, within what an appendix takes
CALM = notebook(markdown("calm"))
CALM_ALONE = Page(alone.drawn(CALM, "calm"))
ATTRIBUTES = {
    *(
        "id",
        "class",
        "href",
        "src",
        "alt",
        "colspan",
        "rowspan",
        "scope",
        "open",
        "tabindex",
        "role",
        "download",
        "lang",
    ),
    *("aria-label", "aria-labelledby", "aria-hidden", "data-head", "charset", "content", "http-equiv", "name"),
}


@pytest.fixture
def bare(project):
    """The facts of a run without a notebook: what stands on the page but for the appendix."""
    run = session.start("hostile", kind="notebook")
    session.finish(run)
    taken = snapshot.build(subject_of(run.run_id))
    return {**taken, "notebook": {"digest": "0" * 64, "size_bytes": 1}}


def problems(markup, calm, amount=1):
    """Return what of a page is not ours, or not as it is around a harmless notebook."""
    seen = assert_safe(markup)
    found = {name for _, attributes in seen.elements for name in attributes} - ATTRIBUTES
    found |= {c for c in classes(seen) if c not in classes(calm) and c not in PARTS}
    if len(seen.all("h1")) != 1 or verdicts(seen) != verdicts(calm):
        found.add("a heading or a verdict that is not ours")
    if HIDDEN.search(markup):
        found.add("a hidden character")
    if seen.text.count(AFTER) != amount:
        found.add("what follows is lost")
    if len(markup) > 1_500_000:
        found.add(f"{len(markup)} characters")
    return found


def classes(seen):
    return {word for _, attributes in seen.elements for word in (attributes.get("class") or "").split()}


def verdicts(seen):
    return sum("verdict" in (attributes.get("class") or "").split() for _, attributes in seen.elements)


def test_the_corpus_is_large():
    assert len(NOTEBOOKS) >= 130


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_page_alone_holds_nothing_but_ours(name):
    began = time.process_time()
    markup = alone.drawn(NOTEBOOKS[name], "hostile")
    assert time.process_time() - began < 6
    assert problems(markup, CALM_ALONE) == set()
    assert re.findall(r'(?:src|href)="(?!data:image/|#)', markup) == []


def test_an_appendix_holds_nothing_but_ours(bare):
    calm = Page(page.render(bare, json.dumps(CALM).encode()))
    found = {}
    names = list(NOTEBOOKS)
    for some in (names[i : i + TOGETHER] for i in range(0, len(names), TOGETHER)):
        cells = [cell for name in some for cell in NOTEBOOKS[name]["cells"]]
        markup = page.render(bare, json.dumps({"cells": cells}).encode())
        if wrong := problems(markup, calm, len(some)):
            found[tuple(some)] = wrong
    assert found == {}


def test_what_does_not_end_is_said(bare):
    deep = b'{"cells": ' + b"[" * 200_000
    assert "could not be read" in Page(page.render(bare, deep)).text
