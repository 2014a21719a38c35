"""A fitted pipeline in sentences: what becomes of each column, and how the answer is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbmlops.capture.settings import settings

__all__ = ["sentences"]


def sentences(model: Any, columns: Sequence[str] = ()) -> list[str]:
    """Return what a fitted model does, step by step."""
    steps = getattr(model, "steps", None)
    if steps:
        return [s for _, step in steps for s in sentences(step)]
    chosen = ", ".join(f"{k.partition('.')[2]}={v}" for k, v in settings(model)[0].items())
    return [f"{type(model).__name__}" + (f" ({chosen})" if chosen else "")]
