"""What current data is held against: another frame, a profile, or what a model version was registered with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nbmlops import hooks
from nbmlops.drift import performance
from nbmlops.drift.estimated import HeldOut
from nbmlops.drift.performance import Known
from nbmlops.drift.profile import Profile, build
from nbmlops.drift.repeats import Repeats, repeated_rows
from nbmlops.errors import Invalid, NbmlopsError
from nbmlops.quality import look

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Reference", "load"]


@dataclass(frozen=True)
class Reference:
    """A profile and what is known of it; ``model`` is the pinned name of a model version, or empty."""

    name: str
    profile: Profile
    inputs: tuple[str, ...]
    target: str | None = None
    prediction: str | None = None
    metrics: Mapping[str, Any] | None = None
    importance: Mapping[str, float] | None = None
    model: str = ""
    held_out: HeldOut | None = None
    frame: pd.DataFrame | None = field(default=None, repr=False, compare=False)  # rows at hand, never kept
    awaited: tuple[str, ...] = ()  # what is not known of every row yet, an answer or an outcome: rows do not lack it
    to_come: Callable[[pd.DataFrame], str] | None = field(default=None, repr=False, compare=False)  # why rows wait
    trained: str = ""  # the model these very rows were fitted to: they say nothing of how well it answers

    def repeated(self) -> Repeats | None:
        """Return what repeats in the reference over its inputs, or None where that is not known."""
        if self.frame is not None:
            return repeated_rows(self.frame, self.inputs)
        known = self.profile.whole.repeated if self.profile.whole else None
        return known if self.model or {*self.inputs} == {*self.profile.columns} else None

    def segment(self, key: str) -> Reference | None:
        """Return the same reference for one segment, or None where it has no such segment."""
        tallies = self.profile.segments.get(key)
        if tallies is None:
            return None
        rows = max((t.rows for t in tallies.values()), default=0)
        part = replace(self.profile, rows=rows, total=tallies, chunks={}, segments={}, relations={})
        return replace(self, profile=part, metrics=None, frame=None)


def load(
    reference: Any, target: str | None, prediction: str | None, chunk: str | None = None, by: str | None = None
) -> Reference:
    """Return the reference behind a model's name, a profile or a frame.

    Raises
    ------
    NotFound
        No such model, or one registered without an evaluation.
    Invalid
        Neither a name nor a profile nor a frame, or one column as chunk and target.
    """
    if chunk is not None and chunk in (target, prediction):
        raise Invalid(f"Column {chunk!r} cannot be both chunk and target or prediction.", "A chunk is not compared.")
    if isinstance(reference, str) and not look.is_file(reference):
        return _of_model(reference)
    if isinstance(reference, Profile):
        return _of_profile("profile", reference, target or reference.target, prediction)
    frame = look.as_frame(reference)
    for name, role in ((target, "target"), (prediction, "prediction"), (by, "segment")):
        look.require(frame, name, role)
    made = build(frame, chunk if chunk in frame.columns else None, by)
    found = replace(_of_profile("frame", made, target, prediction), frame=frame)
    return _answered(found, frame, target, prediction) if target and prediction else found


def _answered(found: Reference, frame: pd.DataFrame, target: str, prediction: str) -> Reference:
    """Let a frame with answers and truth judge others, unless a model was fitted on its rows."""
    with suppress(NbmlopsError):  # a store that cannot be asked: then it is not known, and so it is said
        if trained := hooks.service("registry.values", "fitted_on")(frame):
            return replace(found, trained=trained)
    known = performance.paired(frame[target], frame[prediction], found.profile.columns[target])
    metrics = None if isinstance(known, str) else performance.measured(known)
    return replace(found, metrics=metrics, held_out=HeldOut(lambda: known, judged=False))


def _of_profile(name: str, profile: Profile, target: str | None, prediction: str | None) -> Reference:
    inputs = tuple(c for c in profile.columns if c not in (target, prediction))
    return Reference(name, profile, inputs, target, prediction)


def _of_model(ref: str) -> Reference:
    pinned = hooks.service("registry.models", "model_version")(ref).ref
    known = hooks.service("registry.models", "reference")(pinned)
    profile = Profile.from_json(known["profile"])
    importance = known.get("importance") or {}
    found = Reference(
        pinned,
        profile,
        tuple(c for c in known["columns"] if c in profile.columns),
        known.get("target"),
        known.get("prediction"),
        known.get("metrics") or {},
        importance if sum(importance.values()) > 0 else None,
        pinned,
        HeldOut(lambda: Known(*hooks.service("registry.values", "held_out")(pinned)), judged=True),
    )
    if not found.inputs:
        raise Invalid(f"The reference of {pinned} has no columns.", "Register the model again, with an evaluation.")
    return found
