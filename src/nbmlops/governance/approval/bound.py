"""What an approval binds: the model's file, the data it was trained on and the code that made it, each as a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["bound", "changed", "makers"]

Json = Mapping[str, Any]
NOTEBOOK = "notebook.ipynb"


def bound(version: ModelVersion | None) -> dict[str, Any]:
    """Return ``model``, ``data`` and ``code`` of a version as the store has them now, and the newest of its data sets.

    ``data`` is over the data its runs read and the newest version of each data set among it, so that it is another one
    once newer data was recorded. ``code`` is over the source of its runs as it was recorded. Both are empty texts where
    nothing is known.
    """
    if version is None:
        return {"model": "", "data": "", "code": "", "datasets": {}}
    runs = makers(version)
    read = sorted({(str(d["name"]), str(d["fingerprint"])) for r in runs for d in r["datasets"] if _read(d)})
    newest = _newest(version, {fingerprint for _, fingerprint in read})
    return {
        "model": version.digest,
        "data": _digest([read, sorted(newest.items())]) if read or newest else "",
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
    newer = [f"{name}@{number}" for name, number in (present["datasets"]).items() if old.get(name) != number]
    which = f" ({', '.join(newer)})" if newer else ""
    return [*words, f"the data changed{which}"]


def _read(data: Json) -> bool:
    return data.get("role") != "written"


def _newest(version: ModelVersion, fingerprints: set[str]) -> dict[str, tuple[int, str]]:
    """Return number and fingerprint of the newest version of each data set that any of this data is a version of."""
    from nbmlops.store import datasets

    every = datasets.listed(session.store())
    refs = set(version.signature.get("datasets") or ())
    names = {r["name"] for r in every if r["fingerprint"] in fingerprints or f"{r['name']}@{r['version']}" in refs}
    newest: dict[str, tuple[int, str]] = {}
    for row in every:  # newest first within each name
        if row["name"] in names:
            newest.setdefault(row["name"], (row["version"], row["fingerprint"]))
    return newest


def _notebook(run: Json) -> str:
    found: Iterable[Json] = run["artifacts"]
    return next((str(a["digest"]) for a in found if a["name"] == NOTEBOOK), "")


def _digest(of: Any) -> str:
    return hashlib.sha256(json.dumps(of, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
