"""What a cell showed: text, displayed values, pictures. Little of it, secrets masked, in one file of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nbmlops.capture import secrets
from nbmlops.tracking.log import log_artifact

__all__ = ["Outputs"]

FILE = "outputs.json"
MOST_TEXT = 64_000  # characters of each stream
MOST_SHOWN = 50
MOST_OF_ONE = {"text/plain": 20_000, "text/html": 60_000, "text/markdown": 20_000, "text/latex": 20_000}
PICTURES = {"image/png": "png", "image/jpeg": "jpg"}
MOST_PICTURES = 20
MOST_PICTURE_BYTES = 10 * 2**20


class Outputs:
    """Collects what one run showed; cut where it is long, and says so.

    Parameters
    ----------
    run_id : str
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.streams: dict[str, list[str]] = {}
        self.room = dict.fromkeys(("stdout", "stderr"), 2 * MOST_TEXT)  # what is cut is far behind what is kept
        self.shown: list[dict[str, str]] = []
        self.pictures = 0
        self.cut = False

    def write(self, stream: str, text: str) -> None:
        """Take text that was printed."""
        left = self.room[stream]
        self.cut = self.cut or len(text) > left
        if left > 0 and text:
            self.streams.setdefault(stream, []).append(text[:left])
            self.room[stream] = left - len(text)

    def show(self, data: Mapping[str, Any]) -> None:
        """Take what was displayed, by MIME type: text as it is, a picture as a file of its own."""
        if any(kind.startswith("application/vnd.nbmlops.") for kind in data):
            return  # what we show ourselves is in the store already
        for kind, suffix in PICTURES.items():
            if kind in data:
                self._picture(data[kind], suffix, kind)
        texts = {k: secrets.redact(str(data[k])[: 2 * most]) for k, most in MOST_OF_ONE.items() if k in data}
        kept = {k: self._cut(text, MOST_OF_ONE[k]) for k, text in texts.items()}
        if kept and len(self.shown) < MOST_SHOWN:
            self.shown.append(kept)
        elif kept:
            self.cut = True

    def keep(self) -> None:
        """Write it as a file of the run, if there was anything."""
        if not (self.streams or self.shown):
            return
        streams = {name: self._cut(secrets.redact("".join(parts)), MOST_TEXT) for name, parts in self.streams.items()}
        data = json.dumps({"streams": streams, "displayed": self.shown, "cut": self.cut}, ensure_ascii=False)
        log_artifact(FILE, data.encode("utf-8", "replace"), "application/json", run_id=self.run_id)

    def _cut(self, text: str, most: int) -> str:
        self.cut = self.cut or len(text) > most
        return text[:most]

    def _picture(self, data: Any, suffix: str, kind: str) -> None:
        import base64

        content = base64.b64decode(data) if isinstance(data, str) else bytes(data)
        if self.pictures >= MOST_PICTURES or len(content) > MOST_PICTURE_BYTES:
            self.cut = True
            return
        self.pictures += 1
        log_artifact(f"figure-{self.pictures}.{suffix}", content, kind, run_id=self.run_id)
