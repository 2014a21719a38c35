"""How many distributions nbmlops adds to an environment with JupyterLab, pandas and scikit-learn.

Walks the requirements of what is installed here; no network. The goal is at most 15.
"""

from __future__ import annotations

import importlib.metadata
import json

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BASE = ("jupyterlab", "pandas", "scikit-learn")
GOAL = 15


def closure(*names: str) -> set[str]:
    """Return every distribution some distributions need, themselves included."""
    found: set[tuple[str, str]] = set()
    todo = [(canonicalize_name(name), "") for name in names]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(needed.name), e) for e in ("", *needed.extras)]
    return {name for name, _ in found}


def main() -> None:
    added = sorted(closure("nbmlops") - closure(*BASE) - {"nbmlops"})
    sizes = {name: size_bytes(name) for name in added}
    print(json.dumps({"bench": "install_size", "added": len(added), "goal": GOAL, "bytes": sizes}))


def size_bytes(name: str) -> int:
    """Return what the files of a distribution take."""
    files = importlib.metadata.files(name) or []
    return sum(path.stat().st_size for f in files if (path := f.locate()).is_file())  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
