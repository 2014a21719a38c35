"""A notebook executed anywhere: what its file says, nothing it cannot know, and no secret."""

import json
import re
import shutil
from pathlib import Path

import pytest

import nbmlops as nb
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.report import executed, page, snapshot
from nbmlops.report.kinds.kind import kind_of, subject_of
from nbmlops.store.runs import results_of
from nbmlops.tracking import session

from .conftest import NOTEBOOK
from .test_page import NASTY, Page, assert_safe

FAILED = Path(__file__).parent / "notebooks" / "papermill_failed.ipynb"


def made(*cells, metadata=None, path="x.ipynb"):
    """Write a notebook; a cell is its source, its count and what it printed."""
    written = [
        {
            "cell_type": "code",
            "metadata": {},
            "source": source,
            "execution_count": number,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": text}] if text else [],
        }
        for source, number, text in cells
    ]
    Path(path).write_text(
        json.dumps({"cells": written, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


def taken(path):
    return snapshot.build(subject_of(path))


def answer(found):
    first = kind_of(found["kind"]).decide(found)
    return first.question, first.answer.word, first.because


@pytest.fixture
def bare(project):
    """A notebook that papermill executed and that failed; nbmlops never heard of it."""
    shutil.copy(FAILED, "bare.ipynb")
    return "bare.ipynb"


def test_a_bare_papermill_notebook_says_what_failed(bare):
    found = taken(bare)
    assert found["kind"] == "notebook"
    assert found["subject"] == f"notebook:{executed.read(Path(bare)).digest}"
    assert answer(found) == (
        "Notebook 'bare.ipynb' failed in cell 7",
        "failed",
        "ZeroDivisionError: division by zero. Since 26 November 2026, 12:40 UTC. 3 of 5 code cells ran to the end.",
    )
    assert found["parameters"] == [{"name": "n", "value": "5", "given": True}]
    assert found["times"]["duration_s"] == 2.556142
    assert [c["status"] for c in found["cells"]] == ["completed", "completed", "completed", "failed", "not run"]
    assert found["as_of"] == "2026-11-26T12:40:20.690730+00:00"


def test_its_page_is_safe_and_names_what_is_missing(bare):
    markup = nb.report(bare, "r.html").read_text()
    assert_safe(markup)
    text = Page(markup).text
    assert "Missing: Which data it read or wrote is not known. To do: execute it with nbmlops run" in text
    assert "Missing: Which packages it ran with is not known." in text
    assert "Traceback" in text
    assert "Show the notebook" in text
    assert nb.report(bare, "again.html").read_text() == markup


def test_the_snapshot_names_the_kept_notebook(bare):
    found = taken(bare)
    assert session.artifacts().get(found["notebook"]["digest"]) == Path(bare).read_bytes()
    assert found["file"]["digest"] == found["notebook"]["digest"]
    taken(bare)
    kept = results_of(session.store(), kind="notebook")
    assert [r["data"]["kept"] for r in kept] == [found["notebook"]["digest"]]


def test_a_store_that_takes_no_file_still_gives_a_page(bare, monkeypatch):
    def put(self, data):
        raise NotAllowed("The folder of artifacts is read-only.")

    monkeypatch.setattr("nbmlops.store.artifacts.Artifacts.put", put)
    found = taken(bare)
    assert found["notebook"] is None
    assert "No copy could be kept: The folder of artifacts is read-only" in page.render(found)


def test_a_notebook_a_run_made_gives_that_runs_report(retrained):
    Path("copy.ipynb").write_bytes(NOTEBOOK)
    assert subject_of("copy.ipynb").key == f"run:{retrained.run_id}"
    Path("copy.ipynb").write_bytes(NOTEBOOK + b" ")
    assert subject_of("copy.ipynb").kind == "notebook"


def test_plain_jupyter_without_times(project):
    found = taken(made(("x = 1", 1, ""), ("x", 2, "1")))
    assert answer(found)[:2] == ("Nothing is asked to be decided", "For information")
    assert found["times"] == {"began": None, "ended": None, "duration_s": None}
    assert found["as_of"] == taken("x.ipynb")["as_of"]
    assert "When it ran and how long is not known" in page.render(found)


def test_order_and_what_did_not_run_are_findings(project):
    text = Page(page.render(taken(made(("a", 3, ""), ("b", 1, ""), ("c", None, ""), ("  ", None, ""))))).text
    assert "Was all of 'x.ipynb' meant to run?" in text
    assert "cells ran in another order than they stand: 2 before one above" in text
    assert "1 code cell did not run to the end" in text


def raising(name, message, number=2, **metadata):
    error = {"output_type": "error", "ename": name, "evalue": message, "traceback": []}
    return {"cell_type": "code", "metadata": metadata, "source": "y", "execution_count": number, "outputs": [error]}


def test_an_error_that_was_no_failure_does_not_make_the_notebook_failed(project):
    content = json.loads(Path(made(("x", 1, ""), ("z", 3, ""))).read_text())
    content["cells"].insert(1, raising("ZeroDivisionError", "division by zero", tags=["raises-exception"]))
    Path("x.ipynb").write_text(json.dumps(content))
    found = taken("x.ipynb")
    assert (found["status"], found["error"], found["counts"]["completed"]) == ("completed", None, 3)
    assert answer(found)[1] == "For information"
    text = Page(page.render(found)).text
    assert "cell 2 raised ZeroDivisionError, as it may" in text
    assert "What failed" not in text


def test_one_that_left_early_with_success_did_not_fail(project):
    content = json.loads(Path(made(("x", 1, ""), ("z", None, ""))).read_text())
    content["cells"].insert(1, raising("SystemExit", "0", papermill={"status": "failed", "exception": True}))
    Path("x.ipynb").write_text(json.dumps(content))
    found = taken("x.ipynb")
    assert answer(found)[1:] == (
        "For information",
        "Notebook 'x.ipynb' ended itself in cell 2, by sys.exit(0): 2 of 3 code cells ran to the end. "
        "It is not recognised as what a run kept, so no model and no data is known.",
    )
    assert "1 code cell did not run to the end, since cell 2 ended the notebook by sys.exit(0)" in page.render(found)


def test_one_that_left_with_a_fault_failed(project):
    content = json.loads(Path(made(("x", 1, ""), ("z", None, ""))).read_text())
    content["cells"].insert(1, raising("SystemExit", "1"))
    Path("x.ipynb").write_text(json.dumps(content))
    assert answer(taken("x.ipynb"))[:2] == ("Notebook 'x.ipynb' failed in cell 2", "failed")


def test_one_that_never_ran_and_one_without_cells(project):
    assert answer(taken(made(("a", None, ""))))[:2] == ("Was 'x.ipynb' executed?", "Not executed")
    found = taken(made(path="none.ipynb"))
    assert answer(found)[1] == "Not executed"
    assert "there is no code in it" in page.render(found)


def test_hostile_words_of_a_notebook_stay_words(project):
    error = {"output_type": "error", "ename": NASTY, "evalue": NASTY, "traceback": [NASTY]}
    cell = {"cell_type": "code", "metadata": {"papermill": {"status": NASTY}}, "source": NASTY, "outputs": [error]}
    about = {"papermill": {"version": NASTY, "parameters": {NASTY: NASTY}}, "kernelspec": {"display_name": NASTY}}
    about |= {"language_info": {"name": NASTY, "version": NASTY}}
    Path("x.ipynb").write_text(json.dumps({"cells": [{**cell, "execution_count": 1}], "metadata": about}))
    assert_safe(nb.report("x.ipynb", "r.html").read_text())
    outside = re.sub(r"(?s)```.*?```", "", nb.report("x.ipynb", "r.md").read_text())
    assert "<" not in outside
    assert "onerror=alert" in outside


def test_secrets_are_masked_wherever_they_stand(project):
    metadata = {"papermill": {"parameters": {"db_password": "hunter2hunter2", "n": 3}, "version": "2.6.0"}}
    path = made(('API_KEY = "s3cr3t-abc-123"', 1, "postgresql://me:hunter3@db/x"), metadata=metadata)
    found = taken(path)
    everything = (
        page.render(found, page.appendix(found)) + session.artifacts().get(found["notebook"]["digest"]).decode()
    )
    for secret in ("s3cr3t-abc-123", "hunter2", "hunter3"):
        assert secret not in everything
    assert "Secrets are masked in the copy" in everything


def test_a_traceback_keeps_its_lines_where_one_holds_a_secret(project):
    lines = ["Traceback (most recent call last)", "  password = 'hunter2hunter2'", "ValueError: no"]
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": lines}
    cell = {"cell_type": "code", "metadata": {}, "source": "x", "execution_count": 1, "outputs": [error]}
    Path("x.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    kept = json.loads(executed.copied(executed.read(Path("x.ipynb")))[0])["cells"][0]["outputs"][0]["traceback"]
    assert "hunter2" not in str(kept)
    assert (len(kept), kept[0], kept[2]) == (3, lines[0], lines[2])


def test_a_copy_under_another_name_has_a_report_with_its_own(project):
    first = made(("1", 1, "one"), path="march.ipynb")
    shutil.copy(first, "april.ipynb")
    named = {name: page.written(f"{name}.ipynb", f"{name}.html") for name in ("march", "april", "march")}
    assert [r.title for r in named.values()] == ["Notebook report: march.ipynb", "Notebook report: april.ipynb"]
    assert [r.number for r in named.values()] == [1, 2]
    assert not any(r.stale for r in named.values())
    assert "march" not in Path("april.html").read_text()


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_in_no_year_is_no_time(project, at):
    metadata = {"papermill": {"start_time": at, "end_time": at, "version": "2.6"}}
    assert taken(made(("1", 1, "x"), metadata=metadata))["times"]["began"] is None
    assert nb.report("x.ipynb", "x.html").is_file()


def test_half_a_character_anywhere_is_a_mark(project):
    half = "\ud800"
    error = {"output_type": "error", "ename": half, "evalue": half, "traceback": [half]}
    cell = {"cell_type": "code", "metadata": {}, "source": half, "execution_count": 1, "outputs": [error]}
    content = {"cells": [cell], "metadata": {"title": half}, "nbformat": 4, "nbformat_minor": 5}
    Path("x.ipynb").write_text(json.dumps(content))
    found = page.written("x.ipynb", "x.html")
    assert "\N{REPLACEMENT CHARACTER}" in found.because
    found.question.encode()
    assert found.number == 1
    assert_safe(Path("x.html").read_text())


def test_a_large_notebook_is_read_and_cut(project):
    path = made(*((f"x{i}", i, "row 1234 of a table\n" * 100_000) for i in range(1, 26)))
    assert Path(path).stat().st_size > 50_000_000
    found = taken(path)
    assert found["file"]["left_out"] > 47_000_000
    assert found["notebook"]["size_bytes"] < 2_500_000
    assert len(page.render(found, page.appendix(found))) < 300_000


def test_a_picture_pasted_into_markdown_is_no_long_text(project):
    pasted = f"![late](data:image/png;base64,{'A' * 150_000}) and after"
    made((pasted, 1, "y" * 150_000))
    copy, left_out = executed.copied(executed.read(Path("x.ipynb")))
    assert pasted in json.loads(copy)["cells"][0]["source"]
    assert left_out == 50_000


def test_past_the_budget_the_copy_is_shortened_and_still_a_notebook(project, monkeypatch):
    monkeypatch.setattr(executed, "MOST", 100)
    code = {"id": "c1", "cell_type": "code", "metadata": {"tags": ["report"]}, "execution_count": 1}
    shown = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "y" * 500}}
    printed = {"output_type": "stream", "name": "stdout", "text": ["z\n"] * 500}
    prose = {"id": "m1", "cell_type": "markdown", "metadata": {}, "source": "w" * 500}
    content = {"cells": [{**code, "source": "x" * 500, "outputs": [shown, printed]}, prose]}
    content |= {"metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}}, "nbformat": 4}
    Path("x.ipynb").write_text(json.dumps({**content, "nbformat_minor": 5}))
    copy, left_out = executed.copied(executed.read(Path("x.ipynb")))
    kept = json.loads(copy)
    assert left_out == 2400
    assert [(c["id"], c["cell_type"], c["metadata"]) for c in kept["cells"]] == [
        ("c1", "code", {"tags": ["report"]}),
        ("m1", "markdown", {}),
    ]
    assert [o["output_type"] for o in kept["cells"][0]["outputs"]] == ["display_data", "stream"]
    assert kept["cells"][0]["outputs"][1]["name"] == "stdout"
    assert kept["metadata"] == content["metadata"]
    assert kept["cells"][1]["source"] == "\n[500 more characters are in the file alone]"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("no json", "it is not JSON"),
        ("[]", "no list of cells"),
        ('{"cells": {}}', "no list of cells"),
        ('{"cells": [1]}', "no list of cells"),
        ("[" * 100_000, "it is not JSON"),
        ('{"nbformat": 3, "worksheets": [{"cells": []}]}', "format 3"),
    ],
)
def test_what_is_no_notebook_is_one_clear_line(project, content, says):
    Path("x.ipynb").write_text(content)
    with pytest.raises(Invalid, match=says):
        nb.report("x.ipynb")


def test_no_file_and_a_folder(project):
    with pytest.raises(NotFound, match="No notebook 'gone"):
        nb.report("gone.ipynb")
    Path("folder.ipynb").mkdir()
    with pytest.raises(PermissionError, match="cannot be read"):
        nb.report("folder.ipynb")


@pytest.mark.parametrize("odd", [None, 3, "text", [], [3], {}, {"a": 1}])
def test_odd_fields_of_a_notebook_are_survived(project, odd):
    cell = {"cell_type": "code", "metadata": odd, "source": "x", "execution_count": odd, "outputs": odd}
    milled = {"cell_type": "code", "metadata": {"papermill": odd, "execution": odd}, "source": ["x"]}
    error = {**milled, "outputs": [{"output_type": "error", "ename": odd, "evalue": odd, "traceback": odd}]}
    about = {"papermill": {"parameters": odd, "start_time": odd, "version": odd}, "kernelspec": odd}
    content = {"cells": [cell, milled, error, {"cell_type": odd, "source": odd}], "metadata": about, "nbformat": 4}
    Path("x.ipynb").write_text(json.dumps(content))
    assert_safe(nb.report("x.ipynb", "r.html").read_text())
