"""What may be shown of private columns: that something was found of them, and never a value.

Where the charter cannot be read nobody knows what is private, so every column is taken for private.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nbmlops.capture.settings import quotes_data
from nbmlops.report.gathered.raised import raised, unquoted

__all__ = [
    *(
        "answered",
        "columns_of",
        "fits_of",
        "gather",
        "hide",
        "masked",
        "masked_run",
        "private",
        "setting",
        "tells",
        "told",
    ),
    "unsaid",
]

Json = Mapping[str, Any]
PROSE = ("message", "column", "slice", "notes", "because", "needed", "do", "explains", "sentences", "no_curves")
SEEN = ("min", "max", "categories", "distinct")
NAMED = ("columns", "importance")  # mappings of a column to what is known of it
ANSWERS = ("classes", "positive")  # values of the target
OF_METRICS = ("target", "metric", "charter_target", "performance", "performance_estimated")  # no column is named there
SHOWN = "private"
OF_TARGET = ("class_weight", "classes", "labels", "neg_label", "pos_label")  # settings about answers
PRINTED = ("last_lines",)  # tags that hold what a notebook printed
KEPT = (  # of a finding or an episode of a private column
    *("code", "outcome", "column", "effect", "level", "model", "version", "state", "checks"),
    *("opened_on", "opened_at", "last_on", "last_at"),
)


def gather(found: Json) -> dict[str, Any]:
    """Return ``private``, the columns nobody is shown a value of, and everything gathered so far without theirs."""
    hidden, every, named = private(found), found["models"], unsaid(found)
    models = [_model(m, hidden) for m in every]
    kept = {"private": hidden, "models": models, "results": [masked(r, named) for r in found["results"]]}
    return {**kept, **_runs(found, hidden)}


def unsaid(found: Json) -> list[str]:
    """Return the private columns, and what answers are called where the target is one of them."""
    hidden = private(found)
    return [*hidden, *answered(found["results"], found["models"], hidden)]


def _unread(found: Json) -> bool:
    return bool((found.get("charter") or {}).get("unreadable"))


def private(found: Json) -> list[str]:
    """Return what the charter calls private, and what it did when the versions were registered.

    Every column that is known where the charter cannot be read.
    """
    agreed = (found.get("charter") or {}).get("private") or ()
    kept = (n for m in found["models"] for n in (m.get("signature") or {}).get("private") or ())
    return sorted({*agreed, *kept, *(_every(found) if _unread(found) else ())})


def _every(found: Json) -> Iterator[str]:
    """Yield every column anything here is about."""
    for model in found["models"]:
        signature = model.get("signature") or {}
        yield from (str(c["name"]) for c in signature.get("columns") or ())
        yield from filter(None, [signature.get("target")])
    for run in (*filter(None, [found.get("run")]), *(found.get("parts") or ())):
        yield from (str(c["name"]) for d in run.get("datasets") or () for c in d.get("columns") or ())
    for result in found["results"]:
        yield from columns_of(result["data"])


def columns_of(data: Json) -> Iterator[str]:
    """Yield the columns a result is about."""
    for key in NAMED:
        if isinstance(data.get(key), Mapping):
            yield from data[key]
    yield from (str(data[key]) for key in ("target", "by") if data.get(key) and isinstance(data[key], str))
    yield from (str(s["slice"]).partition("=")[0] for s in data.get("slices") or () if s.get("slice"))
    about = (f for f in data.get("findings") or () if f.get("code") not in OF_METRICS)
    yield from (str(f["column"]) for f in about if f.get("column"))


def answered(results: Iterable[Json], models: Iterable[Json], hidden: list[str]) -> list[str]:
    """Return what answers are called where the target is private: an answer is one of its values."""
    targets = {(m.get("signature") or {}).get("target") for m in models}
    found = [f for r in results for f in r["data"].get("findings") or ()]
    targets |= {f.get("column") for f in found if f.get("code") == "target_drift"}
    if not targets.intersection(hidden):
        return []
    return sorted({"prediction", *(str(f["column"]) for f in found if f.get("code") == "prediction_drift")} - {""})


def _model(model: Json, hidden: list[str]) -> dict[str, Any]:
    """Return a version without what was seen in private columns."""
    measured = {k: v for k, v in (model.get("metrics") or {}).items() if not tells(k, hidden)}
    return {**model, "metrics": measured, "signature": _signature(model.get("signature") or {}, hidden)}


def _signature(signature: Json, hidden: list[str]) -> dict[str, Any]:
    """Leave out what tells one row from another, and of private columns what was seen in them."""
    kept = {k: v for k, v in signature.items() if k != "fitted_on"}
    if signature.get("target") in hidden:
        kept = {k: v for k, v in kept.items() if k not in ANSWERS}
        kept["output"] = {k: v for k, v in (signature.get("output") or {}).items() if k not in ANSWERS}
    if columns := signature.get("columns"):
        kept["columns"] = [{k: v for k, v in c.items() if k not in SEEN or c["name"] not in hidden} for c in columns]
    if example := signature.get("example"):
        kept["example"] = [{n: None if n in hidden else v for n, v in row.items()} for row in example]
    return kept


def masked_run(run: Json, hidden: list[str], unread: bool) -> dict[str, Any]:
    """Return a run without what it raised or printed, and without settings and measures of private columns."""
    if not hidden and not unread:
        return dict(run)
    kept = dict(run)
    if run.get("params"):
        fits = fits_of(run)
        kept["params"] = [{**p, "value": setting(str(p["name"]), p.get("value"), hidden, fits)} for p in run["params"]]
    if run.get("models"):
        kept["models"] = [
            {**m, "params": _settings(m.get("params") or {}, hidden, [m.get("fitted_on") or {}])} for m in run["models"]
        ]
    if run.get("tags"):
        tags = ((k, v) for k, v in run["tags"].items() if k not in PRINTED)
        kept["tags"] = {k: SHOWN if k in hidden else v for k, v in tags}
    for key in ("summary", "series", "logged"):
        kept |= {key: {k: v for k, v in run[key].items() if not tells(k, hidden)}} if run.get(key) else {}
    if run.get("error"):
        kept["error"] = raised(run["error"], str(run.get("source") or ""), hidden, unread)
    return kept


def fits_of(run: Json) -> list[Json]:
    """Return what each estimator of a run was fitted on: its ``columns`` and ``target``."""
    return [model.get("fitted_on") or {} for model in run.get("models") or ()]


def _settings(params: Json, hidden: list[str], fits: Sequence[Json]) -> dict[str, Any]:
    return {name: setting(name, value, hidden, fits) for name, value in params.items()}


def setting(name: str, value: Any, hidden: Collection[str], fits: Sequence[Json] = ()) -> Any:
    """Return a setting, unless it is of a private column, or of an estimator and may hold values of one.

    Parameters
    ----------
    name : str
        ``Class.keyword``, or what somebody logged.
    value : object
    hidden : collection of str
        Private columns.
    fits : sequence of mapping
        What the run's estimators were fitted on, where that is known: they hold nothing of another column.

    Examples
    --------
    >>> setting("OneHotEncoder.categories", [["Ada"]], ["surname"]), setting("Ridge.alpha", 0.5, ["surname"])
    ('private', 0.5)
    >>> setting("OneHotEncoder.categories", [["EWR"]], ["surname"], [{"columns": {"origin": ""}, "target": "late"}])
    [['EWR']]
    """
    of_data = bool(hidden) and "." in name and quotes_data(name, value)
    return SHOWN if name in hidden or (of_data and _may_hold(name, value, hidden, fits)) else value


def _may_hold(name: str, value: Any, hidden: Collection[str], fits: Sequence[Json]) -> bool:
    """Tell whether a setting may hold values of a private column; it may where it is not known what was fitted on."""
    columns = {str(column) for fit in fits for column in fit.get("columns") or ()}
    targets = [str(fit["target"]) for fit in fits if fit.get("target")]
    if len(targets) < len(fits) or not fits or any(not fit.get("columns") for fit in fits):
        return True
    if _names(value) and _names(value) <= columns:  # which columns to take
        return False
    asked = targets if name.rpartition(".")[2] in OF_TARGET else [*columns, *targets]
    # Columns of an array are numbered, so which they are is not known; one made of another bears its name in it.
    return any(column.isdigit() or any(private in column for private in hidden) for column in asked)


def _names(value: Any) -> set[str]:
    """Return the words a list holds, in lists of lists too; none where it holds anything else."""
    if not isinstance(value, (list, tuple)):
        return set()
    found = [{item} if isinstance(item, str) else _names(item) for item in value]
    return set().union(*found) if all(found) else set()


def tells(name: str, hidden: Iterable[str]) -> bool:
    """Tell whether a measure is a private column's own value, or of the rows of one value of it.

    >>> tells("income", ["income"]), tells("auc[zip=1234]", ["zip"]), tells("auc", ["income"])
    (True, True, False)
    """
    own = name.partition("[")[0]
    return any(own == column or re.search(rf"[\[,]{re.escape(column)}=", name) for column in hidden)


def _runs(found: Json, hidden: list[str]) -> dict[str, Any]:
    """Return the run, its parts, and those of the version it is compared with, as far as they are known."""
    unread, known = _unread(found), dict[str, Any]()
    if "run" in found:
        known["run"] = masked_run(found["run"], hidden, unread)
    known["parts"] = [masked_run(part, hidden, unread) for part in found.get("parts") or ()]
    if before := found.get("before"):
        known["before"] = {**before, "parts": [masked_run(part, hidden, unread) for part in before["parts"]]}
    return known


def masked(part: Any, hidden: list[str], key: str = "") -> Any:
    """Return a part of a result without values of private columns."""
    if isinstance(part, Mapping):
        return _finding(part, hidden) if part.get("column") in hidden else _mapping(part, hidden, key)
    if isinstance(part, (list, tuple)):
        return [masked(p, hidden, key) for p in part]
    return told(part, hidden) if isinstance(part, str) and key in PROSE else part


def _mapping(part: Json, hidden: list[str], key: str) -> dict[str, Any]:
    """Leave out what is known of a private column but for a number, such as how much depends on it."""
    kept = {k: v for k, v in part.items() if k not in hidden or key not in NAMED or isinstance(v, (int, float))}
    if part.get("target") in hidden:
        kept = {k: v for k, v in kept.items() if k not in ANSWERS}
    shown = {k: masked(v, hidden, k) for k, v in kept.items()}
    if hidden and not part.get("column") and isinstance(part.get("message"), str):
        shown["message"] = hide(part["message"], hidden)  # what was raised names no column
    return {**shown, "segments": []} if part.get("by") in hidden else shown  # their names are its values


def _finding(finding: Json, hidden: list[str]) -> dict[str, Any]:
    """Keep what kind of finding it is and how it came out; which way it went is told in values."""
    said = f"{str(finding.get('code') or 'something').replace('_', ' ')} of {finding['column']}, which is private"
    return {**{k: v for k, v in finding.items() if k in KEPT}, "message": said, "detail": {}}


def told(text: str, hidden: Iterable[str]) -> str:
    """Return what was found, without values where it is about a private column.

    >>> told("zip 1234 is new", ["zip"])
    'something about zip, which is private'
    """
    about = [name for name in hidden if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
    return f"something about {' and '.join(about)}, which is private" if about else text


def hide(text: str, hidden: Iterable[str]) -> str:
    """Return a text that is about no column of its own, without values: what it quotes may be one.

    >>> hide("Found unknown categories ['Ada']", ["surname"])
    "Found unknown categories ['...']"
    """
    names = list(hidden)
    return told(unquoted(text, hidden=names), names) if names else text
