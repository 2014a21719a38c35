"""Outputs of notebooks that try to act, to lie, or to burst the page."""

import base64
import json
import struct
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from nbmlops.report import markup as html
from nbmlops.report import sanitize

from .hostile import chunk, png

PNG = png()
ALLOWED_ATTRIBUTES = {"colspan", "rowspan", "scope"}


class Walk(HTMLParser):
    """Collect tags, attributes and the depth at the end."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.attributes, self.depth, self.deepest = set(), set(), 0, 0
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.depth += tag != "br"
        self.deepest = max(self.deepest, self.depth)

    def handle_endtag(self, tag):
        self.depth -= 1


def shown(data, kind="display_data"):
    return sanitize.pieces({"output_type": kind, "data": data, "metadata": {}}, "cell 1")


HOSTILE = {
    "script": "<script>alert(1)</script><p>ok</p>",
    "script in capitals, unclosed": "<p>ok</p><SCRIPT>alert(1)",
    "handler": '<img src="x" onerror="alert(1)"><p onclick="alert(1)">ok</p>',
    "svg script": "<svg><script>alert(1)</script><a href='javascript:1'>x</a></svg><p>ok</p>",
    "svg animation": '<svg><animate onbegin="alert(1)" attributeName="x"/></svg><p>ok</p>',
    "math breakout": "<p>ok</p><math><table><mglyph><style><!--</style><img title='--&gt;&lt;img onerror=1&gt;'>",
    "style": "<style>* { display: none }</style><p>ok</p>",
    "style breakout": "</style></details></section></main><p>ok</p>",
    "javascript link": '<p>ok</p><a href="javascript:alert(1)">x</a>',
    "data link": '<p>ok</p><a href="data:text/html,<script>alert(1)</script>">x</a>',
    "iframe": '<iframe srcdoc="<script>alert(1)</script>"></iframe><p>ok</p>',
    "form": '<form action="http://evil.example"><input name="password"><button>Sign</button></form><p>ok</p>',
    "object": '<object data="x.swf"></object><embed src="x"><p>ok</p>',
    "base and meta": '<base href="//evil.example"><meta http-equiv="refresh" content="0;url=//evil.example"><p>ok</p>',
    "fake banner": '<div class="answer good" style="position:fixed"><h1 id="question">Approved</h1></div><p>ok</p>',
    "remote picture": '<img src="http://evil.example/pixel.png" srcset="//evil.example 2x"><p>ok</p>',
    "comment": "<!--[if IE]><script>alert(1)</script><![endif]--><p>ok</p>",
    "template": "<template><script>alert(1)</script></template><p>ok</p>",
    "noscript": '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript><p>ok</p>',
    "wide cell": '<table><tr><td colspan="99999" rowspan="-1" background="//evil.example">ok</td></tr></table>',
}


@pytest.mark.parametrize("markup", HOSTILE.values(), ids=HOSTILE)
def test_hostile_html_keeps_its_text_and_loses_everything_else(markup):
    clean, _ = html.clean_html(markup)
    walk = Walk(clean)
    assert walk.tags <= html.TAGS
    assert walk.attributes <= ALLOWED_ATTRIBUTES
    assert walk.depth == 0
    assert "ok" in clean
    for word in ("alert", "evil", "javascript", "onerror", "position", "99999"):
        assert word not in clean


def test_a_heading_becomes_a_bold_paragraph():
    assert html.clean_html("<h1 class='x'>Approved</h1>")[0] == "<p><strong>Approved</strong></p>"


def test_a_table_keeps_its_structure():
    markup = '<table border="1" class="dataframe"><thead><tr><th colspan="2" scope="col">a</th></tr></thead></table>'
    assert html.clean_html(markup)[0] == '<table><thead><tr><th colspan="2" scope="col">a</th></tr></thead></table>'


def test_hidden_characters_in_html_become_visible():
    assert (
        html.clean_html("<p>a&#8238;b&#x200b;</p>")[0] == "<p>a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}</p>"
    )


@pytest.mark.parametrize(
    ("escape", "bell"), [("\x1b", "\x07"), ("&#27;", "&#7;"), ("\x1b", "&#x7;"), ("&#x1b;", "\x07")]
)
def test_terminal_codes_take_no_finished_markup_with_them(escape, bell):
    clean, _ = html.clean_html(f"<table><tr><td>x{escape}]</td></tr></table><p>gone{bell}</p>")
    seen = clean.replace("\N{REPLACEMENT CHARACTER}", "").replace("]", "")
    assert seen == "<table><tbody><tr><td>x</td></tr></tbody></table><p>gone</p>"


@pytest.mark.parametrize("close", ["]", "&#93;"])
@pytest.mark.parametrize("escape", ["\x1b", "&#27;"])
def test_terminal_codes_in_markdown_open_no_tag(escape, close):
    encoded = base64.b64encode(PNG).decode()
    source = f'![A{escape}{close}](data:image/png;base64,{encoded}) \x07" onload="window.hostile=1" x="y">'
    assert Walk(markdown(source)).attributes <= {"src", "alt"}


def test_a_huge_table_is_cut_at_a_row_and_says_so():
    found = shown({"text/html": "<table>" + "<tr><td>1234567890</td></tr>" * 50_000 + "</table>"})
    assert [p.kind for p in found] == ["html", "note"]
    assert len(found[0].content) <= sanitize.APPENDIX.html + 100
    assert found[0].content.endswith("</tr></tbody></table>")
    assert "left out" in found[1].content


def test_html_with_nothing_left_falls_back_to_text():
    found = shown({"text/html": "<script>plot()</script>", "text/plain": "Figure()"})
    assert [(p.kind, p.content) for p in found] == [("text", "Figure()")]


def test_active_forms_are_named_in_a_note():
    found = shown({"application/javascript": "alert(1)", "application/vnd.plotly.v1+json": {}})
    assert [p.kind for p in found] == ["note"]
    assert "application/javascript" in found[0].content
    assert "alert" not in found[0].content


def test_our_own_objects_are_shown_as_their_text():
    data = {"application/vnd.nbmlops.run.v1+json": {}, "text/html": "<div style='x'>card</div>", "text/plain": "run ok"}
    assert next((p.kind, p.content) for p in shown(data)) == ("text", "run ok")


def test_text_loses_colours_and_is_cut():
    found = sanitize.pieces({"output_type": "stream", "text": ["\x1b[31mred\x1b[0m\n", "x" * 5000]})
    assert found[0].content.startswith("red\n")
    assert len(found[0].content) == sanitize.APPENDIX.text
    assert "3,004 more characters" in found[1].content


def test_an_error_keeps_its_end():
    lines = ["line\n"] * 2000 + ["ValueError: the reason"]
    found = sanitize.pieces({"output_type": "error", "ename": "ValueError", "evalue": "x", "traceback": lines})
    assert found[0].content.endswith("ValueError: the reason")


def test_a_progress_bar_is_its_last_state():
    found = sanitize.pieces({"output_type": "stream", "text": " 10%\r 50%\r100%\ndone\n"})
    assert found[0].content == "100%\ndone"


def test_a_picture_is_encoded_again():
    encoded = base64.encodebytes(PNG).decode()
    found = shown({"image/png": encoded, "text/plain": "<Figure>", "text/html": "<p>other</p>"})
    assert found[0].kind == "image"
    assert base64.b64decode(found[0].content.removeprefix("data:image/png;base64,")) == PNG
    assert found[0].alt == "<Figure>"


@pytest.mark.parametrize(
    "content",
    [
        b"<svg onload=alert(1)>",
        b"GIF89a",
        b"",
        PNG[:-12],
        png(width=90_000),
        png(width=7_900, height=7_900),
        PNG + bytes(400_000),
    ],
    ids=["svg", "gif", "empty", "no end", "too wide", "too many pixels", "too large"],
)
def test_what_is_no_picture_or_too_large_is_a_note(content):
    found = shown({"image/png": base64.b64encode(content).decode()})
    assert [p.kind for p in found] == ["note"]


@pytest.mark.parametrize("mime", ["image/gif", "image/webp", "image/bmp"])
def test_a_picture_of_another_kind_is_said_beside_its_words(mime):
    found = shown({mime: "R0lGODdh", "text/plain": "<Image>"})
    assert [p.kind for p in found] == ["text", "note"]
    assert mime in found[1].content
    assert [p.kind for p in shown({mime: "R0lGODdh", "image/png": base64.b64encode(PNG).decode()})] == ["image"]


def test_a_picture_within_html_is_shown_below_it():
    encoded = base64.b64encode(PNG).decode()
    found = shown({"text/html": f'<img alt="x" src="data:image/png;base64,{encoded}"/>', "text/plain": "<HTML object>"})
    assert [(p.kind, p.content) for p in found] == [("image", f"data:image/png;base64,{encoded}")]
    found = shown({"text/html": f"<p>Late</p><img src='data:image/png;base64,{encoded}'><img src='data:image/gif,x'>"})
    assert [p.kind for p in found] == ["html", "image", "note"]
    assert found[2].content == "1 picture or frame in HTML left out."


def test_html_of_nothing_but_what_cannot_be_shown_says_so():
    found = shown({"text/html": "<svg><path d='M0 0'/></svg><iframe src='x'></iframe>", "text/plain": "<HTML object>"})
    assert [p.content for p in found] == ["<HTML object>", "2 pictures or frames in HTML left out."]


def test_many_unfinished_pictures_in_html_cost_no_time():
    began = time.process_time()
    shown({"text/html": "<img " * 400_000})
    assert time.process_time() - began < 5


def test_a_picture_that_is_no_base64_is_a_note():
    assert shown({"image/jpeg": '"><script>alert(1)</script>'})[0].kind == "note"


def test_a_picture_loses_what_it_carries_beside_the_image():
    note = chunk(b"tEXt", b"Comment\x00<script>alert(1)</script>")
    found = shown({"image/png": base64.b64encode(png(note) + b"<script>alert(2)</script>").decode()})
    assert base64.b64decode(found[0].content.partition(",")[2]) == PNG


def test_a_photograph_loses_notes_and_what_follows_its_end():
    def segment(marker, content):
        return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content

    frame = segment(0xC0, struct.pack(">BHHB", 8, 2, 3, 0))
    exif, scan = segment(0xE1, b"Exif GPS"), segment(0xDA, b"") + b"abc\xff\xd9"
    content = b"\xff\xd8" + exif + frame + scan + b"PK\x03\x04 polyglot"
    found = shown({"image/jpeg": base64.b64encode(content).decode()})
    assert base64.b64decode(found[0].content.partition(",")[2]) == b"\xff\xd8" + frame + scan


def test_a_drawing_is_only_ever_an_image_source():
    found = shown({"image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"/></svg>'})
    assert found[0].kind == "image"
    assert found[0].content.startswith("data:image/svg+xml;base64,")


def test_a_drawing_of_matplotlib_is_shown(needed):
    needed("matplotlib")
    from io import StringIO

    from matplotlib.figure import Figure

    figure, file = Figure(), StringIO()
    figure.subplots().plot([1, 2], label="a")
    figure.savefig(file, format="svg")
    assert [p.kind for p in shown({"image/svg+xml": file.getvalue()})] == ["image"]


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<g onload='alert(1)'/>",
        "<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'>x</p></foreignObject>",
        "<image href='http://evil.example/x.png'/>",
        "<a xmlns:x='http://www.w3.org/1999/xlink' x:href='javascript:alert(1)'/>",
        "<style>@import '//evil.example/x.css';</style>",
        "<rect style='fill: url(//evil.example/x)'/>",
        "<rect fill='u\\72l(//evil.example/x)'/>",
        "<not closed",
        "<a><set attributeName='href' to='javascript:alert(1)'/><text y='20'>x</text></a>",
        "<a href='#x'><animate attributeName='href' values='javascript:alert(1)'/></a>",
        "<style>rect { fill: url(\\68ttp://evil.example/x) }</style>",
        "<style>@im<a/>port 'http://evil.example/x.css';</style>",
        "<style>@im<title/>port 'http://evil.example/x.css';</style>",
        "<style>rect { background: image-set('http://evil.example/x' 1x) }</style>",
        "<style>rect { fill: url(#a) url( 'http://evil.example/x') }</style>",
        "<rect mask='url(#a' style=')url(//evil.example/x)'/>",
        "<image srcset='http://evil.example/x'/>",
        "<image href='data:image/png;base64,PHNjcmlwdD4='/>",
        "<image href='data:image/svg+xml,x'/>",
        "<feImage href='#a'/>",
    ],
)
def test_a_drawing_with_code_or_addresses_is_a_note(inside):
    markup = f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    assert [p.kind for p in shown({"image/svg+xml": markup})] == ["note"]


def test_a_drawing_that_declares_entities_is_a_note():
    markup = '<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg xmlns="http://www.w3.org/2000/svg"><text>&a;</text></svg>'
    assert [p.kind for p in shown({"image/svg+xml": markup})] == ["note"]


@pytest.mark.parametrize("deep", ["<div>", "<b>", "<ul><li>", "<table><tr><td>", "<p><b class=%d>"])
def test_deep_nesting_costs_no_time_and_stays_flat(deep):
    began = time.process_time()
    clean, cut = html.clean_html("<p>ok</p>" + deep * 20_000)
    assert time.process_time() - began < 2
    assert cut
    assert Walk(clean).deepest <= html.MAX_DEPTH


def markdown(source, **more):
    (cell,) = sanitize.cells({"cells": [{"cell_type": "markdown", "source": source, **more}]})
    return "".join(p.content for p in cell.pieces)


def test_markdown_is_rendered():
    clean = markdown("# Late\n\n- **a**\n- `b`\n\n| x |\n|---|\n| 1 |\n")
    assert "<p><strong>Late</strong></p>" in clean
    assert "<li><strong>a</strong></li>" in clean
    assert "<td>1</td>" in clean
    assert "<h1" not in clean


def test_markdown_shows_html_and_mathematics_as_text():
    clean = markdown("<b onclick='x()'>a</b> $a_1 * b_1 * c$ &amp; &lt;i&gt; one<br>two")
    assert "&lt;b onclick" in clean
    assert "$a_1 * b_1 * c$ &amp; &lt;i&gt; one<br>two" in clean


def test_a_link_in_markdown_is_its_words_and_its_address():
    clean = markdown("[here](javascript:alert(1)) <https://example.org> [a][r]\n\n[r]: http://evil.example 'title'")
    assert clean == "<p>here (javascript:alert(1)) https://example.org a (http://evil.example)</p>\n"


def test_a_picture_in_markdown_is_shown_when_it_is_inside():
    encoded = base64.b64encode(PNG).decode()
    attached = {"a b.png": {"image/png": encoded}}
    shown = markdown(f"![one](data:image/png;base64,{encoded}) ![two](attachment:a%20b.png)", attachments=attached)
    uri = f"data:image/png;base64,{encoded}"
    assert shown == f'<p><img src="{uri}" alt="one"> <img src="{uri}" alt="two"></p>\n'


@pytest.mark.parametrize(
    "address", ["http://evil.example/x.png", "data:image/png;base64,PHNjcmlwdD4=", "attachment:none", "file:///etc/x"]
)
def test_any_other_picture_in_markdown_is_words(address):
    clean = markdown(f'![chart]({address} "title")')
    assert "<img" not in clean
    assert "chart (" in clean


@pytest.mark.parametrize("mime", ["image/svg+xml", "image/gif"])
def test_an_attached_picture_of_another_kind_is_not_said_to_be_elsewhere(mime):
    clean = markdown("![chart](attachment:a)", attachments={"a": {mime: "R0lGODdh"}})
    assert f"chart (attached as {mime}, which is not shown)" in clean
    assert f"chart (a picture written as {mime} is not shown)" in markdown(f"![chart](data:{mime};base64,R0lGODdh)")


def test_headings_are_real_and_skip_no_level_where_an_outline_is_asked():
    outline = []
    source = "### One\n\n# Two\n\n#### Three\n\n# <b>Four</b>"
    sanitize.cells({"cells": [{"cell_type": "markdown", "source": source}]}, outline=outline)
    assert [(h.number, h.level, h.text) for h in outline] == [
        (1, 2, "One"),
        (2, 2, "Two"),
        (3, 3, "Three"),
        (4, 2, "<b>Four</b>"),
    ]


def test_an_output_in_markdown_is_rendered_too():
    assert [(p.kind, p.content) for p in shown({"text/markdown": "*a*", "text/plain": "x"})] == [
        ("html", "<p><em>a</em></p>\n")
    ]


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b'{"cells": 3}', b'{"cells": [1]}', b"\xff\xfe"], ids=str)
def test_what_is_no_notebook_says_so(content):
    found = sanitize.cells(content)
    assert len(found) == 1
    assert found[0].pieces[0].kind == "note"


def test_a_large_notebook_stops_at_its_budget_with_a_note():
    cell = {"cell_type": "code", "metadata": {}, "source": "x = 1\n" * 500, "outputs": []}
    found = sanitize.cells(json.dumps({"cells": [cell] * 500}).encode())
    assert sum(len(c.source) for c in found) <= sanitize.APPENDIX.whole
    assert f"Cells {found[-1].number} to 500 are left out" in found[-1].pieces[0].content


def test_a_long_list_and_what_follows_it_are_all_there():
    outline = []
    source = "# List\n\n" + "\n".join(f"- item {i} **end**" for i in range(1500)) + "\n\n# Last\n\nConclusion"
    (cell,) = sanitize.cells({"cells": [{"cell_type": "markdown", "source": source}]}, sanitize.ALONE, outline)
    clean = cell.pieces[0].content
    assert "item 1499 <strong>end</strong>" in clean
    assert clean.endswith('<h2 id="part-2">Last</h2>\n<p>Conclusion</p>\n')
    assert [h.text for h in outline] == ["List", "Last"]


def test_headings_in_html_cost_nothing_of_what_follows():
    clean, cut = html.clean_html("<h1>a</h1>" * 900 + "<p>ok</p>")
    assert cut == 0
    assert clean.endswith("<p>ok</p>")


def test_prose_too_deep_for_a_page_keeps_its_words():
    outline = []
    source = "# Gone\n\n" + "*a **b " * 60 + "deep" + "** c*" * 60
    (cell,) = sanitize.cells({"cells": [{"cell_type": "markdown", "source": source}]}, outline=outline)
    assert "deep" in cell.pieces[0].content
    assert Walk(cell.pieces[0].content).deepest <= html.MAX_DEPTH
    assert [h.text for h in outline] == (["Gone"] if "<h2" in cell.pieces[0].content else [])


def test_contents_hold_nothing_that_was_left_out():
    outline = []
    some = [{"cell_type": "markdown", "source": f"# Part {i}\n\n" + "word " * 1500} for i in range(60)]
    found = sanitize.cells({"cells": some}, outline=outline)
    assert "are left out" in found[-1].pieces[-1].content
    shown = "".join(piece.content for cell in found for piece in cell.pieces)
    assert [f'id="part-{h.number}"' in shown for h in outline] == [True] * (len(found) - 1)


@pytest.mark.parametrize("limits", [sanitize.APPENDIX, sanitize.ALONE])
@pytest.mark.parametrize("form", ["![late]({} 'title')", "![late](<{}>)", "![late][r]\n\n[r]: {}"])
def test_a_pasted_picture_and_what_follows_it_are_there(limits, form):
    picture = base64.b64encode(png(chunk(b"IDAT", bytes(90_000)))).decode()
    source = form.format(f"data:image/png;base64,{picture}") + "\n\nAfter the picture"
    (cell,) = sanitize.cells({"cells": [{"cell_type": "markdown", "source": source}]}, limits)
    assert f'<img src="data:image/png;base64,{picture}" alt="late">' in cell.pieces[0].content
    assert "After the picture" in cell.pieces[0].content
    assert len(cell.pieces) == 1
    assert len(cell.source) < 100


def test_a_pasted_picture_in_an_output_is_there_too():
    picture = base64.b64encode(png(chunk(b"IDAT", bytes(90_000)))).decode()
    found = shown({"text/markdown": f"![a](data:image/png;base64,{picture})\n\nAfter"})
    assert [p.kind for p in found] == ["html"]
    assert "After" in found[0].content


def drawn(inside):
    (found,) = shown({"image/svg+xml": f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>'})
    assert found.kind == "image", found.content
    return base64.b64decode(found.content.partition(",")[2]).decode()


def test_a_drawing_is_written_anew_without_what_draws_nothing():
    notes = '<metadata><x xmlns="u" resource="http://purl.org/dc"/></metadata><y xmlns="u"><z/>text</y>'
    text = '<text aria-label="C:\\data" data-a="1" x="2" style="fill: #f00">C &lt; d\x85</text>'
    assert drawn(notes + text) == (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<text x="2" style="fill: #f00">C &lt; d\N{REPLACEMENT CHARACTER}</text></svg>'
    )


def test_a_drawing_with_an_attribute_in_two_vocabularies_stays_whole():
    of_tool = 'xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" inkscape:version="1.2" inkscape:id="x"'
    links = 'xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#old" href="#new"'
    inside = f'<use id="a" {links} xml:space="preserve"/>'
    markup = f'<svg xmlns="http://www.w3.org/2000/svg" version="1.1" {of_tool}>{inside}</svg>'
    (found,) = shown({"image/svg+xml": markup})
    root = ElementTree.fromstring(base64.b64decode(found.content.partition(",")[2]))
    assert root.attrib == {"version": "1.1"}
    of_xml = "{http://www.w3.org/XML/1998/namespace}space"
    assert root[0].attrib == {"id": "a", "{http://www.w3.org/1999/xlink}href": "#new", of_xml: "preserve"}


def test_a_picture_within_a_drawing_is_written_anew_too():
    noted = base64.b64encode(png(chunk(b"tEXt", b"Comment\x00<script>"))).decode()
    clean = base64.b64encode(PNG).decode()
    assert f'xlink:href="data:image/png;base64,{clean}"' in drawn(f'<image href="data:image/png;base64,{noted}"/>')


def test_a_drawing_of_matplotlib_keeps_all_that_draws(needed):
    needed("matplotlib")
    from io import StringIO

    from matplotlib.figure import Figure

    figure, file = Figure(), StringIO()
    (left, right), (low, last) = figure.subplots(2, 2)
    left.plot([1, 2], marker="o", alpha=0.3, label="$x_1$")
    left.legend()
    right.imshow([[1, 2], [3, 4]])
    low.bar([1, 2], [2, 3], hatch="/")
    last.scatter([1, 2], [1, 2], c=[1, 2])
    figure.savefig(file, format="svg")
    (found,) = shown({"image/svg+xml": file.getvalue()})
    before, after = (
        [(e.tag, sorted(e.attrib)) for e in ElementTree.fromstring(markup).iter() if "2000/svg" in e.tag]
        for markup in (file.getvalue(), base64.b64decode(found.content.partition(",")[2]))
    )
    assert [e for e in before if not e[0].endswith("metadata")] == after


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_photograph_stays_the_right_way_up_and_loses_its_place(order):
    start = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(f"{order}HHIHH", 0x8825, 4, 1, 9, 9) + struct.pack(f"{order}HHIHH", 0x0112, 3, 1, 6, 0)
    notes = b"Exif\0\0" + start + struct.pack(f"{order}IH", 8, 2) + entries + bytes(4) + b"GPS 52.5"
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 8, 8, 2, 3, 0)
    rest = frame + b"\xff\xda\0\2abc\xff\xd9"
    content = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(notes) + 2) + notes + rest
    found = shown({"image/jpeg": base64.b64encode(content).decode()})
    kept = base64.b64decode(found[0].content.partition(",")[2])
    assert kept.endswith(rest)
    assert struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) in kept
    assert b"GPS" not in kept
    assert struct.pack(">H", 0x8825) not in kept
