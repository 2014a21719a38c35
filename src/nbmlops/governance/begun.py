"""Begin a charter: a commented template, with what people answered in it, never over one that is there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from nbmlops.errors import Conflict, Invalid
from nbmlops.governance.charter import TYPES, WANTED, parsed
from nbmlops.governance.written.given import near
from nbmlops.registry.targets import FILE
from nbmlops.tracking import session

__all__ = ["ASKED", "answered", "check_none", "new", "question", "read_answers", "template"]

PLAIN = re.compile(r"[^\W\d][\w .-]*[\w]|[^\W\d]")  # what YAML reads as text without quotes
TARGET = re.compile(r"(?P<name>\w+) at (?P<bound>least|most) (?P<value>-?\d+(\.\d+)?)")
LISTED = ("users", "limits", "metrics")  # answered with commas between
ASKED = ("problem", "users", "decision", "goal", "metrics", "limits", "oversight", "review_days")


def new(folder: str | Path | None = None, answers: Mapping[str, Any] | None = None) -> Path:
    """Write a commented template and return its path; an existing charter is never overwritten.

    Parameters
    ----------
    folder : path, optional
        The project's root when absent.
    answers : mapping, optional
        Keys of a charter with what they shall say.

    Returns
    -------
    Path

    Raises
    ------
    Conflict
        There is one already.
    Invalid
        An answer is none a charter can hold; nothing is written.

    Examples
    --------
    >>> new(answers={"problem": "Will this flight be late?"})  # doctest: +SKIP
    PosixPath('charter.yaml')
    """
    path = Path(folder or session.project().root) / FILE
    text = template(answers)
    parsed(text.encode("utf-8"))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _there() from None
    return path


def check_none() -> None:
    """Refuse to begin a charter where there is one, before anybody is asked.

    Raises
    ------
    Conflict
        There is one already.
    """
    if (session.project().root / FILE).exists():
        raise _there()


def _there() -> Conflict:
    return Conflict(f"{FILE} is there already.", f"Edit {FILE}, or remove it first.")


def template(answers: Mapping[str, Any] | None = None) -> str:
    """Return the template, with the project's name and what was answered in it; the comments stay."""
    text = resources.files("nbmlops").joinpath("templates", FILE).read_text(encoding="utf-8")
    name = session.project().name
    text = text.replace("{project}", name if PLAIN.fullmatch(name) else json.dumps(name))
    for key, value in (answers or {}).items():
        text = _said(text, str(key), value)
    return text


def answered(key: str, words: str) -> Any:
    """Return what somebody typed as an answer, as the charter says it.

    Parameters
    ----------
    key : str
        One of ``ASKED``.
    words : str

    Raises
    ------
    Invalid
        It is no target or no number of days.

    Examples
    --------
    >>> answered("metrics", "roc_auc at least 0.65")
    [{'name': 'roc_auc', 'at_least': 0.65}]
    >>> answered("users", "travel desk, crew")
    ['travel desk', 'crew']
    """
    if key == "review_days":
        return _days(words)
    if key not in LISTED:
        return words.strip()
    items = [item.strip() for item in words.split(",") if item.strip()]
    return [_target(item) for item in items] if key == "metrics" else items


def read_answers(path: str | Path) -> dict[str, Any]:
    """Return the answers of a YAML file, whose keys are those of a charter.

    Raises
    ------
    Invalid
        It holds no keys, or one that there is not.
    """
    from nbmlops.registry.targets import read

    found = read(Path(path))
    if strange := [str(key) for key in found if key not in TYPES]:
        raise Invalid(f"{Path(path).name}: {strange[0]!r} is no key of a charter.", near(strange[0], TYPES))
    return found


def _said(text: str, key: str, value: Any) -> str:
    """Return the template with a key answered: in its place, else at the end."""
    import yaml

    said = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=110).rstrip("\n")
    line = re.compile(rf"^{re.escape(key)}:.*$", re.M)
    return line.sub(lambda _: said, text, count=1) if line.search(text) else f"{text.rstrip()}\n\n{said}\n"


def _target(words: str) -> dict[str, Any]:
    found = TARGET.fullmatch(words)
    if found is None:
        raise Invalid(f"{words!r:.60} is no target.", "Write it as: roc_auc at least 0.65, share_gap at most 0.05.")
    return {"name": found["name"], f"at_{found['bound']}": float(found["value"])}


def _days(words: str) -> int:
    if not words.strip().isdecimal() or int(words) < 1:
        raise Invalid(f"{words!r:.40} is no number of days.", "Write a whole number, such as 90.")
    return int(words)


def question(key: str) -> str:
    """Return how a key is asked for, and whose it is to say.

    >>> question("problem")
    'problem: the question the model answers (stakeholder)'
    """
    why, role = next((why, role) for wanted, why, role in WANTED if wanted == key)
    return f"{key}: {why} ({role})"
