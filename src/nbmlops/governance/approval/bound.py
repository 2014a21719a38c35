"""What an approval binds: the model's file, the data it was trained on and the code that made it, each as a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["another", "bound", "changed", "makers"]

Json = Mapping[str, Any]
NOTEBOOK = "notebook.ipynb"


def bound(version: ModelVersion | None) -> dict[str, Any]:
    """Return ``model``, ``data`` and ``code`` of a version as the store has them now, and the newest of its data sets.

    ``fitted`` is over the rows it was fitted on; ``data`` is over those and the newest rows of each data set among
    them, by fingerprint alone: the same rows under another name change nothing, newer rows do. Where nobody saw the
    fit, every data set with all columns of the model counts. ``code`` is over the source of its runs as it was
    recorded. Each is an empty text where nothing is known.
    """
    if version is None:
        return {"model": "", "fitted": "", "data": "", "code": "", "datasets": {}}
    runs, rows = makers(version), _fitted(version)
    newest = _newest(rows, _columns(version))
    every = rows | {fingerprint for _, fingerprint in newest.values()}
    return {
        "model": version.digest,
        "fitted": _digest(sorted(rows)) if rows else "",
        "data": _digest([sorted(rows), sorted(every)]) if every else "",
        "code": _digest([[r["source"] or "", _notebook(r)] for r in runs]) if runs else "",
        "datasets": {name: number for name, (number, _) in sorted(newest.items())},
    }


def makers(version: ModelVersion) -> list[dict[str, Any]]:
    """Return the runs a version came from: the cell that fitted it, and the notebook around it."""
    from nbmlops.store.runs import load

    store = session.store()
    fitted = load(store, version.run_id) if version.run_id else None
    around = load(store, fitted["parent"]) if fitted and fitted["parent"] else None
    return [run for run in (fitted, around) if run]


def changed(before: Json, present: Json) -> list[str]:
    """Return in words what an approval bound and what is another by now.

    >>> changed({"model": "a", "data": "b"}, {"model": "a", "data": "d", "code": None, "datasets": {"f": 2}})
    ['the data changed (f@2)']
    """
    words = [f"the {key} changed" for key in ("model", "code") if before.get(key) != present[key]]
    if before.get("data") == present["data"]:
        return words
    old = before.get("datasets") or {}
    newer = {name: number for name, number in present["datasets"].items() if old.get(name) != number}
    known = [f"{name}@{number}" for name, number in newer.items() if name in old]
    which = ", ".join(known or [f"{name}@{number}" for name, number in newer.items()])
    return [*words, f"the data changed{f' ({which})' if which else ''}"]


def another(before: Json, present: Json) -> list[str]:
    """Return in words what of a version itself is another than when it was answered: newer data is not.

    >>> another({"model": "a", "fitted": "b"}, {"model": "a", "fitted": "b", "code": None, "data": "c"})
    []
    """
    asked = {"model": "model", "fitted": "data it was fitted on", "code": "code"}
    return [f"the {word} changed" for key, word in asked.items() if key in before and before[key] != present[key]]


def _fitted(version: ModelVersion) -> set[str]:
    """Return the fingerprints of the rows a version was fitted on: what its runs and its signature name.

    The run that fitted it may have read them itself, so of it every frame counts.
    """
    from nbmlops.store import datasets

    refs = set(version.signature.get("datasets") or ())
    named = {r["fingerprint"] for r in datasets.listed(session.store()) if f"{r['name']}@{r['version']}" in refs}
    runs = [(run["run_id"] == version.run_id, d) for run in makers(version) for d in run["datasets"]]
    held = {d["fingerprint"] for fitting, d in runs if fitting or d.get("role") != "written"}
    return {str(fingerprint) for fingerprint in named | held}


def _columns(version: ModelVersion) -> set[str]:
    """Return the columns of a version of which nobody saw the fit: it may have been any data set that has them all."""
    signature = version.signature
    if (signature.get("fitted_on") or {}).get("columns") or signature.get("datasets"):
        return set()
    return {str(c["name"]) for c in signature.get("columns") or ()} | set(filter(None, [signature.get("target")]))


def _newest(fingerprints: set[str], columns: set[str]) -> dict[str, tuple[int, str]]:
    """Return number and fingerprint of the newest version of each data set of which a version has these rows.

    Also of those that have these columns, where any are given.
    """
    from nbmlops.store import datasets

    every = datasets.listed(session.store())
    names = {r["name"] for r in every if r["fingerprint"] in fingerprints or (columns and columns <= _held(r))}
    newest: dict[str, tuple[int, str]] = {}
    for row in every:  # newest first within each name
        if row["name"] in names:
            newest.setdefault(row["name"], (row["version"], row["fingerprint"]))
    return newest


def _held(row: Json) -> set[str]:
    return {str(c["name"]) for c in row["columns"]}


def _notebook(run: Json) -> str:
    found: Iterable[Json] = run["artifacts"]
    return next((str(a["digest"]) for a in found if a["name"] == NOTEBOOK), "")


def _digest(of: Any) -> str:
    return hashlib.sha256(json.dumps(of, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
