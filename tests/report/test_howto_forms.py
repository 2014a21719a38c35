"""The page for support in every form: HTML, Markdown, the facts alone."""

import json

import nbmlops as nb
from nbmlops.report import howto

from .test_howto import late, whole  # noqa: F401


def test_the_page_for_support_may_be_markdown_or_its_facts(whole, project):  # noqa: F811
    text = nb.report("late", "h.md", role="support").read_text()
    data = json.loads(nb.report("late", "h.json", role="support").read_text())
    assert text.startswith(f"project · version {data['version']}\n\n# How to use {data['model']}\n")
    assert all(f"### {part['title']}" in text for part in data["parts"])
    assert f"`{howto.digest(data)}`" in text
    assert text == nb.report("late", "again.md", role="support").read_text()
    assert "<" not in text.replace("&lt;", "")
