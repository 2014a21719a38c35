"""What a project or a model is worth: as first estimated, as evaluated, and as realised by what came true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid, NbmlopsError, NotAllowed, Unavailable
from nbmlops.governance import agreed_on
from nbmlops.governance.charter import Charter, required
from nbmlops.governance.value import value
from nbmlops.governance.worth import before, error
from nbmlops.governance.written.plan import left
from nbmlops.hooks import Shown
from nbmlops.records import now, plain
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion
    from nbmlops.store.database import Transaction

__all__ = ["Worth", "first", "realised", "worth"]

ACTION = "worth"
KEPT = ("unit", "per_rows", "low", "expected", "high", "against", "auc", "errors", "prevalence", "volume",
        "break_even")  # fmt: skip


@dataclass(frozen=True, repr=False)
class Worth(Shown):
    """What it is worth: estimates, what was judged and what came true, what it takes, and what nobody has said."""

    shows: ClassVar[str] = "worth"

    subject: str
    charter: str  # digest
    estimated: dict[str, Any] | None = None
    first: dict[str, Any] | None = None  # the first estimate there was, kept for ever; ``after`` which model
    evaluated: dict[str, Any] | None = None
    realised: dict[str, Any] | None = None
    deliverables: tuple[dict[str, Any], ...] = ()
    effort: dict[str, Any] | None = None
    budget: dict[str, Any] | None = None
    gaps: tuple[dict[str, Any], ...] = ()
    unrecorded: str = ""  # why the first estimate could not be kept

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(plain(self))


def worth(ref: str | None = None, auc: Sequence[float] | None = None) -> Worth:
    """Tell what the project is worth before any model, or what a model is worth: estimated, evaluated and realised.

    The first estimate is kept for ever, as an event, and shown beside what came true.

    Parameters
    ----------
    ref : str, optional
        A registered model, such as ``late-flights@champion``; the project when absent.
    auc : sequence of three float, optional
        Low, expected and high area under the ROC curve of the model to come.

    Returns
    -------
    Worth
        Gains over the best without a model (acting on none, on all, what is done today), each with low, expected and
        high; ``gaps`` are what the charter does not say, with whose it is.

    Raises
    ------
    NotFound
        There is no charter, or no such model.
    Invalid
        ``auc`` is no range.

    Examples
    --------
    >>> nb.worth().estimated["break_even"]["auc"]  # doctest: +SKIP
    0.57
    """
    charter = required()
    found = Worth(
        session.project().name, charter.digest, before.estimate(charter, auc), gaps=tuple(before.gaps(charter))
    )
    found = _plan(_with_first(found, charter, given=auc is not None), charter)
    if ref is None:
        return found
    from nbmlops.registry.judged import of_version
    from nbmlops.registry.models import model_version

    version = model_version(ref)
    own, judged = before.estimate(charter.for_model(version.name), auc), of_version(version).data
    evaluated = _told(lambda: value(judged, charter)) if judged else {"unknown": f"{version.ref} was never evaluated"}
    came = _told(lambda: realised(version, charter))
    return replace(found, subject=version.ref, estimated=own, evaluated=evaluated, realised=came)


def realised(version: ModelVersion, charter: Charter) -> dict[str, Any]:
    """Return what the predictions of a version were worth, from those whose outcome had time to come.

    Parameters
    ----------
    version : ModelVersion
    charter : Charter

    Raises
    ------
    Invalid
        No outcome is known, or they are still to come.
    """
    from nbmlops.monitoring.performance import counted, mature, numbers
    from nbmlops.monitoring.predicting import recorded

    said = recorded.predicted(version.name, version.version).said
    if said.empty:
        raise Invalid(f"{version.ref} made no predictions that were kept.", "nbmlops predict keeps them.")
    old, early = mature(said)
    known = old[old["outcome"].notna()]
    if early or known.empty:
        raise Invalid(f"{early or f'no outcome of {version.ref} is known'}.", "nbmlops feedback brings outcomes.")
    about = {
        "predictions": len(old),
        "known": len(known),
        "since": str(said["at"].min()),
        "until": str(said["at"].max()),
    }
    if (both := numbers(version, known)) is not None:
        return error.of_answers(*both, charter) | about
    return value({"confusion": counted(version, old)}, charter) | about


def first() -> dict[str, Any] | None:
    """Return the first estimate of this project's worth that was kept, with who made it when; None without one.

    ``after`` is the model that was registered before it: the estimate is none of before any model then.
    """
    with session.store().reading() as connection:
        return _first(connection)


def _first(connection: Any) -> dict[str, Any] | None:
    from nbmlops.store import events

    name = session.project().name
    mine = next((e for e in events.listed(connection, name, ACTION) if e["subject"] == name), None)
    if mine is None:
        return None
    made = next(iter(events.listed(connection, action="register")), None)
    after = str(made["subject"]) if made and made["seq"] < mine["seq"] else ""
    return {**mine["data"], **{k: mine[k] for k in ("seq", "at", "actor")}, "after": after}


def _with_first(found: Worth, charter: Charter, given: bool) -> Worth:
    """Return the worth with the first estimate; the one made now where there is none yet."""
    known = first()
    if known is not None or found.estimated is None:
        return replace(found, first=known)
    data = {k: found.estimated.get(k) for k in KEPT} | {"charter": charter.digest, "given": given}
    try:
        with session.store().atomic() as change:
            return replace(found, first=_recorded(change, data))
    except (NotAllowed, Unavailable) as refused:  # who may only read still sees the estimate
        return replace(found, unrecorded=str(refused))


def _recorded(change: Transaction, data: dict[str, Any]) -> dict[str, Any] | None:
    """Record the first estimate, unless somebody was quicker."""
    if (known := _first(change.connection)) is None:
        agreed_on.record(change)
        change.event(ACTION, session.project().name, data, actor())
        known = _first(change.connection)
    return known


def _plan(found: Worth, charter: Charter) -> Worth:
    """Return the worth beside what it takes."""
    effort = charter.effort
    takes = None if effort is None else {"person_weeks": effort.person_weeks, "cost": effort.cost}
    budget = {**charter.budget, **left(charter.budget, now())} if charter.budget else None
    return replace(found, deliverables=tuple(before.deliverables(charter)), effort=takes, budget=budget)


def _told(reckon: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return reckon()
    except NbmlopsError as refused:
        return {"unknown": refused.message.rstrip(".")}
