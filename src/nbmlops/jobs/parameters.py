"""Parameters of a notebook: which there are, and text from a command line as their types."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["Parameter", "declared", "given", "parse"]

YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Parameter:
    """A parameter as its cell declares it: name, type, default as written, help."""

    name: str
    type: str
    default: str
    help: str = ""
    optional: bool = False

    def describe(self) -> str:
        """Return it as a person would write it."""
        return f"{self.name}={self.default}"


def declared(nb: NotebookNode, kernel_name: str, language: str) -> dict[str, Parameter]:
    """Return the parameters of the cell tagged ``parameters``; a type is the annotation's, else the default's."""
    from papermill.inspection import _infer_parameters  # inspect_notebook reads a path, and stumbles over braces in it

    found = _infer_parameters(nb, name=kernel_name, language=language)
    return {p.name: _parameter(p.name, p.inferred_type_name, p.default, p.help) for p in found}


def given(notebook: str, parameters: Mapping[str, Any], known: Mapping[str, Parameter], typed: bool) -> dict[str, Any]:
    """Return parameters as they go to the notebook.

    Parameters
    ----------
    notebook : str
        Its name, for messages.
    parameters : mapping
    known : mapping
        What :func:`declared` found.
    typed : bool
        The values are text to be read as the declared types.

    Raises
    ------
    Invalid
        A name the notebook does not declare, or text that is no value of its type.
    """
    for name in parameters:
        if name not in known:
            raise _unknown(notebook, name, known)
    if not typed:
        return {name: list(v) if isinstance(v, (tuple, set)) else v for name, v in parameters.items()}
    return {name: parse(text, known[name]) for name, text in parameters.items()}


def parse(text: str, parameter: Parameter) -> Any:
    """Return text as a value of a parameter's type.

    >>> parse("0.5", Parameter("rate", "float", "0.1")), parse("[1, 2]", Parameter("months", "list", "[]"))
    (0.5, [1, 2])
    """
    if parameter.optional and text.lower() in ("none", "null"):
        return None
    try:
        return READERS.get(parameter.type, _yaml)(text)
    except ValueError:
        raise Invalid(
            f"Parameter {parameter.name!r} is {text!r}.",
            f"It is {_article(parameter.type)}, such as {parameter.default} (its default).",
        ) from None


def _parameter(name: str, annotation: str, default: str, about: str) -> Parameter:
    value = _literal(default)
    base, optional = _base("" if annotation == "None" else annotation)  # papermill's word for no annotation
    if base not in READERS:
        base = type(value).__name__ if value is not None else "None"
    return Parameter(name, base, default, about, optional or default.strip() == "None")


def _base(annotation: str) -> tuple[str, bool]:
    """Return the plain type of an annotation, and whether it allows None.

    >>> _base("list[int] | None"), _base("Optional[str]")
    (('list', True), ('str', True))
    """
    text = annotation.replace("typing.", "").strip()
    optional = "None" in text.split(" | ") or text.startswith("Optional[")
    if text.startswith("Optional["):
        text = text[len("Optional[") : -1]
    return text.split("|")[0].split("[")[0].strip().lower(), optional


def _literal(source: str) -> Any:
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError):
        return None


def _bool(text: str) -> bool:
    if text.lower() not in (*YES, *NO):
        raise ValueError(text)
    return text.lower() in YES


def _yaml(text: str) -> Any:
    import yaml
    from papermill.iorw import NoDatesSafeLoader

    try:
        return yaml.load(text, Loader=NoDatesSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(text) from error


def _of(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = _yaml(text)
        if not isinstance(value, kind):
            raise ValueError(text)
        return value

    return read


READERS: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": _bool,
    "str": str,
    "list": _of(list),
    "tuple": _of(list),
    "dict": _of(dict),
}


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _unknown(notebook: str, name: str, known: Mapping[str, Parameter]) -> Invalid:
    if not known:
        hint = "Tag the cell that sets the defaults with 'parameters'."
        return Invalid(f"{notebook} has no parameter {name!r}: no cell is tagged 'parameters'.", hint)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Type -p {next(iter(known))} VALUE."
    return Invalid(
        f"{notebook} has no parameter {name!r}. Known: {', '.join(p.describe() for p in known.values())}.", hint
    )
