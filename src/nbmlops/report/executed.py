"""An executed notebook's file, whoever executed it: what it says of itself, and a copy of it that may be kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nbmlops.capture.secrets import redact, redact_value
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.report.text import capped, size, utc
from nbmlops.tracking.statuses import ending_of

__all__ = ["Executed", "about", "copied", "read", "source_of"]

MOST_BYTES = 100_000_000
LONGEST, MOST = 100_000, 2_000_000  # characters of one text of the copy, and of all: a page shows far less
MOST_CELLS = 500
CUT = frozenset({"source", "text", "data", "evalue", "traceback"})  # all else of a notebook is its structure
ENTRIES = ("traceback",)  # a list of entries with no end of line; any other text is a list of lines
EXPECTED = "raises-exception"  # the tag of a cell that may raise
STATUSES = ("completed", "failed", "running", "pending")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Executed:
    """A notebook's file: its bytes, and what they say as JSON."""

    path: Path
    raw: bytes
    content: Json

    @property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return hashlib.sha256(self.raw).hexdigest()


def read(path: Path) -> Executed:
    """Return a notebook of format 4.

    Parameters
    ----------
    path : Path

    Raises
    ------
    NotFound, NotAllowed
        There is no such file, or it cannot be read.
    Invalid
        No notebook, one of an older format, or one too large.

    Examples
    --------
    >>> read(Path("executed.ipynb")).content["nbformat"]  # doctest: +SKIP
    4
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid(
                f"{path.name} has {size(path.stat().st_size)}; a report reads up to {size(MOST_BYTES)}.",
                "Clear its large outputs and save it.",
            )
        raw = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"No notebook {str(path)!r}.", "Name the executed notebook's file.") from None
    except OSError as error:
        raise NotAllowed(f"{path} cannot be read ({error.strerror}).", "Name the executed notebook's file.") from error
    return Executed(path, raw, _parsed(path.name, raw))


def _parsed(name: str, raw: bytes) -> Json:
    if not raw.strip():
        raise Invalid(f"{name} is empty.", "Execute the notebook, save it, and name that file.")
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{name} is no notebook: it is not JSON.", "Name an .ipynb file.") from error
    if isinstance(content, dict) and ("worksheets" in content or content.get("nbformat") in (1, 2, 3)):
        convert = f"jupyter nbconvert --to notebook --nbformat 4 {name}"
        raise Invalid(f"{name} is a notebook of format {content.get('nbformat')}, from before 2015.", f"Type {convert}")
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise Invalid(f"{name} is no notebook: it has no list of cells.", "Name an .ipynb file.")
    return dict(content)


def about(found: Executed) -> dict[str, Any]:
    """Return what a notebook says of its execution, as plain JSON without secrets.

    Parameters
    ----------
    found : Executed

    Returns
    -------
    dict
        ``status`` (completed, failed, partly run, not executed), ``by``, ``times``, ``parameters``, ``cells``,
        ``error`` (of the first cell that failed), ``expected`` (errors that were no failure), ``left`` (the cell that
        ended the notebook early, with success), ``kernel``.
    """
    metadata = _mapping(found.content.get("metadata"))
    milled = _mapping(metadata.get("papermill"))
    cells = [_about_cell(number, cell) for number, cell in _code(found.content)]
    left = _left(cells)
    return {
        "status": "completed" if left else _status(cells),
        "by": f"papermill {_text(milled.get('version'))}".strip() if milled else "",
        "times": _times(milled, cells),
        "parameters": _parameters(milled),
        "error": next((c["error"] for c in cells if c["status"] == "failed"), None),
        "expected": [_named(c) for c in cells if c["error"] and c["status"] != "failed" and not c["leaves"]],
        "left": left,
        "cells": [{k: v for k, v in c.items() if k not in ("error", "leaves")} for c in cells[:MOST_CELLS]],
        "counts": {"all": len(found.content["cells"]), "code": len(cells), **_counted(cells)},
        "kernel": _kernel(metadata),
        "order": _out_of_order(cells),
    }


def source_of(found: Executed, number: int) -> str:
    """Return the code of a cell by its number among all cells, as a reader counts them."""
    return _text(found.content["cells"][number - 1].get("source"))


def copied(found: Executed) -> tuple[bytes, int]:
    """Return the notebook as it may be kept, with secrets masked, and how many characters of outputs were left out.

    A notebook in which nothing is masked and nothing is too long is returned byte for byte.
    """
    copy = _Copy(MOST)
    content = copy.of(found.content)
    if content == found.content:
        return found.raw, 0
    return json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"), copy.left_out


@dataclass
class _Copy:
    """Copies JSON: texts masked, those beyond the budget cut, pictures as they are."""

    room: int
    left_out: int = 0

    def of(self, value: Any, name: str = "", within: bool = False) -> Any:
        within = within or name in CUT
        if isinstance(value, dict):
            return {k: v if str(k).startswith("image/") else self.of(v, str(k), within) for k, v in value.items()}
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            between = "\n" if name in ENTRIES else ""
            whole = between.join(value)
            kept = self.of(whole, name, within)
            return value if kept == whole else kept.split("\n") if between else kept.splitlines(keepends=True)
        if isinstance(value, list):
            return [self.of(v, name, within) for v in value]
        return self._text(name, value) if within and isinstance(value, str) else redact_value(name, value)

    def _text(self, name: str, text: str) -> str:
        most = MOST if "](data:image/" in text else LONGEST  # a picture pasted into Markdown is no long text
        kept, cut = capped(text, min(most, self.room))
        self.room -= len(kept)
        self.left_out += cut
        masked = redact_value(name, kept)
        return f"{masked}\n[{cut:,} more characters are in the file alone]" if cut else str(masked)


def _code(content: Json) -> Iterator[tuple[int, Json]]:
    """Yield the code cells that hold code, numbered among all cells as a reader counts them."""
    for number, cell in enumerate(content["cells"], 1):
        if cell.get("cell_type") == "code" and _text(cell.get("source")).strip():
            yield number, cell


def _about_cell(number: int, cell: Json) -> dict[str, Any]:
    metadata = _mapping(cell.get("metadata"))
    milled, error = _mapping(metadata.get("papermill")), _error(number, cell)
    status = milled.get("status")
    leaves = error is not None and _leaves(error)
    if error:
        status = "completed" if leaves or _is_expected(metadata) else "failed"
    elif status not in STATUSES:
        status = "completed" if isinstance(cell.get("execution_count"), int) else "not run"
    began, ended = _span(milled, _mapping(metadata.get("execution")))
    return {
        "number": number,
        "status": "not run" if status == "pending" else status,
        "count": cell.get("execution_count") if isinstance(cell.get("execution_count"), int) else None,
        "began": began,
        "ended": ended,
        "duration_s": _seconds(began, ended),
        "outputs": len(_outputs(cell)),
        "begins": redact(_text(cell.get("source")).strip()).split("\n")[0][:80],
        "error": error,
        "leaves": leaves,
    }


def _leaves(error: Json) -> bool:
    """Tell whether a cell raised ``sys.exit(0)``: papermill ends with success there, and so does ``nbmlops run``."""
    return error["name"] == "SystemExit" and ending_of(["SystemExit"], error["message"])[0] == "finished"


def _is_expected(metadata: Json) -> bool:
    """Tell whether a cell may raise: Jupyter and papermill run on past it."""
    tags = metadata.get("tags")
    return isinstance(tags, list) and EXPECTED in tags


def _named(cell: Json) -> dict[str, Any]:
    return {"cell": cell["number"], "name": cell["error"]["name"]}


def _left(cells: Sequence[Json]) -> int | None:
    """Return the cell that ended a notebook early, with success; None where a cell failed or later ones ran."""
    ran = [c for c in cells if c["status"] != "not run"]
    whole = all(c["status"] == "completed" for c in ran)
    return ran[-1]["number"] if ran and whole and ran[-1]["leaves"] else None


def _error(number: int, cell: Json) -> dict[str, Any] | None:
    error = next((o for o in _outputs(cell) if o.get("output_type") == "error"), None)
    if error is None:
        return None
    trace = error.get("traceback")
    trace = "\n".join(map(str, trace)) if isinstance(trace, list) else _text(trace)
    texts = {"name": _text(error.get("ename")), "message": _text(error.get("evalue")), "traceback": trace}
    return {"cell": number, **{k: redact(capped(v, 10_000, tail=True)[0]) for k, v in texts.items()}}


def _outputs(cell: Json) -> list[Json]:
    outputs = cell.get("outputs")
    return [o for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []


def _status(cells: Sequence[Json]) -> str:
    """Return how far a notebook came."""
    statuses = {c["status"] for c in cells}
    if "failed" in statuses:
        return "failed"
    if statuses <= {"completed"}:
        return "completed" if cells else "not executed"
    return "partly run" if "completed" in statuses else "not executed"


def _counted(cells: Sequence[Json]) -> dict[str, int]:
    return {word: sum(c["status"] == word for c in cells) for word in ("completed", "failed", "not run", "running")}


def _out_of_order(cells: Sequence[Json]) -> list[int]:
    """Return the cells that were run before one that stands above them."""
    highest, found = 0, []
    for cell in cells:
        if cell["count"] is None:
            continue
        if cell["count"] < highest:
            found.append(cell["number"])
        highest = max(highest, cell["count"])
    return found


def _times(milled: Json, cells: Sequence[Json]) -> dict[str, Any]:
    began = _moment(milled.get("start_time")) or min((c["began"] for c in cells if c["began"]), default=None)
    ended = _moment(milled.get("end_time")) or max((c["ended"] for c in cells if c["ended"]), default=None)
    return {"began": began, "ended": ended, "duration_s": _seconds(began, ended)}


def _span(milled: Json, execution: Json) -> tuple[str | None, str | None]:
    """Return when a cell began and ended, by papermill or by Jupyter's own times."""
    began = milled.get("start_time") or execution.get("iopub.status.busy") or execution.get("iopub.execute_input")
    ended = milled.get("end_time") or execution.get("shell.execute_reply") or execution.get("iopub.status.idle")
    return _moment(began), _moment(ended)


def _moment(at: Any) -> str | None:
    """Return a time in UTC, None for what is none."""
    known = utc(at)
    return None if known is None else datetime.fromisoformat(known).isoformat()


def _seconds(began: str | None, ended: str | None) -> float | None:
    if not began or not ended:
        return None
    return round((datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds(), 6)


def _parameters(milled: Json) -> list[dict[str, Any]]:
    """Return papermill's parameters, the given ones first; the notebook's own values of the others."""
    given, before = _mapping(milled.get("parameters")), _mapping(milled.get("default_parameters"))
    names = list(dict.fromkeys([*given, *before]))
    return [
        {"name": str(n), "value": _shown(n, given[n] if n in given else _default(before[n])), "given": n in given}
        for n in names
    ]


def _default(entry: Any) -> Any:
    return entry.get("default") if isinstance(entry, Mapping) else entry


def _shown(name: Any, value: Any) -> str:
    masked = redact_value(str(name), value)
    text = masked if isinstance(masked, str) else json.dumps(masked, ensure_ascii=False)
    return capped(text, 300)[0]


def _kernel(metadata: Json) -> dict[str, str]:
    spec, language = _mapping(metadata.get("kernelspec")), _mapping(metadata.get("language_info"))
    return {
        "name": _text(spec.get("display_name") or spec.get("name")),
        "language": _text(language.get("name") or spec.get("language")),
        "version": _text(language.get("version")),
    }


def _mapping(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")
