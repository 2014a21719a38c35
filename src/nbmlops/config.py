"""Where a project is and what its owner set: ``nbmlops.toml``, environment variables, defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbmlops.errors import Invalid

__all__ = ["Project", "disabled", "find_project"]

MARKERS = ("nbmlops.toml", ".git")


@dataclass(frozen=True)
class Project:
    """A project folder, with the place of its store said once, relative to it."""

    root: Path
    marker: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Folder that holds store, journal, artifacts and outputs."""
        return Path(os.environ.get("NBMLOPS_HOME") or self.root / ".nbmlops")

    @property
    def store_url(self) -> str:
        """Database URL."""
        configured = self.setting("store", "url")
        return os.environ.get("NBMLOPS_STORE") or configured or f"sqlite:///{self.home / 'store.sqlite'}"

    @property
    def artifacts_url(self) -> str:
        """Where artifacts lie: an fsspec URL or a local folder; a relative one is seen from the project."""
        configured = os.environ.get("NBMLOPS_ARTIFACTS") or self.setting("store", "artifacts")
        if configured and "://" in configured:
            return str(configured)
        return str(self.root / configured if configured else self.home / "artifacts")

    @property
    def name(self) -> str:
        """The project's name: as written, else the folder's."""
        return str(self.setting("project", "name") or self.root.name)

    def setting(self, table: str, key: str, default: Any = None) -> Any:
        """Return one value of ``nbmlops.toml``."""
        return self.settings.get(table, {}).get(key, default)

    def relative(self, path: str | Path) -> str:
        """Return a path as seen from the project, or as it is when it lies outside."""
        path = Path(path)
        full = path if path.is_absolute() else Path.cwd() / path
        try:
            return full.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return path.as_posix()


def find_project(start: str | Path | None = None) -> Project:
    """Find the project of a folder or notebook: the nearest ``nbmlops.toml``, else ``.git``, else itself.

    Parameters
    ----------
    start : path, optional
        A folder or a file; the working directory when absent.

    Returns
    -------
    Project

    Examples
    --------
    >>> find_project("/").marker
    ''
    """
    folder = Path(start or Path.cwd()).absolute()
    folder = folder if folder.is_dir() else folder.parent
    for marker in MARKERS:
        for candidate in _upward(folder):
            if (candidate / marker).exists():
                return Project(candidate, marker, _settings(candidate / "nbmlops.toml"))
    return Project(folder, "")


def disabled() -> bool:
    """Tell whether ``NBMLOPS_DISABLED=1`` switched tracking off."""
    return os.environ.get("NBMLOPS_DISABLED", "") not in ("", "0")


def _upward(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents


def _settings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path.name} is not valid TOML: {error}.", f"Mend {path}.") from error
