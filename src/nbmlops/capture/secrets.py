"""Keep secrets off the disk: mask values by the name they go by and by their shape."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["MASK", "is_secret_name", "redact", "redact_value"]

MASK = "[secret]"

# Whole words of a name, so that num_memory_tokens and tokenizer stay readable.
_NAME = re.compile(
    r"(?:^|[_\-.\s])(password|passwd|pwd|secret|token|api_?key|apikey|access_?key|private_?key|credential)s?$", re.I
)
_SHAPES = re.compile(
    r"(?P<url>[a-z][a-z0-9+.\-]*://[^\s:/@'\"]+:)[^\s@'\"]+(?=@)"
    r"|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w\-]{20,}|xox[abprs]-[\w\-]{10,}"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|npm_[A-Za-z0-9]{30,}|(?<=Bearer )[\w\-.~+/=]{8,}"
    r"|(?<=Basic )[A-Za-z0-9+/=]{8,}|(?<=AccountKey=)[^;\s\"']+|(?<=[?&]token=)[^&\s\"']+|(?<=--password[= ])[^\s\"']+"
    r"|sk-[A-Za-z0-9_\-]{20,}|hf_[A-Za-z0-9]{30,}|AIza[\w\-]{35}|eyJ[\w\-]{10,}\.[\w\-]{10,}\.[\w\-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.S,
)
_ASSIGNED = re.compile(
    r"(?P<key>[\w.\-]*(?:password|passwd|pwd|secret|token|api_?key|access_?key|private_?key|credential)s?"
    r"[\"']?\]?\s*(?::\s*\w+\s*)?[=:]\s*\(?[rbfRBF]{0,2})"
    r"(?P<quote>\"{3}|'{3}|[\"'])(?P<value>(?:\\.|(?!(?P=quote)).)+)(?P=quote)",
    re.I,
)


def is_secret_name(name: str) -> bool:
    """Tell whether a name says that its value is secret.

    >>> is_secret_name("db_password"), is_secret_name("num_memory_tokens"), is_secret_name("API_KEY")
    (True, False, True)
    """
    found = _NAME.search(name)
    return bool(found) and not re.search(r"(num|max|min|n|count|memory|stop|pad|eos|bos)[_\-]\w*tokens?$", name, re.I)


def redact(text: str) -> str:
    """Return text with credentials masked: known shapes, and literals assigned to secret names.

    >>> redact("connect('postgresql://me:hunter2@db/x')")
    "connect('postgresql://me:[secret]@db/x')"
    >>> redact('API_KEY = "abc123"')
    'API_KEY = "[secret]"'
    """
    text = _SHAPES.sub(lambda m: (m["url"] or "") + MASK, text)
    return _ASSIGNED.sub(lambda m: f"{m['key']}{m['quote']}{MASK}{m['quote']}", text)


def redact_value(name: str, value: Any) -> Any:
    """Return a value as it may be stored under a name."""
    if is_secret_name(name) and value is not None:
        return MASK
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_value("", item) for item in value]
    return value
