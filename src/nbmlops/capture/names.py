"""What a cell does to names: which it reads, binds, changes and deletes, each in its own scope.

Statements are followed in the order they run. Two approximations: what a function reads counts as read by the cell that
defines it, and a change made through another name for the same object is not seen.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Names", "magic_of"]

BUILTINS = frozenset(dir(builtins)) | {"__file__"}
OF_IPYTHON = re.compile(r"(?:get_ipython|display|In|Out|exit|quit|_+|_i{0,3}\d*|_[dio]h)\Z")
ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
# Methods that change the object they are called on, also where what they return is used.
CHANGES = {"fit", "fit_transform", "fit_predict", "partial_fit", "pop", "popitem", "setdefault"}
# Methods that only look when they stand as a statement; of a data frame's, ``inplace=True`` is seen apart.
LOOKS = {
    *("head", "tail", "info", "describe", "sample", "show", "display", "plot", "hist", "boxplot", "value_counts"),
    *("nunique", "unique", "isna", "isnull", "notna", "duplicated", "sum", "mean", "median", "min", "max"),
    *("std", "var", "count", "corr", "cov", "quantile", "agg", "aggregate", "groupby", "pivot_table", "query"),
    *("filter", "copy", "items", "keys", "values", "get", "index", "to_csv", "to_parquet", "to_json", "to_html"),
    *("to_string", "savefig", "predict", "predict_proba", "transform", "score", "get_params", "summary"),
    *("decision_function", "memory_usage", "nlargest", "nsmallest", "equals", "upper", "lower", "split"),
    *("format", "join", "startswith", "endswith", "strip", "crosstab", "collect", "to_pandas", "glimpse"),
    *("debug", "warning", "error", "log", "sort_values", "sort_index", "drop", "dropna", "drop_duplicates", "fillna"),
    *("rename", "reset_index", "set_index", "merge", "assign", "astype", "replace", "apply", "map", "melt", "round"),
}
NAMESPACES = ("globals", "locals", "vars")
BINDS_UNSEEN = ("run", "pylab", "rerun")


class _Class(set[str]):
    """The scope of a class body: seen by its statements, not by its methods."""


class Names:
    """Follows statements in the order they run, and notes what becomes of the names of the cell's own scope.

    Its dicts are sets in order; :class:`nbmlops.capture.cell.CellSource` says what each holds.

    Examples
    --------
    >>> names = Names()
    >>> names.read(ast.parse("total = sum(n * k for n in rows)").body)
    >>> list(names.reads), list(names.writes)
    (['rows', 'k'], ['total'])
    """

    def __init__(self) -> None:
        self.reads: dict[str, None] = {}
        self.optional: dict[str, None] = {}
        self.writes: dict[str, None] = {}
        self.mutates: dict[str, None] = {}
        self.deletes: dict[str, None] = {}
        self.modules: dict[str, None] = {}
        self.calls: dict[str, dict[str, None]] = {}
        self.packages: dict[str, None] = {}
        self.opaque = False
        self.bound: set[str] = set()  # on every path to here
        self.scopes: list[set[str]] = []  # of what encloses this place, outermost first
        self.later: list[tuple[list[set[str]], Sequence[ast.AST]]] = []  # bodies of functions
        self.inside = False  # of a function, which may be called whenever

    def read(self, body: Sequence[ast.AST]) -> None:
        """Follow a cell, then the functions it defines: they may use whatever it binds further down."""
        self.each(body)
        self.inside = True
        while self.later:
            self.scopes, inner = self.later.pop(0)
            self.each(inner)

    def each(self, nodes: Iterable[ast.AST | None]) -> None:
        """Follow some nodes, one after the other."""
        for node in nodes:
            if node is not None:
                HANDLERS.get(type(node), Names.children)(self, node)

    def children(self, node: ast.AST) -> None:
        """Follow what a node is made of, in the order it is written."""
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                HANDLERS.get(type(value), Names.children)(self, value)
            elif type(value) is list:
                self.each(part for part in value if isinstance(part, ast.AST))

    def _nothing(self, node: ast.AST) -> None:
        """Pass a node that names nothing."""

    def load(self, name: str) -> None:
        """Note that a name is used."""
        if name in self.bound or any(name in scope for scope in self.scopes) or OF_IPYTHON.match(name):
            return
        (self.optional if name in self.writes or name in BUILTINS else self.reads)[name] = None

    def store(self, name: str) -> None:
        """Note that a name is bound."""
        if any(name in scope for scope in self.scopes):
            return
        if (body := next((s for s in reversed(self.scopes) if isinstance(s, _Class)), None)) is not None:
            body.add(name)
            return
        self.writes[name] = None
        if not self.inside:
            self.bound.add(name)
            self.modules.pop(name, None)

    def change(self, node: ast.AST) -> None:
        """Note that what a name stands for, or something in it, is changed in place."""
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        if not isinstance(node, ast.Name) or self.inside or node.id in self.bound or OF_IPYTHON.match(node.id):
            return
        if not any(node.id in scope for scope in self.scopes):
            self.mutates[node.id] = None

    def paths(self, *paths: Sequence[ast.AST]) -> None:
        """Follow paths of which one is taken: bound is what each of them binds that goes on."""
        before, ends = self.bound, []
        for path in paths:
            self.bound = set(before)
            self.each(path)
            if not _leaves(path):
                ends.append(self.bound)
        self.bound = set.intersection(*ends) if ends else before

    def enclosed(self, scope: set[str], nodes: Iterable[ast.AST | None]) -> None:
        """Follow nodes that have names of their own."""
        self.scopes = [*self.scopes, scope]
        self.each(nodes)
        self.scopes = self.scopes[:-1]

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.load(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.store(node.id)
        else:
            self.load(node.id)
            if not any(node.id in scope for scope in self.scopes):
                self.deletes[node.id] = None
                self.bound.discard(node.id)
                self.writes.pop(node.id, None)

    def _part(self, node: ast.Attribute | ast.Subscript) -> None:
        """Follow an attribute or an item; to set or delete one changes what has it."""
        self.children(node)
        if not isinstance(node.ctx, ast.Load):
            self.change(node)
            self.opaque |= _calls(node.value, *NAMESPACES)

    def _assign(self, node: ast.Assign) -> None:
        self.each([node.value, *node.targets])

    def _annotated(self, node: ast.AnnAssign) -> None:
        self.each([node.annotation, node.value])
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.each([node.target])

    def _augmented(self, node: ast.AugAssign) -> None:
        self.each([node.value])
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
            self.change(node.target)
        self.each([node.target])

    def _walrus(self, node: ast.NamedExpr) -> None:
        self.each([node.value, node.target])

    def _statement(self, node: ast.Expr) -> None:
        """Follow an expression nobody uses: a method is then called for what it does."""
        self.children(node)
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr not in LOOKS:
            self.change(call.func.value)

    def _call(self, node: ast.Call) -> None:
        called = _last(node.func)
        keywords = [k.arg for k in node.keywords if k.arg]
        if called:
            self.calls.setdefault(called, {}).update(dict.fromkeys(keywords))
        self.children(node)
        if isinstance(node.func, ast.Attribute):
            if called in CHANGES or any(k.arg == "inplace" and not _is_false(k.value) for k in node.keywords):
                self.change(node.func.value)
            self.opaque |= called == "update" and _calls(node.func.value, *NAMESPACES)
            self.opaque |= called in ("push", "ex", "run_cell") and _calls(node.func.value, "get_ipython")
            magic, line = (magic_of(node) or ["", ""])[:2]
            self.opaque |= magic in BINDS_UNSEEN or (magic == "store" and "-r" in line.split())
        elif called in ("setattr", "delattr") and node.args:
            self.change(node.args[0])
        elif called == "exec":
            self.opaque = True

    def _import(self, node: ast.Import) -> None:
        self.packages.update((alias.name.partition(".")[0], None) for alias in node.names)
        self._imported(node)

    def _import_from(self, node: ast.ImportFrom) -> None:
        if node.module and not node.level:
            self.packages[node.module.partition(".")[0]] = None
        self._imported(node)

    def _imported(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            name = (alias.asname or alias.name).partition(".")[0]
            if name == "*":
                self.opaque = True
                continue
            self.store(name)
            if name in self.writes and not self.scopes:
                self.modules[name] = None

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Follow what a definition evaluates at once, and its body later."""
        generic = {t.name for t in getattr(node, "type_params", ())}
        self.each(node.decorator_list)
        self.enclosed(generic, [*_evaluated(node.args), node.returns])
        self.store(node.name)
        around = [scope for scope in self.scopes if not isinstance(scope, _Class)]
        self.later.append(([*around, generic | _own_names(node)], node.body))

    def _unnamed(self, node: ast.Lambda) -> None:
        self.each(_evaluated(node.args))
        self.enclosed(_own_names(node), [node.body])

    def _class(self, node: ast.ClassDef) -> None:
        self.each([*node.decorator_list])
        self.enclosed({t.name for t in getattr(node, "type_params", ())}, [*node.bases, *node.keywords])
        self.enclosed(_Class(), node.body)
        self.store(node.name)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        first, *more = node.generators
        self.each([first.iter])
        own = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        inner = [part for g in more for part in (g.iter, g.target, *g.ifs)]
        self.enclosed(own, [first.target, *first.ifs, *inner, *made])

    def _loop(self, node: ast.For | ast.AsyncFor) -> None:
        """Follow a loop as if it ran: whoever uses what it binds counts on that."""
        self.each([node.iter, node.target, *node.body, *node.orelse])

    def _if(self, node: ast.If) -> None:
        self.each([node.test])
        self.paths(node.body, node.orelse)

    def _try(self, node: ast.Try) -> None:
        self.paths([*node.body, *node.orelse], *([handler] for handler in node.handlers))
        self.each(node.finalbody)

    def _handler(self, node: ast.ExceptHandler) -> None:
        self.each([node.type])
        self.enclosed({node.name} if node.name else set(), node.body)

    def _match(self, node: ast.Match) -> None:
        self.each([node.subject])
        last = node.cases[-1]
        all_cases = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        paths = [[case.pattern, *([case.guard] if case.guard else ()), *case.body] for case in node.cases]
        self.paths(*paths, *([] if all_cases else [[]]))

    def _captured(self, node: ast.MatchAs | ast.MatchStar | ast.MatchMapping) -> None:
        self.children(node)
        if name := _captured(node):
            self.store(name)


def magic_of(node: ast.AST) -> list[str] | None:
    """Return name, line and, of a cell magic, body of a magic that IPython translated; None for anything else."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    if node.func.attr not in ("run_line_magic", "run_cell_magic") or not _calls(node.func.value, "get_ipython"):
        return None
    words = [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
    return words if len(words) > 1 else None


def _leaves(path: Sequence[ast.AST]) -> bool:
    """Tell whether a path ends the block it stands in."""
    last = path[-1] if path else None
    return isinstance(last.body[-1] if isinstance(last, ast.ExceptHandler) else last, ENDS)


def _last(node: ast.AST) -> str:
    """Return the name of what is called, of a dotted one the last part."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _calls(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and _last(node.func) in names


def _is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _evaluated(args: ast.arguments) -> list[ast.AST | None]:
    """Return what is evaluated when a function is defined: annotations and defaults."""
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    return [*(a.annotation for a in every if a is not None), *args.defaults, *args.kw_defaults]


def _own_names(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """Return the names that belong to a function: its arguments and what its body binds."""
    args = node.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    own, others = {a.arg for a in every if a is not None}, set()
    waiting: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, (ast.Global, ast.Nonlocal)):
            others.update(inner.names)
        elif isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(inner.name)
        elif isinstance(inner, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            own |= {n.target.id for n in ast.walk(inner) if isinstance(n, ast.NamedExpr)}
        elif not isinstance(inner, ast.Lambda):
            own.update(_binds(inner))
            waiting += ast.iter_child_nodes(inner)
    return own - others


def _binds(node: ast.AST) -> list[str]:
    """Return the names one node binds by itself."""
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, ast.alias):
        return [(node.asname or node.name).partition(".")[0]]
    if isinstance(node, ast.ExceptHandler):
        return [node.name] if node.name else []
    name = _captured(node)
    return [name] if name else []


def _captured(node: ast.AST) -> str | None:
    if isinstance(node, (ast.MatchAs, ast.MatchStar)):
        return node.name
    return node.rest if isinstance(node, ast.MatchMapping) else None


HANDLERS: Mapping[type[ast.AST], Callable[[Names, Any], None]] = {
    **dict.fromkeys((ast.Load, ast.Constant, ast.Pass, ast.Global, ast.Nonlocal), Names._nothing),
    ast.Name: Names._name,
    ast.Attribute: Names._part,
    ast.Subscript: Names._part,
    ast.Assign: Names._assign,
    ast.AnnAssign: Names._annotated,
    ast.AugAssign: Names._augmented,
    ast.NamedExpr: Names._walrus,
    ast.Expr: Names._statement,
    ast.Call: Names._call,
    ast.Import: Names._import,
    ast.ImportFrom: Names._import_from,
    ast.FunctionDef: Names._function,
    ast.AsyncFunctionDef: Names._function,
    ast.Lambda: Names._unnamed,
    ast.ClassDef: Names._class,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp), Names._comprehension),
    ast.For: Names._loop,
    ast.AsyncFor: Names._loop,
    ast.If: Names._if,
    ast.Try: Names._try,
    ast.TryStar: Names._try,
    ast.ExceptHandler: Names._handler,
    ast.Match: Names._match,
    **dict.fromkeys((ast.MatchAs, ast.MatchStar, ast.MatchMapping), Names._captured),
}
