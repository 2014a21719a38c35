"""``approve`` and ``approvals``: the same by function, magic and command; bad input is one line and writes nothing."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid
from nbmlops.magics import complete, magics
from nbmlops.report.page import written

SAM, ANN, KIM = "sam@example.org", "ann@example.org", "kim@example.org"
CHARTER = f"""
roles: {{scientist: ['{SAM}'], manager: ['{ANN}'], expert: ['{KIM}']}}
promotes: reason
policy: {{champion: {{approvals: 2, roles: [manager, expert], each: true}}}}
"""


@pytest.fixture
def who(someone):
    someone(SAM)
    return someone


@pytest.fixture
def judged(project, who, model, held_out):
    (project / "charter.yaml").write_text(CHARTER)
    with nb.run("late"):
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    written("late@1")
    who(KIM)
    return project


def run(*words):
    return CliRunner().invoke(main, list(words))


def test_function_magic_and_command_say_the_same(judged):
    done = run("approve", "late@1", "--comment", "reads well", "--json")
    assert done.exit_code == 0, done.output
    shown = run("approvals", "late@1", "--json")
    assert shown.exit_code == 3  # something is missing
    by_magic = magics()["approvals"](SimpleNamespace(user_ns={}), "late@1").to_dict()
    assert json.loads(shown.output) == by_magic == nb.approvals("late@1").to_dict() == json.loads(done.output)
    again = magics()["approve"](SimpleNamespace(user_ns={}), 'late@1 --role expert --comment "twice"')
    assert [g["state"] for g in again.given] == ["withdrawn", "valid"]


def test_it_shows_itself_as_json_html_and_text(judged):
    found = nb.approve("late@1", "approved with conditions", conditions=["<b>look</b>; ann; 2999-05-01"])
    bundle = found._repr_mimebundle_()
    assert bundle["application/vnd.nbmlops.approvals.v1+json"] == found.to_dict()
    assert "&lt;b&gt;look" in bundle["text/html"]
    text = bundle["text/plain"]
    assert text.startswith("Approvals: late@1: incomplete")
    assert f"Missing: approval by manager ({ANN})." in text


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("approve", "late@1", "--role", "manager"), 3, "NotAllowed: kim@example.org does not play manager"),
        (("approve", "late@1", "--outcome", "sure"), 2, "Invalid: 'sure' is no outcome"),
        (("approve", "late@9"), 5, "NotFound: No version or alias of late '9'"),
        (("approve",), 2, "Missing argument 'REPORT'"),
        (("approve", "late@1", "--form", "f.txt"), 2, "A form names its report itself"),
        (("approve", "--form", "f.txt"), 5, "NotFound: There is no file 'f.txt'"),
        (("approve", "0123456789abcdef"), 5, "NotFound: No report of this store has the hash 0123456789ab"),
        (("approvals",), 2, "Missing argument 'REF'"),
        (
            ("approvals", "late@1", "--to", "chmpion"),
            5,
            "NotFound: No alias 'chmpion' in this project. Known: challenger, champion. Did you mean 'champion'?",
        ),
        (("approvals", "met", "1", "1", "--why", "so"), 5, "NotFound: Event 1 is no approval"),
        (("approvals", "override", "late@champion", "justified", "--why", "so"), 5, "NotFound: late@champion was not"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(judged, words, code, says):
    done = run(*words)
    assert done.exit_code == code
    assert says in done.output
    assert nb.approvals("late@1").given == ()


def test_a_form_goes_out_and_comes_back(judged):
    made = run("approve", "late@1", "--form", "new", "-o", "form.txt")
    assert made.output == "form.txt: fill it in; then: nbmlops approve --form form.txt\n"
    lines = Path("form.txt").read_text().splitlines()
    said = ["", "", "", "", KIM, "expert", "approved", "", "reads well", "2026-03-31"]
    Path("form.txt").write_text("\n".join(f"{line} {word}" for line, word in zip(lines, said, strict=True)))
    done = run("approve", "--form", "form.txt")
    assert done.exit_code == 0, done.output
    assert "reads well" in nb.approvals("late@1").given[0]["comment"]


def test_an_override_by_command_and_its_review(judged, who):
    who(SAM)
    assert run("promote", "late", "1", "--to", "champion", "--reason", "now").exit_code == 3
    done = run("promote", "late", "1", "--to", "champion", "--reason", "now", "--override")
    assert done.exit_code == 0, done.output
    assert "moved against the policy" in run("approvals", "late@1").output
    who(ANN)
    done = run("approvals", "override", "late@champion", "not justified", "--why", "it was well")
    assert done.output == "late@champion: the override was not justified.\n"
    assert "against the policy" not in run("approvals", "late@1").output


def test_conditions_are_met_by_command(judged):
    owed = f"look again; {KIM}; 2999-05-01"
    done = run("approve", "late@1", "--outcome", "approved with conditions", "--condition", owed, "--json")
    seq = json.loads(done.output)["given"][0]["seq"]
    done = run("approvals", "met", str(seq), "1", "--why", "no change", "--json")
    assert json.loads(done.output)["conditions"][0]["state"] == "met"


def test_a_bare_word_approves_nothing(shell, judged):
    done = shell.run_cell("approve late@1")
    assert isinstance(done.error_in_exec or done.error_before_exec, (Invalid, SyntaxError))
    assert nb.approvals("late@1").given == ()
    shell.run_cell("%approve late@1 --comment yes").raise_error()
    assert len(nb.approvals("late@1").given) == 1


def test_tab_names_roles_outcomes_and_versions(judged):
    assert complete.offers("%approve late@1 --role ")[:2] == ["stakeholder", "expert"]
    assert "changes requested" in complete.offers("%approve late@1 --outcome ")
    assert "late" in complete.offers("%approve ")
