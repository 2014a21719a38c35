"""Keep secrets off the disk: mask values by the name they go by, by their shape, and those this process knows.

Every search takes time in proportion to the text: a shape begins with fixed text and goes on in runs that are never
gone back into, what is looked at and then left as it is has a bounded length, and what is masked is not read again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from nbmlops.errors import Invalid, NotFound
from nbmlops.records import plain

__all__ = ["MASK", "Secret", "is_secret_name", "redact", "redact_value", "remember"]

MASK = "[secret]"
SHORTEST = 6  # characters of a known value that is masked wherever it stands
MOST_NAME = 60


def _word(head: str, tail: str) -> str:
    """Return a shape that base64 data may hold by chance: it counts only where a word begins, after an escape too."""
    return rf"{head}(?:(?<![A-Za-z0-9]{head})|(?<=\\[nrt]{head})|(?<=%[0-9A-F]{{2}}{head})){tail}"


# A key id of AWS, with the secret key that stands beside it.
_AWS = re.compile(
    r"A(?:3T[0-9A-Z]|KIA|SIA|BIA|CCA|GPA|IDA|ROA|IPA|NPA|NVA|PKA)[0-9A-Z]{16}"
    r"(?:[\s,:;|\"']{1,8}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.S
)
_LONG = re.compile(r"[\w\-+/=.~:%\\]{15,}+")  # the only places where one of the following can stand
# What is public, such as pk_live_, is left. They are shorter than they come, for a table cuts what it shows.
SHAPES = (
    # Clouds: AWS (session tokens), Google, Azure, DigitalOcean, others
    r"(?:IQoJb3JpZ2lu|F[wQ]oGZXIvYXdzE|AQoDYXdzE)[\w/+=%\-]{20,}",
    _word("AIza", r"[\w\-]{35}"),
    r"ya29\.[\w\-.]{20,}|GOCSPX-[\w\-]{20,}|1//0[\w\-]{30,}|Q~(?<=\dQ~)[\w~.\-]{31,}",
    r"do[opr]_v1_[0-9a-f]{20,}|HRKU-[\w\-]{20,}|v1\.0-[0-9a-f]{24}-[0-9a-f]{20,}|cf(?:ut|at|k)_\w{20,}",
    r"tskey-[\w\-]{20,}|sbp_[0-9a-f]{20,}|sb_secret_[\w\-]{20,}|pscale_\w{2,8}_[\w.\-]{20,}|rnd_[A-Za-z0-9]{20,}",
    _word("LTAI", r"[A-Za-z0-9]{16,20}(?![A-Za-z0-9])"),
    # Code and packages
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{22,}",
    r"gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt)-[\w\-.]{16,}|GR1348941[\w\-]{20}",
    r"npm_[A-Za-z0-9]{20,}|pypi-A[\w\-]{20,}|dckr_[po]at_[\w\-]{20,}|rubygems_[0-9a-f]{20,}|cmVmdGtu[A-Za-z0-9]{50,}",
    r"ATATT3[\w\-=]{20,}|ATCTT3[\w\-=]{20,}|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.\-]{20,}|pul-[0-9a-f]{20,}",
    r"hv[sbr]\.[\w\-]{20,}|\.atlasv1\.[\w\-=]{20,}|lin_(?:api|oauth)_[A-Za-z0-9]{20,}|PMAK-[0-9a-f\-]{20,}",
    # Messages, money, watching
    r"xox[a-z](?:\.xox[bp])?-[\w\-]{10,}|xapp-\d-[\w\-]{10,}|hooks\.slack\.com/\w+/[\w/+\-]{20,}",
    r":AA(?<=\d{8}:AA)[\w\-]{32,}|[M-O](?=[\w\-]{0,27}\d)[\w\-]{22,27}\.[\w\-]{6}\.[\w\-]{27,}",
    r"discord(?:app)?\.com/api/webhooks/\d+/[\w\-]{20,}|SG\.[\w\-]{16,}+\.[\w\-]{16,}|key-[0-9a-f]{32}",
    r"SK[0-9a-f]{32}|[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,}",
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|sq0[a-z]{3}-[\w\-]{22,}",
    _word("EAAA", r"[\w\-]{60}"),
    r"NR(?:AK|JS|II|BR|RA|AA|IQ)-[\w\-]{15,}|sntrys_[\w+/=\-.]{20,}|sntryu_[0-9a-f]{20,}",
    r"glsa_\w{20,}|glc_[\w+/=]{20,}|dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{20,}|figd_[\w\-]{20,}|CFPAT-[\w\-]{20,}",
    r"ntn_[A-Za-z0-9]{30,}|secret_[A-Za-z0-9]{43}|pat[A-Za-z0-9]{14}\.[0-9a-f]{20,}",
    # Models and data
    r"sk-(?:proj|svcacct|admin|None|ant|or-v\d|lf)-(?=[\w\-]{0,60}\d)[\w\-]{16,}|sk-[A-Za-z0-9]{32,}",
    r"sk-(?<![A-Za-z0-9]sk-)(?:[A-Za-z0-9]{20,}|(?=[\w\-]{0,60}[A-Z])(?=[\w\-]{0,60}\d)[\w\-]{20,})",
    r"hf_[A-Za-z0-9]{20,}|api_org_[A-Za-z]{20,}|gsk_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|pplx-[A-Za-z0-9]{20,}",
    r"xai-[A-Za-z0-9]{30,}|pcsk_\w{20,}|lsv2_[ps][tk]_\w{20,}|KGAT_[0-9a-f]{20,}|wandb_v\d_\w{20,}",
    r"dapi[0-9a-f]{32}(?:-\d)?|eyJhcGlf[\w+/=\-]{20,}|AGE-SECRET-KEY-1[0-9A-Z]{20,}",
    r"(?<![0-9a-f])[0-9a-f]{32}-(?:us\d{1,2}|[0-9a-f]{8}-[0-9a-f]{8})(?![\w\-])",
)
# A URL or a web token is matched also without what makes it one (the group ``secret``), and then left as it is.
_URL = re.compile(
    r"://(?<=[a-z0-9+.\-]://)(?P<kept>(?:(?P<user>[\w\-.~%]{20,}+(?=@))|[^\s:/@'\"]*+:))"
    r"(?(user)|(?P<rest>[^\s@'\"]++(?:@[^\s@/'\"]*+(?=@))*+)(?P<secret>(?=@))?)"
)
_WEB_TOKEN = re.compile(
    r"eyJ[\w\-]{10,}+(?P<secret>\.(?:[\w\-]{10,}+)?+\.[\w\-]++(?:\.[\w\-]++){0,2}|\.eyJ[\w\-]{5,}+)?"
)
_QUOTED = r"(?:\"[^\"\n]{0,200}\"|'[^'\n]{0,200}')"
# What stands behind something that says it is secret: (texts of which one is there, what is kept, what is masked).
_PAIR = rf"\s*+[rbfu]?{_QUOTED}\s*+,\s*+[rbfu]?[\"']"
_SCHEME = r"\s*+[:=,]\s*+[rbf]?[\"']?(?:bearer|basic|token|api-?key|digest)\s++"
_SIGNED = r"(?:[?&\"']|&amp;)(?:sig|signature|x-(?:amz|goog)-(?:signature|credential))="
BESIDE: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("authorization",), rf"authorization[\"']?{_SCHEME}", r"(?!\{)[^\s\"'\\,;]++"),
    (("bearer ",), r"\bbearer\s++", r"(?=[\w\-.~+/=]{0,40}\d|[\w\-.~+/=]{20})[\w\-.~+/=]{8,}"),
    (("sig=", "signature=", "credential="), _SIGNED, r"(?!\{)[^&\s\"'<>]++"),
    (("?key=", "&key=", "&amp;key="), r"(?:[?&]|&amp;)key=", r"(?!\{)[^&\s\"'<>]{16,}"),
    (("cookie:", 'cookie"', "cookie'"), r"\b(?:set-)?cookie[\"']?\s*+:\s*+[\"']?(?=[^\s=;]{1,60}=)", r"[^\r\n\"']++"),
    (("curl ",), r"curl[^\n]{0,200}?\s(?:-u|--user)[ =][\"']?[^\s:\"']{1,80}:", r"[^\s\"'{$]++"),
    (("wandb",), r"wandb\W{0,3}login\W[^\n]{0,40}?", r"[0-9a-f]{40}"),
    (('"username":',), r"\"username\":[^\n{}]{0,100}?\"key\":\s*+\"", r"[^\"\n]++"),
    (("identified by",), r"identified by\s++[\"']", r"[^\"'\n]++"),
    (("auth",), rf"auth[\"']?\s*+[=:(]\s*+\(?{_PAIR}", r"[^\"'\n]++"),
    (("login(",), rf"login\({_PAIR}", r"[^\"'\n]++"),
)

# The words of a secret name, in lower case, and what may follow them in it. Each alternative begins with a letter.
_KEYS = "api access private secret account shared signing encryption master auth app application consumer ssh rsa"
_WORDS = "|".join(rf"{key}[ _\-]?key" for key in (*_KEYS.split(), "license", "subscription")) + (
    r"|passwo?r?d|passphrase|passcode|pwd(?<![a-z]pwd)|secret(?:_?(?:str|bytes))?|token|credential|authorization"
)
_REST = r"s?(?:_?\d{1,3}|_(?:prod|dev|test|stag(?:e|ing)|live|old|new|value|b(?:ase)?64))?(?![a-z0-9_])"
_SECRET_WORD = re.compile(rf"(?:{_WORDS}){_REST}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Tokens of a text, not of access.
_OF_TEXT = re.compile(
    r"(?:^|[_\-.])(?:num|max|min|n|count|memory|stop|pad|eos|bos|unk|sep|cls|mask|special|added|additional|start|end"
    r"|first|last|prompt|completion|input|output|total|new|image|video|audio|oov|blank)[_\-](?:\w*_)?tokens?$"
)
_TOKENS = re.compile(r"tokens?(?:_?\d+)?$", re.I)
# From a name to its value: an annotation and an operator, a bracket, and the quote a literal begins with.
_TYPE = r":\s*+[\w.]++(?:\[[\w., |]{0,60}\])?+(?:\s*+\|\s*+\w++)*+\s*+"
_QUOTE = r"(?:\\*(?:\"{3}|'{3}|[\"'])|&(?:quot|#x27|#39|#34);)"
_OPERATOR = re.compile(
    rf"(?P<close>{_QUOTE}?)\s*+\]?\s*+(?P<op>(?:{_TYPE})?=(?![=>])|[=!]=|:=|=>|:|,|\()?(?:\s|\\\n)*+"
    rf"(?P<open>[(\[{{]?)\s*+(?:[rbfuRBFU]{{0,2}}(?P<quote>{_QUOTE}))?"
)
_BODY = {quote: re.compile(rf"[^{quote}\\\n]*+(?:\\.[^{quote}\\\n]*+)*+(?={quote})", re.S) for quote in "\"'"}
_FLAT = re.compile(rf"(?:[^\[\](){{}}\"']|{_QUOTED})*+[\])}}]")
_ITEM = re.compile(r"(?P<quote>[\"'])(?P<body>[^\"'\n]*)(?P=quote)(?P<key>\s*:)?")
_FALLBACK = re.compile(
    rf"(?:[^\n\"'#;]|{_QUOTED}){{0,120}}?(?:\bor|\belse|\bdefault\s*+=|(?:get|getenv|pop|env|config)\(\s*+{_QUOTED}\s*+,)"
    rf"\s*+[rbfuRBFU]{{0,2}}(?P<quote>{_QUOTE})"
)
_SETTER = re.compile(r"(?:get|getenv|setdefault|setenv|putenv|setattr|pop|set|add|put|env|config)\([^()\n]{0,60}\Z")
_BARE = re.compile(r"[^\s\"'<>,;&)\]}|]{1,200}")
_LEFT_ALONE = re.compile(r"[{$<*%\[(]|\.\.\.|(?:nb(?:mlops)?\.)?Secret\(|https?:")  # a placeholder, a reference, a page
_EXPRESSION = re.compile(r"[A-Za-z_][\w.]*[(\[]|[~.]{0,2}/[a-z0-9_.\-]+(?:/[a-z0-9_.\-]+)+\Z")
_PLAIN = re.compile(r"(?:None|null|str|int|float|bool|bytes|object|yes|no|on|off|[Tt]rue|[Ff]alse|[A-Z][A-Za-z]*)\Z")
_REFERENCE = re.compile(r"Secret\('\w+'\)")
# What stands before a name.
_ENVIRONMENT = re.compile(r"(?:%(?:set_)?env|\bexport|\bsetx?|\bENV)\s+\Z")
_NETRC = re.compile(r"(?:\b(?:login|machine|user|account)\s+\S+|\s-p|\s--parameters)\s+\Z")
_FLAG = re.compile(r"\s--?[A-Za-z][\w\-]*\s+\Z")
_PAIRS = re.compile(r"\w=[^\s,;()=]+[^\S\n]+\Z")
_LINE_END = re.compile(r"[^\S\n]{0,80}(?:#|\n|\Z)")
_LINE_START = re.compile(r"(?:^|\n)\+?[^\S\n]*(?:- )?\Z")
_TO_SPACE, _TO_AND = re.compile(r"[^\s\"']+"), re.compile(r"[^&\s\"'<>]+")
_TO_LINE, _TO_END = re.compile(r"[^\n\"']+"), re.compile(r"[^\s\"'<>,;&)\]}|]+")
_ASCII = {upper: upper + 32 for upper in range(65, 91)}

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
    low = _CAMEL.sub("_", name[-MOST_NAME:]).lower()
    return any(found.end() == len(low) for found in _SECRET_WORD.finditer(low)) and not _OF_TEXT.search(low)


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
    text = _URL.sub(_without_password, _without_known(text))
    text = _AWS.sub(MASK, _PRIVATE_KEY.sub(MASK, text))
    if "eyJ" in text:
        text = _WEB_TOKEN.sub(lambda m: MASK if m["secret"] else m[0], text)
    text = _LONG.sub(lambda m: _shapes().sub(MASK, m[0]), text)
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


def _hides(name: str, value: Any) -> bool:
    """Tell whether a value under a secret name is one: not a switch, a number of tokens or a reference."""
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return not _TOKENS.search(name)
    return not (isinstance(value, str) and _REFERENCE.fullmatch(value))


@cache
def _shapes() -> re.Pattern[str]:
    return re.compile("|".join(SHAPES))


@cache
def _beside() -> tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]:
    return tuple((hints, re.compile(rf"({kept}){secret}", re.I)) for hints, kept, secret in BESIDE)


def _without_known(text: str) -> str:
    """Mask the values of secrets and of environment variables that are secret by name."""
    values = {os.environ.get(name, "") for name in os.environ if is_secret_name(name)} | _remembered.keys()
    for value in sorted(values, key=len, reverse=True):
        # One that is a word for secrets, such as "password", would mask the names that others are found by.
        if len(value) >= SHORTEST and not is_secret_name(value):
            for spelling in _spellings(value):
                if spelling in text:
                    text = text.replace(spelling, MASK)
    return text


@lru_cache(maxsize=256)
def _spellings(value: str) -> tuple[str, ...]:
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
    shown = found["secret"] is None or _LEFT_ALONE.match(found["rest"])
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
        low = text.translate(_ASCII)
    parts: list[str] = []
    done = 0
    for word in _SECRET_WORD.finditer(low):
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
    found = _OPERATOR.match(text, at)
    assert found is not None  # it may be empty
    name, before, op = text[start:at], text[max(0, start - 300) : start], (found["op"] or " ")
    op = "=" if op[0] == ":" and op[-1] == "=" else op
    if found["open"] and op in "=:=>" and not _TOKENS.search(name) and (flat := _FLAT.match(text, found.end("open"))):
        items = _ITEM.finditer(text, found.end("open"), flat.end())
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
    return _FALLBACK.match(text, begin) if '"' in line or "'" in line else None


def _literal(text: str, found: re.Match[str]) -> list[tuple[int, int]]:
    """Return a literal's span: to the first quote that is not escaped, else the last of the line, else all of it."""
    quote, begin = found["quote"], found.end()
    if body := _BODY[quote].match(text, begin) if quote in _BODY else None:
        end = body.end()
    else:
        line = len(text) if (line := text.find("\n", begin)) < 0 else line
        end = text.find(quote, begin) if len(quote) > 1 else text.rfind(quote, begin, line)
        end = end if end > begin else len(text) if quote[-3:] in ('"""', "'''") else line
    return [(begin, end)] if end > begin and not _REFERENCE.fullmatch(text, begin, end) else []


def _is_value(text: str, found: re.Match[str], name: str, before: str, op: str) -> bool:
    """Tell whether the literal behind a name is its value."""
    if op == ",":
        return bool(found["close"] and _SETTER.search(before))
    if op == "(":
        return name.lower().startswith(("set_", "with_", "secretstr", "secretbytes"))
    if op in ("==", "!=") or found["open"] in ("[", "{"):
        return not _TOKENS.search(name)
    if op == " " and not name.startswith("--"):
        spoken = not (found["close"] or found["open"] or _TOKENS.search(name) or "\n" in found[0])
        return bool(spoken or _ENVIRONMENT.search(before))
    # The quote may close a string that the name stands in: print("token:", token)
    inside = not found["close"] and before.rpartition("\n")[2].count(found["quote"]) % 2 == 1
    return not (inside and text[found.end() : found.end() + 1] in ",)]}+%.; \n")


def _bare_end(text: str, found: re.Match[str], name: str, before: str, op: str) -> int | None:
    """Return where a value without quotes ends; None where what follows is code or prose."""
    begin = found.start("open")
    head = _BARE.match(text, begin)
    if head is None or "\n" in text[found.start() : begin] or _LEFT_ALONE.match(text, begin):
        return None
    run = _certain(text, head, name, before, op, glued=found.end("op") == begin and found["op"] is not None)
    if run is None and op in "=:" and _looks_secret(head[0], name, _alone(text, head, before, found, op)):
        run = _TO_END
    return run.match(text, begin).end() if run else None  # type: ignore[union-attr]


def _certain(text: str, head: re.Match[str], name: str, before: str, op: str, glued: bool) -> re.Pattern[str] | None:
    """Return how far the value goes where only a value can stand: a query, a flag, an environment, a connection."""
    spaced = before[-1:].isspace()
    if spaced and op in " =" and _ENVIRONMENT.search(before):
        return _TO_SPACE if glued and not before.rstrip().endswith("env") else _TO_LINE
    if (op in " =" and name.startswith("--")) or (spaced and op == " " and _NETRC.search(before)):
        return _TO_SPACE
    if op != "=" or not glued:
        return None
    if spaced and _FLAG.search(before):
        return _TO_SPACE
    if before.endswith(("?", "&", "&amp;")):
        return _TO_AND
    if name.isupper() and before[-1:] in "\n \t!+\"'" and before.rstrip(" \t")[-1:] not in (",", "("):
        return _TO_SPACE
    paired = text[head.end() : head.end() + 1] == ";" or (spaced and _PAIRS.search(before))
    return _TO_END if paired else None


def _alone(text: str, head: re.Match[str], before: str, found: re.Match[str], op: str) -> bool:
    """Tell whether ``name: value`` or ``name=value`` is all of a line, as in YAML and in .env files."""
    glued = found.start("op") == found.start() and (op == ":" or found.end("op") == head.start())
    return glued and bool(_LINE_START.search(before) and _LINE_END.match(text, head.end()))


def _looks_secret(value: str, name: str, alone: bool) -> bool:
    """Tell whether what stands behind a secret name without quotes is a value: a number, or no word of a language."""
    name_like = value.replace(".", "_").isidentifier()
    if _EXPRESSION.match(value) or _PLAIN.match(value) or (name_like and is_secret_name(value)):
        return False
    digits = len(re.findall(r"\d", value))
    tokens = _TOKENS.search(name)
    if not re.search(r"[^\W\d_]", value):
        return digits >= 4 and not tokens
    if alone and len(value) >= SHORTEST and (digits or len(value) >= 16 or not tokens):
        return True
    if not digits or len(value) < 8:
        return False
    return not name_like or not re.search(r"[_.]", value) or (digits >= 3 and len(value) >= 16)
