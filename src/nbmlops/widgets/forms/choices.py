"""What a form offers: variables of the notebook, names in the store. A fault is a note, never an error."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbmlops.errors import NbmlopsError

__all__ = ["Known", "columns", "fitted", "frames", "known"]

MOST_NAMES = 50
MOST_COLUMNS = 200

Names = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """What the store knows by name; ``fault`` says in one line why that may be little."""

    experiments: tuple[str, ...] = ()
    versions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # newest first
    aliases: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    fault: str = ""

    def unlisted(self) -> int:
        """Return how many names of versions there are beyond those that are listed."""
        return max(0, sum(map(len, (*self.versions.values(), *self.aliases.values()))) - MOST_NAMES)

    def refs(self) -> tuple[str, ...]:
        """Return each model by its aliases, then by its versions: what a person types."""
        found: list[str] = []
        for name, numbers in self.versions.items():
            found += [f"{name}@{alias}" for alias in sorted(self.aliases.get(name, {}))]
            found += [f"{name}@{number}" for number in numbers]
        return tuple(found[:MOST_NAMES])


def known() -> Known:
    """Return what the store knows; where there is none yet, asking makes none."""
    from nbmlops.store import models, runs
    from nbmlops.store.journal import journals
    from nbmlops.tracking import session

    try:
        store = session.store()
        if store.path is not None and not (store.path.is_file() or journals(session.project().home / "journal")):
            return Known()
        versions: dict[str, list[int]] = {}
        for one in models.listed(store):
            versions.setdefault(one.name, []).append(one.version)
        listed = {name: tuple(numbers) for name, numbers in versions.items()}
        return Known(tuple(runs.experiments(store)), listed, models.aliases(store))
    except (NbmlopsError, OSError) as error:
        return Known(fault=f"The store does not answer: {str(error).splitlines()[0]}")


def frames(names: Names) -> tuple[str, ...]:
    """Return the variables that hold a table, the newest first."""
    return _variables(names, lambda value: len(_columns(value)) > 0)


def fitted(names: Names) -> tuple[str, ...]:
    """Return the variables that hold a model, the newest first; one that is fitted before one that is not."""
    # Not quality.is_model: what Tab asks first must load nothing.
    found = _variables(names, lambda value: callable(getattr(value, "fit", None)) and callable(value.predict))
    return tuple(sorted(found, key=lambda name: not _is_fitted(names[name])))


def columns(names: Names, frame: str) -> tuple[str, ...]:
    """Return the columns of a variable; none where it is no table."""
    return _columns(names.get(frame))[:MOST_COLUMNS]


def _variables(names: Names, wanted: Callable[[Any], bool]) -> tuple[str, ...]:
    found = []
    for name, value in reversed(list(names.items())):
        try:  # a user's object is asked, and may answer with anything
            fits = _public(name) and not isinstance(value, type) and wanted(value)
        except Exception:
            fits = False
        if fits:
            found.append(name)
    return tuple(found[:MOST_NAMES])


def _public(name: str) -> bool:
    return name.isidentifier() and not (name.startswith("_") or keyword.iskeyword(name) or name in ("In", "Out"))


def _columns(value: Any) -> tuple[str, ...]:
    """Return the names of columns that are text; a magic can name no other."""
    try:
        # The shape first: to name the columns of a lazy frame may be work, and it has none.
        found: Any = value.columns if hasattr(value, "shape") and not isinstance(value, type) else ()
        return tuple(name for name in found if isinstance(name, str))
    except Exception:
        return ()


def _is_fitted(value: Any) -> bool:
    return any(name.endswith("_") and not name.startswith("_") for name in getattr(value, "__dict__", ())) or (
        bool(getattr(value, "steps", None)) and _is_fitted(value.steps[-1][1])
    )
