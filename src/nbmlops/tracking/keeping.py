"""Keep the model a run fitted: as a safe file when it is small enough, else by reference while the process lives."""

from __future__ import annotations

import pickle
import time
import weakref
from dataclasses import dataclass
from typing import Any

from nbmlops.capture import estimators, secrets
from nbmlops.capture.settings import short
from nbmlops.errors import NbmlopsError
from nbmlops.hooks import service
from nbmlops.records import plain
from nbmlops.store import waiting
from nbmlops.tracking import opened as state
from nbmlops.tracking.log import log_stored

__all__ = ["Kept", "keep_model"]

MAX_MB = 64
MEDIA_TYPE = "application/x-skops"
_saved: weakref.WeakKeyDictionary[Any, tuple[Any, str, int]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Kept:
    """What became of a model: the file's name, or why there is none, and how long it took."""

    name: str = ""
    why_not: str = ""
    took_s: float = 0.0


class _TooLarge(Exception):
    """The model's data is larger than what is kept as a file."""


class _Scale:
    """A file that weighs what is written to it and keeps nothing."""

    def __init__(self, limit_bytes: float) -> None:
        self.limit_bytes, self.weight_bytes = limit_bytes, 0

    def write(self, data: Any) -> int:
        """Weigh some bytes."""
        size = len(data) if isinstance(data, bytes) else memoryview(data).nbytes
        self.weight_bytes += size
        if self.weight_bytes > self.limit_bytes:
            raise _TooLarge
        return size


def keep_model(run_id: str, model: Any, name: str) -> Kept:
    """Save a fitted model as a file of its run, unless it is too large or no data; what was saved is not written again.

    Parameters
    ----------
    run_id : str
    model : object
        A fitted estimator; of a search the best one it found.
    name : str
        Its variable.

    Returns
    -------
    Kept
    """
    if hidden := _secret_param(model):
        return Kept(why_not=f"{hidden} holds a secret: this kernel holds the model while it lives")
    limit_mb = float(state.project().setting("capture", "model_max_mb", MAX_MB))
    began, file = time.perf_counter(), f"model/{name}.skops"
    try:
        digest, size_bytes = _stored(model, limit_mb * 2**20)
    except _TooLarge:
        return Kept(why_not=f"larger than {limit_mb:g} MB: this kernel holds it while it lives")
    except NbmlopsError as error:
        return Kept(why_not=f"no safe file, this kernel holds it while it lives ({error.message.rstrip('.')})")
    log_stored(run_id, file, digest, size_bytes, MEDIA_TYPE)
    return Kept(file, took_s=time.perf_counter() - began)


def _secret_param(model: Any) -> str:
    """Return a parameter that holds a secret, which a file of the model would spell out; "" when there is none."""
    for name, value in model.get_params(deep=True).items() if hasattr(model, "get_params") else ():
        said = plain(short(value))
        if isinstance(said, (str, list, dict)) and secrets.redact_value(name.rpartition("__")[2], said) != said:
            return secrets.redact(name)
    return ""


def _stored(model: Any, limit_bytes: float) -> tuple[str, int]:
    """Return digest and size of a model's file, those of an earlier run where nothing has changed since."""
    model = getattr(model, "best_estimator_", model) if hasattr(model, "cv_results_") else model
    now = estimators.mark(model)
    before = _saved.get(model)
    if before is not None and before[0] == now:
        return before[1], before[2]
    _weigh(model, limit_bytes)
    data, _ = service("registry.files", "dump")(model)
    if len(data) > limit_bytes:
        raise _TooLarge
    digest, size_bytes = waiting.keep(state.artifacts(), data)
    _saved[model] = (now, digest, size_bytes)
    return digest, size_bytes


def _weigh(model: Any, limit_bytes: float) -> None:
    """Raise when a model is too large, without copying its arrays: only a count of what pickle would write."""
    scale = _Scale(limit_bytes)
    try:
        pickler = pickle.Pickler(scale, protocol=5, buffer_callback=lambda b: bool(scale.write(b.raw())) and False)
        pickler.dump(model)
    except _TooLarge:
        raise
    except Exception:  # what cannot be pickled may yet be written as data: that decides
        return
