"""Delete a run, a model version or a model by what a person types, and bring it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid, NotAllowed, NotFound, unknown
from nbmlops.governance import agreed_on
from nbmlops.governance.charter import charter
from nbmlops.records import ModelVersion
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.tracking.runs import Run

__all__ = ["delete", "deleted", "resolved", "restore"]

Row = dict[str, Any]


def delete(ref: str | Run | ModelVersion, reason: str = "", aliases: bool = False) -> list[Row]:
    """Delete a run with what is part of it, a model version, or all versions of a model; names are free at once.

    It is hidden, and :func:`restore` brings it back until ``nbmlops store gc`` has run, a month later by default. A run
    is deleted in the database only; deleting a model is an event of the chain.

    Parameters
    ----------
    ref : str, Run or ModelVersion
        A run's id, its last 6 or more characters, ``EXPERIMENT~0`` (its newest run); ``NAME@3``; ``NAME``.
    reason : str
        Why, for those who read the log of a model.
    aliases : bool
        Take the aliases of a whole model away with it; not where the charter says who may have them.

    Returns
    -------
    list of dict
        What is hidden now: ``kind`` (run or model) and ``ref``.

    Raises
    ------
    Conflict
        A registered version came from the run, or an alias points to the version.
    NotAllowed
        The charter governs an alias that would go.
    NotFound
        Nothing fits.

    Examples
    --------
    >>> nb.delete("late-flights@2", reason="trained on the wrong month")  # doctest: +SKIP
    [{'kind': 'model', 'ref': 'late-flights@2'}]
    """
    from nbmlops.store import lifecycle

    kind, name, which = _meant(ref)
    if kind == "run":
        hidden = lifecycle.delete_runs(session.project(), [name])
        return [{"kind": "run", "ref": run_id} for run_id in hidden]
    return _delete_versions(name, which, reason.strip(), aliases)


def restore(ref: str) -> list[Row]:
    """Bring back what was deleted: a run with what was deleted together with it, a model version, a model.

    Parameters
    ----------
    ref : str
        A run's id or the end of it, ``EXPERIMENT~0`` (its run that was deleted last), ``NAME@3``, or ``NAME`` for what
        was deleted of it last. The run a version came from comes back with it.

    Returns
    -------
    list of dict
        What is there again: ``kind`` and ``ref``.

    Raises
    ------
    NotFound
        Nothing deleted fits; the message names what could be brought back.

    Examples
    --------
    >>> nb.restore("late-flights@2")  # doctest: +SKIP
    [{'kind': 'model', 'ref': 'late-flights@2'}]
    """
    from nbmlops.store import models

    there = deleted()
    if name := _deleted_run(str(ref), there):
        return _restored_runs(name)
    name, _, which = str(ref).partition("@")
    runs = [r["ref"] for r in there if r["kind"] == "run" and len(name) >= 6 and r["ref"].endswith(name.lower())]
    versions = [r for r in there if r["kind"] == "model" and r["name"] == name and which in ("", str(r["version"]))]
    if len(runs) > 1:
        raise NotFound(f"{len(runs)} deleted runs end in {ref!r}.", "Type more characters of the id.")
    if runs:
        return _restored_runs(runs[0])
    if not versions:
        raise unknown("deleted run or model", str(ref), _short_names(there))
    numbers = sorted(r["version"] for r in versions if r["deleted_at"] == versions[0]["deleted_at"])
    came_from = dict.fromkeys(r["run_id"] for r in versions if r["version"] in numbers and r["run_id"])
    back = [row for run_id in came_from for row in _restored_runs(run_id)]
    with session.store().atomic() as change:
        models.restore(change, name, numbers, identity.actor(), agreed_on.record(change))
    return [*_versions(name, numbers), *back]


def resolved(ref: str) -> str | Run | ModelVersion:
    """Return what a person means in words that go on meaning it while others are deleted: an id, ``NAME@3``, ``NAME``.

    Raises
    ------
    Invalid, NotFound
        As :func:`delete`.
    """
    from nbmlops.registry.models import model_version

    kind, name, which = _meant(ref)
    if kind == "run":
        return name
    version = model_version(f"{name}@{which}" if which else name)
    return f"{name}@{version.version}" if which else name


def _restored_runs(run_id: str) -> list[Row]:
    from nbmlops.store import lifecycle

    return [{"kind": "run", "ref": back} for back in lifecycle.restore_runs(session.project(), run_id)]


def _deleted_run(ref: str, there: list[Row]) -> str | None:
    """Return the id of ``EXPERIMENT~1``, counted back among the deleted runs of an experiment."""
    experiment, tilde, back = ref.rpartition("~")
    ids = [r["ref"] for r in there if r["kind"] == "run" and r["name"] == experiment]
    return ids[int(back)] if tilde and back.isdigit() and int(back) < len(ids) else None


def _short_names(there: list[Row]) -> list[str]:
    return list(dict.fromkeys(r["ref"] if r["kind"] == "model" else f"{r['name']}~0" for r in there))


def deleted() -> list[Row]:
    """Return what can be brought back, the last deleted first: kind, ref, name, when it was deleted."""
    from nbmlops.store import lifecycle, models

    runs = [
        {"kind": "run", "ref": r["run_id"], "name": r["experiment"], "deleted_at": r["deleted_at"]}
        for r in lifecycle.deleted_runs(session.project())
    ]
    versions = [{"kind": "model", "ref": f"{v['name']}@{v['version']}", **v} for v in models.deleted(session.store())]
    return sorted([*runs, *versions], key=lambda r: str(r["deleted_at"]), reverse=True)


def _meant(ref: str | Run | ModelVersion) -> tuple[str, str, str]:
    """Return kind, the run's id or model's name, and which version; a word that could be two things is refused."""
    if isinstance(ref, ModelVersion):
        return "model", ref.name, str(ref.version)
    if not isinstance(ref, str):
        if not hasattr(ref, "run_id"):
            raise Invalid(f"{type(ref).__name__} cannot be deleted.", "Name a run's id, NAME@3 or a model's NAME.")
        return "run", str(ref.run_id), ""
    from nbmlops.store import models, runs
    from nbmlops.tracking.runs import resolve

    name, at, which = ref.partition("@")
    if at:
        return "model", name, which
    if name in {v.name for v in models.listed(session.store(), name)}:
        return "model", name, ""
    if name in runs.experiments(session.store()):
        raise Invalid(
            f"{ref!r} is an experiment, and only runs are deleted.",
            f"Its newest run is '{ref}~0'; nbmlops runs lists them.",
        )
    return "run", resolve(ref), ""


def _delete_versions(name: str, which: str, reason: str, aliases: bool) -> list[Row]:
    from nbmlops.registry.models import model_version
    from nbmlops.store import models

    chosen = model_version(f"{name}@{which}" if which else name)
    every = models.listed(session.store(), name)
    numbers = [chosen.version] if which else sorted(v.version for v in every)
    going = [alias for v in every for alias in v.aliases] if aliases and not which else []
    _refuse_governed(name, going)
    actor = identity.actor()
    with session.store().atomic() as change:
        for alias in going:
            models.set_alias(change, name, alias, None, {"reason": reason, "policy": "deleted"}, actor)
        models.delete(change, name, numbers, reason, actor, agreed_on.record(change))
    return _versions(name, numbers)


def _refuse_governed(name: str, aliases: list[str]) -> None:
    """Refuse to take away an alias that has a policy: the next version would get it without being compared."""
    agreed = charter()
    for alias in aliases if agreed else ():
        if agreed and (alias == "champion" or alias in agreed.policy):
            raise NotAllowed(
                f"{agreed.path} governs {name}@{alias}, so it is not taken away.",
                f"Delete the other versions one by one: nbmlops store delete {name}@VERSION",
            )


def _versions(name: str, numbers: list[int]) -> list[Row]:
    return [{"kind": "model", "ref": f"{name}@{number}"} for number in numbers]
