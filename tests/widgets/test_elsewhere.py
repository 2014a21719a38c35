"""Outputs where nobody installed nbmlops: code hosts, viewers, VS Code, Colab; whatever they strip, the words stay."""

from __future__ import annotations

import base64
import html
import itertools
import re

import mistune
import nbformat
import nh3
import pytest

from nbmlops.widgets import mimebundle
from nbmlops.widgets.forms import asked, static
from nbmlops.widgets.html import COLOURS, SHAPES, as_text, image, status

from .things import standing

INLINE = set(re.findall(r"\w+", "a abbr b code em i img kbd mark meter progress small span strong time"))
# What viewers keep of an output, by their public sources; in each, scripts, handlers and controls are gone.
HOST = """
    a abbr b blockquote br caption cite code dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img
    ins kbd li mark ol p pre q s samp small span strike strong sub summary sup table tbody td tfoot th thead time tr tt
    ul var
"""
ATTRIBUTES = {"alt", "colspan", "height", "open", "scope", "title", "width"}
LISTS = {
    # GitHub's html-pipeline 3: no style, no class, no picture that is data.
    "code host": {"*": ATTRIBUTES, "img": {"src"}},
    # VS Code's Markdown cells, and hosts with DOMPurify: styles and pictures stay.
    "editor": {"*": {*ATTRIBUTES, "style"}, "img": {"src"}},
}
FORMS = ("check", "drift", "promote", "register", "review", "track")
SCHEMES = {"code host": {"http", "https"}, "editor": {"http", "https", "data"}}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The HTML of real objects by kind, and of every form."""
    with standing(tmp_path_factory.mktemp("elsewhere")) as made:
        forms = {f"form {name}": asked.form(name, {}, []) for name in FORMS}
        return {kind: thing._repr_mimebundle_()["text/html"] for kind, thing in {**made, **forms}.items()}


@pytest.fixture(scope="module")
def notebook(pages):
    """A notebook with these outputs, each in a cell."""
    v4 = nbformat.v4
    shows = [{"text/html": page, "text/plain": kind} for kind, page in pages.items()]
    return v4.new_notebook(cells=[v4.new_code_cell("1", outputs=[v4.new_output("display_data", o)]) for o in shows])


@pytest.fixture(params=LISTS)
def stripped(request, pages):
    kept = {"tags": set(HOST.split()), "attributes": LISTS[request.param], "url_schemes": SCHEMES[request.param]}
    return {kind: nh3.clean(page, link_rel=None, **kept) for kind, page in pages.items()}


def words(page: str) -> set[str]:
    """Return the words of a page as one reads them, an end of a cell or line between them."""
    parted = re.sub(r"<(/?)(\w+)[^>]*>", lambda tag: "" if tag[2] in INLINE else " ", page)
    return set(html.unescape(parted).split())


def pictures(page: str) -> list[str]:
    return [html.unescape(alt) for alt in re.findall(r'<img alt="([^"]*)"', page)]


def test_no_word_and_no_number_is_lost(pages, stripped):
    for kind, page in pages.items():
        assert words(page) <= words(stripped[kind]), kind


def test_no_two_words_become_one(stripped):
    for kind, page in stripped.items():
        pieces = re.split(r"<[^>]*>", re.sub(r"<(/?)(\w+)[^>]*>", lambda t: "<>" if t[2] in INLINE else "\n", page))
        joined = [(a, b) for a, b in itertools.pairwise(pieces) if re.match(r"\w\w", a[-1:] + b[:1])]
        assert joined == [], kind


def test_what_is_said_of_a_thing_stands_apart_without_styles(stripped):
    """A status is bold, a label ends in a colon: else `warning age carries` and `Limits not for` read as sentences."""
    for kind, page in stripped.items():
        assert not re.search(f"[{''.join(SHAPES.values())}] ", re.sub(r"<strong[^>]*>.*?</strong>", "", page)), kind
        for label in re.findall(r"<span[^>]*>(.*?)</span>", page):
            assert label.endswith(":") or label.startswith("("), (kind, label)


def test_metrics_of_a_run_stand_apart(pages):
    """In text two blanks part them; a page makes one of two."""
    (told,) = re.findall(r"Metrics:</span> (.*?)</div>", pages["run"])
    assert len(told.split(" · ")) > 3
    assert all(re.fullmatch(r"\S+ \S+( \(.*\))?", one) for one in told.split(" · ")), told


def test_where_a_picture_is_not_shown_its_words_are_said_once(pages):
    for kind, page in pages.items():
        text = html.unescape(re.sub(r"<[^>]*>", "\n", page))
        for alt in pictures(page):
            said = [s for s in re.split(r"(?<=\w)[.:;] ", alt.rstrip(".")) if len(s.split()) > 3]
            assert [s for s in said if s in text] == [], kind


def test_numbers_of_a_picture_are_in_its_words(pages):
    for kind in ("drift", "profile", "evaluation", "gate", "comparison", "run"):
        assert pictures(pages[kind]), kind
        assert all(re.search(r"\d", alt) for alt in pictures(pages[kind])), kind


def test_money_is_no_formula_and_an_empty_line_no_end():
    """MathJax reads outputs in Jupyter and nbconvert, Markdown those of `nbconvert --to markdown`."""
    said = "$1,200 a day, $300 a night\n\n    or \\(x\\), \\begin{a}"
    who = {"name": "ann", "known_by": "os", "roles": [], "claimed": None, "proves": said}
    form = {"title": said, "magic": "%drift", "command": "%drift april", "notes": [], "fields": []}
    for page in (mimebundle("actor", who)["text/html"], static.bundle(form)["text/html"]):
        assert not re.search(r"\n\s*\n", page)
        for piece in re.findall(r">([^<]+)", page):
            assert not re.search(r"\$.*\$|\\[(\[]|\\begin", piece), piece
        assert html.unescape(re.sub("<[^>]*>", "", page)).count(said) == 1
    assert as_text("<p>at most $5, in C:\\data</p>") == "<p>at most $5, in C:\\data</p>"


@pytest.mark.parametrize("made", ["html", "slides", "markdown"])
def test_nbconvert_puts_outputs_on_its_pages_whole(notebook, pages, made, needed):
    nbconvert = needed("nbconvert")
    page, _ = nbconvert.get_exporter(made)().from_notebook_node(notebook)
    if made == "markdown":
        page = mistune.create_markdown(escape=False)(page)
    page = as_parsed(page)
    assert [kind for kind, output in pages.items() if as_parsed(output) not in page] == []


def as_parsed(page: str) -> str:
    """Return a page as nbconvert writes what it has looked for pictures in."""
    from bs4 import BeautifulSoup

    return str(BeautifulSoup(page, "html.parser"))


def test_room_for_a_picture_that_is_not_shown_is_that_of_the_picture(pages):
    found = [tag for page in pages.values() for tag in re.findall(r"<img [^>]*>", page)]
    assert all(re.search(r' width="\d+" height="\d+"', tag) for tag in found)
    assert ' width="240" height="60"' in image('<svg viewBox="0 0 480 120"></svg>', "half as large", 240)


def test_colours_bring_their_ground_with_them(pages):
    """Themes of Colab, VS Code and others are dark: what has a colour has a ground, and the contrast of text."""
    for kind, page in {**pages, "status": "".join(map(status, COLOURS))}.items():
        for style in re.findall(r'style="([^"]*)"', page):
            about = dict(one.split(":", 1) for one in style.split(";"))
            assert ("color" in about) == ("background" in about), (kind, style)
            if "color" in about:
                assert contrast(about["color"], about["background"]) >= 4.5, (kind, style)


def test_pictures_bring_their_ground_with_them(pages):
    for kind, page in pages.items():
        for data in re.findall(r"data:image/svg\+xml;base64,([^\"]*)", page):
            ground = re.search(r"<rect [^>]*>", base64.b64decode(data).decode())
            assert ground, kind
            assert re.search(r'fill="#(fff|ffffff)"', ground[0]), (kind, ground[0])


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG counts it."""
    dark, light = sorted((_light(one), _light(other)))
    return (light + 0.05) / (dark + 0.05)


def _light(colour: str) -> float:
    digits = colour.removeprefix("#")
    pairs = [c * 2 for c in digits] if len(digits) == 3 else [digits[i : i + 2] for i in (0, 2, 4)]
    shares = [int(pair, 16) / 255 for pair in pairs]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(weight * s for weight, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
