"""For whom, and in which project, a server answers: known in this context alone, beside what the process itself is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from nbmlops.config import Project

__all__ = ["Visit", "here", "visiting"]


@dataclass(frozen=True)
class Visit:
    """One request: the project it is about, the notebook it names, and who asks where a server knows that."""

    project: Project
    notebook: Path | None = None
    who: tuple[str, str] | None = None  # (name, how known)


_here: ContextVar[Visit | None] = ContextVar("nbmlops_visit", default=None)


def here() -> Visit | None:
    """Return the request that is answered in this context; None anywhere else.

    >>> here() is None
    True
    """
    return _here.get()


@contextmanager
def visiting(visit: Visit) -> Iterator[None]:
    """Let whatever asks for project, notebook or actor in this context get those of a request.

    What is tracked meanwhile still goes to the journal of the process.

    Examples
    --------
    >>> from nbmlops.config import find_project
    >>> with visiting(Visit(find_project("/"))):
    ...     here().project.root.as_posix()
    '/'
    """
    token = _here.set(visit)
    try:
        yield
    finally:
        _here.reset(token)
