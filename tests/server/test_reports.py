"""Reports through the server: the list, making one, and its page as it was made, in a sandbox."""

from __future__ import annotations

import json

import pytest
from tornado.httpclient import HTTPClientError

import nbmlops as nb
from asked import refused, tracked
from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run


def reported(folder):
    """A run with a hostile notebook, and its report, as ``nbmlops report`` keeps it."""
    opened = session.start("forest", kind="notebook", notebook="nb.ipynb")
    output = {"output_type": "display_data", "data": {"text/html": "<script>alert(1)</script><p>fine</p>"}}
    cell = {"cell_type": "code", "metadata": {}, "source": "x", "outputs": [output]}
    session.log_artifact("notebook.ipynb", json.dumps({"cells": [cell]}).encode())
    session.finish(opened)
    nb.report(opened.run_id, folder / "report.html")
    return opened.run_id, (folder / "report.html").read_text()


async def test_a_report_is_sent_as_it_was_made_and_in_a_sandbox(jp_fetch, notebook, tmp_path):
    run_id, page = reported(tmp_path)
    answer = await jp_fetch("nbmlops", "report", run_id, params={"notebook": "flights/nb.ipynb"})
    assert answer.body.decode() == page
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    rules = answer.headers["Content-Security-Policy"].split("; ")
    assert "sandbox allow-downloads" in rules
    assert "default-src 'none'" in rules
    assert not any("unsafe-inline" in rule for rule in rules if not rule.startswith("style-src"))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_card_of_a_report_links_to_where_this_server_sends_it(jp_fetch, notebook, tmp_path, monkeypatch):
    from urllib.parse import parse_qs, urlsplit

    from nbmlops.report.page import written
    from nbmlops.server.reports import announce

    monkeypatch.setenv("NBMLOPS_SERVER", "")
    monkeypatch.setenv("NBMLOPS_SERVER_ROOT", "")
    monkeypatch.setenv("NBMLOPS_NOTEBOOK", str(notebook))
    run_id, page = reported(tmp_path)

    def link():
        html = written(run_id, tmp_path / "again.html")._repr_mimebundle_()["text/html"]
        assert "again.html" in html
        return html.partition('href="')[2].partition('"')[0].replace("&amp;", "&")

    assert link() == ""
    announce("/user/ann/", str(notebook.parent.parent))
    found = urlsplit(link())
    assert found.path == f"/user/ann/nbmlops/report/{run_id}"
    answer = await jp_fetch("nbmlops", "report", run_id, params={k: v[0] for k, v in parse_qs(found.query).items()})
    assert answer.body.decode() == page
    announce("/", str(tmp_path / "elsewhere"))
    assert link() == ""


@pytest.mark.parametrize("wrong", ["lost", "damaged"])
async def test_a_report_whose_notebook_is_gone_is_sent_and_says_so(jp_fetch, notebook, tmp_path, wrong):
    run_id, page = reported(tmp_path)
    digest = next(a["digest"] for a in get_run(run_id).to_dict()["artifacts"] if a["name"] == "notebook.ipynb")
    (file,) = (p for p in notebook.parent.rglob("*") if p.is_file() and p.name.endswith(digest[-60:]))
    file.chmod(0o644)
    file.unlink() if wrong == "lost" else file.write_bytes(b"other")
    answer = await jp_fetch("nbmlops", "report", run_id, params={"notebook": "flights/nb.ipynb"})
    assert answer.code == 200
    assert "lost or damaged" in answer.body.decode()
    assert "lost or damaged" not in page


async def test_a_report_nobody_made_is_not_found_and_not_made(jp_fetch, notebook):
    tracked("forest")
    (run,) = json.loads((await jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"})).body)[
        "runs"
    ]
    asked = jp_fetch("nbmlops", "report", run["run_id"], params={"notebook": "flights/nb.ipynb"})
    code, message = await refused(asked)
    assert code == 404
    assert "nbmlops report" in message


@pytest.mark.parametrize("run_id", ["<img src=x onerror=alert(1)>", "x" * 500, "a%00", "run:a"])
async def test_no_run_is_no_page(jp_fetch, notebook, run_id):
    code, message = await refused(jp_fetch("nbmlops", "report", run_id, params={"notebook": "flights/nb.ipynb"}))
    assert code == 404
    assert len(message) < 150


async def test_a_report_needs_a_login(jp_fetch, notebook, tmp_path):
    run_id, _ = reported(tmp_path)
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("nbmlops", "report", run_id, headers={"Authorization": "token wrong"})
    assert caught.value.code == 403


async def page(jp_fetch, url):
    """Return a page by the address the server gave for it, and its headers."""
    from urllib.parse import parse_qs, urlsplit

    found = urlsplit(url)
    parts = found.path.partition("/nbmlops/")[2].split("/")
    return await jp_fetch("nbmlops", *parts, params={k: v[0] for k, v in parse_qs(found.query).items()})


async def test_a_report_is_made_once_and_listed(ask, jp_fetch, notebook):
    run_id = tracked("forest", roc_auc=0.7)
    made = await ask("reports", body={"ref": run_id})
    assert (made["number"], made["ref"], made["stale"]) == (1, run_id, False)
    assert (await ask("reports", body={"ref": run_id}))["digest"] == made["digest"]
    (listed,) = (await ask("reports"))["reports"]
    assert {**listed, "stale": False} == made
    first = await page(jp_fetch, made["url"])
    assert first.headers["Content-Security-Policy"].startswith("sandbox")
    assert nb.report(run_id, notebook.parent / "r.html").read_bytes() == first.body
    again = await ask("reports", body={"ref": run_id, "refresh": True})
    assert again["number"] == 2
    assert (await page(jp_fetch, made["url"])).body == first.body  # an address is one number of it


async def test_what_is_known_meanwhile_is_said(ask, late):
    made = await ask("reports", body={"ref": "late@1"})
    nb.flag("late@1", "what of the night?")
    again = await ask("reports", body={"ref": "late@1"})
    assert (again["stale"], again["number"], again["digest"]) == (True, 1, made["digest"])


async def test_a_report_of_the_project_and_of_a_comparison(ask, notebook):
    one, two = tracked("a", roc_auc=0.6), tracked("a", roc_auc=0.7)
    for ref, kind in (("project", "project"), (f"{one}..{two}", "comparison")):
        made = await ask("reports", body={"ref": ref})
        assert (made["kind"], made["number"]) == (kind, 1)


@pytest.mark.parametrize(
    "ref", ["", "nb.ipynb", "/etc/passwd", "../outside.html", "a/b", "x.JSON", "a\0b", "x" * 400, None]
)
async def test_no_file_of_this_machine_is_read_for_a_report(ask, notebook, ref):
    tracked("a")
    code, _ = await refused(ask("reports", body={"ref": ref}))
    assert code == 400
    assert (await ask("reports"))["reports"] == []


async def test_a_report_of_nothing_is_not_found_and_makes_no_store(ask, notebook):
    code, _ = await refused(ask("reports", body={"ref": "nothing"}))
    assert code == 404
    assert not (notebook.parent / ".nbmlops").exists()
    assert (await ask("reports")) == {"reports": []}
