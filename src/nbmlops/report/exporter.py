"""The front door of nbconvert: ``jupyter nbconvert --to nbmlops NOTEBOOK.ipynb``.

nbconvert reads the file and writes the page; the page itself is ours, not a template of its ``HTMLExporter``: those put
outputs on the page as they are, and load scripts and fonts.
"""

from __future__ import annotations

from typing import Any

from nbconvert.exporters import Exporter
from traitlets import default

from nbmlops.report.alone import drawn

__all__ = ["NbmlopsExporter"]


class NbmlopsExporter(Exporter):  # type: ignore[misc]
    """Make one HTML file of a notebook that runs nothing and loads nothing: to mail, to archive, to print.

    ``--no-input`` leaves out the code, as in the other exporters (it sets ``TemplateExporter.exclude_input``).

    Examples
    --------
    >>> import nbformat
    >>> notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Late flights")])
    >>> page, _ = NbmlopsExporter().from_notebook_node(notebook)
    >>> "<script" in page
    False
    """

    export_from_notebook = "Safe HTML (nbmlops)"
    output_mimetype = "text/html"

    @default("file_extension")
    def _extension(self) -> str:
        return ".html"

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        """Return the page of a notebook, and what nbconvert needs to write it."""
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        hidden = str(self.config.TemplateExporter.get("exclude_input", False)).lower() in ("true", "1")
        return drawn(nb, str(resources["metadata"].get("name") or "Notebook"), code=not hidden), resources
