"""What differs between two charters, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbmlops.records import plain
from nbmlops.registry.targets import Target

if TYPE_CHECKING:
    from nbmlops.governance.charter import Charter

__all__ = ["changed", "undone"]

MOST, LONGEST = 60, 160  # words an event holds, and characters of a value in them
NAMED = {  # lists and keys whose items have a name: what one is called
    "metrics": ("target", "name"),
    "questions": ("question", "id"),
    "deliverables": ("deliverable", "name"),
    "experiments": ("experiment", "name"),
    "requirements": ("requirement", "name"),
}
KEYS = {"roles": "role", "policy": "policy of", "models": "model", "value": "value", "budget": "budget", "risk": "risk",
        "needs": "needs of", "limit_owners": "owner of", "effort": "effort", "implementation": "implementation",
        "agenda_every": "agenda"}  # fmt: skip
LEFT_OUT = ("path", "digest", "missing", "text")


def changed(before: Charter | None, after: Charter) -> tuple[str, ...]:
    """Return what a charter says otherwise than the one before, a line a change; nothing where only words were moved.

    Parameters
    ----------
    before : Charter or None
        None where it is the first.
    after : Charter

    Examples
    --------
    >>> from nbmlops.governance.charter import parsed
    >>> old, new = (parsed(b"metrics: [{name: roc_auc, at_least: %s}]" % bound) for bound in (b"0.6", b"0.65"))
    >>> changed(old, new)
    ('target roc_auc: at least 0.65, was 0.6',)
    """
    if before is None:
        return ("begun",)
    old, new = (_said(c) for c in (before, after))
    found = [word for key in new for word in _key(key, old[key], new[key])]
    return tuple(found[:MOST]) + ((f"and {len(found) - MOST} more",) if found[MOST:] else ())


def undone(base: Charter, now: Charter, new: Charter) -> tuple[str, ...]:
    """Return what a new charter would undo of what was changed since the one it was made from, a line a change.

    Parameters
    ----------
    base, now, new : Charter
        What it was made from, what is there, and what shall take its place.

    Examples
    --------
    >>> from nbmlops.governance.charter import parsed
    >>> base, now, new = (parsed(text) for text in (b"margin: 0.01", b"margin: 0.02", b"{margin: 0.01, goal: rest}"))
    >>> undone(base, now, new)
    ('margin: 0.01, was 0.02',)
    """
    old, there, then = (_said(c) for c in (base, now, new))
    return tuple(word for key in there for word in _undone(key, old[key], there[key], then[key]))


def _said(charter: Charter) -> dict[str, Any]:
    return {k: v for k, v in plain(charter).items() if k not in LEFT_OUT}


def _key(key: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if key in NAMED or isinstance(old, dict) or isinstance(new, dict):
        yield from _items(_called(key), _by_name(key, old), _by_name(key, new))
    elif isinstance(old, list):
        yield from _members(_called(key), old, new)
    else:
        yield from _one(_called(key), old, new)


def _undone(key: str, base: Any, now: Any, new: Any) -> Iterator[str]:
    if base == now or now == new:
        return
    if key in NAMED or isinstance(now, dict) or isinstance(new, dict):
        before, there, then = (_by_name(key, items) for items in (base, now, new))
        touched = {name for name in {**before, **there} if before.get(name) != there.get(name)}
        yield from _items(_called(key), *({n: v for n, v in items.items() if n in touched} for items in (there, then)))
    elif isinstance(now, list):
        gone = [item for item in now if item not in base and item not in new]
        back = [item for item in base if item not in now and item in new]
        yield from _members(_called(key), gone, back)
    else:
        yield from _one(_called(key), now, new)


def _called(key: str) -> str:
    return NAMED[key][0] if key in NAMED else KEYS.get(key, key).replace("_", " ")


def _by_name(key: str, items: Any) -> Mapping[str, Any]:
    """Return what a key holds by name: items that have one, or the keys below it."""
    if key not in NAMED:
        return items or {}
    return {item[NAMED[key][1]]: _targets(key, item) for item in items}


def _targets(key: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item without its name; the bound of a target is one thing to say."""
    rest = {k: v for k, v in item.items() if k not in ("name", "id")}
    if key != "metrics":
        return rest
    bound = Target(item["name"], rest.pop("at_least"), rest.pop("at_most")).text.removeprefix(f"{item['name']} ")
    return {"": bound, **rest}


def _items(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in [*new, *(n for n in old if n not in new)]:
        called = f"{what} {name}"
        if _nothing(old.get(name)) and _nothing(new.get(name)):
            continue
        if name not in old:
            yield _short(f"{called}: new, {_words(new[name])}")
        elif name not in new:
            yield _short(f"{called}: no longer, was {_words(old[name])}")
        elif isinstance(new[name], dict) and isinstance(old[name], dict):
            yield from _fields(called, old[name], new[name])
        elif isinstance(new[name], list) and isinstance(old[name], list):
            yield from _members(called, old[name], new[name])
        else:
            yield from _one(called, old[name], new[name])


def _fields(called: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for field in [*new, *(f for f in old if f not in new)]:
        yield from _one(
            f"{called}: {field}" if field else called, old.get(field), new.get(field), ": " if not field else " "
        )


def _members(called: str, old: list[Any], new: list[Any]) -> Iterator[str]:
    yield from (_short(f"{called}: {_words(item)} added") for item in new if item not in old)
    yield from (_short(f"{called}: {_words(item)} taken away") for item in old if item not in new)


def _one(called: str, old: Any, new: Any, between: str = ": ") -> Iterator[str]:
    if old == new:
        return
    if _nothing(new):
        yield _short(f"{called}{between}no longer said, was {_words(old)}")
    else:
        was = "not said before" if _nothing(old) else f"was {_words(_without(old, new))}"
        yield _short(f"{called}{between}{_words(new)}, {was}")


def _without(old: Any, new: Any) -> Any:
    """Return an old bound without the words that both begin with: *at least 0.65, was 0.6*."""
    for start in ("at least ", "at most "):
        if str(old).startswith(start) and str(new).startswith(start):
            return str(old).removeprefix(start)
    return old


def _nothing(value: Any) -> bool:
    return value is None or value in ("", [], {}, False)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_words(v)}".strip() for k, v in value.items() if not _nothing(v)) or "nothing more"
    if isinstance(value, list):
        return ", ".join(_words(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())


def _short(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 3]}..."
