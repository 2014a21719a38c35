"""Parameters of a notebook: which there are, and do the values given fit them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.capture.secrets import MASK, Secret, holds_secret, is_secret_name, redact
from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import Shown
from nbmlops.jobs import kinds
from nbmlops.jobs.kinds import Kind

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = [
    "Known",
    "NotebookParameters",
    "Parameter",
    "declared",
    "given",
    "in_python",
    "parameters",
    "parse",
    "required",
]

TAG = "parameters"
REQUIRED = "..."
SHOWN = 60  # characters of a value in a message
TYPE_COMMENT = re.compile(r"type:\s*(?P<type>[^\s]+)\s*(?P<rest>.*)")
VARIABLE = re.compile(r"env:([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Parameter:
    """A parameter as its cell declares it: name, type, default as written, help."""

    name: str
    type: str
    default: str
    help: str = ""
    optional: bool = False
    kind: Kind = field(default=kinds.ANY, compare=False, repr=False)

    @property
    def needed(self) -> bool:
        """Whether it has no default: an annotation alone, or ``...``."""
        return self.default == REQUIRED

    @property
    def shown_default(self) -> str:
        """The default as it may be shown: nothing of a secret."""
        try:
            value = ast.literal_eval(self.default)
        except (ValueError, SyntaxError):
            return redact(self.default)
        return MASK if value and holds_secret(self.name, value) else self.default

    def describe(self) -> str:
        """Return it as a person would write it."""
        return f"{self.name}: {self.type}" if self.needed else f"{self.name}={self.shown_default}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "name": self.name,
            "type": self.type,
            "default": None if self.needed else self.shown_default,
            "required": self.needed,
            "optional": self.optional,
            "help": self.help,
        }


Known = Mapping[str, Parameter]


@dataclass(frozen=True, repr=False)
class NotebookParameters(Shown):
    """The parameters of one notebook, in the order it declares them."""

    shows: ClassVar[str] = "parameters"

    notebook: str
    parameters: tuple[Parameter, ...]

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        return {p.name: p for p in self.parameters}[name]

    def check(self, values: Mapping[str, Any], typed: bool = False) -> dict[str, Any]:
        """Return values as the notebook would get them.

        Parameters
        ----------
        values : mapping
        typed : bool
            They are text, to be read as the declared types.

        Raises
        ------
        Invalid
            One is unknown, missing, or of another type.
        """
        known = {p.name: p for p in self.parameters}
        fitting = given(self.notebook, values, known, typed)
        required(self.notebook, fitting, known)
        return fitting

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"notebook": self.notebook, "parameters": [p.to_dict() for p in self.parameters]}


def parameters(path: str | Path) -> NotebookParameters:
    """Return which parameters a notebook has: name, type, default, help.

    Parameters
    ----------
    path : str or Path
        The notebook. Its parameters are the names assigned in the cell tagged ``parameters``: the type is the
        annotation's, else the default's; the help is the comment behind it, else the one above.

    Returns
    -------
    NotebookParameters
        Iterable; ``.check(values)`` says whether values fit.

    Raises
    ------
    NotFound
        There is no such notebook.

    Examples
    --------
    >>> nb.parameters("retrain.ipynb")["months"].type  # doctest: +SKIP
    'list[int]'
    """
    from nbmlops.jobs.execution import opened

    notebook, nb, kernel, language = opened(path)
    return NotebookParameters(notebook.name, tuple((declared(nb, kernel, language) or {}).values()))


def declared(nb: NotebookNode, kernel_name: str, language: str) -> dict[str, Parameter] | None:
    """Return the parameters of the cell tagged ``parameters``; None where the language has no way to tell."""
    cell = next((c for c in nb.cells if TAG in c.metadata.get("tags", [])), None)
    if cell is None:
        return {}
    found = in_python(cell.source) if language.lower() == "python" else None
    return _of_another(cell, kernel_name, language) if found is None else found


def in_python(source: str) -> dict[str, Parameter] | None:
    """Return the parameters a cell of Python declares; None where it is none, and says so itself when it runs."""
    try:
        return {p.name: p for p in _of_python(_without_magics(source))}
    except SyntaxError:
        return None


def given(notebook: str, values: Mapping[str, Any], known: Known | None, typed: bool) -> dict[str, Any]:
    """Return values as they go to the notebook; those it needs and does not get are for :func:`required`.

    Parameters
    ----------
    notebook : str
        Its name, for messages.
    values : mapping
    known : mapping or None
        What :func:`declared` found.
    typed : bool
        The values are text to be read as the declared types.

    Raises
    ------
    Invalid
        A name the notebook does not declare, or a value that is none of its type.
    """
    if known is None:
        return {name: parse(v, Parameter(name, "any", "")) if typed else v for name, v in values.items()}
    for name in values:
        if name not in known:
            raise _unknown(notebook, name, known)
    return {name: _fitting(notebook, value, known[name], known, typed) for name, value in values.items()}


def required(notebook: str, values: Mapping[str, Any], known: Known | None) -> None:
    """Refuse when a parameter without default has no value, or a secret default is not set here.

    Raises
    ------
    Invalid
        All that is missing is named.
    """
    missing = [p for p in (known or {}).values() if p.needed and p.name not in values]
    if missing:
        raise Invalid(
            f"{notebook} needs {', '.join(p.name for p in missing)}. {_known(known or {})}",
            f"Type -p {missing[0].name} VALUE.",
        )
    for parameter in (known or {}).values():
        if parameter.name not in values and (found := kinds.SECRET.fullmatch(parameter.default)):
            _secret(notebook, parameter.name, found["name"])


def parse(text: str, parameter: Parameter) -> Any:
    """Return text as a value of a parameter's type.

    >>> parse("0.5", Parameter("rate", "float", "0.1")), parse("[1, 2]", Parameter("months", "list", "[]"))
    (0.5, [1, 2])
    """
    return _fitting("", text, parameter, {}, typed=True)


def _fitting(notebook: str, value: Any, parameter: Parameter, known: Known, typed: bool) -> Any:
    kind = parameter.kind if parameter.kind != kinds.ANY else _kind(parameter)
    if name := _reference(value, parameter, kind):
        return _secret(notebook, parameter.name, name)
    try:
        return kinds.read(kind, value) if typed and isinstance(value, str) else kinds.fit(kind, value)
    except (ValueError, TypeError):
        raise _ill_typed(notebook, value, parameter, kind, known) from None


def _reference(value: Any, parameter: Parameter, kind: Kind) -> str:
    """Return the name of the secret a value refers to, or nothing."""
    if isinstance(value, Mapping) and set(value) == {"$secret"}:
        return str(value["$secret"])
    if not isinstance(value, str) or isinstance(value, Secret):
        return ""
    if found := kinds.SECRET.fullmatch(value.strip()):
        return found["name"]
    secret = kind.name == "secret" or is_secret_name(parameter.name)
    found = VARIABLE.fullmatch(value.strip()) if secret else None
    return found[1] if found else ""


def _secret(notebook: str, parameter: str, name: str) -> Secret:
    try:
        return Secret(name)
    except NotFound as error:
        where = f" of {notebook}" if notebook else ""
        raise Invalid(f"Parameter {parameter!r}{where} is Secret({name!r}). {error.message}", error.hint) from None


def _kind(parameter: Parameter) -> Kind:
    """Return the type of a parameter that was made by hand."""
    if parameter.type in ("any", "None"):
        return Kind(optional=parameter.optional)
    found = kinds.of_annotation(ast.parse(parameter.type, mode="eval").body)
    return Kind(found.name, found.args, found.optional or parameter.optional, found.spelled)


def _of_python(source: str) -> Iterator[Parameter]:
    """Yield what the statements of a cell declare."""
    comments = _comments(source)
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        target = _target(statement)
        if target is None:
            continue
        said = comments.get(statement.end_lineno or 0, "")
        annotation = getattr(statement, "annotation", None)
        if annotation is None and (found := TYPE_COMMENT.fullmatch(said)):
            annotation, said = _expression(found["type"]), found["rest"]
        above = comments.get(statement.lineno - 1, "") if lines[statement.lineno - 2].lstrip().startswith("#") else ""
        yield _parameter(target, annotation, getattr(statement, "value", None), source, said or above)


def _target(statement: ast.stmt) -> str | None:
    """Return the one name a statement declares."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def _parameter(name: str, annotation: ast.expr | None, value: ast.expr | None, source: str, about: str) -> Parameter:
    needed = value is None or (isinstance(value, ast.Constant) and value.value is ...)
    default = REQUIRED if needed or value is None else " ".join((ast.get_source_segment(source, value) or "").split())
    kind = kinds.of_annotation(annotation) if annotation is not None else kinds.of_default(None if needed else value)
    if default == "None" and not kind.optional:
        kind = Kind(kind.name, kind.args, True, kind.spelled)
    shown = str(Kind(kind.name, kind.args))
    return Parameter(name, shown, default, about, kind.optional, kind)


def _comments(source: str) -> dict[int, str]:
    """Return the comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _without_magics(source: str) -> str:
    """Return a cell as Python: lines that only IPython reads are left out, line numbers stay."""
    return re.sub(r"(?m)^\s*[%!].*$", "", source)


def _of_another(cell: NotebookNode, kernel_name: str, language: str) -> dict[str, Parameter] | None:
    """Return what papermill finds in a cell of another language: names and defaults, types seldom."""
    from papermill.exceptions import PapermillException
    from papermill.translators import papermill_translators

    try:
        found = papermill_translators.find_translator(kernel_name, language).inspect(cell)
    except (NotImplementedError, PapermillException):
        return None
    return {p.name: Parameter(p.name, "any", p.default, p.help) for p in found}


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _known(known: Known) -> str:
    return f"Known: {', '.join(p.describe() for p in known.values())}." if known else ""


def _ill_typed(notebook: str, value: Any, parameter: Parameter, kind: Kind, known: Known) -> Invalid:
    secret = kind.name == "secret" or holds_secret(parameter.name, value)
    text = MASK if secret else repr(value)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    where = f" of {notebook}" if notebook else ""
    wanted = f"It is {_article(str(kind))}"
    if kind.name == "secret":
        return Invalid(f"Parameter {parameter.name!r}{where} is {text}.", f"{wanted}: type 'Secret(\"ITS_VARIABLE\")'.")
    if not parameter.needed and parameter.default:
        wanted += f", such as {parameter.shown_default} (its default)"
    return Invalid(f"Parameter {parameter.name!r}{where} is {text}.", f"{wanted}. {_known(known)}".strip())


def _unknown(notebook: str, name: str, known: Known) -> Invalid:
    if not known:
        hint = "Tag the cell that sets the defaults with 'parameters'."
        return Invalid(f"{notebook} has no parameter {name!r}: no cell is tagged 'parameters'.", hint)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Type -p {next(iter(known))} VALUE."
    return Invalid(f"{notebook} has no parameter {name!r}. {_known(known)}", hint)
