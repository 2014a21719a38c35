"""Reports: the list, making one, and the page as it was made, with the rules a browser keeps it under."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import tornado.web
from jupyter_server.auth.decorator import authorized

from nbmlops.errors import Conflict, Invalid, NotFound, Unavailable
from nbmlops.server.base import Handler, Here

if TYPE_CHECKING:
    from nbmlops.store.artifacts import Artifacts
    from nbmlops.store.reports import Kept

__all__ = ["HEADERS", "PageHandler", "ReportsHandler", "address", "announce"]

# A page opened from a server would be of its origin, with its cookies; in a sandbox it is of none and runs nothing.
POLICY = (
    "sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
DIGEST = re.compile(r"[0-9a-f]{64}")
REF = re.compile(r"[A-Za-z0-9][^\s/\\\x00-\x1f]{0,299}")  # what a person types, never a file of this machine
FILES = (".ipynb", ".html", ".htm", ".json", ".md")
MOST = 200


class ReportsHandler(Handler):
    """``GET reports``: those that were made. ``POST reports``: make one."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{reports: [...]}``, the last made first."""
        await self.answer(_reports, without={"reports": []})

    @tornado.web.authenticated
    @authorized
    async def post(self) -> None:
        """Make the report of a run, a model, a comparison or the project once, and send where its page is."""
        await self.answer(_made, lambda: self.body(ref=str, refresh=bool))


class PageHandler(Handler):
    """``GET /nbmlops/report/REF?notebook=PATH``: a report that was made, in a sandbox."""

    @tornado.web.authenticated
    @authorized
    async def get(self, ref: str) -> None:
        """Send the page; the project is that of the notebook, else that of the server's folder."""
        absent = NotFound(f"No report of run {ref[:60]!r} is kept.", "Make it: nbmlops report RUN")
        await self.answer(_page, lambda: {"ref": ref, "absent": absent}, without=absent)

    def send(self, found: str) -> None:
        """Send a page that is of no origin: not this server's, whose cookies it would have."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.finish(found, set_content_type="text/html; charset=utf-8")


def announce(base_url: str, root: str) -> None:
    """Tell kernels, which inherit it, where this server sends reports from: its address and its folder."""
    os.environ["NBMLOPS_SERVER"] = base_url
    os.environ["NBMLOPS_SERVER_ROOT"] = str(Path(root).expanduser().resolve())


def address(here: Here, row: Kept) -> str:
    """Return where the page of a report is: one number of it, whatever is made later."""
    about = f"?notebook={quote(here.contents_path)}" if here.contents_path else ""
    return f"{here.base_url}nbmlops/report/{row.digest}{about}"


def _reports(here: Here) -> dict[str, Any]:
    from nbmlops.store import reports
    from nbmlops.tracking import session

    return {"reports": [_listed(here, row) for row in reports.listed(session.store())[:MOST]]}


def _listed(here: Here, row: Kept) -> dict[str, Any]:
    said = {"answer": row.data.get("answer"), "digest": row.digest, "url": address(here, row)}
    return {
        "ref": row.run_id or row.name,
        **{k: getattr(row, k) for k in ("kind", "title", "number", "made_at")},
        **said,
    }


def _made(here: Here, ref: str | None, refresh: bool | None) -> dict[str, Any]:
    from nbmlops.report.kept import take
    from nbmlops.report.kinds.kind import subject_of
    from nbmlops.store import reports
    from nbmlops.tracking import session

    if not REF.fullmatch(ref or "") or (ref or "").lower().endswith(FILES):
        raise Invalid(
            f"{(ref or '')[:40]!r} is nothing a report is made of here.", "Send a run's id, NAME@3 or project."
        )
    subject = subject_of(ref)
    taken = take(subject, bool(refresh))
    row = reports.newest(session.store(), subject.key)
    if taken.unkept or row is None:
        raise Unavailable(f"The report could not be kept: {taken.unkept}")
    return _listed(here, row) | {"stale": taken.stale}


def _page(here: Here, ref: str, absent: NotFound) -> str:
    """Return the page of a report by the hash of its facts, or of the newest of a run; looking makes none."""
    from nbmlops.report.page import render
    from nbmlops.store import reports
    from nbmlops.store.artifacts import Artifacts
    from nbmlops.tracking import session

    store = session.store()
    kept = reports.with_digest(store, ref) if DIGEST.fullmatch(ref) else reports.newest(store, f"run:{ref}")
    if kept is None:
        raise absent
    place = Artifacts.of(here.project)
    taken = json.loads(place.get(kept.digest).decode("utf-8", "surrogatepass"))
    return render(taken, _notebook(taken, place))


def _notebook(taken: Mapping[str, Any], place: Artifacts) -> bytes | None:
    """Return the executed notebook; None also where it is lost or damaged: its section says so."""
    notebook = taken.get("notebook")
    try:
        return place.get(notebook["digest"]) if notebook else None
    except (NotFound, Conflict):
        return None
