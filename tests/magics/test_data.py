"""Every way to look at data says the same."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotAllowed, NotFound


def rows(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    amount = rng.normal(size=n) + shift
    late = (rng.random(n) < 1 / (1 + np.exp(-amount))).astype(int)
    return pd.DataFrame({"amount": amount, "month": np.arange(n) % 2, "late": late})


@pytest.fixture
def world(shell):
    """A shell with ``april``, files of the same rows, and the model ``late-flights@champion``."""
    from sklearn.linear_model import LogisticRegression

    history, held_out = rows(1000, 0), rows(3000, 1)
    model = LogisticRegression().fit(history[["amount"]], history["late"])
    evaluation = nb.evaluate(model, held_out[["amount", "late"]], target="late")
    nb.register(model, "late-flights", evaluation=evaluation)
    nb.promote("late-flights", 1, to="champion", reason="the first")
    shell.user_ns |= {"april": rows(3000, 2, shift=0.9), "history": held_out}
    shell.user_ns["april"].to_csv("april.csv", index=False)
    held_out.to_csv("history.csv", index=False)
    return shell


def by_function(shell, against, **options):
    reference = shell.user_ns.get(against, against)
    return nb.drift(shell.user_ns["april"], reference, **options).to_dict()


def words_of(options):
    return [w for k, v in options.items() for w in ([f"--{k}"] if v is True else [f"--{k}", v])]


def by_magic(shell, against, **options):
    words = " ".join(words_of(options))
    return shell.run_line_magic("drift", f"april --against {against} {words}").to_dict()


def by_command(shell, against, **options):
    against = ["--model", against] if "@" in against else ["--reference", f"{against}.csv"]
    result = CliRunner().invoke(main, ["drift", "april.csv", *against, *words_of(options), "--json"])
    assert result.exit_code == 3, result.output
    return json.loads(result.output)


@pytest.mark.parametrize("ask", [by_function, by_magic, by_command])
@pytest.mark.parametrize("against", ["late-flights@champion", "history"])
def test_drift_says_the_same_by_every_way(world, ask, against):
    options = {"chunk": "month"} if "@" in against else {"target": "late"}
    found = ask(world, against, **options)
    expected = nb.drift(world.user_ns["april"], world.user_ns.get(against, against), **options).to_dict()
    assert found["verdict"] == expected["verdict"] == "alert"

    def said(report):
        return [(f["code"], f["column"], f["outcome"], f["message"]) for f in report["findings"]]

    assert said(found) == said(expected)
    assert [c["name"] for c in found["chunks"]] == [c["name"] for c in expected["chunks"]]


@pytest.mark.parametrize("ask", [by_magic, by_command])
@pytest.mark.parametrize("against", ["late-flights@champion", "history"])
def test_columns_together_are_judged_the_same_by_every_way(world, ask, against):
    expected = by_function(world, against, multivariate=True)
    found = json.loads(json.dumps(ask(world, against, multivariate=True)))
    one = [f for f in found["findings"] if f["code"] == "multivariate"]
    assert one == [f for f in json.loads(json.dumps(expected))["findings"] if f["code"] == "multivariate"]
    assert one[0]["outcome"] == ("not_applicable" if "@" in against else "issue")


def test_profile_says_the_same_by_every_way(world):
    expected = nb.profile(world.user_ns["history"], target="late")
    by_magic = world.run_line_magic("profile", "history --target late")
    result = CliRunner().invoke(main, ["profile", "history.csv", "--target", "late", "--json"])
    assert by_magic.to_json() == expected.to_json()
    assert json.loads(result.output)["relations"] == json.loads(expected.to_json())["relations"]


def test_check_finds_the_rules_of_the_frames_name(world, project):
    (project / "rules").mkdir()
    (project / "rules" / "april.yaml").write_text("columns: {amount: {range: {min: 0}}}")
    found = world.run_line_magic("check", "april")
    assert found.verdict == "alert"
    assert world.run_line_magic("check", "history --rules april").subject == "april"
    result = CliRunner().invoke(main, ["check", "april.csv", "--json"])
    assert result.exit_code == 3
    assert json.loads(result.output)["findings"] == found.to_dict()["findings"]
    with pytest.raises(NotAllowed, match=r"amount: .* values outside"):
        world.run_line_magic("check", "april --strict")


@pytest.mark.parametrize(
    ("magic", "line", "error", "message"),
    [
        ("drift", "aprl --against history", NotFound, "No frame 'aprl' in this notebook.*Did you mean 'april'"),
        ("drift", "april", Invalid, "--against"),
        ("drift", "april --against late-fligths@champion", NotFound, "Did you mean 'late-flights'"),
        ("drift", "april --agianst history", Invalid, "%drift"),
        ("profile", "april --target lat", NotFound, "Did you mean 'late'"),
        ("check", "april", NotFound, "No rules 'april'"),
        ("profile", "nix.csv", NotFound, "No frame or file 'nix.csv'"),
    ],
)
def test_what_is_typed_wrongly_is_one_clear_line(world, magic, line, error, message):
    with pytest.raises(error, match=message):
        world.run_line_magic(magic, line)
