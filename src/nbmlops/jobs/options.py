"""What one execution is asked for, beside its notebook and parameters: limits, places, and whose run it is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from nbmlops.jobs.limits import Limits, time_s

if TYPE_CHECKING:
    from nbmlops.jobs.progress import Progress
    from nbmlops.jobs.resume import Resume

__all__ = ["Asked", "Options"]


@dataclass(frozen=True)
class Options:
    """What :func:`nbmlops.jobs.execution.execute` is asked for; the first seven are those of ``nb.run_notebook``.

    Attributes
    ----------
    output, progress, timeout, cwd, memory, cpu, log
        As :func:`nbmlops.run_notebook` has them.
    typed : bool
        The parameters are text, to be read as the types the notebook declares.
    run_id : str, optional
        The id the run shall have.
    job : str, optional
        The job it is an attempt of: its experiment, and the folder of its outputs.
    about : mapping
        More of the run: ``parent``, ``previous``, ``tags``.
    resume : Resume, optional
        The run it goes on with; its parameters are those of that run.
    source : Path, optional
        Where the notebook's content is read from instead; it need not be at its path any more.
    kernel : str, optional
        The kernel's name, in place of the notebook's.
    """

    output: str | Path | None = None
    progress: Progress | None = None
    timeout: float | str | None = None
    cwd: str | Path | None = None
    memory: str | float | None = None
    cpu: float | None = None
    log: bool = False
    typed: bool = False
    run_id: str | None = None
    job: str | None = None
    about: Mapping[str, Any] | None = None
    resume: Resume | None = None
    source: Path | None = None
    kernel: str | None = None

    def resumed(self) -> Options:
        """Return the same with what the run it goes on with says: its job, and that it is the one before."""
        if self.resume is None:
            return self
        return replace(self, job=self.job or self.resume.job, about=self.resume.about(self.about or {}))

    def asked(self, run_id: str, notebook: Path, cwd_tag: str | None) -> dict[str, Any]:
        """Return what papermill hands on to the engine; an impossible limit is refused here.

        Parameters
        ----------
        run_id : str
        notebook : Path
        cwd_tag : str, optional
            The working folder as the run tells it, where it is not the notebook's own.
        """
        from nbmlops.jobs.progress import Cells

        Limits.of(self.memory, self.cpu)
        return {
            "run_id": run_id,
            "progress": self.progress or (Cells(sys.stderr) if self.log else None),
            "echo": sys.stderr if self.log else None,
            "limit_s": time_s(self.timeout) if self.timeout is not None else None,
            "memory": self.memory,
            "cpu": self.cpu,
            "job": self.job,
            "about": _tagged(self.about, {"cwd": cwd_tag} if cwd_tag else {}),
            "resume": self.resume,
            "notebook_path": str(notebook) if self.source else None,
            "kernel_cwd": str(Path(self.cwd).absolute() if self.cwd else notebook.parent),
        }


@dataclass(frozen=True)
class Asked:
    """What the engine is asked for beyond what papermill knows.

    Attributes
    ----------
    run_id : str, optional
        The id the run shall have.
    progress : Progress, optional
    limit_s : float, optional
        Seconds for the whole notebook.
    memory : str or float, optional
        What the kernel may map, such as ``4G``; ``NBMLOPS_MEMORY`` when absent.
    cpu : str or float, optional
        Its cores; ``NBMLOPS_CPU`` when absent.
    kernel_cwd : str, optional
        The kernel's working folder; this process keeps its own.
    job : str, optional
        The job it is an attempt of; the run's experiment then.
    about : mapping, optional
        More of the run: ``parent``, ``previous``, ``tags``.
    echo : file, optional
        Where what the cells print goes as it comes, without secrets.
    resume : Resume, optional
        The run it goes on with.
    notebook_path : str, optional
        The notebook, where what is executed is a copy of it.
    rest : mapping
        What is papermill's own, and traits of nbclient's client.
    """

    run_id: str | None = None
    progress: Progress | None = None
    limit_s: float | None = None
    memory: str | float | None = None
    cpu: str | float | None = None
    kernel_cwd: str | None = None
    job: str | None = None
    about: Mapping[str, Any] | None = None
    echo: TextIO | None = None
    resume: Resume | None = None
    notebook_path: str | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Asked:
        """Return what is the engine's own among the options of papermill's ``execute_notebook``.

        >>> asked = Asked.of({"memory": "4G", "start_timeout": 5})
        >>> asked.memory, asked.rest
        ('4G', {'start_timeout': 5})
        """
        ours = {f.name for f in fields(cls)} - {"rest"}
        rest = {name: value for name, value in options.items() if name not in ours}
        return cls(**{name: value for name, value in options.items() if name in ours}, rest=rest)

    @property
    def limits(self) -> Limits:
        """Memory and cores of the kernel."""
        return Limits.of(self.memory, self.cpu)

    def of_the_run(self) -> dict[str, Any]:
        """Return what the run says of itself: its limits are tags."""
        return _tagged(self.about, self.limits.tags(self.limit_s))


def _tagged(about: Mapping[str, Any] | None, tags: Mapping[str, Any]) -> dict[str, Any]:
    return {**(about or {}), "tags": {**(about or {}).get("tags", {}), **tags}}
