"""What may be shown of a flag: nothing about a private column, and nothing where nobody knows what is private."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.errors import NbmlopsError
from nbmlops.governance.charter import Charter, charter

__all__ = ["Masks"]

UNREAD = "not shown: the charter cannot be read, so nobody knows what is private"
TEXTS = ("text", "where")


@dataclass(frozen=True)
class Masks:
    """Which texts are masked: those that name a column of ``agreed.private``, all where it was not readable."""

    agreed: Charter | None
    unread: bool = False

    @classmethod
    def now(cls) -> Masks:
        """Return what the charter of this moment asks for."""
        try:
            return cls(charter())
        except NbmlopsError:
            return cls(None, True)

    def text(self, text: str) -> str:
        """Return a text as it may be shown."""
        if self.unread:
            return UNREAD
        return self.agreed.masked(text) if self.agreed else text

    def of(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was said as it may be shown; a key and a label go where any text of it is masked."""
        shown = {k: self.text(str(v)) if k in TEXTS and v else v for k, v in said.items()}
        if "evidence" in said:
            shown["evidence"] = [self.text(str(e)) for e in said["evidence"]]
        private = self.agreed.private if self.agreed else ()
        if (
            self.unread
            or said.get("target") in private
            or any(shown[k] != said[k] for k in (*TEXTS, "evidence") if k in said)
        ):
            shown = {k: v for k, v in shown.items() if k not in ("key", "value")}
        return shown
