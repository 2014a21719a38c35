"""A model's file from outside: put aside under its digest, looked through by a process with limits, never run here."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import Shown
from nbmlops.records import plain
from nbmlops.registry.archive import MAX_BYTES
from nbmlops.store import segments
from nbmlops.tracking import session

__all__ = ["FileReview", "review_file"]

MEMORY_BYTES = 6 * 2**30  # of address space, of which libraries reserve a good part
SECONDS = 60
BLOCK = 2**20


@dataclass(frozen=True, repr=False)
class FileReview(Shown):
    """What stands in a model's file, and whether it may be read."""

    shows: ClassVar[str] = "model_file"

    file: str
    digest: str
    size_bytes: int
    format: str
    verdict: str
    why: str
    types: tuple[Mapping[str, Any], ...] = ()
    members: int = 0
    unpacked_bytes: int = 0
    sklearn: str = ""
    quarantine: str = ""

    @property
    def trusted(self) -> bool:
        """Whether it holds data only, all of it of reviewed types."""
        return self.verdict == "trusted"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found: dict[str, Any] = plain(self)
        return found


def review_file(path: str | Path) -> FileReview:
    """Look through a model's file from outside without running anything of it.

    A copy is kept in ``.nbmlops/quarantine/models`` under its digest, and a process of its own, with limits on memory
    and time, reads that. Whatever the file does to that process is an answer.

    Parameters
    ----------
    path : path
        A file of skops, pickle, joblib, or anything else.

    Returns
    -------
    FileReview
        ``verdict``: *trusted* (data only, every type reviewed, arrays hold), *untrusted*, or *not examined*; with each
        type and why it is or is not trusted.

    Raises
    ------
    NotFound
        There is no such file.
    Invalid
        It is no file, or larger than what is read.

    Examples
    --------
    >>> nb.review_file("from-a-colleague.skops").verdict  # doctest: +SKIP
    'trusted'
    """
    source = Path(path)
    aside, digest, size = _set_aside(source)
    found = _examined(aside)
    known = {k: found[k] for k in ("format", "verdict", "why", "members", "unpacked_bytes", "sklearn") if k in found}
    shown = session.project().relative(aside)
    return FileReview(
        file=source.name,
        digest=digest,
        size_bytes=size,
        types=tuple(found.get("types", ())),
        quarantine=str(shown),
        **known,
    )


def _set_aside(source: Path) -> tuple[Path, str, int]:
    """Copy a file into quarantine under its digest, readable by its owner only; return place, digest and size."""
    _check(source)
    segments.prepare(session.project().home)
    folder = session.project().home / "quarantine" / "models"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = folder / f"{os.getpid()}.part"
    digest, size = hashlib.sha256(), 0
    try:
        with (
            source.open("rb") as file,
            os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as copy,
        ):
            while block := file.read(BLOCK):
                size += len(block)
                if size > MAX_BYTES:
                    raise Invalid(
                        f"{source.name} is larger than {MAX_BYTES // 2**30} GB.", "Nothing that large is read."
                    )
                digest.update(block)
                copy.write(block)
        place = folder / digest.hexdigest()
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    return place, digest.hexdigest(), size


def _check(source: Path) -> None:
    if not source.exists():
        raise NotFound(f"No file {str(source)!r}.", "Name a model's file, such as model.skops.")
    if not source.is_file():
        raise Invalid(f"{str(source)!r} is no file.", "Name a model's file, such as model.skops.")


def _examined(place: Path) -> dict[str, Any]:
    """Return what the examining process says; how it ended when it says nothing."""
    command = [sys.executable, "-I", "-m", "nbmlops.registry.examine", str(place), str(MEMORY_BYTES), str(SECONDS)]
    kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "TEMP")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**{k: os.environ[k] for k in kept if k in os.environ}, **threads}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=2 * SECONDS,
            env=environment,
            cwd=place.parent,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return _not_examined(f"it took longer than {2 * SECONDS} s")
    if done.returncode:
        return _not_examined(_ended(done.returncode, done.stderr))
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return _not_examined("the process that read it gave no answer")
    return found


def _ended(code: int, said: bytes) -> str:
    if code < 0:
        name = signal.Signals(-code).name if -code in {int(s) for s in signal.Signals} else ""
        return f"the process that read it ended by signal {-code} {name}".strip()
    last = said.decode(errors="replace").strip().splitlines()[-1:] or [""]
    reason = "it needs more memory than is given" if "MemoryError" in last[0] else last[0][:200]
    return f"the process that read it failed: {reason}"


def _not_examined(why: str) -> dict[str, Any]:
    return {"format": "unknown", "verdict": "not examined", "why": why}
