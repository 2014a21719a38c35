"""One notebook over many rows: a run per row, one parent run, and a record that says what became of each.

Each row is a work ``<key>#<n>`` of the ledger. A fan-out that was stopped goes on with the same key: what has finished
is not done again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from nbmlops.config import disabled
from nbmlops.errors import Invalid, NbmlopsError
from nbmlops.hooks import Shown
from nbmlops.jobs.works import rows as rows_of
from nbmlops.jobs.works.fan_plan import Plan
from nbmlops.jobs.works.rows import Row
from nbmlops.records import plain

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.jobs.progress import Progress
    from nbmlops.jobs.works.executors import Executor
    from nbmlops.store.works import State
    from nbmlops.tracking.session import OpenRun

__all__ = ["Fan", "fan_out", "run_notebooks"]

EVERY_S = 30.0  # between two lines of a log
STATES: Mapping[str, State] = {"finished": "finished", "failed": "failed", "interrupted": "cancelled"}


@dataclass(frozen=True, repr=False)
class Fan(Shown):
    """What became of a notebook over many rows."""

    shows: ClassVar[str] = "fan"

    run_id: str  # of the parent
    key: str
    notebook: str
    status: str
    rows: tuple[Mapping[str, Any], ...]  # row, key, state, attempt, why, run_id, duration_s, params, metrics
    duration_s: float | None = None

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    @property
    def finished(self) -> list[Mapping[str, Any]]:
        """The rows that finished."""
        return [r for r in self.rows if r["state"] == "finished"]

    @property
    def failed(self) -> list[Mapping[str, Any]]:
        """The rows that did not: they failed, were cancelled, or are not done yet."""
        return [r for r in self.rows if r["state"] != "finished"]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        states = {state: sum(r["state"] == state for r in self.rows) for state in dict.fromkeys(_states(self.rows))}
        return {**plain(self), "total": self.total, "states": states}

    def to_frame(self) -> pd.DataFrame:
        """Return a row each: what became of it, ``params.*`` and ``metrics.*``."""
        import pandas as pd

        flat = [
            {k: v for k, v in r.items() if k not in ("params", "metrics")}
            | {f"{kind}.{name}": value for kind in ("params", "metrics") for name, value in r[kind].items()}
            for r in self.rows
        ]
        return pd.DataFrame(flat)


def run_notebooks(
    path: str | Path,
    rows: Iterable[Mapping[str, Any]] | pd.DataFrame | str | Path,
    parameters: Mapping[str, Any] | None = None,
    executor: str | Executor = "",
    run_key: str | None = None,
    progress: Progress | None = None,
    retries: int = 1,
    timeout: str | float | None = None,
) -> Fan:
    """Execute a notebook once for each row of parameters, as many at once as the executor takes.

    Parameters
    ----------
    path : str or Path
        The notebook; it is not changed.
    rows : iterable of mapping, DataFrame, str or Path
        The parameters of each run, or the CSV, JSON lines or Parquet file that holds them.
    parameters : mapping, optional
        Values that are the same for every row.
    executor : str or Executor, optional
        ``local:N`` or ``dask://host:port``; all cores of this machine but one when absent.
    run_key : str, optional
        A name for the whole: called again with it, what has finished is not done again. One is made when absent.
    progress : callable, optional
        Called with (notebook, rows that have ended, rows, what the others do). A bar in a terminal, lines
        elsewhere, when absent.
    retries : int
        How often a row is tried again where its kernel died, it timed out or its worker was lost; never where the
        notebook itself raised.
    timeout : str or float, optional
        Seconds for each row, or text such as ``15m``.

    Returns
    -------
    Fan
        ``.failed`` holds the rows that did not finish, ``.to_frame()`` all of them with their metrics.

    Raises
    ------
    Invalid
        Rows that do not fit the notebook; nothing was started.
    Conflict
        The key belongs to another notebook or to other rows, or it is being worked on.
    Unavailable
        The executor went away; the same call with the same key goes on.
    KeyboardInterrupt
        It was interrupted; what had not ended is cancelled, and the same call with the same key goes on.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.run_notebooks("shop.ipynb", [{"shop": n} for n in range(20)]).total  # doctest: +SKIP
    20
    """
    given = rows_of.of_file(rows) if isinstance(rows, (str, Path)) else rows_of.of_python(rows)
    constant = [Row(values=dict(parameters))] if parameters else []
    policy = {"timeout": timeout, "most": 1 + retries}
    fan, error = fan_out(path, rows_of.crossed(given, constant), executor, run_key, progress, **policy)
    if error:
        raise error
    return fan


def fan_out(
    path: str | Path,
    rows: Sequence[Row],
    executor: str | Executor = "",
    run_key: str | None = None,
    progress: Progress | None = None,
    **policy: Any,
) -> tuple[Fan, BaseException | None]:
    """Do the same; return what became of the rows, and what was raised meanwhile.

    Parameters
    ----------
    rows : sequence of Row
        Not checked yet.
    **policy
        ``most`` (attempts a row, 2 when absent), and what an execution is limited by: ``timeout``, ``memory``,
        ``cpu``, ``cwd``.

    Other parameters are those of :func:`run_notebooks`.
    """
    from nbmlops.jobs.execution import opened
    from nbmlops.jobs.parameters import declared
    from nbmlops.jobs.works import executors
    from nbmlops.tracking import session

    if disabled():
        raise Invalid("A fan-out needs the store, and NBMLOPS_DISABLED switches it off.", "Unset it.")
    notebook, nb, kernel, language = opened(path)
    values = rows_of.checked(notebook.name, rows, declared(nb, kernel, language))
    project = session.project(notebook)
    plan = Plan(session.store(), notebook, nb, project.relative(notebook), values, policy, run_key or "")
    told = progress or _usual(sys.stderr)
    if not isinstance(executor, str):
        return _driven(plan, executor, told, lambda: None)
    used = executors.executor(executor, project)
    try:
        return _driven(plan, used, told, used.close)
    finally:
        used.close()


def _driven(
    plan: Plan, executor: Executor, progress: Progress, leave: Callable[[], None]
) -> tuple[Fan, BaseException | None]:
    """Drive the works inside the parent's run, which is closed however that ends, after leaving the executor."""
    from nbmlops.jobs.works import drive

    plan.begin()
    opened = _parent(plan)
    errors: dict[str, str] = {}
    raised: BaseException | None = None

    def tell(states: Mapping[str, int]) -> None:
        ended = sum(states.values()) - states.get("due", 0) - states.get("started", 0)
        progress(plan.name, ended, len(plan.works), _doing(states))

    try:
        progress(plan.name, 0, len(plan.works), f"key {plan.key}")
        errors = drive.drive(plan.store, executor, parent=plan.key, tell=tell)
    except (NbmlopsError, KeyboardInterrupt) as error:
        raised = error
    finally:
        leave()
        fan = _closed(plan, opened, errors, raised)
    return fan, raised


def _parent(plan: Plan) -> OpenRun:
    """Open the parent's run; that of a fan-out that goes on is opened again."""
    from nbmlops.tracking import session

    anew: dict[str, Any] = {"ended_at": None, "duration_s": None, "cause": None, "error": None}
    opened = session.start(
        plan.experiment,
        kind="search",
        name=f"{plan.experiment} over {len(plan.works)} rows",
        run_id=plan.run_id,
        notebook=plan.relative,
        tags={"key": plan.key, "total": len(plan.works)},
        **anew,
    )
    session.drain()  # the rows' runs name it as their parent
    return opened


def _closed(plan: Plan, opened: OpenRun, errors: Mapping[str, str], raised: BaseException | None) -> Fan:
    """Close the parent's run with what became of its rows."""
    from nbmlops.tracking import session
    from nbmlops.tracking.statuses import ending

    duration_s = time.perf_counter() - opened.began
    rows = plan.rows(errors)
    left = sum(r["state"] != "finished" for r in rows)
    status, cause = ending(raised) if raised else ("failed", "error") if left else ("finished", None)
    said = f"{left} of {len(rows)} rows did not finish"
    for name, count in (("finished", len(rows) - left), ("failed", left)):
        session.write({"t": "tag", "run_id": opened.run_id, "name": name, "value": str(count)})
    error = session.describe(raised) if raised else {"name": "RowsFailed", "message": said} if left else None
    session.finish(opened, status, cause, error)
    plan.end(STATES[status], said if left else None)
    return Fan(plan.run_id, plan.key, plan.name, status, rows, duration_s)


def _states(rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    order = ("finished", "failed", "cancelled")
    found = {r["state"] for r in rows}
    return [s for s in (*order, *sorted(found - {*order})) if s in found]


def _doing(states: Mapping[str, int]) -> str:
    """Return in words what the rows do: ``2 running, 1 failed``."""
    words = {"started": "running", "failed": "failed", "cancelled": "cancelled"}
    said = ", ".join(f"{states[state]} {word}" for state, word in words.items() if states.get(state))
    return said or ("waiting" if states.get("due") else "done")


class _Lines:
    """A line now and then, and one at the end: for logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.began, self.last = stream, time.monotonic(), -EVERY_S

    def __call__(self, notebook: str, cell_index: int, cells: int, description: str) -> None:
        spent = time.monotonic() - self.began
        if cell_index == cells or spent - self.last > EVERY_S:
            self.last = spent
            self.stream.write(f"{notebook}: {cell_index} of {cells} rows, {description}, after {spent:.0f} s\n")
            self.stream.flush()


def _usual(stream: TextIO) -> Progress:
    from nbmlops.jobs.progress import Bar

    return Bar(stream) if stream.isatty() else _Lines(stream)
