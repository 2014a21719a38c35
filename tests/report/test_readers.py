"""A role is given an order: what it reads first is open, the rest folded, and nobody loses a section or a word."""

import re

import pytest

import nbmlops as nb
from nbmlops.errors import Invalid
from nbmlops.governance.charter import ROLES
from nbmlops.report import page, readers, sections, snapshot
from nbmlops.report.blocks import Section
from nbmlops.report.kinds.kind import subject_of

from .conftest import read
from .test_page import Page, assert_safe

KEYS = ("failure", "changed", "parameters", "data", "pipeline", "checks", "drift", "flags", "performance",
        "explanations", "limits", "monitoring", "reproducibility", "audit", "fields",
        "crosswalk", "glossary", "notebook")  # fmt: skip
OTHERS = ("runs", "settings", "metrics", "environment", "code", "findings", "earlier", "cells", "activity",
          "throughput", "roles")  # fmt: skip


def split(markup):
    """Return the words of each section by its key, in the order of the page."""
    parts = re.split(r'<section class="sheet[^>]* aria-labelledby="([a-z]+)-title"', markup.partition("</main>")[0])[1:]
    return {key: Page(f"<section{rest}").text for key, rest in zip(parts[::2], parts[1::2], strict=True)}


def test_every_role_has_an_order_of_sections_there_are():
    assert set(readers.FIRST) == set(ROLES)
    assert all(len(keys) == len(set(keys)) and set(keys) <= {*KEYS, *OTHERS} for keys in readers.FIRST.values())


def test_a_role_gets_the_same_sections_and_the_same_words(retrained):
    taken = snapshot.build(subject_of(retrained))
    before = split(page.render(taken))
    for role in ROLES:
        ordered = page.render(taken, role=role)
        assert_safe(ordered)
        after = split(ordered)
        assert before == after, role  # dicts: the order apart
        first = [key for key in readers.FIRST[role] if key in before]
        assert list(after)[: len(first)] == first, role
        links = [a["href"][1:] for a in Page(ordered).all("a") if a["href"].startswith("#")]
        assert [key for key in links if key in after][: len(after)] == list(after), role  # the contents name all


def test_what_is_not_read_first_is_folded_with_its_line_to_open_it(retrained):
    taken = snapshot.build(subject_of(retrained))
    markup = page.render(taken, role="compliance")
    folded = re.findall(r'<section class="sheet folded" aria-labelledby="([a-z]+)-title"', markup)
    assert set(folded) == {s.key for s in sections.build(taken)} - set(readers.FIRST["compliance"])
    assert '<summary class="say-first">' in markup
    assert 'class="sheet folded"' not in page.render(taken)
    assert "Ordered for the role compliance" in Page(markup).text
    assert "Ordered for" not in Page(page.render(taken)).text


def test_what_failed_is_first_for_everybody(failed):
    taken = snapshot.build(subject_of(failed))
    for role in ROLES:
        first = readers.arranged(sections.build(taken), role)[0]
        assert (first.key, first.folded) == ("failure", False)


@pytest.mark.parametrize("kind", ["project", "drift", "comparison"])
def test_other_kinds_are_ordered_too_and_keep_every_section(retrained, champion, kind):
    refs = {"project": "project", "drift": "drift:late-flights", "comparison": [champion, retrained]}
    taken = snapshot.build(subject_of(refs[kind]))
    before = split(page.render(taken))
    for role in ROLES:
        markup = page.render(taken, role=role)
        assert split(markup) == before, role
        assert 'class="sheet" id=' in markup, role


def test_a_report_without_what_a_role_reads_stays_as_it_is():
    found = readers.arranged([Section("new", "New", "", []), Section("cells", "Cells", "", [])], "user")
    assert [(s.key, s.folded) for s in found] == [("new", False), ("cells", False)]


def test_a_section_nobody_thought_of_is_kept_and_folded():
    found = readers.arranged([Section("new", "New", "", []), Section("audit", "Audit", "", [])], "compliance")
    assert [(s.key, s.folded) for s in found] == [("audit", False), ("new", True)]


def test_a_role_nobody_plays_is_refused():
    with pytest.raises(Invalid, match="'boss' is no role"):
        readers.arranged([], "boss")


def test_on_paper_all_is_open():
    paper = page.template("page.css").partition("@media print")[2]
    assert "::details-content" in paper


def test_the_facts_are_the_same_whoever_reads(retrained, tmp_path):
    made = [page.written(retrained, tmp_path / f"{role}.html", role) for role in ("manager", "user")]
    assert made[0].digest == made[1].digest
    one, two = (read(tmp_path / f"{role}.html") for role in ("manager", "user"))
    assert one != two


def test_support_of_a_run_is_its_report_in_their_order(retrained, tmp_path):
    text = Page(read(nb.report(retrained, tmp_path / "r.html", role="support"))).text
    assert "Ordered for the role support" in text
    assert "Replace champion late-flights@1" in text


def test_roles_are_completed(project):
    from click.shell_completion import ShellComplete

    from nbmlops.cli import main
    from nbmlops.magics.complete import offers

    assert offers("%report late --for ") == list(ROLES)
    assert offers("%report late --for man") == list(ROLES)
    assert not set(ROLES) & {*offers("%report late "), *offers("%runs --for ")}
    assert offers("%nbmlops report late --for ") == list(ROLES)
    done = ShellComplete(main, {}, "nbmlops", "_NBMLOPS_COMPLETE").get_completions(["report", "late", "--for"], "m")
    assert [item.value for item in done] == ["ml_engineer", "manager"]


def test_function_magic_and_command_order_alike(retrained, shell, project):
    import json

    from click.testing import CliRunner

    from nbmlops.cli import main

    ref = retrained.run_id
    made = CliRunner().invoke(main, ["report", ref, "--for", "expert", "-o", "c.html", "--json"])
    assert made.exit_code == 0, made.output
    by_magic = shell.run_line_magic("report", f"{ref} --for expert -o m.html").to_dict()
    by_hand = page.written(ref, "p.html", "expert").to_dict()
    ours = [json.loads(made.output), by_magic, by_hand]
    assert all({**one, "path": ""} == {**ours[0], "path": ""} for one in ours)
    pages = [(project / f"{name}.html").read_bytes() for name in "cmp"]
    assert pages[0] == pages[1] == pages[2]
    assert b"Ordered for the role expert" in pages[0]


def test_a_page_in_an_order_verifies(retrained, tmp_path):
    for role in (None, "compliance", "user"):
        path = nb.report(retrained, tmp_path / f"{role}.html", role=role)
        assert nb.verify_report(path).verdict == "whole", role


def test_markdown_has_the_same_order(retrained, tmp_path):
    text = read(nb.report(retrained, tmp_path / "r.md", role="compliance"))
    heads = re.findall("^## (.+)$", text, re.MULTILINE)[1:]
    taken = snapshot.build(subject_of(retrained))
    assert heads == [s.title for s in readers.arranged(sections.build(taken), "compliance")]
