"""``nbmlops flag`` and ``flags``, ``%flag`` and the functions say the same; files are taken whole or not at all."""

import json
import time

import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid
from nbmlops.governance.flags import from_file
from nbmlops.governance.flags.flag import get
from nbmlops.governance.flags.from_file import from_csv, from_form, new_form

CHANGING = ("flag_id", "at", "digest", "closed_at")
HEAD = "subject,text,severity,where,question,to,value,evidence\n"


@pytest.fixture
def late(project, model, held_out):
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    return project


def run(*words):
    return CliRunner().invoke(main, list(words))


def same(*found):
    return [{k: v for k, v in flag.items() if k not in CHANGING} for flag in found]


def test_function_command_and_magic_flag_the_same(shell, model, held_out):
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    more = {"where": "age > 40", "severity": "high", "to": "expert", "question": True, "value": 3}
    one = nb.flag("late@1", "too sure", evidence=["run 7"], **more).to_dict()
    options = ["--where", "age > 40", "--severity", "high", "--to", "expert", "--question", "--should-be", "3"]
    done = run("flag", "late@1", "too sure", *options, "--evidence", "run 7", "--json")
    assert done.exit_code == 0, done.output
    line = 'late@1 "too sure" --where "age > 40" --severity high --to expert --question --should-be 3'
    typed = shell.run_line_magic("flag", f'{line} --evidence "run 7"').to_dict()
    for flag in (one, command := json.loads(done.output), typed):
        flag["told"] = {k: v for k, v in flag["told"].items() if k != "notice"}
    first, *others = same(one, command, typed)
    assert others == [first, first]


def test_function_command_and_magic_answer_and_list_the_same(shell, model, held_out):
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    flags = [nb.flag("late@1", "odd").flag_id for _ in range(3)]
    one = nb.answer_flag(flags[0], "no", "dismissed").to_dict()
    command = json.loads(run("flag", "answer", flags[1], "no", "--state", "dismissed", "--json").output)
    typed = shell.run_line_magic("flag", f"answer {flags[2][-8:]} no --state dismissed").to_dict()
    for flag in (one, command, typed):
        flag["thread"][0].pop("at")
    first, *others = same(one, command, typed)
    assert others == [first, first]
    assert json.loads(run("flags", "--id", flags[0], "--json").output) == get(flags[0]).to_dict()
    table = nb.flags("late", state="dismissed")
    assert json.loads(run("flags", "late", "--state", "dismissed", "--json").output) == table.to_dict("records")
    assert shell.run_line_magic("flag", "late --state dismissed").to_frame().equals(table)
    assert shell.run_line_magic("flag", "").to_frame().equals(nb.flags())
    assert run("flags", "--csv").output.splitlines()[0].split(",") == list(table.columns)
    assert "odd" in run("flags").output


def test_the_list_shows_what_is_open_first_and_how_to_answer_it(shell, model, held_out):
    assert "Nothing is flagged" in repr(shell.run_line_magic("flag", ""))
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    done = nb.flag("late@1", "odd <b>once</b>")
    nb.answer_flag(done.flag_id, "no", state="dismissed")
    nb.flag("late@1", "why so sure?", where="age > 50", severity="high", to="expert", question=True)
    found = shell.run_line_magic("flag", "late")
    bundle = found._repr_mimebundle_()
    assert bundle["application/vnd.nbmlops.flags.v1+json"] == found.to_dict()
    assert "odd &lt;b&gt;once&lt;/b&gt;" in bundle["text/html"]
    title, _, first, second, hint = bundle["text/plain"].splitlines()
    assert title == "Flags of late: 2, 1 open"
    assert "late@1 where age > 50" in first
    assert "high question" in first
    assert "for expert" in first
    assert "dismissed, 1 answer" in second
    assert hint.startswith("Answer one: %flag answer ID")
    ids = nb.predict("late@1", held_out[:4])
    nb.flag(ids.prediction_id[0], "cannot be")
    counted = shell.run_line_magic("flag", "late --by city")
    assert counted.to_frame().equals(nb.flags("late", by="city"))
    assert "Flagged of late by city" in repr(counted)


def test_a_frame_is_flagged_by_its_variable(shell, held_out):
    shell.user_ns["rows"] = held_out
    found = shell.run_line_magic("flag", 'rows "no person" --row 3')
    assert (found.kind, found.row) == ("row", 3)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["late@1"], 2, "A flag needs a subject and a text."),
        (["late@1", "a", "b"], 2, "A flag needs a subject and a text."),
        (["late@1", "a", "--state", "open"], 2, "--state is of an answer."),
        (["nix", "odd"], 5, "Nothing to flag is called 'nix'"),
        (["late@1:age", "odd", "--where", "age > 3"], 2, "'late@1:age' names column 'age', and rows at once."),
        (["late@1", "odd", "--to", "boss"], 5, "No role 'boss'"),
        (["late@1", "odd", "--severity", "worst"], 2, "'worst' is no severity."),
        (["answer", "nix", "no"], 5, "No flag 'nix'"),
        (["--file", "nix.csv"], 5, "nix.csv cannot be read"),
        (["--form", "nix.txt"], 5, "nix.txt cannot be read"),
        (["late@1", "--form", "x", "--file", "y"], 2, "A file says everything itself."),
    ],
)
def test_bad_input_ends_with_one_line_and_a_code(late, words, code, message):
    done = run("flag", *words)
    assert done.exit_code == code
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert nb.flags().empty


def test_agreement_is_asked_of_a_model(late, people):
    said = nb.predict("late", people(40, 3))
    rows = pd.DataFrame({"prediction_id": said.prediction_id, "verdict": ["agree", "disagree"] * 20})
    nb.feedback(rows, kind="opinion", actor="ann")
    nb.feedback(rows.assign(verdict=["agree"] * 10 + rows.verdict.tolist()[10:]), kind="opinion", actor="bob")
    found = nb.agreement("late", by=("ann", "bob"))
    assert (found.n, found.observed, found.table) == (40, 0.875, ((20, 0), (5, 15)))
    assert found.kappa == pytest.approx(0.75)
    assert found.low < 0.75 < found.high
    done = run("flags", "late", "--agreement", "ann", "bob", "--json")
    assert json.loads(done.output) == found.to_dict()
    assert "kappa 0.75" in run("flags", "late@1", "--agreement", "ann", "bob").output
    assert run("flags", "--agreement", "ann", "bob").exit_code == 2


def test_agreement_without_enough_is_insufficient_data():
    rows = pd.DataFrame({"ann": ["yes", "no", None] * 12, "bob": ["yes", "no", "no"] * 12})
    few = nb.agreement(rows, by=("ann", "bob"))
    assert (few.n, few.kappa) == (24, None)
    assert few.words == "Insufficient data: 24 judged by both, 30 are needed."
    one = nb.agreement(pd.DataFrame({"ann": ["yes"] * 40, "bob": ["yes"] * 40}), by=("ann", "bob"))
    assert (one.kappa, one.observed) == (None, 1.0)
    assert "both said yes of all 40" in repr(one)
    for by in (("ann",), ("ann", "ann"), "ann", ("ann", "bob", "eve")):
        with pytest.raises(Invalid, match="Agreement is between two people"):
            nb.agreement(rows, by=by)
    with pytest.raises(Invalid, match="The rows have no column 'eve'"):
        nb.agreement(rows, by=("ann", "eve"))
    with pytest.raises(Invalid, match="60 different verdicts are no categories"):
        nb.agreement(pd.DataFrame({"ann": range(60), "bob": range(60)}), by=("ann", "bob"))


def test_a_file_of_hundreds_is_kept_in_its_order(late):
    rows = [f'late@1,"row {n}, odd",low,,,,,' for n in range(300)]
    (late / "doubts.csv").write_text("\ufeff" + HEAD + "\n".join(rows) + "\n\n")
    began = time.perf_counter()
    done = run("flag", "--file", "doubts.csv")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("300 flags kept.")
    assert nb.flags().text.tolist() == [f"row {n}, odd" for n in range(300)]
    assert time.perf_counter() - began < 30  # a guard against a query a row, not a measure


def test_the_rows_of_a_data_set_are_read_once_for_a_file(late, needed, people, monkeypatch):
    needed("pyarrow")
    rows = people(40, 5).assign(booking=[f"B{n}" for n in range(40)])
    nb.dataset("people", rows, keep=True)
    read = []
    whole = from_file.load_dataset
    monkeypatch.setattr(from_file, "load_dataset", lambda ref: read.append(ref) or whole(ref))
    (late / "doubts.csv").write_text("subject,text\n" + "\n".join(f"people#booking=B{n},odd" for n in range(40)))
    assert [f.row for f in from_csv("doubts.csv")] == [*range(40)]
    assert read == ["people@1"]


def test_a_file_says_everything_a_flag_can(late):
    (late / "doubts.csv").write_text(HEAD + "late@1,why?,high,age > 40,yes,expert,true,run 7\n")
    (found,) = from_csv("doubts.csv")
    assert (found.severity, found.where, found.question, found.role) == ("high", "age > 40", True, "expert")
    assert (found.value, found.evidence, found.kind) == (True, ("run 7",), "segment")


def test_every_bad_line_is_named_and_nothing_is_kept(late):
    lines = ["late@1,fine,,,,,,", "nix,odd,,,,,,", "late@1,,,,,,,", "late@1,odd,worst,,,,,", "late@1,odd,,,maybe,,,"]
    (late / "doubts.csv").write_text(HEAD + "\n".join([*lines, "late@1,odd,,,,,,,too many"]))
    with pytest.raises(Invalid) as error:
        from_csv("doubts.csv")
    assert [p["line"] for p in error.value.problems] == [3, 4, 5, 6, 7]
    assert error.value.message.startswith("5 of 6 rows of doubts.csv are not understood: line 3: Nothing to flag is")
    assert nb.flags().empty


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"subject,words\nlate@1,odd\n", "has no column 'text'"),
        (b"subject,text,colour\nlate@1,odd,red\n", "has a column 'colour'"),
        (b"", "has no column 'subject'"),
        (b'subject,text\nlate@1,"odd\n', "is no CSV"),
        (b"subject,text\nlate@1,\xff\xfe\n", "is no text in UTF-8"),
    ],
)
def test_what_is_no_file_of_flags_is_refused(late, content, message):
    (late / "doubts.csv").write_bytes(content)
    with pytest.raises(Invalid, match=message):
        from_csv("doubts.csv")
    assert nb.flags().empty


def test_a_form_is_filled_in_by_somebody_else_and_recorded_so(late):
    text = run("flag", "late@1", "--form", "new").output
    assert len(text.splitlines()) < 15
    filled = text.replace("says:", "says: too sure\n  of old people").replace("by:", "by: eve@x.org")
    (late / "doubt.txt").write_text(filled.replace("severity: medium", "severity: high"))
    done = run("flag", "--form", "doubt.txt", "--json")
    assert done.exit_code == 0, done.output
    found = get(json.loads(done.output)["flag_id"])
    assert (found.text, found.severity, found.author) == ("too sure of old people", "high", "eve@x.org")
    assert found.known_by == "entered"
    assert found.entered_by
    assert "entered by" in repr(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("about: late@1\n", "does not say 'says'"),
        ("about: late@1\nsays: x\ncolour: red\n", r"line 3: 'colour' is no line of the form"),
        ("about: late@1\nsays: x\nsays: y\n", r"line 3: 'says' is there twice"),
        ("about: late@1\nsays: x\nquestion: perhaps\n", "question is 'perhaps'"),
        ("", "does not say 'about'"),
    ],
)
def test_a_form_that_is_not_understood_keeps_nothing(late, text, message):
    (late / "doubt.txt").write_text(text)
    with pytest.raises(Invalid, match=message):
        from_form("doubt.txt")
    assert nb.flags().empty


def test_a_form_is_never_written_over(late):
    new_form("doubt.txt", "late@1")
    with pytest.raises(Conflict, match="is there already and may be filled in"):
        new_form("doubt.txt")


def test_the_magic_refuses_what_it_does_not_understand(shell, model, held_out):
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    with pytest.raises(Invalid, match="'sure' is one word too many"):
        shell.run_line_magic("flag", "late@1 too sure")
    with pytest.raises(Invalid, match="--state is of an answer"):
        shell.run_line_magic("flag", "late@1 sure --state open")
    assert nb.flags().empty


def test_the_magic_completes_models_and_its_flags(shell, model, held_out):
    from nbmlops.magics.complete import offers

    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    assert {"late", "--severity", "--to"} <= set(offers("%flag "))
    assert "expert" in offers("%flag late x --to ")
    assert "blocking" in offers("%flag late x --severity ")
    assert "late" not in offers("%flag late ")
