"""What is needed to say what changed since the version a run is compared with: code, packages, findings of both."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import NbmlopsError
from nbmlops.report.gathered.masked import masked, unsaid
from nbmlops.tracking import session

__all__ = ["cells", "gather", "normalised"]

Json = Mapping[str, Any]
NOTEBOOK = "notebook.ipynb"
MOST_CELLS, MOST_FINDINGS, LINE = 200, 500, 60


def gather(found: Json) -> dict[str, Any]:
    """Return ``before`` with its ``cells``, ``packages`` and ``findings``, and the ``cells`` of this run."""
    before = found["before"]
    if not before:
        return {}
    ids = [part["run_id"] for part in before["parts"]]
    more = {
        "cells": cells(before["parts"], ids),
        "packages": _packages(before["parts"], found["environment"]),
        "findings": _findings(ids, unsaid(found), str(before["ref"])),
    }
    parts = [found["run"], *found["parts"]]
    return {"before": {**before, **more}, "cells": cells(parts, [part["run_id"] for part in parts])}


def cells(parts: Sequence[Json], ids: Sequence[str]) -> list[dict[str, str]]:
    """Return each code cell as a hash of its normalised source and its first line; of runs without a notebook theirs.

    Parameters
    ----------
    parts : sequence of mapping
        Runs as a snapshot holds them.
    ids : sequence of str
        Theirs.
    """
    kept = (a for part in parts for a in part.get("artifacts") or () if a["name"] == NOTEBOOK)
    digest = next((a["digest"] for a in kept), None)
    sources = _of_notebook(str(digest)) if digest else _of_runs(ids)
    told = ((normalised(source), _first(source)) for source in sources if source.strip())
    return [{"hash": hashlib.sha256(code.encode()).hexdigest()[:12], "line": line} for code, line in told][:MOST_CELLS]


def normalised(source: str) -> str:
    """Return code without what does not change it: comments, blank lines, layout.

    >>> normalised("x=1  # first") == normalised("x = 1")
    True
    """
    try:
        return ast.unparse(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError):  # a magic, or no Python
        lines = (line.rstrip() for line in source.splitlines())
        return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _first(source: str) -> str:
    lines = [line.strip() for line in redact(source).splitlines() if line.strip()]
    line = next((line for line in lines if not line.startswith("#")), lines[0])
    return line if len(line) <= LINE else f"{line[: LINE - 1]}…"


def _of_notebook(digest: str) -> list[str]:
    try:
        content = json.loads(session.artifacts().get(digest))
    except (NbmlopsError, ValueError):
        return []
    found = (c for c in content.get("cells") or () if isinstance(c, dict) and c.get("cell_type") == "code")
    return ["".join(c.get("source") or "") for c in found if not _injected(c)]


def _injected(cell: Json) -> bool:
    """Tell whether a cell holds the parameters that were handed in: those are settings, not code."""
    return "injected-parameters" in ((cell.get("metadata") or {}).get("tags") or ())


def _of_runs(ids: Iterable[str]) -> list[str]:
    from nbmlops.store.runs import load_many

    return [str(run["source"]) for run in load_many(session.store(), list(ids)) if run.get("source")]


def _packages(parts: Sequence[Json], now: Json | None) -> dict[str, str] | None:
    """Return the packages of then that are others now, or None where either is not known."""
    from nbmlops.store.runs import load_many

    runs = load_many(session.store(), [part["run_id"] for part in parts])
    digest = next((run["environment"] for run in runs if run.get("environment")), None)
    if not digest or not now:
        return None
    try:
        then = json.loads(session.artifacts().get(digest))
    except (NbmlopsError, ValueError):
        return None
    old, new = ({"python": e.get("python"), **(e.get("packages") or {})} for e in (then, now))
    return {name: str(old.get(name) or "-") for name in sorted({*old, *new}) if old.get(name) != new.get(name)}


def _findings(ids: Sequence[str], hidden: list[str], ref: str) -> list[dict[str, Any]]:
    """Return what was found then of that version and its data: which question, of which column, with which outcome."""
    from nbmlops.store.runs import newest, results_of

    store = session.store()
    every = [*ids, *(child for run_id in ids for child in newest(store, parent=run_id))]
    rows = [
        {"kind": r["kind"], **{k: f.get(k) for k in ("code", "column", "outcome", "message")}}
        for r in results_of(store, list(dict.fromkeys(every)))
        if r["kind"] != "evaluation" or "@" not in r["subject"] or r["subject"] == ref
        for f in masked(r["data"], hidden).get("findings") or ()
    ]
    latest = {(f["kind"], f["code"], f["column"]): f for f in rows}.values()
    return [f if f["outcome"] in ("issue", "warning") else f | {"message": ""} for f in latest][:MOST_FINDINGS]
