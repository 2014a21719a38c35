"""The cell papermill puts behind the parameters: written again so that it is valid code and shows no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import Secret, redact_value
from nbmlops.jobs import kinds
from nbmlops.jobs.parameters import Known, declared, given, required
from nbmlops.records import plain

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["INJECTED", "Settled", "settle"]

INJECTED = "injected-parameters"


@dataclass(frozen=True)
class Settled:
    """What a notebook is executed with: its values, code for the kernel alone, and all that holds a secret."""

    values: Mapping[str, Any]
    secret_code: str = ""
    secrets: Mapping[str, Any] = field(default_factory=dict)


def settle(nb: NotebookNode, notebook: str, kernel_name: str, language: str) -> Settled:
    """Check a notebook's parameters and write its injected cell: the last moment before a kernel starts.

    Parameters
    ----------
    nb : NotebookNode
        As papermill prepared it; its metadata and its injected cell are changed.
    notebook : str
        Its name, for messages.
    kernel_name, language : str

    Raises
    ------
    Invalid
        A parameter is unknown, missing, of another type, or a secret that is not set.
    """
    known = declared(nb, kernel_name, language)
    values = given(notebook, dict(nb.metadata.papermill.get("parameters") or {}), known, typed=False)
    required(notebook, values, known)
    masked = {name: plain(redact_value(name, value)) for name, value in values.items()}
    secret = {name: value for name, value in values.items() if masked[name] != plain(value)}
    if values:
        nb.metadata.papermill["parameters"] = masked
        shown = {name: masked[name] if name in secret else value for name, value in values.items()}
        _write(nb, _code(shown, known, kernel_name, language))
    hidden = _code(secret, known, kernel_name, language, _secret_line) if secret else ""
    return Settled(values, hidden, {**_defaults(known or {}, values), **secret})


def _write(nb: NotebookNode, code: str) -> None:
    for cell in nb.cells:
        if INJECTED in cell.metadata.get("tags", []):
            cell.source = code


def _code(values: Mapping[str, Any], known: Known | None, kernel: str, language: str, line: Any = None) -> str:
    """Return code that sets values; papermill writes it for other languages, of plain values."""
    if language.lower() != "python":
        from papermill.translators import translate_parameters

        plainly = {name: str(v) if isinstance(v, Secret) else plain(v) for name, v in values.items()}
        return str(translate_parameters(kernel, language, plainly, "Parameters"))
    types = {name: known[name].kind if known and name in known else kinds.ANY for name in values}
    lines = [(line or _line)(name, value, types[name]) for name, value in values.items()]
    return "\n".join(["# Parameters", *lines, ""])


def _line(name: str, value: Any, kind: kinds.Kind) -> str:
    return f"{name} = {kinds.code(value, kind)}"


def _secret_line(name: str, value: Any, kind: kinds.Kind) -> str:
    """Return code that sets a secret, in a way that the kernel masks it, too: a reference stays one."""
    if isinstance(value, str) and not isinstance(value, Secret):
        remember = '__import__("nbmlops.capture.secrets", fromlist=["remember"]).remember'
        return f"{_line(name, value, kind)}\ntry:\n    {remember}({name})\nexcept Exception:\n    pass"
    if not isinstance(value, Secret):
        return _line(name, value, kind)
    return (
        f'try:\n    {name} = __import__("nbmlops").Secret({value.name!r})\n'
        f"except Exception:\n    {name} = {kinds.code(str(value))}"
    )


def _defaults(known: Known, values: Mapping[str, Any]) -> dict[str, Secret]:
    """Return the secrets that the notebook's own cell reads."""
    found = {name: kinds.SECRET.fullmatch(p.default) for name, p in known.items() if name not in values}
    return {name: Secret(match["name"]) for name, match in found.items() if match}
