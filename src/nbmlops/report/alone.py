"""A notebook alone as one page: its prose, its code on demand, what it printed made safe. No run, no store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbmlops.report import executed
from nbmlops.report.blocks import Table
from nbmlops.report.markdown import Heading
from nbmlops.report.page import environment, template
from nbmlops.report.sanitize import ALONE, cells
from nbmlops.report.text import count, duration, when

__all__ = ["drawn"]

Json = Mapping[str, Any]
LONGEST_TITLE = 200


def drawn(content: Json, name: str, code: bool = True) -> str:
    """Return the page of a notebook: one HTML file, the same for the same notebook.

    Secrets are masked, also those the notebook printed; what is too long is cut, and says so.

    Parameters
    ----------
    content : mapping
        A notebook of format 4.
    name : str
        What it is called where it has no title of its own.
    code : bool
        Show the code of cells too.

    Returns
    -------
    str

    Examples
    --------
    >>> page = drawn({"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# Late flights"}]}, "late")
    >>> '<h2 id="part-1">Late flights</h2>' in page
    True
    """
    found = executed.Executed(Path(name), b"", content)
    about, (kept, _) = executed.about(found), executed.copied(found)
    shown: Json = json.loads(kept) if kept else content
    outline: list[Heading] = []
    facts = {
        "title": _title(content, name),
        "over": "Notebook",
        "meta": " · ".join(_meta(about)),
        "error": about["error"],
        "parameters": _parameters(about),
        "cells": cells(shown if code else _without_code(shown), ALONE, outline),
        "outline": outline,
        "css": template("page.css"),
    }
    return environment().get_template("notebook.html.j2").render(facts)


def _without_code(content: Json) -> Json:
    """Return a notebook whose code cells are their outputs."""
    raw = content.get("cells")
    kept = raw if isinstance(raw, list) else []
    return {**content, "cells": [{**c, "source": ""} if _is_code(c) else c for c in kept]}


def _is_code(cell: Any) -> bool:
    return isinstance(cell, Mapping) and cell.get("cell_type") == "code"


def _title(content: Json, name: str) -> str:
    """Return the title an author set, else the file's name; never a heading, which the page has below."""
    metadata = content.get("metadata")
    title = metadata.get("title") if isinstance(metadata, Mapping) else None
    return (title if isinstance(title, str) and title.strip() else name)[:LONGEST_TITLE]


def _meta(about: Json) -> list[str]:
    counts, times, kernel = about["counts"], about["times"], about["kernel"]
    ran = f"{counts['completed']:,} of {count(counts['code'], 'code cell')} ran to the end"
    began = [f"started {when(times['began'])}, took {duration(times['duration_s'])}"] if times["began"] else []
    return [ran, *filter(None, [about["by"], kernel["name"]]), *began]


def _parameters(about: Json) -> Table | None:
    rows = [(p["name"], p["value"], "given" if p["given"] else "the notebook's own") for p in about["parameters"]]
    return Table("What it was run with; secrets are masked", ("Name", "Value", "Origin"), rows) if rows else None
