"""A run and the same again: the verdict, what is different, and what may be why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, fold, status, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]
WORDS = {"same": "ok", "differs": "alert", "inconclusive": "inconclusive"}
MARKS = {"passed": "●", "warning": "▲", "issue": "■"}


def html(data: Json) -> str:
    """Return the comparison as a card; what is equal on demand."""
    told, quiet = _split(data)
    body = f"<div>{esc(_sentence(data))}</div>" + (_table(told) if told else "")
    body += fold(f"{len(quiet)} equal", _table(quiet)) if quiet else ""
    return card(
        _title(data),
        WORDS[data["verdict"]],
        body,
        f'look closer: nb.compare(["{data["before"][-6:]}", "{data["run_id"][-6:]}"])',
    )


def text(data: Json) -> str:
    """Return the comparison in a few lines."""
    told, quiet = _split(data)
    lines = [f"  {MARKS.get(f['outcome'], '○')} {f['message']}" for f in (*told, *quiet)]
    return "\n".join([f"{_title(data)}: {_sentence(data)}", *lines])


def _title(data: Json) -> str:
    return f"{data['notebook']} again (run {data['run_id'][-6:]} after {data['before'][-6:]})"


def _sentence(data: Json) -> str:
    if data["verdict"] == "differs":
        return f"differs because: {', '.join(data['because'])}"
    if data["verdict"] == "inconclusive":
        return "inconclusive: the run left no metric, no written data and other outputs; log a metric to compare"
    return "same"


def _split(data: Json) -> tuple[list[Json], list[Json]]:
    ranked = sorted(
        data["findings"],
        key=lambda f: ("issue", "warning").index(f["outcome"]) if f["outcome"] in ("issue", "warning") else 2,
    )
    return [f for f in ranked if f["outcome"] != "passed"], [f for f in ranked if f["outcome"] == "passed"]


def _table(findings: list[Json]) -> str:
    return table(
        ["", "What", "How"], [[status(f["outcome"]), esc(f["code"]), esc(f["message"])] for f in findings], raw=True
    )
