"""What is wrong on its way to us: paths, ids, bodies and stores; and asking, which changes nothing."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest
from tornado.httpclient import HTTPClientError

import nbmlops as nb
from asked import refused, tracked
from nbmlops.server import handlers, notebooks
from nbmlops.tracking import session

RUN = "01a21965-c9ef-73c3-a3e8-6bfca15c47f3"
BODIES = {
    "1/answer": {"outcome": "approved", "reason": "x", "report_digest": "0" * 64},
    "answer": {"text": "x"},
    "promote": {"alias": "champion", "reason": "x"},
    "reports": {"ref": "late"},
}
NAMES = {"run_id": RUN, "name": "late", "version": "1", "flag_id": RUN}


def addresses(verb):
    """Every address with this verb, with names filled in."""
    found = [n for n, handler in handlers.ADDRESSES.items() if verb in vars(handler) and n != "jobs/events"]
    return [re.sub(r"\{(\w+)\}", lambda m: NAMES[m[1]], name) for name in found]


@pytest.mark.parametrize("address", addresses("get"))
async def test_asking_makes_no_store(ask, notebook, address):
    try:
        await ask(address, runs=f"{RUN},{RUN}", ref="late@1")
    except HTTPClientError as no:
        code = no.code
    else:
        code = 200
    assert code in (200, 404)
    assert sorted(p.name for p in notebook.parent.iterdir()) == ["nb.ipynb", "nbmlops.toml"]


@pytest.mark.parametrize("address", [a for a in addresses("post") if a != "jobs"])
async def test_deciding_on_nothing_makes_no_store(ask, notebook, address):
    body = next((body for end, body in BODIES.items() if address.endswith(end)), {})
    code, said = await refused(ask(address, body=body))
    assert code == 404
    assert "Nothing was tracked" in said
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


@pytest.mark.parametrize("name", [" a.ipynb", "100% sure?#&+.ipynb", "l\u00e4\u00df 'x' \"y\".ipynb"])
async def test_a_name_nobody_thought_of_is_a_name(ask, notebook, jp_root_dir, name):
    (jp_root_dir / name).write_bytes(notebook.read_bytes())
    assert (await ask("parameters", at=name))["notebook"] == name
    code, said = await refused(ask("jobs", at=None, body={"notebook": name, "parameters": {"x": 1}}))
    assert (code, "no parameter 'x'" in said) == (400, True)


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


@pytest.mark.parametrize("path", ["../outside.ipynb", "/etc/passwd", "flights", "gone.ipynb", "nbmlops.toml"])
async def test_no_job_is_made_of_what_is_no_notebook_here(ask, jp_root_dir, notebook, path):
    (jp_root_dir.parent / "outside.ipynb").write_text("{}")
    code, said = await refused(ask("jobs", body={"notebook": path, "parameters": {}}))
    assert (code, said.startswith("No notebook")) == (404, True)


@pytest.mark.parametrize(
    "wrong",
    [
        "..",
        "...",
        ".hidden",
        "a%2Fb",
        "..%2F..%2Fetc%2Fpasswd",
        "a%00b",
        "<img src=x>",
        "x" * 3000,
        "%F0%9F",
        "'; DROP TABLE runs; --",
    ],
)
@pytest.mark.parametrize(
    "address", ["runs/{}", "runs/{}/source", "jobs/{}", "drift/{}", "models/{}/1", "models/late/{}"]
)
async def test_an_id_that_is_none_is_refused_in_a_line(jp_fetch, notebook, address, wrong):
    tracked("a")
    from urllib.parse import quote

    text = wrong if "%" in wrong else quote(wrong, safe="")
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("nbmlops", "api", *address.format(text).split("/"))
    assert caught.value.code in (400, 404)
    body = caught.value.response.body.decode()
    assert len(body) < 600
    assert "Traceback" not in body


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"limit": "many"}, "limit is 'many'"),
        ({"limit": "-1"}, "limit is '-1'"),
        ({"limit": "1001"}, "limit is '1001'"),
        ({"limit": "\u0663"}, "limit is"),
        ({"offset": "9" * 40}, "offset is"),
        ({"scope": "world"}, "Allowed: notebook, project"),
        ({"q": "x" * 5000}, "At most 4,000"),
        ({"q": "(" * 3000}, ""),
    ],
)
async def test_a_word_that_does_not_fit_is_said(ask, query, says):
    tracked("a")
    code, said = await refused(ask("runs", **query))
    assert code == 400
    assert says in said
    assert len(said) < 600


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '"x"',
        "[" * 100_000,
        '{"ref": 3}',
        '{"ref": "x", "url": "http://x"}',
        '{"ref": NaN}',
        '{"refresh": NaN}',
        "\xff",
        '{"ref": "\\u0000"}',
        '{"ref": "\\ud800"}',
    ],
)
async def test_a_body_that_does_not_fit_is_said(jp_fetch, notebook, body):
    tracked("a")
    at = {"notebook": "flights/nb.ipynb"}
    code, said = await refused(jp_fetch("nbmlops", "api", "reports", params=at, method="POST", body=body))
    assert code == 400
    assert len(said) < 300


async def test_a_huge_body_is_not_read(jp_fetch, notebook):
    body = json.dumps({"ref": "x" * 2_000_000})
    code, said = await refused(jp_fetch("nbmlops", "api", "reports", method="POST", body=body))
    assert (code, "At most 1,000,000" in said) == (400, True)


async def test_half_a_character_is_no_answer(ask, late):
    code, _ = await refused(ask("models/late/1/promote", body={"alias": "champion", "reason": "\ud800"}))
    assert code == 400


@pytest.mark.parametrize("address", ["runs", "models", "questions", "drift", "jobs", "reports", f"runs/{RUN}"])
async def test_a_store_that_is_locked_is_away_for_a_moment(ask, late, address, notebook):
    session.store().close()
    lock = sqlite3.connect(notebook.parent / ".nbmlops" / "store.sqlite")
    lock.execute("PRAGMA locking_mode = EXCLUSIVE")
    lock.execute("BEGIN EXCLUSIVE")
    try:
        code, said = await refused(ask(address))
    finally:
        lock.close()
    assert code == 503
    assert "nbmlops doctor" in said


async def test_a_database_that_is_away_is_said_without_its_address(ask, notebook, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", "postgresql+psycopg://ann:secret@127.0.0.1:9/name")
    for address in ("runs", "models", "jobs"):
        code, said = await refused(ask(address))
        assert code == 503
        assert "secret" not in said
        assert "127.0.0.1" not in said
    assert (await ask("status"))["actor"] is None


async def test_a_store_is_named_by_the_servers_own_configuration_alone(ask, notebook):
    tracked("a")
    for word in ("store", "url", "NBMLOPS_STORE", "project"):
        assert (await ask("runs", **{word: "sqlite:////etc/passwd"}))["total"] == 1


async def test_what_nobody_foresaw_is_logged_and_not_told(jp_fetch, notebook, monkeypatch):
    from nbmlops.server import runs

    def broken(here, **words):
        raise ZeroDivisionError(f"at {notebook}")

    monkeypatch.setattr(runs, "_runs", broken)
    tracked("a")
    code, said = await refused(jp_fetch("nbmlops", "api", "runs", params={"notebook": "flights/nb.ipynb"}))
    assert code == 500
    assert said == "Something went wrong here (ZeroDivisionError). The log of the Jupyter server says what."


async def test_a_body_deeper_than_anybody_means_is_refused(ask, notebook):
    for deep, says in ((48, "has no parameter"), (49, "deep"), (900, "deep")):
        value = json.loads("[" * deep + "]" * deep)
        code, said = await refused(ask("jobs", body={"notebook": "flights/nb.ipynb", "parameters": {"x": value}}))
        assert (code, says in said) == (400, True), said


async def test_a_notebook_the_file_browser_hides_is_not_found(ask, jp_root_dir, notebook):
    hidden = jp_root_dir / "flights" / ".drafts"
    hidden.mkdir()
    (hidden / "nb.ipynb").write_bytes(notebook.read_bytes())
    for at in ("flights/.drafts/nb.ipynb", "flights/../flights/.drafts/nb.ipynb"):
        code, said = await refused(ask("parameters", at=at))
        assert (code, said.startswith("No notebook")) == (404, True)
        code, _ = await refused(ask("jobs", body={"notebook": at, "parameters": {}}))
        assert code == 404


async def test_what_is_no_number_in_json_is_no_json(jp_fetch, notebook):
    for said in ("NaN", "Infinity", "-Infinity"):
        body = f'{{"notebook": "flights/nb.ipynb", "parameters": {{"x": {said}}}}}'
        code, why = await refused(jp_fetch("nbmlops", "api", "jobs", method="POST", body=body))
        assert (code, why.startswith("The body is not JSON")) == (400, True)


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("models/late/1/promote", {"alias": "champion", "reason": "x" * 4001}),
        ("models/late/1/answer", {"outcome": "approved", "reason": "x" * 4001, "report_digest": "0" * 64}),
        ("jobs/x/cancel", {"reason": "x" * 4001}),
    ],
)
async def test_a_reason_that_nobody_reads_is_kept_by_nobody(ask, late, address, body):
    code, said = await refused(ask(address, body=body))
    assert (code, said) == (400, "reason has 4,001 characters. At most 4,000.")


async def test_what_the_server_itself_refuses_is_said_in_words(
    http_server_client, jp_base_url, jp_auth_header, notebook
):
    url = f"{jp_base_url}nbmlops/api/runs?notebook=%F0%9F"
    code, said = await refused(http_server_client.fetch(url, headers=jp_auth_header))
    assert code == 400
    assert "%" not in said


async def test_who_decides_by_git_is_whom_the_repository_of_the_project_says(
    ask, notebook, late, monkeypatch, tmp_path
):
    """In the notebook beside the panel they are that one, too: nobody is two people, and answers for their own work."""
    import subprocess

    from nbmlops.capture import environment

    for name in ("CI", "JUPYTERHUB_USER", "GIT_CONFIG_GLOBAL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "gitconfig").write_text("[user]\nemail = ann@home.example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.chdir(tmp_path)
    environment.actor.cache_clear()
    assert (await ask("status"))["actor"]["name"] == "ann@home.example.org"
    subprocess.run(["git", "init", "-q"], cwd=notebook.parent, check=True)
    subprocess.run(["git", "config", "user.email", "ann@work.example.org"], cwd=notebook.parent, check=True)
    monkeypatch.setattr(environment, "FRESH_S", 1e-9)
    assert (await ask("status"))["actor"]["name"] == "ann@work.example.org"
    await ask("models/late/1/promote", body={"alias": "champion", "reason": "x"})
    assert nb.history("late")["actor"].tolist() == ["ann@work.example.org"]
    environment.actor.cache_clear()


async def test_a_store_that_cannot_be_changed_says_so_and_keeps_everything(ask, late, notebook, monkeypatch):
    from nbmlops.store import database

    lock = sqlite3.connect(notebook.parent / ".nbmlops" / "store.sqlite")
    lock.execute("BEGIN IMMEDIATE")  # reading goes on
    monkeypatch.setattr(database.Store.atomic.__wrapped__, "__defaults__", (0.1,))
    try:
        code, said = await refused(ask("models/late/1/promote", body={"alias": "champion", "reason": "x"}))
        assert (await ask("models/late/1"))["named"] == {}
    finally:
        lock.close()
    assert (code, said) == (503, "The project's store cannot be changed, so nothing was. Type: nbmlops doctor")


async def test_what_was_done_is_not_said_to_have_failed(ask, late, monkeypatch):
    """Somebody would do it again."""
    from nbmlops.server import models

    def away(here, name, version):
        raise OSError("the disk went away")

    monkeypatch.setattr(models, "_model", away)
    code, said = await refused(ask("models/late/1/promote", body={"alias": "champion", "reason": "x"}))
    assert (code, said) == (503, "It was done, but how it stands now cannot be read. Refresh to see it.")
    assert nb.model_version("late@1").aliases == ("champion",)


async def test_what_may_have_been_done_is_said_to_be_so(ask, late, monkeypatch):
    from nbmlops.errors import Uncertain
    from nbmlops.governance import promotion

    def lost(*asked):
        raise Uncertain("It is not known whether the change was made. /srv/store is away.", "Look: nbmlops audit")

    monkeypatch.setattr(promotion, "_move", lost)
    code, said = await refused(ask("models/late/1/promote", body={"alias": "champion", "reason": "x"}))
    assert (code, said) == (503, "It is not known whether the change was made. Look: nbmlops audit")


async def test_a_process_that_cannot_be_started_is_no_fault_of_the_store(ask, notebook, monkeypatch):
    from nbmlops.jobs.works import apart

    def none(*asked):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(apart, "_process", none)
    code, said = await refused(ask("jobs", body={"notebook": "flights/nb.ipynb"}))
    assert (code, said) == (503, "No process can be started (Cannot allocate memory). Look at memory and limits.")
