"""Rows that must not be learnt from again: those that judged a model, and those that are there twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import NotFound
from nbmlops.hooks import service
from nbmlops.monitoring.performance import canonical
from nbmlops.monitoring.returning.returned import Returned
from nbmlops.registry import sketch
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["judged", "twice"]


def judged(case: Returned, features: pd.DataFrame) -> tuple[NDArray[np.bool_], list[str]]:
    """Tell which rows judged a version of the model, in an evaluation, a gate or by the charter.

    Also what is not known of these, in words.

    Parameters
    ----------
    case : Returned
    features : DataFrame
    """
    found, notes = np.zeros(len(features), dtype=bool), []
    for what, columns, known in _judges(case):
        shared = [c for c in columns if c in features.columns]
        if known is None or not shared or (isinstance(known, np.ndarray) and len(shared) < len(columns)):
            notes.append(f"the rows of {what} are not known here, so some of them may be in it")
            continue
        rows = known if isinstance(known, np.ndarray) else sketch.hashes(known[shared])
        found |= np.isin(sketch.hashes(features[shared]), rows)
    return found, list(dict.fromkeys(notes))


def _judges(case: Returned) -> Iterator[tuple[str, list[str], Any]]:
    """Yield what judged the versions of a model: its name, the columns known of it, and its rows or their hashes."""
    from nbmlops.quality.versions import load_dataset
    from nbmlops.registry.values import judged_rows
    from nbmlops.store import models
    from nbmlops.store.runs import results_of

    versions = {v.evaluation: v.ref for v in models.listed(session.store(), case.name) if v.evaluation}
    names = {v.ref for v in models.listed(session.store(), case.name)}
    seen: set[str] = set()
    for result in results_of(session.store(), kind="evaluation"):
        about = result["data"]
        ours = versions.get(result["result_id"]) or (about["model"] if about["model"] in names else None)
        if ours and about.get("data") not in seen:
            seen.add(about.get("data"))
            columns, rows = judged_rows(about) or ([], None)
            yield f"the evaluation of {ours}", columns, rows
    gates = (r["data"] for r in results_of(session.store(), kind="gate"))
    refs = {g["dataset"] for g in gates if g.get("dataset") and {g["challenger"], g["champion"]} & names}
    agreed = service("governance.charter", "charter")()
    for ref in sorted(refs | ({agreed.rows} if agreed and agreed.rows else set())):
        try:
            frame = load_dataset(ref)
        except NotFound:
            yield ref, [], None
            continue
        yield ref, [c for c in _names(case) if c in frame], frame


def twice(features: pd.DataFrame, rows: pd.DataFrame, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which rows are there again: under the same business key, or asked of another version too.

    Of one version equal rows are different cases; those of another version are these, as many of them.

    Parameters
    ----------
    features : DataFrame
    rows : DataFrame
        Their truth, version, key and key_at.
    seen : array of bool
        Those that stay of several.
    """
    import pandas as pd

    if not len(rows):
        return np.zeros(0, dtype=bool)
    content = sketch.hashes(features) if len(features.columns) else np.arange(len(rows), dtype=np.uint64)
    about = pd.DataFrame({"content": content, "truth": [canonical(t) for t in rows["truth"]]}).astype({"truth": str})
    about = about.assign(version=rows["version"], key=rows["key"], key_at=rows["key_at"], seen=seen)
    about["nth"] = about.groupby(["version", "content", "truth"]).cumcount()
    about = about.sort_values("seen", ascending=False, kind="stable")  # what was returned before stays first
    again = about.duplicated(["content", "truth", "nth"])
    again |= about["key"].notna() & about.duplicated(["key", "key_at", "truth"])
    found: NDArray[np.bool_] = again.sort_index().to_numpy(dtype=bool)
    return found


def _names(case: Returned) -> list[str]:
    return [c["name"] for c in case.version.signature["columns"]]
