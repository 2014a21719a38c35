"""What the addresses take and give, in the words of OpenAPI, from the signature of the version that is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.serving.served import Served

__all__ = ["ANSWERS", "explain", "feedback", "predict"]

Json = dict[str, Any]
TYPES: Mapping[str, Json] = {
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "category": {"type": "string"},
}
HELD = {"numbers": "number", "booleans": "boolean", "mixed": ["string", "number"]}  # categories that are no text
TEXT: Json = {"type": "string", "minLength": 1, "maxLength": 200}
PROBLEM: Json = {
    "type": "object",
    "required": ["detail", "hint"],
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["row", "column", "code", "message"],
                "properties": {
                    "row": {"type": ["integer", "null"]},
                    "column": {"type": ["string", "null"]},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
        "hint": {"type": "string"},
    },
}
REFUSALS = {
    400: "No JSON, or a wrong Host",
    401: "No token",
    404: "Unknown",
    413: "Too large",
    415: "Not application/json",
    422: "Every problem, with row and column",
    503: "Not now",
}
ANSWERS: dict[int | str, Json] = {
    code: {"description": about, "content": {"application/json": {"schema": PROBLEM}}}
    for code, about in REFUSALS.items()
}


def predict(served: Served) -> Json:
    """Return what ``POST /predict`` takes."""
    row = _row(served)
    envelope = {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {
            "rows": {"type": "array", "minItems": 1, "items": row},
            "key": {**TEXT, "description": "Field of each row that names it in the business."},
            "key_at": {**TEXT, "description": "Field with the time that goes with the key."},
            "batch": {**TEXT, "description": "A label to find these predictions by."},
        },
    }
    return _body({"anyOf": [envelope, row]}, {"rows": [served.example]})


def explain(served: Served) -> Json:
    """Return what ``POST /explain`` takes."""
    known = {"type": "object", "required": ["prediction_id"], "properties": {"prediction_id": TEXT}}
    return _body({"anyOf": [known, _row(served)]}, served.example)


def feedback() -> Json:
    """Return what ``POST /feedback`` takes."""
    one = {
        "type": "object",
        "properties": {
            "prediction_id": {**TEXT, "maxLength": 36},
            "key": {"type": ["string", "integer"], "maxLength": 400},
            "at": {"type": "string", "format": "date-time"},
            "kind": {"enum": ["outcome", "opinion", "flag"], "default": "outcome"},
            "outcome": {"type": ["string", "number", "boolean"]},
            "verdict": {"enum": ["agree", "disagree", "unsure"]},
            "expected": {"type": ["string", "number", "boolean", "null"]},
            "reason": {"type": "string", "maxLength": 4000},
            "source": TEXT,
        },
    }
    many = {
        "type": "object",
        "required": ["feedback"],
        "properties": {"feedback": {"type": "array", "items": one, "minItems": 1}},
    }
    example = {"prediction_id": "0190a0b0-0000-7000-8000-000000000000", "outcome": True}
    return _body({"anyOf": [many, one]}, {"feedback": [example]})


def _row(served: Served) -> Json:
    columns = served.version.signature["columns"]
    return {
        "type": "object",
        "required": [c["name"] for c in columns],
        "properties": {c["name"]: _column(c, c["name"] in served.private) for c in columns},
        "example": served.example,
    }


def _column(column: Mapping[str, Any], private: bool) -> Json:
    found = dict(TYPES.get(column.get("kind") or "", {}))
    if own := HELD.get(column.get("holds") or ""):
        found["type"] = own
    if column.get("nullable") and "type" in found:
        found["type"] = [*([found["type"]] if isinstance(found["type"], str) else found["type"]), "null"]
    if not private and column.get("categories"):
        found["examples"] = list(column["categories"][:5])
    return found


def _body(schema: Json, example: Any) -> Json:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}
