"""A run that broke off: what failed, where, since when, what serves meanwhile, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Facts, Missing, Say, Table, Verdict, verdict
from nbmlops.report.text import count, duration, joined, short, stamp, when

__all__ = ["STATUSES", "asked", "blocks", "meanwhile", "title"]

Json = Mapping[str, Any]
STATUSES = ("failed", "interrupted", "abandoned")
WORDS = {"interrupted": "was interrupted", "abandoned": "was abandoned: its process is gone"}
MOST = 3  # changes that are named
BACK = "nbmlops rollback MODEL takes a change back"
DO = {
    "timed_out": "give it more time, or less to do",
    "out_of_memory": "give it more memory, or less data",
    "kernel_died": "look at the last cell and the memory it took",
    "process_gone": "look at the machine it ran on",
    "lease_lapsed": "look at the machine it ran on",
    "cancelled": "ask who cancelled it",
    "preempted": "run it again when there is room",
}


def asked(snapshot: Json) -> tuple[str, Verdict, str]:
    """Say what failed, where, since when, and what serves meanwhile."""
    run = snapshot["run"]
    since = f" Since {when(run.get('ended_at') or run['started_at'])}, after {duration(run.get('duration_s'))}."
    question = f"{title(run)} {WORDS.get(run['status'], 'failed')}{_at(snapshot)}"
    because = f"{short(_reason(run)).rstrip('.')}.{since}{_in_a_row(snapshot)} {_serving(snapshot)}"
    return question, verdict(run["status"]), because


def blocks(snapshot: Json) -> list[Block]:
    """Return what failed: error, place, since when, and what to do."""
    run, before = snapshot["run"], snapshot.get("earlier") or {}
    items = [("What", short(_reason(run))), ("Where", _at(snapshot).removeprefix(" in ") or "not in a cell")]
    whole = before.get("last_whole")
    if before.get("broken_in_a_row"):
        items.append(("Since when", f"{when(before['broken_since'])}: {_times(before)} in a row, this one counted"))
    elif whole:
        items.append(("Since when", "this is the first time; the try before it finished"))
    if whole:
        took = f", took {duration(whole.get('duration_s'))}"
        items.append(("Last that finished", f"{when(whole['started_at'])}{took} (run {whole['run_id'][-6:]})"))
    items.append(("To do", f"{_do(run)} ({run.get('author') or facts.whose(snapshot, 'scientist')})"))
    found: list[Block] = [Facts(items)]
    if not whole:
        found.append(Missing("No earlier try of it finished", "nbmlops runs shows what was tried"))
    return found


def meanwhile(snapshot: Json) -> list[Block]:
    """Return what serves while this is mended, and whether the run changed it."""
    serving, moves = snapshot["serving"], list(_moves(snapshot))[-MOST:]
    if not serving:
        return [Missing("No model is champion, so nothing serves", "%promote MODEL VERSION --to champion")]
    since = snapshot.get("serving_since") or {}
    rows = [(f"{s['name']}@{s['version']}", s["alias"], stamp(since.get(s["name"]))) for s in serving[:5]]
    caption = "What serves: it was changed" if moves else "Not changed by this run"
    table = Table(caption, ("Model", "As", "Since (UTC)"), rows, tight=(2,))
    return [table, Say(f"{' '.join(moves)} {BACK} ({facts.whose(snapshot, 'manager')}).")] if moves else [table]


def title(run: Json) -> str:
    """Return a run as a reader knows it."""
    kind = {"notebook": "Notebook", "cell": "Cell", "script": "Script"}.get(run["kind"], "Run")
    return f"{kind} {run['name']!r}"


def _reason(run: Json) -> str:
    error = run.get("error") or {}
    return (
        f"{error.get('name')}: {error.get('message')}" if error.get("name") else run.get("cause") or "no reason given"
    )


def _at(snapshot: Json) -> str:
    error = snapshot["run"].get("error") or {}
    if error.get("cell"):
        return f" in cell {error['cell']} of {error['cells']}"
    part = next((p for p in snapshot["parts"] if p["status"] == "failed"), None)
    return f" in cell {part['name']!r}" if part else ""


def _in_a_row(snapshot: Json) -> str:
    before = snapshot.get("earlier") or {}
    if not before.get("broken_in_a_row"):
        return ""
    return f" It broke off {_times(before)} in a row, the first on {when(before['broken_since'])}."


def _times(before: Json) -> str:
    """Return how often in a row; where every try that was looked at broke off, it may be more."""
    amount = int(before["broken_in_a_row"]) + 1
    most = "at least " if before["broken_in_a_row"] >= before["most"] else ""
    return f"{most}{count(amount, 'time')}"


def _serving(snapshot: Json) -> str:
    serving = [f"{s['name']}@{s['version']}" for s in snapshot["serving"]]
    if moves := list(_moves(snapshot))[-MOST:]:
        now = f"{joined(serving)} serve{'s' if len(serving) == 1 else ''}" if serving else "nothing serves"
        return f"{' '.join(moves)} Now {now} as champion."
    if not serving:
        return "No model is champion, so nothing serves meanwhile."
    return f"Nothing was changed by it: {joined(serving)} keep{'s' if len(serving) == 1 else ''} serving as champion."


def _moves(snapshot: Json) -> Iterator[str]:
    """Yield how the champion was changed while the run ran, and that a version it made became champion later."""
    run, own = snapshot["run"], {v["ref"] for v in facts.made(snapshot)}
    # When it died is not known of an abandoned one.
    during = "While it ran" if run.get("ended_at") else "Since it began"
    for event in _champions(snapshot):
        name, data = event["subject"].rpartition("@")[0], event.get("data") or {}
        ref = f"{name}@{data.get('version')}"
        what = f"{ref} became champion" if data.get("version") else f"{name} lost its champion"
        what += f" (was {name}@{data['from']})" if data.get("from") else ""
        if run["started_at"] <= event["at"] <= (run.get("ended_at") or event["at"]):
            yield f"{during}, {what}."
        elif ref in own and event["at"] > run["started_at"]:
            yield f"Later {what}, made by this run."


def _champions(snapshot: Json) -> Iterator[Json]:
    """Yield the events that changed a champion; of models this run did not touch, the newest, without its data."""
    found = [e for e in snapshot["events"] if e["action"] == "alias" and e["subject"].endswith("@champion")]
    yield from found
    told, since = {e["subject"] for e in found}, snapshot.get("serving_since") or {}
    for serving in snapshot["serving"]:
        subject = f"{serving['name']}@champion"
        if subject not in told and serving["name"] in since:
            yield {"subject": subject, "at": since[serving["name"]], "data": {"version": serving["version"]}}


def _do(run: Json) -> str:
    if words := DO.get(str(run.get("cause") or "").partition("(")[0]):
        return words
    if run["kind"] == "notebook" and run.get("notebook"):
        return f"mend the cell, then nbmlops run --resume {run['run_id'][-6:]} goes on behind the last checkpoint"
    return "mend it and run it again"
