"""Go on where a run stopped: which cells are done, which run again, and what the kernel is given."""

from __future__ import annotations

import ast
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.capture.cell import CellSource, analyse, translated
from nbmlops.capture.secrets import MASK
from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.jobs import checkpoint
from nbmlops.jobs.checkpoint import FOLDER, call, code_cells, digest
from nbmlops.jobs.injected import INJECTED
from nbmlops.jobs.parameters import TAG as PARAMETERS
from nbmlops.jobs.progress import describe

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.tracking.runs import Run

__all__ = ["Plan", "Resume", "begin", "go_on", "notebook_of", "planned"]

DEFINES = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SETS_UP = ("load_ext", "matplotlib", "config", "autoreload")  # magics that give no name a value
EVERYTHING = "*"


@dataclass(frozen=True)
class Resume:
    """A run to go on with: its last checkpoint and what its cells showed."""

    run_id: str
    job: str
    parameters: Mapping[str, Any]
    manifest: Mapping[str, Any]
    executed: NotebookNode | None

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters the run had, and those given now instead.

        Raises
        ------
        Invalid
            A secret that was given as a plain value has to be given again.
        """
        _refuse_lost(self.run_id, {n: v for n, v in self.parameters.items() if n not in given})
        return {**self.parameters, **given}

    def about(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the new run says of the one it goes on with."""
        tags = {**more.get("tags", {}), "resumed_from": self.run_id}
        return {"previous": self.run_id, **more, "tags": tags}

    def plan(self, nb: NotebookNode, parameters: Mapping[str, Any], home: Path) -> Plan:
        """Return how a parameterized notebook goes on.

        Raises
        ------
        Conflict
            Code or parameters before the checkpoint are others than they were, or what it cannot keep cannot be made.
        """
        self._compare(nb, parameters)
        before = [i for i, _ in code_cells(nb)][: len(self.manifest["cells"])]
        start = before[-1] + 1
        sources = {i: translated(c.source) for i, c in enumerate(nb.cells) if c.cell_type == "code"}
        cells = {i: analyse(source) for i, source in sources.items()}
        parts = {i: _parted(sources[i]) for i in before}
        pieces = {i: defines for i, (defines, _) in parts.items() if defines}
        fixed = {i for i, c in enumerate(nb.cells[:start]) if {PARAMETERS, INJECTED} & set(c.metadata.get("tags", []))}
        there = {n for i in fixed for n in cells[i].writes} | {n for p in pieces.values() for n in analyse(p).writes}
        there -= {n for i, (_, rest) in parts.items() if i not in fixed for n in analyse(rest).writes}
        left = {**dict.fromkeys(self.manifest["code"], "it is code"), **self.manifest["left"]}
        left = {name: why for name, why in left.items() if name not in there}
        needed = _read([*(c for i, c in cells.items() if i >= start), *map(analyse, pieces.values())])
        again = fixed | self._again({i: cells[i] for i in before if i not in fixed}, left, needed)
        pieces = {i: piece for i, piece in pieces.items() if i not in again}
        early = bool(again - fixed) or any(analyse(piece).reads for piece in pieces.values())
        return Plan(self, start, again, pieces, early, home)

    def _compare(self, nb: NotebookNode, parameters: Mapping[str, Any]) -> None:
        was, now = self.manifest["parameters"], dict(parameters)
        same = {n for n in was if n in now and was[n] == now[n]}
        changed = [f"parameter {n!r}" for n in sorted({*was, *now} - same)]
        cells = list(code_cells(nb))
        for place, known in enumerate(self.manifest["cells"]):
            if place >= len(cells):
                changed.append("the number of cells")
                break
            index, cell = cells[place]
            if digest(cell) != known:
                changed.append(f"cell {index + 1} ({describe(cell)})")
        if changed:
            shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            raise Conflict(
                f"Run {self.run_id[-6:]} cannot go on: {shown} changed since.",
                "What follows the checkpoint may change, what comes before may not. Run it from the start.",
            )

    def _again(self, cells: Mapping[int, CellSource], left: dict[str, str], needed: set[str]) -> set[int]:
        """Return the cells that run again: all that deal with a name that is needed and could not be kept."""
        again: set[int] = set()
        while missing := _needed(left, needed):
            name = missing[0]
            where = {i for i, cell in cells.items() if name in _mentioned(cell)}
            if not any(name in cells[i].writes for i in where):
                raise Conflict(
                    f"Run {self.run_id[-6:]} cannot go on: {name!r} was not kept ({left[name]}), and no cell sets it.",
                    "Run it from the start.",
                )
            again |= where
            needed |= _read(cells[i] for i in where)
            del left[name]
        return again


@dataclass
class Plan:
    """What is done of a notebook, and what its kernel gets before it goes on."""

    resume: Resume
    start: int
    again: set[int]
    pieces: Mapping[int, str]
    early: bool  # whether cells and definitions before the checkpoint need its values
    home: Path
    folder: Path | None = field(default=None)

    def done(self, index: int) -> bool:
        """Tell whether a cell keeps what it showed then."""
        return index < self.start and index not in self.again

    def before(self, index: int) -> str:
        """Return code the kernel runs silently before a cell's turn."""
        if index == 0:
            return "\n".join([call("prepare", self._fetch(), f", {self.early}"), self.pieces.get(0, "")])
        if index == self.start:
            return call("restore", self._fetch())
        return self.pieces.get(index, "")

    def show(self, nb: NotebookNode) -> None:
        """Put back what the cells that are done showed, and take over the checkpoint's files."""
        then = dict(zip((i for i, _ in code_cells(nb)), self._then(), strict=False))
        for index, cell in enumerate(nb.cells[: self.start]):
            if self.done(index):
                _show(cell, then.get(index), self.resume.run_id)

    def inherit(self, run_id: str) -> str:
        """Make the checkpoint one of the new run too, so that it can be gone on with; return its digest."""
        from nbmlops.tracking import runs, session
        from nbmlops.tracking.log import log_stored

        prefix = f"{FOLDER}/{self.resume.manifest['index']}/"
        held = [a for a in runs.get_run(self.resume.run_id).artifacts if a.name.startswith(prefix)]
        for one in sorted(held, key=lambda a: a.name.endswith(checkpoint.MANIFEST)):
            log_stored(run_id, one.name, one.digest, one.size_bytes, one.media_type)
        value = str(self.resume.manifest["index"] + 1)
        session.write({"t": "tag", "run_id": run_id, "name": checkpoint.TAG, "value": value})
        return next(a.digest for a in held if a.name.endswith(checkpoint.MANIFEST))

    def close(self) -> None:
        """Delete the files the kernel was given."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _fetch(self) -> Path:
        """Return the folder with the checkpoint's files, fetched once."""
        if self.folder is None:
            from nbmlops.tracking import session

            parent = self.home / FOLDER
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder = Path(tempfile.mkdtemp(dir=parent, prefix="resume-"))
            for name, known in self.resume.manifest["files"].items():
                session.artifacts().fetch(known, self.folder / name)
        return self.folder

    def _then(self) -> list[NotebookNode]:
        return [c for _, c in code_cells(self.resume.executed)] if self.resume.executed else []


def go_on(
    ref: str | Run,
    path: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[Run, BaseException | None]:
    """Execute what a run left; return as :func:`nbmlops.jobs.execution.execute`, whose options these are.

    Parameters
    ----------
    ref : str or Run
    path : str or Path, optional
        The notebook; the one the run executed when absent, as it is now.
    parameters : mapping, optional
        Those of the run when absent; others are refused.
    """
    from nbmlops.jobs.execution import execute
    from nbmlops.tracking.runs import get_run

    run = get_run(ref) if isinstance(ref, str) else get_run(ref.run_id)
    resume = begin(run)
    return execute(path or notebook_of(run), parameters, resume=resume, **options)


def begin(run: Run) -> Resume:
    """Return what a run can be gone on with from.

    Raises
    ------
    Invalid
        It is no notebook's, has finished, or has no checkpoint.
    Conflict
        It still runs.
    """
    ref = run.run_id[-6:]
    if run.kind != "notebook":
        raise Invalid(f"Run {ref} is a {run.kind}; only notebooks go on.", "Name the run of an executed notebook.")
    if run.status == "finished":
        raise Invalid(f"Run {ref} has finished.", f"Run it again: nbmlops run --again {ref}")
    if run.status == "running":
        raise Conflict(f"Run {ref} still goes.", f"See it: nbmlops runs show {ref}")
    manifest = checkpoint.latest(run)
    if manifest is None:
        raise Invalid(
            f"Run {ref} has no checkpoint: no cell tagged 'checkpoint' ended well.",
            f"Run it from the start: nbmlops run {run.notebook or 'NOTEBOOK'}",
        )
    return Resume(run.run_id, run.experiment, values_of(run, check=False), manifest, _executed(run))


def values_of(run: Run, check: bool = True) -> dict[str, Any]:
    """Return the parameters a run was given.

    Raises
    ------
    Invalid
        One of them is a secret that is stored nowhere, and that is checked.
    """
    found = {p.name: p.value for p in run.param_records if p.origin == "papermill"}
    if check:
        _refuse_lost(run.run_id, found)
    return found


def _refuse_lost(run_id: str, values: Mapping[str, Any]) -> None:
    if lost := [name for name, value in values.items() if MASK in json.dumps(value, default=str)]:
        raise Invalid(
            f"Run {run_id[-6:]} had a secret {lost[0]!r}, which is stored nowhere.",
            f"Give secrets by their variable: -p {lost[0]} 'Secret(\"ITS_VARIABLE\")'; then they are found again.",
        )


def _executed(run: Run) -> NotebookNode | None:
    """Return the notebook as the run left it; None where a killed runner left nothing."""
    import nbformat

    from nbmlops.jobs.recover import recover

    try:
        if not any(a.name == "notebook.ipynb" for a in run.artifacts):
            return nbformat.read(recover(run.run_id).path, as_version=4)
        return nbformat.reads(run.artifact("notebook.ipynb").decode("utf-8"), as_version=4)
    except (NotFound, OSError):
        return None


def _show(cell: NotebookNode, then: NotebookNode | None, run_id: str) -> None:
    """Let a cell show what it showed in an earlier run."""
    about = cell.metadata.papermill
    if then is not None and "papermill" in then.metadata:
        about |= then.metadata.papermill
        cell.outputs, cell.execution_count = then.outputs, then.execution_count
    about |= {"status": "completed", "exception": False}
    about.setdefault("resumed_from", run_id)


def _parted(source: str) -> tuple[str, str]:
    """Return the statements of a cell that import or define, which are cheap and cannot be kept; and the rest."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return "", source
    defines = [ast.unparse(s) for s in body if _defines(s)]
    return "\n".join(defines), "\n".join(ast.unparse(s) for s in body if not _defines(s))


def _defines(statement: ast.stmt) -> bool:
    if isinstance(statement, DEFINES):
        return True
    if isinstance(statement, ast.Assign):
        return isinstance(statement.value, ast.Lambda)
    called = statement.value if isinstance(statement, ast.Expr) else None
    if not (isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute)):
        return False
    magic = called.args[0] if called.func.attr == "run_line_magic" and called.args else None
    return isinstance(magic, ast.Constant) and magic.value in SETS_UP


def _read(cells: Iterable[CellSource]) -> set[str]:
    """Return the names cells need from before; of one that may hide some, all."""
    found: set[str] = set()
    for cell in cells:
        found |= {*cell.reads, *cell.optional, *cell.mutates, *((EVERYTHING,) if cell.opaque else ())}
    return found


def _mentioned(cell: CellSource) -> set[str]:
    return {*cell.reads, *cell.optional, *cell.mutates, *cell.writes, *cell.deletes}


def _needed(left: Mapping[str, str], needed: set[str]) -> list[str]:
    return sorted(left) if EVERYTHING in needed else sorted(left.keys() & needed)


def notebook_of(run: Run) -> Path:
    """Return the notebook a run executed, as it is now.

    Raises
    ------
    NotFound
        It is not there any more.
    """
    from nbmlops.tracking import session

    if not run.notebook:
        raise NotFound(f"Run {run.run_id[-6:]} does not say which notebook it was.", "Name the notebook.")
    path: Path = session.project().root / run.notebook
    if not path.is_file():
        again = f"nbmlops run --again {run.run_id[-6:]}"
        raise NotFound(f"{run.notebook} is not there any more.", f"Run what is stored: {again}")
    return path


@contextmanager
def planned(plan: Plan | None) -> Iterator[None]:
    """Delete what a plan fetched, however the execution ends."""
    try:
        yield
    finally:
        if plan:
            plan.close()
