"""``%%charter``: read whole or refused, kept as typed, never over what somebody else changed."""

import json

import pytest

import nbmlops as nb
from nbmlops.errors import Conflict, Invalid
from nbmlops.governance.agreed_on import changes, note

FIRST = "# agreed in May\nproblem: Will it be late\nmetrics:\n  - {name: roc_auc, at_least: 0.6}\n"
SECOND = FIRST.replace("0.6", "0.65")


def keep(shell, text, line=""):
    return shell.run_cell_magic("charter", line, text)


def test_it_keeps_the_text_as_typed_and_says_what_changed(shell, project):
    first = keep(shell, FIRST)
    assert (project / "charter.yaml").read_text() == FIRST
    assert (first.written, first.changed) == (True, ("begun",))
    second = keep(shell, SECOND)
    assert second.changed == ("target roc_auc: at least 0.65, was 0.6",)
    assert second.before == first.digest == changes()[0]["digest"]
    assert "target roc_auc: at least 0.65, was 0.6" in repr(second)
    assert nb.charter().metrics[0].at_least == 0.65


def test_the_same_text_again_says_so_and_records_nothing(shell, project):
    keep(shell, FIRST)
    again = keep(shell, FIRST)
    assert repr(again).startswith("Charter unchanged (charter.yaml)")
    assert not again.written
    assert len(changes()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("problem: a: b\n", r"the cell is not valid YAML: line 2"),
        ("problem: a\nmargin: 3\n", r"margin is 3.*\(line 3\)"),
        ("problem: a\nquestions:\n  - {id: 1, question: a}\n  - {id: 2}\n", r"question '2' asks nothing.*\(line 5\)"),
        ("problme: a\n", r"'problme' is no key.*Did you mean 'problem'\?.*\(line 2\)"),
        ("problem: a\nproblem: b\n", "says 'problem' twice, in lines 2 and 3"),
        ("# nothing\n", "holds no keys"),
    ],
)
def test_a_broken_one_changes_nothing_and_names_the_line_of_the_cell(shell, project, text, message):
    keep(shell, FIRST)
    with pytest.raises(Invalid, match=message) as error:
        keep(shell, text)
    assert "\n" not in str(error.value)
    assert (project / "charter.yaml").read_text() == FIRST
    assert len(changes()) == 1


def test_an_unknown_option_changes_nothing(shell, project):
    with pytest.raises(Invalid, match="unrecognized arguments: --forse"):
        keep(shell, FIRST, "--forse")
    assert not (project / "charter.yaml").exists()


def test_what_was_changed_by_hand_is_not_overwritten(shell, project):
    keep(shell, FIRST)
    (project / "charter.yaml").write_text("problem: by hand\n")
    with pytest.raises(Conflict, match="changed"):
        keep(shell, SECOND)
    assert (project / "charter.yaml").read_text() == "problem: by hand\n"
    assert len(changes()) == 1
    shell.run_line_magic("unload_ext", "nbmlops")
    shell.run_line_magic("load_ext", "nbmlops")  # another kernel
    with pytest.raises(Conflict, match="would undo: problem: Will it be late, was by hand"):
        keep(shell, SECOND)
    kept = keep(shell, SECOND, "--force")
    assert kept.written
    assert [c["changed"][0] for c in changes()][1] == "problem: by hand, was Will it be late"
    assert len(changes()) == 3  # the text by hand is kept too


def test_a_notebook_run_again_does_not_undo_what_was_agreed_since(shell, project):
    keep(shell, FIRST)
    keep(shell, SECOND)
    shell.run_line_magic("unload_ext", "nbmlops")
    shell.run_line_magic("load_ext", "nbmlops")  # another kernel
    with pytest.raises(Conflict, match=r"was changed by .* after this text"):
        keep(shell, FIRST)
    assert (project / "charter.yaml").read_text() == SECOND
    assert keep(shell, FIRST, "--force").changed == ("target roc_auc: at least 0.6, was 0.65",)


def test_a_text_that_holds_what_changed_meanwhile_is_kept(shell, project):
    keep(shell, FIRST)
    (project / "charter.yaml").write_text(FIRST + "goal: theirs\nlimits: [not abroad]\n")
    assert keep(shell, SECOND + "goal: theirs\nlimits: [mine, not abroad]\n").changed == (
        "target roc_auc: at least 0.65, was 0.6",
        "limits: mine added",
    )


def test_one_that_nobody_recorded_is_not_overwritten_by_a_first_text(shell, project):
    (project / "charter.yaml").write_text("problem: theirs\n")
    with pytest.raises(Conflict, match="was written by hand, and nobody recorded it"):
        keep(shell, FIRST)
    note()
    assert keep(shell, FIRST).written


def test_another_kernel_of_the_same_notebook_knows_what_it_was_made_from(shell, project, monkeypatch):
    monkeypatch.setenv("NBMLOPS_NOTEBOOK", str(project / "late.ipynb"))
    keep(shell, FIRST)
    (project / "charter.yaml").write_text("problem: theirs\n")
    note()
    shell.run_line_magic("unload_ext", "nbmlops")
    shell.run_line_magic("load_ext", "nbmlops")
    with pytest.raises(Conflict, match="after this text"):
        keep(shell, SECOND)


def test_what_cannot_be_read_is_overwritten_by_force_alone(shell, project):
    keep(shell, FIRST)
    (project / "charter.yaml").write_text("problem: [\n")
    with pytest.raises(Conflict, match="cannot be read"):
        keep(shell, SECOND)
    assert keep(shell, SECOND, "--force").written
    assert [c["changed"][0] for c in changes()][1] == "cannot be read"


def test_who_saw_the_newest_may_go_back(shell, project):
    keep(shell, FIRST)
    keep(shell, SECOND)
    assert keep(shell, FIRST).written


def test_what_somebody_else_recorded_meanwhile_is_not_overwritten(shell, project):
    keep(shell, FIRST)
    (project / "charter.yaml").write_text("problem: theirs\n")
    note()
    with pytest.raises(Conflict, match="after this text"):
        keep(shell, SECOND)


def test_the_template_nobody_filled_in_may_be_overwritten(shell, project):
    from nbmlops.governance.begun import new

    new()
    assert keep(shell, FIRST).written


def test_it_is_kept_where_the_nearest_charter_is(shell, project, monkeypatch):
    inner = project / "study"
    inner.mkdir()
    (inner / "charter.yaml").write_text("project: study\n")
    monkeypatch.chdir(inner)
    note()
    keep(shell, FIRST)
    assert (inner / "charter.yaml").read_text() == FIRST
    assert not (project / "charter.yaml").exists()


def test_its_bundle_holds_json_html_and_text_without_script(shell, project):
    shown = keep(shell, "goal: <script>alert(1)</script>\n")._repr_mimebundle_()
    assert "<script" not in shown["text/html"]
    assert json.dumps(shown["application/vnd.nbmlops.agreed.v1+json"])
    assert "Not said yet: problem" in shown["text/plain"]


def test_help_completion_and_unloading(shell, project):
    from nbmlops.magics.complete import offers

    assert "Example:" in shell.magics_manager.magics["cell"]["charter"].__doc__
    assert offers("%%charter ", {"frame": 1}) == ["--force"]
    shell.run_line_magic("unload_ext", "nbmlops")
    assert "charter" not in shell.magics_manager.magics["cell"]


def test_a_magic_of_somebody_else_stays_theirs(shell, project, capsys):
    shell.run_line_magic("unload_ext", "nbmlops")
    shell.register_magic_function(theirs := lambda line, cell: cell, "cell", "charter")
    shell.run_line_magic("load_ext", "nbmlops")
    assert "%%charter" in capsys.readouterr().out
    shell.run_line_magic("unload_ext", "nbmlops")
    assert shell.magics_manager.magics["cell"].pop("charter") is theirs
    shell.run_line_magic("load_ext", "nbmlops")
