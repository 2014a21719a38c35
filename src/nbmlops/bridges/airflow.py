"""Airflow runs a notebook by the one verb: ``nbmlops run NOTEBOOK --run-key KEY``.

The key names the task's run in Airflow, so a task that is tried again, or cleared after it had succeeded, does nothing
twice. Airflow is imported when the operator is first asked for.
"""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from nbmlops.errors import MissingPackage

if TYPE_CHECKING:
    NbmlopsOperator: Any

__all__ = ["NbmlopsOperator", "command_of", "outcome_of"]

RUN_KEY = "{{ dag.dag_id }}.{{ task.task_id }}.{{ run_id }}.{{ ti.map_index }}"
END_S = 10  # what a run gets to write down that it was stopped; it takes less than 5
AGAIN = (1, 5, 6, 7, 8)  # failed, no data yet, kernel died, timed out, preempted: Airflow's retries decide
SAYS: Mapping[int, str] = {
    1: "the notebook failed",
    2: "wrong usage",
    3: "a gate, check or policy said no",
    4: "inconclusive",
    5: "data missing or unreadable",
    6: "the kernel died",
    7: "it timed out",
    8: "cancelled or preempted",
}
BASES = ("airflow.sdk", "airflow.models")
ERRORS = ("airflow.sdk.exceptions", "airflow.exceptions")


def command_of(
    notebook: str,
    parameters: Mapping[str, Any] | None = None,
    run_key: str = "",
    executor: str = "",
    options: Sequence[str] = (),
    program: str = "nbmlops",
) -> list[str]:
    """Return the command of a task.

    Parameters
    ----------
    notebook : str
    parameters : mapping, optional
        Values that are not text are written as JSON, which the notebook's types read.
    run_key, executor : str, optional
    options : sequence of str
        More of ``nbmlops run``, such as ``["--timeout", "2h"]``.
    program : str
        The command itself; a path where the notebook's environment is not Airflow's.

    Examples
    --------
    >>> " ".join(command_of("retrain.ipynb", {"trees": 200}, "night.retrain.1"))
    'nbmlops run retrain.ipynb -p trees 200 --run-key night.retrain.1 --json'
    """
    command = [program, "run", notebook]
    for name, value in (parameters or {}).items():
        command += ["-p", name, value if isinstance(value, str) else json.dumps(value)]
    command += ["--run-key", run_key] if run_key else []
    command += ["--executor", executor] if executor else []
    return [*command, *options, "--json"]


def outcome_of(code: int) -> tuple[bool, str]:
    """Return whether Airflow may try a task again after an exit code, and what the code means.

    Examples
    --------
    >>> outcome_of(6), outcome_of(2)
    ((True, 'the kernel died'), (False, 'wrong usage'))
    """
    return code < 0 or code in AGAIN, SAYS.get(code, f"exit code {code}")


def __getattr__(name: str) -> Any:
    if name == "NbmlopsOperator":
        return _operator()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _operator() -> Any:
    """Return the operator's class, which needs Airflow's own."""
    base = _first(BASES, "BaseOperator")

    class NbmlopsOperator(base):  # type: ignore[valid-type,misc]
        """Execute a notebook; what it returns to other tasks is the run as JSON.

        Parameters
        ----------
        notebook : str
            As the project's folder has it.
        parameters : mapping, optional
        cwd : str, optional
            The project's folder.
        run_key : str, optional
            What the run is; the task's run in Airflow when absent.
        executor : str, optional
            ``dask://host:port`` when the notebook shall not run where the task does.
        options : sequence of str
            More of ``nbmlops run``.
        program : str
            The command; a path where the notebook's environment is not Airflow's.
        """

        template_fields = ("notebook", "parameters", "cwd", "run_key", "executor", "options")
        ui_color = "#e8f0e4"

        def __init__(
            self,
            *,
            notebook: str,
            parameters: Mapping[str, Any] | None = None,
            cwd: str | None = None,
            run_key: str = RUN_KEY,
            executor: str = "",
            options: Sequence[str] = (),
            program: str = "nbmlops",
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            self.notebook, self.parameters, self.cwd = notebook, parameters, cwd
            self.run_key, self.executor, self.options, self.program = run_key, executor, options, program
            self._process: subprocess.Popen[str] | None = None

        def execute(self, context: Any) -> Any:
            """Run the command; its exit code decides whether Airflow tries again."""
            what = (self.notebook, self.parameters, self.run_key, self.executor, self.options, self.program)
            self._process = subprocess.Popen(command_of(*what), cwd=self.cwd, stdout=subprocess.PIPE, text=True)
            said, _ = self._process.communicate()
            return _result(self._process.returncode, said)

        def on_kill(self) -> None:
            """Let the run write down that it was stopped; then it is over in any case."""
            if self._process is None or self._process.poll() is not None:
                return
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()

    NbmlopsOperator.__module__, NbmlopsOperator.__qualname__ = __name__, "NbmlopsOperator"  # Airflow finds it by name
    return NbmlopsOperator


def _result(code: int, said: str) -> Any:
    """Return the run a command printed; raise what Airflow understands when it did not finish."""
    found = _parsed(said)
    if code == 0:
        return found
    again, means = outcome_of(code)
    kind = _first(ERRORS, "AirflowException" if again else "AirflowFailException")
    error = (found or {}).get("error") or {}
    told = f": {error['name']}: {error['message']}" if "name" in error else ""
    run = f" (run {found['run_id']})" if found else ""
    raise kind(f"nbmlops run: {means}{run}{told}")


def _parsed(said: str) -> dict[str, Any] | None:
    try:
        found = json.loads(said.strip().splitlines()[-1])
    except (ValueError, IndexError):  # it ended before there was a run
        return None
    return found if isinstance(found, dict) else None


def _first(modules: Sequence[str], name: str) -> Any:
    """Return a name from the first module that has it: Airflow 3 keeps it elsewhere than Airflow 2."""
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise MissingPackage("The operator needs Airflow.", "pip install apache-airflow")
