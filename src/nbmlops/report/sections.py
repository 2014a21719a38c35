"""The sections behind page one, in the order a reviewer asks; each a function of the snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report import evidence, facts, sanitize
from nbmlops.report.blocks import Block, Code, Facts, Fold, Missing, Notebook, Say, Section, Table, verdict
from nbmlops.report.decision import event_words
from nbmlops.report.text import count, duration, joined, number, size, stamp, when

__all__ = ["build"]

Json = Mapping[str, Any]
SEEDS = ("seed", "random_state")
MOST_ROWS = 200


def build(snapshot: Json, notebook: bytes | None = None) -> list[Section]:
    """Return every section of a report, also those that can only say what is missing.

    Parameters
    ----------
    snapshot : mapping
        See :func:`nbmlops.report.snapshot.build`.
    notebook : bytes, optional
        The executed notebook; the snapshot holds its digest.
    """
    return [
        *failure(snapshot),
        changed(snapshot),
        parameters(snapshot),
        data(snapshot),
        evidence.checks(snapshot),
        evidence.drift(snapshot),
        evidence.performance(snapshot),
        limits(snapshot),
        reproducibility(snapshot),
        audit(snapshot),
        glossary(snapshot),
        appendix(snapshot, notebook),
    ]


def failure(snapshot: Json) -> list[Section]:
    """Return what went wrong, for a run that did; nothing for one that did not."""
    broken = [p for p in facts.all_parts(snapshot) if p.get("error")]
    if not broken:
        return []
    blocks: list[Block] = []
    for part in broken:
        error = part["error"]
        where = f"cell {error['cell']} of {error['cells']}" if error.get("cell") else f"{part['kind']} {part['name']}"
        items = [("Where", where), ("What", f"{error.get('name')}: {error.get('message')}")]
        blocks.append(Facts([*items, ("Cause", str(part.get("cause") or "not recorded"))]))
        if trace := sanitize.pieces({"output_type": "stream", "text": error.get("traceback") or ""}, tail=True):
            blocks.append(Fold("Traceback", [Code(p.content) if p.kind == "text" else Say(p.content) for p in trace]))
    return [Section("failure", "What failed", "Where it stopped, and what was raised there.", blocks)]


def changed(snapshot: Json) -> Section:
    """Return what differs from the run of the version this one is compared with."""
    title, before = "What changed", snapshot["before"]
    if not before:
        missing = Missing("There is no earlier version to compare with", "promote one; the next report compares")
        return Section("changed", title, "Nothing to compare with.", [missing])
    sides = [_flat(before["parts"]), _flat(facts.making(snapshot))]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    rows = [(n, sides[0].get(n, "-"), sides[1].get(n, "-")) for n in names]
    rows = [row for row in rows if row[1] != row[2]]
    words = (
        f"{count(len(rows), 'difference')} from the run of {before['ref']} ({when(before['parts'][0]['started_at'])})."
    )
    if not rows:
        return Section("changed", title, words, [Say("Settings, metrics and data are the same.")])
    table = Table(f"Only what differs from {before['ref']}", ("What", "Before", "Now"), rows[:MOST_ROWS])
    return Section("changed", title, words, [table])


def _flat(parts: Sequence[Json]) -> dict[str, str]:
    """Return settings, metrics and data of runs as one flat mapping of text."""
    flat: dict[str, str] = {}
    for part in parts:
        flat |= {f"setting {p['name']}": _value(p["value"]) for p in part["params"] if p["origin"] != "default"}
        flat |= {f"metric {k}": number(v) for k, v in part["summary"].items()}
        flat |= {f"data {d['name']}": f"{number(d['rows'])} rows, {d['fingerprint'][:12]}" for d in part["datasets"]}
    return flat


def parameters(snapshot: Json) -> Section:
    """Return every setting with where it came from."""
    rows = [
        (str(p["name"]), _value(p["value"]), str(p["origin"]), str(part["name"]))
        for part in facts.all_parts(snapshot)
        for p in part["params"]
        if p["origin"] != "default"
    ]
    defaults = [
        (str(p["name"]), _value(p["value"]), str(part["name"]))
        for part in facts.all_parts(snapshot)
        for p in part["params"]
        if p["origin"] == "default"
    ]
    blocks: list[Block] = []
    if rows:
        blocks.append(Table("Settings", ("Name", "Value", "Origin", "Part"), rows[:MOST_ROWS]))
    else:
        blocks.append(
            Missing("No settings were tracked", "literal assignments in a %%track cell are kept by themselves")
        )
    if defaults:
        table = Table("Defaults", ("Name", "Value", "Part"), defaults[:MOST_ROWS])
        blocks.append(Fold(f"{count(len(defaults), 'default')} nobody set", [table]))
    return Section("parameters", "Parameters", f"{count(len(rows), 'setting')}; secrets are masked.", blocks)


def data(snapshot: Json) -> Section:
    """Return which data went in and out, by fingerprint."""
    seen: dict[tuple[str, ...], tuple[str, ...]] = {}
    for part in facts.all_parts(snapshot):
        for d in part["datasets"]:
            key = (d["name"], d["fingerprint"], d["role"])
            about = (
                d["name"],
                d["role"],
                number(d["rows"]),
                str(len(d["columns"])),
                d["fingerprint"][:16],
                d["strength"],
            )
            seen.setdefault(key, about)
    heads = ("Name", "Role", "Rows", "Columns", "Fingerprint", "Of")
    if not seen:
        missing = Missing("No data was tracked", "name the frame in the tracked cell")
        return Section("data", "Data", "Which data this rests on is not known.", [missing])
    table = Table("Data by fingerprint of its content", heads, list(seen.values())[:MOST_ROWS], numeric=(2, 3))
    words = f"{count(len(seen), 'data set')}; the same fingerprint means the same content."
    blocks: list[Block] = [table]
    for result in facts.results(snapshot, "profile"):
        rows = number(result["data"].get("rows"))
        if found := result["data"].get("findings"):
            blocks += evidence.finding_tables(f"Profile of {rows} rows", facts.ordered(found))
    return Section("data", "Data", words, blocks)


def limits(snapshot: Json) -> Section:
    """Return what the model is for, and what it is not for, in the words of the charter."""
    title, charter = "Limits and intended use", snapshot["charter"]
    if not charter:
        missing = Missing("What the model is for was not agreed", "nbmlops charter new writes a charter to fill in")
        return Section("limits", title, "No charter: intended use and limits are not known.", [missing])
    if charter.get("unreadable"):
        return Section("limits", title, "The charter cannot be read.", [Missing(str(charter["unreadable"]), "mend it")])
    items = [(label, _prose(charter.get(key))) for key, label in CHARTER if charter.get(key)]
    gaps: list[Block] = [
        Missing(f"The charter says nothing about: {label.lower()}", f"write `{key}:` in charter.yaml")
        for key, label in CHARTER
        if not charter.get(key)
    ]
    return Section("limits", title, "In the words of the charter.", [Facts(items), *gaps] if items else gaps)


CHARTER = (
    ("problem", "Problem"),
    ("users", "Users"),
    ("decision", "Decision it supports"),
    ("value", "Value"),
    ("limits", "Limits"),
)


def _prose(value: Any) -> str:
    """Return what a person wrote in YAML as lines of text."""
    if isinstance(value, Mapping):
        return "\n".join(f"{str(k).replace('_', ' ')}: {_inline(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "\n".join(_prose(v) for v in value)
    return str(value)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{str(k).replace('_', ' ')} {_inline(v)}" for k, v in value.items())
    return ", ".join(map(_inline, value)) if isinstance(value, list) else str(value)


def reproducibility(snapshot: Json) -> Section:
    """Return what it takes to run it again."""
    run, machine = snapshot["run"], snapshot["environment"] or {}
    git = run.get("git") or next((p["git"] for p in snapshot["parts"] if p.get("git")), None)
    seeds = [
        f"{p['name']} = {_value(p['value'])}"
        for part in facts.all_parts(snapshot)
        for p in part["params"]
        if str(p["name"]).rpartition(".")[2].lower() in SEEDS and p["value"] is not None
    ]
    items = [
        ("Run", run["run_id"]),
        ("Notebook", run.get("notebook") or "none"),
        ("Started", when(run["started_at"])),
        ("Took", duration(run.get("duration_s"))),
        ("Commit", _commit(git)),
        ("Python", f"{machine.get('python', 'not recorded')} on {machine.get('platform', 'an unknown platform')}"),
        ("Packages", f"{len(machine.get('packages') or {})} recorded"),
        ("Seeds", joined(list(dict.fromkeys(seeds))) or "none set: a second run may differ"),
    ]
    blocks: list[Block] = [Facts(items)]
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
    return Section("audit", title, words, [table])


def glossary(snapshot: Json) -> Section:
    """Return the words a reader may not know."""
    return Section("glossary", "Glossary", "Words as they are used here.", [Facts(WORDS)])


WORDS = (
    ("champion, challenger", "The version whose predictions people get, and the one that may replace it."),
    ("held-out rows", "Rows kept away from training. What judges a model never saw its training rows."),
    ("95 % interval", "Where the true value plausibly lies. The fewer rows, the wider."),
    ("shown, not shown, broken", "The whole interval keeps the target; it crosses the target; all of it misses."),
    ("gate", "Champion and challenger on the same held-out rows, and what may be said of the difference."),
    ("drift", "A change larger than was agreed to be tolerable, not merely a difference."),
    ("roc_auc", "Chance that a case that came true is ranked above one that did not: 0.5 is guessing, 1 is perfect."),
    ("share_gap", "How far the predicted share is from the one observed."),
    ("calibration", "Whether, of cases predicted at 30 %, 30 % come true."),
    ("fingerprint", "A hash of content: the same fingerprint, the same data."),
    ("how known", "How far a name can be trusted: from the database, the CI, a login, git's setting, the computer."),
)


def appendix(snapshot: Json, notebook: bytes | None) -> Section:
    """Return the notebook, or the code of a run without one."""
    if notebook is not None:
        cells = sanitize.cells(notebook)
        kept = snapshot["notebook"] or {}
        words = (
            f"{count(len(cells), 'cell')}; artifact {str(kept.get('digest'))[:12]} ({size(kept.get('size_bytes'))})."
        )
        return Section("notebook", "Notebook", words, [Fold("Show the notebook", [Notebook(cells)])])
    if source := snapshot["run"].get("source"):
        return Section("notebook", "Code", "The code of this run.", [Fold("Show the code", [Code(source)])])
    missing = Missing("No executed notebook is kept with this run", "nbmlops run NOTEBOOK keeps it")
    return Section("notebook", "Notebook", "There is nothing to show.", [missing])


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:299]}…"
