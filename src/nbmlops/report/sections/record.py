"""What stays on record: what it takes to run it again, and every governed change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report import facts, known
from nbmlops.report.blocks import Block, Code, Facts, Fold, Missing, Say, Section, Table, verdict
from nbmlops.report.page_one.decided import event_words
from nbmlops.report.text import count, duration, joined, short, stamp, when

__all__ = ["audit", "reproducibility"]

Json = Mapping[str, Any]
SEEDS = ("seed", "random_state")
MOST_ROWS = 200


def reproducibility(snapshot: Json) -> Section:
    """Return what it takes to run it again."""
    run, machine = snapshot["run"], snapshot["environment"] or {}
    git = run.get("git") or next((p["git"] for p in snapshot["parts"] if p.get("git")), None)
    seeds = [
        f"{p['name']} = {short(p['value'])}"
        for part in facts.all_parts(snapshot)
        for p in part["params"]
        if str(p["name"]).rpartition(".")[2].lower() in SEEDS and p["value"] is not None
    ]
    items = [
        ("Run", run["run_id"]),
        ("Notebook", run.get("notebook") or "none"),
        ("Started", when(run["started_at"])),
        ("Why", known.trigger(snapshot) or "not recorded"),
        ("Took", duration(run.get("duration_s"))),
        ("Commit", _commit(git)),
        ("Python", f"{machine.get('python', 'not recorded')} on {machine.get('platform', 'an unknown platform')}"),
        ("Packages", f"{len(machine.get('packages') or {})} recorded"),
        ("Seeds", joined(list(dict.fromkeys(seeds))) or "none set: a second run may differ"),
    ]
    if model := known.security(snapshot):
        items.append(("Model", model))
    blocks: list[Block] = [Facts(items), *_again(run)]
    if git is None:
        blocks.append(Missing("No commit: the code is not under version control", "git init, then commit"))
    elif git.get("dirty"):
        blocks.append(Missing("The code differs from the commit named here", "commit before the run that counts"))
    if snapshot["parts"]:
        blocks.append(_parts(snapshot["parts"]))
    if packages := machine.get("packages"):
        blocks.append(
            Fold(f"{count(len(packages), 'package')}", [Code("\n".join(f"{k}=={v}" for k, v in packages.items()))])
        )
    return Section("reproducibility", "Reproducibility", "What it takes to run it again.", blocks)


def _again(run: Json) -> list[Block]:
    """Return the command that runs it again and holds what comes out against what came out then."""
    if run["kind"] == "notebook" and any(a["name"] == "notebook.ipynb" for a in run.get("artifacts") or []):
        return [
            Say("To run it again, with the same settings, and compare:"),
            Code(f"nbmlops run --again {run['run_id']}"),
        ]
    if run.get("source"):
        words = (
            "To run it again: the first puts its code into the next cell of a notebook, the second compares both runs."
        )
        return [Say(words), Code(f"%nbmlops restore {run['run_id']}\n%compare {run['run_id']} NEW_RUN")]
    return [Missing("Nothing was kept that could be run again", "nbmlops run NOTEBOOK, or %%track, keeps it")]


def _commit(git: Json | None) -> str:
    if not git:
        return "none"
    known = git.get("dirty")
    changed = ", not known whether changed" if known is None else " with changes" if known else ", clean"
    return f"{str(git.get('commit'))[:12]} on {git.get('branch')}{changed}"


def _parts(parts: Sequence[Json]) -> Table:
    rows = [
        (str(p["name"]), p["kind"], verdict(p["status"]), duration(p["duration_s"]), p["run_id"][-6:]) for p in parts
    ]
    return Table("Tracked parts", ("Name", "Kind", "Status", "Took", "Id ends in"), rows[:MOST_ROWS], numeric=(3,))


def audit(snapshot: Json) -> Section:
    """Return every governed change about these versions, with its place in the chain."""
    title, events = "Audit trail", snapshot["events"]
    if not events:
        missing = Missing(
            "No governed change: nothing was registered, promoted, approved or flagged", "%register, %promote"
        )
        return Section("audit", title, "Nothing governed has happened.", [missing])
    rows = [
        (str(e["seq"]), stamp(e["at"]), event_words(e), f"{e['actor']} (by {e['known_by']})", e["hash"][:12])
        for e in events
    ]
    heads = ("No.", "When (UTC)", "What", "Who, and how known", "Hash")
    table = Table("Events of the store's chain", heads, rows[:MOST_ROWS], numeric=(0,), tight=(1,))
    words = f"{count(len(events), 'event')}, each bound to the one before by its hash."
    return Section("audit", title, f"{words} {_chain(snapshot)}".strip(), [*_broken(snapshot), table])


def _chain(snapshot: Json) -> str:
    """Say whether the whole chain was recomputed and fits."""
    chain = snapshot.get("chain")
    if chain is None:
        return ""
    return "The whole chain was recomputed and fits." if chain["broken_at"] is None else "The chain is broken."


def _broken(snapshot: Json) -> list[Block]:
    at = (snapshot.get("chain") or {}).get("broken_at")
    if at is None:
        return []
    do = f"nbmlops doctor says what does not fit ({facts.whose(snapshot, 'compliance')})"
    return [Missing(f"The chain of events does not fit from event {at} on: it was changed or cut off", do)]
