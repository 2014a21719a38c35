"""Notebooks to start from: explore, train, retrain, check for drift, score, check, load; and jobs that run them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Conflict, Invalid, NotFound, unknown
from nbmlops.records import new_id

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from nbmlops.config import Project

__all__ = ["jobs", "names", "read", "read_job", "start", "start_job"]


def names() -> list[str]:
    """Return the names of the templates there are."""
    return sorted(p.name.removesuffix(".ipynb") for p in _folder().iterdir() if p.name.endswith(".ipynb"))


def read(name: str) -> str:
    """Return a template as the text of a notebook; it works installed and from a clone.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Raises
    ------
    NotFound
        There is no such template.

    Examples
    --------
    >>> read("train").startswith("{")
    True
    """
    if name not in names():
        raise unknown("template", name, names())
    return _folder().joinpath(f"{name}.ipynb").read_text(encoding="utf-8")


def jobs() -> list[str]:
    """Return the names of the templates that are jobs, too: a file for ``jobs/`` and the notebook it runs."""
    found = (p.name.removesuffix(".yaml") for p in _folder("jobs").iterdir() if p.name.endswith(".yaml"))
    return sorted(set(found) & set(names()))


def read_job(name: str) -> str:
    """Return the job of a template as YAML.

    Parameters
    ----------
    name : str
        One of :func:`jobs`.

    Raises
    ------
    NotFound
        There is no such template, or it is a notebook only.

    Examples
    --------
    >>> "notebook: retrain.ipynb" in read_job("retrain")
    True
    """
    if name not in jobs():
        raise unknown("template of a job", name, jobs())
    return _folder("jobs").joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def start(name: str, path: Path, parameters: Mapping[str, Any] | None = None) -> Path:
    """Write a new notebook from a template, with some of its parameters set; return its path.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    path : Path
        Where it goes; ``.ipynb`` is added. An existing file is never overwritten.
    parameters : mapping, optional
        New defaults for the template's ``parameters`` cell.

    Raises
    ------
    Conflict
        The file is there already.
    Invalid
        The template has no such parameter.
    """
    notebook = json.loads(read(name))
    path = path if path.suffix == ".ipynb" else path.with_name(f"{path.name}.ipynb")
    if not path.parent.is_dir():
        raise NotFound(f"No folder {str(path.parent)!r}.", f"Make it: mkdir -p {path.parent}")
    cell = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
    cell["source"] = _with_defaults(name, cell["source"], parameters or {})
    for one in notebook["cells"]:  # a notebook that was renamed is known by its cells
        one["id"] = f"{one['id']}-{new_id()[-12:]}"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise Conflict(f"{path} is there already and stays as it is.", "Choose another name.") from None
    return path


def start_job(
    template: str, name: str | Path, parameters: Mapping[str, Any] | None = None, project: Project | None = None
) -> tuple[Path, Path]:
    """Write a new notebook from a template and the job that runs it; return both paths.

    Parameters
    ----------
    template : str
        One of :func:`jobs`.
    name : str or Path
        Where the notebook goes, in the project; its last part is the job's name.
    parameters : mapping, optional
        New defaults for the notebook's ``parameters`` cell.
    project : Project, optional
        That of the working folder when absent.

    Raises
    ------
    Conflict
        One of both files is there already; none is written then.
    Invalid
        The notebook would lie outside the project.

    Examples
    --------
    >>> start_job("retrain", "late", {"data": "flights.csv"})  # doctest: +SKIP
    (PosixPath('late.ipynb'), PosixPath('jobs/late.yaml'))
    """
    from nbmlops.tracking import session

    root = (project or session.project()).root.resolve()
    text, notebook = read_job(template), Path(f"{str(name).removesuffix('.ipynb')}.ipynb")
    if not notebook.resolve().is_relative_to(root):
        raise Invalid(f"{notebook} lies outside the project {root}.", "Name a place inside it.")
    job = root / "jobs" / f"{notebook.stem}.yaml"
    if job.exists():
        raise Conflict(f"{job} is there already and stays as it is.", "Choose another name.")
    started = start(template, notebook, parameters)
    job.parent.mkdir(exist_ok=True)
    seen = notebook.resolve().relative_to(root).as_posix()
    text = text.replace(f"notebook: {template}.ipynb", f"notebook: {json.dumps(seen, ensure_ascii=False)}", 1)
    if model := (parameters or {}).get("model_name"):
        text = text.replace("MODEL", str(model))
    with job.open("x", encoding="utf-8") as file:
        file.write(text)
    return started, job


def _with_defaults(name: str, lines: list[str], parameters: Mapping[str, Any]) -> list[str]:
    """Return the lines of a parameters cell with other defaults; comments behind them stay."""
    lines = list(lines)
    for key, value in parameters.items():
        at = next((i for i, line in enumerate(lines) if line.startswith(f"{key} = ")), None)
        if at is None:
            raise Invalid(f"Template {name!r} has no parameter {key!r}.", "Leave it out, and edit the notebook.")
        _, mark, comment = lines[at].rstrip("\n").partition("  # ")
        lines[at] = f"{key} = {json.dumps(value, ensure_ascii=False)}{mark}{comment}" + "\n" * lines[at].endswith("\n")
    return lines


def _folder(kind: str = "notebooks") -> Traversable:
    return resources.files("nbmlops").joinpath("templates", kind)
