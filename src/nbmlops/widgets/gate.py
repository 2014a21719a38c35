"""A gate as a card: the verdict, the difference with its interval, its guards, and whether the challenger may go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, fold, image, number, percent, status, table

__all__ = ["html", "text"]

SIDES = ("challenger", "champion")
MARKS = {"passed": "●", "warning": "▲", "issue": "■"}
TOLD = ("warning", "issue")
MOST_DRAWN = 23


def html(data: Mapping[str, Any]) -> str:
    """Return the gate as a card."""
    rows = [[side, data[side], number(data[f"{side}_value"])] for side in SIDES]
    drawn = _drawn(data)
    body = table(["", "model", data["metric"]], rows) + image(*drawn, 480) + f"<div>{esc(_words(data))}</div>"
    told, quiet = _guards(data)
    body += _table(told) if told else ""
    body += fold(f"{len(quiet)} more: {_tally(quiet)}", _table(quiet)) if quiet else ""
    return card(
        "Gate", data["verdict"], body + "".join(f"<div><strong>{esc(line)}</strong></div>" for line in _ending(data))
    )


def text(data: Mapping[str, Any]) -> str:
    """Return the gate as text: both models, the difference, the guards that say something, how it ends."""
    rows = [f"Gate: {data['verdict']}"]
    rows += [f"  {side}: {data[side]} ({data['metric']} {number(data[f'{side}_value'])})" for side in SIDES]
    told, quiet = _guards(data)
    rows += [f"  {_words(data)}", *(f"  {MARKS[f['outcome']]} {f['message']}" for f in told)]
    rows += [f"  {'and ' if told else ''}{len(quiet)} guards: {_tally(quiet)}"] if quiet else []
    return "\n".join([*rows, *(f"  {line}" for line in _ending(data))])


def _drawn(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return the gains as a picture, the deciding one first, then guarded slices."""
    from nbmlops.report import charts

    slices = [f["detail"]["difference"] | {"name": f["column"]} for f in _compared(data, "slice")][:MOST_DRAWN]
    shown = [{"name": "all rows" if slices else "challenger - champion", **_whole(data)}, *slices]
    names, values, lows, highs = ([s[k] for s in shown] for k in ("name", "value", "low", "high"))
    drawn = charts.intervals(names, values, lows, highs, title=f"Gain in {data['metric']}", target=0.0)
    return drawn, charts.alt(drawn)


def _whole(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": data["difference"], "low": data["low"], "high": data["high"]}


def _compared(data: Mapping[str, Any], code: str) -> list[Mapping[str, Any]]:
    return [f for f in data["findings"] if f["code"] == code and "difference" in f["detail"]]


def _guards(data: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the guards that say something, issues first, and the others."""
    guards = [f for f in data["findings"] if f["code"] != "gate"]
    told = sorted((f for f in guards if f["outcome"] in TOLD), key=lambda f: f["outcome"] != "issue")
    return told, [f for f in guards if f["outcome"] not in TOLD]


def _tally(findings: list[Mapping[str, Any]]) -> str:
    outcomes = [f["outcome"] for f in findings]
    return ", ".join(f"{outcomes.count(o)} {o.replace('_', ' ')}" for o in dict.fromkeys(outcomes))


def _table(findings: list[Mapping[str, Any]]) -> str:
    rows = [[status(f["outcome"]), esc(f["code"]), esc(f["message"])] for f in findings]
    return table(["", "guard", "says"], rows, raw=True)


def _ending(data: Mapping[str, Any]) -> list[str]:
    """Return the last lines: ready, or why not and whose it is."""
    if data.get("ready"):
        return ["ready"]
    because = list(data.get("because") or ())
    return ["not ready because " + because[0], *(f"and {b}" for b in because[1:])] if because else []


def _words(data: Mapping[str, Any]) -> str:
    share = f" ({percent(data['tolerated'])} of the champion's)" if data["margin"] != data["tolerated"] else ""
    low, high = (f"{data[k]:+.4f}" if isinstance(data[k], float) else str(data[k]) for k in ("low", "high"))
    return (
        f"gain {data['difference']:+.4f} [{low}, {high}] on {number(data['rows'])} rows"
        f"{' (' + data['how'] + ')' if data.get('how') else ''}; margin {number(data['margin'])}{share}; "
        f"smallest gain these rows show in 4 of 5 cases: {number(data['detectable'])}"
    )
