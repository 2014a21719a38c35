"""What the service says of its model and of single answers: how to use it, and why it said so."""

from __future__ import annotations

from typing import Any

import nbmlops as nb
from nbmlops.errors import NotFound
from nbmlops.records import plain
from nbmlops.serving.errors import Refused, problem
from nbmlops.serving.records import asked, parse
from nbmlops.serving.served import Served

__all__ = ["explained", "model"]

Json = dict[str, Any]


def explained(served: Served, body: bytes) -> Json:
    """Return why a version says what it says of one row, or said it of a recorded one.

    Parameters
    ----------
    served : Served
    body : bytes
        JSON: a row, or ``{"prediction_id": ...}`` of an answer of this model.

    Raises
    ------
    Refused
        503: no background was kept to explain against; 422: the row has problems.
    NotFound
        No such prediction of this model.
    """
    content = parse(body)
    if isinstance(content, dict) and "prediction_id" in content and "prediction_id" not in served.columns:
        return _explanation(served, _own(served, content["prediction_id"]))
    wanted = asked(content, served.columns, 1)
    checked = served.checker.records(wanted.rows)
    if checked.problems:
        raise Refused(422, [problem(p.code, p.message, p.row, p.column) for p in checked.problems])
    return _explanation(served, checked.frame)


def model(served: Served) -> Json:
    """Return what a version is for, its limits and its state."""
    found: Json = nb.how_to(served.version.ref).to_dict()
    return found


def _explanation(served: Served, rows: Any) -> Json:
    if not served.version.signature.get("background"):
        message = f"No background was kept of {served.version.ref}, so nothing can be explained against it."
        raise Refused(503, [problem("no_background", message)], "Register it with background=frame.")
    found: Json = plain(nb.explain(served.version.ref, rows).to_dict())
    return found


def _own(served: Served, prediction_id: Any) -> str:
    """Return the id of a prediction if this model made it: a service shows nobody the rows of another."""
    name = str(prediction_id)
    if nb.prediction(name)["model"] != served.version.name:
        raise NotFound(f"No prediction {name[:100]!r} of this model.", "POST /predict returns the ids.")
    return name
