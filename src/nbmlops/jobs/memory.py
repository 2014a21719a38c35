"""Whether the system killed a process because memory ran out: only what it says itself counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["kills"]

COUNTER = re.compile(r"^oom_kill (\d+)$", re.M)


def kills(root: Path = Path("/")) -> int | None:
    """Return how often the system killed for want of memory so far: in this control group, else on this machine.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are mounted.

    Returns
    -------
    int or None
        None where the system does not say.

    Examples
    --------
    >>> kills(Path("/nowhere")) is None
    True
    """
    for path in _counters(root):
        try:
            found = COUNTER.search(path.read_text())
        except OSError:
            continue
        if found:
            return int(found[1])
    return None


def _counters(root: Path) -> Iterator[Path]:
    """Yield the files that may say it: version 2 of control groups, version 1, the whole machine."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        groups = []
    for number, names, path in (line.split(":", 2) for line in groups if line.count(":") >= 2):
        if number == "0" and not names:
            yield from (root / f"sys/fs/cgroup{inner}/memory.events" for inner in (path.rstrip("/"), ""))
        elif "memory" in names.split(","):
            yield from (root / f"sys/fs/cgroup/memory{inner}/memory.oom_control" for inner in (path.rstrip("/"), ""))
    yield root / "proc/vmstat"
