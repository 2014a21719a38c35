"""What a cell's source says before it runs: names read, written and changed, literals assigned, what it imports."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbmlops.capture.names import Names, magic_of

__all__ = ["CellSource", "analyse", "translated"]

LITERALS = (bool, int, float, str, type(None))
RUNS_PYTHON = ("time", "capture", "prun", "memit", "mprun", "lprun")  # magics whose body binds names of the user's


@dataclass(frozen=True)
class CellSource:
    """A parsed cell.

    Attributes
    ----------
    reads, writes : tuple of str
        Names that must exist before, and names the cell binds, in order. Builtins and what IPython provides are no
        reads; names of functions, comprehensions and ``except`` clauses stay inside them.
    literals : dict
        Names bound to a literal at the top level, with its value.
    imports : frozenset of str
        Top-level packages the cell imports.
    mutates : tuple of str
        Names from before whose content the cell may change in place.
    deletes : tuple of str
        Names the cell deletes.
    calls : mapping
        Name of what is called, of ``a.b()`` the last part, to the keywords it is called with anywhere in the cell.
    optional : tuple of str
        Names that are read only if an earlier cell bound them: builtins, and names bound here on some paths only.
    modules : tuple of str
        The names among ``writes`` that an import binds.
    opaque : bool
        Whether it may bind names that its source does not show: a star import, ``exec``, ``%run``.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    literals: dict[str, Any] | None = None
    imports: frozenset[str] = frozenset()
    mutates: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    calls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    opaque: bool = False


def analyse(source: str) -> CellSource:
    r"""Parse a cell; one that does not parse has no names.

    Parameters
    ----------
    source : str
        The cell as Python, magics already translated. Of ``%%time`` and its like, the body is read as well.

    Examples
    --------
    >>> cell = analyse("C = 0.5\nmodel = Model(C).fit(train)")
    >>> cell.reads, cell.writes, cell.literals
    (('Model', 'train'), ('C', 'model'), {'C': 0.5})
    >>> analyse("items.append(Item(size=3))").mutates
    ('items',)
    """
    try:
        tree = _parsed(source)
        names = Names()
        names.read(tree.body)
        literals = dict(_literals(tree))
    except (SyntaxError, ValueError):
        return CellSource()
    except (RecursionError, MemoryError):  # nested deeper than Python follows: nobody knows what it binds
        return CellSource(opaque=True)
    return CellSource(
        tuple(names.reads),
        tuple(names.writes),
        literals,
        frozenset(names.packages),
        tuple(names.mutates),
        tuple(names.deletes),
        {called: tuple(keywords) for called, keywords in names.calls.items()},
        tuple(n for n in names.optional if n not in names.reads),
        tuple(n for n in names.modules if n in names.writes),
        names.opaque,
    )


def translated(source: str) -> str:
    """Return a cell as Python: its magics and shell lines become calls, as IPython has them.

    >>> translated("%matplotlib inline").strip()
    "get_ipython().run_line_magic('matplotlib', 'inline')"
    """
    from IPython.core.inputtransformer2 import TransformerManager

    return str(TransformerManager().transform_cell(source))


def _parsed(source: str) -> ast.Module:
    if "\\" not in source:
        tree = ast.parse(source)
    else:
        with warnings.catch_warnings():  # Python warns of an odd escape when the cell runs; once is enough
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    tree.body = list(_expanded(tree.body))
    return tree


def _expanded(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, in place of ``%%time`` and its like those of the cell below it."""
    for statement in body:
        magic = magic_of(statement.value) if isinstance(statement, ast.Expr) else None
        if magic is None or magic[0] not in RUNS_PYTHON:
            yield statement
            continue
        yield from _bound_by_line(magic)
        lines = magic[-1].splitlines()
        kept = [re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in lines]
        try:
            yield from _expanded(ast.parse("\n".join(kept)).body)
        except SyntaxError:  # options stand before the code, or it is no Python
            yield statement


def _bound_by_line(magic: Sequence[str]) -> Iterator[ast.stmt]:
    """Yield a statement that binds what ``%%capture NAME`` does."""
    found = [w for w in magic[1].split() if w.isidentifier()] if magic[0] == "capture" else []
    yield from ast.parse("".join(f"for {name} in (): pass\n" for name in found[:1])).body


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
