"""Which evaluation stands for a model version or a run: a part of the rows never passes for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbmlops.records import ModelVersion
from nbmlops.registry import values
from nbmlops.tracking import session

__all__ = ["Apart", "Judged", "of_run", "of_version", "standing"]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Apart:
    """A later evaluation that does not stand for the model: of a part of the rows, or of other rows."""

    at: str
    rows: int
    part: bool  # of the rows of the one that stands
    metrics: Mapping[str, Mapping[str, Any]]

    @property
    def on(self) -> str:
        """On which rows, in words."""
        return f"{self.rows:,} {'of these' if self.part else 'other'} rows ({self.at[:10]})"


@dataclass(frozen=True)
class Judged:
    """The kept evaluation that stands for a version, None without one, and the later ones on other rows."""

    result: Json | None
    apart: tuple[Apart, ...] = ()

    @property
    def data(self) -> Json | None:
        """The JSON of the evaluation."""
        return self.result["data"] if self.result else None


def of_version(version: ModelVersion, results: Iterable[Json] | None = None) -> Judged:
    """Return the evaluation that stands for a version: the one it was registered with, else the first of it.

    A later one takes its place where it holds every one of its rows; it is known by the fingerprint of the rows, else
    by the numbers kept of each. What was judged on some of them, or on others, is told apart.

    Parameters
    ----------
    version : ModelVersion
    results : iterable of mapping, optional
        Kept evaluations, oldest first; read from the store when absent.

    Examples
    --------
    >>> of_version(nb.model_version("late-flights@champion")).data["rows"]  # doctest: +SKIP
    27004
    """
    own, later = _found(version, _read(version) if results is None else results)
    stands, rest = own, []
    for result in later:
        if stands is None or values.covers(result["data"], stands["data"]):
            stands = result
        else:
            rest.append(result)
    return Judged(stands, tuple(_apart(r, stands) for r in rest if stands))


def standing(version: ModelVersion) -> str | None:
    """Return the id of the evaluation that stands for a version, None where it was never evaluated.

    Examples
    --------
    >>> standing(nb.model_version("late-flights@champion"))  # doctest: +SKIP
    '0198c0de-...'
    """
    result = of_version(version).result
    return str(result["result_id"]) if result else version.evaluation


def of_run(results: Sequence[Json], run_id: str) -> Json | None:
    """Return the evaluation that stands for a run: of a model it made, that on the most rows, the newest of these.

    Parameters
    ----------
    results : sequence of mapping
        Kept evaluations of the run, oldest first.
    run_id : str

    Examples
    --------
    >>> part, whole = ({"data": {"rows": n}} for n in (50, 900))
    >>> of_run([whole, part], "a")["data"]["rows"]
    900
    """
    own = [r for r in results if r["data"].get("run_id") in (None, run_id)]
    return max(reversed(own), key=lambda r: int(r["data"].get("rows") or 0), default=None)


def _read(version: ModelVersion) -> list[dict[str, Any]]:
    from nbmlops.store.runs import results_of

    return results_of(session.store(), kind="evaluation")


def _found(version: ModelVersion, results: Iterable[Json]) -> tuple[Json | None, list[Json]]:
    """Return the evaluation a version was registered with, and those of its very file that came later."""
    known = list(results)
    own = next((r for r in known if r["result_id"] == version.evaluation), None)
    named = [r for r in known if r["data"].get("model") == version.ref and r is not own]
    return own, [r for r in named if r["data"].get("digest") in (None, version.digest)]


def _apart(result: Json, stands: Json) -> Apart:
    data = result["data"]
    part = values.covers(stands["data"], data)
    return Apart(str(result["at"]), int(data.get("rows") or 0), part, data.get("metrics") or {})
