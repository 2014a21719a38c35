"""A report as Markdown: everything the page says, nothing a user wrote as markup, the same bytes."""

from pathlib import Path
from typing import get_args

import mistune
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.report import as_markdown, blocks, readers, snapshot
from nbmlops.report.blocks import Facts, Figure, Fold, Missing, Say, Section, Table, verdict
from nbmlops.report.charts import line
from nbmlops.report.kinds.kind import subject_of

from .conftest import NOTEBOOK

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &#60;b>",
    "[a](javascript:alert(1))",
    "![a](https://example.org/x.png)",
    "https://example.org and www.example.org",
    "<https://example.org>",
    "**bold** __bold__ _it_ *it* ~~gone~~ `code`",
    "# heading",
    "- item\n- item",
    "1. item\n2) item",
    "> quote",
    "+ item",
    "text\n===\ntext\n---",
    "---",
    "a | b\n--|--\nc | d",
    "```\ncode\n```",
    "~~~\ncode",
    "    indented",
    "\\*escaped\\*",
    "a\\",
    "[x]: https://example.org\n[x]",
    "$$x$$",
    "end  \nbreak",
    "[^1]\n\n[^1]: note",
    "term\n: meaning",
    "- [ ] to do",
    "[1](javascript:alert(1))",
    "![1](https://example.org/x.png)",
    "[1][2]\n\n[2]: https://example.org",
    "[1]: https://example.org\n[1]",
    "[[1](x)](y)",
    "[[_TOC_]] [TOC]",
    "[0.1, 0.2](x)",
]
PLUGINS = ["table", "strikethrough", "footnotes", "url", "task_lists", "def_list", "math"]


def html(text):
    return mistune.create_markdown(escape=False, plugins=PLUGINS)(text)


def bare(text):
    """Return the text of HTML without its own tags for paragraphs and breaks."""
    for tag in ("<p>", "</p>", "<br />", "<br>"):
        text = text.replace(tag, "")
    return text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup(text):
    shown = bare(html("\n\n".join(as_markdown._say(Say(text)))))
    assert "<" not in shown, shown


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_leaves_its_place(text):
    section = Section(
        "x",
        text,
        text,
        [
            Table(text, (text, "b"), [(text, verdict(text))]),
            Facts([(text, text)]),
            Missing(text, text),
            Fold(text, [Say(text)]),
            Figure(line([(1, 1), (2, 2)], title=text), text),
        ],
    )
    plain = Section("x", "x", "x", [Table("x", ("x", "b"), [("x", verdict("x"))]), *_plain()])
    tags = [_tags(html("\n\n".join(as_markdown._section(s)))) for s in (section, plain)]
    assert tags[0] == tags[1]


def _plain():
    return [
        Facts([("x", "x")]),
        Missing("x", "x"),
        Fold("x", [Say("x")]),
        Figure(line([(1, 1), (2, 2)], title="x"), "x"),
    ]


def _tags(text):
    import re

    return [t for t in re.findall(r"<[^>]*>", text) if t not in ("<br />", "<br>")]


@pytest.mark.parametrize("text", [*HOSTILE, "````", "a\n``````\n# out"])
def test_code_stays_in_its_fence(text):
    shown = html(as_markdown.code(text) + "\n")
    assert shown.count("<pre>") == shown.count("<") // 4 == 1, shown


def test_a_report_says_what_its_page_says(retrained):
    taken = snapshot.build(subject_of(retrained))
    text = as_markdown.render(taken, NOTEBOOK)
    assert text.startswith("project · Report 1 of notebook run ")
    assert "# Retraining report: late-flights" in text
    assert "## Replace champion late-flights@1 by late-flights@2?\n\n**● Recommended: yes**" in text
    assert "| roc_auc" in text
    assert "> ◌ **Missing:** " in text
    assert "*Chart.* " in text
    assert "```\nflights.head()\n```" in text
    assert f"`{snapshot.digest(taken)}`" in text
    assert text == as_markdown.render(taken, NOTEBOOK)


def test_every_block_can_be_drawn():
    assert {block.kind for block in get_args(blocks.Block)} == set(as_markdown.DRAWN)


def test_a_table_is_even_in_a_terminal():
    assert as_markdown.table(("Name", "n"), [("a|b", "1"), (verdict("issue"), "20")], (1,)).split("\n") == [
        "| Name    |   n |",
        "| ------- | --: |",
        "| a\\|b    |   1 |",
        "| ■ issue |  20 |",
    ]


def test_html_of_a_notebook_is_text():
    shown = as_markdown._Text("<table><thead><tr><th>a</th><th>b</th></tr></thead><tr><td>1 &lt; 2</td><td>3</td></tr>")
    assert shown.text == "a | b\n1 < 2 | 3"


def test_a_file_that_ends_in_md_is_markdown_by_every_door(retrained, shell):
    path = nb.report(retrained, "a.md")
    shell.run_line_magic("report", f"{retrained.run_id} -o b.md")
    done = CliRunner().invoke(main, ["report", retrained.run_id, "-o", "c.md"])
    assert done.exit_code == 0
    texts = {Path(name).read_bytes() for name in ("b.md", "c.md")} | {path.read_bytes()}
    assert len(texts) == 1
    assert texts.pop().decode().startswith("project · Report 1 of ")


def test_a_role_reads_first_what_it_needs(retrained):
    taken = snapshot.build(subject_of(retrained))
    whole, ordered = (as_markdown.render(taken, NOTEBOOK, role) for role in (None, "compliance"))
    assert ordered.index("## Audit trail") < ordered.index("## Performance")
    assert whole.index("## Audit trail") > whole.index("## Performance")
    assert {*ordered.splitlines()} - {*whole.splitlines()} == {readers.ordered_for("compliance")}
    assert {*whole.splitlines()} <= {*ordered.splitlines()}
