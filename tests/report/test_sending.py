"""A decision goes to the people of a role by the channels of alerts; what is not sent is kept, and that is said."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid
from nbmlops.report.page import written
from nbmlops.tracking import session

from .conftest import CHARTER


def configured(folder, text):
    (folder / "nbmlops.toml").write_text(text)
    session.reset()


@pytest.fixture
def agreed(project, champion):
    (project / "charter.yaml").write_text(CHARTER + "\nroles: {compliance: [cy@example.org]}\n")
    configured(project, "[alerts]\nfile = 'alerts.jsonl'\n")
    return project


def told(folder):
    path = folder / "alerts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_decision_goes_out_with_its_hash_and_where_it_is(agreed):
    found = written("project", send="compliance")
    (said,) = told(agreed)
    assert said["title"] == f"{found.title}: {found.answer}"
    for part in (found.question, found.because, found.digest, "Report 1", "To: compliance (cy@example.org)"):
        assert part in said["text"]
    assert said["report"]["path"] == ".nbmlops/outputs/reports/project.html"
    assert (agreed / said["report"]["path"]).is_file()
    assert found.sent["delivered"]
    assert repr(found).endswith("Sent to compliance (cy@example.org) through file:alerts.jsonl.")


def test_the_report_of_a_run_can_be_sent_too(agreed):
    written("train", send="compliance")
    assert [s["title"].split(":")[0] for s in told(agreed)] == ["Run report"]


def test_what_an_error_quotes_stays_in_the_project(agreed):
    with pytest.raises(ValueError, match="Ada"), nb.run("bad"):
        float("Ada Lovelace")
    written("bad", send="compliance")
    (said,) = told(agreed)
    assert "ValueError: could not convert string to float: '...'" in said["text"]
    assert "Lovelace" not in json.dumps(said)
    assert said["text"].splitlines()[0] == "Script 'bad' failed."


def test_an_unknown_role_names_the_roles_and_writes_nothing(agreed):
    with pytest.raises(Invalid, match=r"'boss' is no role\. Roles: stakeholder, expert"):
        nb.report("project", send="boss")
    assert not (agreed / ".nbmlops/outputs/reports").exists()


def test_a_role_nobody_plays_is_told_so(agreed):
    assert "stakeholder (nobody is named)" in written("project", send="stakeholder").sent["words"]


def test_without_channels_it_is_kept_and_the_command_ends_with_1(agreed):
    configured(agreed, "")
    found = CliRunner().invoke(main, ["report", "project", "--send", "compliance"])
    assert found.exit_code == 1
    assert "sent to nobody: nbmlops.toml has no [alerts]" in found.output
    assert nb.alerts()["state"].tolist() == ["kept"]


def test_what_a_channel_did_not_take_is_kept_and_sent_later(agreed):
    configured(agreed, "[alerts]\nfile = 'no/such/folder.jsonl'\n")
    found = CliRunner().invoke(main, ["report", "project", "--send", "compliance", "--json"])
    sent = json.loads(found.stdout)["sent"]
    assert found.exit_code == 1
    assert sent["failed"].keys() == {"file:no/such/folder.jsonl"}
    (agreed / "no/such").mkdir(parents=True)
    assert nb.alerts(send=True)["state"].tolist() == ["sent"]
    assert len((agreed / "no/such/folder.jsonl").read_text().splitlines()) == 1


def test_a_hook_of_the_project_is_called(agreed):
    (agreed / "sent_hook.py").write_text(
        "from pathlib import Path\ndef tell(alert):\n    Path('told.txt').write_text(alert['report']['role'])\n"
    )
    configured(agreed, "[alerts]\nhook = 'sent_hook:tell'\n")
    assert written("project", send="compliance").sent["delivered"]
    assert (agreed / "told.txt").read_text() == "compliance"


def test_sending_changes_nothing_of_the_report(agreed):
    first = written("project", send="compliance")
    again = written("project", send="compliance")
    assert (again.digest, again.number, again.stale) == (first.digest, 1, False)
    assert len(told(agreed)) == 2  # asked for twice


def test_the_command_and_the_magic_send_it(agreed, shell):
    configured(agreed, "[alerts]\nfile = 'alerts.jsonl'\n")
    assert CliRunner().invoke(main, ["report", "project", "--send", "compliance"]).exit_code == 0
    assert shell.run_line_magic("report", "project --send compliance").sent["delivered"]
    assert len(told(agreed)) == 2
