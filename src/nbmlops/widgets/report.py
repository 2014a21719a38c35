"""The small card of a report: where it is, and what it says first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from nbmlops.report.text import says
from nbmlops.widgets.html import card, esc

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    body = f"<div><strong>{esc(says(data['question'], data['answer']))}</strong></div><div>{esc(data['because'])}</div>"
    place = f"<div><code>{esc(data['path'])}</code></div>"
    if address := _address(data):
        place = f'<div><a href="{esc(address)}" target="_blank" rel="noopener">Open the report</a></div>{place}'
    if data["note"]:
        place += f"<div>▲ {esc(data['note'])}</div>"
    if data.get("sent"):
        place += f"<div>{esc(data['sent']['words'])}</div>"
    number = f"Report {data['number']}. " if data["number"] else ""
    hint = f"{number}Facts as of {data['as_of']}, SHA-256 {data['digest'][:12]}."
    return card(data["title"], body=body + place, hint=hint)


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    lines = [data["title"], says(data["question"], data["answer"]), data["because"], data["path"], data["note"]]
    lines += [data["sent"]["words"]] if data.get("sent") else []
    return "\n".join(filter(None, lines))


def _address(data: Mapping[str, Any]) -> str:
    """Return where the server this kernel runs under sends the report from; an empty text where it does not.

    It begins with a slash: JupyterLab takes any other for a file beside the notebook.
    """
    from nbmlops.capture.environment import notebook_path

    base, root, notebook = (os.environ.get(f"NBMLOPS_{n}") for n in ("SERVER", "SERVER_ROOT", "NOTEBOOK"))
    notebook = notebook or notebook_path()
    if not (base and root and notebook and data["run_id"] and data["number"]):
        return ""
    path = Path(notebook).resolve()
    if not path.is_relative_to(root):
        return ""
    asked = urlencode({"notebook": path.relative_to(root).as_posix()})
    return f"{base}nbmlops/report/{quote(data['run_id'], safe='')}?{asked}"
