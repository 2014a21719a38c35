"""A notebook alone: one page by nbconvert's own command, without a project, a store or a network."""

import json
import subprocess
import sys

import nbformat
import pytest

from nbmlops.report import alone

from .conftest import code, read
from .test_page import Page, assert_safe

SECRET = "hunter2-correct-horse"


def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def executed(*cells, **metadata):
    notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": list(cells)}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.setdefault("execution_count", 1)
            cell.setdefault("outputs", [])
    return notebook


def failed():
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no <b>such</b> month", "traceback": ["Trace"]}
    given = {"month": 4, "db_password": SECRET}
    milled = {"parameters": given, "version": "2.7.0", "start_time": "2013-04-30T10:00:00", "end_time": None}
    return executed(
        markdown("# Retrain\n\n### Why\n\nText with $x_1$."),
        code("month = 4"),
        markdown("# What came out"),
        code("raise ValueError", error),
        papermill=milled,
        kernelspec={"name": "python3", "display_name": "Python 3"},
    )


def test_nbconvert_makes_one_page_of_a_file(tmp_path, needed):
    needed("nbconvert")
    (tmp_path / "late.ipynb").write_text(json.dumps(failed()))
    words = [sys.executable, "-m", "nbconvert", "--to", "nbmlops", "late.ipynb"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["late.html", "late.ipynb"]
    seen = assert_safe(read(tmp_path / "late.html"))
    assert [a for a in seen.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "late Retrain" not in seen.text
    assert seen.words.index("late") < seen.words.index("Retrain")


def test_a_notebook_of_an_older_format_is_read(tmp_path, needed):
    exporter = needed("nbmlops.report.exporter").NbmlopsExporter()
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_text_cell("markdown", source="# A")])]
    )
    page, resources = exporter.from_notebook_node(nbformat.convert(old, 4))
    assert '<h2 id="part-1">A</h2>' in page
    assert resources["output_extension"] == ".html"


def test_the_page_says_what_failed_first():
    seen = assert_safe(alone.drawn(failed(), "late"))
    text = seen.text
    assert "This notebook failed in cell 4 ValueError: no <b>such</b> month" in text
    assert {"href": "#cell-4"} in seen.all("a")
    assert text.index("failed in") < text.index("Parameters") < text.index("Contents")
    assert [a for a in seen.all("details") if "open" in a] == [{"open": None}]


def test_parameters_are_a_table_without_secrets():
    page = alone.drawn(failed(), "late")
    assert "month 4 given" in Page(page).text
    assert "db_password [secret] given" in Page(page).text
    assert SECRET not in page


def test_a_secret_in_code_and_output_is_masked():
    printed = {"output_type": "stream", "name": "stdout", "text": f"password={SECRET}"}
    assert SECRET not in alone.drawn(executed(code(f'password = "{SECRET}"', printed)), "late")


def test_contents_lead_to_headings_whose_levels_skip_none():
    seen = Page(alone.drawn(failed(), "late"))
    ids = {a["id"] for _, a in seen.elements if "id" in a}
    assert {a["href"][1:] for a in seen.all("a")} <= ids
    levels = [int(name[1]) for name, _ in seen.elements if name in ("h1", "h2", "h3", "h4")]
    assert levels == [1, 2, 2, 2, 2, 3, 2]
    assert [a["href"] for a in seen.all("a")][-3:] == ["#part-1", "#part-2", "#part-3"]


def test_code_is_folded_and_outputs_are_not():
    seen = Page(alone.drawn(executed(code("x = 1", {"output_type": "stream", "text": "one"})), "late"))
    assert seen.all("details") == [{}]
    assert "Code of cell 1 x = 1 one" in seen.text


def test_a_title_of_the_notebook_is_text():
    page = alone.drawn(executed(markdown("a"), title="</title><script>alert(1)</script>\u202e"), "late")
    assert_safe(page)
    assert "\u202e" not in page


def test_the_same_notebook_gives_the_same_bytes():
    assert alone.drawn(failed(), "late") == alone.drawn(failed(), "late")


def test_the_sentence_papermill_puts_above_a_failure_is_read_as_one():
    notice = markdown("<span style='color:red'>An Exception was encountered at '<a href=\"#x\">In [3]</a>'.</span>")
    notice["metadata"] = {"tags": ["papermill-error-cell-tag"]}
    assert "An Exception was encountered at 'In [3]'." in Page(alone.drawn(executed(notice), "late")).text


@pytest.mark.parametrize(
    "content", [{"cells": []}, {"cells": [{}]}, {"cells": [{"cell_type": "code", "outputs": [3]}]}]
)
def test_a_bare_notebook_is_a_page(content):
    assert_safe(alone.drawn(content, "late"))


def test_a_whole_output_fits_that_a_report_would_cut():
    long = {"output_type": "stream", "text": "x" * 50_000}
    page = alone.drawn(executed(code("x", long)), "late")
    assert "x" * 50_000 in page
    more = alone.drawn(executed(code("x", {"output_type": "stream", "text": "x" * 70_000})), "late")
    assert "more characters of text left out; the notebook has all of it" in more


@pytest.mark.parametrize(("words", "code_shown"), [([], True), (["--no-input"], False)])
def test_code_is_left_out_where_nbconvert_is_asked_to(tmp_path, needed, words, code_shown):
    needed("nbconvert")
    printed = {"output_type": "stream", "name": "stdout", "text": "what it printed"}
    (tmp_path / "late.ipynb").write_text(json.dumps(executed(markdown("# A"), code("x = 'the code'", printed))))
    command = [sys.executable, "-m", "nbconvert", "--to", "nbmlops", *words, "late.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    text = assert_safe(read(tmp_path / "late.html")).text
    assert "what it printed" in text
    assert ("the code" in text, "Code of cell" in text) == (code_shown, code_shown)
