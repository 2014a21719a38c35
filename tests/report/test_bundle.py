"""The bundle of a version: whole without nbmlops, the same bytes again, small, nothing private, gaps with an owner."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound

from .test_page import Page
from .test_private import CHARTER as PRIVATE
from .test_private import MARKER, tracked

CHARTER = """
problem: Will this booking come late?
metrics: [{name: roc_auc, at_least: 0.6}]
"""


@pytest.fixture
def late(project, train, fit, held_out):
    (project / "charter.yaml").write_text(CHARTER)
    with nb.run("late"):
        nb.dataset("bookings", train[["age", "city", "noise"]])
        model = fit("age", "city", "noise")
        nb.evaluate(model, held_out, target="late", by="city")
        nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="first")
    return project


def names(path):
    with zipfile.ZipFile(path) as packed:
        return packed.namelist()


def read(path, name):
    with zipfile.ZipFile(path) as packed:
        return packed.read(name)


def test_it_holds_the_evidence(late):
    made = nb.bundle("late@champion", "e.zip")
    found = set(names("e.zip"))
    wanted = {"model_card.md", "report.html", "report.json", "signatures.html", "charter.yaml", "evaluation.json"}
    wanted |= {"profile.json", "requirements.txt", "model/model.skops", "audit/verify.py", "audit/events.jsonl"}
    assert found >= wanted | {"index.html", "SHA256SUMS"}
    assert {f["name"] for f in made.files} == found - {"SHA256SUMS"}
    assert [m["what"] for m in made.missing if m["what"].startswith("Gate")] == [
        "Gate: it was not compared with another version"
    ]
    assert all(m["whose"] and m["do"] for m in made.missing)
    assert made.size_bytes < 2_000_000


def test_every_digest_fits_and_the_log_verifies_without_nbmlops(late, tmp_path):
    nb.bundle("late@champion", "e.zip")
    with zipfile.ZipFile("e.zip") as packed:
        packed.extractall(tmp_path / "out")
    for line in (tmp_path / "out" / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    done = subprocess.run(
        [sys.executable, "-I", "verify.py"], cwd=tmp_path / "out" / "audit", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_index_has_no_script_and_leads_to_every_file(late):
    nb.bundle("late@champion", "e.zip")
    markup = read("e.zip", "index.html").decode()
    seen = Page(markup)
    assert not seen.wrong
    assert not seen.open
    assert {name for name, _ in seen.elements}.isdisjoint({"script", "iframe", "form", "link", "base", "img"})
    assert not [a for _, found in seen.elements for a in found if a.startswith("on")]
    for name in set(names("e.zip")) - {"SHA256SUMS", "index.html"}:
        assert f'href="{name.replace("@", "%40")}"' in markup, name
    assert "Gate" in markup


def test_the_same_facts_give_the_same_bytes(late):
    assert nb.bundle("late@champion", "one.zip").digest == nb.bundle("late@champion", "two.zip").digest


def test_without_the_model(late):
    nb.bundle("late@champion", "e.zip", model=False)
    assert not [n for n in names("e.zip") if n.startswith("model/")]


def test_nothing_private_but_in_the_model(project):
    (project / "charter.yaml").write_text(PRIVATE)
    tracked(1, 2)
    nb.bundle("wards@1", "e.zip", model=False)
    for name in names("e.zip"):
        assert MARKER not in read("e.zip", name).decode("utf-8"), name


def test_a_version_no_run_made_has_one_too(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    made = nb.bundle("late@1", "e.zip")
    assert "report.html" not in names("e.zip")
    assert any("no run made this version" in m["what"] for m in made.missing)


def test_a_lost_model_file_is_missing_not_an_error(late):
    from nbmlops.tracking import session

    session.artifacts().delete(nb.model_version("late@1").digest)
    made = nb.bundle("late@1", "e.zip")
    assert any(m["what"].startswith("The model's file") for m in made.missing)


def test_function_and_command_say_the_same(late):
    done = CliRunner().invoke(main, ["models", "bundle", "late@champion", "-o", "e.zip", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == nb.bundle("late@champion", "e.zip").to_dict()
    shown = nb.bundle("late@champion", "e.zip")._repr_mimebundle_()
    assert shown["application/vnd.nbmlops.bundle.v1+json"]["ref"] == "late@1"
    assert "<script" not in shown["text/html"]
    assert "Open index.html" in shown["text/plain"]


def test_bad_input_is_one_line_and_writes_nothing(late):
    with pytest.raises(Invalid, match="zip"):
        nb.bundle("late@1", "e.tar")
    with pytest.raises(NotFound, match="No folder"):
        nb.bundle("late@1", "nowhere/e.zip")
    with pytest.raises(NotFound):
        nb.bundle("late@9", "e.zip")
    assert not list(late.glob("e.*"))


def test_a_zip_any_reader_opens(late):
    nb.bundle("late@1", "e.zip")
    with zipfile.ZipFile(io.BytesIO((late / "e.zip").read_bytes())) as packed:
        assert packed.testzip() is None
