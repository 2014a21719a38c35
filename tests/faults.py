"""Faults at the calls of the system: kill, fail or write down the k-th call of a process that changes files.

``server()`` starts a Python under the library of ``faults.c``; each case runs in a fork of it, in a folder of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

HERE = Path(__file__).parent
KILL, FAIL = 1, 2


class Missing(Exception):
    """This machine cannot do it."""


@cache
def library() -> Path:
    """Compile the library once per process."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or compiler is None:
        raise Missing("faults at calls of the system need Linux and a C compiler")
    target = Path(mkdtemp(prefix="faults-")) / "faults.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(target), str(HERE / "faults.c"), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return target


@dataclass
class Server:
    """A process that runs cases (see ``store/whole_path.py``), each in a fork."""

    process: subprocess.Popen[str]
    errors: Path

    def run(self, folder: Path, case: str, **about: object) -> dict:
        """Run one case and return what it said."""
        folder.mkdir(parents=True, exist_ok=True)
        self.process.stdin.write(json.dumps({"folder": str(folder), "case": case, **about}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()[-3000:]
        return json.loads(line)


@contextmanager
def server() -> Iterator[Server]:
    """Start the server of cases, with everything loaded that a case needs."""
    import os

    folder = Path(mkdtemp(prefix="faults-"))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("NBMLOPS_", "FAULTS_"))}
    env |= {"LD_PRELOAD": str(library()), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "store" / "whole_path.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=env,
            text=True,
        )
    try:
        yield Server(process, folder / "errors")
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class File:
    """What a disk knows of one file: bytes that are safe, and what came after the last sync."""

    safe: bytes = b""
    later: list[tuple[str, int, bytes]] = field(default_factory=list)

    def sync(self) -> None:
        """Make all of it safe."""
        self.safe, self.later = self.content(len(self.later)), []

    def content(self, count: int, torn: int | None = None) -> bytes:
        """Return the bytes when only the first of the later writes arrived, the last of these perhaps in part."""
        data = bytearray(self.safe)
        for number, (kind, offset, new) in enumerate(self.later[:count]):
            if kind == "truncate":
                del data[offset:]
                data.extend(bytes(offset - len(data)))
            else:
                new = new[:torn] if torn is not None and number == count - 1 else new
                data.extend(bytes(max(0, offset - len(data))))
                data[offset : offset + len(new)] = new
        return bytes(data)


class Disk:
    """The files of a folder as they are when the power goes, from the trace of what was done to it.

    Data reach the disk in the order of the writes to one file, unordered between files; names in the order of the
    changes of one folder. What was synced is there.
    """

    def __init__(self) -> None:
        self.files: dict[int, File] = {}
        self.names: dict[str, int | None] = {"/": None}  # safe; None is a folder
        self.changes: dict[str, list[tuple[str, str, int | None]]] = {}  # of each folder, not safe yet
        self.folders: dict[int, str] = {}
        self.nodes: dict[int, int] = {}  # inode to number of the file: inodes are used again
        self.count = 0

    def do(self, kind: str, inode: int, offset: int, path: str, other: str, data: bytes) -> None:
        """Apply one line of the trace."""
        if kind == "create":
            self.nodes[inode] = self.count = self.count + 1
            self.files[self.count] = File()
            self._change(path, "add", self.count)
        elif kind == "mkdir":
            self.folders[inode] = path
            self._change(path, "add", None)
        elif kind == "sync":
            self._sync(inode, path)
        elif kind in ("write", "truncate"):
            self.files[self.nodes[inode]].later.append((kind, offset, data))
        elif kind == "link":
            self._change(other, "add", self.nodes[inode])
        elif kind == "rename":
            self._change(other, "add", self.nodes.get(inode))
            self._change(path, "remove", None)
        elif kind == "unlink":
            self._change(path, "remove", None)

    def crash(self, folder: Path, chance, extent: str) -> None:
        """Write the files that are left: of what was not synced ``nothing``, ``all``, or ``some`` by chance."""
        names = dict(self.names)
        for changes in self.changes.values():
            for kind, path, node in changes[: _some(chance, len(changes), extent)]:
                names.pop(path, 0) if kind == "remove" else names.update({path: node})
        for path in sorted(names):
            target = folder / path.lstrip("/")
            if any(str(parent) not in names for parent in Path(path).parents if str(parent) != "/"):
                continue  # its folder is gone
            if (node := names[path]) is None:
                target.mkdir(parents=True, exist_ok=True)
            else:
                file = self.files[node]
                count = _some(chance, len(file.later), extent)
                torn = chance.randrange(5000) if extent == "some" and chance.random() < 0.5 else None
                target.write_bytes(file.content(count, torn))

    def _change(self, path: str, kind: str, node: int | None) -> None:
        self.changes.setdefault(str(Path(path).parent), []).append((kind, path, node))

    def _sync(self, inode: int, path: str) -> None:
        if inode in self.nodes and path not in self.folders.values() and path != "/":
            return self.files[self.nodes[inode]].sync()
        for kind, name, node in self.changes.pop(path, []):
            self.names.pop(name, 0) if kind == "remove" else self.names.update({name: node})
        return None


def _some(chance, most: int, extent: str) -> int:
    return {"nothing": 0, "all": most}.get(extent, chance.randrange(most + 1))


def read_trace(path: Path, root: str) -> Iterable[tuple]:
    """Yield (kind, inode, offset, path, other path, data), paths as seen from the root; marks as ("mark", text)."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        end = data.index(b"\n", at)
        kind, inode, offset, length, name, other = data[at:end].decode().split("\t")
        at, body = end + 1, b""
        if kind == "write":
            at, body = at + int(length), data[at : at + int(length)]
        yield kind, int(inode), int(offset), _below(name, root), _below(other, root), body


def _below(path: str, root: str) -> str:
    return (path.removeprefix(root) or "/") if path else ""


def told(lines: Iterable[list]) -> dict:
    """Sum up what a case said: what must be there, what may be there, what was refused."""
    said: dict[str, list] = {"issue": [], "ack": [], "refused": []}
    for word, _, facts in lines:
        said.get(word, []).extend(facts)
    answered = [*said["ack"], *said["refused"]]
    return {
        "ack": said["ack"],
        "maybe": [fact for fact in said["issue"] if fact not in answered],
        "refused": said["refused"],
    }


def words(lines: Iterable[list], word: str) -> list:
    """Return what a case said under one word."""
    return [part for found, _, facts in lines if found == word for part in facts]
