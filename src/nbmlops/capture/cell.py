"""What a cell's source says before it runs: names read and written, literals assigned, what it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CellSource", "analyse"]

LITERALS = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class CellSource:
    """A parsed cell.

    Attributes
    ----------
    reads, writes : tuple of str
        Names that must exist before, and names the cell binds, in order.
    literals : dict
        Names bound to a literal at the top level, with its value.
    imports : frozenset of str
        Top-level packages the cell imports.
    mutates : tuple of str
        Names whose content the cell may change: ``x[0] = 1``, ``x += 1``, ``x.append(1)`` on a line of its own.
    calls : dict
        Names that are called, with the keywords written there: ``LogisticRegression(C=1)``.
    opaque : bool
        Whether the cell binds names its source does not say: ``from x import *``, ``exec``, ``%run``.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    literals: dict[str, Any] | None = None
    imports: frozenset[str] = frozenset()
    mutates: tuple[str, ...] = ()
    calls: dict[str, tuple[str, ...]] = field(default_factory=dict)
    opaque: bool = False


def analyse(source: str) -> CellSource:
    r"""Parse a cell; one that does not parse has no names.

    >>> cell = analyse("C = 0.5\nmodel = Model(C).fit(train)")
    >>> cell.reads, cell.writes, cell.literals
    (('Model', 'train'), ('C', 'model'), {'C': 0.5})
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return CellSource()
    reads: dict[str, None] = {}
    writes: dict[str, None] = {}
    for part in _flow(tree.body):
        loads, stores = _names(part)
        reads.update(dict.fromkeys(n for n in loads if n not in writes))
        writes.update(dict.fromkeys(stores))
    return CellSource(
        tuple(reads),
        tuple(writes),
        dict(_literals(tree)),
        frozenset(_imports(tree)),
        tuple(dict.fromkeys(_mutated(tree))),
        _calls(tree),
        _is_opaque(tree),
    )


def _flow(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield statements in the order they run, of a compound one its head first: a loop binds its target before."""
    for one in statements:
        match one:
            case ast.For() | ast.AsyncFor():
                yield from (one.iter, one.target)
                yield from _flow([*one.body, *one.orelse])
            case ast.If() | ast.While():
                yield one.test
                yield from _flow([*one.body, *one.orelse])
            case ast.With() | ast.AsyncWith():
                yield from one.items
                yield from _flow(one.body)
            case ast.Try() | ast.TryStar():
                yield from _flow([*one.body, *one.handlers, *one.orelse, *one.finalbody])
            case ast.ExceptHandler():
                yield from [] if one.type is None else [one.type]
                yield from [] if one.name is None else [ast.Name(one.name, ast.Store())]
                yield from _flow(one.body)
            case _:
                yield one


def _names(statement: ast.AST) -> tuple[list[str], list[str]]:
    """Return names loaded and stored by one statement; what a function binds inside stays inside."""
    loads: list[str] = []
    stores: list[str] = []
    inner: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            loads.append(node.target.id)
        if isinstance(node, ast.Name):
            (loads if isinstance(node.ctx, ast.Load) else stores).append(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            stores.append(node.name)
            inner |= set() if node is statement else {node.name}
        elif isinstance(node, ast.alias):
            stores.append((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            inner.add(node.arg)
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        local = inner | set(stores)
        return [n for n in loads if n not in local], [statement.name]
    comprehension = {n.id for c in ast.walk(statement) if isinstance(c, ast.comprehension) for n in _targets(c.target)}
    local = inner | comprehension
    return [n for n in loads if n not in local], [n for n in stores if n not in local]


def _targets(target: ast.AST) -> Iterator[ast.Name]:
    return (n for n in ast.walk(target) if isinstance(n, ast.Name))


def _literals(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        try:
            literal = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(literal, (*LITERALS, list, tuple, dict)):
            yield from ((t.id, literal) for t in targets if isinstance(t, ast.Name))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _mutated(tree: ast.Module) -> Iterator[str]:
    """Yield names whose content a cell may change; what its functions do when they are called is not followed."""
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for node in ast.walk(statement):
            if isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
                yield from _root(node)
            elif isinstance(node, ast.AugAssign):
                yield from _root(node.target)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                yield from _root(node.value.func) if isinstance(node.value.func, ast.Attribute) else ()


def _root(node: ast.AST) -> Iterator[str]:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _calls(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if name:
                found.setdefault(name, {}).update(dict.fromkeys(k.arg for k in node.keywords if k.arg))
    return {name: tuple(keywords) for name, keywords in found.items()}


def _is_opaque(tree: ast.Module) -> bool:
    stars = any(isinstance(n, ast.ImportFrom) and any(a.name == "*" for a in n.names) for n in ast.walk(tree))
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    runs = any(isinstance(n, ast.Constant) and n.value in ("run", "load", "pylab") for n in ast.walk(tree))
    return stars or "exec" in names or ("get_ipython" in names and runs)
