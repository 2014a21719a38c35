"""``nbmlops init`` and ``nbmlops doctor``, as typed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tomllib

import pytest
from click.testing import CliRunner

from nbmlops.cli import begin, doctor, main
from nbmlops.config import find_project
from nbmlops.store import sqlite
from nbmlops.store.driver import connect
from nbmlops.store.journal import Journal
from nbmlops.store.schema import SCHEMA
from nbmlops.tracking import session


def typed(*words: str):
    return CliRunner().invoke(main, list(words))


def lines(*words: str) -> dict[str, dict[str, str]]:
    return {line["what"]: line for line in json.loads(typed("doctor", "--json", *words).output)}


def test_init_makes_a_project_that_is_found(project, tmp_path):
    folder = tmp_path / 'a "new" one'
    result = typed("init", str(folder))
    assert result.exit_code == 0
    assert "%%track" in result.output
    assert tomllib.loads((folder / "nbmlops.toml").read_text())["project"]["name"] == 'a "new" one'
    assert (folder / ".nbmlops" / ".gitignore").read_text() == "*\n"
    assert find_project(folder).root == folder


def test_init_keeps_what_is_there(project):
    (project / "nbmlops.toml").write_text("# mine\n")
    result = typed("init")
    assert (project / "nbmlops.toml").read_text() == "# mine\n"
    assert [line.split()[0] for line in result.output.splitlines()[:2]] == ["kept", "made"]


def test_every_setting_shown_as_a_comment_is_valid(project):
    text = "\n".join(line.removeprefix("# ") if " = " in line else line for line in _settings().splitlines())
    assert set(tomllib.loads(text)["store"]) == {"url", "artifacts"}


def test_doctor_makes_no_store_where_nothing_was_tracked(project):
    found = lines()
    assert found["store"]["says"].endswith("made by the first tracked run")
    assert not (project / ".nbmlops").exists()


def test_doctor_says_the_mode_and_why(project, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    session.finish(session.start("forest"))
    session.store().sync()
    found = lines()
    assert "journal mode TRUNCATE" in found["store"]["says"]
    assert "3.51.3" in found["store"]["says"]
    assert found["schema"]["says"] == f"number {SCHEMA}"


def test_doctor_counts_what_waits(project):
    session.finish(session.start("forest"))
    session.store().sync()
    other = Journal(project / ".nbmlops" / "journal")
    for value in "ab":
        other.append({"t": "tag", "run_id": "r", "name": "a", "value": value})
    assert lines()["waiting"]["says"].startswith("2 tracked events in 1 journal, ")
    other.close()


def test_doctor_says_what_was_set_aside_and_why(project):
    with session.run("odd") as opened:
        session.write({"t": "from the future", "run_id": opened.run_id})
    session.store().sync()
    found = lines()["set aside"]
    assert found["word"] == "problem"
    assert "from the future" in found["says"]


def test_doctor_knows_a_network_file_system(project, monkeypatch):
    session.finish(session.start("forest"))
    session.store().sync()
    monkeypatch.setattr(sqlite, "mode", lambda _: sqlite.Mode("TRUNCATE", "a network file system (nfs4)", True))
    found = lines()
    assert "nfs4" in found["store"]["says"]
    assert "NBMLOPS_STORE" in found["disk"]["do"]


def test_doctor_verifies_the_chain_and_says_when_all_was_verified(project):
    with session.store().atomic() as change:
        change.event("flag", "row 1", {}, ("me", "os"))
    assert (lines()["chain"]["word"], lines()["verified"]["says"]) == ("ok", "never")
    assert typed("store", "verify").exit_code == 0
    assert lines()["verified"]["says"].startswith("all right on 2")
    with connect(session.project()) as connection:
        connection.execute("UPDATE events SET actor = 'eve'")
    assert lines()["chain"]["word"] == "problem"
    assert typed("doctor").exit_code == 1
    assert typed("store", "verify").exit_code == 3
    found = lines()["verified"]
    assert (found["word"], "chain: event 1 was changed" in found["says"]) == ("problem", True)


def test_doctor_counts_abandoned_runs(project):
    with session.run("lost"):
        pass
    session.store().sync()
    with connect(session.project()) as connection:
        gone = json.dumps({"host": "elsewhere", "boot_id": "x", "pid": 1, "started": 1})
        connection.execute("UPDATE runs SET status = 'running', lease = 'gone', process = ?", (gone,))
        connection.execute("INSERT INTO leases (lease, process, renewed_at) VALUES ('gone', ?, 1)", (gone,))
    found = lines()["abandoned"]
    assert found["says"].startswith("1 run ")
    assert found["do"] == "nbmlops store reap"


def test_doctor_says_how_large_everything_is(project):
    session.artifacts().put(b"x" * 2500)
    found = lines()
    assert found["artifacts"]["says"].endswith("artifacts, 1 file")
    assert "artifacts 2.5 kB" in found["sizes"]["says"]


def test_artifacts_that_cannot_be_reached_are_a_problem(project, monkeypatch):
    monkeypatch.setenv("NBMLOPS_ARTIFACTS", "nothing-like-this://bucket")
    assert lines()["artifacts"]["word"] == "problem"
    assert "sizes" not in lines()
    assert typed("doctor").exit_code == 1


def test_a_bucket_that_does_not_exist_is_a_problem_and_an_empty_one_is_not(project, monkeypatch, s3):
    monkeypatch.setenv("NBMLOPS_ARTIFACTS", f"{s3}/prefix")
    assert (lines()["artifacts"]["word"], "0 files" in lines()["artifacts"]["says"]) == ("ok", True)
    monkeypatch.setenv("NBMLOPS_ARTIFACTS", f"{s3}-not/prefix")
    assert (lines()["artifacts"]["word"], lines()["artifacts"]["do"][:9]) == ("problem", "Make the ")


def test_a_database_that_is_away_is_said_once(project, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", "postgresql+psycopg://me@127.0.0.1:1/team?password=s3cret")
    found = typed("doctor").output
    assert found.count("does not answer") == 1
    assert "s3cret" not in found
    assert "ok       artifacts" in found


def test_a_journal_elsewhere_is_no_matter_of_rights_where_the_folder_can_be_written(project):
    from nbmlops.store.journal import waiting_folder

    folder = find_project().home / "journal"
    other = Journal(waiting_folder(folder))
    other.append({"t": "tag", "run_id": "r", "name": "a", "value": "b"})
    other.close()
    found = lines()["journal"]
    shutil.rmtree(other.home.parent)
    assert "make room" in found["do"]


def test_doctor_hides_the_password_of_a_store(project, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", "postgresql+nothing://ann:secret@localhost/name")
    result = typed("doctor", "--json")
    assert "secret" not in result.output
    assert result.exit_code == 1


def test_a_damaged_store_is_a_problem_and_the_rest_is_still_said(project):
    (project / ".nbmlops").mkdir()
    (project / ".nbmlops" / "store.sqlite").write_bytes(b"no database" * 1000)
    found = lines()
    assert found["store"]["word"] == "problem"
    assert "backup" in found["store"]["do"]
    assert found["waiting"]["word"] == "ok"
    assert found["python"]["word"] == "ok"


@pytest.mark.parametrize(("enabled", "word"), [(True, "ok"), (False, "problem")])
def test_doctor_reads_whether_the_server_side_is_enabled(project, monkeypatch, tmp_path, enabled, word):
    settings = {"ServerApp": {"jpserver_extensions": {"nbmlops": enabled}}}
    (tmp_path / "jupyter_server_config.json").write_text(json.dumps(settings))
    monkeypatch.setattr("jupyter_core.paths.jupyter_config_path", lambda: [str(tmp_path)])
    found = lines()["server extension"]
    assert found["word"] == word
    assert bool(found["do"]) is not enabled


def test_doctor_says_when_the_panel_is_not_built(project, monkeypatch, tmp_path):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path)])
    assert lines()["panel"]["word"] == "problem"
    (tmp_path / "labextensions" / "nbmlops" / "static").mkdir(parents=True)
    (tmp_path / "labextensions" / "nbmlops" / "static" / "style.js").touch()
    assert lines()["panel"]["word"] == "ok"


def test_a_missing_extra_is_named_and_breaks_nothing(project, monkeypatch):
    monkeypatch.setattr(doctor, "EXTRAS", {"lab": (("no-such-package", "nothing"),)})
    found = lines()["no-such-package [lab]"]
    assert (found["word"], found["do"]) == ("missing", "pip install 'nbmlops[lab]'")


def test_text_is_aligned_and_ends_with_the_count(project, monkeypatch):
    text = typed("doctor").output
    assert {line.split()[0] for line in text.splitlines() if line and not line.startswith(" ")} <= {
        "ok",
        "missing",
        "problem",
        *(str(n) for n in range(99)),
    }
    assert text.splitlines()[-1].endswith("problem")


def test_tracking_switched_off_is_a_problem(project, monkeypatch):
    monkeypatch.setenv("NBMLOPS_DISABLED", "1")
    assert lines()["tracking"]["do"] == "unset NBMLOPS_DISABLED"


def _settings() -> str:
    return begin.SETTINGS.format(name='"x"')
