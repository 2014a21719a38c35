"""Execute a notebook as a run: ``nb.run_notebook``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.config import disabled
from nbmlops.errors import Invalid, NotFound
from nbmlops.jobs import files
from nbmlops.jobs.options import Options
from nbmlops.jobs.parameters import declared, given, required

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbmlops.jobs.parameters import Parameter
    from nbmlops.jobs.progress import Progress
    from nbmlops.tracking.runs import Run

__all__ = ["execute", "kernels", "opened", "output_of", "run_notebook"]


def run_notebook(
    path: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    progress: Progress | None = None,
    timeout: float | str | None = None,
    cwd: str | Path | None = None,
    check: bool = False,
    memory: str | float | None = None,
    cpu: float | None = None,
    log: bool = False,
    run_key: str | None = None,
    wait: float | None = None,
    resume: str | Run | None = None,
) -> Run:
    """Execute a notebook and return its run.

    Parameters
    ----------
    path : str or Path
        The notebook; it is not changed. With ``resume`` that of the run, when absent.
    parameters : mapping, optional
        Values for the cell tagged ``parameters``: of the types it declares, a secret as ``nb.Secret("NAME")``.
    output : str or Path, optional
        Where the executed notebook goes, a file or an address such as ``s3://bucket/out.ipynb``;
        ``.nbmlops/outputs/<notebook>/<run>.ipynb`` when absent.
    progress : callable, optional
        Called with (notebook, cell index, number of cells, description) as each cell starts and once at the
        end. A bar in a terminal, two lines elsewhere, when absent.
    timeout : float or str, optional
        Seconds for the whole notebook, or a duration such as ``2h``.
    cwd : str or Path, optional
        The kernel's working folder; the notebook's own when absent.
    check : bool
        Raise papermill's error when the notebook fails, with a note of where, why and how to go on.
    log : bool
        Print to standard error what the cells print, as it comes.
    memory : str or float, optional
        What the kernel and each process it starts may map, such as ``4G``: more is a ``MemoryError`` (Linux).
    cpu : float, optional
        Its cores: threads of BLAS and OpenMP, and on Linux the cores themselves.
    run_key : str, optional
        What the run is, such as a date: once it has finished, the same call returns that run; one that was lost is
        tried again, one that runs is not started twice.
    wait : float, optional
        Seconds to wait for a run of that key that is running.
    resume : str or Run, optional
        Go on with a run that did not finish, behind the last cell tagged ``checkpoint`` that had ended well.

    Returns
    -------
    Run
        ``status`` and ``cause`` say how it ended, ``error`` which cell failed and why.

    Raises
    ------
    NotFound
        There is no such notebook.
    Invalid
        A parameter is unknown, missing or of another type, or this machine does not have the kernel.
    Conflict
        The run key was used with another notebook or other parameters, or its run is still running; or what a run
        did before its checkpoint has changed since.
    KeyboardInterrupt
        The execution was interrupted; the run says so and the kernel has ended.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.run_notebook("retrain.ipynb", {"months": [1, 2, 3]}).status  # doctest: +SKIP
    'finished'
    """
    from nbmlops.jobs.failure import message

    limits = {"timeout": timeout, "memory": memory, "cpu": cpu}
    options: dict[str, Any] = {"output": output, "cwd": cwd, "progress": progress, "log": log, **limits}
    if run_key is not None and resume is not None:
        raise Invalid("A run key and a run to go on with do not go together.", "Leave one of them out.")
    if resume is not None:
        from nbmlops.jobs.resume import go_on

        run, error = go_on(resume, path, parameters, **options)
    else:
        run, error = _begun(path, parameters, run_key, wait, options)
    if error and (check or isinstance(error, KeyboardInterrupt)):
        error.add_note(message(run))
        raise error
    return run


def _begun(
    path: str | Path | None,
    parameters: Mapping[str, Any] | None,
    run_key: str | None,
    wait: float | None,
    options: Mapping[str, Any],
) -> tuple[Run, BaseException | None]:
    """Execute a notebook from its first cell, once for a key where one is given."""
    if path is None:
        raise Invalid("No notebook is named.", 'Write nb.run_notebook("retrain.ipynb").')
    if run_key is None:
        return execute(path, parameters, **options)
    from nbmlops.jobs.works.keys import run_keyed

    found = run_keyed(path, parameters, run_key, wait_s=wait, **options)
    return found.run, found.error


def _relative(notebook: Path, folder: Path) -> str:
    from nbmlops.tracking import session

    return str(session.project(notebook).relative(folder.absolute()))


def execute(
    path: str | Path, parameters: Mapping[str, Any] | None = None, **options: Any
) -> tuple[Run, BaseException | None]:
    """Execute a notebook; return its run and what was raised, also when it was interrupted.

    Parameters
    ----------
    path : str or Path
    parameters : mapping, optional
    **options
        Fields of :class:`nbmlops.jobs.options.Options`.
    """
    from nbmlops.records import new_id

    _register()
    asked = Options(**options).resumed()
    notebook, nb, kernel, language = opened(asked.source or path, asked.kernel)
    notebook = Path(path).absolute() if asked.source else notebook
    values = _values(notebook, declared(nb, kernel, language), parameters or {}, asked)
    run_id = asked.run_id or new_id()
    told = asked.asked(run_id, notebook, _relative(notebook, Path(asked.cwd)) if asked.cwd else None)
    target = output_of(notebook, run_id, asked.output, asked.job)
    error = _raised(asked.source or notebook, target, values, kernel_name=kernel, language=language, **told)
    run = _run(run_id, notebook, error)
    return run, None if run.status == "finished" else error  # papermill raises for errors a cell expected, too


def _values(
    notebook: Path, known: dict[str, Parameter] | None, parameters: Mapping[str, Any], asked: Options
) -> dict[str, Any]:
    """Return the values of a notebook's parameters; what does not fit is refused."""
    values = given(notebook.name, parameters, known, asked.typed)
    if asked.resume:
        values = given(notebook.name, asked.resume.values(values), known, typed=False)
    required(notebook.name, values, known)
    return values


def _raised(source: Path, target: Path | str, values: Mapping[str, Any], **told: Any) -> BaseException | None:
    """Have papermill execute a notebook with our engine; return what it raised."""
    import papermill

    files.make_atomic()
    try:
        with _parameters_known():
            papermill.execute_notebook(_literally(source), _literally(target), values, engine_name="nbmlops", **told)
    except (Exception, KeyboardInterrupt) as raised:
        return raised
    return None


@contextmanager
def _parameters_known() -> Iterator[None]:
    """Say nothing of unknown parameters: they were checked, and papermill overlooks some annotations."""
    from papermill.log import logger

    def other(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Passed unknown parameter")

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def opened(path: str | Path, kernel: str | None = None) -> tuple[Path, NotebookNode, str, str]:
    """Return a notebook's absolute path, its content, its kernel (another where one is named) and its language."""
    notebook = _found(path)
    nb = _read(notebook)
    return notebook, nb, *_kernel(notebook, nb, kernel)


def output_of(notebook: Path, run_id: str, output: str | Path | None = None, job: str | None = None) -> Path | str:
    """Return where an executed notebook goes, with its folder made; an address is reached through the outbox."""
    from nbmlops.jobs.outbox import is_address
    from nbmlops.store.journal import prepare
    from nbmlops.tracking import session

    if is_address(output):
        return str(output)
    home = session.project(notebook).home
    if output is None:
        prepare(home)
    target = Path(output) if output else home / "outputs" / (job or notebook.stem) / f"{run_id}.ipynb"
    target = target.absolute()
    if target == notebook:
        raise Invalid(f"The output {target.name} is the notebook itself.", "Name another file, or none.")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _run(run_id: str, notebook: Path, error: BaseException | None) -> Run:
    """Return the stored run; what kept it from being written is raised, and with tracking off it is only remembered."""
    from nbmlops.tracking import session
    from nbmlops.tracking.runs import Run, get_run

    if not disabled():
        try:
            return get_run(run_id)
        except NotFound:  # papermill refused before there was a run
            raise error or NotFound(f"Run {run_id} is gone.") from None
    status = "finished" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    about = {
        "kind": "notebook",
        "status": status,
        "name": notebook.stem,
        "error": session.describe(error) if error else None,
    }
    return Run({**session.as_run(session.OpenRun(run_id, notebook.stem)), "experiment": notebook.stem, **about})


def _register() -> None:
    """Make the engine known to papermill where the package's entry point is not installed."""
    from papermill.engines import papermill_engines

    from nbmlops.jobs.engine import NbmlopsEngine

    if papermill_engines._engines.get("nbmlops") is not NbmlopsEngine:
        papermill_engines.register("nbmlops", NbmlopsEngine)


def _found(path: str | Path) -> Path:
    notebook = Path(path).absolute()
    if notebook.is_file():
        return notebook
    near = sorted(p.name for p in notebook.parent.glob("*.ipynb")) if notebook.parent.is_dir() else []
    raise NotFound(f"No notebook {str(path)!r}.", f"Notebooks there: {', '.join(near[:8])}." if near else "")


def _read(notebook: Path) -> NotebookNode:
    import nbformat
    from papermill.iorw import load_notebook_node

    try:
        return load_notebook_node(str(notebook))
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, KeyError) as error:
        raise Invalid(
            f"{notebook.name} is not a notebook ({str(error)[:80]}).", "Open it in Jupyter and save it."
        ) from error


def kernels() -> dict[str, str]:
    """Return the kernels of this machine by name, with what people call them."""
    from jupyter_client.kernelspec import KernelSpecManager

    return {name: found["spec"]["display_name"] for name, found in sorted(KernelSpecManager().get_all_specs().items())}


def _kernel(notebook: Path, nb: NotebookNode, wanted: str | None = None) -> tuple[str, str]:
    """Return kernel and language of a notebook; refuse a kernel that is not here before anything is started."""
    from jupyter_client.kernelspec import KernelSpecManager

    from nbmlops.jobs.engine import NbmlopsEngine

    name, known = NbmlopsEngine.nb_kernel_name(nb, wanted), KernelSpecManager().find_kernel_specs()
    if name not in known:
        raise Invalid(
            f"{notebook.name} needs the kernel {name!r}, which is not installed.",
            f"Installed: {', '.join(sorted(known)) or 'none'}.",
        )
    return name, NbmlopsEngine.nb_language(nb)


def _literally(path: Path | str) -> str:
    """Return a path in which papermill finds no template."""
    return str(path).replace("{", "{{").replace("}", "}}")
