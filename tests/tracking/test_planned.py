"""A tracked cell says the how-manyth of the planned runs it is, and nothing where none are planned."""

import pytest

import nbmlops as nb
from nbmlops.tracking import opened, planned, session

PLAN = "experiments: [{name: forest, runs: 3, stop: no gain}]\n"


@pytest.fixture
def said(shell, project, capsys):
    def run(name="forest", body="x = 1"):
        shell.run_cell(f"%%track {name}\n{body}")
        return capsys.readouterr().out

    return run


def test_it_counts_what_finished(said, project):
    (project / "charter.yaml").write_text(PLAN)
    assert "run 1 of 3 planned" in said()
    assert "1 of 3 planned" in said(body="1 / 0")
    assert "run 1 of 3 planned" not in said(body="1 / 0")
    assert "run 2 of 3 planned" in said()
    said()
    assert "4 runs of 3 planned" in said()


def test_nothing_is_said_where_none_are_planned(said, project):
    assert "planned" not in said()
    (project / "charter.yaml").write_text(PLAN)
    assert "planned" not in said("other")
    (project / "charter.yaml").write_text("experiments: [{name: forest}]\n")
    assert "planned" not in said()
    (project / "charter.yaml").write_text("experiments: [")
    out = said()
    assert "finished" in out
    assert "planned" not in out


def test_a_plan_that_changes_is_read_again(said, project):
    (project / "charter.yaml").write_text(PLAN)
    said()
    (project / "charter.yaml").write_text(PLAN.replace("3", "12"))
    assert "run 2 of 12 planned" in said()


def test_a_deleted_run_counts_no_more(said, project):
    from nbmlops.store.lifecycle import delete_runs

    (project / "charter.yaml").write_text(PLAN)
    said()
    said()
    delete_runs(session.project(), [nb.get_run("forest").run_id])
    assert "run 2 of 3 planned" in said()


def test_without_a_charter_nothing_is_looked_up(said, project, monkeypatch):
    monkeypatch.setattr(opened, "background", True)
    monkeypatch.setattr(planned, "_look_up", lambda *_: pytest.fail("looked up"))
    assert "finished" in said()
