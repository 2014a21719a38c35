"""Going on where a run stopped: what is done stays done, what was kept comes back, and nothing is a pickle."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.dummy import DummyClassifier
from sklearn.preprocessing import FunctionTransformer

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid
from nbmlops.jobs import state
from nbmlops.tracking import session
from waiting import until

KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
FAILS = "import pathlib\nif not pathlib.Path('fixed').exists():\n    raise ValueError('not yet')"
COUNT = "pathlib.Path('ran.txt').open('a').write('{} ');"


@pytest.fixture
def write(project):
    def write(*cells, name="long.ipynb") -> Path:
        """Write cells; one given as (source, tag) has the tag."""
        pairs = [c if isinstance(c, tuple) else (c, None) for c in cells]
        made = [nbformat.v4.new_code_cell(s, metadata={"tags": [t] if t else []}) for s, t in pairs]
        path = project / name
        ids = [c.id for c in nbformat.read(path, 4).cells] if path.exists() else []
        for cell, known in zip(made, ids, strict=False):
            cell["id"] = known
        nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=KERNEL), path)
        return path

    return write


def ran(project):
    return (project / "ran.txt").read_text().split()


def fix(project):
    (project / "fixed").touch()


@pytest.fixture
def long(write):
    """A notebook whose fourth cell fails until the file ``fixed`` is there."""

    def cells(**changed):
        found = {
            "parameters": ("rows = 3\npassword = ''\ndata = []", "parameters"),
            "first": f"import pathlib, random\n{COUNT.format('first')}\ndef double(x):\n    return 2 * x\nprint('one')",
            "load": f"{COUNT.format('load')}\ndata = list(range(rows))\nother = data\nprint('two', random.random())",
            "fit": (f"{COUNT.format('fit')}\ntotal = double(sum(data))\ndata.append(total)", "checkpoint"),
            "use": f"{COUNT.format('use')}\n{FAILS}\nprint(other, total, double(1))",
        } | changed
        return write(*found.values())

    return cells


def test_it_goes_on_behind_the_checkpoint(project, long, executed):
    path = long()
    failed = nb.run_notebook(path, {"rows": 4})
    assert (failed.status, failed.tags["checkpoint"]) == ("failed", "5")
    assert f"nbmlops run long.ipynb --resume {failed.run_id[-6:]}" in nb_message(failed)
    fix(project)
    done = nb.run_notebook(resume=failed, output="out.ipynb")
    assert done.status == "finished", done.error
    assert ran(project) == ["first", "load", "fit", "use", "use"]
    assert (done.previous, done.tags["resumed_from"], done.params) == (failed.run_id, failed.run_id, {"rows": 4})
    found, statuses, _ = executed("out.ipynb")
    assert statuses == ["completed"] * 6
    assert [c.metadata.papermill.get("resumed_from") for c in found.cells] == [
        None,
        None,
        *[failed.run_id] * 3,
        None,
    ]
    shown = ["".join(o.get("text", "") for o in c.outputs) for c in found.cells]
    then = nbformat.reads(failed.artifact("notebook.ipynb").decode(), 4)
    assert shown[2:4] == ["one\n", then.cells[3].outputs[0].text]
    assert shown[5] == "[0, 1, 2, 3, 12] 12 2\n"  # two names of one list are one list


def nb_message(run):
    from nbmlops.jobs.failure import message

    return message(run)


def test_the_command_goes_on_too_and_a_resumed_run_can_be_resumed(project, long):
    long()
    failed = nb.run_notebook("long.ipynb")
    again = CliRunner().invoke(main, ["run", "long.ipynb", "--resume", failed.run_id[-6:], "--json"])
    assert again.exit_code == 1
    second = json.loads(again.stdout)["run_id"]
    fix(project)
    done = CliRunner().invoke(main, ["run", "--resume", second])
    assert done.exit_code == 0, done.output
    assert ran(project) == ["first", "load", "fit", "use", "use", "use"]


def test_random_numbers_go_on_as_if_nothing_had_happened(project, write, executed):
    cells = (
        "import random, pathlib\nimport numpy as np\nrandom.seed(1)\nnp.random.seed(1)\nrng = np.random.default_rng(1)",
        ("a = random.random(), np.random.rand(), rng.random()", "checkpoint"),
        FAILS,
        "print(random.random(), np.random.rand(), rng.random())",
    )
    failed = nb.run_notebook(write(*cells))
    fix(project)
    nb.run_notebook(resume=failed, output="resumed.ipynb")
    nb.run_notebook("long.ipynb", output="whole.ipynb")
    assert executed("resumed.ipynb")[0].cells[3].outputs == executed("whole.ipynb")[0].cells[3].outputs


def test_frames_arrays_models_and_nested_values_come_back_equal(tmp_path):
    frame = pd.DataFrame({"a": [1.5, None, 3], "b": pd.Categorical(["x", "y", "x"]), "t": pd.to_datetime("2026-01-01")})
    frame.index = ["i", "j", "k"]
    array, model = np.arange(6.0).reshape(2, 3), DummyClassifier().fit([[0], [1]], ["a", "a"])
    nested = {
        "m": model,
        3: (frame, {1, 2}),
        "day": dt.date(2026, 3, 1),
        "p": Path("x"),
        "n": float("nan"),
        "l": [array],
    }
    values = {"frame": frame, "series": frame["a"], "columns": frame.columns, "array": array, "nested": nested}
    values |= {
        "words": np.array([["a"], [None]], dtype=object),
        "small": np.float32(0.1),
        "at": pd.Timestamp("2026-03"),
    }
    values |= {"raw": b"\x80\x00", "wide": np.longdouble(1)}
    values |= {"rng": np.random.default_rng(3), "wait": pd.Timedelta("3h"), "frozen": frozenset("ab")}
    shell = SimpleNamespace(user_ns=dict(values), user_ns_hidden={})
    state.save(shell, str(tmp_path))
    held = json.loads((tmp_path / "state.json").read_text())
    assert (held["left"], held["code"]) == ({"wide": "it is a numpy.longdouble"}, [])
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".parquet", ".npz", ".skops"}
    shell.user_ns.clear()
    folder, path = Path.cwd(), list(sys.path)
    state.restore(shell, str(tmp_path))
    back = SimpleNamespace(**shell.user_ns)
    assert (Path.cwd(), sys.path) == (folder, path)
    pd.testing.assert_frame_equal(back.frame, frame)
    pd.testing.assert_series_equal(back.series, frame["a"])
    pd.testing.assert_index_equal(back.columns, frame.columns)
    assert np.array_equal(back.array, array)
    assert back.nested["l"][0] is back.array
    assert back.nested[3][0] is back.frame
    assert back.nested["m"].predict([[5]]).tolist() == ["a"]
    assert (back.nested[3][1], back.nested["day"], back.nested["p"]) == ({1, 2}, dt.date(2026, 3, 1), Path("x"))
    assert np.isnan(back.nested["n"])
    assert back.words.tolist() == [["a"], [None]]
    assert (back.small, back.small.dtype, back.at, back.wait, back.frozen) == (
        values["small"],
        np.dtype("float32"),
        values["at"],
        values["wait"],
        values["frozen"],
    )
    assert back.raw == values["raw"]
    assert back.rng.random() == values["rng"].random()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (pd.DataFrame({"a": [{1}, "x"]}), "it does not come back equal from Parquet"),
        (np.array([object()], dtype=object), "it is a builtins.object"),
        ({"inner": [open]}, "it is a builtins.builtin_function_or_method"),
        (Counter("ab"), "it is a collections.Counter"),
        ("postgresql://me:hunter2@db/x", "it is secret"),
        ({"api_key": "abc123def"}, "it is secret"),
        (FunctionTransformer(lambda x: x), "it cannot be written as data"),
    ],
)
def test_a_value_that_cannot_be_kept_has_a_reason(tmp_path, value, why):
    state.save(SimpleNamespace(user_ns={"odd": value, "fine": 1}, user_ns_hidden={}), str(tmp_path))
    held = json.loads((tmp_path / "state.json").read_text())
    assert list(held["names"]) == ["fine"]
    assert why in held["left"]["odd"]


def test_a_list_that_holds_itself_and_frames_without_pyarrow(tmp_path, monkeypatch):
    knot = []
    knot.append(knot)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    state.save(SimpleNamespace(user_ns={"knot": knot, "f": pd.DataFrame()}, user_ns_hidden={}), str(tmp_path))
    left = json.loads((tmp_path / "state.json").read_text())["left"]
    assert left == {
        "knot": "it holds itself",
        "f": "frames are kept as Parquet, which needs pyarrow: pip install pyarrow",
    }


def test_what_cannot_be_kept_is_named_and_its_cells_run_again(project, write, executed):
    cells = (
        f"import pathlib, sqlite3\n{COUNT.format('imports')}",
        f"{COUNT.format('connect')}\ndb = sqlite3.connect(':memory:')\nclass Box: pass",
        f"{COUNT.format('table')}\ndb.execute('create table t (x)')\nn = 1",
        f"{COUNT.format('aside')}\nbox = Box()\nlines = (x for x in 'ab')",
        (f"{COUNT.format('count')}\nn += 1", "checkpoint"),
        f"{FAILS}\ndb.execute('insert into t values (?)', (n,))\nprint(db.execute('select * from t').fetchall())",
    )
    failed = nb.run_notebook(write(*cells))
    about = nbformat.reads(failed.artifact("notebook.ipynb").decode(), 4).cells[4].metadata.papermill.checkpoint
    assert about.kept == ["n"]
    assert about.left == {
        "db": "it is a sqlite3.Connection",
        "box": "it is a __main__.Box",
        "lines": "it is a builtins.generator",
    }
    fix(project)
    done = nb.run_notebook(resume=failed, output="out.ipynb")
    assert done.status == "finished", done.error
    assert ran(project)[5:] == ["connect", "table"]  # nobody needs the box
    found, _, _ = executed("out.ipynb")
    assert found.cells[5].outputs[0].text == "[(2,)]\n"
    assert ["resumed_from" in c.metadata.papermill for c in found.cells] == [True, False, False, True, True, False]


def test_what_was_imported_or_defined_is_made_again_silently(project, write, executed):
    cells = (
        f"%matplotlib inline\nimport pathlib\n{COUNT.format('one')}\nlimit = 2\nfrom numpy import exp\nimport os",
        f"{COUNT.format('two')}\ndef far(x, most=limit):\n    return exp(0) + x > most\nhalf = lambda x: x / 2",
        (f"{COUNT.format('three')}\nlimit = 5", "checkpoint"),
        f"{FAILS}\nprint(far(3), half(4), limit, os.sep)",
    )
    failed = nb.run_notebook(write(*cells))
    fix(project)
    done = nb.run_notebook(resume=failed, output="out.ipynb")
    assert done.status == "finished", done.error
    assert executed("out.ipynb")[0].cells[3].outputs[0].text == "True 2.0 5 /\n"  # most is what limit was then
    assert ran(project) == ["one", "two", "three"]


def test_a_name_nobody_sets_is_a_refusal_before_a_run_begins(project, write):
    cells = (
        "import pathlib, sqlite3\nglobals()['db'] = sqlite3.connect(':memory:')",
        ("n = 1", "checkpoint"),
        f"{FAILS}\nprint(db)",
    )
    failed = nb.run_notebook(write(*cells))
    fix(project)
    with pytest.raises(Conflict, match=r"'db' was not kept \(it is a sqlite3.Connection\), and no cell sets it"):
        nb.run_notebook(resume=failed)
    assert len(nb.runs()) == 1


@pytest.mark.parametrize(
    ("change", "parameters", "said"),
    [
        ({"load": "data = [1]\nother = data"}, None, r"cell 3 \(data = \[1\]\) changed since"),
        ({}, {"rows": 5}, "parameter 'rows' changed since"),
        ({"parameters": ("rows = 4\npassword = ''\ndata = []", "parameters")}, None, r"cell 1 \(rows = 4\) changed"),
    ],
)
def test_what_changed_before_the_checkpoint_is_named(project, long, change, parameters, said):
    failed = nb.run_notebook(long())
    fix(project)
    with pytest.raises(Conflict, match=said):
        nb.run_notebook(long(**change), parameters, resume=failed.run_id)
    assert len(nb.runs()) == 1


def test_what_follows_the_checkpoint_may_be_repaired(project, long):
    failed = nb.run_notebook(long())
    assert nb.run_notebook(long(use="print(total)"), resume=failed).status == "finished"


def test_there_must_be_something_to_go_on_with(project, write, notebook):
    failed = nb.run_notebook(write(FAILS))
    with pytest.raises(Invalid, match=r"has no checkpoint.*nbmlops run long\.ipynb"):
        nb.run_notebook(resume=failed)
    finished = nb.run_notebook(notebook("plain"))
    with pytest.raises(Invalid, match="has finished"):
        nb.run_notebook(resume=finished)
    with nb.run("forest") as cell, pytest.raises(Invalid, match="only notebooks go on"):
        nb.run_notebook(resume=cell.run_id)
    assert CliRunner().invoke(main, ["run"]).exit_code == 2


SECRET = "correct-horse-battery-staple"


def test_secrets_are_in_no_checkpoint_and_come_from_where_they_came(project, long, monkeypatch):
    monkeypatch.setenv("DB_ACCESS", SECRET)
    fails = f"{FAILS}\nassert password == {SECRET[::-1]!r}[::-1], password"
    failed = nb.run_notebook(long(use=fails), {"password": nb.Secret("DB_ACCESS"), "rows": 3})
    fix(project)
    done = nb.run_notebook(resume=failed)
    assert done.status == "finished", done.error
    hides = "data = []\nother = 1\nheader, raw = 'Bearer ' + password, ('k=' + password).encode()"
    plain = nb.run_notebook(long(use="raise ValueError", load=hides), {"password": SECRET})
    with pytest.raises(Invalid, match="had a secret 'password', which is stored nowhere"):
        nb.run_notebook(resume=plain)
    repaired = nb.run_notebook(long(use=fails, load=hides), {"password": SECRET}, resume=plain)
    assert repaired.status == "finished", repaired.error
    session.reset()
    assert [p for p in project.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()] == []


def test_a_killed_runner_is_gone_on_with(project, write, executed):
    waits = "import time\nif not pathlib.Path('fixed').exists():\n    pathlib.Path('ready').touch()\n    time.sleep(60)"
    write(f"import pathlib\nprint('kept')\n{COUNT.format('a')}", ("x = 5", "checkpoint"), f"{waits}\nprint(x)")
    command = [sys.executable, "-c", "from nbmlops.cli import main; main()", "run", "long.ipynb"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as runner:
        until((project / "ready").exists, process=runner)
        os.kill(runner.pid, signal.SIGKILL)
    fix(project)
    done = nb.run_notebook(resume=nb.get_run("long"), output="out.ipynb")
    assert done.status == "finished", done.error
    found, _, _ = executed("out.ipynb")
    assert [o.text for c in found.cells for o in c.outputs] == ["kept\n", "5\n"]
    assert ran(project) == ["a"]


def test_a_checkpoint_that_fails_costs_a_warning(project, write, monkeypatch):
    monkeypatch.setattr("nbmlops.jobs.checkpoint.CALL", "1 / 0  # {0}{1}{2}")
    run = nb.run_notebook(write(("x = 1", "checkpoint"), "print(x)"))
    assert run.status == "finished"
    about = nbformat.reads(run.artifact("notebook.ipynb").decode(), 4).cells[0].metadata.papermill.checkpoint
    assert about == {"fault": "ZeroDivisionError: division by zero"}
    assert "checkpoint" not in run.tags


def test_no_file_of_a_checkpoint_is_a_pickle_and_none_is_left_behind(project, write):
    run = nb.run_notebook(write("import numpy as np\nx = np.ones(3)\nf = lambda: 1", ("y = 1", "checkpoint"), FAILS))
    for one in run.artifacts:
        if one.name.startswith("checkpoints/"):
            assert not run.artifact(one.name).startswith(b"\x80")
    assert list((session.project().home / "checkpoints").iterdir()) == []
