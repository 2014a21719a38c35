"""The panel where another notebook is opened, answers overtake each other, and people click twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from browser.labs import open_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

FIRST, SECOND = "first.ipynb", "second.ipynb"
OLD, NEW = "2026-01-05T10:00:00+00:00", "2026-01-06T10:00:00+00:00"
SOURCE = 'x = "/home/ann/a.csv"\n# \u202e\x0c'


@pytest.fixture(scope="module")
def notebooks() -> dict[str, list[Any]]:
    return {"first": ["1 + 1"], "second": ["2 + 2"]}


def about(route: Route) -> str:
    """Return the notebook a question is about."""
    return parse_qs(urlsplit(route.request.url).query).get("notebook", [""])[0]


def answered(page: Page, address: str, answer: Callable[[str], Any], status: int = 200) -> list[Route]:
    """Answer an address in the server's place, by the notebook; return what was asked."""
    asked: list[Route] = []

    def reply(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=status, content_type="application/json", body=json.dumps(answer(about(route))))

    page.route(re.compile(rf"/nbmlops/api/{address}(\?|$)"), reply)
    return asked


def held(page: Page, address: str) -> list[Route]:
    """Answer an address when the test says so."""
    asked: list[Route] = []
    page.unroute(re.compile(rf"/nbmlops/api/{address}(\?|$)"))
    page.route(re.compile(rf"/nbmlops/api/{address}(\?|$)"), lambda route: asked.append(route))
    return asked


def send(route: Route, answer: Any, status: int = 200) -> None:
    route.fulfill(status=status, content_type="application/json", body=json.dumps(answer))


def wait_for(page: Page, asked: list[Route], count: int = 1) -> Route:
    """Return the newest of so many questions, once they came."""
    for _ in range(200):
        if len(asked) >= count:
            return asked[count - 1]
        page.wait_for_timeout(50)
    raise AssertionError(f"{len(asked)} of {count} asked")


def status_of(notebook: str) -> dict[str, Any]:
    who = {"name": f"who@{notebook}", "known_by": "git"}
    return {"api": 2, "version": "1", "project": f"of {notebook}", "store": "sqlite", "actor": who}


def version(notebook: str) -> dict[str, Any]:
    return {"version": 3, "ref": "late@3", "aliases": [], "phase": f"of {notebook}"}


def model(notebook: str) -> dict[str, Any]:
    return {"models": [{"name": "late", "owner": "ann", "versions": [version(notebook)]}]}


def whole(notebook: str) -> dict[str, Any]:
    view = {"kind": "model", "data": {"name": "late", "version": 3, "ref": f"of {notebook}"}}
    may = {"approve": None, "reject": None, "roles": [], "promote": {"champion": None}}
    return {"view": view, "aliases": ["champion"], "named": {"champion": 2}, "may": may, "report": None}


def opened(lab, page: Page, *sections: str) -> Locator:
    """Open both notebooks, the first in front, and the panel with these sections only."""
    answered(page, "status", status_of)
    open_notebook(lab, page, SECOND)
    turn(page, FIRST)
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    panel = page.get_by_role("region", name="nbmlops", exact=True)
    expect(panel.locator(".nbmlops-about")).to_contain_text(f"of {FIRST}")
    for title in panel.locator(".nbmlops-section-toggle").all():
        wanted = title.text_content().lstrip("▸") in sections
        if (title.get_attribute("aria-expanded") == "true") != wanted:
            title.click()
    return panel


def turn(page: Page, notebook: str) -> None:
    """Bring a notebook to the front."""
    page.evaluate("path => jupyterapp.commands.execute('docmanager:open', {path})", notebook)
    front = "path => jupyterapp.shell.currentWidget?.context?.path === path"
    page.wait_for_function(front, arg=notebook)


def test_what_one_decides_on_stays_of_its_project(lab, page):
    answered(page, "models", model)
    answered(page, "models/late/3", whole)
    promoted = answered(page, "models/late/3/promote", whole)
    panel = opened(lab, page, "Models")
    models = panel.get_by_role("region", name="Models", exact=True)
    models.get_by_role("button", name="late@3").click()
    waiting = held(page, "models/late/3")
    models.get_by_role("button", name="Promote…").click()
    asked = wait_for(page, waiting)
    turn(page, SECOND)
    expect(panel.locator(".nbmlops-about")).to_contain_text(f"of {SECOND}")
    assert about(asked) == FIRST
    send(asked, whole(FIRST))
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Alias")).to_contain_text("champion, in place of late@2")
    dialog.get_by_label("Reason").fill("better")
    dialog.get_by_role("button", name="Promote", exact=True).click()
    expect(dialog).to_have_count(0)
    (route,) = promoted
    assert about(route) == FIRST
    assert route.request.post_data_json == {
        "alias": "champion", "reason": "better", "override": False, "instead_of": 2
    }  # fmt: skip


def test_another_notebook_is_of_another_project_until_it_was_asked(lab, page, seen):
    answered(page, "models", model)
    answered(page, "models/late/3", whole)
    panel = opened(lab, page, "Models")
    models = panel.get_by_role("region", name="Models", exact=True)
    expect(models).to_contain_text(f"of {FIRST}")
    models.get_by_role("button", name="late@3").click()
    expect(models.locator(".nbmlops-card")).to_contain_text("Model of")
    waiting = held(page, "models")
    turn(page, SECOND)
    first = wait_for(page, waiting)
    expect(panel.locator(".nbmlops-about")).to_contain_text(f"of {SECOND}")
    expect(panel.locator(".nbmlops-about")).to_contain_text(f"who@{SECOND}")
    promote = models.get_by_role("button", name="Promote…")
    assert models.locator(".nbmlops-held").evaluate("held => held.inert")  # of the other project: not to be pressed
    send(first, model(SECOND))
    expect(models).to_contain_text(f"of {SECOND}")
    expect(promote).to_be_enabled()
    turn(page, FIRST)
    send(wait_for(page, waiting, 2), {"message": "Away.", "hint": ""}, status=400)
    expect(models.get_by_role("alert")).to_contain_text("Away.")
    expect(models.get_by_role("button", name="late@3")).to_have_count(0)  # nothing of the second is left
    seen.errors.clear()  # the browser itself reports what was refused


def work(status: str, at: int) -> dict[str, Any]:
    cells = {"done": at, "total": 9, "current": f"cell {at}"}
    about = {"work_id": "w", "run_id": "r", "notebook": FIRST, "status": status, "live": status == "started"}
    return {**about, "cells": cells, "duration_s": None, "output": None, "error": None}


def listed(status: str, at: int) -> dict[str, Any]:
    return {"works": [work(status, at)], "schedules": [], "scheduler": None}


def test_the_answer_about_the_notebook_before_does_not_undo_that_about_this_one(lab, page):
    page.route(
        re.compile(r"/nbmlops/api/jobs/events"),
        lambda route: route.fulfill(status=200, content_type="text/event-stream", body=""),
    )
    waiting = held(page, "jobs")
    panel = opened(lab, page, "Jobs")
    jobs = panel.get_by_role("region", name="Jobs", exact=True)
    send(wait_for(page, waiting), listed("started", 1))
    expect(jobs).to_contain_text("cell 2 of 9")
    panel.get_by_role("button", name="Refresh").click()
    older = wait_for(page, waiting, 2)
    turn(page, SECOND)
    newer = wait_for(page, waiting, 3)  # at once, though the other is still awaited
    assert (about(older), about(newer)) == (FIRST, SECOND)
    send(newer, listed("finished", 9))
    expect(jobs).to_contain_text("finished")
    send(older, listed("started", 2))
    page.wait_for_timeout(500)
    answered(page, "jobs/r", lambda notebook: {"kind": "retrained", "data": {"state": "finished"}})
    jobs.get_by_role("button", name=FIRST).click()  # is drawn again
    expect(jobs.locator(".nbmlops-row").first).to_contain_text("finished")


def test_what_was_told_while_an_answer_was_awaited_is_newer(lab, page):
    told = f"event: job\ndata: {json.dumps(work('finished', 9))}\n\n"
    streams: list[Route] = []
    page.route(re.compile(r"/nbmlops/api/jobs/events"), lambda route: streams.append(route))
    waiting = held(page, "jobs")
    panel = opened(lab, page, "Jobs")
    jobs = panel.get_by_role("region", name="Jobs", exact=True)
    send(wait_for(page, waiting), listed("started", 1))
    stream = wait_for(page, streams)
    panel.get_by_role("button", name="Refresh").click()
    older = wait_for(page, waiting, 2)
    stream.fulfill(status=200, content_type="text/event-stream", body=told)
    expect(jobs.locator(".nbmlops-row").first).to_contain_text("finished")
    send(older, listed("started", 2))
    page.wait_for_timeout(500)
    expect(jobs.locator(".nbmlops-row").first).to_contain_text("finished")


def runs(count: int) -> dict[str, Any]:
    rows = [
        {"run_id": f"0190-{n}", "name": f"run-{n}", "status": "finished", "started_at": OLD, "notebook": FIRST}
        for n in range(count, 0, -1)
    ]
    return {"runs": rows, "total": count}


def test_as_many_runs_are_compared_as_the_server_takes_and_a_lost_one_can_be_unticked(lab, page, seen):
    answered(page, "runs", lambda notebook: runs(8))
    compared = held(page, "compare")
    panel = opened(lab, page, "This notebook", "Compare")
    listed = panel.get_by_role("region", name="This notebook", exact=True)
    compare = panel.get_by_role("region", name="Compare", exact=True)
    for n in range(8, 0, -1):
        listed.get_by_label(f"Compare run-{n} ").check()
    for _ in range(100):
        if any(len(ids(one)) == 6 for one in compared):
            break
        page.wait_for_timeout(50)
    assert max(len(ids(one)) for one in compared) == 6
    page.unroute(re.compile(r"/nbmlops/api/compare(\?|$)"))
    answered(page, "compare", lambda notebook: {"message": "No run 0190-8.", "hint": ""}, status=404)
    panel.get_by_role("button", name="Refresh").click()
    expect(compare.get_by_role("alert")).to_contain_text("No run 0190-8.")
    expect(compare.get_by_role("list", name="Ticked runs").get_by_role("listitem")).to_have_count(8)
    compare.get_by_role("button", name="Untick all").click()
    expect(compare).to_contain_text("Tick two runs or more")
    seen.errors.clear()  # the browser itself reports what was refused


def ids(route: Route) -> list[str]:
    return parse_qs(urlsplit(route.request.url).query)["runs"][0].split(",")


def test_a_second_click_is_none_and_a_source_comes_back_as_it_was(lab, page):
    answered(page, "runs", lambda notebook: runs(1))
    answered(page, "runs/0190-1", lambda notebook: {"kind": "run", "data": {"run_id": "0190-1", "status": "finished"}})
    waiting = held(page, "runs/0190-1/source")
    panel = opened(lab, page, "This notebook")
    listed = panel.get_by_role("region", name="This notebook", exact=True)
    listed.get_by_role("button", name="Card of run-1").click()
    listed.get_by_role("button", name="Restore its source").dblclick()
    send(wait_for(page, waiting), {"cells": [{"cell_id": None, "source": SOURCE}]})
    cells = "() => jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map(cell => cell.source)"
    page.wait_for_function(f"({cells})().length > 1")
    page.wait_for_timeout(500)
    assert page.evaluate(cells) == ["1 + 1", SOURCE]
    assert len(waiting) == 1
    page.evaluate("void jupyterapp.commands.execute('notebook:undo-cell-action')")
    page.unroute(re.compile(r"/nbmlops/api/runs/0190-1/source(\?|$)"))
    answered(page, "runs/0190-1/source", lambda notebook: {"cells": [{"cell_id": None, "source": SOURCE}]})
    listed.get_by_role("button", name="Restore its source").dblclick(delay=100)  # done between the two clicks
    page.wait_for_function(f"({cells})().length > 1")
    page.wait_for_timeout(500)
    assert page.evaluate(cells) == ["1 + 1", SOURCE]
    page.evaluate("void jupyterapp.commands.execute('notebook:undo-cell-action')")


def test_the_cell_of_another_notebook_is_not_taken_for_one_here(lab, page):
    cell = "() => jupyterapp.shell.currentWidget.content.widgets[0].model.id"
    found: dict[str, Any] = {}
    answered(page, "runs", lambda notebook: {"runs": [{**runs(1)["runs"][0], **found}], "total": 1})
    panel = opened(lab, page, "This notebook")
    listed = panel.get_by_role("region", name="This notebook", exact=True)
    found |= {"cell_id": page.evaluate(cell), "notebook": "copies/first-copy.ipynb"}  # a copy has the same cell ids
    panel.get_by_role("button", name="Refresh").click()
    jump = listed.get_by_role("button", name="run-1", exact=True)
    expect(jump).to_have_attribute("title", "run-1: go to its cell")
    jump.click()
    expect(page.get_by_text("That run is of copies/first-copy.ipynb")).to_be_visible()
