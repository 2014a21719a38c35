"""What was there before a run: how earlier tries of the notebook or experiment went, and what the last one said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from statistics import median
from typing import TYPE_CHECKING, Any

from nbmlops.report import facts
from nbmlops.report.gathered import standing
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.store.database import Store

__all__ = ["gather"]

MOST = 20  # tries that are looked at
KEPT = ("run_id", "name", "status", "cause", "started_at", "ended_at", "duration_s")
BROKEN = ("failed", "interrupted", "abandoned")

Json = Mapping[str, Any]


def gather(found: Json) -> dict[str, Any]:
    """Return ``earlier``: tries looked at, how many broke off in a row before this one, the last whole one.

    ``previous`` is what the last whole one measured.
    """
    from nbmlops.store.runs import earlier, load_many

    run, store = found["run"], session.store()
    job = (run.get("tags") or {}).get("job")
    tries = load_many(store, earlier(store, dict(run), MOST))
    tries = [t for t in tries if (t.get("tags") or {}).get("job") == job]
    broken = list(takewhile(lambda t: t["status"] in BROKEN, tries))
    whole = [t for t in tries if t["status"] == "finished"]
    seconds = [t["duration_s"] for t in whole if t.get("duration_s") is not None]
    return {
        "earlier": {
            "tries": len(tries),
            "most": MOST,
            "broken_in_a_row": len(broken),
            "broken_since": (broken[-1].get("ended_at") or broken[-1]["started_at"]) if broken else None,
            "last_whole": {k: whole[0].get(k) for k in KEPT} if whole else None,
            "typical_s": median(seconds) if seconds else None,
        },
        "previous": next((said for t in whole[:1] if (said := _measured(store, t))), None),
    }


def _measured(store: Store, run: Json) -> dict[str, Any] | None:
    """Return the metrics of the evaluation that counted in an earlier run."""
    from nbmlops.store.models import find, of_runs
    from nbmlops.store.runs import results_of

    ids = _all(store, str(run["run_id"]))
    parts = [{"run_id": i} for i in ids[1:]]
    versions = [find(store, *ref.rpartition("@")[::2]) for ref in of_runs(store, ids)]
    known: dict[str, Any] = {"run": {"run_id": ids[0]}, "parts": parts, "results": results_of(store, ids)}
    judged = facts.evaluation({**known, "models": standing.described([v for v in versions if v], known["results"])})
    if judged is None:
        return None
    return {"run_id": ids[0], "at": run["started_at"], "rows": judged.get("rows"), "metrics": judged.get("metrics")}


def _all(store: Store, run_id: str) -> Sequence[str]:
    """Return the ids of a run and its parts."""
    from nbmlops.store.runs import below

    ids, level = [run_id], [run_id]
    while level := [child for children in below(store, level).values() for child in children]:
        ids += level
    return ids
