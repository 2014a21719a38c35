"""A function as a model, kept as the text of its source: everything it needs stands in it, so that it can be read."""

from __future__ import annotations

import ast
import builtins
import inspect
import symtable
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator  # type: ignore[import-untyped]

from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.registry import rulefile
from nbmlops.registry.signature import table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FunctionModel", "function_model", "read"]

ANNOTATIONS = annotations.compiler_flag  # what stands in them is never looked up
MODULES = ("datetime", "math", "numpy", "pandas", "re")
NAMES = (
    *("abs", "all", "any", "bool", "dict", "enumerate", "filter", "float", "frozenset", "int", "isinstance", "len"),
    *("list", "map", "max", "min", "range", "reversed", "round", "set", "slice", "sorted", "str", "sum", "tuple"),
    *("zip", "ArithmeticError", "Exception", "IndexError", "KeyError", "TypeError", "ValueError"),
)
SELF_CONTAINED = (
    "Write such as: def late(frame): import numpy as np; return np.where(frame.delay > 30, 'late', 'on time')."
)


def function_model(
    function: Callable[..., Any], columns: tuple[str, ...] | None = None, classes: tuple[Any, ...] | None = None
) -> FunctionModel:
    """Return a function as a model, checked to be self-contained.

    Parameters
    ----------
    function : function
        Takes a DataFrame, returns a class or a number for each row. Made with ``def``; it imports what it needs.
    columns, classes : tuple, optional

    Raises
    ------
    Invalid
        Its source is not known or not what runs, or it uses anything outside of it.
    """
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise Invalid(
            f"{getattr(function, '__name__', type(function).__name__)} is no function made with def.", SELF_CONTAINED
        )
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise Invalid(f"The source of {function.__name__} is not known.", "Define it in a cell or a module.") from None
    model = FunctionModel(source, columns, classes)
    if not any(_same(function.__code__, code) for code in _compiled(source, function.__globals__)):
        raise Invalid(f"{function.__name__} is not what its source says any more.", "Run its cell again.")
    return model


def read(data: bytes) -> FunctionModel:
    """Return the model in a file made by :meth:`FunctionModel.to_yaml`; nothing of it runs yet."""
    content = rulefile.parsed(data.decode("utf-8"), "The function")
    if not isinstance(content, Mapping) or not isinstance(content.get("source"), str):
        raise Invalid("The file holds no function.", "Register it again.")
    columns, classes = (rulefile.listed(content.get(what), what) for what in ("columns", "classes"))
    return FunctionModel(content["source"], columns, classes)


class FunctionModel(Shown, BaseEstimator):  # type: ignore[misc]
    """A function that answers like a fitted model. Made by :func:`nbmlops.rule_model`.

    Parameters
    ----------
    source : str
    columns : tuple of str, optional
    classes : tuple, optional

    Attributes
    ----------
    feature_names_in_ : array of str
        Only where the columns are named.
    classes_ : array
        Only where the classes are named.
    """

    shows: ClassVar[str] = "rule_model"

    def __init__(
        self, source: str, columns: tuple[str, ...] | None = None, classes: tuple[Any, ...] | None = None
    ) -> None:
        self.source, self.columns, self.classes = source, columns, classes
        self.outline_ = f"function {_checked(source).name}"
        if columns is not None:
            self.feature_names_in_ = np.array(columns, dtype=object)
            self.n_features_in_ = len(columns)
        if classes is not None:
            self.classes_ = np.array(_in_order(classes))

    def fit(self, features: Any = None, truth: Any = None) -> FunctionModel:
        """Return the model as it is: a function learns nothing."""
        return self

    def predict(self, frame: Any) -> np.ndarray[Any, Any]:
        """Return what the function says of each row; it is given a copy, and only the model's columns.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n, columns)

        Raises
        ------
        Invalid
            A column is not there, or the function does not answer every row.
        """
        rows = self._chosen(frame)
        said = np.asarray(_function(self.source)(rows.copy()))
        said = np.array(said.tolist()) if said.dtype == object else said
        name = self.outline_
        if said.shape != (len(rows),):
            raise Invalid(f"{name} returns {said.shape} for {len(rows):,} rows.", "It returns one answer a row.")
        if silent := _silent(said):
            raise Invalid(f"{name} says nothing of {silent:,} rows.", "It returns a class or a number for each row.")
        if hasattr(self, "classes_") and (strange := set(said.tolist()) - set(self.classes_.tolist())):
            raise Invalid(f"{name} says {str(min(strange, key=str))[:30]!r}, which is no class.", "Add it to classes=.")
        return said

    def to_yaml(self) -> str:
        """Return the function's source as a person reads it, with columns and classes above."""
        import yaml

        class Dumper(yaml.SafeDumper):
            """YAML in which lines stay lines."""

        style = {True: "|", False: None}
        Dumper.add_representer(str, lambda d, v: d.represent_scalar("tag:yaml.org,2002:str", v, style=style["\n" in v]))
        more = {k: list(v) for k, v in (("columns", self.columns), ("classes", self.classes)) if v is not None}
        return str(yaml.dump({**more, "source": self.source}, Dumper=Dumper, sort_keys=False, allow_unicode=True))

    @property
    def _estimator_type(self) -> str:  # what scikit-learn 1.5 asks in place of tags
        return "classifier" if hasattr(self, "classes_") else "regressor"

    def __sklearn_tags__(self) -> Any:
        return rulefile.tagged(super().__sklearn_tags__(), hasattr(self, "classes_"))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON: the source, what the model takes and says."""
        classes = getattr(self, "classes_", np.array([])).tolist()
        return {"kind": self.outline_, "source": self.source, "columns": list(self.columns or ()), "classes": classes}

    def _chosen(self, frame: Any) -> pd.DataFrame:
        rows = table(frame)
        names = list(rows.columns if self.columns is None else self.columns)
        if missing := [n for n in names if n not in rows.columns]:
            raise Invalid(f"{self.outline_} needs columns that are not there: {', '.join(missing)}.", "Add them.")
        return rows[names]


def _in_order(classes: tuple[Any, ...]) -> list[Any]:
    try:
        return sorted(classes)
    except TypeError:
        raise Invalid(f"Classes of different kinds: {classes!r}.", "All are texts, booleans or numbers.") from None


def _silent(said: np.ndarray[Any, Any]) -> int:
    import pandas as pd

    return int(pd.isna(said).sum())


@lru_cache(maxsize=32)
def _function(source: str) -> FunctionType:
    """Return the function of a source, with nothing around it but the names it may use."""
    name = _checked(source).name
    code = compile(source, f"<{name}>", "exec", ANNOTATIONS, dont_inherit=True)
    around: dict[str, Any] = {"__builtins__": {n: getattr(builtins, n) for n in NAMES} | {"__import__": _import}}
    exec(code, around)
    found: FunctionType = around[name]
    return found


def _import(name: str, *more: Any) -> Any:
    if name.partition(".")[0] not in MODULES:
        raise Invalid(f"The function imports {name}.", f"It may import {', '.join(MODULES)}.")
    return builtins.__import__(name, *more)


@lru_cache(maxsize=32)
def _checked(source: str) -> ast.FunctionDef:
    """Return the one function a source defines.

    This keeps a function readable by itself; it is no sandbox, which is why somebody else reads it before it counts.
    """
    if len(source) > rulefile.MOST_BYTES:
        raise Invalid("The function is too long to be read.", f"At most {rulefile.MOST_BYTES:,} characters.")
    if hidden := {c for c in source if unicodedata.category(c) in ("Cf", "Cc") and c not in "\n\t\r"}:
        raise Invalid(f"The source holds characters nobody sees: {min(hidden)!a}.", "Take them out.")
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Invalid("The source is no function.", SELF_CONTAINED) from None
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        raise Invalid("The source is not one function made with def.", SELF_CONTAINED)
    function = body[0]
    if wrong := next(_wrong(function), None):
        raise Invalid(f"{function.name} {wrong}.", SELF_CONTAINED)
    return function


def _wrong(function: ast.FunctionDef) -> Iterator[str]:
    """Yield why a function is not self-contained."""
    taken = function.args
    needed = len(taken.posonlyargs) + len(taken.args) - len(taken.defaults)
    if needed != 1 or taken.vararg or taken.kwarg or None in taken.kw_defaults:
        yield "does not take one argument, the frame"
    if function.decorator_list:
        yield "is decorated"
    for node in ast.walk(function):
        yield from _wrong_part(node)
    if outside := sorted(_outside(function) - set(NAMES)):
        yield f"uses {', '.join(outside[:5])}, defined outside of it"


def _wrong_part(node: ast.AST) -> Iterator[str]:
    names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or "." * node.level] if isinstance(node, ast.ImportFrom) else []
    if strange := [n for n in names if n.partition(".")[0] not in MODULES]:
        yield f"imports {strange[0]}; it may import {', '.join(MODULES)}"
    if isinstance(node, ast.ClassDef):
        yield "defines a class"
    if isinstance(node, ast.Global):
        yield "changes something outside of it"
    if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFunctionDef)):
        yield "returns in parts"
    if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
        yield f"uses {node.attr}"


def _outside(function: ast.FunctionDef) -> set[str]:
    """Return the names a function uses and does not define; those in annotations are never looked up."""
    bare = _Unannotated().visit(ast.parse(ast.unparse(function)))
    pending, found = [symtable.symtable(ast.unparse(bare), "<function>", "exec")], set()
    while pending:
        part = pending.pop()
        pending += part.get_children()
        found |= {s.get_name() for s in part.get_symbols() if s.is_referenced() and s.is_global()}
    return found - {function.name}


class _Unannotated(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return node


def _compiled(source: str, around: Mapping[str, Any]) -> Iterator[CodeType]:
    """Yield what a source is compiled to, alone and where modules of the same names were imported around it.

    Python up to 3.12 calls what lies in a module it saw imported at the top in other steps than a method.
    """
    function = _checked(source)
    imported = [a.asname or a.name for n in ast.walk(function) if isinstance(n, ast.Import) for a in n.names]
    for names in ([], [n for n in imported if n in around]):
        above = "".join(f"import {name}\n" for name in names)
        whole = compile(above + source, "<source>", "exec", ANNOTATIONS, dont_inherit=True)
        yield from (c for c in whole.co_consts if isinstance(c, CodeType) and c.co_name == function.name)


def _same(one: CodeType, other: CodeType) -> bool:
    """Tell whether two functions do the same, wherever they are defined."""
    parts = [[c for c in code.co_consts if isinstance(c, CodeType)] for code in (one, other)]
    return (
        (one.co_code, one.co_names, one.co_varnames) == (other.co_code, other.co_names, other.co_varnames)
        and _constants(one) == _constants(other)
        and len(parts[0]) == len(parts[1])
        and all(map(_same, *parts))
    )


def _constants(code: CodeType) -> list[Any]:
    """Return the constants of a function; the first is its docstring, whose indent is no difference."""
    found = [(type(c), c) for c in code.co_consts if not isinstance(c, CodeType)]
    first = [(str, inspect.cleandoc(c)) for kind, c in found[:1] if kind is str]
    return [*(first or found[:1]), *found[1:]]
