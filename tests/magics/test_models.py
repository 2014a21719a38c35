"""Evaluate, register, compare and promote: the same through a function, a magic and a command."""

import gc
import json

import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.magics import magics


@pytest.fixture
def notebook(shell, model, fit, held_out):
    """A shell with two fitted models and held-out rows, and the command's file of them."""
    shell.user_ns.update(model=model, weak=fit("noise"), held_out=held_out)
    held_out.to_csv("held_out.csv", index=False)
    return shell


@pytest.fixture
def registered(notebook):
    for name in ("weak", "model"):
        notebook.run_line_magic("evaluate", f"{name} held_out --target late")
        notebook.run_line_magic("register", f"{name} late")
    return notebook


def command(*words):
    result = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False)
    return json.loads(result.output)


def evaluated(door, shell):
    if door == "function":
        return nb.evaluate("late@2", shell.user_ns["held_out"], by=["city"]).to_dict()
    if door == "magic":
        return shell.run_line_magic("evaluate", "late@2 held_out --by city").to_dict()
    return command("evaluate", "late@2", "held_out.csv", "--by", "city")


def gated(door, shell):
    if door == "function":
        return nb.gate("late@2", "late@1", on=shell.user_ns["held_out"]).to_dict()
    if door == "magic":
        return shell.run_line_magic("gate", "late@2 late@1 --on held_out").to_dict()
    return command("gate", "late@2", "late@1", "--on", "held_out.csv")


def promoted(door, shell):
    if door == "function":
        return nb.promote("late", 2, to="champion", reason="it is better").to_dict()
    if door == "magic":
        return shell.run_line_magic("promote", 'late 2 --to champion --reason "it is better"').to_dict()
    return command("promote", "late", "2", "--to", "champion", "--reason", "it is better")


DOORS = ["function", "magic", "command"]


@pytest.mark.parametrize("door", DOORS)
def test_evaluate(registered, door):
    found = evaluated(door, registered)
    assert found["model"] == "late@2"
    rows = registered.user_ns["held_out"]
    chance = registered.user_ns["model"].predict_proba(rows[["age", "city", "noise"]])[:, 1]
    assert found["metrics"]["roc_auc"]["value"] == pytest.approx(roc_auc_score(rows.late, chance))
    assert {s["slice"] for s in found["slices"]} == {"city=Ulm", "city=Bern"}


@pytest.mark.parametrize("door", DOORS)
def test_gate(registered, door):
    found = gated(door, registered)
    assert found["verdict"] == "better"
    assert found["rows"] == 400


@pytest.mark.parametrize("door", DOORS)
def test_promote(registered, door):
    found = promoted(door, registered)
    assert found["aliases"] == ["champion"]
    assert found["decision"]["reason"] == "it is better"


@pytest.mark.parametrize("door", DOORS)
def test_promote_is_refused_through_every_door(registered, project, door):
    nb.promote("late", 1, to="champion", reason="the first")
    (project / "charter.yaml").write_text("promotes: better")
    if door == "command":
        result = CliRunner().invoke(main, ["promote", "late", "2", "--to", "champion", "--reason", "x"])
        assert result.exit_code == 3
        assert "No gate has compared late@2 with late@1" in result.output
    else:
        with pytest.raises(NotAllowed, match="No gate has compared late@2 with late@1"):
            promoted(door, registered)


def test_register_takes_the_variable_and_its_newest_evaluation(notebook):
    notebook.run_line_magic("evaluate", "model held_out --target late")
    version = notebook.run_line_magic("register", "model late")
    assert version.ref == "late@1"
    assert version.metrics["roc_auc"]["n"] == 400


TRACKED = """%%track {name}
from sklearn.linear_model import LogisticRegression
fitted_{name} = LogisticRegression().fit(train[{columns}], train.late)
"""


@pytest.fixture
def tracked(notebook, train):
    notebook.user_ns["train"] = train
    for name, columns in (("thin", ["noise"]), ("full", ["age", "noise"])):
        assert notebook.run_cell(TRACKED.format(name=name, columns=columns)).success
    return notebook


def typed(shell, line):
    """Return what a line gives when a person types it in a cell."""
    done = shell.run_cell(line)
    done.raise_error()
    return done.result


def test_register_from_a_run(tracked):
    version = typed(tracked, "%register late --from thin")
    assert [c["name"] for c in version.signature["columns"]] == ["noise"]
    assert version.run_id == nb.get_run("thin").run_id


def test_register_the_best(tracked):
    for name in ("thin", "full"):
        typed(tracked, f"%evaluate fitted_{name} held_out")
    assert typed(tracked, "%register late --best roc_auc").run_id == nb.get_run("full").run_id
    assert typed(tracked, "%register late --best log_loss").run_id == nb.get_run("full").run_id
    with pytest.raises(NotFound, match="Did you mean 'roc_auc'"):
        typed(tracked, "%register late --best rocauc")


def test_rows_a_tracked_cell_fitted_on_are_refused(tracked):
    with pytest.raises(NotAllowed, match="These are the rows LogisticRegression was fitted on"):
        typed(tracked, "%evaluate fitted_full train")


def test_register_from_a_run_whose_model_is_gone(tracked):
    del tracked.user_ns["fitted_thin"]
    gc.collect()
    with pytest.raises(NotFound, match="its model is gone with its kernel"):
        typed(tracked, "%register late --from thin")


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("evaluate model nothing --target late", NotFound, "No variable 'nothing'"),
        ("evaluate model held_out --target lat", Invalid, "No column 'lat'"),
        ("evaluate model", Invalid, "required: FRAME"),
        ("register held_out late", Invalid, "DataFrame is no fitted model"),
        ("register nothing late", NotFound, "No variable 'nothing'"),
        ("register late", Invalid, "Usage: %register MODEL NAME"),
        ("register model late --best roc_auc", Invalid, "Usage: %register NAME"),
        ("register late --from a --best b", Invalid, "not allowed with"),
        ("gate model weak", Invalid, "required: --on"),
        ("promote late 1 --to champion", Invalid, "required: --reason"),
        ("promote late 1 --too champion", Invalid, "--to"),
    ],
)
def test_bad_input_is_one_line(notebook, line, error, message):
    name, _, rest = line.partition(" ")
    with pytest.raises(error, match=message) as raised:
        notebook.run_line_magic(name, rest)
    assert "\n" not in str(raised.value)


def test_what_is_governed_needs_the_percent_sign():
    assert {name for name, magic in magics().items() if magic.explicit_only} >= {"register", "promote"}


def test_automagic_does_not_promote(registered):
    assert not registered.run_cell("promote late 2 --to champion --reason why").success
    assert nb.model_version("late@2").aliases == ()
    assert registered.run_cell("%promote late 2 --to champion --reason why").success
    assert nb.model_version("late@2").aliases == ("champion",)


@pytest.mark.parametrize("name", ["evaluate", "register", "gate", "promote"])
def test_help_has_an_example(name):
    assert f"Example:\n  %{name} " in magics()[name].built.format_help()
