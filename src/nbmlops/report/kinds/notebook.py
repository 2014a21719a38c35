"""A notebook that was executed anywhere: the file is all that is known, and the page says what that leaves open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbmlops.errors import NbmlopsError
from nbmlops.records import iso
from nbmlops.report import executed, sanitize
from nbmlops.report.blocks import Block, Code, Facts, Fold, Missing, Say, Section, Table, Verdict, verdict
from nbmlops.report.decision import Decision, Part
from nbmlops.report.gathered import outside
from nbmlops.report.gathered.masked import SHOWN
from nbmlops.report.gathered.raised import raised
from nbmlops.report.kinds import run
from nbmlops.report.kinds.kind import Head, Kind, Subject
from nbmlops.report.sections.run import appendix
from nbmlops.report.text import count, duration, joined, number, size, stamp, visible, when
from nbmlops.tracking import session

__all__ = ["KIND", "find"]

Json = Mapping[str, Any]
TRACK = "execute it with nbmlops run, and begin the cells that count with %%track NAME"
UNTRACKED = "It is not recognised as what a run kept, so no model and no data is known."
# What a reviewer looks for and a file cannot tell, with what makes it known.
UNKNOWN = (
    ("data", "Data", "Which data it read or wrote", TRACK),
    ("checks", "Rules", "Whether the data keeps the rules", "%check FRAME in the notebook, with rules/<dataset>.yaml"),
    ("drift", "Drift", "Whether the data has changed since a reference", "%drift FRAME --against MODEL@champion"),
    ("performance", "Performance", "How good a model is on rows it has not seen", "%evaluate MODEL FRAME in a cell"),
    (
        "limits",
        "Limits and intended use",
        "What it may be used for and what not",
        "nbmlops charter new, then nbmlops run",
    ),
    ("audit", "Audit trail", "Who decided about it", "register its model, and promote or approve that"),
)


def find(ref: Any) -> Subject | None:
    """Return the notebook of a path that ends in ``.ipynb``; the run that made the file, where the store has it.

    Raises
    ------
    NotFound, NotAllowed, Invalid
        The file is not there, cannot be read, or is no notebook.
    """
    if not isinstance(ref, (str, os.PathLike)) or not str(ref).endswith(".ipynb"):
        return None
    from nbmlops.store.runs import that_kept

    found = executed.read(Path(ref))
    if ids := that_kept(session.store(), found.digest, run.NOTEBOOK):
        return run.find(ids[0])
    return Subject("notebook", f"notebook:{found.digest}", found.path.stem, found)


def _gather(subject: Subject) -> dict[str, Any]:
    """Return what the file says; a copy of it without secrets is kept, which the snapshot names by its digest."""
    found: executed.Executed = subject.about
    content, left_out = executed.copied(found)
    told = {**executed.about(found), **_hidden(found)}
    file = {"name": session.project().relative(found.path), "digest": found.digest, "size_bytes": len(found.raw)}
    kept = _kept(found, content, file)
    changed = content != found.raw
    return {
        **told,
        **kept,
        "file": {**file, "left_out": left_out, "changed": changed},
        "as_of": told["times"]["ended"] or kept["seen_at"] or iso(found.path.stat().st_mtime),
    }


def _hidden(found: executed.Executed) -> dict[str, Any]:
    """Return what is said instead of what may hold values of private columns; nothing where no column is private."""
    private, unread = outside.of_file(found.path)
    if not private and not unread:
        return {}
    about = executed.about(found)
    error = about["error"]
    if error:
        source = executed.source_of(found, error["cell"])
        error = {**raised(error, source, private, unread), "cell": error["cell"]}
    parameters = [{**p, "value": SHOWN} for p in about["parameters"]]
    return {"private": private, "unread": unread, "error": error, "parameters": parameters}


def _kept(found: executed.Executed, content: bytes, file: Json) -> dict[str, Any]:
    """Keep the copy, where the store takes it; say where it is, and when this notebook was first reported of."""
    try:
        kept = {"digest": session.artifacts().put(content), "size_bytes": len(content)}
        return {"notebook": kept, "seen_at": _seen(found.digest, {**file, "kept": kept["digest"]}), "unkept": ""}
    except (NbmlopsError, OSError) as error:
        return {"notebook": None, "seen_at": None, "unkept": getattr(error, "message", str(error))}


def _seen(digest: str, about: Json) -> str | None:
    """Return when this notebook was first reported of, and keep that: what a result mentions is not cleared away."""
    from nbmlops.store.runs import results_of

    if not results_of(session.store(), kind="notebook", subject=digest):
        session.keep("notebook", digest, about)
    found = results_of(session.store(), kind="notebook", subject=digest)
    return str(found[0]["at"]) if found else None


def _head(taken: Json) -> Head:
    times, file = taken["times"], taken["file"]
    began = f"started {when(times['began'])} · took {duration(times['duration_s'])}" if times["began"] else "no times"
    by = f"executed by {taken['by']}" if taken["by"] else "executed by hand or by a tool that does not say so"
    return Head(f"Notebook report: {visible(Path(file['name']).name)}", "notebook", f"{file['name']} · {began} · {by}")


def _decide(taken: Json) -> Decision:
    """Return page one: how far it came, what it printed of failures, and what nobody can know from a file."""
    parts = (
        Part("viable", "Is it viable?", [Missing("How good its answers are is not known from a file", TRACK)]),
        Part("worth", "Is it worth it?", [Missing("What it is worth is not known", "register its model, evaluated")]),
        Part("found", "What was found", _found(taken)),
        Part(
            "decided",
            "Who decided",
            [Missing("Nobody can approve a file that is not recognised as a run's", "nbmlops run NOTEBOOK")],
        ),
    )
    return Decision(*_asked(taken), parts)


def _asked(taken: Json) -> tuple[str, Verdict, str]:
    name, counts = Path(taken["file"]["name"]).name, taken["counts"]
    ran = f"{number(counts['completed'])} of {count(counts['code'], 'code cell')} ran to the end"
    if error := taken["error"]:
        what = f"{error['name']}: {error['message']}".rstrip(".") or "no reason given"
        since = f" Since {when(taken['times']['ended'])}." if taken["times"]["ended"] else ""
        return f"Notebook {name!r} failed in cell {error['cell']}", verdict("failed"), f"{what}.{since} {ran}."
    if left := taken.get("left"):
        why = f"Notebook {name!r} ended itself in cell {left}, by sys.exit(0): {ran}. {UNTRACKED}"
        return "Nothing is asked to be decided", Verdict("For information"), why
    if taken["status"] == "completed":
        why = f"Notebook {name!r} was executed whole: {ran}. {UNTRACKED}"
        return "Nothing is asked to be decided", Verdict("For information"), why
    if taken["status"] == "partly run":
        return f"Was all of {name!r} meant to run?", Verdict("Partly run", "warn"), f"Only {ran}."
    return f"Was {name!r} executed?", Verdict("Not executed", "warn"), "It holds no trace of a code cell that ran."


def _found(taken: Json) -> list[Block]:
    rows = [(verdict(word), said) for word, said in _findings(taken)]
    return [Table("What the file shows", ("Outcome", "Finding"), rows)]


def _findings(taken: Json) -> list[tuple[str, str]]:
    counts, order, error = taken["counts"], taken["order"], taken["error"]
    found = [("issue", f"cell {error['cell']} raised {error['name']}")] if error else []
    if skipped := counts["not run"] + counts["running"]:
        left = taken.get("left")
        why = f", since cell {left} ended the notebook by sys.exit(0)" if left else ""
        found.append(("skipped" if left else "warning", f"{count(skipped, 'code cell')} did not run to the end{why}"))
    if order:
        cells = joined([str(n) for n in order[:8]])
        found.append(("warning", f"cells ran in another order than they stand: {cells} before one above"))
    if not counts["code"]:
        found.append(("skipped", "there is no code in it"))
    expected = [("passed", f"cell {e['cell']} raised {e['name']}, as it may") for e in taken.get("expected", ())[:8]]
    return found + expected or [("passed", "every code cell ran, in the order they stand, and none raised an error")]


def _sections(taken: Json, notebook: bytes | None) -> list[Section]:
    return [
        *_failure(taken),
        _parameters(taken),
        _cells(taken),
        *(_unknown(*about) for about in UNKNOWN),
        _reproducibility(taken),
        appendix(taken, notebook),
    ]


def _failure(taken: Json) -> list[Section]:
    error = taken["error"]
    if not error:
        return []
    where = f"cell {error['cell']} of {number(taken['counts']['all'])}"
    blocks: list[Block] = [Facts([("Where", where), ("What", f"{error['name']}: {error['message']}")])]
    trace = sanitize.pieces({"output_type": "stream", "text": error["traceback"]}, tail=True)
    if trace:
        blocks.append(Fold("Traceback", [Code(p.content) if p.kind == "text" else Say(p.content) for p in trace]))
    return [Section("failure", "The failure", "Where it stopped, and what was raised there.", blocks)]


def _parameters(taken: Json) -> Section:
    rows = [(p["name"], p["value"], "given" if p["given"] else "the notebook's own") for p in taken["parameters"]]
    if rows:
        table = Table("Parameters", ("Name", "Value", "Origin"), rows)
        return Section("parameters", "Parameters", f"{count(len(rows), 'parameter')}; secrets are masked.", [table])
    do = "papermill writes them into the file; nbmlops run NOTEBOOK -p NAME VALUE keeps them with the run"
    missing = Missing("No parameters are known", do)
    return Section("parameters", "Parameters", "What it was run with is not known.", [missing])


def _cells(taken: Json) -> Section:
    heads = ("Cell", "Begins", "Status", "Run as", "Took", "Outputs")
    rows = [
        (
            str(c["number"]),
            c["begins"],
            verdict(c["status"]),
            f"[{c['count']}]" if c["count"] is not None else "-",
            duration(c["duration_s"]),
            number(c["outputs"]),
        )
        for c in taken["cells"]
    ]
    title, times = "Cells", taken["times"]
    if not rows:
        return Section("cells", title, "There is no code cell.", [Missing("There is no code in it", "name another")])
    blocks: list[Block] = [Table("Code cells, as they stand", heads, rows, numeric=(0, 4, 5))]
    if more := taken["counts"]["code"] - len(rows):
        blocks.append(Say(f"{count(more, 'more code cell')} in the notebook below."))
    if not times["began"]:
        do = "in JupyterLab, Settings, Notebook, Record timing; papermill and nbmlops run write them"
        blocks.append(Missing("When it ran and how long is not known", do))
    return Section("cells", title, "Which cells ran, how they ended and how long they took.", blocks)


def _unknown(key: str, title: str, what: str, do: str) -> Section:
    return Section(key, title, "A file alone does not tell.", [Missing(f"{what} is not known", do)])


def _reproducibility(taken: Json) -> Section:
    file, kernel, times = taken["file"], taken["kernel"], taken["times"]
    language = f"{kernel['language']} {kernel['version']}".strip()
    items = [
        ("File", f"{file['name']} ({size(file['size_bytes'])})"),
        ("SHA-256", file["digest"]),
        ("Executed by", taken["by"] or "not recorded"),
        ("Started", stamp(times["began"]) if times["began"] else "not recorded"),
        ("Took", duration(times["duration_s"])),
        ("Kernel", kernel["name"] or "not recorded"),
        ("Language", language or "not recorded"),
    ]
    blocks: list[Block] = [Facts(items), *_of_the_copy(taken)]
    blocks += [
        Missing("Which code version it was is not known", "git init and commit; nbmlops run records the commit"),
        Missing("Which packages it ran with is not known", "nbmlops run records them"),
        Missing("Which seeds were set is not known", "set them in a %%track cell"),
    ]
    return Section("reproducibility", "Reproducibility", "What it takes to run it again.", blocks)


def _of_the_copy(taken: Json) -> list[Block]:
    """Say where the copy that is kept is not the file."""
    file = taken["file"]
    blocks: list[Block] = []
    if taken["unkept"]:
        blocks.append(Missing(f"No copy could be kept: {taken['unkept']}".rstrip("."), "nbmlops doctor says more"))
    elif file["changed"]:
        blocks.append(Say("Secrets are masked in the copy that is kept and shown below."))
    if left := file["left_out"]:
        blocks.append(Say(f"{count(left, 'character')} of long outputs are in the file alone."))
    return blocks


KIND = Kind(find, _gather, _head, _decide, _sections)
