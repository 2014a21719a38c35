"""A file that was changed is found out, and it is said where."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops import __version__
from nbmlops.cli import main
from nbmlops.errors import NotFound
from nbmlops.report import page, snapshot
from nbmlops.report.verify import LINK, _decoded, verify_report
from nbmlops.tracking import session


@pytest.fixture
def file(retrained, tmp_path):
    return nb.report(retrained, tmp_path / "r.html")


def change(file, old, new, count=-1):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, count))


def embedded(file):
    return _decoded(LINK.findall(file.read_text())[0])


def embed(file, raw):
    change(file, LINK.findall(file.read_text())[0], page.embedded(raw))


def elsewhere(tmp_path, monkeypatch):
    """Go to a folder in which nothing is known."""
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "nbmlops.toml").write_text("")
    monkeypatch.chdir(tmp_path / "away")
    session.reset()
    return tmp_path / "away"


def test_an_unchanged_file_is_whole_and_known(file):
    found = verify_report(file)
    assert (found.verdict, found.known, found.number, found.where) == ("whole", True, 1, "")
    assert "byte by byte" in found.says
    assert found.title == "Retraining report: late-flights"


def test_a_page_for_a_role_is_whole(retrained, tmp_path):
    assert verify_report(nb.report(retrained, tmp_path / "m.html", role="manager")).verdict == "whole"


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("Replace champion", "Remove champion", "page one"),
        ("Not for cancelled flights.", "For all flights.", "Limits and intended use"),
        ("random_state = 0", "random_state = 1", "Reproducibility"),
        ("notebook printed follows", "notebook said follows", "Notebook"),
        ("</html>", "<!-- more --></html>", "the foot"),
        ("default-src 'none'", "default-src *", "the head of the file"),
    ],
)
def test_changed_text_is_found_with_its_section(file, old, new, where):
    change(file, old, new, 1)
    found = verify_report(file)
    assert (found.verdict, found.where) == ("changed", where)


def test_changed_facts_are_found_by_their_hash(file):
    taken = json.loads(embedded(file))
    taken["results"] = []
    embed(file, snapshot.canonical(taken))
    found = verify_report(file)
    assert (found.verdict, found.where, found.known) == ("changed", "the facts inside: results", False)


def test_a_changed_hash_is_found(file):
    digest = snapshot.digest(json.loads(embedded(file)))
    change(file, digest, "0" * 64, 1)
    found = verify_report(file)
    assert (found.verdict, found.where, found.known) == ("changed", "the hash printed", True)


def _forged(file):
    """Change facts, hash and page so that all go together."""
    taken = json.loads(embedded(file))
    taken["charter"]["problem"] = "Another problem."
    notebook = page.appendix(taken)
    file.write_text(page.render(taken, notebook))
    return taken


def test_a_file_that_goes_together_and_is_not_the_stores_is_changed(file):
    _forged(file)
    found = verify_report(file)
    assert (found.verdict, found.known, found.where) == ("changed", False, "the facts inside: charter")
    assert "report 1 of this store has other facts" in found.says


def test_elsewhere_a_forged_file_is_not_known(file, tmp_path, monkeypatch):
    _forged(file)
    home = elsewhere(tmp_path, monkeypatch)
    found = verify_report(file)
    assert (found.verdict, found.known) == ("in part", None)
    assert "no store here" in found.says
    assert not (home / ".nbmlops" / "store.sqlite").exists()  # asking makes none
    with nb.run("other"):
        pass
    session.store().sync()
    found = verify_report(file)
    assert (found.verdict, found.known) == ("in part", False)
    assert "does not know it" in found.says


def test_without_the_notebook_all_but_the_appendix_is_compared(file, tmp_path, monkeypatch):
    elsewhere(tmp_path, monkeypatch)
    found = verify_report(file)
    assert (found.verdict, found.not_compared) == ("in part", ("notebook",))
    change(file, "Not for cancelled flights.", "For all flights.", 1)
    found = verify_report(file)
    assert (found.verdict, found.where) == ("changed", "Limits and intended use")


@pytest.mark.parametrize("role", [None, "manager"])
def test_what_the_notebook_printed_is_in_part_where_it_cannot_be_compared(retrained, tmp_path, monkeypatch, role):
    file = nb.report(retrained, tmp_path / "r.html", role=role)
    elsewhere(tmp_path, monkeypatch)
    change(file, "notebook printed follows as it was.", "notebook printed follows. AUC 0.99.", 1)
    assert (verify_report(file).verdict, verify_report(file).not_compared) == ("in part", ("notebook",))
    done = CliRunner().invoke(main, ["report", "verify", str(file)])
    assert done.exit_code == 4


FAKE = '<section class="sheet" id="board"><h2>Approved by the board</h2><p>Signed: Ann</p></section>'


@pytest.mark.parametrize(
    ("mark", "more", "where"),
    [
        ("</main>", FAKE, "the foot"),
        ("</main>", "<script>alert(1)</script>", "the foot"),
        ("</main>", "<p>Recommended: yes</p>", "the foot"),
        ("</html>", "<!-- more -->", "the foot"),
        ("What the notebook printed", f"</p></details></section>{FAKE}<section><details><p>", "Notebook"),
        ("What the notebook printed", FAKE.replace("section", "article"), "Notebook"),
        ("What the notebook printed", "<script>alert(1)</script>", "Notebook"),
        ("What the notebook printed", "<!-- more -->", "Notebook"),
        ("What the notebook printed", '<b onclick="x()">x</b>', "Notebook"),
        ("What the notebook printed", '<img src="http://example.org/x.png" alt="">', "Notebook"),
    ],
)
def test_what_was_put_in_is_found_without_the_notebook(file, tmp_path, monkeypatch, mark, more, where):
    elsewhere(tmp_path, monkeypatch)
    change(file, mark, more + mark, 1)
    found = verify_report(file)
    assert (found.verdict, found.where) == ("changed", where)


def test_the_page_of_another_version_is_not_compared(file):
    change(file, 'content="nbmlops ', 'content="nbmlops 99.')
    found = verify_report(file)
    assert (found.verdict, found.not_compared) == ("in part", ("the page",))
    assert "nbmlops 99." in found.says


@pytest.mark.parametrize("key", ["kind", "subject", "number", "as_of"])
def test_facts_of_no_report_are_said(file, key):
    taken = json.loads(embedded(file))
    del taken[key]
    embed(file, snapshot.canonical(taken))
    found = verify_report(file)
    assert (found.verdict, found.where) == ("changed", "the facts inside")


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_facts_that_are_no_json_are_said(file, raw):
    embed(file, raw)
    assert verify_report(file).verdict == "changed"


def test_two_sets_of_facts_are_one_too_many(file):
    link = LINK.search(file.read_text())[0]
    change(file, "<main", f"{link}x</a><main", 1)
    assert verify_report(file).verdict == "changed"


@pytest.mark.parametrize(("key", "value"), [("run", 3), ("notebook", "x"), ("results", [[]]), ("as_of", {})])
def test_facts_no_page_can_be_drawn_from_are_said(file, tmp_path, monkeypatch, key, value):
    taken = json.loads(embedded(file))
    before = snapshot.digest(taken)
    taken[key] = value
    embed(file, snapshot.canonical(taken))
    change(file, before, snapshot.digest(taken))
    elsewhere(tmp_path, monkeypatch)
    found = verify_report(file)
    assert found.verdict == "changed"
    assert found.where


def test_what_a_newer_version_made_is_said(file):
    taken = json.loads(embedded(file))
    taken["schema"] = 99
    embed(file, snapshot.canonical(taken))
    found = verify_report(file)
    assert found.verdict == "unreadable"
    assert "newer nbmlops" in found.says


def test_facts_alone_are_known_by_their_hash_or_not(retrained, tmp_path, monkeypatch):
    file = nb.report(retrained, tmp_path / "r.json")
    assert (verify_report(file).verdict, verify_report(file).known) == ("whole", True)
    taken = json.loads(file.read_bytes())
    file.write_bytes(json.dumps(taken, indent=2).encode())
    found = verify_report(file)  # the same facts in another layout
    assert (found.verdict, found.known, found.not_compared) == ("in part", True, ("the layout",))
    taken["run"]["author"] = "eve"
    file.write_bytes(snapshot.canonical(taken))
    found = verify_report(file)
    assert (found.verdict, found.where) == ("changed", "the facts inside: run")
    elsewhere(tmp_path, monkeypatch)
    assert verify_report(file).verdict == "in part"


@pytest.mark.parametrize("role", [None, "manager", "data_engineer"])
def test_markdown_is_drawn_again_from_what_the_store_keeps(retrained, tmp_path, monkeypatch, role):
    file = nb.report(retrained, tmp_path / "r.md", role=role)
    assert (verify_report(file).verdict, verify_report(file).known) == ("whole", True)
    change(file, "Not for cancelled flights", "For all flights", 1)
    found = verify_report(file)
    assert (found.verdict, found.where) == ("changed", "Limits and intended use")
    elsewhere(tmp_path, monkeypatch)
    found = verify_report(file)
    assert (found.verdict, found.known) == ("in part", None)


def test_markdown_of_another_version_is_not_compared(retrained, tmp_path):
    file = nb.report(retrained, tmp_path / "r.md")
    change(file, f"nbmlops {__version__} drew it", "nbmlops 99.0 drew it", 1)
    change(file, "Not for cancelled flights", "In other words", 1)
    found = verify_report(file)
    assert (found.verdict, found.not_compared) == ("in part", ("the page",))
    assert "nbmlops 99.0" in found.says


@pytest.mark.parametrize("name", ["r.JSON", "r.MD", "r.Html"])
def test_the_case_of_a_files_name_does_not_matter(retrained, tmp_path, name):
    assert verify_report(nb.report(retrained, tmp_path / name)).verdict == "whole"


ODD = '{"schema":2,"kind":"run","subject":"x","number":1,"project":"p","as_of":"x"}'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (":1,", ":NaN,"),
        (":1,", ":1e999,"),
        ('"run"', '["run"]'),
        ('"subject":"x"', '"subject":{"a":1}'),
        ('{"schema"', '{"kind":"project","schema"'),
    ],
)
def test_odd_facts_alone_are_said(project, tmp_path, old, new):
    (tmp_path / "r.json").write_text(ODD.replace(old, new))
    assert verify_report(tmp_path / "r.json").verdict == "changed"


def test_facts_of_something_else_are_no_report(project, tmp_path):
    (tmp_path / "how.json").write_bytes(snapshot.canonical({"ref": "m@1", "project": "p", "as_of": "x"}))
    assert verify_report(tmp_path / "how.json").verdict == "unreadable"


def test_a_file_of_something_else_is_unreadable(project, tmp_path):
    for name in ("a.html", "a.md"):
        (tmp_path / name).write_text("hello")
        assert verify_report(tmp_path / name).verdict == "unreadable"
    with pytest.raises(NotFound, match="There is no file"):
        verify_report(tmp_path / "none.html")


def test_function_and_command_say_the_same_and_the_code_tells(file, tmp_path):
    done = CliRunner().invoke(main, ["report", "verify", str(file), "--json"])
    assert (done.exit_code, json.loads(done.output)) == (0, verify_report(file).to_dict())
    change(file, "Replace champion", "Remove champion", 1)
    done = CliRunner().invoke(main, ["report", "verify", str(file)])
    assert done.exit_code == 3
    assert "Changed: page one." in done.output
    (tmp_path / "x.html").write_text("")
    assert CliRunner().invoke(main, ["report", "verify", str(tmp_path / "x.html")]).exit_code == 5
    assert CliRunner().invoke(main, ["report", "verify", "none"]).exit_code == 5
