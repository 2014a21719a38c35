"""One prediction, asked for again: who asked, of which version, of what, what was said, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from nbmlops.errors import NbmlopsError, NotFound
from nbmlops.hooks import Shown, service
from nbmlops.records import ModelVersion, plain
from nbmlops.tracking import session

__all__ = ["Prediction", "open_flags", "prediction"]

JUDGED = ("outcome", "opinion")  # what answers a flag
Json = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Prediction(Shown):
    """One answer of a model version; ``found["value"]`` is ``found.value``."""

    shows: ClassVar[str] = "prediction"

    prediction_id: str
    model: str
    version: int
    at: str
    value: Any
    probability: float | None = None  # of the positive class of two, else of the predicted one
    key: Any = None  # what the row is called in the business
    key_at: Any = None
    batch: str | None = None
    caller: str | None = None
    run_id: str | None = None
    latency_s: float | None = None  # of the block it was made in
    rows: int = 1  # of that block
    inputs: Mapping[str, Any] | None = None  # None where they are not kept, or no longer
    masked: tuple[str, ...] = ()  # columns that are private: no value is kept or shown
    answers: Mapping[str, Any] = field(default_factory=dict)  # target, task, classes, positive
    then: Mapping[str, Any] = field(default_factory=dict)  # what the version was when it answered
    now: Mapping[str, Any] = field(default_factory=dict)  # and what it is
    feedback: tuple[Mapping[str, Any], ...] = ()  # oldest first
    flags: tuple[Mapping[str, Any], ...] = ()  # of it those nobody has answered

    @property
    def ref(self) -> str:
        """The version that answered: ``late-flights@3``."""
        return f"{self.model}@{self.version}"

    @property
    def reasons(self) -> Any:
        """The inputs that moved this answer (see :func:`nbmlops.explain`), computed when they are asked for.

        Raises
        ------
        NotFound
            Its inputs or the background of its version are not kept.
        """
        return service("monitoring.explaining.explain", "explain")(self.ref, self.prediction_id)

    def to_dict(self, reasons: bool = False) -> Json:
        """Return plain JSON; ``reasons`` adds why, or why that cannot be said."""
        data = {**plain(self), "ref": self.ref}
        return {**data, "reasons": self._reasons()} if reasons else data

    def _reasons(self) -> Json:
        try:
            found: Json = self.reasons.to_dict()
        except NbmlopsError as error:
            return {"missing": str(error)}
        return found

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)

    def keys(self) -> tuple[str, ...]:
        """Return the names that may be asked for."""
        return tuple(f.name for f in fields(self))


def prediction(prediction_id: str) -> Prediction:
    """Return one prediction: who asked, when, which version, of what, what was said, and the feedback it got.

    Parameters
    ----------
    prediction_id : str
        As :func:`predict` or the service returned it.

    Returns
    -------
    Prediction
        ``.reasons`` says why it was answered so; ``.flags`` are those nobody has answered yet.

    Raises
    ------
    NotFound
        No prediction has this id.

    Examples
    --------
    >>> nb.prediction("0190...")["value"]  # doctest: +SKIP
    True
    """
    from nbmlops.monitoring.predicting.recorded import content
    from nbmlops.store import predictions as stored

    asked = str(prediction_id).strip().lower()
    found = stored.find(session.store(), asked)
    if found is None:
        raise _unknown(prediction_id, asked)
    block, place = found
    columns = content(block)
    inputs = columns.pop("inputs")
    said = {name: plain(column.iloc[place]) for name, column in columns.items()}
    version, then, now_ = _states(block.model, block.version, block.at)
    kept, masked = _shown(None if inputs is None else plain(inputs.iloc[place].to_dict()), version)
    came = tuple(_feedback(asked, block.model, said.get("key")))
    about = ("model", "version", "run_id", "at", "batch", "caller", "latency_s", "rows")
    return Prediction(
        prediction_id=asked,
        **{name: getattr(block, name) for name in about},
        value=said["value"],
        probability=_number(said.get("probability")),
        key=said.get("key"),
        key_at=said.get("key_at"),
        inputs=kept,
        masked=masked,
        answers=_answers(version),
        then=then,
        now=now_,
        feedback=came,
        flags=(*open_flags(came), *_governed(asked)),
    )


def _governed(asked: str) -> list[dict[str, Any]]:
    """Return the open flags people put on a prediction by name (nb.flag), as feedback is shown; texts are masked."""
    found = service("governance.flags.listed", "found")(asked, "open")
    return [{"kind": "flag", "reason": f.text, "actor": f.author, "at": f.at, "flag_id": f.flag_id} for f in found]


def open_flags(came: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the flags on one prediction that no outcome and no opinion has answered since.

    Parameters
    ----------
    came : list of dict
        Feedback of one prediction, oldest first.

    Examples
    --------
    >>> flag, outcome = {"kind": "flag"}, {"kind": "outcome"}
    >>> len(open_flags([outcome, flag])), len(open_flags([flag, outcome]))
    (1, 0)
    """
    last = max((place for place, row in enumerate(came) if row["kind"] in JUDGED), default=-1)
    return tuple(row for row in came[last + 1 :] if row["kind"] == "flag")


def _unknown(given: Any, asked: str) -> NotFound:
    from nbmlops.store import predictions as stored

    said = str(given)[:60]
    if not stored.ID.fullmatch(asked):
        return NotFound(f"No prediction {said!r} in this project.", "An id has 36 characters; nb.predict returns them.")
    return NotFound(
        f"No prediction {said!r} in this project.", "nb.predict returns the ids; --no-log and log=False keep none."
    )


def _states(name: str, number: int, at: str) -> tuple[ModelVersion | None, Json, Json]:
    """Return a version, what it was at a time, and what it is now."""
    from nbmlops.registry import past
    from nbmlops.store import models

    version = models.recorded(session.store(), name, number)
    if version is None:
        return None, {"aliases": [], "known": False}, {"aliases": [], "known": False, "champion": None}
    moves = past.moves(name)
    then, today = _pointing([e for e in moves if e["at"] <= at]), _pointing(moves)
    deleted = models.version(session.store(), name, number) is None
    now_ = {"aliases": _of(today, number), "known": True, "deleted": deleted, "champion": today.get("champion")}
    return version, {"aliases": _of(then, number), "known": True}, now_


def _pointing(moves: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    return {e["subject"].rpartition("@")[2]: e["data"]["version"] for e in moves}


def _of(pointing: Mapping[str, int | None], number: int) -> list[str]:
    return sorted(alias for alias, version in pointing.items() if version == number)


def _shown(inputs: Json | None, version: ModelVersion | None) -> tuple[Json | None, tuple[str, ...]]:
    """Return inputs without those that are private now or were at registration, and the names of these."""
    from nbmlops.registry import kept

    signature = version.signature if version else {}
    hidden = {*kept.private(), *(signature.get("private") or ())}
    taken = [c["name"] for c in signature.get("columns") or ()] or list(inputs or ())
    masked = tuple(name for name in taken if name in hidden)
    if inputs is None:
        return None, masked
    ordered = [n for n in taken if n in inputs] + [n for n in inputs if n not in taken]
    return {name: inputs[name] for name in ordered if name not in hidden}, masked


def _feedback(prediction_id: str, model: str, key: Any) -> list[Json]:
    """Return the feedback of a prediction, oldest first, also what came under its key before it was made."""
    from nbmlops.store import predictions as stored

    came = stored.newest(session.store(), [prediction_id])
    came += [] if key is None else _by_key(prediction_id, model, key)
    return [plain(row) for row in sorted(came, key=lambda row: row["id"])]


def _by_key(prediction_id: str, model: str, key: Any) -> list[Json]:
    """Return what named a key when no prediction of it was known, and belongs to this one."""
    import pandas as pd

    from nbmlops.monitoring.returning import matching
    from nbmlops.store import predictions as stored

    wanted = matching.keys(pd.Series([key], dtype=object))[0]
    rows = [row for row in stored.unmatched(session.store(), model) if row["key"] == wanted]
    if not rows:
        return []
    times = matching.moments(pd.Series([row["key_at"] for row in rows], dtype=object))
    names = pd.Series([row["key"] for row in rows], dtype=object).to_numpy()
    found = zip(rows, matching.matched(model, names, times), strict=True)
    return [{**row, "prediction_id": i} for row, i in found if i == prediction_id]


def _answers(version: ModelVersion | None) -> Json:
    signature = version.signature if version else {}
    return {name: plain(signature.get(name)) for name in ("target", "task", "classes", "positive")}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value == value else None
