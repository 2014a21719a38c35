"""How a request becomes an answer: on a lasting thread, for one project, in the name of who asks."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nbmlops.capture.secrets import redact
from nbmlops.capture.visit import Visit, visiting
from nbmlops.config import Project, find_project
from nbmlops.errors import (
    Conflict,
    Invalid,
    MissingPackage,
    NbmlopsError,
    NotAllowed,
    NotFound,
    Unavailable,
    Uncertain,
    UntrustedContent,
)
from nbmlops.records import plain
from nbmlops.server import threads
from nbmlops.server.notebooks import has_store, located

__all__ = ["Here", "afterwards", "answered", "as_text", "refusal", "verbatim"]

T = TypeVar("T")
STATUS = {
    NotFound: 404,
    Invalid: 400,
    NotAllowed: 403,
    Conflict: 409,
    UntrustedContent: 403,
    MissingPackage: 503,
    Unavailable: 503,
}
LONGEST = 400  # characters of a message
BEFORE = r"(?:(?<![\w.~-])(?<!:/)|(?<=\\[nrtbf]))"  # a part of a longer path, or of an address, is no folder of ours
BEHIND = r"(?![\w-]|\.\w)"  # a longer name is another folder
AWAY = ("The project's store cannot be read.", "Type: nbmlops doctor")
STAYS = ("The project's store cannot be changed, so nothing was.", "Type: nbmlops doctor")
PLACE = re.compile(r"[/\\]|@")  # a folder, an address, an account on it


@dataclass(frozen=True)
class Here:
    """What a request is about: the server's folder, the notebook that was named, and its project."""

    root: Path
    project: Project
    notebook: Path | None = None
    contents_path: str = ""
    base_url: str = "/"
    hidden: bool = False  # whether the contents service gives what lies in hidden folders

    @property
    def relative(self) -> str:
        """The notebook as runs name it."""
        return self.project.relative(self.notebook) if self.notebook else ""

    def contents(self, path: str | Path | None) -> str | None:
        """Return a file of the project as the contents service knows it, None where it would not give it."""
        if not path or "://" in str(path):
            return None
        full, root = (self.project.root / path).resolve(), self.root.resolve()
        inside = full.relative_to(root) if full.is_relative_to(root) else None
        if inside is None or (not self.hidden and any(part.startswith(".") for part in inside.parts)):
            return None
        return inside.as_posix()


def answered(
    root: Path,
    notebook: str,
    who: tuple[str, str] | None,
    ask: Callable[..., Any],
    words: dict[str, Any],
    without: Any = None,
    needs_store: bool = True,
    **served: Any,
) -> str:
    """Do what was asked and return its JSON; looking makes no store where there is none.

    Parameters
    ----------
    root : Path
        The server's folder.
    notebook : str
        A path of the contents service; empty for the project of the server's folder.
    who : tuple of str, optional
        (name, how known) of who asks, where a real identity provider said so.
    ask : callable
        Takes :class:`Here` and the words, and returns plain JSON or text.
    words : dict
    without
        What to answer where nothing was ever kept; NotFound when None.
    needs_store : bool
        False for what needs none, or makes one.
    **served
        More of :class:`Here`: what the server is like.
    """
    path = located(root, notebook, bool(served.get("hidden"))) if notebook else None
    here = Here(root, find_project(path or root), path, notebook, **served)
    threads.asks(here.project.store_url)
    with visiting(Visit(here.project, path, who)):
        if needs_store and not has_store(here.project):
            if isinstance(without, Exception):
                raise without
            if without is None:
                raise NotFound(
                    "Nothing was tracked in this project yet.", "Write %%track NAME above a cell and run it."
                )
            found = without
        else:
            found = ask(here, **words)
    return found if isinstance(found, str) else as_text(found, here)


def as_text(found: Any, here: Here) -> str:
    """Return an answer as JSON in which no folder of this machine is named."""
    return _nowhere(verbatim(found), here.root, here.project.root)


def verbatim(found: Any) -> str:
    """Return an answer as JSON as it is: what somebody wrote and takes back from us has to be what they wrote."""
    return json.dumps(plain(found), ensure_ascii=False, allow_nan=False)


def refusal(error: Exception, root: Path, changes: bool = False) -> tuple[int, dict[str, str]] | None:
    """Return status, message and hint of an error that may be said; None of one that has to be logged.

    Parameters
    ----------
    error : Exception
    root : Path
        The server's folder.
    changes : bool
        Whether something should have been changed.
    """
    if not isinstance(error, NbmlopsError):
        return None
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    said = [redact(_line(_nowhere(text, root))) for text in (error.message, error.hint)]
    if isinstance(error, Uncertain):
        said[0] = said[0].partition(". ")[0].removesuffix(".") + "."  # what follows names the store
    elif isinstance(error, Unavailable) and PLACE.search(error.message):
        said = [*(STAYS if changes else AWAY)]
    return status, dict(zip(("message", "hint"), said, strict=True))


def afterwards(look: Callable[[], T]) -> T:
    """Return how something stands after it was changed; what goes wrong now is not taken for a change that failed."""
    try:
        return look()
    except Exception as error:
        raise Uncertain("It was done, but how it stands now cannot be read.", "Refresh to see it.") from error


def _nowhere(text: str, *folders: Path) -> str:
    """Return a text without the folders of this machine: what lies in the server's is relative to it."""
    for folder in dict.fromkeys(str(f) for g in folders for f in (g, g.resolve()) if f != Path(os.sep)):
        text = _replaced(text, folder, "", ".")
    for folder, name in ((str(Path.home()), "~"), (sys.prefix, "(python)"), (sys.base_prefix, "(python)")):
        text = _replaced(text, folder, name + os.sep, name) if len(folder) > 3 else text
    return text


def _replaced(text: str, folder: str, inside: str, itself: str) -> str:
    """Return a text, also one of JSON, with other words for a folder and for what lies in it."""
    said = json.dumps(folder, ensure_ascii=False)[1:-1]
    if said not in text:
        return text
    found = re.compile(rf"{BEFORE}{re.escape(said)}(?:{re.escape(os.sep)}|{BEHIND})")
    return found.sub(lambda m: inside if m[0].endswith(os.sep) else itself, text)


def _line(text: str) -> str:
    """Return a text in one line that somebody reads."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
