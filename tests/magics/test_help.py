"""A question mark behind a magic, ``%nbmlops`` alone, and what is said once to who is new."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from nbmlops.cli import COMMANDS
from nbmlops.errors import NbmlopsError
from nbmlops.magics import charter, front, magics, track

PARSERS = {magic.built.prog: magic.built for magic in magics().values()} | {
    "%%track": track.parser(),
    "%%charter": charter.parser(),
}
FOUND = [prog for prog in PARSERS if not prog.startswith("%nbmlops ")]


@pytest.mark.parametrize("prog", FOUND)
def test_a_question_mark_shows_usage_and_an_example(shell, capsys, prog):
    shell.run_cell(f"{prog}?")
    shown = capsys.readouterr().out
    assert f"usage: {prog}" in shown
    assert f"Example:\n  {prog}" in shown


def test_nbmlops_itself_is_explained(shell, capsys):
    shell.run_cell("%nbmlops?")
    assert "%nbmlops doctor" in capsys.readouterr().out


@pytest.mark.parametrize("prog", PARSERS)
def test_each_example_is_one_the_magic_takes(prog):
    parser = PARSERS[prog]
    lines = [line.strip() for line in parser.epilog.splitlines()[1:]]
    examples = [line for line in lines if line.startswith("%")]
    assert lines[0] == examples[0]
    for line in examples:
        assert line.startswith(prog)
        parser.parse_line(line.removeprefix(prog))


@pytest.mark.parametrize("prog", PARSERS)
def test_each_argument_says_what_it_is(prog):
    for action in PARSERS[prog]._actions:
        said = action.help or action.choices or action.metavar or len(action.option_strings) == 1
        assert said, f"{prog} {action.dest}"


def test_nbmlops_alone_lists_each_magic_and_command_in_a_line(shell, capsys):
    shell.run_cell("%nbmlops")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for name in (*PARSERS, *COMMANDS):
        (line,) = [line for line in lines if line.startswith(f"{name}  ")]
        assert len(line.removeprefix(name).strip()) > 10
        assert len(line) < 120
    assert len(lines) == len(PARSERS) + len(COMMANDS) + 3


def test_the_design_names_each_magic():
    design = (Path(__file__).parents[2] / "docs" / "design.md").read_text()
    for prog in PARSERS:
        assert re.search(rf"{re.escape(prog.removeprefix('%nbmlops '))}\b", design), prog


class Seen:
    """A shell whose cell a front end ran, or nobody's."""

    def __init__(self, folder, live=True):
        self.ipython_dir = str(folder)
        self.kernel = SimpleNamespace()
        self.request = {"metadata": {"cellId": "a"} if live else {}}

    def get_parent(self):
        return self.request


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    monkeypatch.delenv("NBMLOPS_RUN_ID", raising=False)
    return tmp_path


def test_the_hint_is_said_once_for_each_user(at_home, capsys):
    front.hint(Seen(at_home))
    assert capsys.readouterr().out == front.HINT + "\n"
    assert "\n" not in front.HINT
    front.hint(Seen(at_home))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("how", ["executed", "run", "terminal", "nowhere to write"])
def test_nobody_is_told_where_nobody_looks(at_home, monkeypatch, capsys, how):
    shell = Seen(at_home, live=how != "executed")
    if how == "run":
        monkeypatch.setenv("NBMLOPS_RUN_ID", "0190")
    if how == "terminal":
        del shell.kernel
    if how == "nowhere to write":
        shell.ipython_dir = str(at_home / "gone")
    front.hint(shell)
    assert capsys.readouterr().out == ""
    assert list(at_home.iterdir()) == []


def test_the_hint_names_what_works():
    assert shlex.split(front.HINT.split("with ")[1])[0] == "%%track"


@pytest.mark.parametrize("line", ["%drift --help", "%nbmlops drift --help", "%nbmlops advise -h", "%flag late --help"])
def test_help_is_asked_for_as_of_a_command(shell, capsys, line):
    shell.run_cell(line).raise_error()
    shown = capsys.readouterr().out
    name = line.split()[1] if line.startswith("%nbmlops") else line.split()[0][1:]
    assert shown.startswith(f"usage: {magics()[name].built.prog} ")


def test_a_word_of_a_text_asks_for_no_help(shell):
    with pytest.raises(NbmlopsError, match="nothing"):
        shell.run_line_magic("flag", 'nothing "see --help please"')


def test_a_wrong_line_is_answered_with_the_usage_as_it_is_typed(shell):
    with pytest.raises(NbmlopsError) as wrong:
        shell.run_line_magic("report", "--nonsense")
    assert "Usage: %report [-o FILE] [--for ROLE]" in str(wrong.value)


def test_what_is_no_command_is_told_where_the_list_is(shell):
    with pytest.raises(NbmlopsError) as wrong:
        shell.run_line_magic("nbmlops", "help")
    assert str(wrong.value).startswith("No magic or command 'help' here (%nbmlops lists them).")
