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
# Each takes time in proportion to the text: none begins again inside a word it has failed on. So a URL or a JSON
# web token is matched also without what makes it one (the group ``secret``), and then left as it is.
_URL = re.compile(r"(?P<kept>(?<=[a-z0-9+.\-])://[^\s:/@'\"]++:)(?P<rest>[^\s@'\"]++)(?P<secret>(?=@))?")
_WEB_TOKEN = re.compile(r"eyJ[\w\-]{10,}+(?P<secret>\.[\w\-]{10,}+\.[\w\-]++)?")
_SHAPES = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w\-]{20,}|xox[abprs]-[\w\-]{10,}"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|npm_[A-Za-z0-9]{30,}|(?<=Bearer )[\w\-.~+/=]{8,}"
    r"|(?<=Basic )[A-Za-z0-9+/=]{8,}|(?<=AccountKey=)[^;\s\"']+|(?<=[?&]token=)[^&\s\"']+|(?<=--password[= ])[^\s\"']+"
    r"|sk-[A-Za-z0-9_\-]{20,}|hf_[A-Za-z0-9]{30,}|AIza[\w\-]{35}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.S,
)
# The value goes to the first quote that is not escaped; when none follows, to the last one in the line.
_ASSIGNED = re.compile(
    r"(?P<key>(?:password|passwd|pwd|secret|token|api_?key|access_?key|private_?key|credential)s?"
    r"[\"']?\]?\s*+(?::\s*+\w++\s*+)?[=:]\s*+\(?[rbf]{0,2})"
    r"(?P<quote>\"{3}|'{3}|[\"'])(?!(?P=quote))(?:(?:\\.|(?!(?P=quote))[^\\\n])+(?P=quote)|.+(?P=quote))",
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
    text = _URL.sub(lambda m: m["kept"] + (m["rest"] if m["secret"] is None else MASK), text)
    text = _WEB_TOKEN.sub(lambda m: MASK if m["secret"] else m[0], text)
    text = _SHAPES.sub(MASK, text)
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
