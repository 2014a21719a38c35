"""The Jupyter Server extension: JSON for the Lab panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__all__ = ["load"]


def load(server_app: ServerApp) -> None:
    """Add our addresses to a Jupyter server: called by the server when the extension is enabled."""
    from nbmlops.server import reports, ticking
    from nbmlops.server.handlers import routes

    server_app.web_app.add_handlers(".*$", routes(server_app.base_url))  # type: ignore[no-untyped-call]
    reports.announce(server_app.base_url, server_app.root_dir)
    server_app.log.info("nbmlops: serving the panel")
    ticking.begin(server_app)
