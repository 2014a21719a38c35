"""Keep secrets off the disk: mask values by the name they go by, by their shape, and those this process knows.

What is masked is not read again, so that every search takes time in proportion to the text (see ``shapes``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from nbmlops.capture import shapes
from nbmlops.errors import Invalid, NotFound
from nbmlops.records import plain

__all__ = [
    *("MASK", "SHORTEST", "Secret", "holds_secret", "is_secret_name", "redact", "redact_value", "remember"),
    "spellings",
]

MASK = "[secret]"
SHORTEST = 6  # characters of a known value that is masked wherever it stands
MOST_NAME = 60


_remembered: dict[str, None] = {}  # in this process only


class Secret(str):
    """A secret by its name: a text for who uses it, a reference wherever it is stored or shown.

    It is read from the environment variable of that name, else from the file that the variable ``NAME_FILE`` names, as
    containers have it. Its value is masked in everything that is tracked. Pickled it is its name, and read again where
    it is loaded.

    Parameters
    ----------
    name : str
        The name of the environment variable, never the value.

    Raises
    ------
    Invalid
        The name is no name of a variable, or the file cannot be read.
    NotFound
        Neither variable is set.

    Examples
    --------
    >>> import os
    >>> import nbmlops as nb
    >>> os.environ["EXAMPLE_PASSWORD"] = "correct horse"
    >>> password = nb.Secret("EXAMPLE_PASSWORD")
    >>> password, len(password)
    (Secret('EXAMPLE_PASSWORD'), 13)
    >>> del os.environ["EXAMPLE_PASSWORD"]
    """

    name: str

    def __new__(cls, name: str) -> Secret:
        """Read the value, and remember to mask it."""
        value = _resolve(name)
        remember(value)
        secret = super().__new__(cls, value)
        secret.name = str(name)
        return secret

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Secret, (self.name,)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: Any) -> Secret:
        return self


def _resolve(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):  # it may be the value itself: it is not shown
        raise Invalid(
            "The name of a secret is not what was given.",
            "It names an environment variable: letters, digits and underscores. Write nb.Secret('DB_PASSWORD').",
        )
    if value := os.environ.get(name):
        return value
    path = os.environ.get(f"{name}_FILE")
    if not path:
        raise NotFound(
            f"Secret {name} is not set. It is read from the environment variable {name}, else from the file that "
            f"{name}_FILE names.",
            f"Set one of them where the kernel is started: export {name}=...",
        )
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(
            f"The file that {name}_FILE names cannot be read ({type(error).__name__}). It holds the secret alone.",
            f"Correct the path in {name}_FILE, or set {name}.",
        ) from None


def remember(value: str) -> None:
    """Mask a value wherever it appears in this process, whatever its shape; a very short one is left.

    Parameters
    ----------
    value : str
        It is kept in memory only.

    Examples
    --------
    >>> remember("staple-battery")
    >>> redact("it said staple-battery")
    'it said [secret]'
    """
    _remembered[str(value)] = None


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Tell whether a name says that its value is secret.

    >>> is_secret_name("db_password"), is_secret_name("num_memory_tokens"), is_secret_name("apiKey")
    (True, False, True)
    """
    if name in ("PWD", "OLDPWD"):  # the working directory
        return False
    low = shapes.CAMEL.sub("_", name[-MOST_NAME:]).lower()
    return any(found.end() == len(low) for found in shapes.SECRET_WORD.finditer(low)) and not shapes.OF_TEXT.search(low)


def redact(text: str) -> str:
    """Return text with credentials masked: known shapes and values, and what is assigned to secret names.

    >>> redact("connect('postgresql://me:hunter2@db/x')")
    "connect('postgresql://me:[secret]@db/x')"
    >>> redact('API_KEY = "abc123"')
    'API_KEY = "[secret]"'
    """
    if isinstance(text, Secret):
        return repr(text)
    if len(text) < SHORTEST:
        return text
    text = shapes.URL.sub(_without_password, _without_known(text))
    text = shapes.AWS.sub(MASK, shapes.PRIVATE_KEY.sub(MASK, text))
    if "eyJ" in text:
        text = shapes.WEB_TOKEN.sub(lambda m: MASK if m["secret"] else m[0], text)
    text = shapes.LONG.sub(lambda m: _shapes().sub(MASK, m[0]), text)
    low = text.lower()
    for hints, pattern in _beside():
        if any(hint in low for hint in hints):
            text = pattern.sub(rf"\1{MASK}", text)
    return _without_named(_without_basic(text))


def redact_value(name: str, value: Any) -> Any:
    """Return a value as it may be stored under a name: a :class:`Secret` as its reference.

    >>> redact_value("db", {"password": "hunter2", "port": 5})
    {'password': '[secret]', 'port': 5}
    """
    if isinstance(value, Secret):
        return repr(value)
    if is_secret_name(name) and _hides(name, value):
        return MASK
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {redact(k) if isinstance(k, str) else k: redact_value(str(k), item) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_value("", item) for item in value]
    shown = plain(value)  # what it will be stored as
    masked = redact_value(name, shown)
    return value if masked == shown else masked


def holds_secret(name: str, value: Any) -> bool:
    """Tell whether something of a value would be masked under a name.

    >>> holds_secret("db", {"password": "hunter2"}), holds_secret("rate", float("nan")), holds_secret("ab", (1, 2))
    (True, False, False)
    """
    return bool(plain(redact_value(name, value)) != plain(value))  # NaN as text: it equals nothing, not itself


def _hides(name: str, value: Any) -> bool:
    """Tell whether a value under a secret name is one: not a switch, a number of tokens or a reference."""
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return not shapes.TOKENS.search(name)
    return not (isinstance(value, str) and shapes.REFERENCE.fullmatch(value))


@cache
def _shapes() -> re.Pattern[str]:
    return re.compile("|".join(shapes.SHAPES))


@cache
def _beside() -> tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]:
    return tuple((hints, re.compile(rf"({kept}){secret}", re.I)) for hints, kept, secret in shapes.BESIDE)


def _without_known(text: str) -> str:
    """Mask the values of secrets and of environment variables that are secret by name."""
    values = {os.environ.get(name, "") for name in os.environ if is_secret_name(name)} | _remembered.keys()
    for value in sorted(values, key=len, reverse=True):
        # One that is a word for secrets, such as "password", would mask the names that others are found by.
        if len(value) >= SHORTEST and not is_secret_name(value):
            for spelling in spellings(value):
                if spelling in text:
                    text = text.replace(spelling, MASK)
    return text


@lru_cache(maxsize=256)
def spellings(value: str) -> tuple[str, ...]:
    """Return a value as it is, and as it stands in JSON, in a repr, in a URL and in HTML, line by line too."""
    import html
    import json
    from urllib.parse import quote, quote_plus

    found = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    found |= {quote(value, safe=""), quote(value), quote_plus(value), html.escape(value)}
    found |= {line for line in value.splitlines() if len(line) >= 16}
    return tuple(sorted(found, key=len, reverse=True))


def _without_password(found: re.Match[str]) -> str:
    if found["user"]:
        return f"://{MASK}"
    shown = found["secret"] is None or shapes.LEFT_ALONE.match(found["rest"])
    return str(found[0]) if shown else f"://{found['kept']}{MASK}"


def _without_basic(text: str) -> str:
    """Mask base64 of ``user:password`` behind the word Basic, which heads many a paragraph."""
    if "Basic " not in text:
        return text
    from base64 import b64decode

    def masked(found: re.Match[str]) -> str:
        try:
            says = b64decode(found[2] + "=" * (-len(found[2]) % 4))
        except ValueError:  # it is a word
            return found[0]
        return f"{found[1]}{MASK}" if b":" in says else found[0]

    return re.sub(r"(\bBasic )([A-Za-z0-9+/]{8,}+)=*", masked, text)


def _without_named(text: str) -> str:
    """Mask what stands under secret names, in one pass from left to right."""
    low = text.lower()
    if len(low) != len(text):  # a letter that is two in lower case
        low = text.translate(shapes.ASCII)
    parts: list[str] = []
    done = 0
    for word in shapes.SECRET_WORD.finditer(low):
        start, at = word.span()
        if start < done or text.startswith(MASK, start - 1):
            continue
        start = _name_start(low, start, done)
        for begin, end in _spans(text, start, at) if is_secret_name(text[start:at]) else ():
            parts += (text[done:begin], MASK)
            done = end
    return "".join((*parts, text[done:]))


def _name_start(low: str, at: int, done: int) -> int:
    """Return where the name begins that a word for secrets ends."""
    start = at
    while start > max(done, at - MOST_NAME) and (low[start - 1].isalnum() or low[start - 1] in "_-"):
        start -= 1
    escaped = done < start < at and low[start - 1] == "\\" and low[start] in "nrt"
    return start + escaped


def _spans(text: str, start: int, at: int) -> list[tuple[int, int]]:
    """Return where the value of a secret name begins and ends; a list of values has many."""
    found = shapes.OPERATOR.match(text, at)
    assert found is not None  # it may be empty
    name, before, op = text[start:at], text[max(0, start - 300) : start], (found["op"] or " ")
    op = "=" if op[0] == ":" and op[-1] == "=" else op
    if (
        found["open"]
        and op in "=:=>"
        and not shapes.TOKENS.search(name)
        and (flat := shapes.FLAT.match(text, found.end("open")))
    ):
        items = shapes.ITEM.finditer(text, found.end("open"), flat.end())
        return [item.span("body") for item in items if item["body"] and not item["key"]]
    if found["quote"] and _is_value(text, found, name, before, op):
        return _literal(text, found)
    if op in "=:," and (fallback := _fallback(text, found.start("open"))):
        return _literal(text, fallback)
    end = _bare_end(text, found, name, before, op)
    return [(found.start("open"), end)] if end else []


def _fallback(text: str, begin: int) -> re.Match[str] | None:
    """Find the literal that stands for a value that is missing: ``os.environ.get("X", "fallback")``."""
    line = text[begin : begin + 300].partition("\n")[0]
    return shapes.FALLBACK.match(text, begin) if '"' in line or "'" in line else None


def _literal(text: str, found: re.Match[str]) -> list[tuple[int, int]]:
    """Return a literal's span: to the first quote that is not escaped, else the last of the line, else all of it."""
    quote, begin = found["quote"], found.end()
    if body := shapes.BODY[quote].match(text, begin) if quote in shapes.BODY else None:
        end = body.end()
    else:
        line = len(text) if (line := text.find("\n", begin)) < 0 else line
        end = text.find(quote, begin) if len(quote) > 1 else text.rfind(quote, begin, line)
        end = end if end > begin else len(text) if quote[-3:] in ('"""', "'''") else line
    return [(begin, end)] if end > begin and not shapes.REFERENCE.fullmatch(text, begin, end) else []


def _is_value(text: str, found: re.Match[str], name: str, before: str, op: str) -> bool:
    """Tell whether the literal behind a name is its value."""
    if op == ",":
        return bool(found["close"] and shapes.SETTER.search(before))
    if op == "(":
        return name.lower().startswith(("set_", "with_", "secretstr", "secretbytes"))
    if op in ("==", "!=") or found["open"] in ("[", "{"):
        return not shapes.TOKENS.search(name)
    if op == " " and not name.startswith("--"):
        spoken = not (found["close"] or found["open"] or shapes.TOKENS.search(name) or "\n" in found[0])
        return bool(spoken or shapes.ENVIRONMENT.search(before))
    # The quote may close a string that the name stands in: print("token:", token)
    inside = not found["close"] and before.rpartition("\n")[2].count(found["quote"]) % 2 == 1
    return not (inside and text[found.end() : found.end() + 1] in ",)]}+%.; \n")


def _bare_end(text: str, found: re.Match[str], name: str, before: str, op: str) -> int | None:
    """Return where a value without quotes ends; None where what follows is code or prose."""
    begin = found.start("open")
    head = shapes.BARE.match(text, begin)
    if head is None or "\n" in text[found.start() : begin] or shapes.LEFT_ALONE.match(text, begin):
        return None
    run = _certain(text, head, name, before, op, glued=found.end("op") == begin and found["op"] is not None)
    if run is None and op in "=:" and _looks_secret(head[0], name, _alone(text, head, before, found, op)):
        run = shapes.TO_END
    return run.match(text, begin).end() if run else None  # type: ignore[union-attr]


def _certain(text: str, head: re.Match[str], name: str, before: str, op: str, glued: bool) -> re.Pattern[str] | None:
    """Return how far the value goes where only a value can stand: a query, a flag, an environment, a connection."""
    spaced = before[-1:].isspace()
    if spaced and op in " =" and shapes.ENVIRONMENT.search(before):
        return shapes.TO_SPACE if glued and not before.rstrip().endswith("env") else shapes.TO_LINE
    if (op in " =" and name.startswith("--")) or (spaced and op == " " and shapes.NETRC.search(before)):
        return shapes.TO_SPACE
    if op != "=" or not glued:
        return None
    if spaced and shapes.FLAG.search(before):
        return shapes.TO_SPACE
    if before.endswith(("?", "&", "&amp;")):
        return shapes.TO_AND
    if name.isupper() and before[-1:] in "\n \t!+\"'" and before.rstrip(" \t")[-1:] not in (",", "("):
        return shapes.TO_SPACE
    paired = text[head.end() : head.end() + 1] == ";" or (spaced and shapes.PAIRS.search(before))
    return shapes.TO_END if paired else None


def _alone(text: str, head: re.Match[str], before: str, found: re.Match[str], op: str) -> bool:
    """Tell whether ``name: value`` or ``name=value`` is all of a line, as in YAML and in .env files."""
    glued = found.start("op") == found.start() and (op == ":" or found.end("op") == head.start())
    return glued and bool(shapes.LINE_START.search(before) and shapes.LINE_END.match(text, head.end()))


def _looks_secret(value: str, name: str, alone: bool) -> bool:
    """Tell whether what stands behind a secret name without quotes is a value: a number, or no word of a language."""
    name_like = value.replace(".", "_").isidentifier()
    if shapes.EXPRESSION.match(value) or shapes.PLAIN.match(value) or (name_like and is_secret_name(value)):
        return False
    digits = len(re.findall(r"\d", value))
    tokens = shapes.TOKENS.search(name)
    if not re.search(r"[^\W\d_]", value):
        return digits >= 4 and not tokens
    if alone and len(value) >= SHORTEST and (digits or len(value) >= 16 or not tokens):
        return True
    if not digits or len(value) < 8:
        return False
    return not name_like or not re.search(r"[_.]", value) or (digits >= 3 and len(value) >= 16)
