"""Read runs: one by what a person types, many as a table, two side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.capture.environment import notebook_name
from nbmlops.errors import Invalid, NotFound, unknown
from nbmlops.hooks import Shown, service
from nbmlops.records import Artifact, CapturedModel, Dataset, Param, plain
from nbmlops.store.summary import COLUMNS, IN_FILE, flat, flat_metrics, honest_split, short_param
from nbmlops.tracking import session
from nbmlops.tracking.series import Series

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Run", "Series", "compare", "get_run", "listed", "resolve", "runs", "source_of"]

HERE = "in this run"


class Run(Shown):
    """One tracked run: what was set, what was measured, on which data, how it ended.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.get_run("forest").metrics  # doctest: +SKIP
    {'roc_auc': 0.69}
    """

    shows: ClassVar[str] = "run"

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = dict(data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._data:
            raise AttributeError(f"A run has no {name!r}. It has: {', '.join(sorted(self.__dir__()))}.")
        return self._data[name]

    def __dir__(self) -> list[str]:
        return sorted({*self._data, *(n for n in type(self).__dict__ if n[0] != "_")})

    @property
    def params(self) -> dict[str, Any]:
        """What was set, by name (defaults of estimators are in ``defaults``)."""
        return {p["name"]: self._whole(p["value"]) for p in self._data["params"]}

    def _whole(self, value: Any) -> Any:
        """Return a param's value; a long one is read from the file it was put into."""
        if isinstance(value, dict) and IN_FILE in value:
            return json.loads(session.artifacts().get(value[IN_FILE]))
        return value

    @property
    def param_records(self) -> tuple[Param, ...]:
        """The params with their origin."""
        return tuple(Param(**{**p, "value": self._whole(p["value"])}) for p in self._data["params"])

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric on the most honest split there is; the others as ``name[split=train]``."""
        return flat_metrics(self._data["metrics"])

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Data the run read or wrote."""
        return tuple(Dataset(**{**d, "columns": tuple(d["columns"])}) for d in self._data["datasets"])

    @property
    def models(self) -> tuple[CapturedModel, ...]:
        """Estimators the run fitted, the outermost first."""
        return tuple(CapturedModel(**m) for m in self._data["models"])

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Files the run kept."""
        return tuple(Artifact(**a) for a in self._data["artifacts"])

    @property
    def data(self) -> dict[str, Any]:
        """The run as it is stored, as plain values."""
        return dict(self._data)

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Findings of every check made in this run."""
        if "findings" in self._data:
            return list(self._data["findings"])
        return [f for r in self.results() for f in r["data"].get("findings", [])]

    @property
    def children(self) -> list[Run]:
        """Runs that are part of this one, oldest first."""
        from nbmlops.store.runs import summaries

        return [Run(r) for r in reversed(summaries(session.store(), parent=self.run_id))]

    def metric(self, name: str, context: Mapping[str, str] | None = None) -> Series:
        """Return every value of a metric, on one context: the most honest split when none is named.

        Parameters
        ----------
        name : str
        context : mapping, optional
            Such as ``{"split": "train"}``.

        Raises
        ------
        NotFound
            The run has no such metric, or not on that context.
        Invalid
            No context is named, there are several, and none is more honest than the others.

        Examples
        --------
        >>> run.metric("loss").values  # doctest: +SKIP
        array([0.9, 0.5, 0.3])
        """
        from nbmlops.store.runs import points

        found = points(session.store(), self.run_id, name)
        if not found:
            raise unknown("metric", name, {m["name"] for m in self._data["metrics"]}, where=HERE)
        contexts = [c for c, _ in found]
        split = honest_split(self._data["metrics"], name)
        wanted = dict(context) if context is not None else {"split": split} if split else {}
        if context is not None and wanted not in contexts:
            raise unknown("context", str(wanted), [str(c) for c in contexts], where=f"of metric {name!r}")
        if wanted not in contexts and len(found) > 1:
            listed = ", ".join(str(c) for c in contexts[:8]) + (" and more" if len(contexts) > 8 else "")
            raise Invalid(
                f"Metric {name!r} was logged on {len(contexts)} contexts: {listed}.",
                f"Name one: run.metric({name!r}, {contexts[0]}).",
            )
        return Series.of(name, *(found[contexts.index(wanted)] if wanted in contexts else found[0]))

    def series(self) -> list[Series]:
        """Return every metric that was logged more than once, on each of its contexts."""
        several = [m for m in self._data["metrics"] if m.get("count", 1) > 1]
        return [self.metric(m["name"], m["context"]) for m in several]

    def artifact(self, name: str) -> bytes:
        """Return the content of a file the run kept, verified.

        Raises
        ------
        NotFound
            The run kept no such file.
        """
        return session.artifacts().get(self._digest(name))

    def save_artifact(self, name: str, target: str | Path) -> Path:
        """Write a file the run kept to a place of yours, in pieces: it may be larger than memory.

        Parameters
        ----------
        name : str
        target : path
            Where to; it appears whole, and verified, or not at all.

        Raises
        ------
        NotFound
            The run kept no such file, or the target's folder is not there.
        Invalid
            The target is a folder.

        Examples
        --------
        >>> run.save_artifact("model.bin", "model.bin")  # doctest: +SKIP
        """
        digest, place = self._digest(name), Path(target)
        if place.is_dir():
            raise Invalid(f"{str(place)!r} is a folder.", f"Name the file: {str(place / Path(name).name)!r}.")
        if not place.absolute().parent.is_dir():
            raise NotFound(f"There is no folder {str(place.parent)!r}.", "Make it first, or write somewhere else.")
        session.artifacts().fetch(digest, place)
        return place

    def _digest(self, name: str) -> str:
        found = next((a for a in self.artifacts if a.name == name), None)
        if found is None:
            raise unknown("artifact", name, [a.name for a in self.artifacts], where=HERE)
        return found.digest

    def results(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return what was found in this run: evaluations, drift, checks, gates."""
        from nbmlops.store.runs import results_of

        return results_of(session.store(), [self.run_id], kind)

    def to_dict(self, curves: bool = True) -> dict[str, Any]:
        """Return plain JSON, with the headline metrics as ``summary`` and a curve of what was logged often.

        Parameters
        ----------
        curves : bool
            Also read the points of metrics that were logged more than once.
        """
        metrics = self._data["metrics"]
        if curves and any(m.get("count", 1) > 1 and "curve" not in m for m in metrics):
            drawn = {(s.name, str(s.context)): s.drawn() for s in self.series()}
            metrics = [m | drawn.get((m["name"], str(m["context"])), {}) for m in metrics]
        params = [{**p, "value": short_param(p["value"])} for p in self._data["params"]]
        whole = {"findings": plain(self.findings)} if curves else {}
        return {**plain(self._data), **whole, "params": plain(params)} | {
            "metrics": plain(metrics),
            "summary": plain(self.metrics),
        }


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """Runs side by side: only what differs, and how metrics went that were logged several times."""

    shows: ClassVar[str] = "comparison"

    runs: tuple[dict[str, Any], ...]
    rows: tuple[dict[str, Any], ...]
    curves: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"runs": plain(self.runs), "rows": plain(self.rows), "curves": plain(self.curves)}


def resolve(ref: str) -> str:
    """Return the run id a person means.

    Parameters
    ----------
    ref : str
        An id, its last 6 or more characters, an experiment (its newest run), ``EXPERIMENT~1`` (the one before).

    Raises
    ------
    NotFound
        Nothing fits.
    """
    from nbmlops.store import runs as stored

    store = session.store()
    if len(ref) >= 6 and (found := stored.ids_like(store, ref)):
        if len(found) > 1:
            raise NotFound(f"{len(found)} runs end in {ref!r}.", "Type more characters of the id.")
        return found[0]
    experiment, _, back = ref.partition("~")
    steps = int(back) if back.isdigit() else 0
    ids = stored.newest(store, experiment=experiment, limit=steps + 1)
    if len(ids) <= steps:
        raise unknown("run or experiment", ref, stored.experiments(store))
    return ids[steps]


def get_run(ref: str) -> Run:
    """Return one run.

    Parameters
    ----------
    ref : str
        An id, its last 6 or more characters, ``EXPERIMENT`` (newest) or ``EXPERIMENT~1``.

    Returns
    -------
    Run

    Raises
    ------
    NotFound
        Nothing fits; the message names what is known.

    Examples
    --------
    >>> nb.get_run("forest").status  # doctest: +SKIP
    'finished'
    """
    from nbmlops.store.runs import load

    data = load(session.store(), resolve(ref))
    if data is None:
        raise NotFound(f"Run {ref!r} is gone.")
    return Run(data)


def source_of(ref: str) -> str:
    """Return the source a run was made by, as it was typed but for secrets.

    Parameters
    ----------
    ref : str
        An id, its last 6 or more characters, ``EXPERIMENT`` or ``EXPERIMENT~1``.

    Raises
    ------
    NotFound
        There is no such run, or it came from no cell.
    """
    run = get_run(ref)
    if not run.source:
        raise NotFound(f"Run {ref!r} has no source: it came from a {run.kind}.", "Name the run of a %%track cell.")
    return str(run.source)


def listed(*, notebook: str | None = None, limit: int | None = 100, children: bool = False) -> list[Run]:
    """Return runs, newest first, without pandas.

    Parameters
    ----------
    notebook : str, optional
        Only runs of this notebook (its path relative to the project).
    limit : int or None
    children : bool
        Also runs that are part of another (a tracked cell of an executed notebook is listed anyway).
    """
    from nbmlops.store.runs import summaries

    return [
        Run(r) for r in summaries(session.store(), notebook=notebook, limit=limit, children=children or bool(notebook))
    ]


def runs(
    query: str | None = None, sort: str | None = None, limit: int | None = 100, children: bool = False
) -> pd.DataFrame:
    """Return runs as a table, newest first.

    Parameters
    ----------
    query : str, optional
        Such as ``roc_auc > 0.6 and C <= 1``.
    sort : str, optional
        A column; a minus before it means largest first.
    limit : int or None
        At most this many; None means all.
    children : bool
        Also runs that are part of another (a tracked cell of an executed notebook is listed anyway).

    Returns
    -------
    pandas.DataFrame
        One row a run: ``run_id experiment name status started_at duration_s notebook order``, where the charter names
        targets ``charter`` (whether the run meets it), then ``params.*``, ``metrics.*`` and ``tags.*``.

    Examples
    --------
    >>> nb.runs(sort="-roc_auc", limit=3)  # doctest: +SKIP
    """
    import pandas as pd

    rows = marked(table(query, sort, limit, children))
    names = list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))
    return pd.DataFrame(rows, columns=names)


def table(query: str | None, sort: str | None, limit: int | None, children: bool) -> list[dict[str, Any]]:
    """Return runs as flat rows, chosen, sorted and cut."""
    from nbmlops.store.search import find

    return find(session.store(), query, sort, limit, children)


def marked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return flat rows with the word ``charter``, whether each run meets it; as they are where it names no target."""
    words = service("governance.marks", "marked")(rows) if service("registry.targets", "find")() else None
    if words is None:
        return rows
    parts = [({k: r.get(k) for k in COLUMNS}, r, w) for r, w in zip(rows, words, strict=True)]
    return [{**own, "charter": word, **row} for own, row, word in parts]


def compare(refs: Iterable[str | Run]) -> Comparison:
    """Set runs side by side and keep what differs.

    Parameters
    ----------
    refs : iterable of str or Run

    Returns
    -------
    Comparison

    Examples
    --------
    >>> nb.compare(["forest", "forest~1"])  # doctest: +SKIP
    """
    from nbmlops.tracking.curves import side_by_side

    chosen = [r if isinstance(r, Run) else get_run(r) for r in refs]
    words = [row["charter"] for row in marked([flat(r._data) for r in chosen]) if "charter" in row]
    sides = [_side(r) for r in chosen]
    names = list(dict.fromkeys(name for side in sides for name in side))
    rows = [{"name": name, "values": [side.get(name) for side in sides]} for name in names]
    heads = tuple({k: getattr(r, k) for k in ("run_id", "experiment", "name", "status")} for r in chosen)
    said = ({"name": "charter", "values": words},) if words else ()
    return Comparison(heads, (*said, *(r for r in rows if not _same(r["values"]))), side_by_side(chosen))


def last_repeat() -> list[str]:
    """Return this notebook's (else the project's) newest run, and the one before: of its experiment, else of all."""
    notebook = notebook_name()
    found = listed(notebook=session.project().relative(notebook) if notebook else None, limit=2, children=True)
    if not found:
        return []
    before = [found[0].previous] if found[0].previous else listed_ids(found[0].experiment)[1:2]
    return [found[0].run_id, *(before or [r.run_id for r in found[1:2]])]


def listed_ids(experiment: str) -> list[str]:
    """Return the run ids of an experiment, newest first."""
    from nbmlops.store.runs import newest

    return newest(session.store(), experiment=experiment)


def _side(run: Run) -> dict[str, Any]:
    side = {k: v for k, v in flat(run._data).items() if k.startswith(("params.", "metrics.", "tags."))}
    side["duration_s"] = run.duration_s
    side |= {f"data.{d.name}": f"{d.rows} rows, {d.fingerprint[:12]}" for d in run.datasets}
    return side | {"source": run.source}


def _same(values: Sequence[Any]) -> bool:
    """Tell whether all values are equal, where NaN equals NaN."""
    first = values[0]
    return all(v == first or (_is_nan(v) and _is_nan(first)) for v in values)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
