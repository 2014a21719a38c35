"""``nbmlops report``."""

import json

from click.testing import CliRunner

from nbmlops.cli import main
from nbmlops.tracking import session


def test_writes_where_it_is_told_and_says_what_it_says(project):
    with session.run("forest"):
        pass
    done = CliRunner().invoke(main, ["report", "forest", "-o", "r.html"])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "Run report: forest",
        "Nothing is asked to be decided: For information",
        "Script 'forest' tracked 0 settings, 0 metrics and 0 results and registered no model.",
        "r.html",
    ]
    assert (project / "r.html").read_text().startswith("<!doctype html>")


def test_json_says_where_and_by_which_facts(project):
    with session.run("forest"):
        pass
    done = CliRunner().invoke(main, ["report", "forest", "--json"])
    data = json.loads(done.output)
    assert set(data) == {"path", "title", "question", "answer", "because", "as_of", "digest", "run_id"} | {
        "number",
        "stale",
        "note",
        "sent",
        "url",
    }
    assert len(data["digest"]) == 64


def test_an_unknown_run_ends_with_the_code_for_no_data(project):
    done = CliRunner().invoke(main, ["report", "nope"])
    assert done.exit_code == 5
    assert "No run, experiment, model or job 'nope'" in done.output


def test_help_has_an_example():
    assert "nbmlops report late-flights@champion" in CliRunner().invoke(main, ["report", "--help"]).output
