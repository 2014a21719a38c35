"""Which notebook a kernel of Colab runs: only its server says so, and a thread asks while the user types."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import suppress
from pathlib import PurePosixPath

__all__ = ["ask", "path"]

HOME = PurePosixPath("/content")
PORT = 9000  # of the server beside the kernel, which lists its one session to it
TIMEOUT_S = 5.0
MOST_BYTES = 2**20

_found: list[str] = []


def ask() -> threading.Thread | None:
    """Begin to ask for the notebook, where this is Colab; what goes wrong leaves it unknown.

    Returns
    -------
    threading.Thread or None

    Examples
    --------
    >>> ask() is None  # not in Colab
    True
    """
    if "google.colab" not in sys.modules:
        return None
    thread = threading.Thread(target=_look, name="nbmlops-colab", daemon=True)
    thread.start()
    return thread


def path() -> str | None:
    """Return the notebook, as soon as the server has said so: a name, for its file lies in Drive."""
    return _found[-1] if _found else None


def _look() -> None:
    import socket
    from urllib.parse import unquote
    from urllib.request import ProxyHandler, build_opener

    with suppress(OSError, ValueError, LookupError, TypeError):
        host = socket.gethostbyname(socket.gethostname())
        direct = build_opener(ProxyHandler({}))
        with direct.open(f"http://{host}:{PORT}/api/sessions", timeout=TIMEOUT_S) as answer:
            name = PurePosixPath(unquote(json.loads(answer.read(MOST_BYTES))[0]["name"])).name
        if name.endswith(".ipynb"):
            _found.append(str(HOME / name))
