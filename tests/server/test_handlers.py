"""The addresses of the server extension, asked through a real Jupyter server."""

from __future__ import annotations

import inspect
import json

import pytest
import tornado.web
from tornado.httpclient import HTTPClientError

from asked import refused, tracked
from nbmlops.server import handlers, notebooks
from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run


async def test_runs_of_a_notebook_come_newest_first(jp_fetch, notebook):
    tracked("first", roc_auc=0.6)
    tracked("second", roc_auc=float("nan"))
    tracked("elsewhere", notebook="other.ipynb")
    answer = await jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"})
    runs = json.loads(answer.body)["runs"]
    assert [r["name"] for r in runs] == ["second", "first"]
    assert [r["metric"]["value"] for r in runs] == ["NaN", 0.6]
    assert runs[0]["cell_id"] == "c1"


async def test_runs_say_nothing_of_the_machine(jp_fetch, notebook):
    opened = session.start("broken", notebook="nb.ipynb")
    session.finish(opened, "failed", "error", {"name": "ValueError", "message": "no", "traceback": str(notebook)})
    answer = await jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"})
    (run,) = json.loads(answer.body)["runs"]
    assert run["status"] == "failed"
    assert "error" not in run
    assert "process" not in run
    assert str(notebook.parent) not in answer.body.decode()


async def test_looking_makes_no_store(jp_fetch, notebook):
    answer = await jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"})
    assert json.loads(answer.body) == {"runs": [], "total": 0, "order": []}
    assert not (notebook.parent / ".nbmlops").exists()


async def test_a_store_made_again_is_seen(jp_fetch, notebook):
    tracked("old")
    await jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"})
    session.reset()
    (notebook.parent / ".nbmlops").rename(notebook.parent / "away")
    tracked("new")
    answer = await jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"})
    assert [r["name"] for r in json.loads(answer.body)["runs"]] == ["new"]


@pytest.mark.parametrize(
    "path",
    [
        "../outside.ipynb",
        "flights/../../outside.ipynb",
        "link.ipynb",
        "/etc/passwd",
        "flights",
        "gone.ipynb",
        "a\0.ipynb",
    ],
)
async def test_a_path_outside_the_folder_is_not_found(jp_fetch, jp_root_dir, notebook, path):
    outside = jp_root_dir.parent / "outside.ipynb"
    outside.write_text("{}")
    (jp_root_dir / "link.ipynb").symlink_to(outside)
    code, message = await refused(jp_fetch("nbmlops", "api", "runs", params={"notebook": path}))
    assert code == 404
    assert message.startswith("No notebook")


def test_a_sibling_with_the_same_beginning_is_outside(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "nb.ipynb").write_text("{}")
    with pytest.raises(LookupError):
        notebooks.located(tmp_path / "root", "../root-2/nb.ipynb")


async def test_a_wrong_project_file_is_the_users_error(jp_fetch, notebook, jp_root_dir):
    notebook.with_name("nbmlops.toml").write_text("[project")
    code, message = await refused(jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"}))
    assert code == 400
    assert "not valid TOML" in message
    assert str(jp_root_dir) not in message


async def test_a_damaged_store_is_said(jp_fetch, notebook):
    home = notebook.parent / ".nbmlops"
    home.mkdir()
    (home / "store.sqlite").write_bytes(b"no database" * 1000)
    code, message = await refused(jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"}))
    assert code == 503
    assert "nbmlops doctor" in message


async def test_status_names_the_version_and_no_address(jp_fetch, notebook, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", "postgresql+psycopg://ann:secret@host/name")
    answer = await jp_fetch("nbmlops", "api", "status")
    status = json.loads(answer.body)
    assert status["api"] == handlers.API
    assert status["store"] == "postgresql"
    assert "secret" not in answer.body.decode()


@pytest.mark.parametrize("name", ["runs", "status"])
async def test_nobody_unknown_is_answered(jp_fetch, notebook, name):
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("nbmlops", "api", name, headers={"Authorization": "token wrong"}, follow_redirects=False)
    assert caught.value.code in (302, 403)


def test_every_verb_asks_who_and_may_they():
    verbs = ("get", "head", "post", "put", "patch", "delete")
    served = [(h, v) for _, h in handlers.routes("/") for v in verbs if v in vars(h)]
    assert served
    for handler, verb in served:
        source = inspect.getsource(vars(handler)[verb])
        assert "@tornado.web.authenticated" in source, (handler, verb)
        assert "@authorized" in source, (handler, verb)
        assert handler.auth_resource == "nbmlops"
    assert all(issubclass(h, tornado.web.RequestHandler) for h, _ in served)


def reported(folder):
    """A run with a hostile notebook, and its report, as ``nbmlops report`` keeps it."""
    import nbmlops as nb

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
