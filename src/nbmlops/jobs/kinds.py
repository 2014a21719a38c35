"""The type of a parameter: read from an annotation, an example or text; does a value fit, and how is it written."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

from nbmlops.capture.secrets import Secret

__all__ = ["ANY", "Kind", "code", "fit", "of_annotation", "of_default", "read"]

YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
PLAIN = ("int", "float", "bool", "str", "list", "tuple", "set", "dict")
WORDS = {
    **{name: name for name in (*PLAIN, "date", "datetime", "time")},
    **{name: name.lower() for name in ("List", "Tuple", "Set", "Dict", "Secret", "Literal", "Union", "Optional")},
    "Sequence": "list",
    "Mapping": "dict",
    "Path": "path",
    "PathLike": "path",
}
SCALARS: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
OTHERWISE = {  # for a class the notebook's own cell does not name: binds no name of the user's
    "path": '__import__("pathlib").Path',
    **{name: f'__import__("datetime").{name}' for name in ("date", "datetime", "time")},
}
CLOCK: Mapping[str, type[date] | type[time]] = {"date": date, "datetime": datetime, "time": time}
SECRET = re.compile(r"""(?:[A-Za-z_]\w*\.)?Secret\(\s*(?P<quote>['"])(?P<name>[A-Za-z_]\w*)(?P=quote)\s*\)""")


@dataclass(frozen=True)
class Kind:
    """A type: its name, what it holds, whether None is allowed, and how the notebook spells its class.

    >>> str(of_annotation(ast.parse("list[int] | None", mode="eval").body))
    'list[int] | None'
    """

    name: str = "any"
    args: tuple[Any, ...] = ()
    optional: bool = False
    spelled: str = ""

    def __str__(self) -> str:
        parts = [repr(a) for a in self.args] if self.name == "literal" else [str(a) for a in self.args]
        if self.name == "union":
            text = " | ".join(parts)
        else:
            name = {"literal": "Literal", "path": "Path", "secret": "Secret"}.get(self.name, self.name)
            text = f"{name}[{', '.join(parts)}]" if parts else name
        return f"{text} | None" if self.optional else text


ANY = Kind()


def of_annotation(node: ast.expr) -> Kind:
    """Return the type an annotation names; one that is not known allows any value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return of_annotation(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([of_annotation(side) for side in (node.left, node.right)])
    if isinstance(node, ast.Constant) and node.value is None:
        return Kind("none", optional=True)
    base = node.value if isinstance(node, ast.Subscript) else node
    name = WORDS.get(_last(base), "any")
    inner = _inside(node) if isinstance(node, ast.Subscript) else []
    if name == "literal":
        return _choice(inner)
    args = [of_annotation(i) for i in inner if not (isinstance(i, ast.Constant) and i.value is ...)]
    if name in ("union", "optional"):
        return _union([*args, *([Kind("none", optional=True)] if name == "optional" else [])])
    if name == "tuple" and len(inner) == 1:  # tuple[int] holds one, tuple[int, ...] any number
        return Kind(name, tuple(args), spelled=ast.unparse(base))
    return Kind(name, (*args, *(("...",) if len(inner) > len(args) else ())), spelled=ast.unparse(base))


def of_default(node: ast.expr | None) -> Kind:
    """Return the type of a default: of a literal, or of a call that names its class."""
    if isinstance(node, ast.Call):
        name = WORDS.get(_last(node.func), "any")
        return Kind(name, spelled=ast.unparse(node.func)) if name in (*CLOCK, *PLAIN, "path", "secret") else ANY
    try:
        name = type(ast.literal_eval(node)).__name__ if node else ""
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ANY
    return Kind(name) if name in PLAIN else ANY


def read(kind: Kind, text: str) -> Any:
    """Return text as a value of a type.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> read(Kind("list", (Kind("float"),)), "[1, 2.5]"), read(Kind("date"), "2026-03-01")
    ([1.0, 2.5], datetime.date(2026, 3, 1))
    """
    if found := SECRET.fullmatch(text.strip()):
        return Secret(found["name"])
    if kind.optional and text.lower() in ("none", "null"):
        return None
    if kind.name == "union":
        return _first(kind, lambda one: read(one, text))
    if kind.name == "literal":
        return fit(kind, next((v for v in kind.args if str(v) == text), text))
    reader = READERS.get(kind.name)
    return reader(text) if reader else fit(kind, _yaml(text))


def fit(kind: Kind, value: Any) -> Any:
    """Return a value as its type has it: a whole number as a float, ISO text as a date, a list as a tuple.

    Raises
    ------
    ValueError
        It is of another type.
    """
    if isinstance(value, Secret) or (value is None and kind.optional):
        return value
    if isinstance(value, str) and (found := SECRET.fullmatch(value.strip())):
        return Secret(found["name"])
    if kind.name == "any":
        return sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
    if kind.name == "union":
        return _first(kind, lambda one: fit(one, value))
    if kind.name == "literal":
        return _member(kind, value)
    if kind.name in CLOCK:
        return _clock(kind.name, value)
    if kind.name in ("list", "tuple", "set"):
        return _items(kind, value)
    if kind.name == "dict":
        return _entries(kind, value)
    return _scalar(kind.name, value)


def code(value: Any, kind: Kind = ANY) -> str:
    """Return Python for a value, which needs no import but the one the notebook's own cell has.

    >>> code(date(2026, 3, 1), Kind("date", spelled="dt.date")), code((1, 2.5, None))
    ('dt.date(2026, 3, 1)', '(1, 2.5, None)')
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, (date, time)):
        return _clock_code(value, kind)
    if isinstance(value, Path):
        return f"{_spelling(kind, 'path', OTHERWISE['path'])}({_quoted(str(value))})"
    if isinstance(value, str):
        return _quoted(str(value))
    if isinstance(value, Mapping):
        inner = kind.args[1] if kind.name == "dict" and len(kind.args) == 2 else ANY
        return f"{{{', '.join(f'{code(k)}: {code(v, inner)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return _sequence_code(value, kind)
    return repr(value.item() if hasattr(value, "item") else value)


def _choice(inner: list[ast.expr]) -> Kind:
    try:
        values = [ast.literal_eval(i) for i in inner]
    except ValueError:  # members of an Enum
        return ANY
    return Kind("literal", tuple(v for v in values if v is not None), None in values)


def _union(kinds: list[Kind]) -> Kind:
    optional = any(k.optional for k in kinds)
    some = tuple(Kind(k.name, k.args, spelled=k.spelled) for k in kinds if k.name != "none")
    if len(some) == 1:
        return Kind(some[0].name, some[0].args, optional, some[0].spelled)
    return Kind("any" if ANY in some or not some else "union", () if ANY in some else some, optional)


def _inside(node: ast.Subscript) -> list[ast.expr]:
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def _last(node: ast.expr) -> str:
    """Return the last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _first(kind: Kind, attempt: Callable[[Kind], Any]) -> Any:
    """Return what the first type of a union makes of a value; text is the last resort."""
    for one in sorted(kind.args, key=lambda k: k.name == "str"):
        try:
            return attempt(one)
        except ValueError:
            continue
    raise ValueError


def _member(kind: Kind, value: Any) -> Any:
    for allowed in kind.args:
        if type(allowed) is type(value) and allowed == value:
            return allowed
    raise ValueError


def _clock(name: str, value: Any) -> Any:
    wanted = CLOCK[name]
    if isinstance(value, str):
        return wanted.fromisoformat(value.strip())
    if name == "datetime" and type(value) is date:
        return datetime.combine(value, time())
    if name == "date" and isinstance(value, datetime):
        if value.time() != time() or value.tzinfo:
            raise ValueError
        return value.date()
    if not isinstance(value, wanted):
        raise ValueError
    return value


def _items(kind: Kind, value: Any) -> Any:
    if hasattr(value, "tolist") and getattr(value, "ndim", 1) == 1:
        value = value.tolist()
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ValueError
    items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else list(value)
    wanted = kind.args
    if kind.name == "tuple" and wanted and wanted[-1] != "...":
        if len(items) != len(wanted):
            raise ValueError
        return tuple(fit(k, v) for k, v in zip(wanted, items, strict=True))
    items = [fit(wanted[0], v) for v in items] if wanted else items
    return tuple(items) if kind.name == "tuple" else set(items) if kind.name == "set" else items


def _entries(kind: Kind, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError
    if len(kind.args) != 2:
        return dict(value)
    return {fit(kind.args[0], k): fit(kind.args[1], v) for k, v in value.items()}


def _scalar(name: str, value: Any) -> Any:
    if getattr(value, "shape", None) == ():  # NumPy's
        value = value.item()
    if name == "float" and type(value) is int:
        return float(value)
    if name in ("path", "str") and isinstance(value, Path):
        return value if name == "path" else str(value)
    if name == "path" and isinstance(value, str):
        return Path(value)
    if not isinstance(value, SCALARS.get(name, ())):
        raise ValueError
    if name != "bool" and isinstance(value, bool):
        raise ValueError
    return value


def _bool(text: str) -> bool:
    if text.lower() not in (*YES, *NO):
        raise ValueError
    return text.lower() in YES


def _yaml(text: str) -> Any:
    import yaml
    from papermill.iorw import NoDatesSafeLoader

    try:
        return yaml.load(text, Loader=NoDatesSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError from error


READERS: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": _bool,
    "str": str,
    "path": Path,
    **{name: partial(_clock, name) for name in CLOCK},
}


def _clock_code(value: date | time, kind: Kind) -> str:
    name = "datetime" if isinstance(value, datetime) else "date" if isinstance(value, date) else "time"
    spelled = _spelling(kind, name, OTHERWISE[name])
    if isinstance(value, (datetime, time)) and value.tzinfo:
        return f'{spelled}.fromisoformat("{value.isoformat()}")'
    written = repr(value)  # datetime.date(2026, 3, 1)
    return f"{spelled}{written[written.index('(') :]}"


def _spelling(kind: Kind, name: str, otherwise: str) -> str:
    """Return how the notebook names a class."""
    for one in (kind, *(a for a in kind.args if kind.name == "union")):
        if one.name == name and one.spelled:
            return str(one.spelled)
    return otherwise


def _sequence_code(value: Any, kind: Kind) -> str:
    kinds = [k for k in kind.args if isinstance(k, Kind)] if kind.name in ("list", "tuple", "set") else []
    each = kinds if len(kinds) == len(value) and kind.name == "tuple" else [*kinds, ANY][:1] * len(value)
    inner = ", ".join(code(v, k) for v, k in zip(value, each, strict=True))
    if isinstance(value, tuple):
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, (set, frozenset)):
        return f"{{{inner}}}" if value else "set()"
    return f"[{inner}]"


def _quoted(text: str) -> str:
    """Return text in double quotes, as papermill writes it."""
    import json

    return json.dumps(text, ensure_ascii=False)
