"""Run a notebook's run again, from what is stored, and say whether it comes out the same: ``nb.run_again``."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.hooks import Shown
from nbmlops.jobs.checkpoint import code_cells
from nbmlops.jobs.injected import INJECTED
from nbmlops.jobs.resume import values_of
from nbmlops.records import Finding, plain

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.tracking.runs import Run

__all__ = ["Again", "compared", "repeat", "run_again"]

MARKER = "papermill-error-cell-tag"
MOST = 20  # metrics, data sets or packages that are named one by one
RESULTS = ("status", "metric", "written")
CAUSES = {
    "packages": "package versions",
    "python": "Python version",
    "platform": "platform",
    "read": "data fingerprint",
    "code": "code of the project",
    "seed": "no seed",
}


@dataclass(frozen=True, repr=False)
class Again(Shown):
    """A run and the same again: *same*, *differs* and what may be why, or *inconclusive*: nothing to compare."""

    shows: ClassVar[str] = "again"

    run_id: str
    before: str
    notebook: str
    status: str
    verdict: Literal["same", "differs", "inconclusive"]
    because: tuple[str, ...]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}


def run_again(run: str | Run, **options: Any) -> Again:
    """Run the stored source of a notebook's run with its stored parameters, and compare what comes out.

    Parameters
    ----------
    run : str or Run
        Of a notebook that was executed; as :func:`nbmlops.get_run` takes it.
    **options
        ``output``, ``progress``, ``timeout``, ``cwd``, ``memory``, ``cpu``, ``log`` of
        :func:`nbmlops.run_notebook`; limits are those of the run when absent.

    Returns
    -------
    Again
        ``verdict`` is *same* when status, metrics and written data are equal, else *differs*: ``because`` names what
        else is different (package versions, data fingerprints, the project's code, no seed). *inconclusive* when
        the run left nothing to compare.

    Raises
    ------
    Invalid
        The run is no notebook's, or its parameters hold a secret that is stored nowhere.
    NotFound
        Its source was not kept.
    Conflict
        It still goes.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.run_again("retrain").verdict  # doctest: +SKIP
    'same'
    """
    again, error = repeat(run, **options)
    if isinstance(error, KeyboardInterrupt):
        raise error
    return again


def repeat(ref: str | Run, **options: Any) -> tuple[Again, BaseException | None]:
    """Do the same and return also what was raised."""
    from nbmlops.jobs.execution import execute
    from nbmlops.tracking import session
    from nbmlops.tracking.runs import get_run

    before = get_run(ref if isinstance(ref, str) else ref.run_id)
    source, path = _source(before), session.project().root / (before.notebook or f"{before.name}.ipynb")
    about = {"previous": before.run_id, "tags": {"again": before.run_id}}
    more = {**_limits(before), "cwd": _folder(before, path), **{k: v for k, v in options.items() if v is not None}}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        copy.write_text(json.dumps(source), encoding="utf-8")
        run, error = execute(path, values_of(before), source=copy, job=before.experiment, about=about, **more)
    found = compared(before, run)
    session.log_artifact("again.json", json.dumps(found.to_dict()).encode(), "application/json", run.run_id)
    session.drain()
    return found, error


def compared(before: Run, after: Run) -> Again:
    """Return how two runs of one source compare.

    Parameters
    ----------
    before, after : Run
    """
    sides = [_Side.of(run) for run in (before, after)]
    findings = [*_status(before, after), *_metrics(*sides), *_data(*sides), *_machine(*sides), *_outputs(before, after)]
    results = [f for f in findings if f.code in RESULTS]
    differs = any(f.outcome == "issue" for f in results)
    if differs and any(f.code == "metric" and f.outcome == "issue" for f in results):
        findings += _seeds(sides[1])
    known = any(f.code in ("metric", "written") for f in results) or _says(findings, "outputs", "passed")
    verdict: Any = "differs" if differs else "same" if known else "inconclusive"
    because = tuple(dict.fromkeys(CAUSES[f.code] for f in findings if f.code in CAUSES and f.outcome == "warning"))
    because = because or ("nothing that is recorded: chance, time or something outside",)
    ids = (after.run_id, before.run_id, after.notebook or after.name, after.status)
    return Again(*ids, verdict, because if differs else (), tuple(findings))


@dataclass(frozen=True)
class _Side:
    """What a run and its parts left, under names that are the same in both."""

    metrics: Mapping[str, float]
    data: Mapping[tuple[str, str], str]
    environment: Mapping[str, Any]
    git: Mapping[str, Any]
    unseeded: tuple[str, ...]

    @classmethod
    def of(cls, run: Run) -> _Side:
        """Collect it."""
        from nbmlops.tracking.runs import get_run

        parts = [("", run), *_labelled([get_run(c.run_id) for c in run.children])]
        metrics = {f"{label}{n}": v for label, part in parts for n, v in part.metrics.items()}
        data = {(str(d.role), f"{label}{d.name}"): d.fingerprint for label, part in parts for d in part.datasets}
        unseeded = [
            f"{label}{name}" for label, part in parts for name, v in (part.defaults or {}).items() if _open(name, v)
        ]
        kept = {n: v for n, v in metrics.items() if "system." not in n}
        return cls(kept, data, _environment([p for _, p in parts]), run.git or {}, tuple(unseeded))


def _labelled(parts: list[Run]) -> Iterator[tuple[str, Run]]:
    seen: Counter[str] = Counter()
    for part in parts:
        seen[part.experiment] += 1
        count = f"#{seen[part.experiment]}" if seen[part.experiment] > 1 else ""
        yield f"{part.experiment}{count}: ", part


def _open(name: str, value: Any) -> bool:
    return name.rpartition(".")[2] in ("random_state", "seed") and value is None


def _environment(runs: list[Run]) -> dict[str, Any]:
    """Return what the kernel had installed, where a tracked cell says so, else the runner."""
    from nbmlops.tracking import session

    digests = [run.environment for run in reversed(runs) if run.environment]
    return dict(json.loads(session.artifacts().get(digests[0]))) if digests else {}


def _status(before: Run, after: Run) -> Iterator[Finding]:
    was, now = (f"{r.status}, {r.cause}" if r.cause else r.status for r in (before, after))
    equal = was == now and (before.error or {}).get("name") == (after.error or {}).get("name")
    yield Finding("status", "passed" if equal else "issue", f"It was {was}, now it is {now}.")


def _metrics(was: _Side, now: _Side) -> Iterator[Finding]:
    names = [n for n in was.metrics if n in now.metrics]
    differ = [n for n in names if not _equal(was.metrics[n], now.metrics[n])]
    for name in differ[:MOST]:
        change = now.metrics[name] - was.metrics[name]
        text = f"{name}: {was.metrics[name]:.6g}, now {now.metrics[name]:.6g}"
        yield Finding("metric", "issue", text, name, change, "up" if change > 0 else "down")
    yield from _one_sided("metric", was.metrics, now.metrics)
    if equal := len(names) - len(differ):
        yield Finding("metric", "passed", f"{equal} metric value{'s' * (equal > 1)} equal")
    if len(differ) > MOST:
        yield Finding("metric", "issue", f"{len(differ) - MOST} more metric values differ")


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _one_sided(code: str, was: Mapping[Any, Any], now: Mapping[Any, Any]) -> Iterator[Finding]:
    for side, other, words in ((was, now, "is missing now"), (now, was, "is new")):
        for name in [n for n in side if n not in other][:MOST]:
            yield Finding(code, "issue", f"{name} {words}", str(name))


def _data(was: _Side, now: _Side) -> Iterator[Finding]:
    for role in ("read", "written"):
        then, later = ({n: f for (r, n), f in side.data.items() if r == role} for side in (was, now))
        differ = [n for n in then if n in later and then[n] != later[n]]
        outcome: Any = "warning" if role == "read" else "issue"
        for name in differ[:MOST]:
            text = f"{name}: fingerprint {then[name][:12]}, now {later[name][:12]}"
            yield Finding(role, outcome, text, name)
        if equal := len(then.keys() & later.keys()) - len(differ):
            yield Finding(role, "passed", f"{equal} data set{'s' * (equal > 1)} {role} with equal fingerprints")


def _machine(was: _Side, now: _Side) -> Iterator[Finding]:
    then, later = was.environment, now.environment
    if not then or not later:
        yield Finding("packages", "skipped", "One of the runs does not say which packages it had.")
        return
    for code in ("python", "platform"):
        equal = then.get(code) == later.get(code)
        text = f"{code} {then.get(code)}" + ("" if equal else f", now {later.get(code)}")
        yield Finding(code, "passed" if equal else "warning", text)
    yield _packages(then.get("packages", {}), later.get("packages", {}))
    yield from _code(was.git, now.git)


def _packages(then: Mapping[str, str], later: Mapping[str, str]) -> Finding:
    changed = {n: [then.get(n), later.get(n)] for n in sorted({*then, *later}) if then.get(n) != later.get(n)}
    if not changed:
        return Finding("packages", "passed", f"{len(then)} packages in equal versions")
    shown = [f"{n} {old or 'absent'}, now {new or 'absent'}" for n, (old, new) in list(changed.items())[:MOST]]
    more = f" and {len(changed) - MOST} more" if len(changed) > MOST else ""
    return Finding("packages", "warning", "; ".join(shown) + more, detail={"changed": changed})


def _code(then: Mapping[str, Any], later: Mapping[str, Any]) -> Iterator[Finding]:
    if not then and not later:
        return
    was, now = (str(git.get("commit", "none"))[:12] for git in (then, later))
    if was != now:
        yield Finding("code", "warning", f"commit {was}, now {now}: modules of the project may differ")
    elif then.get("dirty") or later.get("dirty"):
        yield Finding("code", "warning", f"commit {was} with files that differ from it: modules may differ")
    else:
        yield Finding("code", "passed", f"commit {was}")


def _outputs(before: Run, after: Run) -> Iterator[Finding]:
    """Compare what cells show; it may hold times and addresses, so it decides nothing against the run."""
    try:
        then, later = ([c for _, c in code_cells(_executed(r))] for r in (before, after))
    except NotFound:
        return
    differ = [i + 1 for i, (a, b) in enumerate(zip(then, later, strict=False)) if _shown(a) != _shown(b)]
    if differ:
        yield Finding(
            "outputs", "warning", f"code cells that show something else: {', '.join(map(str, differ[:MOST]))}"
        )
    else:
        yield Finding("outputs", "passed", "every cell shows the same")


def _shown(cell: NotebookNode) -> list[Any]:
    """Return what a cell shows, without counts."""
    return [(o.get("name"), o.get("text"), o.get("data"), o.get("ename"), o.get("evalue")) for o in cell.outputs]


def _seeds(side: _Side) -> Iterator[Finding]:
    if side.unseeded:
        yield Finding("seed", "warning", f"no seed is set: {', '.join(side.unseeded[:MOST])}")


def _says(findings: list[Finding], code: str, outcome: str) -> bool:
    return any(f.code == code and f.outcome == outcome for f in findings)


def _executed(run: Run) -> NotebookNode:
    import nbformat

    return nbformat.reads(run.artifact("notebook.ipynb").decode("utf-8"), as_version=4)


def _source(run: Run) -> NotebookNode:
    """Return the notebook a run executed, as it was before it ran."""
    ref = run.run_id[-6:]
    if run.kind != "notebook":
        raise Invalid(f"Run {ref} is a {run.kind}; only notebooks run again.", "Name the run of an executed notebook.")
    if run.status == "running":
        raise Conflict(f"Run {ref} still goes.", f"See it: nbmlops runs show {ref}")
    if all(a.name != "notebook.ipynb" for a in run.artifacts):
        raise NotFound(
            f"The source of run {ref} was not kept.", f"Where its runner was killed: nbmlops runs recover {ref}"
        )
    nb = _executed(run)
    nb.metadata.pop("papermill", None)
    nb.cells = [c for c in nb.cells if not {INJECTED, MARKER} & set(c.metadata.get("tags", []))]
    for cell in nb.cells:
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nb


def _limits(run: Run) -> dict[str, Any]:
    """Return the limits a run had."""
    names = {"memory": "limit_memory_bytes", "cpu": "limit_cpu", "timeout": "limit_timeout_s"}
    return {name: run.tags[tag] for name, tag in names.items() if tag in run.tags}


def _folder(run: Run, path: Path) -> Path:
    """Return where the kernel works: as then, else the notebook's folder or the nearest above it that is left."""
    from nbmlops.tracking import session

    then: Path = session.project().root / run.tags.get("cwd", path.parent)
    return next(p for p in (then, *path.parents) if p.is_dir())
