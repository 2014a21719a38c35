"""One notebook over many rows: a run per row, one parent run, and a record that says what became of each.

Each row is a work ``<key>#<n>`` of the ledger. A fan-out that was stopped goes on with the same key: what has finished
is not done again.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from nbmlops.config import disabled
from nbmlops.errors import Conflict, Invalid, NbmlopsError, NotFound
from nbmlops.hooks import Shown
from nbmlops.jobs import rows as rows_of
from nbmlops.jobs.rows import Row
from nbmlops.records import new_id, now, plain
from nbmlops.store.works import later

if TYPE_CHECKING:
    import pandas as pd
    from nbformat import NotebookNode

    from nbmlops.jobs.executors import Executor
    from nbmlops.jobs.progress import Progress
    from nbmlops.store.database import Store
    from nbmlops.store.works import State, Work
    from nbmlops.tracking.session import OpenRun

__all__ = ["Fan", "fan_out", "run_notebooks"]

BEGINS_S = 30.0
EVERY_S = 30.0  # between two lines of a log
STATES: Mapping[str, State] = {"finished": "finished", "failed": "failed", "interrupted": "cancelled"}
SPEC = ("timeout", "memory", "cpu", "cwd", "retry_on", "backoff")


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
    from nbmlops.jobs import executors
    from nbmlops.jobs.execution import opened
    from nbmlops.jobs.parameters import declared
    from nbmlops.tracking import session

    if disabled():
        raise Invalid("A fan-out needs the store, and NBMLOPS_DISABLED switches it off.", "Unset it.")
    notebook, nb, kernel, language = opened(path)
    values = rows_of.checked(notebook.name, rows, declared(nb, kernel, language))
    project = session.project(notebook)
    plan = _Plan(session.store(), notebook, nb, project.relative(notebook), values, policy, run_key or "")
    told = progress or _usual(sys.stderr)
    if not isinstance(executor, str):
        return _driven(plan, executor, told, lambda: None)
    used = executors.executor(executor, project)
    try:
        return _driven(plan, used, told, used.close)
    finally:
        used.close()


class _Plan:
    """The works of a fan-out, and its parent."""

    def __init__(
        self,
        store: Store,
        notebook: Path,
        nb: NotebookNode,
        relative: str,
        values: Sequence[Mapping[str, Any]],
        policy: Mapping[str, Any],
        key: str,
    ) -> None:
        self.store, self.name, self.relative = store, notebook.name, relative
        self.run_id = new_id()
        self.key = key or f"{notebook.stem}-{self.run_id[-12:]}"
        self.experiment = notebook.stem
        self.most = int(policy.get("most") or 2)
        self.spec = _spec(policy)
        self.works = [self._work(n, row, nb) for n, row in enumerate(values)]
        self.digest = hashlib.sha256("".join(w["digest"] for w in self.works).encode()).hexdigest()

    def _work(self, number: int, row: Mapping[str, Any], nb: NotebookNode) -> dict[str, Any]:
        from nbmlops.jobs.keys import digest_of, kept

        parameters = kept(row)
        return {
            "key": f"{self.key}#{number}",
            "notebook": self.relative,
            "parameters": parameters,
            "digest": digest_of(nb, parameters),
            "most": self.most,
            "parent": self.key,
            "spec": {**self.spec, "tags": {"row": str(number)}},
        }

    def begin(self) -> None:
        """Write the works, or make those due again that have not finished; refuse where the key is another's."""
        from nbmlops.store import ledger

        at = now()
        parent = {"key": self.key, "notebook": self.relative, "digest": self.digest, "state": "started"}
        with ledger.changing(self.store) as change:
            if before := ledger.get(change, self.key):
                self._check(before)
                self.run_id = before.run_id or self.run_id
                for work in ledger.list(change, parent=self.key, limit=None):
                    ledger.reopen(change, work.key, at, self.most)
                ledger.conclude(change, self.key, "started", at)
            else:
                ledger.add(change, [{**parent, "run_id": self.run_id, "spec": {"rows": len(self.works)}}, *self.works])

    def _check(self, before: Work) -> None:
        """Refuse a key that means something else, or that somebody works on."""
        if before.digest != self.digest or "rows" not in before.spec:
            raise Conflict(
                f"The key {self.key!r} belongs to {before.notebook} with other rows or other content.",
                "Give this one a key of its own.",
            )
        if before.state == "started" and _running(before):
            raise Conflict(f"{self.key!r} is being worked on: run {before.run_id}.", "Wait for it, or stop it first.")

    def found(self, status: str, duration_s: float | None, errors: Mapping[str, str]) -> Fan:
        """Return what became of the rows, by the ledger and their runs."""
        from nbmlops.store import ledger
        from nbmlops.store.runs import load_many

        works = sorted(
            ledger.list(self.store, parent=self.key, limit=None), key=lambda w: int(w.key.rpartition("#")[2])
        )
        runs = {r["run_id"]: r for r in load_many(self.store, [w.run_id for w in works if w.run_id])}
        _measure(self.store, runs)
        rows = tuple(_row(work, runs.get(work.run_id or "", {}), errors.get(work.key, "")) for work in works)
        return Fan(self.run_id, self.key, self.name, status, rows, duration_s)


def _spec(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each execution is limited by; what cannot be read is refused before there is a run."""
    from nbmlops.jobs.limits import Limits, time_s

    spec = {name: policy[name] for name in SPEC if policy.get(name) is not None}
    Limits.of(spec.get("memory"), spec.get("cpu"))
    if "timeout" in spec:
        time_s(spec["timeout"])
    return spec | ({"cwd": str(Path(spec["cwd"]).absolute())} if "cwd" in spec else {})


def _driven(
    plan: _Plan, executor: Executor, progress: Progress, leave: Callable[[], None]
) -> tuple[Fan, BaseException | None]:
    """Drive the works inside the parent's run, which is closed however that ends, after leaving the executor."""
    from nbmlops.jobs import drive

    plan.begin()
    opened = _parent(plan)
    progress(plan.name, 0, len(plan.works), f"key {plan.key}")
    errors: dict[str, str] = {}
    raised: BaseException | None = None

    def tell(states: Mapping[str, int]) -> None:
        ended = sum(states.values()) - states.get("due", 0) - states.get("started", 0)
        progress(plan.name, ended, len(plan.works), _doing(states))

    try:
        errors = drive.drive(plan.store, executor, parent=plan.key, tell=tell)
    except (NbmlopsError, KeyboardInterrupt) as error:
        raised = error
    finally:
        leave()
        fan = _closed(plan, opened, errors, raised)
    return fan, raised


def _parent(plan: _Plan) -> OpenRun:
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


def _closed(plan: _Plan, opened: OpenRun, errors: Mapping[str, str], raised: BaseException | None) -> Fan:
    """Close the parent's run with what became of its rows."""
    from nbmlops.store import ledger
    from nbmlops.tracking import session
    from nbmlops.tracking.statuses import ending

    duration_s = time.perf_counter() - opened.began
    fan = plan.found("finished", duration_s, errors)
    status, cause = ending(raised) if raised else ("finished", None) if not fan.failed else ("failed", "error")
    said = f"{len(fan.failed)} of {fan.total} rows did not finish"
    for name, count in (("finished", len(fan.finished)), ("failed", len(fan.failed))):
        session.write({"t": "tag", "run_id": opened.run_id, "name": name, "value": str(count)})
    error = session.describe(raised) if raised else {"name": "RowsFailed", "message": said} if fan.failed else None
    session.finish(opened, status, cause, error)
    with ledger.changing(plan.store) as change:
        ledger.conclude(change, plan.key, STATES[status], now(), said if fan.failed else None)
    return Fan(fan.run_id, fan.key, fan.notebook, status, fan.rows, duration_s)


def _measure(store: Store, runs: Mapping[str, dict[str, Any]]) -> None:
    """Give a notebook that logged nothing itself what its tracked cells measured; of two, what the later one did."""
    from nbmlops.store.runs import below, load_many

    cells = below(store, [run_id for run_id, run in runs.items() if not run["metrics"]])
    loaded = {r["run_id"]: r for r in load_many(store, [i for ids in cells.values() for i in ids])}
    for run_id, ids in cells.items():
        measured = [m for i in ids if i in loaded for m in loaded[i]["metrics"]]
        runs[run_id]["metrics"] = [*{(m["name"], str(m["context"])): m for m in measured}.values()]


def _row(work: Work, run: Mapping[str, Any], error: str) -> dict[str, Any]:
    """Return what became of a row."""
    from nbmlops.store.summary import flat_metrics

    return {
        "row": _number(work),
        "key": work.key,
        "state": work.state,
        "attempt": work.attempt,
        "why": _why(work, run, error),
        "run_id": work.run_id,
        "duration_s": run.get("duration_s"),
        "params": dict(work.parameters),
        "metrics": flat_metrics(run.get("metrics", [])),
    }


def _number(work: Work) -> int:
    return int(work.key.rpartition("#")[2])


def _why(work: Work, run: Mapping[str, Any], error: str) -> str:
    """Return why a row did not finish, in one line."""
    if work.state == "finished":
        return ""
    about = run.get("error") or {}
    if about:
        where = f" (cell {about['cell']})" if "cell" in about else ""
        return f"{about['name']}: {str(about['message']).splitlines()[0] if about['message'] else ''}{where}"
    return error or work.reason or run.get("cause") or ""


def _running(parent: Work) -> bool:
    """Tell whether somebody drives a fan-out; its run comes a moment after its works."""
    from nbmlops.tracking.runs import get_run

    try:
        return bool(get_run(parent.run_id or "").status == "running")
    except NotFound:
        return later(parent.created_at, BEGINS_S) > now()


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
