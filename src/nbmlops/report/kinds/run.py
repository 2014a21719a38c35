"""A run: one try, the notebook a model version came from, a retraining, a run that failed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid, NotFound
from nbmlops.governance.approval import override
from nbmlops.records import plain
from nbmlops.report import facts, sections
from nbmlops.report.gathered import (
    agreed,
    chained,
    changes,
    compared,
    earlier,
    explained,
    flagged,
    masked,
    origins,
    standing,
    viable,
    watched,
    words,
)
from nbmlops.report.kinds.kind import Head, Kind, Subject
from nbmlops.report.page_one import unread
from nbmlops.report.text import duration, visible, when
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion
    from nbmlops.store.database import Store
    from nbmlops.tracking.runs import Run, Series

__all__ = ["KIND", "find"]

NOTEBOOK = "notebook.ipynb"  # the executed notebook among a run's artifacts
KEPT = (
    *("run_id", "experiment", "name", "kind", "status", "cause", "started_at", "ended_at", "duration_s", "author"),
    *("parent", "previous", "notebook", "cell_id", "order", "error", "git", "tags", "params", "summary", "datasets"),
    *("models", "artifacts"),
)
REF = re.compile(r"[^@\s]+@[0-9]+")
MAX_SOURCE, MAX_SERIES = 8_000, 200
FEW = 2  # values that make no curve
# Each adds to the facts what it knows of those gathered before it.
GATHERED = (
    *(agreed.gather, masked.gather),  # what is private is known first, and nothing of it goes further
    *(earlier.gather, compared.gather, changes.gather, origins.gather, explained.gather, viable.gather),
    *(watched.gather, chained.gather, words.gather),
)


def find(ref: Any) -> Subject:
    """Return the run a person means by a run or a model version; the last one of this notebook by none.

    Raises
    ------
    NotFound
        No such run or model, or a version that no run made.
    """
    run = _run(ref)
    return Subject("run", f"run:{run.run_id}", run.run_id[-12:], run)


def _run(ref: Any) -> Run:
    from nbmlops.records import ModelVersion
    from nbmlops.registry.models import model_version
    from nbmlops.tracking.runs import Run, get_run

    if ref is None:
        return _last()
    if isinstance(ref, Run):
        return ref
    if not isinstance(ref, (str, ModelVersion)):
        raise Invalid(f"{type(ref).__name__} is neither a run nor a model.", "Type a run's id, or NAME@champion.")
    if isinstance(ref, str) and "@" not in ref:
        return get_run(ref)
    version = model_version(ref) if isinstance(ref, str) else ref
    if version.run_id is None:
        raise NotFound(
            f"{version.ref} was registered outside any run, so there is no report of it.", "Train it in a %%track cell."
        )
    made = get_run(version.run_id)
    return get_run(made.parent) if made.parent else made  # the notebook knows what it was compared with, and why


def _last() -> Run:
    """Return the last run of this notebook that is not part of another; of the project, where no notebook is known."""
    from nbmlops.capture.environment import notebook_name
    from nbmlops.tracking.runs import listed

    path = notebook_name()
    found = listed(notebook=session.project().relative(path) if path else None)
    whole = next((run for run in found if not run.parent), None)
    if whole is None:
        raise Invalid("There is no run to report.", "Track a cell with %%track NAME, then type %report.")
    return whole


def _gather(subject: Subject) -> dict[str, Any]:
    """Return the run, ``parts`` (the tracked cells of a notebook), and what they found and led to.

    ``before`` are the runs of the version it was compared with.
    """
    from nbmlops.store.runs import results_of

    run, store = subject.about, session.store()
    parts = list(_descendants(run))
    ids = [run.run_id, *(part.run_id for part in parts)]
    results = sorted([*map(_lean, results_of(store, ids)), *_compared(store, ids)], key=lambda r: str(r["at"]))
    versions = _versions(store, ids, results)
    results = [*_registered(store, ids, versions, results), *results, *flagged.results(versions, ids)]
    events = _events(store, versions, ids, flagged.ids(results))
    found = {
        "run": {**_about(run), "source": str(run.source or "")[:MAX_SOURCE]},
        "parts": [_about(part) for part in parts],
        "results": results,
        "models": standing.described(versions, results),
        "deleted": _deleted(store, ids, results),
        "before": _before(store, ids, versions, results, events),
        "events": events,
        "serving": _serving(store, versions, run.status),
        "environment": _environment([run, *parts]),
        "notebook": _notebook(run),
    }
    for more in GATHERED:
        found |= more(found)
    return {**found, "as_of": _as_of(run, results, events)}


def _head(taken: Mapping[str, Any]) -> Head:
    run = taken["run"]
    what = {"notebook": "Notebook report", "search": "Search report"}.get(run["kind"], "Run report")
    if any(r["kind"] == "gate" for r in taken["results"]):
        what = "Retraining report"
    by = f" · by {run['author']}" if run.get("author") else ""
    where = f" · {run['notebook']}" if run.get("notebook") else ""
    took = f"started {when(run['started_at'])} · took {duration(run.get('duration_s'))}"
    return Head(
        f"{what}: {visible(facts.subject_name(taken))}",
        f"{run['kind']} run {run['run_id'][-6:]}",
        f"{run['experiment']}{where} · {took}{by}",
    )


def _lean(result: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the counts of a profile: they are kept for merging, and no reader needs them."""
    data = result["data"]
    if result["kind"] == "profile":
        data = {k: v for k, v in data.items() if k in ("findings", "rows", "target")}
    return {**result, "data": data}


def _descendants(run: Run) -> Iterable[Run]:
    for child in run.children:
        yield child
        yield from _descendants(child)


def _about(run: Run) -> dict[str, Any]:
    data = run.to_dict()
    thin = {_titled(s): (len(s), _placed(s).thinned(MAX_SERIES), s.steps.dtype.kind) for s in run.series()}
    return {
        **{k: data.get(k) for k in KEPT},
        "series": {name: plain(kept.values) for name, (_, kept, _) in thin.items()},
        "logged": {name: _logged(*about) for name, about in thin.items() if about[0] > FEW},
    }


def _titled(series: Series) -> str:
    context = ",".join(f"{k}={v}" for k, v in sorted(series.context.items()))
    return f"{series.name}[{context}]" if context else series.name


def _placed(series: Series) -> Series:
    """Return a metric with the place of each value where not every one has a step."""
    import numpy as np

    whole = series.steps.dtype.kind == "i"
    return series if whole else replace(series, steps=np.arange(1, len(series) + 1))


def _logged(count: int, kept: Series, kind: str) -> dict[str, Any]:
    """Return how often a metric was logged, and at which steps the values are that are kept."""
    return {"count": count, "steps" if kind == "i" else "places": plain(kept.steps)}


def _versions(store: Store, ids: Sequence[str], results: Iterable[Mapping[str, Any]]) -> list[ModelVersion]:
    """Return the model versions these runs made or judged, newest first within each name."""
    from nbmlops.store.models import listed

    named = {ref for result in results for ref in _refs(result)}
    return [v for v in listed(store) if v.run_id in ids or v.ref in named]


def _deleted(store: Store, ids: Sequence[str], results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the versions these runs made (``here``) or judged that were deleted since, the last deleted last."""
    from nbmlops.store.models import deleted

    named = {ref for result in results for ref in _refs(result)}
    found = [
        {"ref": f"{d['name']}@{d['version']}", "at": d["deleted_at"], "here": d["run_id"] in ids}
        for d in deleted(store)
    ]
    return [d for d in reversed(found) if d["here"] or d["ref"] in named]


def _registered(
    store: Store, ids: Sequence[str], versions: Iterable[ModelVersion], results: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the evaluation that a challenger made elsewhere was registered with: its numbers are these."""
    from nbmlops.store.runs import results_of

    asked = {str(r["data"].get("challenger")) for r in results if r["kind"] == "gate"}
    found = [v for v in versions if v.ref in asked and v.evaluation and v.run_id and v.run_id not in ids]
    kept = results_of(store, [str(v.run_id) for v in found], kind="evaluation") if found else []
    return [_lean(r) for r in kept if r["result_id"] in {v.evaluation for v in found}]


def _compared(store: Store, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the last comparison of each version these runs made, where another run or none made it: it counts, too."""
    from nbmlops.store.models import listed
    from nbmlops.store.runs import results_of

    made = {(v.ref, v.digest) for v in listed(store) if v.run_id in ids}
    kept = results_of(store, kind="gate") if made else []
    last = {(r["data"].get("challenger"), r["data"].get("challenger_digest")): r for r in kept}
    return [_lean(r) for sides, r in last.items() if sides in made and r["run_id"] not in ids]


def _refs(result: Mapping[str, Any]) -> set[str]:
    """Return the model versions a result is about."""
    data = result["data"]
    texts = [result["subject"], *(data.get(k) for k in ("model", "challenger", "champion", "reference", "subject"))]
    texts = [t.get("ref") if isinstance(t, Mapping) else t for t in texts]
    return {ref for text in texts if isinstance(text, str) for ref in REF.findall(text)}


def _events(
    store: Store, versions: Iterable[ModelVersion], ids: Sequence[str], flags: Collection[str]
) -> list[dict[str, Any]]:
    """Return what was changed about these versions, runs and flags, oldest first; nothing of other versions."""
    from nbmlops.store.events import listed

    known = {(v.name, v.version) for v in versions}
    subjects = {f"{name}@{number}" for name, number in known} | set(ids)
    with store.reading() as connection:
        found = override.marked(connection, listed(connection))
    return [e for e in found if e["subject"] in subjects or _moves(e, known) or e["data"].get("flag") in flags]


def _moves(event: Mapping[str, Any], known: set[tuple[str, int]]) -> bool:
    name = event["subject"].rpartition("@")[0]
    return any((name, event["data"].get(key)) in known for key in ("version", "from"))


def _before(
    store: Store,
    ids: Sequence[str],
    versions: Iterable[ModelVersion],
    results: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
) -> dict[str, Any] | None:
    """Return the run of the version this one was compared with, for what changed since."""
    others = [v for v in versions if v.run_id and v.run_id not in ids]
    champions = {ref for r in results if r["kind"] == "gate" for ref in REF.findall(str(r["data"].get("champion")))}
    replaced = {f"{e['subject'].rpartition('@')[0]}@{e['data'].get('from')}" for e in events if e["action"] == "alias"}
    compared = next((v for v in others if v.ref in champions), None)
    chosen = compared or next((v for v in others if v.ref in replaced), None) or _served(store, ids, versions)
    whole = _whole(store, str(chosen.run_id)) if chosen else []
    return {"ref": chosen.ref, "parts": [_about(run) for run in whole]} if chosen and whole else None


def _served(store: Store, ids: Sequence[str], versions: Iterable[ModelVersion]) -> ModelVersion | None:
    """Return the champion of the time when the newest version of these runs was registered, of its name."""
    from nbmlops.store.events import listed
    from nbmlops.store.models import find

    made = max((v for v in versions if v.run_id in ids), key=lambda v: str(v.created_at), default=None)
    if made is None:
        return None
    with store.reading() as connection:
        every = listed(connection, f"{made.name}@")
    earlier = takewhile(lambda e: (e["action"], e["subject"]) != ("register", made.ref), every)
    moves = [e for e in earlier if (e["action"], e["subject"]) == ("alias", f"{made.name}@champion")]
    found = find(store, made.name, str(moves[-1]["data"].get("version"))) if moves else None
    return found if found and found.run_id and found.run_id not in ids else None


def _whole(store: Store, run_id: str) -> list[Run]:
    """Return the runs a version came from: the notebook, where it had one, and the cell that fitted it."""
    from nbmlops.store.runs import load
    from nbmlops.tracking.runs import Run

    data = load(store, run_id)
    notebook = load(store, data["parent"]) if data and data["parent"] else None
    return [Run(found) for found in (notebook, data) if found]


def _serving(store: Store, versions: Iterable[ModelVersion], status: str) -> list[dict[str, Any]]:
    """Return which versions people's predictions come from: of these models, or of all where a run made none."""
    from nbmlops.store.models import aliases

    names = {v.name for v in versions}
    if status == "finished" and not names:
        return []
    return [
        {"name": name, "alias": alias, "version": number}
        for name, pointing in sorted(aliases(store).items())
        for alias, number in sorted(pointing.items())
        if alias == "champion" and (name in names or not names)
    ]


def _environment(runs: Iterable[Run]) -> dict[str, Any] | None:
    """Return Python, platform and packages of the first run that recorded them."""
    found = next((run.environment for run in runs if run.environment), None)
    if not found:
        return None
    data: dict[str, Any] = json.loads(session.artifacts().get(found))
    return {**data, "digest": found}


def _notebook(run: Run) -> dict[str, Any] | None:
    """Return where the executed notebook is kept: its digest binds its content to the snapshot."""
    kept = next((a for a in run.artifacts if a.name == NOTEBOOK), None)
    return {"digest": kept.digest, "size_bytes": kept.size_bytes} if kept else None


def _as_of(run: Run, results: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]]) -> str:
    ended = str(run.ended_at or run.started_at)
    return max([ended, *(str(r["at"]) for r in results), *(str(e["at"]) for e in events)])


KIND = Kind(find, _gather, _head, unread.decide, sections.build)
