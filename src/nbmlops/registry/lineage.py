"""Lineage as a graph: source, data, run, model version, predictions, feedback, next run."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid, NotFound, unknown
from nbmlops.hooks import Shown
from nbmlops.records import ModelVersion, plain
from nbmlops.store import lineage as stored
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.store.driver import Connection

__all__ = ["KINDS", "MOST", "Lineage", "lineage"]

KINDS = ("source", "dataset", "data", "run", "model", "predictions", "feedback")
MOST = 200  # nodes
RETURNED = "predictions of "  # the source of a data set of rows that came back


@dataclass(frozen=True, repr=False)
class Lineage(Shown):
    """Where something comes from and what came of it: nodes by what a person types, edges from cause to result."""

    shows: ClassVar[str] = "lineage"

    subject: str
    nodes: tuple[Mapping[str, Any], ...]  # id, kind, label, at, distance (negative: where it comes from)
    edges: tuple[Mapping[str, str], ...]  # from, to, what
    left_out: Mapping[str, int] = field(default_factory=dict)  # kind to how many were found and not followed

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found: dict[str, Any] = plain(self)
        return found


def lineage(ref: Any, most: int = MOST) -> Lineage:
    """Return where a model version, a run or a version of a data set comes from, and what came of it.

    Followed are its causes and their causes, and its results and their results; what else came of a cause is not. Of
    feedback the next run is the first one of the same model that began after its first outcome came.

    Parameters
    ----------
    ref : str, Run, ModelVersion or DatasetVersion
        ``late-flights@champion``, ``flights@2``, a run. A name that is a model and more is the model; write
        ``dataset:flights`` or ``run:flights`` for the others.
    most : int
        Nodes to follow, the nearest first; ``left_out`` says what was not.

    Returns
    -------
    Lineage

    Raises
    ------
    NotFound
        Nothing has this name.

    Examples
    --------
    >>> nb.lineage("late-flights@champion").nodes[0]["id"]  # doctest: +SKIP
    'model:late-flights@3'
    """
    from nbmlops.store.runs import reading

    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise Invalid(f"most is {most!r}.", "Write how many nodes, such as 200.")
    start = _start(ref)
    with reading(session.store()) as connection:
        graph = _Graph(connection, most)
        graph.follow(start, "causes", -1)
        graph.follow(start, "results", 1)
    kept = sorted(graph.nodes.values(), key=lambda node: abs(node["distance"]))
    edges = [{"from": a, "to": b, "what": what} for (a, b), what in graph.edges.items() if {a, b} <= graph.nodes.keys()]
    return Lineage(start, tuple(kept), tuple(edges), dict(Counter(n.partition(":")[0] for n in graph.left_out)))


Step = tuple[str, str]  # the node next to one, and what ties them


class _Graph:
    """Nodes and edges as far as they were followed."""

    def __init__(self, connection: Connection, most: int) -> None:
        self.connection, self.most = connection, most
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: dict[tuple[str, str], str] = {}
        self.left_out: set[str] = set()
        self._feedback: dict[str, list[Any]] = {}
        self._predictions: dict[tuple[str, int], list[Any]] = {}

    def follow(self, start: str, which: str, sign: int) -> None:
        """Add what lies in one direction, the nearest first; half of the room is kept for the other."""
        room = self.most if sign > 0 else (self.most + 1) // 2
        queue, seen = deque([(start, 0)]), {start}
        while queue:
            node, distance = queue.popleft()
            if node not in self.nodes:
                if len(self.nodes) >= room:
                    self.left_out.add(node)
                    continue
                self.nodes[node] = {"id": node, **self.about(node), "distance": sign * distance}
            for other, what in self.steps(node, which):
                self.edges.setdefault((node, other) if sign > 0 else (other, node), what)
                if other not in seen:
                    seen.add(other)
                    queue.append((other, distance + 1))
        self.left_out -= self.nodes.keys()

    def steps(self, node: str, which: str) -> Iterator[Step]:
        """Yield the causes or results of a node."""
        kind, _, key = node.partition(":")
        step = getattr(self, f"_{kind}_{which}", None)
        yield from (s for s in (step(key) if step else ()) if s[0] != node)

    def about(self, node: str) -> dict[str, Any]:
        """Return kind, label and time of a node."""
        kind, _, key = node.partition(":")
        label, at = getattr(self, f"_{kind}_about")(key)
        return {"kind": kind, "label": label, "at": at}

    def _source_about(self, key: str) -> tuple[str, str | None]:
        return key, None

    def _source_results(self, key: str) -> Iterator[Step]:
        for name, number, *_ in stored.data_versions(self.connection, "source", key):
            yield f"dataset:{name}@{number}", "loaded as"

    def _dataset_row(self, key: str) -> Any:
        name, _, number = key.rpartition("@")
        return stored.sourced(self.connection, name, int(number))

    def _dataset_about(self, key: str) -> tuple[str, str | None]:
        row = self._dataset_row(key)
        return f"{key}, {row[3]:,} rows", row[6]

    def _dataset_causes(self, key: str) -> Iterator[Step]:
        _, _, fingerprint, _, source, run_id, _ = self._dataset_row(key)
        if source.startswith(RETURNED):
            for model, about in self._returned(source.removeprefix(RETURNED), key):
                yield _batch("predictions", model, about["version"], about["batch"]), "returned as"
        elif source:
            yield f"source:{source}", "loaded as"
        readers = stored.readers(self.connection, fingerprint)
        if run_id and (run_id, "read") not in readers and self._there(run_id):
            yield f"run:{run_id}", "recorded"

    def _dataset_results(self, key: str) -> Iterator[Step]:
        yield from self._data_results(self._dataset_row(key)[2])
        yield from ((f"model:{name}@{number}", "fitted on") for name, number in stored.fitted_on(self.connection, key))

    def _data_about(self, key: str) -> tuple[str, str | None]:
        found = [
            d for run_id, _ in stored.readers(self.connection, key) for d in stored.data_of(self.connection, run_id)
        ]
        name, rows = next((d[1], d[3]) for d in found if d[2] == key)
        return f"{name}, {rows:,} rows", None

    def _data_causes(self, key: str) -> Iterator[Step]:
        yield from ((f"run:{r}", "wrote") for r, role in stored.readers(self.connection, key) if role == "written")

    def _data_results(self, key: str) -> Iterator[Step]:
        found = ((r, role) for r, role in stored.readers(self.connection, key) if role == "read" and self._there(r))
        yield from ((f"run:{r}", "read by") for r, _ in found)

    def _run_about(self, key: str) -> tuple[str, str | None]:
        experiment, name, kind, started_at, _, _ = stored.run_row(self.connection, key) or (
            "?",
            "",
            "run",
            None,
            "",
            "",
        )
        label = f"{experiment} {name}" if name and name != experiment else experiment
        return f"{label} ({kind or 'run'} {key[-6:]})", started_at

    def _run_causes(self, key: str) -> Iterator[Step]:
        row = stored.run_row(self.connection, key)
        for _, _, fingerprint, _ in (d for d in stored.data_of(self.connection, key) if d[0] == "read"):
            yield from ((node, "read by") for node in self._named(fingerprint))
        if row and row[4] and self._there(row[4]):
            yield f"run:{row[4]}", "holds"
        for name in sorted({name for name, _ in stored.models_of(self.connection, key)}):
            for version, batch, _, at in self._outcomes(name):
                if self._next_run(name, at) == key:
                    yield _batch("feedback", name, version, batch), "next run"

    def _run_results(self, key: str) -> Iterator[Step]:
        read = {fingerprint for role, _, fingerprint, _ in stored.data_of(self.connection, key) if role == "read"}
        for role, _, fingerprint, _ in stored.data_of(self.connection, key):
            if role == "written" and fingerprint not in read:
                yield from ((node, "wrote") for node in self._named(fingerprint))
        for name, number, fingerprint, *_ in stored.data_versions(self.connection, "run_id", key):
            if fingerprint not in read:
                yield f"dataset:{name}@{number}", "recorded"
        for name, number in stored.models_of(self.connection, key):
            yield f"model:{name}@{number}", "fitted"
        yield from ((f"run:{child}", "holds") for child in stored.children(self.connection, key))

    def _model_about(self, key: str) -> tuple[str, str | None]:
        name, _, number = key.rpartition("@")
        row = stored.made_by(self.connection, name, int(number))
        return key, row[1] if row else None

    def _model_causes(self, key: str) -> Iterator[Step]:
        name, _, number = key.rpartition("@")
        row = stored.made_by(self.connection, name, int(number))
        if row and row[0] and self._there(row[0]):
            yield f"run:{row[0]}", "fitted"
        elif row:
            yield from ((f"dataset:{ref}", "fitted on") for ref in row[3] if self._dataset_row(ref))

    def _model_results(self, key: str) -> Iterator[Step]:
        name, _, number = key.rpartition("@")
        for batch, *_ in self._said(name, int(number)):
            yield _batch("predictions", name, int(number), batch), "predicted"

    def _predictions_about(self, key: str) -> tuple[str, str | None]:
        name, number, batch = _unbatched(key)
        count, at = next((c, at) for b, c, at in self._said(name, number) if b == batch)
        return f"{count:,} predictions{f', {batch}' if batch else ''}", at

    def _predictions_causes(self, key: str) -> Iterator[Step]:
        name, number, _ = _unbatched(key)
        yield f"model:{name}@{number}", "predicted"

    def _predictions_results(self, key: str) -> Iterator[Step]:
        name, number, batch = _unbatched(key)
        if any((v, b) == (number, batch) for v, b, *_ in self._outcomes(name)):
            yield f"feedback:{key}", "came true as"
        for increment in stored.increments(self.connection, name):
            parts = [(about["version"], about["batch"]) for about in increment["made_of"]]
            if (number, batch) in parts and self._dataset_row(increment["dataset"]):
                yield f"dataset:{increment['dataset']}", "returned as"

    def _feedback_about(self, key: str) -> tuple[str, str | None]:
        name, number, batch = _unbatched(key)
        count, at = next((c, at) for v, b, c, at in self._outcomes(name) if (v, b) == (number, batch))
        return f"{count:,} outcomes{f', {batch}' if batch else ''}", at

    def _feedback_causes(self, key: str) -> Iterator[Step]:
        yield f"predictions:{key}", "came true as"

    def _feedback_results(self, key: str) -> Iterator[Step]:
        name, number, batch = _unbatched(key)
        at = next(at for v, b, _, at in self._outcomes(name) if (v, b) == (number, batch))
        if run_id := self._next_run(name, at):
            yield f"run:{run_id}", "next run"

    def _returned(self, model: str, ref: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the predictions an increment is made of, as far as they are still there."""
        for increment in stored.increments(self.connection, model):
            for about in increment["made_of"] if increment["dataset"] == ref else ():
                if any(batch == about["batch"] for batch, *_ in self._said(model, about["version"])):
                    yield model, about

    def _named(self, fingerprint: str) -> Iterable[str]:
        """Return some data by the versions of data sets it is, else by its fingerprint."""
        versions = stored.data_versions(self.connection, "fingerprint", fingerprint)
        return [f"dataset:{v[0]}@{v[1]}" for v in versions] or [f"data:{fingerprint}"]

    def _outcomes(self, name: str) -> list[Any]:
        if name not in self._feedback:
            self._feedback[name] = stored.feedback(self.connection, name)
        return self._feedback[name]

    def _said(self, name: str, number: int) -> list[Any]:
        if (name, number) not in self._predictions:
            self._predictions[name, number] = stored.predictions(self.connection, name, number)
        return self._predictions[name, number]

    def _next_run(self, name: str, at: str) -> str | None:
        """Return the first run of a model's versions that began after a time."""
        return next((run for _, run, began in stored.registered(self.connection, name) if began > at), None)

    def _there(self, run_id: str) -> bool:
        return stored.run_row(self.connection, run_id) is not None


def _batch(kind: str, name: str, number: int, batch: str | None) -> str:
    return f"{kind}:{name}@{number}" + (f":{batch}" if batch is not None else "")


def _unbatched(key: str) -> tuple[str, int, str | None]:
    name, _, rest = key.partition("@")
    number, colon, batch = rest.partition(":")
    return name, int(number), batch if colon else None


def _start(ref: Any) -> str:
    """Return the node of what a person means."""
    if isinstance(ref, ModelVersion):
        return f"model:{ref.ref}"
    if hasattr(ref, "run_id") and hasattr(ref, "experiment"):
        return f"run:{ref.run_id}"
    if hasattr(ref, "fingerprint") and hasattr(ref, "ref"):
        return f"dataset:{ref.ref}"
    if not isinstance(ref, str) or not ref.strip():
        raise Invalid(
            f"{type(ref).__name__} has no lineage.", "Name a model version, a run or a version of a data set."
        )
    kind, colon, rest = ref.partition(":")
    if colon and kind in FINDERS:
        return FINDERS[kind](rest)
    for find in FINDERS.values():
        try:
            return find(ref)
        except NotFound:
            continue
    raise unknown("model, data set or run", ref, _names())


def _model(ref: str) -> str:
    from nbmlops.registry.models import model_version

    return f"model:{model_version(ref).ref}"


def _dataset(ref: str) -> str:
    from nbmlops.quality.versions import dataset_version

    return f"dataset:{dataset_version(ref).ref}"


def _run(ref: str) -> str:
    from nbmlops.tracking.runs import resolve

    return f"run:{resolve(ref)}"


FINDERS = {"model": _model, "dataset": _dataset, "run": _run}


def _names() -> set[str]:
    from nbmlops.store import datasets, models, runs

    store = session.store()
    versions = models.names(store) | {str(v["name"]) for v in datasets.listed(store)}
    return versions | set(runs.experiments(store))
