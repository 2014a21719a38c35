"""The few plug-in points: how a record is shown, and the names others may extend.

Lower layers never import the surfaces. A record that is displayed asks here for its view, and
the view is looked up by name, so that a kernel that displays nothing loads no view.
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

__all__ = ["Shown", "service", "view"]

VIEWS = "nbmlops.widgets"


def view(record: Shown) -> dict[str, Any]:
    """Return the MIME bundle (JSON, HTML, text) of a record.

    Parameters
    ----------
    record : Shown
        Anything that says what it ``shows`` and has a ``to_dict``.

    Returns
    -------
    dict
        MIME type to content.
    """
    bundle: dict[str, Any] = importlib.import_module(VIEWS).mimebundle(record.shows, record.to_dict())
    return bundle


def service(module: str, name: str) -> Any:
    """Return a function of a part further to the right, found by name when it is needed.

    The one seam across the order of the parts: drift asks the registry to score a frame with a stored model.

    Parameters
    ----------
    module : str
        Below ``nbmlops``, such as ``registry.models``.
    name : str
        The function's name.
    """
    return getattr(importlib.import_module(f"nbmlops.{module}"), name)


class Shown:
    """A record that shows itself: versioned JSON, script-free HTML and text."""

    shows: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values; every view is a function of it."""
        raise TypeError(f"{type(self).__name__} does not say how it becomes JSON")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return view(self)

    def __repr__(self) -> str:
        text: str = importlib.import_module(VIEWS).text(self.shows, self.to_dict())
        return text
