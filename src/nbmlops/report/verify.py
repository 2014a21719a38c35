"""Whether a file is a report as it was made: its facts against their hash, its page against one drawn anew."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import unquote_to_bytes

from nbmlops import __version__
from nbmlops.errors import NbmlopsError, NotFound
from nbmlops.hooks import Shown
from nbmlops.report import kept, page, snapshot
from nbmlops.report.kinds.kind import KINDS, kind_of
from nbmlops.report.markup import PROSE
from nbmlops.tracking import session

__all__ = ["Verified", "verify_report"]

Verdict = Literal["whole", "changed", "in part", "unreadable"]
MOST_BYTES = 100_000_000
LINK = re.compile(r"""<a download="[^"]*" href='(data:(?:text/plain|application/json;base64),[^']*)'>""")
HASH = re.compile(r'<span class="hash">([^<]*)</span>')
GENERATOR = re.compile(r'<meta name="generator" content="nbmlops ([^"]*)">')
DRAWN_BY = re.compile(r"^As of .*\. nbmlops (\S+) drew it from a snapshot", re.MULTILINE)
ROLE = re.compile(r'<meta name="nbmlops-role" content="([a-z_]*)">')
ORDERED = re.compile(r"^Ordered for the role ([a-z_\\]+):", re.MULTILINE)
SHEET = re.compile(r'<section class="sheet[^>]* aria-labelledby="([^"]+)-title"[^>]*>\s*<h2[^>]*>(.*?)</h2>', re.DOTALL)
PART = re.compile(r'<section class="part"[^>]*><h3[^>]*>(.*?)</h3>', re.DOTALL)
SHA = re.compile(r"`([0-9a-f]{64})`")
HEADING = re.compile(r"^#{1,3} (.+)$", re.MULTILINE)
NOTEBOOK = "notebook"  # the key of the section that is drawn from a file besides the facts
EMPTY = b'{"cells":[],"metadata":{},"nbformat":4,"nbformat_minor":5}'
OWN = PROSE | {"div", "details", "summary"}  # the tags that may stand in the section of a notebook
OWN_ATTRIBUTES = {
    *("class", "id", "src", "alt", "role", "tabindex", "aria-label", "aria-hidden", "scope", "colspan", "rowspan"),
}
FENCED = re.compile(r"^(`{3,})\n.*?^\1$", re.MULTILINE | re.DOTALL)
SECTION_OF = {  # where the section of the notebook begins and ends
    ".html": (
        re.compile(r'<section class="sheet[^>]* aria-labelledby="notebook-title"[^>]*>\s*<h2[^>]*>[^<]*</h2>'),
        re.compile(r"</section>"),
    ),
    ".md": (re.compile(r"^## Notebook$", re.MULTILINE), re.compile(r"^(## |---$)", re.MULTILINE)),
}
ENVELOPE = ("schema", "kind", "subject", "number", "project", "as_of")
FACTS, PRINTED = "the facts inside", "the hash printed"
ASK = "This store does not know it: ask where it was made whether it has this hash."


@dataclass(frozen=True, repr=False)
class Verified(Shown):
    """What became of a report's file: ``whole``, ``changed`` (``where``), whole ``in part``, or ``unreadable``.

    ``known`` tells whether this store made it; None where there is no store. ``not_compared`` is what could not be.
    """

    shows: ClassVar[str] = "verified"

    path: str
    verdict: Verdict
    says: str
    where: str = ""
    title: str = ""
    kind: str = ""
    subject: str = ""
    number: int | None = None
    digest: str = ""
    known: bool | None = None
    not_compared: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**dataclasses.asdict(self), "not_compared": list(self.not_compared)}


def verify_report(file: str | Path) -> Verified:
    """Tell whether a report's file is as it was made, and where it is not.

    The hash of the facts inside is computed again; with the version of nbmlops that made the file, its page is drawn
    again from them and compared byte by byte. The store of this project, if there is one, is asked whether it made it.

    Parameters
    ----------
    file : str or Path
        HTML, Markdown or JSON, as :func:`report` wrote it. Markdown holds no facts: the store must have them.

    Returns
    -------
    Verified

    Raises
    ------
    NotFound
        There is no such file.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.verify_report("report.html").verdict  # doctest: +SKIP
    'whole'
    """
    path = Path(file)
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r}.", "Name the file of a report.")
    if path.stat().st_size > MOST_BYTES:
        return Verified(str(path), "unreadable", f"It is larger than {MOST_BYTES // 1_000_000} MB: no report is.")
    data = path.read_bytes()
    form = {".json": _of_json, ".md": _of_markdown}.get(path.suffix.lower(), _of_page)
    return dataclasses.replace(form(data), path=str(path))


def _of_page(data: bytes) -> Verified:
    """Verify an HTML page, which holds its facts."""
    text = data.decode("utf-8", "replace")
    links = LINK.findall(text)
    if not links:
        return _unreadable("It holds no facts of a report.")
    raw = _decoded(links[0])
    found = _facts(raw) if raw is not None and len(links) == 1 else _changed("They cannot be read.", FACTS)
    if isinstance(found, Verified):
        return found
    about = _about(found, hashlib.sha256(raw or b"").hexdigest())
    outside = text[: text.find("<main")] + text[text.rfind("</main>") :]
    printed = HASH.findall(outside)
    if set(printed) != {about.digest}:
        return _of_two_hashes(about, found, printed)
    judged = _asked(about, found)
    return judged if judged.verdict == "changed" else _drawn(judged, found, text, data)


def _of_json(data: bytes) -> Verified:
    """Verify facts alone: only a store that has their hash can tell."""
    found = _facts(data)
    if isinstance(found, Verified):
        return found if b'"schema"' in data else _unreadable("It holds no facts of a report.")
    judged = _asked(_about(found, snapshot.digest(found)), found)
    if judged.known and data != snapshot.canonical(found):
        says = f"{judged.says} They are written in another layout."
        return dataclasses.replace(judged, verdict="in part", says=says, not_compared=("the layout",))
    if judged.known or judged.verdict == "changed":
        return judged
    return dataclasses.replace(judged, verdict="in part", says=f"Facts alone hold no hash to compare with. {ASK}")


def _of_markdown(data: bytes) -> Verified:
    """Verify Markdown, which names its facts by their hash: the store must have them."""
    text = data.decode("utf-8", "replace")
    digests = SHA.findall(text)
    row = _row(digests[-1]) if digests else None
    if not digests:
        return _unreadable("It names no facts of a report.")
    if row is None:
        return Verified("", "in part", f"Markdown holds no facts to draw it from. {ASK}", digest=digests[-1])
    found = kept.load(row.digest)
    return _drawn(_asked(_about(found, row.digest), found), found, text, data, ".md")


def _unreadable(says: str) -> Verified:
    return Verified("", "unreadable", says)


def _changed(says: str, where: str, about: Verified | None = None) -> Verified:
    return dataclasses.replace(about or Verified("", "changed", says), verdict="changed", says=says, where=where)


def _decoded(text: str) -> bytes | None:
    form, _, facts = text.partition(",")
    try:
        return base64.b64decode(facts, validate=True) if form.endswith(";base64") else unquote_to_bytes(facts)
    except (binascii.Error, ValueError):
        return None


def _facts(raw: bytes) -> dict[str, Any] | Verified:
    """Return the facts of a report, or why they are none."""
    try:
        found = json.loads(raw.decode("utf-8", "surrogatepass"), object_pairs_hook=_once)
        snapshot.canonical(found)  # a number that is not finite has no hash
    except (ValueError, RecursionError):
        return _changed("They cannot be read.", FACTS)
    if not isinstance(found, dict) or any(k not in found for k in ENVELOPE):
        return _changed("They are not those of a report.", FACTS)
    if not all(isinstance(found[k], str) for k in ("kind", "subject")):
        return _changed("They are not those of a report.", FACTS)
    if not isinstance(found["schema"], int) or found["schema"] > snapshot.SCHEMA or found["kind"] not in KINDS:
        return _unreadable("A newer nbmlops made it: pip install -U nbmlops.")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys stand once: of two, another reader may take the other."""
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("A key stands twice.")
    return found


def _about(found: Mapping[str, Any], digest: str) -> Verified:
    number = found["number"] if isinstance(found["number"], int) else None
    title = _titled(found)
    return Verified("", "whole", "", "", title, str(found["kind"]), str(found["subject"]), number, digest)


def _titled(found: Mapping[str, Any]) -> str:
    try:
        return kind_of(found["kind"]).head(found).title
    except Exception:  # what a stranger wrote can be of any form; drawing it says so
        return ""


def _of_two_hashes(about: Verified, found: Mapping[str, Any], printed: list[str]) -> Verified:
    """Say what was changed where facts and hash do not go together; a store that knows one of them tells."""
    about = dataclasses.replace(about, known=_known(about.digest))
    if about.known:
        return _changed("The hash printed is not that of its facts, which this store knows.", PRINTED, about)
    row = next((row for digest in printed if (row := _row(digest))), None)
    if row is not None:
        says = f"The facts inside are not those of report {row.number}, whose hash is printed."
        return _changed(says, _first_key(row.digest, found), about)
    return _changed("The facts inside and the hash printed do not go together.", f"{FACTS}, or {PRINTED}", about)


def _asked(about: Verified, found: Mapping[str, Any]) -> Verified:
    """Ask this store whether it made a report."""
    known = _known(about.digest)
    about = dataclasses.replace(about, known=known, says=_says(known, about.number))
    if known is False:
        same = next((r for r in _rows(about.subject) if r.number == about.number), None)
        if same is not None:
            says = f"It goes together, but report {same.number} of this store has other facts."
            return _changed(says, _first_key(same.digest, found), about)
    return about


def _says(known: bool | None, number: int | None) -> str:
    if known:
        return "Its facts have the hash under which this store keeps them."
    if number == 0:
        return "Its facts have the hash printed. It was not kept, so no store knows it."
    return f"Its facts have the hash printed. {ASK if known is False else 'There is no store here to ask for it.'}"


def _drawn(about: Verified, found: Mapping[str, Any], text: str, data: bytes, suffix: str = ".html") -> Verified:
    """Draw a report again and compare."""
    head = text[: text.find("<body")]
    version = GENERATOR.search(head) if suffix == ".html" else DRAWN_BY.search(text, text.rfind("\n---\n"))
    if version is None or version[1] != __version__:
        made = f"nbmlops {version[1][:40]}" if version else "another program"
        says = f"{about.says} Its page was not compared: {made} drew it, and this is nbmlops {__version__}."
        return dataclasses.replace(about, verdict="in part", says=says, not_compared=("the page",))
    role = ROLE.search(head) if suffix == ".html" else ORDERED.search(text)
    draw = functools.partial(page.content, found, suffix=suffix, role=role[1].replace("\\", "") if role else None)
    notebook, missing = _appendix(found)
    try:
        expected = draw(EMPTY if missing else notebook)
        bare = draw(None) if expected != data and _names_notebook(found) else b""
    except Exception as error:  # as above: whatever it is, it is said
        return _changed(f"No page can be drawn from them ({type(error).__name__}).", FACTS, about)
    if expected == data and not missing:
        return dataclasses.replace(about, says=f"{about.says} Its page is the one they give, byte by byte.")
    if bare == data:
        return _but_notebook(about, "Its page is the one they give without the notebook, whose file was lost.")
    whole = expected.decode("utf-8")
    here, there = _apart(text, whole, suffix) if missing else (text, whole)
    if here == there:
        return _but_notebook(about, "Its page is the one they give; the notebook is not among the artifacts here.")
    at = _first_difference(here, there)
    marks = _marks if suffix == ".html" else _headings
    where = next((name for start, _, name in reversed(list(marks(there))) if start <= at), "its beginning")
    return _changed("It is not the page its facts give.", where, about)


def _but_notebook(about: Verified, says: str) -> Verified:
    """Say that all but the notebook was compared: what stands in it may be anybody's."""
    return dataclasses.replace(about, verdict="in part", says=f"{about.says} {says}", not_compared=(NOTEBOOK,))


def _first_difference(here: str, there: str) -> int:
    pairs = enumerate(zip(here, there, strict=False))
    return next((i for i, (one, other) in pairs if one != other), min(len(here), len(there)))


def _names_notebook(found: Mapping[str, Any]) -> bool:
    return isinstance(found.get("notebook"), Mapping) and "digest" in found["notebook"]


def _appendix(found: Mapping[str, Any]) -> tuple[bytes | None, bool]:
    """Return the notebook of a report, and whether it has one that is not here."""
    if not _names_notebook(found):
        return None, False
    try:
        notebook = page.appendix(found) if _has_store() else None
    except NbmlopsError:
        notebook = None
    return notebook, notebook is None


Marks = Iterator[tuple[int, str, str]]


def _marks(text: str) -> Marks:
    """Yield where each part of a page begins, its key and what it is called, in order."""
    fixed = (
        ("<head", "head", "the head of the file"),
        ('<header class="masthead"', "masthead", "the masthead"),
        ('id="decision"', "decision", "page one"),
    )
    yield from ((text.find(mark), key, name) for mark, key, name in fixed)
    yield from ((m.start(), "part", f"page one, {unescape(m[1])}") for m in PART.finditer(text))
    yield text.find("<nav"), "contents", "the contents"
    yield from ((m.start(), m[1], unescape(m[2])) for m in SHEET.finditer(text))
    yield text.rfind("</main>"), "foot", "the foot"


def _headings(text: str) -> Marks:
    yield from ((m.start(), m[1].lower(), m[1]) for m in HEADING.finditer(_unfenced(text)))


def _apart(text: str, whole: str, suffix: str) -> tuple[str, str]:
    """Return both pages without what stands in the section of the notebook; whole where this cannot be taken out.

    ``whole`` has an empty notebook: what stands before and behind it stands so in every page of these facts.
    """
    begin, end = SECTION_OF[suffix]
    found = begin.search(_unfenced(whole, suffix))
    if found is None or not text.startswith(whole[: found.end()]):
        return text, whole
    start = found.end()
    ends = [m.start() if (m := end.search(_unfenced(t, suffix), start)) else len(t) for t in (text, whole)]
    if suffix == ".html" and not _Inside(text[start : ends[0]]).own:
        return text, whole
    return text[:start] + text[ends[0] :], whole[:start] + whole[ends[1] :]


def _unfenced(text: str, suffix: str = ".md") -> str:
    """Return Markdown with blanks for what stands in fences, each character in its place."""
    return FENCED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text) if suffix == ".md" else text


class _Inside(HTMLParser):
    """Whether HTML is what may stand in the section of a notebook: nothing active, no section, no part of a page."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.own = True
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        outside = any(k == "src" and not (v or "").startswith("data:image/") for k, v in attrs)
        self.own &= tag in OWN and {k for k, _ in attrs} <= OWN_ATTRIBUTES and not outside

    def handle_endtag(self, tag: str) -> None:
        self.own &= tag in OWN

    def _other(self, data: str) -> None:
        self.own = False

    handle_comment = handle_decl = handle_pi = unknown_decl = _other  # type: ignore[assignment]


def _first_key(digest: str, found: Mapping[str, Any]) -> str:
    """Name the first of the facts that differs from those a store keeps under a digest."""
    try:
        there = kept.load(digest)
    except NbmlopsError:
        return FACTS
    keys = sorted({*found, *there})
    key = next((k for k in keys if found.get(k) != there.get(k)), "")
    return f"{FACTS}: {key}" if key else FACTS


def _has_store() -> bool:
    """Tell whether there is a store: asking for one that is not there would make it."""
    path = session.store().path
    return path is None or path.is_file()


def _known(digest: str) -> bool | None:
    return _row(digest) is not None if _has_store() else None


def _row(digest: str) -> Any:
    from nbmlops.store import reports

    return reports.with_digest(session.store(), digest) if _has_store() else None


def _rows(subject: str) -> Any:
    from nbmlops.store import reports

    return reports.listed(session.store(), subject)
