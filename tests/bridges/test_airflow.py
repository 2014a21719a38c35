"""The Airflow operator, on a stand-in for Airflow's base class and real runs."""

from __future__ import annotations

import os
import signal
import sys
import threading
import types
from pathlib import Path

import pytest
from nbformat import v4, write

import nbmlops as nb
from nbmlops.bridges import airflow
from nbmlops.cli import output
from nbmlops.errors import MissingPackage
from waiting import until

PROGRAM = str(Path(sys.executable).parent / "nbmlops")


class Failed(Exception):
    """Airflow tries again."""


class FailedForGood(Failed):
    """Airflow does not try again."""


class BaseOperator:
    def __init__(self, task_id, **kwargs):
        assert not kwargs, "Airflow refuses what it does not know"
        self.task_id = task_id


@pytest.fixture
def operator(monkeypatch):
    """The operator on a stand-in of Airflow 3."""
    sdk, errors = types.ModuleType("airflow.sdk"), types.ModuleType("airflow.sdk.exceptions")
    sdk.BaseOperator = BaseOperator
    errors.AirflowException, errors.AirflowFailException = Failed, FailedForGood
    for name, module in (("airflow", types.ModuleType("airflow")), ("airflow.sdk", sdk)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "airflow.sdk.exceptions", errors)
    airflow._operator.cache_clear()
    yield airflow.NbmlopsOperator
    airflow._operator.cache_clear()


@pytest.fixture
def notebook(project):
    cells = [
        "n: int = 1",
        "if n > 1:\n    raise ValueError('no flights')",
        "from pathlib import Path\nPath('ran').touch()",
    ]
    node = v4.new_notebook(cells=[v4.new_code_cell(c) for c in [*cells, "import time\ntime.sleep(60 * (n < 0))"]])
    node.cells[0].metadata["tags"] = ["parameters"]
    write(node, project / "night.ipynb")
    return "night.ipynb"


def test_the_command_is_the_one_verb():
    parameters = {"months": [1, 2], "name": "a b", "rate": 0.1, "dry": True, "limit": None}
    found = airflow.command_of("a.ipynb", parameters, "K", "dask://here:8786", ["--timeout", "2h"], "/opt/bin/nbmlops")
    assert found == [
        *("/opt/bin/nbmlops", "run", "a.ipynb", "-p", "months", "[1, 2]", "-p", "name", "a b", "-p", "rate", "0.1"),
        *("-p", "dry", "true", "-p", "limit", "null", "--run-key", "K", "--executor", "dask://here:8786"),
        *("--timeout", "2h", "--json"),
    ]


def test_every_exit_code_has_a_meaning_and_only_chance_is_tried_again():
    codes = {name: getattr(output, name) for name in ("FAILED", "USAGE", "REFUSED", "INCONCLUSIVE", "NO_DATA")}
    codes |= {name: getattr(output, name) for name in ("KERNEL_DIED", "TIMED_OUT", "CANCELLED")}
    assert set(airflow.SAYS) == set(codes.values())
    again = {name for name, code in codes.items() if airflow.outcome_of(code)[0]}
    assert again == {"FAILED", "NO_DATA", "KERNEL_DIED", "TIMED_OUT", "CANCELLED"}
    assert airflow.outcome_of(-9) == (True, "exit code -9")


def test_a_task_returns_its_run_and_the_same_key_does_nothing_twice(operator, notebook, project):
    task = operator(task_id="night", notebook=notebook, parameters={"n": 1}, run_key="K", program=PROGRAM)
    assert set(operator.template_fields) >= {"notebook", "parameters", "run_key"}
    first = task.execute({})
    assert (first["status"], first["params"][0]["value"]) == ("finished", 1)
    (project / "ran").unlink()
    assert task.execute({})["run_id"] == first["run_id"]
    assert not (project / "ran").exists()
    assert nb.get_run(first["run_id"]).tags["key"] == "K"


def test_a_notebook_that_fails_may_be_tried_again_and_wrong_usage_not(operator, notebook):
    with pytest.raises(Failed, match=r"the notebook failed \(run .*\): ValueError: no flights") as raised:
        operator(task_id="night", notebook=notebook, parameters={"n": 2}, run_key="K", program=PROGRAM).execute({})
    assert type(raised.value) is Failed
    with pytest.raises(FailedForGood, match="wrong usage"):
        operator(task_id="night", notebook=notebook, parameters={"m": 2}, run_key="L", program=PROGRAM).execute({})


def test_a_task_that_is_killed_lets_its_run_say_so(operator, notebook, project):
    task = operator(task_id="night", notebook=notebook, parameters={"n": -1}, run_key="K", program=PROGRAM)

    def kill():
        until((project / "ran").exists)
        task.on_kill()

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(Failed, match="cancelled or preempted"):
        task.execute({})
    thread.join()
    (run,) = nb.runs()["run_id"]
    assert (nb.get_run(run).status, nb.get_run(run).cause) == ("interrupted", "preempted")
    with pytest.raises(ProcessLookupError):
        os.kill(task._process.pid, signal.SIGKILL)


def test_airflow_2_keeps_its_names_elsewhere(operator, monkeypatch):
    models = types.ModuleType("airflow.models")
    models.BaseOperator = BaseOperator
    monkeypatch.setitem(sys.modules, "airflow.models", models)
    monkeypatch.setitem(sys.modules, "airflow.sdk", None)
    airflow._operator.cache_clear()
    assert issubclass(airflow.NbmlopsOperator, BaseOperator)
    assert (airflow.NbmlopsOperator.__module__, airflow.NbmlopsOperator.__qualname__) == (
        "nbmlops.bridges.airflow",
        "NbmlopsOperator",
    )


def test_without_airflow_the_package_is_named(monkeypatch):
    for name in ("airflow", "airflow.sdk", "airflow.models"):
        monkeypatch.setitem(sys.modules, name, None)
    airflow._operator.cache_clear()
    with pytest.raises(MissingPackage, match="pip install apache-airflow"):
        airflow.NbmlopsOperator  # noqa: B018
