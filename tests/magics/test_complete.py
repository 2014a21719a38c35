"""The word behind a magic or command is offered: commands of a group, flags, models, people, words of a list."""

import pytest

import nbmlops as nb
from nbmlops.errors import NbmlopsError
from nbmlops.magics import places
from nbmlops.magics.complete import candidates, commands, following

CHARTER = """
roles: {manager: [ann@example.org], ethics: [eve@example.org]}
policy: {staging: {approvals: 1}}
"""


@pytest.fixture
def late(project, model, someone, train):
    (project / "charter.yaml").write_text(CHARTER)
    someone("sam@example.org")
    nb.dataset("trips", train)
    nb.register(model, "late")
    nb.register(model, "late")
    nb.promote("late", 1, to="challenger", reason="first")
    return nb.flag("late@2", "too sure")


def asked(line):
    return set(commands(f"%nbmlops {line}"))


def test_the_commands_of_audit_and_what_they_ask_for(late):
    assert asked("audit ") == {"show", "verify", "head", "anchor", "export"}
    assert {"--model", "--person", "--since", "--action", "--json"} <= asked("audit show ")
    assert "--head" in asked("audit verify --")
    assert {"late", "late@challenger"} <= asked("audit show --model ")
    assert {"sam@example.org", "ann@example.org", "eve@example.org"} == asked("audit show --json --person ")
    assert {"register", "flag", "charter"} <= asked("audit show --action al")


def test_what_a_charter_command_asks_for(late):
    assert {"new", "check", "value", "viability", "review"} <= asked("charter ")
    for verb in ("check", "value", "viability"):
        assert {"late", "late@challenger"} <= asked(f"charter {verb} ")
    assert "--auc" in asked("charter value --")


def test_what_an_answer_asks_for(late):
    assert {"late@2", "late"} <= asked("approve ") & set(candidates("approve", {}))
    assert {'"changes requested"', "rejected"} <= asked("approve late@2 --outcome ")
    assert {"manager", "ethics"} <= asked("approve late@2 --role m")
    assert "ann@example.org" in asked("approve late@2 --by ")
    assert {"--condition", "--expires", "--form"} <= asked("approve late@2 -")
    assert {"met", "override", "late@2"} <= asked("approvals ")
    assert asked("approvals late@2 --to ") == {"champion", "challenger", "staging"}
    assert asked("approvals override late@champion ") == {"justified", '"not justified"'}


def test_what_a_flag_asks_for(late):
    assert {"late", "late@challenger", "trips"} <= asked("flags ")
    assert {"open", "dismissed"} <= asked("flags late --state ")
    assert asked("flags --id ") == {late.flag_id} == asked("flag answer ")
    assert following("flag", "%flag answer ") == [late.flag_id]
    assert following("flag", "%flag late --kind ") == ["model", "dataset", "run"]


def test_a_charter_that_cannot_be_read_hides_nothing_else(late, project):
    (project / "charter.yaml").write_text("roles: nonsense")
    assert asked("audit show --person ") == {"sam@example.org"}
    assert "manager" in asked("approve late@2 --role ")


def test_a_command_of_a_magics_own_name_is_the_command(late, shell, capsys):
    with pytest.raises(NbmlopsError, match="ended with exit code 5"):
        shell.run_line_magic("nbmlops", 'approvals met 1 1 --why "so"')
    assert "Event 1 is no approval" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("%nbmlops audit an", ["anchor"]),
        ("%nbmlops audit show --model late@", ["challenger"]),
        ("%approve late@", ["2", "challenger"]),
        ("%nbmlops audit show --mo", ["--model"]),
        ("%approve late@2 --role eth", ["ethics"]),
    ],
)
def test_the_shell_asks_here(late, shell, monkeypatch, line, found):
    from IPython.core.completer import provisionalcompleter

    monkeypatch.setattr(places, "LIMIT_S", 60)
    with provisionalcompleter():
        assert set(found) <= {c.text for c in shell.Completer.completions(line, len(line))}  # beside Python's own
