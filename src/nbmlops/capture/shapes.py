"""What secrets look like: shapes of credentials, words of secret names, and what may stand between name and value.

Every search takes time in proportion to the text: a shape begins with fixed text and goes on in runs that are never
gone back into, and what is looked at and then left as it is has a bounded length.
"""

from __future__ import annotations

import re

__all__ = [
    "ASCII",
    "AWS",
    "BARE",
    "BESIDE",
    "BODY",
    "CAMEL",
    "ENVIRONMENT",
    "EXPRESSION",
    "FALLBACK",
    "FLAG",
    "FLAT",
    "ITEM",
    "LEFT_ALONE",
    "LINE_END",
    "LINE_START",
    "LONG",
    "NETRC",
    "OF_TEXT",
    "OPERATOR",
    "PAIRS",
    "PLAIN",
    "PRIVATE_KEY",
    "REFERENCE",
    "SECRET_WORD",
    "SETTER",
    "SHAPES",
    "TOKENS",
    "TO_AND",
    "TO_END",
    "TO_LINE",
    "TO_SPACE",
    "URL",
    "WEB_TOKEN",
]


def _word(head: str, tail: str) -> str:
    """Return a shape that base64 data may hold by chance: it counts only where a word begins, after an escape too."""
    return rf"{head}(?:(?<![A-Za-z0-9]{head})|(?<=\\[nrt]{head})|(?<=%[0-9A-F]{{2}}{head})){tail}"


# A key id of AWS, with the secret key that stands beside it.
AWS = re.compile(
    r"A(?:3T[0-9A-Z]|KIA|SIA|BIA|CCA|GPA|IDA|ROA|IPA|NPA|NVA|PKA)[0-9A-Z]{16}"
    r"(?:[\s,:;|\"']{1,8}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?"
)
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.S
)
LONG = re.compile(r"[\w\-+/=.~:%\\]{15,}+")  # the only places where one of the following can stand
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
URL = re.compile(
    r"://(?<=[a-z0-9+.\-]://)(?P<kept>(?:(?P<user>[\w\-.~%]{20,}+(?=@))|[^\s:/@'\"]*+:))"
    r"(?(user)|(?P<rest>[^\s@'\"]++(?:@[^\s@/'\"]*+(?=@))*+)(?P<secret>(?=@))?)"
)
WEB_TOKEN = re.compile(
    r"eyJ[\w\-]{10,}+(?P<secret>\.(?:[\w\-]{10,}+)?+\.[\w\-]++(?:\.[\w\-]++){0,2}|\.eyJ[\w\-]{5,}+)?"
)
QUOTED = r"(?:\"[^\"\n]{0,200}\"|'[^'\n]{0,200}')"
# What stands behind something that says it is secret: (texts of which one is there, what is kept, what is masked).
PAIR = rf"\s*+[rbfu]?{QUOTED}\s*+,\s*+[rbfu]?[\"']"
SCHEME = r"\s*+[:=,]\s*+[rbf]?[\"']?(?:bearer|basic|token|api-?key|digest)\s++"
SIGNED = r"(?:[?&\"']|&amp;)(?:sig|signature|x-(?:amz|goog)-(?:signature|credential))="
BESIDE: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("authorization",), rf"authorization[\"']?{SCHEME}", r"(?!\{)[^\s\"'\\,;]++"),
    (("bearer ",), r"\bbearer\s++", r"(?=[\w\-.~+/=]{0,40}\d|[\w\-.~+/=]{20})[\w\-.~+/=]{8,}"),
    (("sig=", "signature=", "credential="), SIGNED, r"(?!\{)[^&\s\"'<>]++"),
    (("?key=", "&key=", "&amp;key="), r"(?:[?&]|&amp;)key=", r"(?!\{)[^&\s\"'<>]{16,}"),
    (("cookie:", 'cookie"', "cookie'"), r"\b(?:set-)?cookie[\"']?\s*+:\s*+[\"']?(?=[^\s=;]{1,60}=)", r"[^\r\n\"']++"),
    (("curl ",), r"curl[^\n]{0,200}?\s(?:-u|--user)[ =][\"']?[^\s:\"']{1,80}:", r"[^\s\"'{$]++"),
    (("wandb",), r"wandb\W{0,3}login\W[^\n]{0,40}?", r"[0-9a-f]{40}"),
    (('"username":',), r"\"username\":[^\n{}]{0,100}?\"key\":\s*+\"", r"[^\"\n]++"),
    (("identified by",), r"identified by\s++[\"']", r"[^\"'\n]++"),
    (("auth",), rf"auth[\"']?\s*+[=:(]\s*+\(?{PAIR}", r"[^\"'\n]++"),
    (("login(",), rf"login\({PAIR}", r"[^\"'\n]++"),
)

# The words of a secret name, in lower case, and what may follow them in it. Each alternative begins with a letter.
KEYS = "api access private secret account shared signing encryption master auth app application consumer ssh rsa"
WORDS = "|".join(rf"{key}[ _\-]?key" for key in (*KEYS.split(), "license", "subscription")) + (
    r"|passwo?r?d|passphrase|passcode|pwd(?<![a-z]pwd)|secret(?:_?(?:str|bytes))?|token|credential|authorization"
)
REST = r"s?(?:_?\d{1,3}|_(?:prod|dev|test|stag(?:e|ing)|live|old|new|value|b(?:ase)?64))?(?![a-z0-9_])"
SECRET_WORD = re.compile(rf"(?:{WORDS}){REST}")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Tokens of a text, not of access.
OF_TEXT = re.compile(
    r"(?:^|[_\-.])(?:num|max|min|n|count|memory|stop|pad|eos|bos|unk|sep|cls|mask|special|added|additional|start|end"
    r"|first|last|prompt|completion|input|output|total|new|image|video|audio|oov|blank)[_\-](?:\w*_)?tokens?$"
)
TOKENS = re.compile(r"tokens?(?:_?\d+)?$", re.I)
# From a name to its value: an annotation and an operator, a bracket, and the quote a literal begins with.
TYPE = r":\s*+[\w.]++(?:\[[\w., |]{0,60}\])?+(?:\s*+\|\s*+\w++)*+\s*+"
QUOTE = r"(?:\\*(?:\"{3}|'{3}|[\"'])|&(?:quot|#x27|#39|#34);)"
OPERATOR = re.compile(
    rf"(?P<close>{QUOTE}?)\s*+\]?\s*+(?P<op>(?:{TYPE})?=(?![=>])|[=!]=|:=|=>|:|,|\()?(?:\s|\\\n)*+"
    rf"(?P<open>[(\[{{]?)\s*+(?:[rbfuRBFU]{{0,2}}(?P<quote>{QUOTE}))?"
)
BODY = {quote: re.compile(rf"[^{quote}\\\n]*+(?:\\.[^{quote}\\\n]*+)*+(?={quote})", re.S) for quote in "\"'"}
FLAT = re.compile(rf"(?:[^\[\](){{}}\"']|{QUOTED})*+[\])}}]")
ITEM = re.compile(r"(?P<quote>[\"'])(?P<body>[^\"'\n]*)(?P=quote)(?P<key>\s*:)?")
FALLBACK = re.compile(
    rf"(?:[^\n\"'#;]|{QUOTED}){{0,120}}?(?:\bor|\belse|\bdefault\s*+=|(?:get|getenv|pop|env|config)\(\s*+{QUOTED}\s*+,)"
    rf"\s*+[rbfuRBFU]{{0,2}}(?P<quote>{QUOTE})"
)
SETTER = re.compile(r"(?:get|getenv|setdefault|setenv|putenv|setattr|pop|set|add|put|env|config)\([^()\n]{0,60}\Z")
BARE = re.compile(r"[^\s\"'<>,;&)\]}|]{1,200}")
LEFT_ALONE = re.compile(r"[{$<*%\[(]|\.\.\.|(?:nb(?:mlops)?\.)?Secret\(|https?:")  # a placeholder, a reference, a page
EXPRESSION = re.compile(r"[A-Za-z_][\w.]*[(\[]|[~.]{0,2}/[a-z0-9_.\-]+(?:/[a-z0-9_.\-]+)+\Z")
PLAIN = re.compile(r"(?:None|null|str|int|float|bool|bytes|object|yes|no|on|off|[Tt]rue|[Ff]alse|[A-Z][A-Za-z]*)\Z")
REFERENCE = re.compile(r"Secret\('\w+'\)")
# What stands before a name.
ENVIRONMENT = re.compile(r"(?:%(?:set_)?env|\bexport|\bsetx?|\bENV)\s+\Z")
NETRC = re.compile(r"(?:\b(?:login|machine|user|account)\s+\S+|\s-p|\s--parameters)\s+\Z")
FLAG = re.compile(r"\s--?[A-Za-z][\w\-]*\s+\Z")
PAIRS = re.compile(r"\w=[^\s,;()=]+[^\S\n]+\Z")
LINE_END = re.compile(r"[^\S\n]{0,80}(?:#|\n|\Z)")
LINE_START = re.compile(r"(?:^|\n)\+?[^\S\n]*(?:- )?\Z")
TO_SPACE, TO_AND = re.compile(r"[^\s\"']+"), re.compile(r"[^&\s\"'<>]+")
TO_LINE, TO_END = re.compile(r"[^\n\"']+"), re.compile(r"[^\s\"'<>,;&)\]}|]+")
ASCII = {upper: upper + 32 for upper in range(65, 91)}
