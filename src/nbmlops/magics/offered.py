"""What may be typed at a place behind a magic or command: one table from how the usage calls it to the names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbmlops.store.database import Store

__all__ = ["KINDS", "Part", "Place", "kind"]

RECENT = 50  # runs whose columns are offered


class Part(str):
    """A word that may stand within what is being typed, as a column in a query."""


@dataclass(frozen=True)
class Place:
    """A place behind a magic, with what stands before it; ``said`` holds the words by the place each is in."""

    names: Mapping[str, Any] = field(default_factory=dict)  # the variables of the notebook
    words: Sequence[str] = ()
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)
    turn: Callable[[], None] = lambda: None  # waits until nobody else asks the store

    @property
    def store(self) -> Store:
        """The store; an error where none was made yet, none answers, or it has another schema: Tab changes nothing."""
        from nbmlops.tracking import session

        self.turn()
        if not self._is_made:
            raise LookupError
        return session.store()

    @cached_property
    def _is_made(self) -> bool:
        from nbmlops.store import driver
        from nbmlops.tracking import session

        try:
            return driver.is_made(session.project())
        except Exception:  # it is not asked again for the next kind of name
            return False


Source = Callable[[Place], Iterable[str]]


def kind(command: str, name: str, called: str) -> tuple[Source, ...]:
    """Return the sources of a place: by the command and its parameter's name, else by how the usage calls it.

    >>> kind("promote", "version", "VERSION") == KINDS["promote version"], kind("profile", "by", "COL") == KINDS["COL"]
    (True, True)
    """
    return KINDS.get(f"{command} {name}") or KINDS.get(called) or ()


# --- of the notebook: what Tab asks first loads nothing


def _columns(place: Place) -> list[str]:
    """Return the columns of the tables a line names."""
    from nbmlops.widgets.forms.choices import columns

    return [column for word in place.words for column in columns(place.names, word)]


def _variables(of: str) -> Source:
    """Return the source of the variables that are frames, or fitted."""

    def named(place: Place) -> list[str]:
        from nbmlops.widgets.forms import choices

        return list(getattr(choices, of)(place.names))

    return named


# --- of the store


def _names(place: Place) -> list[str]:
    from nbmlops.store import models

    return sorted(models.names(place.store))


def _by_alias(place: Place) -> list[str]:
    from nbmlops.store import models

    return [f"{name}@{alias}" for name, aliases in models.aliases(place.store).items() for alias in aliases]


def _newest(place: Place) -> list[str]:
    """Return the newest version of each model, for that is what waits for an answer."""
    from nbmlops.store import models

    newest: dict[str, str] = {}
    for version in models.listed(place.store):  # newest first within each name
        newest.setdefault(version.name, version.ref)
    return list(newest.values())


def _numbers(place: Place) -> list[str]:
    """Return the versions of the model that is named, and its aliases."""
    from nbmlops.store import models

    (name,) = place.said["name"]
    found = [str(one.version) for one in models.listed(place.store, name)]
    return [*found, *models.aliases(place.store, name).get(name, {})]


def _aliases(place: Place) -> list[str]:
    from nbmlops.store import models

    return sorted({alias for aliases in models.aliases(place.store).values() for alias in aliases})


def _experiments(place: Place) -> list[str]:
    from nbmlops.store import runs

    return runs.experiments(place.store)


def _runs(place: Place) -> list[str]:
    """Return the newest run of each experiment before its last, and how the newest ids end."""
    from nbmlops.store import runs

    newest = runs.newest(place.store, children=False, limit=RECENT)
    return [*(f"{name}~1" for name in _experiments(place)), *(run_id[-6:] for run_id in newest)]


def _asked(place: Place) -> list[str]:
    """Return the columns runs can be asked and sorted by, as short as they may be typed."""
    from nbmlops.store import search

    found = {name for row in search.find(place.store, limit=RECENT) for name in row}
    return sorted({re.sub(r"^(metrics|params)\.", "", name) for name in found if "[" not in name})


def _query(place: Place) -> list[str]:
    return [Part(name if re.fullmatch(r"[\w.]+", name) else f"`{name}`") for name in _asked(place)]


def _sorts(place: Place) -> list[str]:
    return [sign + name for name in _asked(place) for sign in ("", "-")]


def _metrics(place: Place) -> list[str]:
    from nbmlops.store import search

    found = {name for row in search.find(place.store, limit=RECENT) for name in row if name.startswith("metrics.")}
    return sorted(name.removeprefix("metrics.") for name in found if "[" not in name)


def _datasets(place: Place) -> list[str]:
    return list(dict.fromkeys(ref.partition("@")[0] for ref in _rows(place)))


def _rows(place: Place) -> list[str]:
    """Return the versions of data sets."""
    from nbmlops.store import datasets

    return sorted({f"{row['name']}@{row['version']}" for row in datasets.listed(place.store)})


def _flags(place: Place) -> list[str]:
    """Return the ids of the flags nobody has settled, the newest first."""
    from nbmlops.store import flags

    return [str(row["flag_id"]) for row in reversed(flags.listed(place.store, state="open"))]


def _events(place: Place) -> list[dict[str, Any]]:
    from nbmlops.store import events

    with place.store.reading() as connection:
        return events.listed(connection)


def _in_the_log(key: str) -> Source:
    return lambda place: sorted({str(event[key]) for event in _events(place)})


def _conditions(place: Place) -> list[str]:
    """Return the numbers of the approvals that have conditions."""
    return [str(e["seq"]) for e in _events(place) if e["action"] == "approve" and e["data"].get("conditions")]


def _kept(deleted: bool) -> Source:
    """Return the source of what can be deleted, or of what can be brought back."""

    def named(place: Place) -> list[str]:
        from nbmlops.cli.store import names

        return names(deleted=deleted) if place.store else []

    return named


# --- of the project's files


def _agreed(key: str) -> Mapping[str, Sequence[str]]:
    """Return a part of the charter."""
    from nbmlops.governance.charter import charter

    found: Mapping[str, Sequence[str]] = getattr(charter(), key, {})
    return found


def _played(place: Place) -> list[str]:
    """Return who plays a role."""
    return sorted({person for people in _agreed("roles").values() for person in people})


def _questions(place: Place) -> list[str]:
    from nbmlops.governance.charter import charter

    agreed = charter()
    return [question.id for question in agreed.questions] if agreed else []


def _jobs(place: Place) -> list[str]:
    from nbmlops.cli.schedule import names

    return names()


# --- words of a list


def _words(module: str, name: str, *more: str) -> Source:
    """Return the source of a list of words, which is loaded when it is asked for."""

    def listed(place: Place) -> list[str]:
        from importlib import import_module

        return [*getattr(import_module(f"nbmlops.{module}"), name), *more]

    return listed


def _these(*words: str) -> Source:
    return lambda place: words


def _behind(words: Sequence[str], *sources: Source) -> tuple[Source, ...]:
    """Return sources that know something only where nothing but these words stands before."""

    def only(ask: Source) -> Source:
        return lambda place: ask(place) if list(place.words) == list(words) else ()

    return tuple(map(only, sources))


FRAME, FITTED = _variables("frames"), _variables("fitted")
MODEL = (_by_alias, _names)
VERSION = (_newest, *MODEL)
RUN = (_experiments, _runs)
COLUMN = (_columns,)
ROLE = (_words("governance.charter", "ROLES"), lambda place: _agreed("roles"))
PERSON = (_in_the_log("actor"), _played)
STATE = (_words("governance.flags.flag", "STATES"),)
SUBJECT = (*MODEL, _datasets)

# By how the usage calls a place; where the word means something else, by the command and the parameter's name.
KINDS: Mapping[str, tuple[Source, ...]] = {
    "ALIAS": (_these("champion", "challenger"), _aliases, lambda place: _agreed("policy")),
    "CHALLENGER": (FITTED, *MODEL),
    "CHAMPION": (FITTED, *MODEL),
    "COL": COLUMN,
    "COLUMN": COLUMN,
    "DATASET": (_datasets,),
    "FRAME": (FRAME,),
    "FRAME|MODEL": (FRAME, FITTED, *MODEL),
    "JOB": (_jobs,),
    "JOB|KEY": (_jobs,),
    "MEASURE": (_these("psi", "ks", "wasserstein", "hellinger", "chi2"),),
    "METRIC": (_metrics,),
    "MODEL": MODEL,
    "MODEL NAME": (*_behind((), FITTED), _names),
    "NAME@ALIAS": MODEL,
    "PERSON": PERSON,
    "QUERY": (_query,),
    "REF": VERSION,
    "REPORT": VERSION,
    "ROLE": ROLE,
    "RUN": RUN,
    "RUN RUN": RUN,
    "SORT": (_sorts,),
    "STATE": STATE,
    "SUBJECT": SUBJECT,
    "WHO WHO": PERSON,
    "advise model": (_names,),
    "approvals met approval": (_conditions,),
    "approvals override verdict": (_words("governance.approval.override", "VERDICTS"),),
    "approve by": PERSON,
    "approve outcome": (_words("governance.approval.given", "OUTCOMES"),),
    "audit show action": (_in_the_log("action"),),
    "audit show model": MODEL,
    "charter decide decision": (_words("governance.agenda.decided", "DECISIONS"),),
    "charter verdict answer": (_words("governance.agenda.decided", "VERDICTS"),),
    "charter verdict question": (_questions,),
    "check rules": (FRAME, _datasets),
    "drift against": (FRAME, *MODEL),
    "episodes state": (_words("monitoring.episodes", "STATES", "open"),),
    "evaluate model": (FITTED, *MODEL),
    "explain model": (FITTED, *MODEL),
    "explain rows": (FRAME,),
    "feedback kind": (_words("monitoring.returning.feedback", "KINDS"),),
    "flag kind": (_these("model", "dataset", "run"),),
    "flag severity": (_words("governance.flags.flag", "SEVERITIES"),),
    "flag subject": (_these("answer"), *SUBJECT),
    "flag text": _behind(("answer",), _flags),
    "flags flag_id": (_flags,),
    "gate on": (FRAME, _rows),
    "models handover name": (_names,),
    "models history name": (_names,),
    "new model_name": (_names,),
    "promote name": (_names,),
    "promote version": (_numbers,),
    "report of": VERSION,
    "report ref": (_words("magics.report", "VERBS"), _experiments, *VERSION),
    "retire name": (_names,),
    "review model": (_names,),
    "rollback name": (_names,),
    "store delete refs": (_kept(deleted=False),),
    "store restore refs": (_kept(deleted=True),),
    "track experiment": (_experiments,),
}
