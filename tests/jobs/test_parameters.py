"""Which parameters a notebook declares, and which values it refuses before a kernel starts."""

from __future__ import annotations

import ast
import datetime as dt
import json
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.jobs import injected, kinds
from nbmlops.jobs.execution import _register
from nbmlops.jobs.parameters import Parameter, declared, given, in_python, parse, required

CELL = """\
import datetime
from datetime import date
from pathlib import Path
from typing import Literal, Optional
# first day of the month
day: date = date(2026, 1, 1)  # month to read
moment = datetime.datetime(2026, 1, 1)
folder: Path = Path("data")
months: list[int] = [1, 2]
shape: tuple[int, int] = (1, 2)
model: Literal["forest", "logit"] = "forest"
weights: dict[str, float] = {}
most: Optional[int] = None
# rows to read
rows: int | None = 5
kind = "a"  # type: str what it is
rate: float
target: str = ...
either: int | str = 1
"""


def node(cell=CELL, *more):
    cells = [nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]})]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    return nbformat.v4.new_notebook(cells=[*cells, *(nbformat.v4.new_code_cell(c) for c in more)], metadata=kernel)


@pytest.fixture
def write(project):
    def write(cell, *more, name="typed.ipynb"):
        nbformat.write(node(cell, *more), name)
        return project / name

    return write


@pytest.fixture
def known(notebook):
    from papermill.iorw import load_notebook_node

    return declared(load_notebook_node(str(notebook("plain"))), "python3", "python")


@pytest.fixture
def rich():
    return declared(node(), "python3", "python")


def test_types_come_from_annotations_then_defaults(known):
    assert {p.name: (p.type, p.optional) for p in known.values()} == {
        "trees": ("int", False),
        "rate": ("float", False),
        "months": ("list", False),
        "name": ("str", False),
        "quiet": ("bool", False),
        "limit": ("any", True),
    }
    assert known["trees"].help == "how many"


def test_every_annotation_is_read(rich):
    assert {p.name: (p.type, p.optional, p.help) for p in rich.values()} == {
        "day": ("date", False, "month to read"),
        "moment": ("datetime", False, ""),
        "folder": ("Path", False, ""),
        "months": ("list[int]", False, ""),
        "shape": ("tuple[int, int]", False, ""),
        "model": ("Literal['forest', 'logit']", False, ""),
        "weights": ("dict[str, float]", False, ""),
        "most": ("int", True, ""),
        "rows": ("int", True, "rows to read"),
        "kind": ("str", False, "what it is"),
        "rate": ("float", False, ""),
        "target": ("str", False, ""),
        "either": ("int | str", False, ""),
    }
    assert [p.name for p in rich.values() if p.needed] == ["rate", "target"]


def test_a_multi_line_default_a_magic_and_an_odd_cell():
    found = declared(node("%matplotlib inline\ngrid = {\n  'a': 1,\n}  # to try\nx, y = 1, 2"), "python3", "python")
    assert {p.name: (p.type, p.default, p.help) for p in found.values()} == {"grid": ("dict", "{ 'a': 1, }", "to try")}
    assert list(declared(node("trees = 5\nif:"), "python3", "python")) == ["trees"]
    assert declared(node("x = 1"), "ir", "R") is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("day", "2026-03-01", dt.date(2026, 3, 1)),
        ("moment", "2026-03-01T10:30", dt.datetime(2026, 3, 1, 10, 30)),
        ("folder", "new data", Path("new data")),
        ("months", "[3]", [3]),
        ("shape", "[3, 4]", (3, 4)),
        ("model", "logit", "logit"),
        ("weights", "{a: 1}", {"a": 1.0}),
        ("most", "none", None),
        ("rows", "7", 7),
        ("rate", "1", 1.0),
        ("either", "7", 7),
        ("either", "x", "x"),
    ],
)
def test_text_and_values_become_the_declared_type(rich, name, text, value):
    read = given("n.ipynb", {name: text}, rich, typed=True)[name]
    assert (read, type(read)) == (value, type(value))
    assert given("n.ipynb", {name: value}, rich, typed=False) == {name: value}
    code = kinds.code(value, rich[name].kind)
    names = {"date": dt.date, "datetime": dt, "Path": Path}
    assert eval(code, names) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("day", "tomorrow"),
        ("day", 20260301),
        ("day", dt.datetime(2026, 3, 1, 5)),
        ("months", "x"),
        ("months", [1.5]),
        ("months", ["x"]),
        ("shape", [1, 2, 3]),
        ("model", "tree"),
        ("weights", {"a": "heavy"}),
        ("most", "x"),
        ("rows", 1.5),
        ("rows", True),
        ("rate", "fast"),
        ("target", 5),
        ("folder", 5),
    ],
)
def test_an_ill_typed_value_is_refused_with_what_is_known(rich, name, value):
    with pytest.raises(Invalid, match=rf"Parameter '{name}' of n.ipynb is .* Known: day=date\(2026, 1, 1\), moment="):
        given("n.ipynb", {name: value}, rich, typed=False)


def test_values_of_numpy_and_neighbouring_types_fit(rich):
    values = {"rate": np.float64(2), "rows": np.int64(3), "months": (1, 2), "moment": dt.date(2026, 3, 1)}
    read = given("n.ipynb", values, rich, typed=False)
    assert read == {"rate": 2.0, "rows": 3, "months": [1, 2], "moment": dt.datetime(2026, 3, 1)}
    assert [type(v) for v in read.values()] == [float, int, list, dt.datetime]
    assert given("n.ipynb", {"target": Path("a.csv")}, rich, typed=False) == {"target": "a.csv"}
    assert given("n.ipynb", {"months": np.array([1, 2])}, rich, typed=False) == {"months": [1, 2]}


def test_text_is_read_as_the_declared_type(known):
    text = {"trees": "7", "rate": "2", "months": "[1, 2]", "name": "7", "quiet": "yes", "limit": "none"}
    read = given("n.ipynb", text, known, typed=True)
    assert read == {"trees": 7, "rate": 2.0, "months": [1, 2], "name": "7", "quiet": True, "limit": None}
    assert isinstance(read["rate"], float)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("trees", "many", r"'trees' of n.ipynb is 'many'. It is an int, such as 100 \(its default\). Known: trees=100"),
        ("trees", "1.5", "an int"),
        ("quiet", "perhaps", "a bool"),
        ("months", "3", "a list"),
        ("months", "[1", "a list"),
    ],
)
def test_text_of_another_type_is_one_line(known, name, text, said):
    with pytest.raises(Invalid, match=said):
        given("n.ipynb", {name: text}, known, typed=True)


def test_a_notebook_without_parameters_says_how_to_have_some():
    with pytest.raises(Invalid, match=r"no cell is tagged 'parameters'. Tag the cell"):
        given("n.ipynb", {"x": 1}, declared(nbformat.v4.new_notebook(), "python3", "python"), typed=True)


def test_what_is_missing_is_named_at_once(rich):
    with pytest.raises(Invalid, match=r"n.ipynb needs rate, target. Known: .*rate: float, target: str"):
        required("n.ipynb", {"months": [1]}, rich)
    required("n.ipynb", {"rate": 1.0, "target": "late"}, rich)


@pytest.mark.parametrize(
    ("text", "parameter", "value"),
    [
        ("null", Parameter("x", "int", "None", optional=True), None),
        ("{a: 1}", Parameter("x", "dict", "{}"), {"a": 1}),
        ("2013-01-01", Parameter("x", "str", "''"), "2013-01-01"),
        ("2013-01-01", Parameter("x", "None", "load()"), "2013-01-01"),
        ("3", Parameter("x", "None", "load()"), 3),
        ("0", Parameter("x", "Literal[0, 1]", "1"), 0),
    ],
)
def test_parse(text, parameter, value):
    assert parse(text, parameter) == value


def test_not_a_number_is_no_secret():
    known = in_python("n: int = 3\nrate: float = 0.1")
    with pytest.raises(Invalid, match=r"Parameter 'n' of nb is nan"):
        given("nb", {"n": float("nan")}, known, False)
    with pytest.raises(Invalid, match=r"Parameter 'n' of nb is \(nan, 1\)"):
        given("nb", {"n": (float("nan"), 1)}, known, False)


def test_a_secret_value_and_a_secret_default_are_in_no_message():
    known = declared(node('db_password: int = "hunter22"\nother = "a"'), "python3", "python")
    with pytest.raises(Invalid, match=r"'db_password' of n is \[secret\]") as refused:
        given("n", {"db_password": "hunter23"}, known, typed=False)
    assert "hunter" not in str(refused.value)
    assert "hunter" not in json.dumps([p.to_dict() for p in known.values()])


def test_the_table_is_the_same_as_function_command_and_json(write):
    path = write(CELL)
    shown = nb.parameters(path)
    typed = CliRunner().invoke(main, ["run", str(path), "--help-notebook", "--json"])
    assert json.loads(typed.output) == shown.to_dict()
    assert shown.to_dict()["parameters"][0] == {
        "name": "day",
        "type": "date",
        "default": "date(2026, 1, 1)",
        "required": False,
        "optional": False,
        "help": "month to read",
    }
    text = CliRunner().invoke(main, ["run", str(path), "--help-notebook"]).output
    assert "rate       float" in text
    assert "required" in text
    assert "month to read" in shown._repr_mimebundle_()["text/html"]
    assert shown.check({"rate": "1", "target": "late"}, typed=True) == {"rate": 1.0, "target": "late"}
    with pytest.raises(NotFound):
        nb.parameters("missing.ipynb")


def test_wrong_values_start_nothing(write):
    path = write("months = []\nrate: float", "print(1)")
    for values, said in [({"months": "x", "rate": 1}, "'months'"), ({}, "needs rate"), ({"year": 1}, "no parameter")]:
        with pytest.raises(Invalid, match=said):
            nb.run_notebook(path, values)
        with pytest.raises(Invalid, match=said):  # papermill's own door
            _register()
            papermill.execute_notebook(str(path), "out.ipynb", values, engine_name="nbmlops", progress_bar=False)
    assert nb.runs().empty
    assert CliRunner().invoke(main, ["run", str(path), "-p", "rate", "fast"]).exit_code == 2


def test_dates_paths_and_tuples_arrive_as_what_they_are(write, executed):
    cell = "from datetime import date\nfrom pathlib import Path\nday: date = None\nfolder: Path = Path()\nat = None"
    path = write(cell + "\nsides: tuple = ()", "print(repr(day), repr(folder), repr(at), sides)")
    values = {"day": dt.date(2026, 3, 1), "folder": "x", "at": dt.datetime(2026, 3, 1, tzinfo=dt.UTC), "sides": [1, 2]}
    run = nb.run_notebook(path, values, output="out.ipynb")
    found, _, _ = executed("out.ipynb")
    injected = next(c.source for c in found.cells if "injected-parameters" in c.metadata.tags)
    assert "day = date(2026, 3, 1)" in injected
    assert 'folder = Path("x")' in injected
    ast.parse(injected)
    assert found.cells[-1].outputs[0].text.startswith("datetime.date(2026, 3, 1) PosixPath('x') datetime.datetime(2026")
    assert found.cells[-1].outputs[0].text.endswith("(1, 2)\n")
    assert run.params["day"] == "2026-03-01"
    assert found.metadata.papermill.parameters.sides == [1, 2]


def test_other_languages_get_plain_values(monkeypatch):
    from papermill.parameterize import parameterize_notebook

    monkeypatch.setenv("DB_ACCESS", VALUE)
    cells = [nbformat.v4.new_code_cell("day <- NULL", metadata={"tags": ["parameters"]})]
    about = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}, "papermill": {}}
    found = nbformat.v4.new_notebook(cells=cells, metadata=about)
    values = {"day": dt.date(2026, 3, 1), "folder": Path("x"), "token": nb.Secret("DB_ACCESS")}
    found = parameterize_notebook(found, values, kernel_name="ir", language="R")
    settled = injected.settle(found, "n.ipynb", "ir", "R")
    assert found.cells[1].source == (
        '# Parameters\nday = "2026-03-01"\nfolder = "x"\ntoken = "Secret(\'DB_ACCESS\')"\n'
    )
    assert settled.secret_code == f'# Parameters\ntoken = "{VALUE}"\n'


VALUE = "correct-horse-battery-staple"


@pytest.mark.parametrize("how", ["given", "default", "text", "variable", "ledger"])
def test_a_secret_by_reference_reaches_the_kernel_and_no_file(project, write, monkeypatch, executed, how):
    monkeypatch.setenv("DB_ACCESS", VALUE)
    default = 'Secret("DB_ACCESS")' if how == "default" else '""'
    path = write(
        f"from nbmlops import Secret\npassword: str = {default}",
        "print(len(password), password, repr(password))\nraise ValueError(f'no login with {password}')",
    )
    values = {
        "given": {"password": nb.Secret("DB_ACCESS")},
        "default": {},
        "text": {"password": 'Secret("DB_ACCESS")'},
        "variable": {"password": "env:DB_ACCESS"},
        "ledger": {"password": {"$secret": "DB_ACCESS"}},
    }
    run = nb.run_notebook(path, values[how], output="out.ipynb")
    found, statuses, _ = executed("out.ipynb")
    assert statuses[-1] == "failed"
    said = next(o.text for o in found.cells[-1].outputs if o.output_type == "stream")
    assert said == f"{len(VALUE)} Secret('DB_ACCESS') Secret('DB_ACCESS')\n"
    assert run.params == ({} if how == "default" else {"password": "Secret('DB_ACCESS')"})
    from nbmlops.tracking import session

    session.reset()
    assert [p for p in project.rglob("*") if p.is_file() and VALUE.encode() in p.read_bytes()] == []


def test_a_secret_that_is_not_set_starts_nothing(write):
    path = write('from nbmlops import Secret\npassword = Secret("NOT_SET_HERE")\nother = ""', "print(1)")
    for values in ({}, {"password": 'Secret("NOT_SET_HERE")'}, {"password": nb_text("NOT_SET_HERE")}):
        with pytest.raises(Invalid, match=r"Parameter 'password' .*NOT_SET_HERE is not set"):
            nb.run_notebook(path, values)
    assert nb.runs().empty
    with pytest.raises(Invalid, match="It is a Secret: type") as refused:
        nb.run_notebook(path, {"password": "hunter2hunter2"})
    assert "hunter2" not in str(refused.value)


def nb_text(name):
    return f"nb.Secret('{name}')"
