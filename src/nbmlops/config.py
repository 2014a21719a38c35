"""Where a project is and what its owner set: ``nbmlops.toml``, environment variables, defaults."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbmlops.errors import Invalid, tell

__all__ = ["Project", "disabled", "find_project"]

MARKERS = ("nbmlops.toml", ".git")
KNOWN = {
    "project": ("name",),
    "store": ("url", "artifacts"),
    "sources": (),
    "alerts": ("file", "urls", "hook"),
    "papers": ("license",),
    "warm": ("preload", "off", "most"),
    "slots": (),
    "predictions": ("inputs", "keep_days", "outcomes_after"),
    "scheduler": ("ping", "late_min", "workers", "server"),
    "capture": ("system_every_s", "outputs", "models", "model_max_mb", "mute"),
}

NAMED = ("sources", "slots")  # tables whose keys are names people give

_told: set[tuple[Path, str]] = set()


@dataclass(frozen=True)
class Project:
    """A project folder, with the place of its store said once, relative to it."""

    root: Path
    marker: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Folder that holds store, journal, artifacts and outputs."""
        return self.root / (os.environ.get("NBMLOPS_HOME") or ".nbmlops")

    @property
    def store_url(self) -> str:
        """Database URL; a file's relative path is seen from the project."""
        configured = str(os.environ.get("NBMLOPS_STORE") or self.setting("store", "url") or "")
        file = configured.removeprefix("sqlite:///")
        if configured and (file == configured or file in ("", ":memory:")):
            return configured
        return f"sqlite:///{self.root / file if configured else self.home / 'store.sqlite'}"

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
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path.name} is not valid TOML: {error}.", f"Mend {path}.") from error
    for name, near in _unused(found):
        if (path, name) not in _told:
            _told.add((path, name))
            meant = f" Did you mean {near}?" if near else ""
            tell(f"{path} sets {name}, which nbmlops does not know and ignores.{meant}")
    return {table: keys for table, keys in found.items() if isinstance(keys, dict)}


def _unused(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is set and never read, with the near setting, if there is one."""
    every = {key: f"{key} under [{table}]" for table, keys in KNOWN.items() for key in keys}
    for table, keys in settings.items():
        if not isinstance(keys, dict):  # written above the first table, or in place of one
            yield repr(table), _near(table, every)
        elif table not in KNOWN:
            yield f"[{table}]", _near(table, {t: f"[{t}]" for t in KNOWN})
        elif table not in NAMED:
            yield from ((f"{k!r} under [{table}]", _near(k, every)) for k in keys if k not in KNOWN[table])


def _near(name: str, known: Mapping[str, str]) -> str:
    return "".join(known[k] for k in difflib.get_close_matches(name, known, n=1))
