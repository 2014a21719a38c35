"""The same again: what comes out is compared, and what may be why is named."""

from __future__ import annotations

import json

import nbformat
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.jobs import again
from nbmlops.records import Finding
from nbmlops.tracking import session

KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
TRACKED = """\
import nbmlops as nb, pandas as pd, pathlib
with nb.run("inner"):
    frame = pd.read_csv("data.csv")
    nb.log(total=float(frame["x"].sum()) + trees{})
"""


@pytest.fixture
def write(project):
    (project / "data.csv").write_text("x\n1\n2\n")

    def write(*cells, name="job.ipynb"):
        made = [nbformat.v4.new_code_cell("trees = 1", metadata={"tags": ["parameters"]})]
        made += [nbformat.v4.new_code_cell(c) for c in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=KERNEL), name)
        return project / name

    return write


def of(found, code):
    return [f for f in found.findings if f.code == code]


def test_the_same_again_is_the_same_though_the_notebook_is_gone(project, write):
    path = write(TRACKED.format(""), "print('done')")
    first = nb.run_notebook(path, {"trees": 5}, cpu=1, timeout="10m")
    path.unlink()
    found = nb.run_again(first)
    assert (found.verdict, found.because, found.before) == ("same", (), first.run_id)
    assert [f.message for f in found.findings if f.code in ("metric", "packages", "outputs", "status")] == [
        "It was finished, now it is finished.",
        "1 metric value equal",
        f"{len(again._environment([first])['packages'])} packages in equal versions",
        "every cell shows the same",
    ]
    run = nb.get_run(found.run_id)
    assert (run.params, run.previous, run.notebook, run.experiment) == ({"trees": 5}, first.run_id, "job.ipynb", "job")
    assert (run.tags["again"], run.tags["limit_cpu"], run.tags["limit_timeout_s"]) == (first.run_id, "1", "600")
    assert json.loads(run.artifact("again.json")) == found.to_dict()
    assert json.loads(first.artifact("notebook.ipynb"))["metadata"]["papermill"]["input_path"] == str(path)
    assert json.loads(run.artifact("notebook.ipynb"))["metadata"]["papermill"]["input_path"] == str(path)


def test_other_data_is_named_as_the_reason_and_ends_with_3(project, write):
    first = nb.run_notebook(write(TRACKED.format("")))
    (project / "data.csv").write_text("x\n1\n5\n")
    ended = CliRunner().invoke(main, ["run", "--again", first.run_id[-6:], "--json"])
    assert ended.exit_code == 3, ended.output
    found = json.loads(ended.stdout)
    assert (found["verdict"], found["because"]) == ("differs", ["data fingerprint"])
    metric = next(f for f in found["findings"] if f["code"] == "metric")
    assert (metric["column"], metric["effect"], metric["message"]) == ("inner: total", 3.0, "inner: total: 4, now 7")
    shown = nb.run_again(first)
    assert "differs because: data fingerprint" in repr(shown)
    assert "inner: total: 4, now 7" in shown._repr_mimebundle_()["text/html"]


def test_chance_without_a_seed_is_named(write):
    cell = """\
import nbmlops as nb, random
from sklearn.dummy import DummyClassifier
with nb.run("inner"):
    model = DummyClassifier(strategy="uniform").fit([[0], [1]], [0, 1])
    nb.log(score=random.random())
"""
    found = nb.run_again(nb.run_notebook(write(cell)))
    assert (found.verdict, found.because) == ("differs", ("no seed",))
    assert of(found, "seed")[0].message == "no seed is set: inner: DummyClassifier.random_state"


def test_packages_python_and_code_are_compared():
    then = again._Side({"a": 1.0}, {}, {"python": "3.11", "packages": {"pandas": "2.2", "x": "1"}}, {"commit": "a"}, ())
    now = again._Side({"a": 2.0}, {}, {"python": "3.12", "packages": {"pandas": "2.3"}}, {"commit": "b"}, ())
    found = [*again._metrics(then, now), *again._machine(then, now)]
    assert [(f.code, f.outcome, f.message) for f in found] == [
        ("metric", "issue", "a: 1, now 2"),
        ("python", "warning", "python 3.11, now 3.12"),
        ("platform", "passed", "platform None"),
        ("packages", "warning", "pandas 2.2, now 2.3; x 1, now absent"),
        ("code", "warning", "commit a, now b: modules of the project may differ"),
    ]
    assert [f.outcome for f in again._machine(then, again._Side({}, {}, {}, {}, ()))] == ["skipped"]
    odd = again._Side({"a": float("nan"), "b": 1.0}, {("written", "out"): "1" * 64}, {}, {}, ())
    more = again._Side({"a": float("nan")}, {("written", "out"): "2" * 64}, {}, {}, ())
    assert [(f.code, f.outcome) for f in (*again._metrics(odd, more), *again._data(odd, more))] == [
        ("metric", "issue"),
        ("metric", "passed"),
        ("written", "issue"),
    ]


def test_it_runs_where_it_ran(project, write):
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "here.csv").touch()
    first = nb.run_notebook(write("open('here.csv').close()"), cwd="elsewhere")
    assert first.tags["cwd"] == "elsewhere"
    found = nb.run_again(first)
    assert (found.status, found.verdict) == ("finished", "same")


def test_nothing_to_compare_is_an_answer(write):
    first = nb.run_notebook(write("import time\nprint(time.time_ns())"))
    ended = CliRunner().invoke(main, ["run", "--again", first.run_id])
    assert (ended.exit_code, "inconclusive" in ended.output) == (4, True)


def test_a_run_that_fails_now_says_so_with_its_own_code(project, write):
    first = nb.run_notebook(write("open('data.csv').read()"))
    (project / "data.csv").unlink()
    ended = CliRunner().invoke(main, ["run", "--again", first.run_id])
    assert ended.exit_code == 1
    assert "It was finished, now it is failed, error." in ended.output


def test_secrets_are_found_again_by_their_variable_only(write, monkeypatch):
    monkeypatch.setenv("DB_ACCESS", "correct-horse-battery")
    path = write("assert password[::-1] == 'yrettab-esroh-tcerroc'")
    node = nbformat.read(path, 4)
    node.cells[0].source = "password = ''"
    nbformat.write(node, path)
    assert nb.run_again(nb.run_notebook(path, {"password": nb.Secret("DB_ACCESS")})).verdict == "same"
    with pytest.raises(Invalid, match="had a secret 'password', which is stored nowhere"):
        nb.run_again(nb.run_notebook(path, {"password": "correct-horse-battery"}))


def test_only_what_is_stored_runs_again(project, write):
    with nb.run("forest") as cell:
        pass
    with pytest.raises(Invalid, match="only notebooks run again"):
        nb.run_again(cell.run_id)
    opened = session.start("job", kind="notebook")
    session.finish(opened, "abandoned", "process_gone")
    with pytest.raises(NotFound, match="was not kept"):
        nb.run_again(opened.run_id)
    assert CliRunner().invoke(main, ["run", "job.ipynb", "--again", opened.run_id]).exit_code == 2


def test_a_finding_is_worded_for_one_and_for_many():
    side = again._Side({f"m{i}": float(i) for i in range(30)}, {}, {}, {}, ())
    other = again._Side({f"m{i}": float(i + 1) for i in range(30)}, {}, {}, {}, ())
    found = list(again._metrics(side, other))
    assert len(found) == again.MOST + 1
    assert found[-1] == Finding("metric", "issue", "10 more metric values differ")
