"""``{{ scheduled_for.month - 1 }}``: the small language of a job's parameters, walked and never run as code.

Not Jinja's sandbox: four kinds of node can be read in one screen, and a number stays a number.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from nbmlops.errors import Invalid, NbmlopsError

__all__ = ["NAMES", "render"]

NAMES = ("scheduled_for", "job")
PARTS: Mapping[str, Callable[[datetime], Any]] = {
    "year": lambda t: t.year,
    "month": lambda t: t.month,
    "day": lambda t: t.day,
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "weekday": lambda t: t.weekday(),
    "date": lambda t: t.date().isoformat(),
}
BRACES = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
MOST = 200  # characters of an expression
LARGEST = 10_000_000
HINT = (
    f"Write scheduled_for (its {', '.join(PARTS)}), job, whole numbers, + and -; scheduled_for - 1 is the day before."
)


def render(value: Any, scheduled_for: datetime, job: str) -> Any:
    """Return a parameter's value with what stands in double braces filled in, in lists and mappings too.

    Parameters
    ----------
    value : object
        As YAML gives it. A text that is one expression becomes its value, a number where it is one.
    scheduled_for : datetime
        In the zone of the job.
    job : str
        The job's name.

    Raises
    ------
    Invalid
        What stands there is not of the small language.

    Examples
    --------
    >>> render("{{ scheduled_for.month - 1 }}", datetime(2026, 3, 1), "retrain")
    2
    >>> render("month {{ (scheduled_for - 1).month }}", datetime(2026, 1, 1), "retrain")
    'month 12'
    """
    if isinstance(value, Mapping):
        return {key: render(item, scheduled_for, job) for key, item in value.items()}
    if isinstance(value, list):
        return [render(item, scheduled_for, job) for item in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    names = {"scheduled_for": scheduled_for, "job": job}
    if whole := re.fullmatch(r"\s*\{\{((?:(?!\}\}).)*)\}\}\s*", value, re.DOTALL):
        return _said(_value(whole[1], names))
    return BRACES.sub(lambda found: str(_said(_value(found[1], names))), value)


def _said(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _value(source: str, names: Mapping[str, Any]) -> Any:
    text = source.strip()
    try:
        if len(text) > MOST:
            raise Invalid(f"An expression of {len(text)} characters.", HINT)
        return _walk(ast.parse(text, mode="eval").body, names)
    except NbmlopsError:
        raise
    except (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        raise Invalid(f"{{{{ {text[:60]} }}}} cannot be read.", HINT) from None


def _walk(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) < LARGEST:
        return node.value
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.Attribute) and node.attr in PARTS and isinstance(of := _walk(node.value, names), datetime):
        return PARTS[node.attr](of)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        return _sum(_walk(node.left, names), _walk(node.right, names), 1 if isinstance(node.op, ast.Add) else -1)
    raise Invalid(f"{{{{ {ast.unparse(node)[:60]} }}}} is not allowed in a parameter.", HINT)


def _sum(left: Any, right: Any, sign: int) -> Any:
    """Return a number more or less, or a time so many days later or earlier."""
    if type(right) is int and type(left) is int:
        return left + sign * right
    if type(right) is int and isinstance(left, datetime):
        return left + sign * timedelta(days=right)
    raise Invalid("Only whole numbers are added or taken away.", HINT)
