"""Which file system a path lies on, and whether it can be written there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

__all__ = ["filesystem", "is_network", "read_only", "writable"]

NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|lustre|gpfs|beegfs|ceph|9p|afs|afpfs|webdav|davfs|glusterfs|pvfs2|orangefs|panfs|ocfs2|gfs2"
    r"|ncpfs|coda|virtiofs|vboxsf|prl_fs|vmhgfs|acfs|wekafs|daos|fuse(?!blk)(\..*)?"
)
LOCAL_FUSE = re.compile(r"fuse\.(ntfs(-3g)?|exfat|bindfs|mergerfs|fuse-overlayfs)")


def is_network(kind: str) -> bool:
    """Tell whether a type of file system is reached over a network, or may be.

    >>> [is_network(kind) for kind in ("ext4", "nfs4", "fuse.sshfs", "fuse.ntfs-3g", "overlay")]
    [False, True, True, False, False]
    """
    return bool(NETWORK.fullmatch(kind.lower())) and not LOCAL_FUSE.fullmatch(kind.lower())


def filesystem(path: Path) -> str:
    """Return the type of the file system a path lies on, empty when unknown.

    >>> filesystem(Path("/proc")) in ("proc", "")
    True
    """
    place = _existing(path)
    return _filesystem(str(place), place.stat().st_dev)


@lru_cache(maxsize=64)
def _filesystem(place: str, device: int) -> str:
    """Return the type of the mount with the longest prefix; of two on one point the later hides the earlier."""
    if os.name == "nt":
        return "smb" if place.startswith("\\\\") else ""
    found = [(len(point), kind) for point, kind in _mounts() if f"{place}/".startswith(f"{point.rstrip('/')}/")]
    longest = max((length for length, _ in found), default=0)
    return next((kind for length, kind in reversed(found) if length == longest), "")


def _mounts() -> Iterator[tuple[str, str]]:
    """Yield (mount point, type of file system), in the order of mounting."""
    table = Path("/proc/self/mountinfo")
    if table.is_file():
        yield from _mountinfo(table.read_text(encoding="utf-8", errors="surrogateescape"))
        return
    try:
        import psutil
    except ImportError:
        return
    for part in psutil.disk_partitions(all=True):
        yield part.mountpoint, part.fstype


def _mountinfo(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        front, _, back = line.partition(" - ")
        if back:
            point = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), front.split()[4])
            yield point, back.split()[0]


def writable(path: Path) -> bool:
    """Tell whether a store's file can be changed: SQLite needs to write its folder too."""
    if path.exists() and not os.access(path, os.W_OK):
        return False
    return os.access(_existing(path.parent), os.W_OK)


def read_only(path: Path) -> bool:
    """Tell whether the disk a path lies on is mounted for reading only."""
    return hasattr(os, "statvfs") and bool(os.statvfs(_existing(path)).f_flag & os.ST_RDONLY)


def _existing(path: Path) -> Path:
    """Return the nearest place upward that exists, without symbolic links."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists()).resolve()
