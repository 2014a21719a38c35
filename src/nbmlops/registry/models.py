"""Register a model as the next version of its name, read it back verified, ask it for answers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from nbmlops.capture import environment
from nbmlops.errors import Invalid, NotFound, unknown
from nbmlops.hooks import service
from nbmlops.records import ModelVersion, now
from nbmlops.registry import described, loaded, past
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np

    from nbmlops.registry.evaluation import Evaluation
    from nbmlops.registry.measures import Answers

__all__ = [
    "best_of",
    "cached",
    "evaluation_of",
    "load_model",
    "lock",
    "model_version",
    "of_run",
    "reference",
    "register",
    "score",
]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
LOWER_IS_BETTER = re.compile(r"loss|brier|mae|mse|error|gap|deviance", re.IGNORECASE)


def register(
    model: Any, name: str, evaluation: Evaluation | None = None, allow_pickle: bool = False, background: Any = None
) -> ModelVersion:
    """Register a fitted model as the next version of a name.

    The file is written by skops, holds reviewed types only, and is stored under its SHA-256 before the version is
    recorded. Version, digest, trusted types and event are one transaction: no database, no version.

    Parameters
    ----------
    model : estimator
        Fitted.
    name : str
        Letters, digits, ``-``, ``_`` and ``.``.
    evaluation : Evaluation, optional
        The newest one of this model in this process when absent; without any it is registered as *not evaluated*.
    allow_pickle : bool
        Keep what cannot be written as data as a pickle, a program that is run at every load: with an event, and no gate
        or promotion takes it unless the charter's ``exceptions`` name pickle.
    background : DataFrame, optional
        Rows to explain answers against: at most 1,000 of them are kept, columns the charter calls private missing.
        Without it no row is kept; the example in the signature is made of quartiles and frequent categories.

    Returns
    -------
    ModelVersion

    Raises
    ------
    Invalid
        No fitted model, a bad name, an evaluation of another model, a broken charter, or columns missing in
        ``background``.
    UntrustedContent
        The model holds types nobody has reviewed.

    Examples
    --------
    >>> nb.register(model, "late-flights").ref  # doctest: +SKIP
    'late-flights@1'
    """
    from nbmlops.registry import evaluation as evaluations
    from nbmlops.registry import files
    from nbmlops.store import models as stored

    _check_name(name)
    subject = _own(model)
    evaluation = described.belonging(evaluation, model) if evaluation is not None else evaluations.newest(model)
    written = files.write(model, allow_pickle)
    place, actor = session.artifacts(), identity.actor()
    row = {
        **described.about(model, subject.fitted_on or {}, evaluation, background),
        **described.evidence(evaluation, place),
        "name": name,
        "digest": place.put(written.data),
        "format": written.format,
        "owner": actor[0],
        "created_at": now(),
        "environment": place.put(json.dumps(environment.packages(), sort_keys=True).encode()),
        "size_bytes": len(written.data),
    }
    with session.store().atomic() as change:
        agreed: str | None = service("governance.agreed_on", "record")(change)
        number = stored.add_version(change, row, list(written.trusted), actor, agreed)
        if written.format == files.PICKLE:
            under = {"charter": agreed} if agreed else {}
            change.event(
                "allow_pickle", f"{name}@{number}", {"digest": row["digest"], "why": written.why, **under}, actor
            )
    return model_version(f"{name}@{number}")


def model_version(ref: str, at: str | datetime | None = None) -> ModelVersion:
    """Return a registered version by what a person types.

    Parameters
    ----------
    ref : str
        ``NAME@champion``, ``NAME@3``, or ``NAME`` for the newest.
    at : str or datetime, optional
        What the alias pointed to at that time (UTC where no zone is said), also where that version is deleted by now;
        ``NAME`` alone means its champion then. ``decision`` says who put it there, when and why.

    Raises
    ------
    NotFound
        No such name, version or alias; the message names the known ones. Or the alias pointed nowhere at that time.

    Examples
    --------
    >>> nb.model_version("late-flights@champion").version  # doctest: +SKIP
    3
    """
    from nbmlops.store import models as stored

    name, asked, which = str(ref).partition("@")
    if asked and not which:
        _unsaid(name)
    if at is not None:
        return past.served(name, which or "champion", at)
    found = stored.find(session.store(), name, which)
    return found or _unknown(name, which)


def _unknown(name: str, which: str) -> NoReturn:
    """Raise what says which models, or which versions and aliases, there are; of an alias, that it was taken away."""
    if gone := past.taken_away(name, which):
        raise NotFound(
            f"{name}@{which} was taken out of use on {gone['at'][:10]} by {gone['actor']}: {gone['data']['reason']}.",
            f"Name a version, or put one there: nbmlops promote {name} VERSION --to {which} --reason ...",
        )
    raise unknown(f"version or alias of {name}", which, _known(name))


def _unsaid(name: str) -> NoReturn:
    """Raise what says that a version or an alias is missing behind the @."""
    known = ", ".join(_known(name)[:8])
    raise NotFound(f"{name}@ names no version: nothing follows the @. Known: {known}.", f"{name} alone is the newest.")


def _known(name: str) -> list[str]:
    """Return the versions, newest first, and the aliases of a model."""
    from nbmlops.store import models as stored

    versions = stored.listed(session.store(), name)
    if not versions:
        raise unknown("model", name, stored.names(session.store()))
    return [str(v.version) for v in versions] + [alias for v in versions for alias in v.aliases]


def load_model(ref: str, allow_pickle: bool = False) -> Any:
    """Return a registered estimator, its file verified against the recorded digest before it is read.

    Parameters
    ----------
    ref : str
        ``NAME@champion``, ``NAME@3``, or ``NAME`` for the newest.
    allow_pickle : bool
        Run what a version that was registered as a pickle holds.

    Raises
    ------
    Conflict
        The stored file is not the one that was registered.
    NotAllowed
        It is a pickle, and ``allow_pickle`` is not True.
    UntrustedContent
        It holds other types than were recorded.

    Examples
    --------
    >>> nb.load_model("late-flights@champion").predict(rows)  # doctest: +SKIP
    """
    from nbmlops.registry import files

    version = model_version(ref)
    data = session.artifacts().get(version.digest)
    found = files.load(data, list(_trusted(version)), version.ref, version.format, allow_pickle or _was_read(version))
    return loaded.remember(found, version)


def cached(version: ModelVersion) -> Any:
    """Return the estimator of a version, read once per process; ask it, do not change it."""
    from nbmlops.registry import exceptions, files

    allowed = _was_read(version) or (version.format == files.PICKLE and exceptions.allows(files.PICKLE))
    files.permit(version.format, version.ref, allowed)
    return files.cached(version.digest, _trusted(version), session.project().artifacts_url, version.format, allowed)


def check_loadable(version: ModelVersion) -> None:
    """Read a version's file once, for nothing is promoted that cannot be; a pickle only where the charter allows it."""
    from nbmlops.registry import exceptions, files

    load_model(version.ref, allow_pickle=version.format == files.PICKLE and exceptions.allows(files.PICKLE))


def reference(ref: str) -> dict[str, Any]:
    """Return what later data is held against.

    Returns
    -------
    dict
        ``profile``, ``metrics``, ``target``, ``prediction`` (its column in the profile), ``columns``, ``importance``.

    Raises
    ------
    NotFound
        The version was registered without an evaluation.
    """
    version = model_version(ref)
    if version.profile is None:
        raise NotFound(
            f"{version.ref} was registered without an evaluation, so it has no reference.",
            f"Evaluate it on held-out rows, then register it again: %evaluate MODEL ROWS --target COLUMN, "
            f"%register MODEL {version.name}",
        )
    found: dict[str, Any] = json.loads(session.artifacts().get(version.profile))
    return found


def evaluation_of(version: ModelVersion) -> dict[str, Any] | None:
    """Return the JSON of the evaluation a version was registered with, or None."""
    from nbmlops.store.runs import results_of

    found = results_of(session.store(), kind="evaluation") if version.evaluation else []
    return next((r["data"] for r in found if r["result_id"] == version.evaluation), None)


def lock(ref: str | ModelVersion) -> str:
    """Return the packages a version was registered with, as text that ``pip install -r`` reads.

    Raises
    ------
    NotFound
        No such version, or its environment was not recorded.
    """
    version = ref if isinstance(ref, ModelVersion) else model_version(ref)
    found = json.loads(session.artifacts().get(version.environment)) if version.environment else {}
    if "lock" not in found:
        raise NotFound(f"No environment was recorded with {version.ref}.", "Register the model again.")
    about = f"# {version.ref}, registered {version.created_at[:16]} UTC with Python {found['python']}\n"
    return about + str(found["lock"])


def answers(ref: str | ModelVersion, frame: Any) -> Answers:
    """Return everything a registered model says of rows."""
    from nbmlops.registry import signature

    version = ref if isinstance(ref, ModelVersion) else model_version(ref)
    return asked(version, signature.select(version.signature, frame, version.ref))


def asked(version: ModelVersion, features: Any) -> Answers:
    """Return everything a registered model says of rows that are checked already."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from nbmlops.registry import measures

    with threadpool_limits(limits=1):
        return measures.ask(cached(version), features)


def score(ref: str | ModelVersion, frame: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Return (prediction, probability) of a registered model for rows.

    Parameters
    ----------
    ref : str or ModelVersion
    frame : pandas.DataFrame of shape (n, columns)
        The columns of the signature in any order; others are ignored.

    Returns
    -------
    prediction : array of shape (n,)
    probability : array of shape (n,) or None
        Of the positive class where there are two, else of the predicted class; None when the model gives none.

    Raises
    ------
    Invalid
        Columns are missing; the message names them all.
    """
    return in_short(answers(ref, frame))


def in_short(said: Answers) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Return answers as (prediction, probability), as :func:`score` does."""
    if said.probability is None:
        return said.predicted, None
    return said.predicted, said.probability[:, 1] if said.task == "binary" else said.probability.max(axis=1)


def of_run(ref: str) -> Any:
    """Return the estimator a run fitted, while it lives in this process.

    Raises
    ------
    NotFound
        The run fitted none, or it is gone with its kernel.
    """
    from nbmlops.capture.estimators import fitted
    from nbmlops.tracking.runs import get_run

    run = get_run(ref)
    found = fitted(run.run_id)
    if found is None:
        what = "its model is gone with its kernel" if run.models else "it fitted no model"
        raise NotFound(
            f"Run {run.experiment} ({run.run_id[-6:]}) has no model to register: {what}.", "Run its cell again."
        )
    return found


def best_of(metric: str) -> Any:
    """Return the living estimator of the run with the best value of a metric (the lowest of a loss, error or gap)."""
    from nbmlops.capture.estimators import fitted
    from nbmlops.tracking.runs import listed

    found = [r for r in listed(limit=None, children=True) if fitted(r.run_id) is not None]
    measured = [r for r in found if metric in r.metrics]
    if not measured:
        raise unknown(
            "metric of a run whose model still lives", metric, {m for r in found for m in r.metrics if "[" not in m}
        )
    sign = -1 if LOWER_IS_BETTER.search(metric) else 1
    return fitted(max(measured, key=lambda r: sign * r.metrics[metric]).run_id)


def _own(model: Any) -> Any:
    from nbmlops.registry.subject import subject_of

    if isinstance(model, (str, ModelVersion)):
        raise Invalid(f"{str(model)[:60]!r} is no model.", "Pass a fitted estimator: nb.register(model, 'name').")
    return subject_of(model)


def _was_read(version: ModelVersion) -> bool:
    """Return whether a version is a function kept as source that somebody other than its author has read."""
    from nbmlops.registry import files, review

    return version.format == files.SOURCE and bool(review.reviews(version.digest))


def _trusted(version: ModelVersion) -> tuple[str, ...]:
    """Return the types recorded for a version that this nbmlops has reviewed: an imported store may record any."""
    from nbmlops.registry import trust
    from nbmlops.store import models as stored

    return tuple(trust.reviewed(stored.trusted_types(session.store(), version.name, version.version))[0])


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Invalid(f"{name!r} is no model name.", "Use letters, digits, -, _ and ., such as late-flights.")
