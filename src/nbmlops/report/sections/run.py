"""What a run was, in its own words: what failed in it, its settings, its notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nbmlops.report import facts, sanitize
from nbmlops.report.blocks import Block, Code, Facts, Fold, Missing, Notebook, Say, Section, Table
from nbmlops.report.gathered.masked import SHOWN
from nbmlops.report.gathered.outside import GIVEN, UNSAID
from nbmlops.report.text import count, joined, short, size

__all__ = ["appendix", "failure", "parameters"]

Json = Mapping[str, Any]
MOST_ROWS = 200


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
    return [Section("failure", "The failure", "Where it stopped, and what was raised there.", blocks)]


def parameters(snapshot: Json) -> Section:
    """Return every setting with where it came from."""
    rows = [
        (str(p["name"]), short(p["value"]), str(p["origin"]), str(part["name"]))
        for part in facts.all_parts(snapshot)
        for p in part["params"]
        if p["origin"] != "default"
    ]
    defaults = [
        (str(p["name"]), short(p["value"]), str(part["name"]))
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


def appendix(snapshot: Json, notebook: bytes | None) -> Section:
    """Return the notebook, or the code of a run without one."""
    if notebook is not None:
        cells = sanitize.cells(notebook)
        hides = list(_hides(snapshot))
        if hides:
            cells = [_unprinted(cell) for cell in cells]
        kept = snapshot["notebook"] or {}
        words = (
            f"{count(len(cells), 'cell')}; artifact {str(kept.get('digest'))[:12]} ({size(kept.get('size_bytes'))})."
        )
        return Section("notebook", "Notebook", words, [*hides, Fold("Show the notebook", [Notebook(cells)])])
    if kept := snapshot.get("notebook"):
        lost = f"The executed notebook is lost or damaged: artifact {str(kept.get('digest'))[:12]}"
        missing = Missing(lost, "bring the artifacts back from a backup")
        return Section("notebook", "Notebook", "It was kept, and cannot be read.", [missing])
    if source := (snapshot.get("run") or {}).get("source"):
        return Section("notebook", "Code", "The code of this run.", [Fold("Show the code", [Code(source)])])
    missing = Missing("No executed notebook is kept with this run", "nbmlops run NOTEBOOK keeps it")
    return Section("notebook", "Notebook", "There is nothing to show.", [missing])


def _hides(snapshot: Json) -> Iterator[Say]:
    """Yield why no outputs are shown, and where who may see them finds them; nothing where they are shown."""
    private, unread = snapshot.get("private") or (), snapshot.get("unread")
    unread = unread or (snapshot.get("charter") or {}).get("unreadable")
    if not private and not unread:
        return
    why = f"The charter holds {joined(private)} private" if private else ""
    why = why if not unread else "charter.yaml cannot be read, so what is private is not known"
    run, file = snapshot.get("run") or {}, snapshot.get("file") or {}
    kept = (run.get("tags") or {}).get(
        "output"
    ) or f"the notebook among nb.get_run({run.get('run_id', '')[-6:]!r}).artifacts"
    yield Say(f"{why}: no output of a cell is shown here. Who may see them opens {file.get('name') or kept}.")


def _unprinted(cell: sanitize.Cell) -> sanitize.Cell:
    """Return a cell without what it printed and was given, which may be values of private columns."""
    if cell.kind != "code":
        return cell
    source = f"{GIVEN}# {SHOWN}" if cell.source.startswith(GIVEN) else cell.source
    return replace(cell, source=source, pieces=(sanitize.Piece("note", UNSAID),) if cell.pieces else ())
