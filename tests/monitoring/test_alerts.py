"""One message per check; it is kept before it is sent, and sent again where that failed."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.config import Project
from nbmlops.monitoring import alerts
from nbmlops.tracking import session
from watched import months, registered, rows

TOKEN = "s3cr3t-t0ken-of-mine"


def configured(folder, text):
    (folder / "nbmlops.toml").write_text(f"[alerts]\n{text}\n")
    session.reset()


@pytest.fixture
def late(project):
    registered()
    return project


@pytest.fixture
def server():
    """A loopback server that keeps what it is sent; ``status`` says what it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.path, json.loads(body)))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    found.got, found.status = [], 200
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


def closed_port():
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def moved(seed=2, shift=2.0):
    return nb.drift(rows(2000, seed, shift), "late-flights@1")


def lines(folder, name="alerts.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_one_message_bundles_what_opened_and_says_what_to_do(late):
    configured(late, 'file = "alerts.jsonl"')
    report = moved()
    assert report.notes == ()
    (said,) = lines(late)
    opened = [e for e in report.episodes if e["level"] == "alert"]
    assert len(said["episodes"]) == len(opened) > 1
    assert said["title"].startswith("late-flights@1: alert on ")
    assert f"Owner: {nb.model_version('late-flights@1').owner}" in said["text"]
    assert "Watch it" in said["text"]
    assert "(since 20" in said["text"]


def test_an_episode_sends_one_alert_and_another_only_when_it_opens_again(late):
    configured(late, 'file = "alerts.jsonl"')
    for seed, shift in ((2, 2.0), (3, 2.0), (4, 0.0), (5, 0.0)):
        moved(seed, shift)
    assert len(lines(late)) == 1
    moved(6)
    assert len(lines(late)) == 2


def test_without_a_channel_the_alert_is_kept_and_nobody_nagged(late):
    assert moved().notes == ()
    assert list(nb.alerts().state) == ["kept"]
    assert alerts.unsent() == []


def test_an_address_gets_the_alert(late, server, monkeypatch, needed):
    needed("apprise")
    monkeypatch.setenv("ALERT_URL", f"json://127.0.0.1:{server.server_port}/{TOKEN}")
    configured(late, 'urls = ["env:ALERT_URL"]')
    assert moved().notes == ()
    ((path, said),) = server.got
    assert path.startswith(f"/{TOKEN}")
    assert "late-flights@1" in said["title"]
    assert "What to do:" in said["message"]
    (row,) = nb.alerts().to_dict("records")
    assert (row["channel"], row["state"], row["tries"]) == ("env:ALERT_URL", "sent", 1)


def test_an_address_that_is_away_is_tried_again(late, server, monkeypatch, needed):
    needed("apprise")
    monkeypatch.setenv("ALERT_URL", f"json://user:{TOKEN}@127.0.0.1:{closed_port()}/{TOKEN}")
    configured(late, 'urls = ["env:ALERT_URL"]\nfile = "alerts.jsonl"')
    report = moved()
    assert report.verdict == "alert"
    assert "alert not sent by env:ALERT_URL, kept for the next check" in report.notes[-1]
    failed = CliRunner().invoke(main, ["alerts", "--send"])
    assert (failed.exit_code, "env:ALERT_URL" in failed.output) == (1, True)
    everything = repr(report) + failed.output + nb.alerts().to_string() + CliRunner().invoke(main, ["doctor"]).output
    assert TOKEN not in everything
    assert TOKEN.encode() not in b"".join(p.read_bytes() for p in late.rglob("*.sqlite*"))
    assert "1 alert not sent" in everything
    monkeypatch.setenv("ALERT_URL", f"json://127.0.0.1:{server.server_port}/")
    sent = CliRunner().invoke(main, ["alerts", "--send", "--json"])
    assert sent.exit_code == 0, sent.output
    assert {r["channel"]: (r["state"], r["tries"]) for r in json.loads(sent.output)} == {
        "env:ALERT_URL": ("sent", 3),
        "file:alerts.jsonl": ("sent", 1),
    }
    assert (len(server.got), len(lines(late))) == (1, 1)


def test_the_next_check_sends_what_failed(late, server, monkeypatch, needed):
    needed("apprise")
    server.status = 500
    monkeypatch.setenv("ALERT_URL", f"json://127.0.0.1:{server.server_port}/")
    configured(late, 'urls = ["env:ALERT_URL"]')
    assert "kept for the next check" in moved().notes[-1]
    server.status = 200
    assert moved(3).notes == ()
    assert [a["state"] for a in alerts.rows()] == ["sent"]


def test_a_hook_of_the_project_is_called(late, monkeypatch):
    (late / "told_by_nbmlops.py").write_text("heard = []\ndef tell(alert):\n    heard.append(alert)\n")
    configured(late, 'hook = "told_by_nbmlops:tell"')
    assert moved().notes == ()
    import sys

    (said,) = sys.modules.pop("told_by_nbmlops").heard
    assert said["model"] == "late-flights"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'urls = ["json://user:{TOKEN}@host/"]', "written in the clear"),
        (f'urls = "slack://{TOKEN}"', "written in the clear"),
        ("urls = [3]", "written in the clear"),
        ("file = 3", "file is no path"),
        ('file = "no/such/folder/a.jsonl"', "FileNotFoundError"),
        ('hook = "os.system"', "hook is no function"),
        ('hook = "no_such_module:f"', "ModuleNotFoundError"),
        ('urls = ["env:NOT_SET_AT_ALL"]', "Secret NOT_SET_AT_ALL is not set"),
    ],
)
def test_a_bad_configuration_is_a_note_and_a_failed_alert(late, text, told):
    configured(late, text)
    report = moved()
    assert told in report.notes[-1]
    assert report.episodes
    assert {r["state"] for r in alerts.rows()} == {"failed"}
    assert TOKEN not in repr(report) + nb.alerts().to_string()
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 1


def test_an_address_apprise_does_not_know_is_told_without_it(late, monkeypatch, needed):
    needed("apprise")
    monkeypatch.setenv("ALERT_URL", f"nonsense-{TOKEN}")
    configured(late, 'urls = ["env:ALERT_URL"]')
    note = moved().notes[-1]
    assert "holds no address that apprise knows" in note
    assert TOKEN not in note


def test_without_apprise_the_alert_waits(late, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setenv("ALERT_URL", "json://127.0.0.1/")
    configured(late, 'urls = ["env:ALERT_URL"]')
    assert "pip install 'nbmlops[notify]'" in moved().notes[-1]


def test_a_slow_channel_does_not_hold_up_the_check(late, monkeypatch):
    (late / "slow_hook.py").write_text("import time\ndef tell(alert):\n    time.sleep(30)\n")
    configured(late, 'hook = "slow_hook:tell"\nfile = "alerts.jsonl"')
    monkeypatch.setattr(alerts.deliver, "__defaults__", (alerts.now, 0.3))
    begun = time.monotonic()
    assert "no answer within 0.3 s" in moved().notes[-1]
    assert time.monotonic() - begun < 10
    assert len(lines(late)) == 1


def test_what_another_process_took_and_left_is_sent_after_a_minute(late):
    from nbmlops.store import episodes as stored

    configured(late, 'file = "alerts.jsonl"')
    said = {"alert_id": "x", "model": "m", "version": 1, "at": "2026-01-01", "title": "t", "text": "t"}
    with session.store().atomic() as change:
        stored.add_alert(change, said, ["file:alerts.jsonl"])
        stored.claim(change, "2026-01-01T00:00:00.000000+00:00", "", ["file:alerts.jsonl"], 5)
    assert alerts.deliver(clock=lambda: "2026-01-01T00:00:59.000000+00:00") == ()
    assert not (late / "alerts.jsonl").exists()
    assert alerts.deliver(clock=lambda: "2026-01-01T00:01:01.000000+00:00") == ()
    assert len(lines(late)) == 1


def test_channels_of_others_are_left_to_them(late):
    from nbmlops.store import episodes as stored

    configured(late, 'file = "alerts.jsonl"')
    said = {"alert_id": "x", "model": "m", "version": 1, "at": "2026-01-01", "title": "t", "text": "t"}
    with session.store().atomic() as change:
        stored.add_alert(change, said, ["file:../elsewhere.jsonl"])
    alerts.deliver()
    assert not (late.parent / "elsewhere.jsonl").exists()
    assert [r["state"] for r in alerts.rows()] == ["waiting"]


def test_the_file_says_whom_the_charter_names(late):
    (late / "charter.yaml").write_text("roles: {ml_engineer: [ann@example.org]}\n")
    configured(late, 'file = "alerts.jsonl"')
    moved()
    assert "Runs it, by the charter: ann@example.org" in lines(late)[0]["text"]


def test_a_broken_charter_does_not_stop_an_alert(late):
    (late / "charter.yaml").write_text("nonsense: 1\n")
    configured(late, 'file = "alerts.jsonl"')
    moved()
    assert "charter cannot be read" in lines(late)[0]["text"]


def test_many_months_at_once_are_one_message(late):
    configured(late, 'file = "alerts.jsonl"')
    nb.drift(months(0.0, 2.0, 0.0, 0.0, 2.0), "late-flights@1", chunk="month")
    (said,) = lines(late)
    assert "since month 1, closed meanwhile" in said["text"]
    assert "since month 4)" in said["text"]


def test_doctor_says_the_open_episodes(late):
    moved()
    said = CliRunner().invoke(main, ["doctor"]).output
    assert "late-flights@1: " in said
    assert "open episode" in said


def test_channels_are_named_without_their_address(tmp_path):
    found = alerts.channels(Project(tmp_path, "", {"alerts": {"urls": ["env:A", f"json://{TOKEN}", "env:A"]}}))
    assert [c.name for c in found] == ["env:A", "urls[2]"]
    assert TOKEN not in repr(found)
