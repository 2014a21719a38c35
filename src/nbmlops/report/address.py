"""Where a server sends a kept report from, for who reads its card beside the notebook."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, urlencode

__all__ = ["address"]


def address(run_id: str, number: int) -> str:
    """Return where the server this kernel runs under sends a report from; an empty text where it does not.

    It begins with a slash: JupyterLab takes any other for a file beside the notebook.

    Parameters
    ----------
    run_id : str
        The run whose report it is, empty where it is of none.
    number : int
        The how-manyth it is; 0 where it is not kept.

    Examples
    --------
    >>> address("", 0)
    ''
    """
    from nbmlops.capture.environment import notebook_path

    base, root, notebook = (os.environ.get(f"NBMLOPS_{n}") for n in ("SERVER", "SERVER_ROOT", "NOTEBOOK"))
    notebook = notebook or notebook_path()
    if not (base and root and notebook and run_id and number):
        return ""
    path = Path(notebook).resolve()
    if not path.is_relative_to(root):
        return ""
    asked = urlencode({"notebook": path.relative_to(root).as_posix()})
    return f"{base}nbmlops/report/{quote(run_id, safe='')}?{asked}"
