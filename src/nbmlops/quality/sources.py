"""Where data comes from: ``[sources]`` of ``nbmlops.toml``, loaded with retries, noted, missed when it stays away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nbmlops.capture import secrets
from nbmlops.errors import Invalid, NbmlopsError, Unavailable, unknown
from nbmlops.quality import look, reading, versions
from nbmlops.records import Finding, iso, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.config import Project

__all__ = ["Source", "findings", "known", "load_source", "overdue", "rows"]

KINDS = ("file", "folder", "sql", "http")
TEXTS = ("kind", "path", "url", "database", "query", "owner", "licence", "meaning", "time", "format", "pattern")
NUMBERS = ("timeout_s", "max_mb", "attempts")
KEYS = (*TEXTS, *NUMBERS, "every", "lag", "headers", "keep")
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
EVERY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)\s*")
REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
HOLE = re.compile(r"\{([A-Za-z_]\w*)\}")
FIRST_WAIT_S, LONGER = 1.0, 4.0
LOADED, FAILED = "source", "source_failed"  # kinds of results


@dataclass(frozen=True)
class Source:
    """One table under ``[sources]``, read and checked; secrets stand in it as ``${NAME}`` only."""

    name: str
    kind: str
    path: str = ""
    url: str = ""
    database: str = ""
    query: str = ""
    owner: str = ""
    licence: str = ""
    meaning: str = ""
    every_s: float | None = None
    lag_s: float | None = None
    time: str = ""
    format: str = ""
    pattern: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60
    max_mb: float = 1000
    attempts: int = 3
    keep: bool = False

    @property
    def place(self) -> str:
        """Where it is, as written: secrets by their names."""
        return secrets.redact(self.path or self.url or self.database)


def load_source(name: str, /, **parameters: Any) -> pd.DataFrame:
    """Load a source of ``nbmlops.toml``: retried, noted, and recorded as a version of the data set of its name.

    Parameters
    ----------
    name : str
        The table ``[sources.NAME]``.
    **parameters
        Bound to ``:name`` in a query, put for ``{name}`` in a path or address.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    NotFound
        No such source, file or secret.
    Invalid
        The source is not as it must be, a parameter is missing, or what came cannot be read.
    Unavailable
        It did not answer in any attempt; that is noted too.

    Examples
    --------
    >>> nb.load_source("flights", since="2024-01-01")  # doctest: +SKIP
    """
    every = known(session.project())
    if name not in every:
        raise unknown("source", name, every, "" if every else f"Write [sources.{name}] into nbmlops.toml.")
    return fetch(every[name], parameters)


def fetch(source: Source, parameters: Mapping[str, Any], sleep: Callable[[float], None] = time.sleep) -> pd.DataFrame:
    """Load a source, note how that went, and record the version."""
    began, about = time.perf_counter(), _about(source, parameters)
    try:
        frame, size_bytes, attempts = _tried(source, parameters, sleep)
        newest_at = _newest(frame, source)
    except NbmlopsError as error:
        said = {"error": type(error).__name__, "message": secrets.redact(error.message)}
        session.keep(FAILED, source.name, {**about, **said, "duration_s": time.perf_counter() - began})
        raise
    duration_s = time.perf_counter() - began
    version = versions.dataset(source.name, frame, source.keep, query=source.query, source=source.place)
    found = {"rows": len(frame), "size_bytes": size_bytes, "newest_at": newest_at, "version": version.ref}
    session.keep(LOADED, source.name, {**about, **found, "duration_s": duration_s, "attempts": attempts})
    return frame


def known(project: Project) -> dict[str, Source]:
    """Return the sources of a project by name, every key and value checked.

    Raises
    ------
    Invalid
        A key that is not known, a value of the wrong kind, or a secret that is written out.
    """
    return {name: _source(name, about) for name, about in project.settings.get("sources", {}).items()}


def findings(project: Project, now_s: float | None = None) -> list[Finding]:
    """Return for each source whether it came when it was expected.

    Parameters
    ----------
    project : Project
    now_s : float, optional
        The time now, in seconds since 1970.

    Returns
    -------
    list of Finding
        ``source_overdue``, ``source_stale`` and ``source_failed`` where something is wrong, else ``source_fresh``.
    """
    loaded, failed = _notes(project)
    at = time.time() if now_s is None else now_s
    return [_finding(s, loaded.get(n), failed.get(n), at) for n, s in known(project).items()]


def overdue(project: Project, now_s: float | None = None) -> list[Finding]:
    """Return only what is wrong with the sources: overdue, stale, or failed since.

    Examples
    --------
    >>> from nbmlops.config import find_project
    >>> overdue(find_project("/"))
    []
    """
    return [f for f in findings(project, now_s) if f.outcome in ("issue", "warning")]


def rows(project: Project, now_s: float | None = None) -> list[dict[str, Any]]:
    """Return every source as a flat row: where it is, whose, and how it came last."""
    loaded, _ = _notes(project)
    told = {f.column: f for f in findings(project, now_s)}
    found = []
    for name, s in known(project).items():
        note = loaded.get(name, {})
        row: dict[str, Any] = {
            "name": name,
            "state": told[name].code.removeprefix("source_"),
            "kind": s.kind,
            "place": s.place,
        }
        row |= {"owner": s.owner, "licence": s.licence, "every_s": s.every_s, "loaded_at": note.get("at")}
        row |= {k: note.get(k) for k in ("rows", "newest_at", "version")}
        found.append(row | {"message": told[name].message})
    return found


def _source(name: str, about: Any) -> Source:
    where = f"[sources.{name}]"
    if not isinstance(about, Mapping):
        raise Invalid(f"{where} is {about!r}.", f'Write {where} and below it path = "data.csv".')
    for key in about:
        if key not in KEYS:
            raise Invalid(f"{where} has an unknown key {key!r}.", unknown("key", key, KEYS).hint or ", ".join(KEYS))
    values = {k: _valid(where, k, v) for k, v in about.items() if k not in ("every", "lag")}
    spans = {f"{k}_s": _seconds(where, k, about[k]) for k in ("every", "lag") if k in about}
    made = Source(name, **{"kind": _kind(about), **values, **spans})
    _check_kind(made, where)
    _check_secrets(made, where)
    return made


def _valid(where: str, key: str, value: Any) -> Any:
    right = {
        "headers": isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values()),
        "keep": isinstance(value, bool),
        **{k: isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 for k in NUMBERS},
    }
    if not right.get(key, isinstance(value, str)) or (key == "attempts" and not isinstance(value, int)):
        raise Invalid(f"{where}: {key} is {type(value).__name__}, which it cannot be.", "See docs/data.md.")
    return value


def _seconds(where: str, key: str, value: Any) -> float:
    found = EVERY.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise Invalid(f"{where}: {key} is {value!r}.", 'Write a number and s, min, h, d or w, such as "1d".')
    return float(found[1]) * UNITS[found[2]]


def _kind(about: Mapping[str, Any]) -> str:
    if "query" in about or "database" in about:
        return "sql"
    if "url" in about:
        return "http"
    path = str(about.get("path", ""))
    return "folder" if path.endswith("/") or (session.project().root / path).is_dir() else "file"


def _check_kind(source: Source, where: str) -> None:
    needs = {"file": ("path",), "folder": ("path",), "http": ("url",), "sql": ("database", "query")}
    if source.kind not in KINDS:
        raise Invalid(f"{where}: kind is {source.kind!r}.", f"Allowed: {', '.join(KINDS)}.")
    for key in needs[source.kind]:
        if not getattr(source, key):
            raise Invalid(
                f"{where} needs {key}.", f"A source of kind {source.kind} has {' and '.join(needs[source.kind])}."
            )
    if source.format and source.format not in reading.FORMATS:
        raise Invalid(f"{where}: format is {source.format!r}.", f"Allowed: {', '.join(reading.FORMATS)}.")


def _check_secrets(source: Source, where: str) -> None:
    """Refuse a secret that is written out; it is not shown."""
    written = {"url": source.url, "database": source.database, "query": source.query}
    written |= {f"headers.{k}": f"{k}: {v}" for k, v in source.headers.items()}
    for key, text in written.items():
        if secrets.redact(REFERENCE.sub("", text)) != REFERENCE.sub("", text):
            raise Invalid(
                f"{where}: {key} holds a secret.", f'Name an environment variable instead: {key} = "...${{NAME}}...".'
            )


def _about(source: Source, parameters: Mapping[str, Any]) -> dict[str, Any]:
    asked = {k: secrets.redact_value(k, v) for k, v in parameters.items()}
    query = secrets.redact(source.query)
    return {"kind": source.kind, "place": source.place, "query": query, "parameters": plain(asked)}


def _tried(
    source: Source, parameters: Mapping[str, Any], sleep: Callable[[float], None]
) -> tuple[pd.DataFrame, int | None, int]:
    """Return frame, bytes and the number of attempts; what may work later is tried again after a longer wait."""
    for attempt in range(1, source.attempts + 1):
        try:
            return *_read(source, parameters), attempt
        except Unavailable:
            if attempt == source.attempts:
                raise
            sleep(FIRST_WAIT_S * LONGER ** (attempt - 1))
    raise Invalid(f"Source {source.name} has no attempts.", "Set attempts to 1 or more.")


def _read(source: Source, parameters: Mapping[str, Any]) -> tuple[pd.DataFrame, int | None]:
    root = session.project().root
    if source.kind == "sql":
        from nbmlops.store.sql import ask

        return ask(_resolved(source.database, _quoted), source.query, parameters, root), None
    if source.kind == "http":
        headers = {k: _resolved(v, str.__str__) for k, v in source.headers.items()}
        url = _resolved(_filled(source.url, parameters, _quoted), _quoted)
        return reading.of_address(url, headers, source.format, source.timeout_s, int(source.max_mb * 1e6))
    path = root / _filled(source.path, parameters, _file_name)
    if source.kind == "folder":
        return reading.of_folder(path, source.pattern, source.format)
    return reading.of_file(path, source.format)


def _resolved(text: str, made: Callable[[Any], str]) -> str:
    """Return a text with the secrets it names in their places; one that is the whole text is put as it is."""
    if whole := REFERENCE.fullmatch(text):
        return str.__str__(secrets.Secret(whole[1]))
    return REFERENCE.sub(lambda found: made(str.__str__(secrets.Secret(found[1]))), text)


def _filled(text: str, parameters: Mapping[str, Any], made: Callable[[Any], str]) -> str:
    wanted = {m[1] for m in HOLE.finditer(REFERENCE.sub("", text))}
    if wanted != set(parameters):
        asks, gives = (", ".join(sorted(names)) or "none" for names in (wanted, set(parameters)))
        raise Invalid(f"The source asks for the parameters {asks}; given: {gives}.", "Name each of them once.")
    return re.sub(r"(?<!\$)" + HOLE.pattern, lambda found: made(parameters[found[1]]), text)


def _quoted(value: Any) -> str:
    return quote(str(value), safe="")


def _file_name(value: Any) -> str:
    text = str(value)
    if not text.strip(".") or {"/", "\\", "\0"} & set(text):
        raise Invalid("A parameter of a path is no part of a file's name.", "It holds no slash and is not only dots.")
    return text


def _newest(frame: pd.DataFrame, source: Source) -> str | None:
    """Return the newest time in the data, where the source says which column holds it."""
    if not source.time:
        return None
    look.require(frame, source.time, "time")
    newest = look.times(frame[source.time]).max()
    return None if newest != newest else iso(newest.timestamp())


def _notes(project: Project) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the newest load and the newest failure of each source; makes no store where there is none."""
    from nbmlops.store.database import open_store
    from nbmlops.store.journal import journals
    from nbmlops.store.runs import latest_results

    store = open_store(project)
    if not project.settings.get("sources") or (
        store.path and not store.path.is_file() and not journals(project.home / "journal")
    ):
        return {}, {}
    found = [latest_results(store, kind) for kind in (LOADED, FAILED)]
    return tuple({r["subject"]: {**r["data"], "at": r["at"]} for r in part} for part in found)  # type: ignore[return-value]


def _finding(source: Source, load: Mapping[str, Any] | None, failed: Mapping[str, Any] | None, now_s: float) -> Finding:
    """Say how a source is: the worst thing first."""
    name, expected = source.name, f"expected every {_span(source.every_s)}" if source.every_s else ""
    owner = f"; owner: {source.owner}" if source.owner else ""
    for code, outcome, words, effect in _wrongs(source, load, failed, now_s):
        return Finding(code, outcome, f"{name} {words}{owner}", name, effect)  # type: ignore[arg-type]
    if load is None:
        return Finding("source_unloaded", "not_applicable", f"{name} was never loaded, nor is it expected", name)
    ago = _span(now_s - _moment(load["at"]))
    return Finding("source_fresh", "passed", f"{name} was loaded {ago} ago{', ' if expected else ''}{expected}", name)


def _wrongs(source: Source, load: Any, failed: Any, now_s: float) -> Iterator[tuple[str, str, str, float | None]]:
    every_s = source.every_s
    expected = f"expected every {_span(every_s)}"
    if every_s and load is None:
        yield "source_overdue", "issue", f"was never loaded, {expected}", None
    elif every_s and (age := now_s - _moment(load["at"])) > every_s:
        yield "source_overdue", "issue", f"was last loaded {_span(age)} ago, {expected}", age / every_s
    if failed and (load is None or failed["at"] > load["at"]):
        yield "source_failed", "warning", f"could not be loaded at {failed['at'][:16]} ({failed['error']})", None
    if every_s and load and load.get("newest_at"):
        old_s, most_s = now_s - _moment(load["newest_at"]), every_s + (source.lag_s or every_s)
        if old_s > most_s:
            words = f"came without new rows: the newest is {_span(old_s)} old, at most {_span(most_s)} expected"
            yield "source_stale", "warning", words, old_s / most_s


def _moment(at: str) -> float:
    return datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()


def _span(seconds: float | None) -> str:
    """Return a time span in one unit.

    >>> _span(90), _span(7200), _span(86400 * 3)
    ('1.5 min', '2 h', '3 d')
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if (seconds or 0) >= size:
            return f"{(seconds or 0) / size:.3g} {unit}"
    return f"{seconds or 0:.3g} s"
