"""The works of a fan-out in the ledger: written, opened again, read back as what became of each row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Conflict, NotFound
from nbmlops.records import new_id, now
from nbmlops.store.works import State, Work, later

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.store.database import Store

__all__ = ["Plan"]

BEGINS_S = 30.0
SPEC = ("timeout", "memory", "cpu", "cwd", "retry_on", "backoff")


class Plan:
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
        from nbmlops.jobs.works.keys import digest_of, kept

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

    def end(self, state: State, reason: str | None) -> None:
        """Write what became of the whole."""
        from nbmlops.store import ledger

        with ledger.changing(self.store) as change:
            ledger.conclude(change, self.key, state, now(), reason)

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

    def rows(self, errors: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
        """Return what became of each row, by the ledger and its run; ``errors`` says what could not begin."""
        from nbmlops.store import ledger
        from nbmlops.store.runs import load_many

        works = sorted(ledger.list(self.store, parent=self.key, limit=None), key=_number)
        runs = {r["run_id"]: r for r in load_many(self.store, [w.run_id for w in works if w.run_id])}
        _measure(self.store, runs)
        return tuple(_row(work, runs.get(work.run_id or "", {}), errors.get(work.key, "")) for work in works)


def _spec(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each execution is limited by; what cannot be read is refused before there is a run."""
    from nbmlops.jobs.limits import Limits, time_s

    spec = {name: policy[name] for name in SPEC if policy.get(name) is not None}
    Limits.of(spec.get("memory"), spec.get("cpu"))
    if "timeout" in spec:
        time_s(spec["timeout"])
    return spec | ({"cwd": str(Path(spec["cwd"]).absolute())} if "cwd" in spec else {})


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
