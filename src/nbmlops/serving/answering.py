"""From the body of a request to its answer: read, check, ask, record; in the model's own thread."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbmlops.records import Finding
from nbmlops.serving.errors import Refused, problem
from nbmlops.serving.log import Kept, Log
from nbmlops.serving.records import asked, parse
from nbmlops.serving.served import Said, Served

__all__ = ["Done", "predicted"]


@dataclass(frozen=True)
class Done:
    """An answer as it is sent, and how often which column held what the model never saw."""

    content: dict[str, Any]
    unknown: Mapping[str, int] = field(default_factory=dict)


def predicted(served: Served, log: Log, body: bytes, caller: str, most: int) -> Done:
    """Return what a version says of the rows of a request, recorded.

    Parameters
    ----------
    served : Served
    log : Log
    body : bytes
        JSON.
    caller : str
        For whom.
    most : int
        Rows in one request.

    Raises
    ------
    Refused
        Every problem of the rows at once, or what the model itself says of them.
    """
    wanted = asked(parse(body), served.columns, most, served.private)
    checked = served.checker.columns_of(wanted.rows)
    if checked.problems:
        found = [problem(p.code, p.message, p.row, p.column) for p in checked.problems]
        raise Refused(422, found, "Nothing was predicted: mend these rows, and send all again.")
    began = time.perf_counter()
    said = _said(served, checked.made)
    ids = log.write(Kept(served, wanted, said, caller, time.perf_counter() - began))
    about = {"model": served.version.name, "version": served.version.version}
    rows = [
        {"prediction_id": ids and ids[n], "prediction": value, "probability": chance, **about}
        for n, (value, chance) in enumerate(zip(said.values, said.probability, strict=True))
    ]
    for row, key in zip(rows, wanted.key or (), strict=False):
        row["key"] = key
    unknown = {note.column: note.detail["rows"] for note in checked.notes if note.code == "unknown_category"}
    notes = [_note(served, note) for note in checked.notes]
    if ids is None and log.mode != "off":
        notes.append({"code": "unrecorded", "column": None, "message": "the record could not be written: no ids"})
    return Done({"predictions": rows, "notes": notes}, unknown)


def _note(served: Served, note: Finding) -> dict[str, Any]:
    message = f"{note.column} holds what the model never saw" if note.column in served.private else note.message
    return {"code": note.code, "column": note.column or None, "message": message}


def _said(served: Served, columns: Mapping[str, Any]) -> Said:
    try:
        return served.ask(columns)
    except (ValueError, TypeError) as error:  # of the rows: what is wrong with the model itself is another exception
        own = "" if served.private else f": {str(error).partition(chr(10))[0][:300]}"
        message = f"The model does not take these rows ({type(error).__name__}){own}."
        raise Refused(422, [problem("model", message)]) from error
