"""What may stand at a place behind a magic, by what its parser says of it; names of the store within a time limit."""

from __future__ import annotations

import argparse
import re
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbmlops.magics import offered

__all__ = ["LIMIT_S", "action_at", "values", "within"]

LIMIT_S = 0.12  # nobody waits longer for what may follow
RECENT = 50  # runs whose columns are offered

Names = Mapping[str, Any]

_late: dict[str, list[str]] = {}  # what an answer that came too late was
_asking: list[threading.Thread] = []


def values(name: str, parser: argparse.ArgumentParser, line: str, names: Names) -> list[str] | None:
    """Return what may be typed where a line ends; None where the parser does not say it.

    Parameters
    ----------
    name : str
        Of the magic.
    parser : ArgumentParser
        Of the magic.
    line : str
        Up to the cursor, with the magic.
    names : mapping
        The variables of the notebook.
    """
    words, typed = _split(line)
    action = action_at(parser, words)
    source = None if action is None else SOURCES.get((name, action.dest)) or SOURCES.get(str(action.metavar))
    if action is None or not (source or action.choices):
        return None
    found = list(map(str, action.choices or ()))
    if source is not None:
        own, stored = source
        found += own(names, words)
        found += within(f"{name} {action.dest} {words}", lambda: stored(words))
    quote = re.match(r"[\"'(]*", typed)
    begun = quote[0] if quote else ""
    shown = [f'"{word}"' if " " in word and not begun else f"{begun}{word}" for word in dict.fromkeys(found)]
    return shown + ([] if action.option_strings else _flags(parser, words))


def action_at(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Action | None:
    """Return what the next word would be: the value of an option, else the next argument by its place."""
    options = {option: action for action in parser._actions for option in action.option_strings}
    places = [action for action in parser._actions if not action.option_strings]
    waiting, left, taken = None, 0, 0
    for word in words:
        if word in options:
            waiting = options[word] if options[word].nargs != 0 else None
            left = waiting.nargs if waiting and isinstance(waiting.nargs, int) else 1
        elif waiting is not None:
            left -= waiting.nargs not in ("*", "+")
            waiting = waiting if left else None
        else:
            taken += 1
    if waiting is not None:
        return waiting
    if taken < len(places):
        return places[taken]
    return places[-1] if places and places[-1].nargs in ("*", "+") else None


def within(key: str, ask: Callable[[], list[str]]) -> list[str]:
    """Return an answer if it comes in time; one that came too late serves the next time it is asked.

    A store that hangs is asked by one thread, and by no other until that has ended.
    """
    _asking[:] = [thread for thread in _asking if thread.is_alive()]
    if _asking:
        return _late.get(key, [])
    answer: list[list[str]] = []

    def work() -> None:
        try:
            answer.append(ask())
        except Exception:  # a fault here must never reach the person who types
            answer.append([])
        _late[key] = answer[0]

    thread = threading.Thread(target=work, name="nbmlops-completion", daemon=True)
    _asking.append(thread)
    thread.start()
    thread.join(LIMIT_S)
    if answer:
        _late.pop(key, None)
        return answer[0]
    return _late.get(key, [])


def _split(line: str) -> tuple[list[str], str]:
    """Return the words behind the magic that are whole, and the one that is being typed."""
    _, _, said = line.partition(" ")
    before, typed = (said, "") if not said or said[-1].isspace() else _last(said)
    try:
        return shlex.split(before), typed
    except ValueError:  # an open quote: its words are still being typed
        whole = before[: max(before.rfind('"'), before.rfind("'"))]
        return whole.split(), typed


def _last(said: str) -> tuple[str, str]:
    cut = max(said.rfind(" "), said.rfind("\t")) + 1
    return said[:cut], said[cut:]


def _flags(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings if option not in words]


def _columns(names: Names, words: Sequence[str]) -> list[str]:
    """Return the columns of the tables a line names."""
    from nbmlops.widgets.forms.choices import columns

    return [column for word in words for column in columns(names, word)]


def _frames(names: Names, words: Sequence[str]) -> list[str]:
    from nbmlops.widgets.forms.choices import frames

    return list(frames(names))


def _fitted(names: Names, words: Sequence[str]) -> list[str]:
    from nbmlops.widgets.forms.choices import fitted

    return list(fitted(names))


def _both(names: Names, words: Sequence[str]) -> list[str]:
    return [*_frames(names, words), *_fitted(names, words)]


def _what_to_register(names: Names, words: Sequence[str]) -> list[str]:
    """Return the fitted variables; behind one of them, or an option, a name of the store follows."""
    return [] if words else _fitted(names, words)


def _nothing(*_: Any) -> list[str]:
    return []


def _models(words: Sequence[str]) -> list[str]:
    return offered.models()


def _model_names(words: Sequence[str]) -> list[str]:
    return [name for name in offered.models() if "@" not in name]


def _numbers(words: Sequence[str]) -> list[str]:
    """Return the versions of the model that is named, and its aliases."""
    from nbmlops.store import models
    from nbmlops.tracking import session

    name = words[0] if words else ""
    found = [str(one.version) for one in models.listed(session.store(), name)]
    return [*found, *models.aliases(session.store(), name).get(name, {})]


def _runs(words: Sequence[str]) -> list[str]:
    """Return the experiments, the newest run of each before its last, and how the newest ids end."""
    from nbmlops.store import runs
    from nbmlops.tracking import session

    names = runs.experiments(session.store())
    newest = runs.newest(session.store(), children=False, limit=RECENT)
    return [*names, *(f"{name}~1" for name in names), *(run_id[-6:] for run_id in newest)]


def _experiments(words: Sequence[str]) -> list[str]:
    from nbmlops.store import runs
    from nbmlops.tracking import session

    return runs.experiments(session.store())


def _query(words: Sequence[str]) -> list[str]:
    """Return the columns runs can be asked and sorted by, as short as they may be typed."""
    from nbmlops.store import search
    from nbmlops.tracking import session

    found = {name for row in search.find(session.store(), limit=RECENT) for name in row}
    return sorted({re.sub(r"^(metrics|params)\.", "", name) for name in found if "[" not in name})


def _sorts(words: Sequence[str]) -> list[str]:
    return [sign + name for name in _query(words) for sign in ("", "-")]


def _metrics(words: Sequence[str]) -> list[str]:
    from nbmlops.store import search
    from nbmlops.tracking import session

    found = {name for row in search.find(session.store(), limit=RECENT) for name in row if name.startswith("metrics.")}
    return sorted(name.removeprefix("metrics.") for name in found if "[" not in name)


def _rows(words: Sequence[str]) -> list[str]:
    """Return the versions of data sets."""
    from nbmlops.store import datasets
    from nbmlops.tracking import session

    return sorted({f"{row['name']}@{row['version']}" for row in datasets.listed(session.store())})


def _measures(words: Sequence[str]) -> list[str]:
    return ["psi", "ks", "wasserstein", "hellinger", "chi2"]


Source = tuple[Callable[[Names, Sequence[str]], list[str]], Callable[[Sequence[str]], list[str]]]
# By the magic and what its parser calls the place, else by how the usage calls it: of the notebook, of the store.
SOURCES: Mapping[Any, Source] = {
    ("runs", "query"): (_nothing, _query),
    ("runs", "sort"): (_nothing, _sorts),
    ("promote", "name"): (_nothing, _model_names),
    ("promote", "version"): (_nothing, _numbers),
    ("promote", "to"): (_nothing, lambda _: list(offered.value("promote", "--to") or ())),
    ("register", "what"): (_what_to_register, _model_names),
    ("gate", "on"): (_frames, _rows),
    ("gate", "metric"): (_nothing, _metrics),
    ("drift", "against"): (_frames, _models),
    ("evaluate", "model"): (_fitted, _models),
    ("explain", "model"): (_fitted, _models),
    ("explain", "rows"): (_frames, _nothing),
    ("review", "model"): (_nothing, _model_names),
    ("track", "experiment"): (_nothing, _experiments),
    ("track", "metric"): (_nothing, _metrics),
    ("check", "rules"): (_frames, _nothing),
    "COL": (_columns, _nothing),
    "COLUMN": (_columns, _nothing),
    "FRAME": (_frames, _nothing),
    "FRAME|MODEL": (_both, _models),
    "CHALLENGER": (_fitted, _models),
    "CHAMPION": (_fitted, _models),
    "RUN": (_nothing, _runs),
    "METRIC": (_nothing, _metrics),
    "MEASURE": (_nothing, _measures),
}
